//! A vault that came from elsewhere, such as the organisation's own at a pinned commit: to be read only.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::SecretSource;
use crate::vault::entry::Binding;
use crate::vault::key::{KeyPlace, Keys};
use crate::vault::lines::Lines;
use crate::vault::source::Opener;
use crate::vault::store::{LIMIT, Vault};

/// The bytes of somebody's vault. Names are known without a key, values with one.
pub struct VaultCopy {
    name: String,
    lines: Lines,
    keys: Keys,
    binding: Binding,
}

impl Vault {
    /// A vault in memory; `name` is what messages call it, such as `acme/infra at 1f0e140, infra/secrets/staging.vault`,
    /// and `binding` whose it has to be.
    ///
    /// # Errors
    /// `Invalid` when it is no vault, `Conflict` when a merge of it was not finished.
    pub fn read_only(
        name: impl Into<String>,
        bytes: &[u8],
        key: KeyPlace,
        binding: Binding,
    ) -> Result<VaultCopy> {
        let name = name.into();
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= LIMIT);
        let text = text.ok_or_else(|| {
            Error::invalid("this is not a vault").with("path", &name).hint("check the commit that is pinned")
        })?;
        Ok(VaultCopy { lines: Lines::parse(text, &name)?, name, keys: Keys::new(key), binding })
    }
}

impl VaultCopy {
    /// The secrets it has, sorted. Needs no key.
    pub fn names(&self) -> impl Iterator<Item = SecretName> + '_ {
        self.lines.secrets().map(|(name, _)| name)
    }

    fn opener(&self) -> Opener<'_> {
        Opener { binding: &self.binding, place: &self.name, recipients: None }
    }
}

impl fmt::Debug for VaultCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultCopy").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretSource for VaultCopy {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>> {
        let Some(sealed) = self.lines.sealed(secret.as_str()) else { return Ok(None) };
        Ok(Some(self.opener().open(secret.as_str(), sealed, self.keys.get().await?)?.value))
    }

    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        if self.lines.secrets().next().is_none() {
            return Ok(BTreeMap::new());
        }
        self.opener().open_all(&self.lines, self.keys.get().await?)
    }
}
