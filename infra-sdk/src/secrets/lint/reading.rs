//! What other programs make of a `.env`: who they are, and what each reads for a name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{bash, compose, godotenv, node, python};
use crate::secret::SecretValue;

/// A program that reads `.env` files. Each is imitated, not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// `gh secret set --env-file`: godotenv 1.5.1.
    Gh,
    /// `node --env-file` and `util.parseEnv`, as of Node 22.
    Node,
    /// The same of Node 20, whose reader was another one.
    Node20,
    /// `docker compose`: compose-go 2.13.
    Compose,
    /// python-dotenv 1.2.
    Python,
    /// `set -a; . ./.env` in bash 5.2.
    Bash,
}

impl Reader {
    /// All of them.
    pub const ALL: [Reader; 6] =
        [Reader::Gh, Reader::Node, Reader::Node20, Reader::Compose, Reader::Python, Reader::Bash];

    /// What this program would read from a whole `.env`, where these variables are in its environment.
    ///
    /// Nothing is run, and no file is opened.
    ///
    /// ```
    /// use infra_sdk::secrets::{Reader, Reading};
    /// let text = "HASH=\"$2a$10$TWo\"\n";
    /// let gh = Reader::Gh.read(text, &Default::default());
    /// assert_eq!(gh.get("HASH"), Reading::Value("ao".to_owned().into()));
    /// let python = Reader::Python.read(text, &Default::default());
    /// assert_eq!(python.get("HASH"), Reading::Value("$2a$10$TWo".to_owned().into()));
    /// ```
    pub fn read(self, text: &str, environment: &BTreeMap<String, String>) -> Readings {
        match self {
            Reader::Gh => godotenv::read(text),
            Reader::Node => node::read(text),
            Reader::Node20 => node::read_20(text),
            Reader::Compose => compose::read(text, environment),
            Reader::Python => python::read(text, environment),
            Reader::Bash => bash::read(text, environment),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reader::Gh => "gh",
            Reader::Node => "node",
            Reader::Node20 => "node 20",
            Reader::Compose => "docker compose",
            Reader::Python => "python",
            Reader::Bash => "bash",
        })
    }
}

/// What a program reads for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// This value.
    Value(SecretValue),
    /// Nothing: the name is not set.
    Missing,
    /// Nothing: the program gives up with an error.
    Error,
    /// A part of the file is run as a command.
    Runs,
    /// A value that depends on the machine or the moment, such as a home folder or a process id.
    Varies,
}

/// What a program reads from a whole file.
#[derive(Clone, Debug)]
pub struct Readings {
    entries: BTreeMap<String, Entry>,
    rest: Entry,
}

/// What led to a reading that may not be what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    /// `$…` was taken for a variable.
    Variable,
    /// `$(…)` or backticks were taken for a command.
    Substitution,
    /// A word was taken for a command.
    Command,
    /// The rest behind a `#` was taken for a comment.
    Comment,
    /// `;`, `&` or `|` was taken for the end of a command.
    Operator,
    /// `<` or `>` was taken for a redirection.
    Redirection,
    /// A backslash was taken for an escape.
    Escape,
    /// Quotes were taken away.
    Quotes,
    /// `~` was taken for a home folder.
    Home,
    /// `(…)` was taken for a list.
    List,
    /// The name is one of the shell's own.
    Own,
}

pub(super) type Notes = BTreeSet<Note>;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) reading: Reading,
    pub(super) notes: Notes,
}

impl Readings {
    /// What it reads for a name.
    pub fn get(&self, name: &str) -> Reading {
        self.entry(name).reading.clone()
    }

    /// The names it sets. These may hold bytes of a value, where a value is taken for names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let set = |entry: &Entry| matches!(entry.reading, Reading::Value(_) | Reading::Varies);
        self.entries.iter().filter(move |(_, entry)| set(entry)).map(|(name, _)| name.as_str())
    }

    pub(super) fn new() -> Self {
        Readings { entries: BTreeMap::new(), rest: Entry { reading: Reading::Missing, notes: Notes::new() } }
    }

    /// The program gives up and sets nothing.
    pub(super) fn failed() -> Self {
        let mut readings = Readings::new();
        readings.rest.reading = Reading::Error;
        readings
    }

    /// Names without an entry of their own.
    pub(super) fn set_rest(&mut self, reading: Reading, notes: Notes) {
        self.rest = Entry { reading, notes };
    }

    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>, notes: Notes) {
        self.put(name, Reading::Value(SecretValue::new(value)), notes);
    }

    pub(super) fn put(&mut self, name: impl Into<String>, reading: Reading, notes: Notes) {
        self.entries.insert(name.into(), Entry { reading, notes });
    }

    pub(super) fn entry(&self, name: &str) -> &Entry {
        self.entries.get(name).unwrap_or(&self.rest)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The value of a name that has one.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        match &self.entries.get(name)?.reading {
            Reading::Value(value) => Some(value.expose()),
            _ => None,
        }
    }
}

/// The white space that Go's readers trim beside a line break.
pub(super) fn go_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}
