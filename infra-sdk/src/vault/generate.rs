//! Making a person's or a machine's age key, once.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::time::Timestamp;
use crate::vault::identity::Identities;
use crate::vault::key::{KeyPlace, Place};

/// What making a key will do.
#[derive(Clone, Debug, Serialize)]
pub struct KeyPlan {
    /// Where the key is or will be kept.
    pub place: String,
    /// The public keys that are there already; then nothing is made.
    pub found: Vec<String>,
    #[serde(skip)]
    at: KeyPlace,
}

/// A key that is there now; its private half is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyReport {
    /// The public keys, for `recipients` of `[vault]` in `infra.toml`.
    pub recipients: Vec<String>,
    /// Where the private ones are kept.
    pub place: String,
    /// Whether it was made now.
    pub made: bool,
}

/// Looks whether there is a key, and where one would be kept.
///
/// # Errors
/// As [`KeyPlace::find`], but for `NotFound`; `NotFound` or `Invalid` when the place cannot take a key, with the way out.
pub async fn plan_key(place: &KeyPlace) -> Result<KeyPlan> {
    let found = match place.find().await {
        Ok(found) => found.recipients(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            check_writable(place, error)?;
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    Ok(KeyPlan { place: place.to_string(), found, at: place.clone() })
}

fn check_writable(place: &KeyPlace, none: Error) -> Result<()> {
    match place.place() {
        Place::Keychain(keychain) => keychain.check_writable(),
        Place::File(_) => Ok(()),
        Place::Given(_) | Place::Nowhere => Err(none),
    }
}

impl KeyPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.found.is_empty()
    }

    /// Makes a key and keeps it, unless there is one.
    ///
    /// # Errors
    /// `Conflict` when a key came there meanwhile; it is never replaced. `Denied` or `Io` when a file cannot be written;
    /// `Unavailable` when the keychain does not take it.
    pub async fn apply(self) -> Result<KeyReport> {
        if self.is_empty() {
            return Ok(KeyReport { recipients: self.found, place: self.place, made: false });
        }
        let key = Identities::generate();
        match self.at.place() {
            Place::File(path) => {
                file::write_new(path, text(&key).as_bytes(), Access::Private)?;
            }
            Place::Keychain(keychain) => {
                if keychain.look_up().await?.is_some() {
                    return Err(Error::new(ErrorKind::Conflict, "the keychain has a key by now")
                        .hint("run the same command again to see its public half"));
                }
                keychain.store(&key.text()).await?;
            }
            Place::Given(_) | Place::Nowhere => {
                return Err(self.at.find().await.err().unwrap_or_else(changed));
            }
        }
        // What is kept is what counts.
        let kept = self.at.find().await?.recipients();
        if kept != key.recipients() {
            return Err(changed());
        }
        Ok(KeyReport { recipients: kept, place: self.place, made: true })
    }
}

fn changed() -> Error {
    Error::new(ErrorKind::Conflict, "the key that is kept is not the one that was made")
        .hint("run the same command again to see which key is kept")
}

/// As `age-keygen` writes it.
fn text(key: &Identities) -> String {
    let public = key.recipients().join(", ");
    format!("# created: {}\n# public key: {public}\n{}\n", Timestamp::now(), key.text().expose())
}

impl fmt::Display for KeyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            write!(f, "a key is there already, in {}", self.place)
        } else {
            write!(f, "a new age key will be made and kept in {}", self.place)
        }
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.made { "a new key is" } else { "a key is" };
        write!(f, "{what} kept in {}", self.place)?;
        for recipient in &self.recipients {
            write!(f, "\n  public key: {recipient}")?;
        }
        f.write_str("\n  to read the vault, add it to `recipients` of `[vault]` in infra.toml, and let somebody who can \
                     read it encrypt the vault anew")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::VaultKey;
    use crate::env::Env;

    #[tokio::test]
    async fn a_key_is_made_once_kept_for_its_owner_only_and_only_its_public_half_is_shown() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-newkey-{}", crate::id::short().unwrap()));
        let path = folder.join("keys/age.key");
        let env = Env::of([("INFRA_AGE_KEY_FILE", path.as_os_str())], "/");
        let place = KeyPlace::new(&env, VaultKey::File, &"acme".parse().unwrap());
        let (first, second) = (plan_key(&place).await.unwrap(), plan_key(&place).await.unwrap());
        let shown = first.to_string();
        let report = first.apply().await.unwrap();
        assert!(report.made && report.recipients[0].starts_with("age1"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let private = text.lines().last().unwrap();
        assert!(private.starts_with("AGE-SECRET-KEY-1"));
        let json = serde_json::to_string(&report).unwrap();
        assert!(!format!("{shown}{report}{report:?}{json}").contains(&private[16..]));
        // The other plan was made before: it does not replace the key.
        assert_eq!(second.apply().await.unwrap_err().kind(), ErrorKind::Conflict);
        let again = plan_key(&place).await.unwrap();
        assert!(again.is_empty() && again.found == report.recipients);
        assert!(!again.apply().await.unwrap().made);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
