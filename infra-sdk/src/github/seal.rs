//! Sealed boxes: a value that only GitHub can open.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretValue;

/// A public key as GitHub gives it.
#[derive(Deserialize)]
pub(super) struct GivenKey {
    key_id: String,
    key: String,
}

/// The key that values for one place are sealed for.
#[derive(Clone)]
pub(super) struct PublicKey {
    /// How GitHub calls it.
    pub(super) id: String,
    key: crypto_box::PublicKey,
}

impl TryFrom<GivenKey> for PublicKey {
    type Error = Error;

    /// Checks that it is a key: sealing for anything else would give the value away, or lose it.
    fn try_from(given: GivenKey) -> Result<Self> {
        let bytes = STANDARD.decode(&given.key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match bytes.filter(|bytes| !given.key_id.is_empty() && bytes.iter().any(|byte| *byte != 0)) {
            Some(bytes) => Ok(PublicKey { id: given.key_id, key: bytes.into() }),
            None => Err(Error::invalid("GitHub gave a public key that is none")
                .hint("check the address of GitHub's API, and what stands before it")),
        }
    }
}

impl PublicKey {
    /// The value in a sealed box of libsodium, in base64; each time another text.
    pub(super) fn seal(&self, value: &SecretValue) -> Result<String> {
        let sealed = self.key.seal(&mut OsRng, value.expose().as_bytes()).map_err(|_| {
            Error::new(ErrorKind::Bug, "encrypt a secret for GitHub").hint("please report this")
        })?;
        Ok(STANDARD.encode(sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, key: &str) -> Result<PublicKey> {
        GivenKey { key_id: id.into(), key: key.into() }.try_into()
    }

    #[test]
    fn only_who_has_the_key_opens_what_was_sealed_and_no_two_boxes_are_alike() {
        let secret = crypto_box::SecretKey::generate(&mut OsRng);
        let public = key("1", &STANDARD.encode(secret.public_key().as_bytes())).unwrap();
        let value = SecretValue::new("canary");
        let (one, two) = (public.seal(&value).unwrap(), public.seal(&value).unwrap());
        assert_ne!(one, two);
        assert_eq!(secret.unseal(&STANDARD.decode(one).unwrap()).unwrap(), b"canary");
        let other = crypto_box::SecretKey::generate(&mut OsRng);
        assert!(other.unseal(&STANDARD.decode(two).unwrap()).is_err());
    }

    #[test]
    fn what_is_no_key_is_not_sealed_for() {
        let good = STANDARD.encode([9; 32]);
        let (short, zero) = (STANDARD.encode([9; 31]), STANDARD.encode([0; 32]));
        assert!(key("1", &good).is_ok());
        for (id, text) in [("", &*good), ("1", &short), ("1", &zero), ("1", ""), ("1", "§")] {
            assert!(key(id, text).is_err(), "{id} {text}");
        }
    }
}
