//! What somebody may do to a plan before it is read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// One thing done to a plan. Places are numbers modulo what is there, so that a list of mutations fits any plan and gets
/// shorter one by one when a failure is looked into.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// The text ends early.
    Truncate(u32),
    /// One byte is another.
    Byte(u32, u8),
    /// A part of the text stands there again, elsewhere.
    Splice(u32, u32, u16),
    /// The first key of an object stands there twice.
    Twice(u32),
    /// A value is another one.
    Value(u32, u8),
    /// A text is a hostile one.
    Text(u32, u8),
    /// A value changes places with another.
    Swap(u32, u32),
    /// A member or an item is gone.
    Remove(u32),
    /// A member has another name.
    Rename(u32, u8),
    /// A value lies so deep in lists.
    Nest(u32, u16),
    /// A mark of an entry has an odd shape.
    Mark(u32, u8, u8),
    /// A text holds a secret of the plan, in one of its many forms.
    Leak(u32, u32, u8),
}

/// Any of them; those that leave a plan more often than those that leave none.
pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let (at, kind) = (any::<u32>, any::<u8>);
    prop_oneof![
        1 => at().prop_map(Mutation::Truncate),
        1 => (at(), kind()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        1 => (at(), at(), any::<u16>()).prop_map(|(from, to, length)| Mutation::Splice(from, to, length % 400)),
        1 => at().prop_map(Mutation::Twice),
        4 => (at(), kind()).prop_map(|(at, kind)| Mutation::Value(at, kind)),
        4 => (at(), kind()).prop_map(|(at, kind)| Mutation::Text(at, kind)),
        3 => (at(), at()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        3 => at().prop_map(Mutation::Remove),
        2 => (at(), kind()).prop_map(|(at, kind)| Mutation::Rename(at, kind)),
        1 => (at(), any::<u16>()).prop_map(|(at, depth)| Mutation::Nest(at, depth)),
        4 => (at(), kind(), kind()).prop_map(|(at, which, shape)| Mutation::Mark(at, which, shape)),
        4 => (at(), at(), kind()).prop_map(|(at, secret, form)| Mutation::Leak(at, secret, form)),
    ]
}

/// Texts that break out of whatever does not expect them.
const HOSTILE: [&str; 16] = [
    "",
    "\u{0}\u{1b}[2J\u{7}",
    "a\nb\r\nc",
    "| a | b |\n|---|---|\n",
    "```\n# out\n```",
    "</details></summary><script>alert(1)</script>",
    "@everyone [x](javascript:alert(1)) ![y](https://example.com/pixel.png)",
    "\u{202e}drowssap\u{2066}\u{200b}",
    "x[\"a\\\"].b[0]\"]",
    "${var.password} %{if true}",
    "::add-mask::x\n::set-output name=a::b",
    "--><!-- infra-sdk",
    "{\"a\":[1,{\"b\":\"[\\\"c\\\"]\"}]}",
    "eyJhIjogImNhbmFyeSJ9",
    "\u{fffd}\u{feff}\u{1F9D1}\u{200D}\u{1F680}",
    "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé",
];

/// Names that mean something to a reader of plans.
const KEYS: [&str; 10] = [
    "before",
    "after",
    "actions",
    "address",
    "deposed",
    "previous_address",
    "importing",
    "",
    "module_address",
    "mode",
];

impl Mutation {
    /// `text` after all of them: first those of the tree, for they need one, then those of the bytes.
    pub(crate) fn all(mutations: &[Mutation], text: &[u8]) -> Vec<u8> {
        let mut tree: Value = serde_json::from_slice(text).expect("a base is JSON");
        let mut depth = None;
        mutations.iter().for_each(|mutation| mutation.tree(&mut tree, &mut depth));
        let mut text = tree.to_string();
        if let Some(depth) = depth {
            let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            text = text.replace("\"@@deep@@\"", &nested);
        }
        let mut bytes = text.into_bytes();
        mutations.iter().for_each(|mutation| mutation.bytes(&mut bytes));
        bytes
    }

    fn tree(&self, tree: &mut Value, depth: &mut Option<usize>) {
        match *self {
            Mutation::Value(at, kind) => *node(tree, at) = odd(kind),
            Mutation::Text(at, kind) => {
                if let Some(text) = string(tree, at) {
                    *text = HOSTILE[usize::from(kind) % HOSTILE.len()].to_owned();
                }
            }
            Mutation::Swap(a, b) => {
                let first = node(tree, a).clone();
                let second = std::mem::replace(node(tree, b), first);
                *node(tree, a) = second;
            }
            Mutation::Remove(at) => match node(tree, at) {
                Value::Array(items) if !items.is_empty() => drop(items.remove(at as usize % items.len())),
                Value::Object(members) => {
                    if let Some(key) = nth_key(members, at) {
                        members.remove(&key);
                    }
                }
                _ => {}
            },
            Mutation::Rename(at, kind) => {
                if let Value::Object(members) = node(tree, at)
                    && let Some(value) = nth_key(members, at).and_then(|key| members.remove(&key))
                {
                    members.insert(KEYS[usize::from(kind) % KEYS.len()].to_owned(), value);
                }
            }
            Mutation::Nest(at, levels) => {
                *node(tree, at) = json!("@@deep@@");
                *depth = Some(usize::from(levels));
            }
            Mutation::Mark(at, which, shape) => {
                let entries = tree.get_mut("resource_changes").and_then(Value::as_array_mut);
                if let Some(entries) = entries.filter(|entries| !entries.is_empty()) {
                    let index = at as usize % entries.len();
                    if let Some(change) = entries[index].get_mut("change").and_then(Value::as_object_mut) {
                        let names = ["before_sensitive", "after_sensitive", "after_unknown", "replace_paths"];
                        change.insert(names[usize::from(which) % names.len()].to_owned(), odd(shape));
                    }
                }
            }
            Mutation::Leak(at, which, form) => {
                let secrets = crate::marks::secrets(tree);
                if let (Some(secret), Some(text)) =
                    (secrets.get(which as usize % secrets.len().max(1)), string(tree, at))
                {
                    *text = match form % 4 {
                        0 => secret.clone(),
                        1 => format!("https://u:{secret}@host/?a=b"),
                        2 => json!({ "inner": [secret] }).to_string(),
                        _ => format!("line\n{secret}\nline"),
                    };
                }
            }
            Mutation::Truncate(_) | Mutation::Byte(..) | Mutation::Splice(..) | Mutation::Twice(_) => {}
        }
    }

    fn bytes(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        match *self {
            Mutation::Truncate(at) => bytes.truncate(at as usize % length),
            Mutation::Byte(at, byte) => {
                if let Some(old) = bytes.get_mut(at as usize % length) {
                    *old = byte;
                }
            }
            Mutation::Splice(from, to, count) => {
                let from = (from as usize % length).min(bytes.len());
                let part = bytes[from..bytes.len().min(from + usize::from(count))].to_vec();
                let to = (to as usize % length).min(bytes.len());
                bytes.splice(to..to, part);
            }
            Mutation::Twice(at) => {
                let opening: Vec<usize> =
                    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"{\"")).collect();
                if let Some(at) = opening.get(at as usize % opening.len().max(1)) {
                    let key: Vec<u8> =
                        bytes[at + 2..].iter().copied().take_while(|byte| *byte != b'"').collect();
                    let member = [b"\"", &key[..], b"\":0,"].concat();
                    bytes.splice(at + 1..at + 1, member);
                }
            }
            _ => {}
        }
    }
}

