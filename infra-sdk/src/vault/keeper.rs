//! What the vault keeps and does beside values: the key of fingerprints, and sealing for its recipients.

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::secrets::{FingerprintKey, KeyKeeper, Sealer, SecretBytes};
use crate::time::Timestamp;
use crate::vault::identity::Unopened;
use crate::vault::lines::{FINGERPRINT, Lines};
use crate::vault::store::Vault;

impl Vault {
    async fn kept(&self, lines: &Lines) -> Result<Option<FingerprintKey>> {
        let Some(sealed) = lines.sealed(FINGERPRINT) else { return Ok(None) };
        let entry = self.opener().open(FINGERPRINT, sealed, self.key().await?)?;
        FingerprintKey::from_hex(&entry.value).map(Some)
    }

    /// The key that is kept, or this one, kept from now on.
    async fn keep(&self, new: &FingerprintKey) -> Result<FingerprintKey> {
        {
            let _lock = self.lock()?;
            let mut lines = self.read()?;
            if lines.sealed(FINGERPRINT).is_none() {
                let sealed = self.seal(FINGERPRINT, &new.to_hex(), Timestamp::now())?;
                lines.put(FINGERPRINT, sealed);
                self.save(&lines)?;
                return Ok(new.clone());
            }
        }
        // Another process was faster.
        let kept = self.kept(&self.read()?).await?;
        kept.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "the key of fingerprints went away while it was read")
                .hint("run the same command again")
        })
    }
}

#[async_trait]
impl KeyKeeper for Vault {
    async fn fingerprint_key(&self) -> Result<FingerprintKey> {
        match self.kept(&self.read()?).await? {
            Some(key) => Ok(key),
            None => self.keep(&FingerprintKey::generate()?).await,
        }
    }

    async fn kept_key(&self) -> Result<Option<FingerprintKey>> {
        self.kept(&self.read()?).await
    }

    async fn adopt_fingerprint_key(&self, key: &FingerprintKey) -> Result<FingerprintKey> {
        match self.kept(&self.read()?).await? {
            Some(kept) => Ok(kept),
            None => self.keep(key).await,
        }
    }
}

/// Seals as a file that every program for age opens with a recipient's key.
impl Sealer for Vault {
    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        self.recipients().encrypt(plain)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<SecretBytes> {
        let key = self.keys().get_blocking()?;
        key.open(sealed).map_err(|why| match why {
            Unopened::ForOthers => Error::new(ErrorKind::Denied, "this was encrypted for other age keys")
                .with("keys at hand", key.recipients().join(", "))
                .hint("use the key of somebody it was encrypted for, in INFRA_AGE_KEY_FILE"),
            Unopened::Damaged => {
                Error::invalid("this is not a file that age encrypted, or it was changed or cut")
                    .hint("use another copy of it")
            }
        })
    }
}
