//! The text of a state file: what was written where, a line each, under a MAC.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::hex;
use crate::names::SecretName;
use crate::secrets::fingerprint::{Fingerprint, FingerprintKey};
use crate::secrets::store::{Mark, Stamp};
use crate::time::Timestamp;

/// What is known of every store, by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Book {
    pub(super) targets: BTreeMap<String, Page>,
}

/// What is known of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Of the last look, if that showed exactly what stands here.
    pub(super) mark: Option<Mark>,
    /// What others keep there.
    pub(super) foreign: BTreeSet<SecretName>,
    pub(super) secrets: BTreeMap<SecretName, Entry>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) fingerprint: Fingerprint,
    /// What the store calls the write; `None` until it told.
    pub(super) stamp: Option<Stamp>,
    pub(super) time: Timestamp,
    pub(super) by: String,
    /// The token of a write that began and of which nobody knows how it ended: the store has this value or an older one.
    pub(super) unsure: Option<String>,
}

/// Why a state file is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distrust {
    pub(super) reason: String,
    /// The generation it claims to have: good for choosing a higher one, and nothing else.
    pub(super) claims: u64,
}

const VERSION: u64 = 1;
/// No machine saves so often; a file that claims more is damaged.
const MOST_GENERATIONS: u64 = 1 << 40;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u64,
    generation: u64,
    /// Which key the MAC was made with; says nothing about it.
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetLine {
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    foreign: BTreeSet<SecretName>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretLine {
    target: String,
    name: SecretName,
    fingerprint: Fingerprint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    time: Timestamp,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsure: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MacLine {
    mac: String,
}

impl Book {
    /// The text of this generation.
    ///
    /// # Errors
    /// `Bug` only: all of it can be written.
    pub(super) fn to_text(&self, key: &FingerprintKey, generation: u64) -> Result<String> {
        let mut lines = vec![line(&Header { version: VERSION, generation, key: name_of(key) })?];
        for (target, page) in &self.targets {
            let Page { mark, foreign, secrets } = page.clone();
            lines.push(line(&TargetLine { target: target.clone(), mark, foreign })?);
            for (name, entry) in secrets {
                let Entry { fingerprint, stamp, time, by, unsure } = entry;
                let target = target.clone();
                lines.push(line(&SecretLine { target, name, fingerprint, stamp, time, by, unsure })?);
            }
        }
        let mac = mac(key, lines.iter().map(String::as_str));
        lines.push(line(&MacLine { mac: hex(&mac) })?);
        Ok(lines.join("\n") + "\n")
    }

    /// Reads what `to_text` wrote, with its generation.
    pub(super) fn parse(text: &str, key: &FingerprintKey) -> Result<(Self, u64), Distrust> {
        let mut lines: Vec<&str> = text.lines().collect();
        let header = lines.first().and_then(|line| serde_json::from_str::<Header>(line).ok());
        let claims = header.as_ref().map_or(0, |header| header.generation);
        let claims = if claims < MOST_GENERATIONS { claims } else { 0 };
        let distrust = |reason: &str| Distrust { reason: reason.to_owned(), claims };
        if lines.iter().any(|line| line.starts_with("<<<<<<< ")) {
            return Err(distrust("it holds the marks of a merge conflict"));
        }
        let Some(header) = header else { return Err(distrust("it does not begin like one")) };
        if header.version != VERSION {
            return Err(distrust(&format!(
                "version {} of infra-sdk's states is not known here",
                header.version
            )));
        }
        if header.key != name_of(key) {
            return Err(distrust("it was made with another key"));
        }
        let last = lines.pop().and_then(|line| serde_json::from_str::<MacLine>(line).ok());
        let expected = hex(&mac(key, lines.iter().copied()));
        if !last.is_some_and(|last| same(last.mac.as_bytes(), expected.as_bytes())) {
            return Err(distrust("it was changed or cut since it was written"));
        }
        let book =
            Self::of_lines(&lines[1..]).ok_or_else(|| distrust("it holds a line of an unknown kind"))?;
        Ok((book, header.generation))
    }

    fn of_lines(lines: &[&str]) -> Option<Self> {
        let mut book = Book::default();
        for text in lines {
            if let Ok(line) = serde_json::from_str::<SecretLine>(text) {
                let SecretLine { target, name, fingerprint, stamp, time, by, unsure } = line;
                let entry = Entry { fingerprint, stamp, time, by, unsure };
                book.targets.entry(target).or_default().secrets.insert(name, entry);
            } else {
                let line = serde_json::from_str::<TargetLine>(text).ok()?;
                let page = book.targets.entry(line.target).or_default();
                (page.mark, page.foreign) = (line.mark, line.foreign);
            }
        }
        Some(book)
    }
}

fn line(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::Bug, "write the state of a sync").because(error).hint("please report this")
    })
}

/// Line by line, so that a checkout with other line ends is still the same state.
fn mac<'a>(key: &FingerprintKey, lines: impl Iterator<Item = &'a str>) -> [u8; 32] {
    let lines: Vec<&[u8]> = lines.map(str::as_bytes).collect();
    key.mac("infra-sdk sync state 1", &lines)
}