/// A value where nobody expects it.
fn odd(kind: u8) -> Value {
    match kind % 14 {
        0 => json!(null),
        1 => json!(true),
        2 => json!(false),
        3 => json!(-1),
        4 => json!(18_446_744_073_709_551_615_u64),
        5 => json!(1e300),
        6 => json!(""),
        7 => json!("true"),
        8 => json!([]),
        9 => json!({}),
        10 => json!([true, [true], {"a": true}]),
        11 => json!({"password": true, "tags": {"a": [true, false]}}),
        12 => json!([[["a"], 0, null]]),
        _ => json!({"": {"": {"": [null, {"": true}]}}}),
    }
}

fn nth_key(members: &Map<String, Value>, at: u32) -> Option<String> {
    members.keys().nth(at as usize % members.len().max(1)).cloned()
}

/// The value at place `at` modulo how many there are, counted from the root down.
fn node(tree: &mut Value, at: u32) -> &mut Value {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(members) => members.values().map(count).sum(),
            _ => 0,
        }
    }
    let mut left = at as usize % count(tree);
    let mut here = tree;
    while left > 0 {
        left -= 1;
        let below: Box<dyn Iterator<Item = &mut Value>> = match here {
            Value::Array(items) => Box::new(items.iter_mut()),
            Value::Object(members) => Box::new(members.values_mut()),
            _ => unreachable!("the count says that there is more below"),
        };
        let mut found = None;
        for child in below {
            let size = count(child);
            if left < size {
                found = Some(child);
                break;
            }
            left -= size;
        }
        here = found.expect("the count says that it is there");
    }
    here
}

/// The text at place `at` modulo how many there are.
fn string(tree: &mut Value, at: u32) -> Option<&mut String> {
    fn collect<'v>(value: &'v mut Value, found: &mut Vec<&'v mut String>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(items) => items.iter_mut().for_each(|item| collect(item, found)),
            Value::Object(members) => members.values_mut().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(tree, &mut found);
    let at = at as usize % found.len().max(1);
    found.into_iter().nth(at)
}
