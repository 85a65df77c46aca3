//! The ports to what must be kept as safe as the values: the key of fingerprints, and a way to encrypt for the team.

use async_trait::async_trait;

use crate::error::Result;
use crate::secrets::fingerprint::FingerprintKey;

/// Keeps the key that fingerprints and the state of syncs are made with, where the values are.
///
/// # Contract
/// 1. The first call makes a key of random bytes and keeps it; every later call, by anybody, gives the same one.
/// 2. No listing of secrets shows it, and no secret can be given its name.
/// 3. A key that a backup brings back is kept only where none is: nothing replaces a key.
#[async_trait]
pub trait KeyKeeper: Send + Sync {
    /// The key.
    ///
    /// # Errors
    /// `Denied` or `Io`.
    async fn fingerprint_key(&self) -> Result<FingerprintKey>;

    /// The key, if one was made; for plans, which change nothing.
    ///
    /// # Errors
    /// `Denied` or `Io`.
    async fn kept_key(&self) -> Result<Option<FingerprintKey>>;

    /// Keeps `key` if none is kept yet, and gives the key that is kept then; a keeper that cannot be given one gives its
    /// own.
    ///
    /// # Errors
    /// `Denied` or `Io`.
    async fn adopt_fingerprint_key(&self, key: &FingerprintKey) -> Result<FingerprintKey> {
        let _ = key;
        self.fingerprint_key().await
    }
}

/// Encrypts for all who may read this repo's secrets.
///
/// # Contract
/// 1. `unseal` gives exactly what was sealed, to each of the recipients.
/// 2. What was changed, cut or sealed for others is `Invalid` or `Denied`; nothing of it is shown.
pub trait Sealer: Send + Sync {
    /// Encrypts.
    ///
    /// # Errors
    /// `Invalid` when there is nobody to encrypt for.
    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>>;

    /// Decrypts.
    ///
    /// # Errors
    /// `Denied` when the key at hand is not among the recipients; `NotFound` when there is no key; `Invalid` for damage.
    fn unseal(&self, sealed: &[u8]) -> Result<SecretBytes>;
}

/// Bytes that are wiped from memory when dropped, and never shown.
pub struct SecretBytes(Box<secrecy::SecretSlice<u8>>);

impl SecretBytes {
    /// Wraps them.
    pub fn new(bytes: Vec<u8>) -> Self {
        SecretBytes(Box::new(bytes.into()))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        secrecy::ExposeSecret::expose_secret(&*self.0)
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
