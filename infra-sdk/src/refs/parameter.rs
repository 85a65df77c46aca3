//! One parameter, and what a store can keep of it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::secret::SecretValue;
use crate::time::Timestamp;

/// A parameter as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Where it stands.
    pub path: ParamPath,
    /// What it says.
    pub value: ParameterValue,
    /// Grows with each write; the first is 1.
    pub version: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// What a parameter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterValue {
    /// A text; numbers and switches are written as text too.
    Plain(String),
    /// Several texts, none of them empty or with a comma.
    List(Vec<String>),
    /// A secret, which the store encrypts or keeps from others.
    Secret(SecretValue),
}

/// Which of the three a [`ParameterValue`] is. Some stores cannot turn one into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Plain,
    /// Several texts.
    List,
    /// A secret.
    Secret,
}

impl ParameterValue {
    /// Which of the three it is.
    pub fn kind(&self) -> Kind {
        match self {
            ParameterValue::Plain(_) => Kind::Plain,
            ParameterValue::List(_) => Kind::List,
            ParameterValue::Secret(_) => Kind::Secret,
        }
    }
}

impl fmt::Display for ParameterValue {
    /// For people: secrets hidden, on one line, at most 60 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ParameterValue::Plain(text) => text.clone(),
            ParameterValue::List(items) => format!("[{}]", items.join(", ")),
            ParameterValue::Secret(_) => "[secret]".into(),
        };
        let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
        if text.chars().count() > 60 {
            shown.push('…');
        }
        f.pad(&shown)
    }
}

/// A parameter to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterWrite {
    /// Where.
    pub path: ParamPath,
    /// What.
    pub value: ParameterValue,
    /// What may stand there before.
    pub over: Over,
}

/// What a write was planned against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// Whatever stands there, or nothing.
    #[default]
    Anything,
    /// Nothing may stand there.
    Nothing,
    /// Exactly this version, which is of this kind.
    Version(u64, Kind),
}

impl Over {
    /// What was seen, so that a write goes over nothing else.
    pub fn seen(parameter: Option<&Parameter>) -> Self {
        parameter.map_or(Over::Nothing, |seen| Over::Version(seen.version, seen.value.kind()))
    }

    /// The version that was seen; 0 where nothing stood.
    pub(crate) fn version(self) -> Option<u64> {
        match self {
            Over::Anything => None,
            Over::Nothing => Some(0),
            Over::Version(version, _) => Some(version),
        }
    }
}

impl ParameterWrite {
    /// A write over whatever stands there.
    pub fn new(path: ParamPath, value: ParameterValue) -> Self {
        ParameterWrite { path, value, over: Over::Anything }
    }

    /// The same, only over what was seen there.
    #[must_use]
    pub fn over(self, over: Over) -> Self {
        ParameterWrite { over, ..self }
    }

    /// `Conflict`: something else stands there than was planned against. `found` is its version, 0 for nothing.
    pub(crate) fn conflict(&self, found: u64) -> Error {
        let error = Error::new(
            ErrorKind::Conflict,
            format!("parameter `{}` changed since the plan was made", self.path),
        );
        let shown = |version: u64| if version == 0 { "none".to_owned() } else { version.to_string() };
        error
            .with("planned over version", self.over.version().map_or_else(|| "any".into(), shown))
            .with("found version", shown(found))
            .hint("run the same command again to plan anew")
    }

    /// The most bytes of one value, that of an advanced parameter of AWS.
    pub const LARGEST: usize = 8_192;

    /// Checks the value against the limits of the strictest store, so that what works locally works everywhere.
    ///
    /// ```
    /// use infra_sdk::refs::{ParameterValue, ParameterWrite};
    /// let path = "/infrastructure/network/zones".parse()?;
    /// let write = ParameterWrite::new(path, ParameterValue::List(vec!["a,b".into()]));
    /// assert!(write.check().is_err());
    /// # Ok::<(), infra_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when the value is empty, too long, holds `{{`, or is a list with an empty element or a comma in one.
    pub fn check(&self) -> Result<()> {
        match self.fault() {
            None => Ok(()),
            Some((fault, way_out)) => {
                Err(Error::invalid(format!("parameter `{}` {fault}", self.path)).hint(way_out))
            }
        }
    }

