//! Names from outside, checked once at the door: after that they are safe in paths, URLs and messages.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};

/// Shows a name that was refused without letting it break out of its line.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Whether a text can be the name of a task of another repo. It is given to a program, where a `-` at its start would be
/// an option, and may come from whoever can write to a queue.
pub(crate) fn is_task(text: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=100).contains(&text.len())
        && text.starts_with(first)
        && text.chars().all(|c| first(c) || "-_:".contains(c))
}

/// The name in `known` closest to `given`, if one is close enough to be meant.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The error for a name that stands in no section of infra.toml: `what` it names, and `add`, how to add one.
pub(crate) fn unknown<'a>(
    what: &str,
    given: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    add: &str,
) -> Error {
    let error = Error::not_found(format!("no {what} is named {}", quoted(given)));
    match nearest(given, known.clone()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if known.clone().next().is_some() => {
            error.hint(format!("infra.toml has {}; {add}", known.collect::<Vec<_>>().join(", ")))
        }
        None => error.hint(format!("infra.toml has none; {add}")),
    }
}

struct Rule {
    what: &'static str,
    allowed: &'static str,
    max: usize,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
    /// Words that name something else where such a name would stand.
    reserved: &'static [&'static str],
}

impl Rule {
    fn check(&self, text: &str) -> Result<()> {
        let refuse = |why: String| {
            Err(Error::invalid(format!("{} {} {why}", self.what, quoted(text)))
                .hint(format!("use {}", self.allowed)))
        };
        if text.is_empty() {
            return refuse("is empty".into());
        }
        let length = text.chars().count();
        if length > self.max {
            return refuse(format!("has {length} characters, at most {} are allowed", self.max));
        }
        let bad =
            text.char_indices().find(|&(at, c)| !(if at == 0 { (self.first)(c) } else { (self.rest)(c) }));
        match bad {
            Some((0, c)) => refuse(format!("starts with {c:?}")),
            Some((_, c)) => refuse(format!("contains {c:?}")),
            None if self.reserved.contains(&text) => {
                refuse("is a name that infra-sdk keeps for itself".into())
            }
            None if text.contains("..") => refuse("contains `..`".into()),
            None if text.ends_with(['-', '.', ':']) => {
                refuse(format!("ends with {:?}", text.chars().last().unwrap_or(' ')))
            }
            None => Ok(()),
        }
    }
}

