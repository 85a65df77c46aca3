//! The one type for secret values: never printed, never serialised by accident.

use std::cell::Cell;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The newtype name by which this crate's own serde formats recognise a secret field.
pub(crate) const MARKER: &str = "$infra_sdk::SecretValue";

thread_local! {
    static EXPOSED: Cell<bool> = const { Cell::new(false) };
}

/// A secret: wiped from memory when dropped, `[secret]` in every `Debug` and
/// in every serialisation except into a parameter store or a Terraform
/// variables file, which mark and protect it.
///
/// ```
/// use infra_sdk::SecretValue;
/// let token = SecretValue::new("hunter2");
/// assert_eq!(format!("{token:?}"), "[secret]");
/// assert_eq!(serde_json::to_string(&token).unwrap(), "\"[secret]\"");
/// assert_eq!(token.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct SecretValue(SecretString);

impl SecretValue {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        SecretValue(SecretString::from(value.into()))
    }

    /// The value itself. Hand it to a program by stdin, environment or a 0600 file only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether the value is the empty string.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

/// Runs `serialise` with secret values written in clear: only for formats that
/// keep them in a protected place.
pub(crate) fn exposing<T>(serialise: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            EXPOSED.set(self.0);
        }
    }
    let _restore = Restore(EXPOSED.replace(true));
    serialise()
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Compared without stopping at the first difference.
impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.expose().as_bytes(), other.expose().as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
    }
}

impl Eq for SecretValue {}

impl From<String> for SecretValue {
    fn from(value: String) -> Self {
        SecretValue::new(value)
    }
}

impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if EXPOSED.get() {
            serializer.serialize_newtype_struct(MARKER, self.expose())
        } else {
            serializer.serialize_str("[secret]")
        }
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SecretValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret text")
            }
            fn visit_str<E>(self, value: &str) -> Result<SecretValue, E> {
                Ok(SecretValue::new(value))
            }
            fn visit_string<E>(self, value: String) -> Result<SecretValue, E> {
                Ok(SecretValue::new(value))
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<SecretValue, D::Error> {
                inner.deserialize_string(Visitor)
            }
        }
        deserializer.deserialize_newtype_struct(MARKER, Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_value_unless_a_protected_format_asks() {
        let value = SecretValue::new("canary");
        assert!(!format!("{value:?}{}", serde_json::to_string(&value).unwrap()).contains("canary"));
        assert_eq!(exposing(|| serde_json::to_string(&value).unwrap()), "\"canary\"");
        assert_eq!(serde_json::to_string(&value).unwrap(), "\"[secret]\"");
    }

    #[test]
    fn values_compare_by_content() {
        assert_eq!(SecretValue::new("a"), SecretValue::new("a"));
        assert_ne!(SecretValue::new("a"), SecretValue::new("b"));
        assert_ne!(SecretValue::new("a"), SecretValue::new("ab"));
    }
}
