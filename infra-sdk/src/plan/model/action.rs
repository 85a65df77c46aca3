//! What a plan does to a resource, and how much that can hurt.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::json::Text;

/// What is done to one resource, in order. The nine that Terraform knows today have names here; any other
/// combination survives as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actions {
    /// Nothing; the resource may still be moved or imported.
    NoOp,
    /// It is made.
    Create,
    /// A data source is read while applying.
    Read,
    /// It is changed in place.
    Update,
    /// It is destroyed.
    Delete,
    /// It stays, and is no longer managed.
    Forget,
    /// It is destroyed and made anew.
    DeleteThenCreate,
    /// It is made anew, then the old one is destroyed.
    CreateThenDelete,
    /// It is made anew, and the old one stays without being managed.
    CreateThenForget,
    /// Something this version does not know.
    Other(Box<[String]>),
}

impl Actions {
    /// The actions of a plan's list of names. An empty list means nothing.
    pub fn of<S: AsRef<str>>(names: &[S]) -> Self {
        let known = match names {
            [] => Some(Actions::NoOp),
            [only] => match only.as_ref() {
                "no-op" => Some(Actions::NoOp),
                "create" => Some(Actions::Create),
                "read" => Some(Actions::Read),
                "update" => Some(Actions::Update),
                "delete" => Some(Actions::Delete),
                "forget" => Some(Actions::Forget),
                _ => None,
            },
            [first, second] => match (first.as_ref(), second.as_ref()) {
                ("delete", "create") => Some(Actions::DeleteThenCreate),
                ("create", "delete") => Some(Actions::CreateThenDelete),
                ("create", "forget") => Some(Actions::CreateThenForget),
                _ => None,
            },
            _ => None,
        };
        known.unwrap_or_else(|| Actions::Other(names.iter().map(|name| word(name.as_ref())).collect()))
    }

    /// The names, as a plan has them.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Actions::NoOp => vec!["no-op"],
            Actions::Create => vec!["create"],
            Actions::Read => vec!["read"],
            Actions::Update => vec!["update"],
            Actions::Delete => vec!["delete"],
            Actions::Forget => vec!["forget"],
            Actions::DeleteThenCreate => vec!["delete", "create"],
            Actions::CreateThenDelete => vec!["create", "delete"],
            Actions::CreateThenForget => vec!["create", "forget"],
            Actions::Other(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// Whether nothing is done.
    pub fn is_no_op(&self) -> bool {
        *self == Actions::NoOp
    }

    /// Whether something new is made.
    pub fn creates(&self) -> bool {
        match self {
            Actions::Create
            | Actions::DeleteThenCreate
            | Actions::CreateThenDelete
            | Actions::CreateThenForget => true,
            _ => self.has_other("create"),
        }
    }

    /// Whether something is destroyed.
    pub fn deletes(&self) -> bool {
        match self {
            Actions::Delete | Actions::DeleteThenCreate | Actions::CreateThenDelete => true,
            _ => self.has_other("delete"),
        }
    }

    /// Whether it is changed in place.
    pub fn updates(&self) -> bool {
        *self == Actions::Update || self.has_other("update")
    }

    /// Whether something stays behind that is no longer managed.
    pub fn forgets(&self) -> bool {
        matches!(self, Actions::Forget | Actions::CreateThenForget) || self.has_other("forget")
    }

    /// Whether a combination without a name here has `name` in it.
    fn has_other(&self, name: &str) -> bool {
        matches!(self, Actions::Other(names) if names.iter().any(|other| other == name))
    }

    /// Whether an old one makes place for a new one.
    pub fn replaces(&self) -> bool {
        self.creates() && (self.deletes() || self.forgets())
    }

    /// How much it can hurt. What is not known counts as its worst known part.
    pub fn severity(&self) -> Severity {
        match self {
            Actions::NoOp => Severity::Nothing,
            Actions::Read => Severity::Read,
            Actions::Create => Severity::Create,
            Actions::Update => Severity::Update,
            Actions::Forget | Actions::CreateThenForget => Severity::Forget,
            Actions::CreateThenDelete => Severity::ReplaceCreatingFirst,
            Actions::DeleteThenCreate => Severity::ReplaceDeletingFirst,
            Actions::Delete => Severity::Delete,
            Actions::Other(_) if self.deletes() => Severity::Delete,
            Actions::Other(_) => Severity::Forget,
        }
    }

    /// Terraform's sign for it: `+`, `~`, `-`, `-/+`, `+/-`, `<=`.
    pub fn sign(&self) -> &'static str {
        match self {
            Actions::NoOp => " ",
            Actions::Create => "+",
            Actions::Read => "<=",
            Actions::Update => "~",
            Actions::Delete => "-",
            Actions::Forget => ".",
            Actions::DeleteThenCreate => "-/+",
            Actions::CreateThenDelete => "+/-",
            Actions::CreateThenForget => "+/.",
            Actions::Other(_) => "?",
        }
    }

