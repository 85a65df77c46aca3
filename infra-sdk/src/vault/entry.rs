//! One value as it is encrypted: bound to its name and place, so that no line can stand in for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, OrgName, RepoName, quoted};
use crate::secret::{SecretValue, exposing};
use crate::secrets::SecretBytes;
use crate::time::Timestamp;
use crate::vault::identity::{Identities, Unopened};
use crate::vault::lines::Sealed;
use crate::vault::recipients::Recipients;

/// Whose values a vault holds. Each value is bound to this and to its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The organisation.
    pub org: OrgName,
    /// The project.
    pub project: RepoName,
    /// The environment.
    pub env: EnvName,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.org, self.project, self.env)
    }
}

/// A value and when it was set.
pub(super) struct Entry {
    pub(super) value: SecretValue,
    pub(super) since: Timestamp,
}

/// What is encrypted, as JSON. Whoever has the key can also read it with the `age` program.
#[derive(Serialize, Deserialize)]
struct Plain {
    version: u32,
    org: String,
    project: String,
    env: String,
    name: String,
    since: Timestamp,
    value: SecretValue,
}

const VERSION: u32 = 1;

/// Spaces fill the text up to a multiple of this, so that the length of a line does not tell that of its value.
const BLOCK: usize = 128;

impl Entry {
    /// Encrypts the value of `name`.
    pub(super) fn seal(&self, binding: &Binding, name: &str, recipients: &Recipients) -> Result<Sealed> {
        let text = self.text(binding, name)?;
        Ok(Sealed { tag: recipients.tag().to_owned(), bytes: recipients.encrypt(text.expose())?, number: 0 })
    }

    fn text(&self, binding: &Binding, name: &str) -> Result<SecretBytes> {
        let plain = Plain {
            version: VERSION,
            org: binding.org.to_string(),
            project: binding.project.to_string(),
            env: binding.env.to_string(),
            name: name.to_owned(),
            since: self.since,
            value: self.value.clone(),
        };
        let mut text = exposing(|| serde_json::to_vec(&plain)).map_err(|_| {
            Error::new(ErrorKind::Bug, "write a secret as JSON")
                .with("secret", name)
                .hint("please report this")
        })?;
        text.resize(text.len().next_multiple_of(BLOCK), b' ');
        Ok(SecretBytes::new(text))
    }

    /// Decrypts what stands under `name`; `place` says in errors in which vault.
    pub(super) fn open(
        sealed: &Sealed,
        binding: &Binding,
        name: &str,
        identities: &Identities,
        place: &str,
    ) -> Result<Entry, Refusal> {
        let at = |error: Error| error.with("path", place).with("line", sealed.number).with("secret", name);
        let damaged = |why: &str| {
            let hint = format!("restore the file from git, or set {name} again");
            Refusal::Wrong(at(Error::invalid(why)).hint(hint))
        };
        let text = match identities.open(&sealed.bytes) {
            Ok(text) => text,
            Err(Unopened::ForOthers) => return Err(Refusal::ForOthers),
            Err(Unopened::Damaged) => return Err(damaged("a secret in the vault is damaged")),
        };
        // The parser's own message may show what it read.
        let plain: Plain = serde_json::from_slice(text.expose())
            .map_err(|_| damaged("a secret in the vault is not in the form this crate writes"))?;
        if plain.version != VERSION {
            let error = Error::invalid("a secret in the vault was written by another version of this crate");
            return Err(Refusal::Wrong(at(error).hint("use the version of infra-sdk that wrote it")));
        }
        let expected = (binding.org.as_str(), binding.project.as_str(), binding.env.as_str(), name);
        let found = (&*plain.org, &*plain.project, &*plain.env, &*plain.name);
        if found != expected {
            let (org, project, env, other) = found;
            let error = Error::new(ErrorKind::Denied, "a line of the vault was made for another place")
                .with("made for", quoted(&format!("{org}/{project}/{env}/{other}")));
            return Err(Refusal::Wrong(at(error).hint(format!(
                "find out who moved it here; set {name} again, or restore the file from git"
            ))));
        }
        Ok(Entry { value: plain.value, since: plain.since })
    }
}

/// Why a line gave no value.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The keys at hand are not among those it was encrypted for.
    ForOthers,
    /// It is damaged, or not meant to stand there.
    Wrong(Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(project: &str, env: &str) -> Binding {
        let (org, project, env) = ("acme".parse(), project.parse(), env.parse());
        Binding { org: org.unwrap(), project: project.unwrap(), env: env.unwrap() }
    }

    #[test]
    fn a_value_opens_under_its_own_name_and_place_only() {
        let key = Identities::generate();
        let recipients = Recipients::parse(&key.recipients()).unwrap();
        let home = binding("shop", "staging");
        let entry = Entry { value: SecretValue::new("canary-value"), since: Timestamp::now() };
        let sealed = entry.seal(&home, "TOKEN", &recipients).unwrap();
        let back = Entry::open(&sealed, &home, "TOKEN", &key, "v").unwrap();
        assert!(back.value.expose() == "canary-value" && back.since == entry.since);
        for (binding, name) in [
            (home.clone(), "OTHER"),
            (binding("shop", "production"), "TOKEN"),
            (binding("till", "staging"), "TOKEN"),
            (Binding { org: "evil".parse().unwrap(), ..home.clone() }, "TOKEN"),
        ] {
            let Err(Refusal::Wrong(error)) = Entry::open(&sealed, &binding, name, &key, "v") else {
                panic!("{binding} {name}")
            };
            assert!(error.to_string().contains("made for: `acme/shop/staging/TOKEN`"), "{error}");
            assert!(error.kind() == ErrorKind::Denied && !format!("{error:?}").contains("canary"));
        }
        let other = Identities::generate();
        assert!(matches!(Entry::open(&sealed, &home, "TOKEN", &other, "v"), Err(Refusal::ForOthers)));
    }

    #[test]
    fn what_is_sealed_but_not_ours_is_refused_without_showing_it() {
        let key = Identities::generate();
        let recipients = Recipients::parse(&key.recipients()).unwrap();
        for plain in ["canary", "{\"version\": \"canary\"}", "[]", ""] {
            let bytes = recipients.encrypt(plain.as_bytes()).unwrap();
            let sealed = Sealed { tag: recipients.tag().into(), bytes, number: 3 };
            let Err(Refusal::Wrong(error)) = Entry::open(&sealed, &binding("a", "b"), "TOKEN", &key, "v")
            else {
                panic!("{plain}")
            };
            assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("line: 3"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn the_length_of_a_line_does_not_tell_the_length_of_its_value() {
        let length = |value: &str| {
            let entry = Entry { value: SecretValue::new(value), since: Timestamp::now() };
            entry.text(&binding("shop", "staging"), "TOKEN").unwrap().expose().len()
        };
        let lengths: std::collections::BTreeSet<usize> = (1..100).map(|n| length(&"x".repeat(n))).collect();
        assert!(lengths.len() <= 2, "{lengths:?}");
    }
}
