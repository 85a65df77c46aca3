//! Reading values out of a vault.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::SecretSource;
use crate::vault::entry::{Binding, Entry, Refusal};
use crate::vault::identity::Identities;
use crate::vault::lines::{Lines, Sealed};
use crate::vault::recipients::Recipients;
use crate::vault::store::Vault;

/// What is needed to open the lines of one vault, but for the key.
pub(super) struct Opener<'a> {
    pub(super) binding: &'a Binding,
    pub(super) place: &'a str,
    /// For whom its lines should be encrypted, where that is known.
    pub(super) recipients: Option<&'a Recipients>,
}

impl Opener<'_> {
    /// Opens one line.
    ///
    /// # Errors
    /// `Denied` when the key is not among the recipients, or the line was made for another place; `Invalid` for damage.
    pub(super) fn open(&self, name: &str, sealed: &Sealed, key: &Identities) -> Result<Entry> {
        Entry::open(sealed, self.binding, name, key, self.place).map_err(|refusal| match refusal {
            Refusal::Wrong(error) => error,
            Refusal::ForOthers => self.for_others(name, sealed, key),
        })
    }

    /// Opens every secret.
    pub(super) fn open_all(
        &self,
        lines: &Lines,
        key: &Identities,
    ) -> Result<BTreeMap<SecretName, SecretValue>> {
        lines
            .secrets()
            .map(|(name, sealed)| {
                let value = self.open(name.as_str(), sealed, key)?.value;
                Ok((name, value))
            })
            .collect()
    }

    fn for_others(&self, name: &str, sealed: &Sealed, key: &Identities) -> Error {
        let own = key.recipients();
        let listed = |recipients: &&Recipients| own.iter().any(|public| recipients.contains(public));
        if self.recipients.filter(listed).is_some_and(|recipients| recipients.tag() == sealed.tag) {
            // It says that it was encrypted for this key: what follows is not what was written.
            return Error::invalid("a secret in the vault is damaged")
                .with("path", self.place)
                .with("line", sealed.number)
                .with("secret", name)
                .hint(format!("restore the file from git, or set {name} again"));
        }
        let error = Error::new(ErrorKind::Denied, "this age key can not read the vault")
            .with("path", self.place)
            .with("secret", name);
        let Some(recipients) = self.recipients else {
            return error.hint(format!(
                "let somebody who can read it add {} to `recipients` of `[vault]` there, encrypt it anew, and pin that commit",
                own.join(" or ")
            ));
        };
        let error = error.with("recipients", recipients.len());
        if own.iter().any(|public| recipients.contains(public)) {
            return error.hint(
                "the key is listed in infra.toml: let somebody who can read the vault run \
                 `cargo xtask infra:secrets:rekey`, and commit",
            );
        }
        error.hint(format!(
            "add {} to `recipients` of `[vault]` in infra.toml, and let somebody who can read the vault run \
             `cargo xtask infra:secrets:rekey`",
            own.join(" or ")
        ))
    }
}

#[async_trait]
impl SecretSource for Vault {
    fn name(&self) -> &str {
        self.title()
    }

    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>> {
        let lines = self.read()?;
        let Some(sealed) = lines.sealed(secret.as_str()) else { return Ok(None) };
        Ok(Some(self.opener().open(secret.as_str(), sealed, self.key().await?)?.value))
    }

    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        let lines = self.read()?;
        if lines.secrets().next().is_none() {
            return Ok(BTreeMap::new());
        }
        self.opener().open_all(&lines, self.key().await?)
    }
}
