//! One entry of the ledger, and how it is sealed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::names::{EnvName, RepoName};
use crate::time::Timestamp;

/// What a caller gives to be recorded: one change, by names alone, never with a secret's value.
///
/// ```
/// use infra_sdk::ledger::{Outcome, Record};
/// let record = Record::new("ada", "local".parse()?, "shop-api".parse()?, "deploy", "app", Outcome::Done)
///     .with("release", "3");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who did it, as [`actor`](crate::ledger::actor) says.
    pub actor: String,
    /// In which environment.
    pub env: EnvName,
    /// In which repository.
    pub project: RepoName,
    /// What was done, such as `deploy`, `apply`, `secrets.write`.
    pub action: String,
    /// What it was done to: a stack, an image, a parameter path, a secret's name.
    pub subject: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What else there is to know: digests, counts, names.
    pub details: BTreeMap<String, String>,
}

impl Record {
    /// A record without details.
    pub fn new(
        actor: impl Into<String>,
        env: EnvName,
        project: RepoName,
        action: impl Into<String>,
        subject: impl Into<String>,
        outcome: Outcome,
    ) -> Self {
        Record {
            actor: actor.into(),
            env,
            project,
            action: action.into(),
            subject: subject.into(),
            outcome,
            details: BTreeMap::new(),
        }
    }

    /// Adds a detail. Never a secret.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.details.insert(key.into(), value.to_string());
        self
    }

    /// Makes the entry that follows `last`, at the time `time`; for providers.
    ///
    /// ```
    /// # use infra_sdk::ledger::{Outcome, Record};
    /// # use infra_sdk::time::Timestamp;
    /// # let record = || Record::new("ada", "local".parse().unwrap(), "shop".parse().unwrap(), "a", "b", Outcome::Done);
    /// let first = record().follow(None, Timestamp::now());
    /// let second = record().follow(Some(&first), Timestamp::now());
    /// assert_eq!((second.seq, &second.prev), (2, &first.hash));
    /// ```
    pub fn follow(self, last: Option<&Entry>, time: Timestamp) -> Entry {
        let (seq, prev) =
            last.map_or_else(|| (1, Entry::root()), |last| (last.seq.saturating_add(1), last.hash.clone()));
        let Record { actor, env, project, action, subject, outcome, details } = self;
        let hash = Entry::root();
        let mut entry =
            Entry { seq, time, actor, env, project, action, subject, outcome, details, prev, hash };
        entry.hash = entry.seal();
        entry
    }
}

/// One recorded change. Editing, removing or moving an entry breaks the chain,
/// which [`verify`](crate::ledger::verify) then names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its place in the ledger; the first entry is 1.
    pub seq: u64,
    /// When it was recorded.
    pub time: Timestamp,
    /// Who did it.
    pub actor: String,
    /// In which environment.
    pub env: EnvName,
    /// In which repository.
    pub project: RepoName,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What else there is to know.
    pub details: BTreeMap<String, String>,
    /// The hash of the entry before; of the first, the digest of the seal's name.
    pub prev: Digest,
    /// The digest over everything above, see [`Entry::seal`].
    pub hash: Digest,
}

impl Entry {
    /// The name of the seal: a changed way to compute it gets a new number.
    const SEAL: &str = "infra-sdk ledger seal 1";

    /// What stands before the first entry.
    pub fn root() -> Digest {
        Digest::of(Self::SEAL.as_bytes())
    }

    /// Computes the hash this entry must have.
    ///
    /// SHA-256 over the name of the seal, `seq`, `time`, `actor`, `env`, `project`, `action`, `subject`,
    /// `outcome`, `prev`, then each detail's key and value in the order of the keys. Each of these is
    /// text, preceded by its length in bytes and a `:`, so that no text can pose as two.
    pub fn seal(&self) -> Digest {
        let mut hasher = Hasher::new();
        let mut add = |text: &str| {
            hasher.update(format!("{}:", text.len()).as_bytes());
            hasher.update(text.as_bytes());
        };
        add(Self::SEAL);
        add(&self.seq.to_string());
        add(&self.time.to_string());
        for text in [&self.actor, self.env.as_str(), self.project.as_str(), &self.action, &self.subject] {
            add(text);
        }
        add(self.outcome.as_str());
        add(self.prev.as_str());
        for (key, value) in &self.details {
            add(key);
            add(value);
        }
        hasher.finish()
    }
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As asked.
    Done,
    /// Not as asked; what was there before may be touched.
    Failed,
    /// Not as asked, and what was there before is back.
    RolledBack,
    /// Stopped before its end.
    Cancelled,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::RolledBack => "rolled-back",
            Outcome::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Record::new("ada", EnvName::local(), "shop".parse().unwrap(), "deploy", "app", Outcome::Done)
            .with("release", 3)
            .follow(None, "2026-11-20T10:00:00.000Z".parse().unwrap())
    }

    #[test]
    fn the_seal_of_a_known_entry_never_changes() {
        assert_eq!(
            entry().hash.as_str(),
            "sha256:df93840ee9db7e577c371b564f0d57349aede860567a5b09bcae9f9e209a6fac"
        );
    }

    #[test]
    fn every_field_is_under_the_seal() {
        let edits: [fn(&mut Entry); 10] = [
            |entry| entry.seq = 2,
            |entry| entry.time = Timestamp::now(),
            |entry| entry.actor.push('x'),
            |entry| entry.env = "prod".parse().unwrap(),
            |entry| entry.project = "shop2".parse().unwrap(),
            |entry| entry.action.push('x'),
            |entry| entry.subject.push('x'),
            |entry| entry.outcome = Outcome::Failed,
            |entry| entry.prev = Digest::of(b"x"),
            |entry| drop(entry.details.insert("a".into(), "b".into())),
        ];
        for (index, edit) in edits.iter().enumerate() {
            let mut edited = entry();
            edit(&mut edited);
            assert_ne!(edited.seal(), entry().hash, "edit {index} was not noticed");
        }
    }

    #[test]
    fn text_cannot_move_between_neighbouring_fields() {
        let (mut one, mut two) = (entry(), entry());
        (one.action, one.subject) = ("ab".into(), "c".into());
        (two.action, two.subject) = ("a".into(), "bc".into());
        assert_ne!(one.seal(), two.seal());
    }

    #[test]
    fn an_entry_survives_being_written_and_an_added_field_is_refused() {
        let text = serde_json::to_string(&entry()).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry());
        let added = text.replacen('{', r#"{"approved":"yes","#, 1);
        assert!(serde_json::from_str::<Entry>(&added).is_err());
    }
}
