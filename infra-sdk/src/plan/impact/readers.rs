//! The index of readers: which repo reads which path.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::parse_toml;
use crate::day::Day;
use crate::error::{Error, Result};
use crate::names::{EnvName, Label, ParamPath, RepoName, quoted};
use crate::time::Timestamp;
use crate::tree::{Node, Origin, Problem, ProblemKind, ReadOptions, Value, read, refused};

/// As many references as an organisation of thousands of repos has; more is another file by mistake.
const MOST: usize = 100_000;

/// Who is known to read what, on a day. Each repo can write its own; [`merged`](Readers::merged) makes one of all.
///
/// ```
/// use infra_sdk::plan::impact::Readers;
/// let text = r#"
/// version = 1
/// date = "2026-11-20"
///
/// [[reader]]
/// path = "/infrastructure/network"
/// repo = "shop-api"
/// reference = "network"
/// "#;
/// assert_eq!(Readers::parse(text, "readers.toml")?.repos().len(), 1);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readers {
    /// The day it is from; of several, the oldest.
    pub date: Day,
    /// The readers, by path.
    pub readers: Vec<Reader>,
}

/// One reference of one repo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reader {
    /// What it reads: this parameter, or all below.
    pub path: ParamPath,
    /// The repo.
    pub repo: RepoName,
    /// The name it has for it in `[refs]`.
    pub reference: Label,
    /// The environment it reads in; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvName>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    date: Day,
    #[serde(default)]
    reader: Vec<Reader>,
}

impl Readers {
    /// What one repo reads, by its `[refs]`, in an environment; none for all.
    pub fn of_refs(repo: &RepoName, refs: &BTreeMap<Label, ParamPath>, env: Option<&EnvName>) -> Self {
        let reader = |(reference, path): (&Label, &ParamPath)| Reader {
            path: path.clone(),
            repo: repo.clone(),
            reference: reference.clone(),
            env: env.cloned(),
        };
        Self::new(Day::of(Timestamp::now()), refs.iter().map(reader).collect())
    }

    fn new(date: Day, mut readers: Vec<Reader>) -> Self {
        readers.sort();
        readers.dedup();
        Readers { date, readers }
    }

    /// Reads an index, TOML or JSON; `name` stands for the file in messages.
    ///
    /// # Errors
    /// `Invalid` with everything that is wrong, each with its place: paths and names that are none, keys nobody knows, a
    /// day in the future.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let tree = match text.trim_start().starts_with('{') {
            true => json(text, name)?,
            false => parse_toml(text, name)?,
        };
        let refuse = |problems: &[Problem]| {
            refused(format!("the index of readers {} is not accepted", quoted(name)), problems)
                .hint("make it anew from the repos' own references, or correct every place named above")
        };
        let wire: Wire = read(&tree, ReadOptions::default()).map_err(|problems| refuse(&problems))?;
        let mut problems = Vec::new();
        let mut note = |key: &str, message: String| {
            let origin = tree.get(key).map(|node| node.origin.clone());
            problems.push(Problem { origin, path: key.to_owned(), kind: ProblemKind::Refused(message) });
        };
        if wire.version != 1 {
            note("version", "must be 1, the only version there is".into());
        }
        if wire.date.is_future(Timestamp::now()) {
            note("date", "lies in the future".into());
        }
        if wire.reader.len() > MOST {
            note("reader", format!("has more than {MOST} readers"));
        }
        if problems.is_empty() { Ok(Self::new(wire.date, wire.reader)) } else { Err(refuse(&problems)) }
    }

    /// One index of many; none of none. It is as old as the oldest of them.
    pub fn merged(indexes: impl IntoIterator<Item = Readers>) -> Option<Self> {
        indexes.into_iter().reduce(|mut all, more| {
            all.readers.extend(more.readers);
            Self::new(all.date.min(more.date), all.readers)
        })
    }

    /// Those who read in an environment.
    #[must_use]
    pub fn in_env(&self, env: &EnvName) -> Self {
        let here = |reader: &&Reader| reader.env.as_ref().is_none_or(|other| other == env);
        Readers { date: self.date, readers: self.readers.iter().filter(here).cloned().collect() }
    }

    /// The repos that read something.
    pub fn repos(&self) -> BTreeSet<&RepoName> {
        self.readers.iter().map(|reader| &reader.repo).collect()
    }

    /// The index as TOML, as [`parse`](Readers::parse) reads it.
    ///
    /// # Errors
    /// None that is known: every part of it can be written.
    pub fn to_toml(&self) -> Result<String> {
        let wire = Wire { version: 1, date: self.date, reader: self.readers.clone() };
        toml::to_string(&wire).map_err(|error| Error::invalid("write the index of readers").because(error))
    }
}

fn json(text: &str, name: &str) -> Result<Node> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("the index of readers {} is not JSON", quoted(name)))
            .because(format!("{name}:{}:{}: {error}", error.line(), error.column()))
            .hint("correct the syntax at this place, or write it as TOML")
    })?;
    Ok(node(json, &Origin::named(name)))
}

