//! What is looked for: every spelling of every value, and of the parts that give one away.

use std::collections::{BTreeMap, BTreeSet};

use crate::mask::{Masks, Spelling, spellings};
use crate::names::SecretName;
use crate::secret::SecretValue;

/// What is shorter would be found everywhere by accident.
const SHORTEST: usize = 8;
/// A line or a field alone says less than a whole value, so it must be longer.
const SHORTEST_PART: usize = 12;
/// A JSON field whose name does not say that it is a secret must be longer still.
const SHORTEST_FIELD: usize = 20;
/// Values that stand in every repo.
const COMMON: [&str; 24] = [
    "12345678",
    "123456789",
    "1234567890",
    "administrator",
    "changeit",
    "changeme",
    "database",
    "development",
    "disabled",
    "example.com",
    "localhost",
    "passw0rd",
    "password",
    "password1",
    "password123",
    "placeholder",
    "postgres",
    "postgresql",
    "production",
    "testtest",
    "undefined",
    "username",
    "127.0.0.1",
    "example.org",
];

/// One text to look for.
pub(super) struct Needle {
    /// The text.
    pub(super) text: String,
    /// The secret it is of, as an index into [`Needles::names`].
    pub(super) secret: usize,
    /// How the value is written in it.
    pub(super) spelling: Spelling,
    /// Whether it is a part of the value only.
    pub(super) part: bool,
}

/// All there is to look for.
pub(super) struct Needles {
    /// The secrets that are looked for.
    pub(super) names: Vec<SecretName>,
    /// Their spellings.
    pub(super) all: Vec<Needle>,
    /// The secrets whose values are too short, or stand everywhere.
    pub(super) too_short: Vec<SecretName>,
    /// Hides the values in names of files.
    pub(super) masks: Masks,
}

impl Needles {
    pub(super) fn of(values: &BTreeMap<SecretName, SecretValue>) -> Self {
        let (names, all, too_short) = (Vec::new(), Vec::new(), Vec::new());
        let mut needles = Needles { names, all, too_short, masks: Masks::new() };
        for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
            if is_too_short(value.expose()) {
                needles.too_short.push(name.clone());
                continue;
            }
            needles.masks.add(value);
            let secret = needles.names.len();
            needles.names.push(name.clone());
            needles.add(secret, value, false);
            for part in parts(value.expose()) {
                needles.add(secret, &SecretValue::new(part), true);
            }
        }
        needles
    }

    fn add(&mut self, secret: usize, value: &SecretValue, part: bool) {
        for (text, spelling) in spellings(value) {
            // The last of several lines of base64 may be as short as one character.
            if text.trim().chars().count() >= SHORTEST {
                self.all.push(Needle { text, secret, spelling, part });
            }
        }
    }
}

fn is_too_short(value: &str) -> bool {
    let value = value.trim();
    let different: BTreeSet<char> = value.chars().collect();
    value.chars().count() < SHORTEST
        || different.len() < 3
        || COMMON.iter().any(|common| value.eq_ignore_ascii_case(common))
}

/// The parts that give a value away alone: its lines, the fields of JSON, the password in a URL.
fn parts(value: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(json @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) =
        serde_json::from_str(value)
    {
        fields(&json, "", &mut found);
    } else {
        lines(value, &mut found);
    }
    found.extend(password(value).map(str::to_owned));
    found.remove(value.trim());
    found
}

/// Lines that tell, and in lines of several words the words that do.
fn lines(text: &str, found: &mut BTreeSet<String>) {
    let all: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if all.len() < 2 {
        return;
    }
    for line in all {
        // `key:` of YAML stands in many files; a sentence does, too.
        for word in line.split_whitespace().filter(|word| !word.ends_with(':')) {
            let word = word.trim_matches(['"', '\'', ',', ';']);
            if tells(word, SHORTEST_PART) {
                found.insert(word.to_owned());
            }
        }
    }
}