    /// Checks every value, and that each path is given once.
    ///
    /// # Errors
    /// `Invalid` for the first that is not as it should be.
    pub(crate) fn check_all(writes: &[ParameterWrite]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for write in writes {
            write.check()?;
            if !seen.insert(&write.path) {
                return Err(Error::invalid(format!("parameter `{}` is given twice", write.path))
                    .hint("give each path one value"));
            }
        }
        Ok(())
    }

    /// What is wrong with the value, and what to do about it; never the value itself.
    pub(crate) fn fault(&self) -> Option<(String, &'static str)> {
        let (length, braces) = match &self.value {
            ParameterValue::Plain(text) if text.is_empty() => return Some(empty()),
            ParameterValue::Secret(secret) if secret.is_empty() => return Some(empty()),
            ParameterValue::Plain(text) => (text.len(), text.contains("{{")),
            ParameterValue::Secret(secret) => (secret.expose().len(), secret.expose().contains("{{")),
            ParameterValue::List(items) => {
                let bad = items
                    .iter()
                    .position(|item| item.trim() != item || item.is_empty() || item.contains(','));
                if let Some(at) = bad {
                    let fault = format!(
                        "has an element, number {at}, that is empty, holds a comma or has a space at an end"
                    );
                    return Some((fault, "publish such a list as one text, or as a list of structs"));
                }
                let length = items.iter().map(|item| item.len() + 1).sum::<usize>().saturating_sub(1);
                (length, items.iter().any(|item| item.contains("{{")))
            }
        };
        if length > Self::LARGEST {
            let fault = format!("has {length} bytes, at most {} are allowed", Self::LARGEST);
            return Some((fault, "split it into several parameters, or publish where it is kept instead"));
        }
        let way_out = "write it without `{{`, which AWS takes for a parameter of its own";
        braces.then(|| ("holds `{{`".into(), way_out))
    }
}

fn empty() -> (String, &'static str) {
    ("is empty".into(), "leave it out: an absent `Option` or a null output has no parameter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(value: ParameterValue) -> Option<String> {
        ParameterWrite::new("/a/b".parse().unwrap(), value).fault().map(|(fault, _)| fault)
    }

    #[test]
    fn values_that_some_store_cannot_keep_are_refused_without_showing_them() {
        let plain = |text: &str| fault(ParameterValue::Plain(text.into()));
        let secret = |text: &str| fault(ParameterValue::Secret(SecretValue::new(text)));
        let list =
            |items: &[&str]| fault(ParameterValue::List(items.iter().map(|i| i.to_string()).collect()));
        assert_eq!(plain(&"x".repeat(8_192)), None);
        assert_eq!(list(&["a", "b"]), None);
        assert_eq!(list(&[]), None);
        for refused in [
            plain(""),
            plain(&"x".repeat(8_193)),
            plain("{{ssm:canary}}"),
            secret(""),
            secret("canary{{"),
            list(&["a", ""]),
            list(&["canary,b"]),
            list(&[" canary"]),
            list(&["canary"; 2_000]),
        ] {
            assert!(!refused.unwrap().contains("canary"));
        }
    }

    #[test]
    fn a_value_is_shown_on_one_short_line_and_a_secret_not_at_all() {
        assert_eq!(ParameterValue::Plain("a\nb".into()).to_string(), "a\\nb");
        assert_eq!(ParameterValue::Plain("é".repeat(99)).to_string().chars().count(), 61);
        assert_eq!(ParameterValue::Secret(SecretValue::new("canary")).to_string(), "[secret]");
    }
}