/// What every checked text can do: be shown, be parsed, be read from a file.
macro_rules! text_traits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            /// `Invalid`, saying which character or length is wrong and what is allowed.
            pub fn new(text: impl Into<String>) -> Result<Self> {
                const RULE: Rule = $rule;
                let text = text.into();
                RULE.check(&text)?;
                Ok($name(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_traits!($name);

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

const fn lower(c: char) -> bool {
    c.is_ascii_lowercase()
}
const fn lower_digit_dash(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}
const fn lower_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

name! {
    /// An organisation: 1 to 39 of `a-z 0-9 -`, as GitHub allows, in lower case.
    OrgName,
    Rule { what: "organisation", allowed: "lower-case letters, digits and `-`, at most 39", max: 39, first: lower_digit, rest: lower_digit_dash, reserved: &["cache", "snapshots", "tools"] }
}

name! {
    /// A repository or project: 1 to 63 of `a-z 0-9 - _ .`, so that it fits a DNS label, an image and a bucket key.
    RepoName,
    Rule { what: "project", allowed: "lower-case letters, digits, `-`, `_` and `.`, at most 63", max: 63, first: lower_digit, rest: |c| lower_digit_dash(c) || c == '_' || c == '.', reserved: &[] }
}

name! {
    /// An environment such as `local`, `staging`, `production`: 1 to 32 of `a-z 0-9 -`.
    EnvName,
    Rule { what: "environment", allowed: "lower-case letters, digits and `-`, at most 32, starting with a letter", max: 32, first: lower, rest: lower_digit_dash, reserved: &["build", "registry", "runs"] }
}

name! {
    /// A Terraform stack, an image, a reference or a tool named in `infra.toml`: 1 to 63 of `a-z 0-9 - _`.
    Label,
    Rule { what: "name", allowed: "lower-case letters, digits, `-` and `_`, at most 63", max: 63, first: lower_digit, rest: |c| lower_digit_dash(c) || c == '_', reserved: &[] }
}

name! {
    /// A secret, named as an environment variable: 1 to 128 of `A-Z a-z 0-9 _`, not starting with a digit.
    SecretName,
    Rule { what: "secret", allowed: "letters, digits and `_`, at most 128, not starting with a digit", max: 128, first: |c| c.is_ascii_alphabetic() || c == '_', rest: |c| c.is_ascii_alphanumeric() || c == '_', reserved: &[] }
}

name! {
    /// A tag of an image: 1 to 128 of `A-Z a-z 0-9 _ . -`; narrower than OCI only in that it neither ends with `-` or `.` nor has `..`.
    Tag,
    Rule { what: "tag", allowed: "letters, digits, `_`, `.` and `-`, at most 128, starting with a letter, a digit or `_`", max: 128, first: |c| c.is_ascii_alphanumeric() || c == '_', rest: |c| c.is_ascii_alphanumeric() || "_.-".contains(c), reserved: &[] }
}

impl EnvName {
    /// The environment that always exists and needs no account.
    pub fn local() -> Self {
        EnvName("local".into())
    }
}

/// A path in the organisation's parameter tree, such as `/infrastructure/network/vpc-id`.
///
/// At most 15 levels of `A-Z a-z 0-9 . - _` and 1,011 characters, the limits of
/// [AWS Systems Manager](https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html),
/// so that a tree that works locally also works there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ParamPath(String);

impl ParamPath {
    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// `Invalid`, saying which level or character is wrong.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let refuse = |why: &str| {
            Err(Error::invalid(format!("parameter path {} {why}", quoted(&text)))
                .hint("write it like `/infrastructure/network/vpc-id`"))
        };
        let Some(inner) = text.strip_prefix('/') else {
            return refuse("does not start with `/`");
        };
        if text.len() > 1011 {
            return refuse("has more than 1011 characters");
        }
        let levels: Vec<&str> = inner.split('/').collect();
        if levels.len() > 15 {
            return refuse("has more than 15 levels");
        }
        for level in &levels {
            if level.is_empty() {
                return refuse("has an empty level");
            }
            if *level == "." || level.contains("..") {
                return refuse("contains `.` or `..` as a level");
            }
            if let Some(c) = level.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c))) {
                return refuse(&format!("contains {c:?}"));
            }
        }
        let first = levels[0].to_ascii_lowercase();
        if first.starts_with("aws") || first.starts_with("ssm") {
            return refuse("starts with `aws` or `ssm`, which AWS keeps for itself");
        }
        Ok(ParamPath(text))
    }

    /// The path as text, starting with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels between the slashes.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0[1..].split('/')
    }

    /// This path with one more level.
    ///
    /// # Errors
    /// `Invalid` when the level has a wrong character or the path gets too deep.
    pub fn join(&self, level: &str) -> Result<Self> {
        Self::new(format!("{}/{level}", self.0))
    }

    /// What stands below `parent`, without its leading slash; `None` if this path is elsewhere.
    pub fn below(&self, parent: &ParamPath) -> Option<&str> {
        self.0.strip_prefix(parent.as_str())?.strip_prefix('/')
    }
}

text_traits!(ParamPath);

/// The name of an image in a registry, such as `shop-api/app`: parts of `a-z 0-9`, joined inside by
/// `.`, `_`, `__` or any number of `-`, with `/` between them and at most 200 characters in all.
///
/// This is the grammar of the [OCI distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests),
/// a little shorter so that a registry's host and a tag still fit beside it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ImageName(String);