fn node(json: serde_json::Value, origin: &Origin) -> Node {
    let value = match json {
        serde_json::Value::Bool(yes) => Value::Boolean(yes),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, origin)).collect())
        }
        serde_json::Value::Object(entries) => Value::Table(
            // What is null is not there.
            entries
                .into_iter()
                .filter(|(_, json)| !json.is_null())
                .map(|(key, json)| (key, node(json, origin)))
                .collect(),
        ),
        serde_json::Value::Null => Value::Text(String::new()),
    };
    Node::new(value, origin.clone())
}

/// Readers by path, for looking up.
pub(super) struct Lookup<'r>(BTreeMap<&'r str, Vec<&'r Reader>>);

impl<'r> Lookup<'r> {
    pub(super) fn of(readers: &'r [Reader]) -> Self {
        let mut by_path: BTreeMap<&str, Vec<&Reader>> = BTreeMap::new();
        for reader in readers {
            by_path.entry(reader.path.as_str()).or_default().push(reader);
        }
        Lookup(by_path)
    }

    /// Who reads `path`: it or a tree it is in, and with `below` also who reads a part of it.
    pub(super) fn find(&self, path: &str, below: bool) -> Vec<&'r Reader> {
        let mut found: BTreeSet<&Reader> = BTreeSet::new();
        let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).chain([path.len()]);
        for end in ends {
            found.extend(self.0.get(&path[..end]).into_iter().flatten());
        }
        if below {
            let inside = format!("{path}/");
            let parts = self.0.range(inside.as_str()..).take_while(|(path, _)| path.starts_with(&inside));
            found.extend(parts.flat_map(|(_, readers)| readers));
        }
        found.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(path: &str, repo: &str) -> Reader {
        let (path, repo) = (path.parse().unwrap(), repo.parse().unwrap());
        Reader { path, repo, reference: "network".parse().unwrap(), env: None }
    }

    #[test]
    fn a_reader_of_a_tree_reads_what_is_in_it_and_not_what_only_begins_alike() {
        let readers = [
            reader("/a/net", "tree"),
            reader("/a/net/id", "leaf"),
            reader("/a/net2", "other"),
            reader("/a/net/id/x", "deep"),
        ];
        let lookup = Lookup::of(&readers);
        let found = |path: &str, below| {
            lookup.find(path, below).iter().map(|reader| reader.repo.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found("/a/net/id", false), ["tree", "leaf"]);
        assert_eq!(found("/a/net/id", true), ["tree", "leaf", "deep"]);
        assert_eq!(found("/a", false), Vec::<String>::new());
        assert_eq!(found("odd name", true), Vec::<String>::new());
    }

    #[test]
    fn an_index_is_read_back_as_it_was_written_in_both_forms() {
        let refs = [("network".parse().unwrap(), "/infrastructure/network".parse().unwrap())].into();
        let index = Readers::of_refs(&"shop".parse().unwrap(), &refs, Some(&EnvName::local()));
        let toml = index.to_toml().unwrap();
        assert_eq!(Readers::parse(&toml, "readers.toml").unwrap(), index, "{toml}");
        let json = r#"{"version":1,"date":"2026-11-20","reader":[{"path":"/a/b","repo":"shop","reference":"b","env":null}]}"#;
        assert_eq!(Readers::parse(json, "readers.json").unwrap().readers[0].env, None);
        let old = Readers::parse(json, "readers.json").unwrap();
        let merged = Readers::merged([index.clone(), old.clone(), index.clone()]).unwrap();
        assert_eq!((merged.readers.len(), merged.date), (2, old.date.min(index.date)));
        assert_eq!(merged.in_env(&"staging".parse().unwrap()).readers, old.readers);
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_place() {
        let report = |text: &str| Readers::parse(text, "readers.toml").unwrap_err().report().to_string();
        let bad = report(
            "version = 1\ndate = \"2026-11-20\"\n[[reader]]\npath = \"/a/../b\"\nrepo = \"Shop\"\nreference = \"n\"\nrepos = 1\n",
        );
        for expected in [
            "readers.toml:4:1: `reader[0].path`: parameter path `/a/../b`",
            "readers.toml:5:1: `reader[0].repo`",
            "readers.toml:7:1: `reader[0].repos` is not a known key; did you mean `repo`?",
        ] {
            assert!(bad.contains(expected), "{expected}\n{bad}");
        }
        let bad = report("version = 2\ndate = \"3026-11-20\"\n");
        assert!(bad.contains(":1:1: `version`: must be 1") && bad.contains(":2:1: `date`: lies"), "{bad}");
        let bad = report("{\"version\": 1,");
        assert!(bad.contains("is not JSON") && bad.contains("readers.toml:1:14"), "{bad}");
        assert!(
            report("{\"version\":1,\"date\":\"2026-11-20\",\"reader\":[null]}")
                .contains("`reader[0]` must be a table")
        );
    }
}
