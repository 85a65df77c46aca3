//! A value with its place: what a configuration file, a variable or a parameter says, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::secret::SecretValue;

/// A value and where it came from.
///
/// ```
/// use infra_sdk::tree::{Node, Origin, ReadOptions, read};
/// let origin = Origin::named("PORT");
/// let table = Node::table([("port", Node::loose("8080", origin.clone()))], origin);
/// let read: std::collections::BTreeMap<String, u16> = read(&table, ReadOptions::default()).unwrap();
/// assert_eq!(read["port"], 8080);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it says.
    pub value: Value,
    /// Where it says it.
    pub origin: Origin,
}

/// What a [`Node`] says.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// Several values in order.
    List(Vec<Node>),
    /// Values by name.
    Table(BTreeMap<String, Node>),
    /// Text whose type the source cannot tell, as in environment variables and parameter stores: it is parsed
    /// into what the reader asks for; `a,b` is a list of two. Never shown in problems, for it may be private.
    Loose(String),
    /// A secret, which only a [`SecretValue`] can read.
    Secret(SecretValue),
}

/// Where a value came from: a place in a file, a variable, a parameter. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    name: Arc<str>,
    /// Line and column, both from 1; zero for origins that have none.
    place: (u32, u32),
}

impl Origin {
    /// A place that has a name, such as a variable or a parameter path.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Origin { name: name.into(), place: (0, 0) }
    }

    /// A place in a file; `line` and `column` count from 1.
    pub fn file(name: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Origin { name: name.into(), place: (line, column) }
    }

    /// The file, variable or parameter, without line and column.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            (0, _) => f.pad(&self.name),
            (line, column) => f.pad(&format!("{}:{line}:{column}", self.name)),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Node {
    /// A value at a place.
    pub fn new(value: Value, origin: Origin) -> Self {
        Node { value, origin }
    }

    /// Text at a place.
    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Node::new(Value::Text(text.into()), origin)
    }

    /// Text of any type at a place; see [`Value::Loose`].
    pub fn loose(text: impl Into<String>, origin: Origin) -> Self {
        Node::new(Value::Loose(text.into()), origin)
    }

    /// Values by name.
    pub fn table<K: Into<String>>(entries: impl IntoIterator<Item = (K, Node)>, origin: Origin) -> Self {
        Node::new(Value::Table(entries.into_iter().map(|(key, node)| (key.into(), node)).collect()), origin)
    }

    /// The entries of a table; `None` for every other value.
    pub fn entries(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.get(key)
    }

    /// Lays `over` on top: tables are merged key by key, everything else is replaced. A table that several files
    /// write has its place in the last of them.
    pub fn merge(&mut self, over: Node) {
        match (&mut self.value, over) {
            (Value::Table(under), Node { value: Value::Table(over), origin }) => {
                if origin.place.0 > 0 {
                    self.origin = origin;
                }
                for (key, node) in over {
                    match under.get_mut(&key) {
                        Some(under) => under.merge(node),
                        None => drop(under.insert(key, node)),
                    }
                }
            }
            (_, over) => *self = over,
        }
    }

    /// Every value that is not a table or list of values, with its path such as `deploy.port`, in the order of
    /// the keys; an empty table or list counts as one.
    pub fn leaves(&self) -> Vec<(String, &Node)> {
        fn collect<'a>(node: &'a Node, path: String, into: &mut Vec<(String, &'a Node)>) {
            match &node.value {
                Value::Table(entries) if !entries.is_empty() => {
                    entries.iter().for_each(|(key, node)| collect(node, child(&path, key), into));
                }
                Value::List(items) if items.iter().any(|item| item.entries().is_some()) => {
                    items.iter().enumerate().for_each(|(at, node)| collect(node, item(&path, at), into));
                }
                _ => into.push((path, node)),
            }
        }
        let mut leaves = Vec::new();
        collect(self, String::new(), &mut leaves);
        leaves
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => fmt::Debug::fmt(text, f),
            Value::Integer(number) => fmt::Debug::fmt(number, f),
            Value::Float(number) => fmt::Debug::fmt(number, f),
            Value::Boolean(yes) => fmt::Debug::fmt(yes, f),
            Value::List(items) => fmt::Debug::fmt(items, f),
            Value::Table(entries) => fmt::Debug::fmt(entries, f),
            Value::Loose(_) => f.write_str("[text]"),
            Value::Secret(secret) => fmt::Debug::fmt(secret, f),
        }
    }
}

impl Value {
    /// What kind of value this is, for people; never the value itself.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Loose(_) => "another text",
            Value::Secret(_) => "a secret",
        }
    }
}

/// The path of an entry of a table; keys that are not plain words are quoted, so that a path reads one way only.
pub(crate) fn child(parent: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key.len() <= 128
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let dot = if parent.is_empty() { "" } else { "." };
    if plain {
        format!("{parent}{dot}{key}")
    } else {
        let mut shown: String = key.chars().take(128).flat_map(char::escape_debug).collect();
        if key.chars().count() > 128 {
            // Two long keys must not share a path, or one would hide the problems of the other.
            shown.push_str(&format!("…{}", crate::digest::Digest::of(key.as_bytes()).short()));
        }
        format!("{parent}{dot}\"{shown}\"")
    }
}

/// The path of an element of a list.
pub(crate) fn item(parent: &str, at: usize) -> String {
    format!("{parent}[{at}]")
}

/// The path of the table or list that holds the value at `path`.
pub(crate) fn parent(path: &str) -> &str {
    let end = match path.chars().next_back() {
        Some(']') => path.rfind('['),
        // A quote inside a quoted key is escaped, so that a dot and a quote are always its start.
        Some('"') => path.rfind(".\""),
        _ => path.rfind('.'),
    };
    &path[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str) -> Origin {
        Origin::named(name)
    }

    #[test]
    fn a_later_layer_wins_key_by_key_and_lists_are_replaced() {
        let list = |name: &str| Node::new(Value::List(vec![Node::text("x", at(name))]), at(name));
        let mut under = Node::table([("a", Node::text("1", at("one"))), ("l", list("one"))], at("one"));
        under.merge(Node::table([("b", Node::text("2", at("two"))), ("l", list("two"))], at("two")));
        let shown: Vec<String> = under.leaves().iter().map(|(p, n)| format!("{p}@{}", n.origin)).collect();
        assert_eq!(shown, ["a@one", "b@two", "l@two"]);
    }

    #[test]
    fn debug_shows_no_private_value() {
        let node = Node::table(
            [
                ("a", Node::loose("canary", at("A"))),
                ("b", Node::new(Value::Secret(SecretValue::new("canary")), at("B"))),
            ],
            at("x"),
        );
        assert!(!format!("{node:?}").contains("canary"));
    }

    #[test]
    fn a_path_reads_one_way_only() {
        assert_eq!(child("a", "b.c"), "a.\"b.c\"");
        assert_eq!(child("", "b\n"), "\"b\\n\"");
        assert_ne!(child("", &"x".repeat(300)), child("", &"x".repeat(301)));
        for path in ["a", "a.b-c", "\"x.y\"", "\"x\\\".\\\"\""] {
            assert_eq!((parent(&child(path, "k")), parent(&child(path, "k.\"l"))), (path, path));
            assert_eq!(parent(&item(path, 12)), path);
        }
        assert_eq!((parent("a"), parent("\"a.b\"")), ("", ""));
        assert_eq!(Origin::file("infra.toml", 3, 7).to_string(), "infra.toml:3:7");
    }
}