fn fields(json: &serde_json::Value, key: &str, found: &mut BTreeSet<String>) {
    use serde_json::Value::{Array, Object, String};
    match json {
        String(text) if text.contains('\n') => lines(text, found),
        String(text) => {
            let named = ["pass", "secret", "token", "key", "credential", "auth", "seed"];
            let key = key.to_ascii_lowercase();
            let is_named = named.iter().any(|name| key.contains(name)) && !key.ends_with("_url");
            if if is_named { !is_too_short(text) } else { tells(text, SHORTEST_FIELD) && has_digit(text) } {
                found.insert(text.clone());
            }
        }
        Array(items) => items.iter().for_each(|item| fields(item, key, found)),
        Object(all) => all.iter().for_each(|(key, field)| fields(field, key, found)),
        _ => {}
    }
}

/// Whether a part would not stand in a repo by itself: neither a word nor an address nor the frame of a PEM block.
fn tells(part: &str, shortest: usize) -> bool {
    let different: BTreeSet<char> = part.chars().collect();
    part.chars().count() >= shortest
        && different.len() >= 8
        && !part.starts_with("-----")
        && !part.contains("://")
        && !part.contains('@')
        && !is_word(part)
}

/// Letters alone are a word, unless large and small ones are mixed as by chance.
fn is_word(part: &str) -> bool {
    let count = |is: fn(char) -> bool| part.chars().filter(|c| is(*c)).count();
    part.chars().all(char::is_alphabetic) && count(char::is_uppercase).min(count(char::is_lowercase)) < 4
}

fn has_digit(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
}

/// The password of `scheme://user:password@host`.
fn password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let (login, _) = rest.split(['/', '?', '#', '\n']).next()?.rsplit_once('@')?;
    let (_, password) = login.split_once(':')?;
    (!is_too_short(password)).then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Vec<String> {
        parts(value).into_iter().collect()
    }

    #[test]
    fn what_stands_everywhere_is_not_looked_for_and_is_named() {
        let values = [("A", "short77"), ("B", "Password"), ("C", "aaaaaaaaaa"), ("D", "d4taB4se"), ("E", "")];
        let values = values.map(|(n, v)| (n.parse().unwrap(), SecretValue::new(v))).into();
        let needles = Needles::of(&values);
        assert_eq!(needles.too_short.iter().map(SecretName::as_str).collect::<Vec<_>>(), ["A", "B", "C"]);
        assert_eq!(needles.names.iter().map(SecretName::as_str).collect::<Vec<_>>(), ["D"]);
    }

    #[test]
    fn lines_tell_but_the_frame_of_a_block_and_the_words_of_a_file_do_not() {
        assert_eq!(
            of("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nQ==\n-----END PRIVATE KEY-----\n"),
            ["MIIEvQIBADANBgkqhkiG"]
        );
        assert_eq!(
            of("apiVersion: v1\ntoken: tok-12-abcdefgh\nuser: a@b.example.com\n"),
            ["tok-12-abcdefgh"]
        );
        assert_eq!(of("first-line-of-it\nsecond-line-of-it"), ["first-line-of-it", "second-line-of-it"]);
        assert!(of("one-single-line-value").is_empty());
    }

    #[test]
    fn fields_of_json_tell_when_their_name_or_their_look_says_so() {
        let account = r#"{"type": "service_account", "project_id": "acme-prod-1234", "token_uri": "https://a.example",
            "private_key_id": "0123456789abcdef0123", "client_email": "a-very-long-name-12345678@b.example.com",
            "private_key": "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n", "nested": [{"password": "hunter22"}]}"#;
        let found = of(account);
        assert!(
            ["0123456789abcdef0123", "MIIEvQIBADANBgkqhkiG", "hunter22"]
                .iter()
                .all(|p| found.contains(&(*p).into()))
        );
        assert!(
            !found.iter().any(|part| part.contains("service_account") || part.contains("acme-prod")),
            "{found:?}"
        );
        assert!(!found.iter().any(|part| part.contains('@')), "{found:?}");
    }

    #[test]
    fn the_password_of_a_url_tells() {
        assert_eq!(of("postgres://app:s3cr3t-x@db.internal:5432/shop?a=b@c"), ["s3cr3t-x"]);
        assert!(
            of("postgres://app@db.internal/x").is_empty() && of("https://example.com:443/a@b").is_empty()
        );
    }
}
