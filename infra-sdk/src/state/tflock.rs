//! Terraform's own lock of a state, as an object whose name ends in `.tflock`: theirs are read, ours are written alike.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::state::StateKey;
use crate::time::{Timestamp, human};

/// What begins the `Info` of a lock of ours.
const OURS: &str = "infra-sdk: until ";

/// A lock of Terraform's `s3` backend (`use_lockfile`): what stands in the object, field by field in its order. A lock of
/// ours has the same fields, so that Terraform honours and shows it.
///
/// Terraform knows no expiry. A lock of ours says in `Info` until when it is meant, and by which run; it still has to be
/// [unlocked](crate::infra::Infra::unlock_state).
///
/// ```
/// use infra_sdk::state::TfLock;
/// let lock = TfLock::parse(br#"{"ID": "46c080ab", "Operation": "OperationTypeApply", "Who": "ci@runner"}"#);
/// assert_eq!(lock.map(|lock| lock.who).as_deref(), Some("ci@runner"));
/// assert_eq!(TfLock::parse(b"no json"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TfLock {
    /// Unique to this holding of the lock; Terraform writes a UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// What is being done, such as `OperationTypeApply`.
    #[serde(default)]
    pub operation: String,
    /// More about it.
    #[serde(default)]
    pub info: String,
    /// `user@machine`.
    #[serde(default)]
    pub who: String,
    /// The version of the program.
    #[serde(default)]
    pub version: String,
    /// Since when, in RFC 3339.
    #[serde(default)]
    pub created: String,
    /// What is locked: `bucket/key`.
    #[serde(default)]
    pub path: String,
}

/// What is wanted of a lock of ours.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// The person or machine.
    pub who: String,
    /// The run that wants it, such as the address of a workflow's run; none for a person.
    pub run: Option<String>,
    /// Why, for whoever meets it.
    pub why: String,
    /// For how long.
    pub length: Duration,
}

/// A lock as it lies in the store.
#[derive(Clone, Debug)]
pub struct SeenLock {
    /// What it says; `None` when it is not what Terraform writes, such as no JSON.
    pub lock: Option<TfLock>,
    /// Which version of the object this is; only this one is removed.
    pub version: String,
    /// How long it lies there, by the clock of the store.
    pub age: Duration,
}

impl TfLock {
    /// A lock of ours, from now on, for what lies at `path`.
    ///
    /// # Errors
    /// `Unavailable` when the system gives no randomness for the id.
    pub fn new(request: &LockRequest, path: impl Into<String>) -> Result<Self> {
        let id = crate::id::unique()?;
        let created = Timestamp::now();
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        let run = request.run.as_deref().map(|run| format!(", run {}", plain(run))).unwrap_or_default();
        Ok(TfLock {
            // Terraform takes ids of any form; people look for a UUID.
            id: format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]),
            operation: "infra:state:lock".into(),
            info: format!("{OURS}{}{run}: {}", created.plus(request.length), plain(&request.why)),
            who: plain(&request.who),
            version: env!("CARGO_PKG_VERSION").into(),
            created: created.to_string(),
            path: path.into(),
        })
    }

    /// Reads what lies in an object; `None` for what Terraform would not understand either.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|lock: &TfLock| !lock.id.is_empty())
    }

    /// The run that it is of, if it is one of ours and says so.
    pub fn run(&self) -> Option<&str> {
        // The reason comes last and may say anything.
        let (until_and_run, _) = self.info.strip_prefix(OURS)?.split_once(": ")?;
        until_and_run.split_once(", run ").map(|(_, run)| run)
    }

    /// The id as it is written in a command; `None` where it has characters that no person can type.
    pub(crate) fn id_to_type(&self) -> Option<String> {
        if self.id.chars().any(char::is_control) {
            return None;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_plain = !self.id.starts_with('-') && self.id.chars().all(plain);
        Some(if is_plain { self.id.clone() } else { format!("'{}'", self.id.replace('\'', "'\\''")) })
    }

    /// How long it was meant to last, if it is one of ours.
    pub fn length(&self) -> Option<Duration> {
        let until = self.info.strip_prefix(OURS)?.split([',', ' ']).next()?.trim_end_matches(':');
        let (created, until): (Timestamp, Timestamp) = (self.created.parse().ok()?, until.parse().ok()?);
        Some(created.until(until))
    }
}

impl SeenLock {
    /// Whether it is one of ours, past the time it was meant for: its run is over, or gave it up. Told by the clock of
    /// the store alone, and by how long it was to last; a clock that is wrong on either machine does no harm. Within two
    /// seconds it may count as running still, since stores tell times in whole seconds.
    pub fn has_expired(&self) -> bool {
        let length = self.lock.as_ref().and_then(TfLock::length);
        length.is_some_and(|length| self.age > length.saturating_add(Duration::from_secs(2)))
    }

