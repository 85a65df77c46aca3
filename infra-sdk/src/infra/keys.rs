//! Keys of the vault: a person's own, and whom the vault is encrypted for.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::infra::open::Infra;
use crate::infra::providers::vault;
use crate::ledger::Outcome;
use crate::names::SecretName;

/// A person's key for the vault; its private half is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnKey {
    /// The public keys; none when there is no key yet.
    pub recipients: Vec<String>,
    /// Where the private ones are kept.
    pub place: String,
    /// Whether it was made now.
    pub made: bool,
}

impl fmt::Display for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.recipients.is_empty() {
            return write!(f, "no key yet; one would be kept in {}", self.place);
        }
        let what = if self.made { "a new key is" } else { "your key is" };
        writeln!(f, "{what} in {}; keep a copy of it where only you can read it", self.place)?;
        write!(f, "for `recipients` of `[vault]` in infra.toml: {}", self.recipients.join(" "))
    }
}

/// What was, or would be, encrypted for other recipients than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rekeyed {
    /// The vault.
    pub vault: String,
    /// The secrets; their values stay the same.
    pub names: Vec<SecretName>,
    /// How many recipients can read them.
    pub recipients: usize,
    /// Whether it was done, or only planned.
    pub done: bool,
}

impl fmt::Display for Rekeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rekeyed { vault, names, recipients, done } = self;
        if names.is_empty() {
            return write!(f, "{vault} is encrypted for its {recipients} recipients");
        }
        let verb = if *done { "encrypted" } else { "to encrypt" };
        write!(f, "{vault}: {} secrets {verb} for {recipients} recipients", names.len())?;
        names.iter().try_for_each(|name| write!(f, "\n  {name}"))?;
        if *done {
            f.write_str(
                "\nwho could read them before still can in git's history: rotate what they must not know",
            )?;
        }
        Ok(())
    }
}

impl Infra {
    /// The key of the person who runs this; made if `make` and there is none.
    ///
    /// # Errors
    /// `NotBuilt` without the feature `vault`; what the key's file or the keychain fails with.
    pub async fn own_key(&self, make: bool) -> Result<OwnKey> {
        vault::own_key(self.env(), self.config(), make).await
    }

    /// Encrypts the vault for the recipients that `infra.toml` lists now; without `apply` only says what would be.
    ///
    /// # Errors
    /// `NotBuilt` without the feature `vault`; `NotFound` when this environment has no vault; `Denied` when the key at
    /// hand can not read it.
    pub async fn rekey_vault(&self, apply: bool) -> Result<Rekeyed> {
        if apply {
            self.before_change().await?;
        }
        let rekeyed = vault::rekey(self.env(), self.config(), apply).await?;
        if rekeyed.done && !rekeyed.names.is_empty() {
            let names: Vec<&str> = rekeyed.names.iter().map(SecretName::as_str).collect();
            let recipients = self.settings().vault.recipients.join(" ");
            let details = [("names", names.join(" ")), ("recipients", recipients)];
            self.record("secrets.rekey", "vault", Outcome::Done, &details).await?;
        }
        Ok(rekeyed)
    }
}