impl ImageName {
    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong with which part.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let refuse = |why: &str| {
            Err(Error::invalid(format!("image name {} {why}", quoted(&text)))
                .hint("write it like `shop-api/app`: lower-case letters and digits, joined by `-`, `_`, `.` and `/`"))
        };
        if text.len() > 200 {
            return refuse("has more than 200 characters");
        }
        for part in text.split('/') {
            if part.is_empty() {
                return refuse("has an empty part");
            }
            if let Some(c) = part.chars().find(|&c| !(lower_digit_dash(c) || c == '_' || c == '.')) {
                return refuse(&format!("contains {c:?}"));
            }
            if !(part.starts_with(lower_digit) && part.ends_with(lower_digit)) {
                return refuse("has a part that does not start and end with a letter or a digit");
            }
            let joins = part.split(lower_digit).filter(|join| !join.is_empty());
            for join in joins {
                if !(matches!(join, "." | "_" | "__") || join.bytes().all(|byte| byte == b'-')) {
                    return refuse(&format!("joins letters by `{join}`"));
                }
            }
        }
        Ok(ImageName(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_traits!(ImageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for bad in ["", "..", "a..b", "../x", "a/b", "a b", "a\nb", "-a", "A", "é", &"a".repeat(300)] {
            assert!(RepoName::new(bad).is_err(), "{bad:?} was accepted");
            assert!(EnvName::new(bad).is_err(), "{bad:?} was accepted");
            assert!(Label::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(RepoName::new("shop-api.v2_x").is_ok());
        assert!(RepoName::new("shop.").is_err());
    }

    #[test]
    fn a_refused_name_is_shown_on_one_short_line() {
        let message = RepoName::new(format!("a\n{}", "b".repeat(400))).unwrap_err().to_string();
        assert!(!message.contains('\n') && message.len() < 200, "{message}");
    }

    #[test]
    fn parameter_paths_obey_the_limits_of_the_strictest_store() {
        for bad in
            ["", "a", "/", "/a//b", "/a/", "/a/../b", "/aws/x", "/ssm", "/a b", "/a\n", &"/a".repeat(16)]
        {
            assert!(ParamPath::new(bad).is_err(), "{bad:?} was accepted");
        }
        let network = ParamPath::new("/infrastructure/network").unwrap();
        assert_eq!(network.join("vpc-id").unwrap().below(&network), Some("vpc-id"));
        assert_eq!(ParamPath::new("/infrastructure/network2/x").unwrap().below(&network), None);
    }

    #[test]
    fn image_names_and_tags_follow_the_grammar_of_registries() {
        for good in ["app", "shop-api/app", "a/b/c", "a.b_c__d--e", "0/1"] {
            assert!(ImageName::new(good).is_ok(), "{good:?} was refused");
        }
        let long = "a".repeat(201);
        for bad in
            ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a..b", "A", "a b", "a\nb", "a___b", "-a", &long]
        {
            assert!(ImageName::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Tag::new("v1.2.3-rc_1").is_ok() && Tag::new("Latest").is_ok());
        for bad in ["", ".a", "-a", "a/b", "a:b", "a b", "a\n", &"a".repeat(129)] {
            assert!(Tag::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn an_unknown_name_says_what_there_is_and_what_to_do() {
        let hint = |given: &str, known: &[&str]| {
            let error = unknown("stack", given, known.iter().copied(), "add it as `[stack.NAME]`");
            assert!(error.to_string().starts_with("no stack is named"), "{error}");
            error.hints().join("; ")
        };
        assert_eq!(hint("netwrok", &["dns", "network"]), "did you mean `network`?");
        assert_eq!(hint("zzz", &["dns", "network"]), "infra.toml has dns, network; add it as `[stack.NAME]`");
        assert_eq!(hint("zzz", &[]), "infra.toml has none; add it as `[stack.NAME]`");
    }

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        assert_eq!(nearest("provder", ["region", "provider", "state"]), Some("provider"));
        assert_eq!(nearest("zzz", ["region", "provider"]), None);
    }
}
