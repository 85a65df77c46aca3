//! Telling an unchanged value without keeping it: keyed fingerprints.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id;
use crate::names::SecretName;
use crate::secret::SecretValue;

/// The key of one repo's fingerprints: 32 random bytes, kept where its values are. A new key means one full sync.
#[derive(Clone)]
pub struct FingerprintKey(Arc<secrecy::SecretBox<[u8; 32]>>);

impl FingerprintKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// `Unavailable` when the system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        Ok(Self::from_bytes(id::random::<32>()?))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        FingerprintKey(Arc::new(secrecy::SecretBox::new(Box::new(bytes))))
    }

    /// Its bytes, for those who keep it.
    pub fn expose(&self) -> &[u8; 32] {
        secrecy::ExposeSecret::expose_secret(&*self.0)
    }

    /// Whether this is the same key; compared without stopping at the first difference.
    pub fn is(&self, other: &FingerprintKey) -> bool {
        self.expose().iter().zip(other.expose()).fold(0, |all, (x, y)| all | (x ^ y)) == 0
    }

    /// The key as 64 hexadecimal digits, for those who keep it as text.
    pub fn to_hex(&self) -> SecretValue {
        SecretValue::new(hex(self.expose()))
    }

    /// The key that [`to_hex`](Self::to_hex) wrote.
    ///
    /// # Errors
    /// `Invalid`, which does not show the text.
    pub fn from_hex(text: &SecretValue) -> Result<Self> {
        unhex(text.expose()).map(Self::from_bytes).ok_or_else(|| {
            Error::invalid("the key of fingerprints is not 64 hexadecimal digits").hint(
                "restore it from a backup, or remove it: a new one is made, and everything is synced once",
            )
        })
    }

    /// HMAC-SHA256 over `parts`, each preceded by its length, so that no two lists of parts are one text.
    pub(crate) fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = hmac_sha256::HMAC::new(self.expose());
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update((part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize()
    }

    /// The fingerprint of a value under its name at one store. Equal values have different fingerprints under different
    /// names and at different stores.
    ///
    /// The first 16 bytes of HMAC-SHA256 over `infra-sdk fingerprint 1`, the store's
    /// [id](crate::secrets::SecretStore::id), the name and the value, each preceded by its length.
    pub fn fingerprint(&self, store: &str, name: &SecretName, value: &SecretValue) -> Fingerprint {
        let parts = [store.as_bytes(), name.as_str().as_bytes(), value.expose().as_bytes()];
        Fingerprint::first_half(self.mac("infra-sdk fingerprint 1", &parts))
    }

    /// What names one write of a value: the same write has the same token, the same value written later has another.
    pub(crate) fn token(&self, fingerprint: &Fingerprint, generation: u64) -> String {
        Fingerprint::first_half(self.mac("infra-sdk write 1", &[&fingerprint.0, &generation.to_be_bytes()]))
            .to_string()
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A keyed fingerprint: says whether two values are equal to who has the key, and nothing to anybody else.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    fn first_half(mac: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&mac[..16]);
        Fingerprint(half)
    }
}

/// Compared without stopping at the first difference.
impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |all, (x, y)| all | (x ^ y)) == 0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        unhex(text).map(Fingerprint).ok_or_else(|| {
            Error::invalid("a fingerprint is not 32 hexadecimal digits")
                .hint("run the sync again: it makes them anew")
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Lower-case digits only, so that each value has one text.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| b"0123456789abcdef".iter().position(|known| *known == byte).map(|at| at as u8);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 2 * N).then_some(bytes)
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_key_store_name_and_value_and_reads_back() {
        let key = FingerprintKey::from_bytes([7; 32]);
        let name = |text: &str| text.parse::<SecretName>().unwrap();
        let value = |text: &str| SecretValue::new(text);
        let one = key.fingerprint("a", &name("N"), &value("v"));
        let others = [
            FingerprintKey::from_bytes([8; 32]).fingerprint("a", &name("N"), &value("v")),
            key.fingerprint("b", &name("N"), &value("v")),
            key.fingerprint("a", &name("M"), &value("v")),
            key.fingerprint("a", &name("N"), &value("w")),
            key.fingerprint("aN", &name("v"), &value("")),
        ];
        assert!(others.iter().all(|other| *other != one));
        assert_eq!(one.to_string().parse::<Fingerprint>().unwrap(), one);
        for bad in ["", "00", &"0".repeat(31), &"g".repeat(32), &"A".repeat(32), &"0".repeat(64)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
        assert_ne!(key.token(&one, 1), key.token(&one, 2));
        assert_eq!(format!("{key:?}"), "[secret]");
    }
}