    /// The word a person reads: `create`, `replace`, `destroy`.
    pub fn word(&self) -> &'static str {
        match self {
            Actions::NoOp => "no change",
            Actions::Create => "create",
            Actions::Read => "read",
            Actions::Update => "update",
            Actions::Delete => "destroy",
            Actions::Forget => "forget",
            Actions::DeleteThenCreate | Actions::CreateThenDelete => "replace",
            Actions::CreateThenForget => "replace, keeping the old one",
            Actions::Other(_) => "unknown",
        }
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.names().join(", "))
    }
}

impl Serialize for Actions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Actions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of actions")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Actions, A::Error> {
                // Every resource has such a list, and hardly one is longer than two: those are read without a copy.
                let (Some(first), second) =
                    (list.next_element::<Text<'de>>()?, list.next_element::<Text<'de>>()?)
                else {
                    return Ok(Actions::NoOp);
                };
                let Some(second) = second else { return Ok(Actions::of(&[first])) };
                let mut names = vec![first, second];
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Actions::of(&names))
            }
        }
        deserializer.deserialize_seq(Names)
    }
}

/// An action as later versions may name one. What is no lower-case word is no action: it may be anything, also a secret.
fn word(name: &str) -> String {
    let is_word =
        (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if is_word { name.to_owned() } else { "unknown".to_owned() }
}

/// How much a change can hurt, from nothing to the loss of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is done.
    Nothing,
    /// A data source is read.
    Read,
    /// An existing resource is taken into the state, or gets another address.
    ImportOrMove,
    /// Something is made.
    Create,
    /// Something is changed in place.
    Update,
    /// Something stays behind unmanaged, or happens that this version does not know.
    Forget,
    /// Something is replaced, the new one first.
    ReplaceCreatingFirst,
    /// Something is replaced, the old one destroyed first.
    ReplaceDeletingFirst,
    /// Something is destroyed.
    Delete,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_combination_survives_and_one_that_deletes_is_destructive() {
        for names in [&["create"][..], &["create", "delete"], &["polish"], &["delete", "polish"]] {
            let text = serde_json::to_string(names).unwrap();
            let actions: Actions = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&actions).unwrap(), text);
        }
        assert_eq!(Actions::of(&["hunter2\n"]).names(), ["unknown"]);
        assert_eq!(Actions::of(&["delete", "polish"]).severity(), Severity::Delete);
        assert!(Actions::of(&["polish"]).severity() > Severity::Update);
        assert_eq!(Actions::of::<&str>(&[]), Actions::NoOp);
    }

    #[test]
    fn severity_rises_from_reading_to_destroying() {
        let order = [
            Actions::NoOp,
            Actions::Read,
            Actions::Create,
            Actions::Update,
            Actions::Forget,
            Actions::CreateThenDelete,
            Actions::DeleteThenCreate,
            Actions::Delete,
        ];
        assert!(order.is_sorted_by(|a, b| a.severity() < b.severity()));
    }
}