/// Tells keys apart without telling anything about them.
fn name_of(key: &FingerprintKey) -> String {
    hex(&key.mac("infra-sdk key name 1", &[])[..4])
}

/// Compares without stopping at the first difference.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn key() -> FingerprintKey {
        FingerprintKey::from_bytes([7; 32])
    }

    fn book() -> Book {
        let name = |text: &str| text.parse::<SecretName>().unwrap();
        let mut book = Book::default();
        for target in ["ssm:1:/shop/", "github:acme/shop"] {
            let mut page = Page { mark: Some(Mark::new("W/\"7\"")), ..Page::default() };
            page.foreign.insert(name("THEIRS"));
            for (secret, stamp) in [("B", Some("2")), ("A", None)] {
                let entry = Entry {
                    fingerprint: key().fingerprint(target, &name(secret), &SecretValue::new("canary")),
                    stamp: stamp.map(Stamp::new),
                    time: "2026-11-20T10:44:00Z".parse().unwrap(),
                    by: "ada\n\"x\"".into(),
                    unsure: stamp.is_none().then(|| "t".into()),
                };
                page.secrets.insert(name(secret), entry);
            }
            book.targets.insert(target.into(), page);
        }
        book.targets.insert("worker:shop".into(), Page::default());
        book
    }

    #[test]
    fn a_state_reads_back_and_has_one_sorted_line_for_each_secret() {
        let text = book().to_text(&key(), 3).unwrap();
        assert_eq!(Book::parse(&text, &key()), Ok((book(), 3)));
        assert_eq!(Book::parse(&text.replace('\n', "\r\n"), &key()), Ok((book(), 3)));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 9);
        assert!(lines[0].starts_with("{\"version\":1,\"generation\":3,"), "{}", lines[0]);
        assert!(lines[1..8].is_sorted() || lines[2].contains("\"name\":\"A\""), "{text}");
        assert!(lines[8].starts_with("{\"mac\":\"") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn one_more_secret_changes_three_lines() {
        let before = book().to_text(&key(), 3).unwrap();
        let mut more = book();
        let page = more.targets.get_mut("github:acme/shop").unwrap();
        let entry = page.secrets.values().next().unwrap().clone();
        page.secrets.insert("C".parse().unwrap(), entry);
        let after = more.to_text(&key(), 4).unwrap();
        let before: BTreeSet<&str> = before.lines().collect();
        assert_eq!(after.lines().filter(|line| !before.contains(line)).count(), 3);
    }

    #[test]
    fn a_state_that_was_touched_is_never_believed() {
        let text = book().to_text(&key(), 3).unwrap();
        let reason = |text: &str| Book::parse(text, &key()).unwrap_err().reason;
        // Every line left out, every two lines swapped, every byte changed or cut off.
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(at);
            reason(&without.join("\n"));
            if at > 0 {
                let mut swapped = lines.clone();
                swapped.swap(at - 1, at);
                reason(&swapped.join("\n"));
            }
        }
        for at in 0..text.len() - 1 {
            reason(&text[..at]);
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                reason(&changed);
            }
        }
        assert_eq!(reason(&format!("{text}{{}}")), "it was changed or cut since it was written");
        assert_eq!(reason(&text.replace("\"B\"", "\"C\"")), "it was changed or cut since it was written");
        assert_eq!(
            reason(&text.replace("\"version\":1", "\"version\":2")),
            "version 2 of infra-sdk's states is not known here"
        );
        let theirs = book().to_text(&FingerprintKey::from_bytes([8; 32]), 9).unwrap();
        let distrust = Book::parse(&theirs, &key()).unwrap_err();
        assert_eq!((distrust.reason.as_str(), distrust.claims), ("it was made with another key", 9));
        let conflict = text.replacen('\n', "\n<<<<<<< HEAD\n", 1);
        assert_eq!(reason(&conflict), "it holds the marks of a merge conflict");
        for garbage in ["", "\n", "{}", "[1", "\u{0}", "{\"version\":1e400}", "{\"mac\":\"\"}"] {
            assert_eq!(reason(garbage), "it does not begin like one", "{garbage:?}");
        }
        let wild = text.replace("\"generation\":3", &format!("\"generation\":{}", u64::MAX));
        assert_eq!(Book::parse(&wild, &key()).unwrap_err().claims, 0);
    }

    #[test]
    fn a_line_of_a_later_kind_is_not_skipped() {
        let mut lines = vec![line(&Header { version: 1, generation: 1, key: name_of(&key()) }).unwrap()];
        lines.push("{\"target\":\"a\",\"colour\":\"red\"}".into());
        let mac = hex(&mac(&key(), lines.iter().map(String::as_str)));
        let text = format!("{}\n{{\"mac\":\"{mac}\"}}\n", lines.join("\n"));
        assert_eq!(Book::parse(&text, &key()).unwrap_err().reason, "it holds a line of an unknown kind");
    }
}