    /// The id, if the lock can be read.
    pub fn id(&self) -> Option<&str> {
        self.lock.as_ref().map(|lock| lock.id.as_str())
    }

    /// The error of a state that is locked: by whom, for what, since when, and how to go on.
    pub fn error(&self, key: &StateKey) -> Error {
        let stack = &key.stack;
        let Some(lock) = &self.lock else {
            return Error::new(ErrorKind::Locked, "the state of a stack is locked, and its lock does not say by whom")
                .with("state", key)
                .with("for", human(self.age))
                .hint(format!(
                    "if no run is at work for certain, remove it with `cargo xtask infra:state:unlock {stack} --force --yes=infra:state:unlock`"
                ));
        };
        let shown = |text: &str| text.escape_debug().to_string();
        let mut error = Error::new(ErrorKind::Locked, "the state of a stack is locked").with("state", key);
        let fields = [
            ("holder", &lock.who),
            ("since", &lock.created),
            ("operation", &lock.operation),
            ("info", &lock.info),
            ("lock", &lock.id),
        ];
        for (name, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
            error = error.with(name, shown(text));
        }
        if self.has_expired() {
            return error.hint(format!(
                "it is past its time: remove it with `cargo xtask infra:state:unlock {stack} --yes=infra:state:unlock`"
            ));
        }
        let by_hand = "if that run is dead for certain, remove the object whose name is the state's with `.tflock` at its end";
        error
            .hint("wait until the holder is done, then run the same command again")
            .hint(lock.id_to_type().map_or_else(|| by_hand.to_owned(), |id| {
                format!("if that run is dead for certain, remove its lock: `cargo xtask infra:state:unlock {stack} --id {id} --force --yes=infra:state:unlock`")
            }))
            .retryable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Terraform 1.11 wrote it.
    const THEIRS: &str = r#"{"ID":"46c080ab-d15e-16ab-fd92-ae9b435af224","Operation":"OperationTypeApply","Info":"","Who":"root@vm","Version":"1.11.4","Created":"2026-11-20T09:34:14.326642927Z","Path":"tfstate/acme/shop-api/dev/terraform.tfstate"}"#;

    fn ours(length: u64) -> TfLock {
        let (who, why) = ("ada\n".to_owned(), "moving the VPC: by hand".to_owned());
        let request = LockRequest { who, run: Some("42".into()), why, length: Duration::from_secs(length) };
        TfLock::new(&request, "tfstate/key").unwrap()
    }

    fn seen(lock: Option<TfLock>, age: u64) -> SeenLock {
        SeenLock { lock, version: "e".into(), age: Duration::from_secs(age) }
    }

    fn key() -> StateKey {
        "acme/shop/staging/network/terraform.tfstate".parse().unwrap()
    }

    #[test]
    fn a_lock_is_written_as_terraform_writes_it() {
        let lock = TfLock::parse(THEIRS.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&lock).unwrap(), THEIRS);
        assert_eq!(lock.length(), None, "theirs know no end");
        let ours = ours(7200);
        assert_eq!(ours.length(), Some(Duration::from_secs(7200)));
        assert_eq!((ours.who.as_str(), ours.id.len()), ("ada", 36));
        assert!(ours.info.contains(", run 42: moving the VPC: by hand"), "{}", ours.info);
    }

    #[test]
    fn only_a_lock_of_ours_expires_and_by_the_clock_of_the_store() {
        assert!(seen(Some(ours(60)), 63).has_expired());
        assert!(!seen(Some(ours(60)), 61).has_expired());
        assert!(!seen(TfLock::parse(THEIRS.as_bytes()), 1_000_000).has_expired());
        assert!(!seen(None, 1_000_000).has_expired());
    }

    #[test]
    fn the_error_names_the_holder_or_that_nobody_can() {
        let theirs = seen(TfLock::parse(THEIRS.as_bytes()), 5).error(&key());
        assert!(theirs.to_string().contains("holder: root@vm, since: 2026-11-20T09:34:14"), "{theirs}");
        assert!(
            theirs.hints()[1].contains("--id 46c080ab-d15e-16ab-fd92-ae9b435af224 --force"),
            "{theirs:?}"
        );
        for bad in [&b""[..], b"{}", b"null", b"\xff", b"{\"ID\":3}", b"{\"ID\":\"\"}"] {
            assert_eq!(TfLock::parse(bad), None);
        }
        assert!(seen(None, 5).error(&key()).hints()[0].contains("--force"));
        let late = seen(Some(ours(1)), 60).error(&key());
        assert!(late.hints()[0].contains("past its time"), "{late:?}");
    }
}
