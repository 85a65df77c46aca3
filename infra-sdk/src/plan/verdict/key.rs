//! The key of approvals, and the digests it makes.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};
use crate::id;
use crate::plan::json::{Value, canonical_by};
use crate::plan::meaning::canonical_text;
use crate::secret::SecretValue;

/// The key of kept approvals: 32 random bytes. Passwords of few letters are among the digested values, so who has the key
/// can guess them; keep it apart from the approvals. With a new key, everything has to be approved once more.
#[derive(Clone)]
pub struct ApprovalKey(Arc<secrecy::SecretBox<[u8; 32]>>);

impl ApprovalKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// `Unavailable` when the system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        Ok(Self::from_bytes(id::random::<32>()?))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        ApprovalKey(Arc::new(secrecy::SecretBox::new(Box::new(bytes))))
    }

    /// Its 64 hexadecimal digits, for those who keep it.
    pub fn to_hex(&self) -> SecretValue {
        SecretValue::new(id::hex(self.bytes()))
    }

    /// The key that [`to_hex`](Self::to_hex) wrote.
    ///
    /// # Errors
    /// `Invalid`, which does not show the text.
    pub fn from_hex(text: &SecretValue) -> Result<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let text = text.expose().as_bytes();
        let mut bytes = [0; 32];
        let complete = text.len() == 64
            && bytes.iter_mut().zip(text.chunks_exact(2)).all(|(byte, pair)| {
                let value = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low);
                *byte = value.unwrap_or_default();
                value.is_some()
            });
        if complete {
            return Ok(Self::from_bytes(bytes));
        }
        Err(Error::invalid("the key of approvals is not 64 hexadecimal digits")
            .hint("restore it from where it is kept, or make a new one and have the plan approved again"))
    }

    fn bytes(&self) -> &[u8; 32] {
        secrecy::ExposeSecret::expose_secret(&*self.0)
    }

    /// HMAC-SHA256 over `parts`, each preceded by its length, so that no two lists of parts are one text.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = hmac_sha256::HMAC::new(self.bytes());
        for part in parts {
            mac.update((part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize()
    }

    /// The digest of a value at its place. Values of the same meaning have the same one; equal values at two places have
    /// two, so that it does not tell where a value is used again.
    pub(super) fn stamp(&self, address: &str, path: &str, value: &Value<'_>) -> Stamp {
        let text = canonical_by(value, &canonical_text);
        Stamp::half(self.mac(&[
            b"infra-sdk plan value 1",
            address.as_bytes(),
            path.as_bytes(),
            text.as_bytes(),
        ]))
    }

    /// What stands for the key of a member below a sensitive mark.
    pub(super) fn hide(&self, address: &str, path: &str, key: &str) -> Stamp {
        Stamp::half(self.mac(&[b"infra-sdk plan key 1", address.as_bytes(), path.as_bytes(), key.as_bytes()]))
    }
}

impl fmt::Debug for ApprovalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A keyed digest of 16 bytes; 22 letters of base64 as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stamp([u8; 16]);

impl Stamp {
    pub(super) fn half(mac: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&mac[..16]);
        Stamp(half)
    }

    pub(super) fn of_text(text: &str) -> Option<Self> {
        Some(Stamp(STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Stamp::of_text(&text).ok_or_else(|| de::Error::custom("a digest is not 22 letters of base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_key_place_and_meaning() {
        let key = ApprovalKey::from_bytes([7; 32]);
        let of =
            |key: &ApprovalKey, address, path, text| key.stamp(address, path, &Value::parse(text).unwrap());
        let one = of(&key, "a", "b", r#"{"n":1.0,"j":"{\"x\": 1, \"y\": 2}"}"#);
        assert_eq!(one, of(&key, "a", "b", r#"{"j":"{\"y\":2,\"x\":1}","n":1,"gone":null}"#));
        for other in [
            of(&ApprovalKey::from_bytes([8; 32]), "a", "b", r#"{"n":1,"j":"{\"x\":1,\"y\":2}"}"#),
            of(&key, "ab", "", r#"{"n":1,"j":"{\"x\":1,\"y\":2}"}"#),
            of(&key, "a", "c", r#"{"n":1,"j":"{\"x\":1,\"y\":2}"}"#),
            of(&key, "a", "b", r#"{"n":1,"j":"{\"x\":1,\"y\":3}"}"#),
            of(&key, "a", "b", r#"{"n":1,"j":"{\"x\":1,\"y\":2.0}"}"#),
            of(&key, "a", "b", r#"{"n":1,"j":"{\"x\":1,\"y\":2,\"z\":null}"}"#),
            of(&key, "a", "b", r#"{"n":1,"j":{"x":1,"y":2}}"#),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(Stamp::of_text(&one.to_string()), Some(one));
        assert!(
            ["", "AA", &"A".repeat(23), &"!".repeat(22)].iter().all(|text| Stamp::of_text(text).is_none())
        );
    }

    #[test]
    fn a_key_survives_being_kept_and_shows_itself_nowhere() {
        let key = ApprovalKey::generate().unwrap();
        assert_eq!(ApprovalKey::from_hex(&key.to_hex()).unwrap().bytes(), key.bytes());
        assert_eq!(format!("{key:?}"), "[secret]");
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(66), &"é".repeat(32)] {
            let error = ApprovalKey::from_hex(&SecretValue::new(bad)).unwrap_err();
            assert!(!error.hints().is_empty());
        }
    }
}
