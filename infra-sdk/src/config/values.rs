//! The values of `infra.toml` that are written as text: lengths of time, ways to make a secret, paths in the repo.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::names::quoted;

/// How a secret is made: `random:32` is 32 random bytes as URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generate {
    /// How many random bytes.
    pub bytes: u16,
}

impl std::str::FromStr for Generate {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let bytes =
            text.strip_prefix("random:").and_then(|n| n.parse().ok()).filter(|n| (16..=512).contains(n));
        bytes.map(|bytes| Generate { bytes }).ok_or_else(|| {
            Error::invalid(format!("{} is not a way to generate a secret", quoted(text)))
                .hint("write `random:BYTES` with 16 to 512 bytes, such as `random:32`")
        })
    }
}

/// A length of time written as people do: `90d`, `12h`, `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        humantime::parse_duration(text).map(Span).map_err(|error| {
            Error::invalid(format!("{} is not a length of time", quoted(text)))
                .because(error)
                .hint("write it like `90d`, `12h` or `30s`")
        })
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units: [(u128, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
        let nanos = self.0.as_nanos();
        match units.into_iter().find(|(unit, _)| nanos.is_multiple_of(unit * 1_000_000_000)) {
            Some((unit, name)) => write!(f, "{}{name}", nanos / unit / 1_000_000_000),
            None => write!(f, "{}", humantime::format_duration(self.0)),
        }
    }
}

impl std::fmt::Display for Generate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "random:{}", self.bytes)
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Generate, Span);

/// Reads a path that stays in the repo, so that no setting reaches other files of the machine.
pub(crate) fn inside_repo<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    relative(&text).map_err(serde::de::Error::custom)?;
    Ok(text)
}

/// The same, where it may be left out.
pub(crate) fn maybe_inside_repo<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    if let Some(text) = &text {
        relative(text).map_err(serde::de::Error::custom)?;
    }
    Ok(text)
}

/// The same for several.
pub(crate) fn all_inside_repo<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().try_for_each(|text| relative(text)).map_err(serde::de::Error::custom)?;
    Ok(texts)
}

/// Reads a region or bucket: it becomes part of host names and of Terraform's settings.
pub(crate) fn plain_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    match &text {
        Some(text) if !is_word(text, plain) => Err(serde::de::Error::custom(format!(
            "{} is not accepted; use lower-case letters, digits, `-` and `.`, at most 63",
            quoted(text)
        ))),
        _ => Ok(text),
    }
}

/// Reads an exact version: it becomes part of URLs and file names.
pub(crate) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if !is_word(&text, |c| c.is_ascii_alphanumeric() || ".-+".contains(c)) {
        let message = format!("{} is not an exact version; write it like `1.9.8`", quoted(&text));
        return Err(serde::de::Error::custom(message));
    }
    Ok(text)
}

fn is_word(text: &str, plain: fn(char) -> bool) -> bool {
    (1..=63).contains(&text.len())
        && text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.contains("..")
}

/// Checks that a path is relative, on every platform, and never goes up.
pub(crate) fn relative(text: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::invalid(format!("path {} {why}", quoted(text)))
            .hint("write it relative to the repo, such as `terraform/network`"))
    };
    let drive = text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic();
    match text {
        "" => refuse("is empty"),
        _ if text.len() > 512 => refuse("has more than 512 characters"),
        _ if text.chars().any(char::is_control) => refuse("contains a control character"),
        _ if text.starts_with(['/', '\\']) || drive => refuse("is absolute"),
        _ if text.starts_with('~') => refuse("starts with `~`, which means nothing here"),
        _ if text.split(['/', '\\']).any(|part| part == "..") => refuse("leaves the repo"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_leave_the_repo_is_refused() {
        for bad in ["", "/etc", "..", "a/../../b", "~/x", "C:\\x", "\\\\host\\x", "a\nb", "a\\..\\..\\b"] {
            assert!(relative(bad).is_err(), "{bad:?} was accepted");
        }
        for good in [".", "dist/", "terraform/network", "a..b"] {
            assert!(relative(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn a_word_that_goes_into_a_url_is_plain() {
        for bad in ["", "../x", "a/b", "a b", "-a", "a..b", ">=1", "1.9.8\n", &"a".repeat(300)] {
            assert!(!is_word(bad, |_| true) || bad.contains(['/', ' ', '>', '\n']), "{bad:?}");
            assert!(
                version(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(bad)).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn text_values_read_back_as_they_are_shown() {
        assert_eq!("random:32".parse::<Generate>().unwrap().to_string(), "random:32");
        assert_eq!(
            "90days".parse::<Span>().unwrap().to_string().parse::<Span>().unwrap().0.as_secs(),
            7_776_000
        );
        for bad in ["random:", "random:8", "random:9999", "uuid"] {
            assert!(bad.parse::<Generate>().is_err(), "{bad}");
        }
    }
}
