//! Holding a value against the print of another.

use std::collections::BTreeSet;

use crate::plan::json::{Mark, Value};
use crate::plan::verdict::print::{Leaf, Node, Print, Seal, any_item, item, member};

/// How a part of a value differs from the approved one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was unknown, and is known now.
    Resolved,
    /// It is another value.
    Changed,
    /// It was not to be set.
    Added,
    /// It was to be set.
    Gone,
    /// It was known, and is unknown now.
    NowUnknown,
    /// It nests too deep, partly unknown, to be told apart.
    Opaque,
}

/// Everything in which `node` differs from the value that left `print`, each with its path, which never leads below a
/// sensitive mark.
pub(super) fn probe(
    seal: Seal<'_>,
    path: &str,
    print: Option<&Print>,
    node: Node<'_>,
) -> Vec<(Outcome, String)> {
    let mut probe = Probe { seal, found: Vec::new() };
    probe.walk(path, path, print, node);
    probe.found
}

struct Probe<'k> {
    seal: Seal<'k>,
    found: Vec<(Outcome, String)>,
}

impl Probe<'_> {
    /// `path` is where the value stands, `shown` as much of it as may be shown.
    fn walk(&mut self, path: &str, shown: &str, print: Option<&Print>, node: Node<'_>) {
        let Some(print) = print else {
            if node.unknown.is_any() {
                self.add(Outcome::NowUnknown, shown);
            } else if !node.value.is_null() {
                self.add(Outcome::Added, shown);
            }
            return;
        };
        match print {
            Print::Leaf(Leaf::Unknown) => {
                if !node.unknown.is_whole() {
                    self.add(Outcome::Resolved, shown);
                }
            }
            Print::Leaf(Leaf::Opaque) => self.add(Outcome::Opaque, shown),
            Print::Leaf(Leaf::Known(stamp)) => {
                if node.unknown.is_any() {
                    self.add(Outcome::NowUnknown, shown);
                } else if self.seal.stamp(path, node.value) != *stamp {
                    self.add(if node.value.is_null() { Outcome::Gone } else { Outcome::Changed }, shown);
                }
            }
            _ if node.unknown.is_whole() => {
                // How many items there are was known, too.
                if print.is_known_somewhere() || matches!(print, Print::Items { .. }) {
                    self.add(Outcome::NowUnknown, shown);
                }
            }
            Print::Items { items } => match node.value {
                Value::Array(values) if values.len() == items.len() => {
                    let is_open = items.iter().any(Print::is_unknown);
                    let known = if is_open { self.members(path, items, node) } else { None };
                    for (index, print) in items.iter().enumerate() {
                        let next = item(shown, index);
                        let path = if is_open { any_item(path) } else { item(path, index) };
                        // The known ones are all there, so this is one of them, or fills an unknown one.
                        let print = match &known {
                            Some(known) if known.contains(&index) => continue,
                            Some(_) => &UNKNOWN,
                            None => print,
                        };
                        let shown = if node.sensitive.is_whole() { shown } else { &next };
                        self.walk(&path, shown, Some(print), node.item(index));
                    }
                }
                _ => self.other_shape(shown, print, node),
            },
            Print::Members { members } => match node.value {
                Value::Object(_) | Value::Null if !node.is_nothing() => {
                    let mut keys = node.keys();
                    keys.extend(members.keys().map(String::as_str));
                    for key in keys {
                        let (path, next) = (member(path, key), member(shown, key));
                        let shown = if node.sensitive.is_whole() { shown } else { &next };
                        self.walk(&path, shown, members.get(key), node.member(key));
                    }
                }
                _ => self.other_shape(shown, print, node),
            },
            Print::Hidden { hidden } => match node.value {
                Value::Object(_) | Value::Null if !node.is_nothing() => {
                    let mut met = BTreeSet::new();
                    for key in node.keys() {
                        let stamp = self.seal.key.hide(self.seal.address, path, key);
                        self.walk(&member(path, key), shown, hidden.get(&stamp), node.member(key));
                        met.insert(stamp);
                    }
                    let gone = hidden.iter().filter(|(stamp, _)| !met.contains(stamp));
                    gone.for_each(|(_, print)| self.other_shape(shown, print, NOTHING));
                }
                _ => self.other_shape(shown, print, node),
            },
        }
    }

    /// Where the known members of a set stand that has as many unknown ones as there are other items; `None` when one of
    /// them is not there, or when this is no set: a set has no member twice, and its texts are sorted.
    fn members(&self, path: &str, items: &[Print], node: Node<'_>) -> Option<BTreeSet<usize>> {
        let mut wanted = BTreeSet::new();
        for print in items.iter().filter(|print| !print.is_unknown()) {
            match print {
                Print::Leaf(Leaf::Known(stamp)) if wanted.insert(*stamp) => {}
                _ => return None,
            }
        }
        let path = any_item(path);
        let values = node.value.as_array()?;
        let is_known = |index: &usize| !node.item(*index).unknown.is_any();
        let known: Vec<usize> = (0..values.len()).filter(is_known).collect();
        let texts = known.iter().map(|index| values[*index].as_str());
        if !texts.is_sorted_by(|a, b| a.zip(*b).is_none_or(|(a, b)| a < b)) {
            return None;
        }
        let mut met = BTreeSet::new();
        let mut places = BTreeSet::new();
        for index in known {
            let stamp = self.seal.stamp(&path, &values[index]);
            if !met.insert(stamp) {
                return None;
            }
            if wanted.remove(&stamp) {
                places.insert(index);
            }
        }
        wanted.is_empty().then_some(places)
    }

    /// The value has no parts that could be held against those of the print.
    fn other_shape(&mut self, shown: &str, print: &Print, node: Node<'_>) {
        let is_resolved = match (print, node.value) {
            (Print::Leaf(leaf), _) => *leaf == Leaf::Unknown,
            // Unknown items may turn out to be one in a set, but never to be more, or none.
            (Print::Items { items }, Value::Array(values)) => {
                (1..items.len()).contains(&values.len()) && items.iter().all(Print::is_unknown)
            }
            (Print::Members { .. } | Print::Hidden { .. }, Value::Null) => !print.is_known_somewhere(),
            _ => false,
        };
        let outcome = match is_resolved {
            true => Outcome::Resolved,
            false if node.unknown.is_any() => Outcome::NowUnknown,
            false if node.value.is_null() => Outcome::Gone,
            false => Outcome::Changed,
        };
        self.add(outcome, shown);
    }

    fn add(&mut self, outcome: Outcome, shown: &str) {
        let found = (outcome, shown.to_owned());
        if self.found.last() != Some(&found) {
            self.found.push(found);
        }
    }
}

const UNKNOWN: Print = Print::Leaf(Leaf::Unknown);
const NOTHING: Node<'static> = Node { value: &Value::Null, unknown: Mark::NONE, sensitive: Mark::NONE };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::verdict::ApprovalKey;

    /// What differs between two values, each with its unknown mark and one sensitive mark for both.
    fn differ(a: (&str, &str), b: (&str, &str), sensitive: &str) -> Vec<(Outcome, String)> {
        let key = ApprovalKey::from_bytes([1; 32]);
        let seal = Seal { key: &key, address: "a" };
        let parse = |text: &str| Value::parse(text).unwrap().into_owned();
        let (a, au, b, bu, mark) = (parse(a.0), parse(a.1), parse(b.0), parse(b.1), parse(sensitive));
        let sensitive = Mark::of(&mark);
        let print = seal.print("x", Node { value: &a, unknown: Mark::of(&au), sensitive }, true);
        let text = serde_json::to_string(&print).unwrap();
        let print: Option<Print> = serde_json::from_str(&text).unwrap();
        probe(seal, "x", print.as_ref(), Node { value: &b, unknown: Mark::of(&bu), sensitive })
    }

    #[test]
    fn each_part_is_told_apart_and_named() {
        let none = "{}";
        for (a, b, expected) in [
            ((r#"{"a":1,"b":[1,2]}"#, none), (r#"{"b":[1.0,2],"a":1,"c":null}"#, none), vec![]),
            (
                (r#"{"a":1}"#, none),
                (r#"{"a":2,"c":1}"#, none),
                vec![(Outcome::Changed, "x.a"), (Outcome::Added, "x.c")],
            ),
            (
                (r#"{"a":[1,{"b.c":2}]}"#, none),
                (r#"{"a":[1,{"b.c":3}]}"#, none),
                vec![(Outcome::Changed, "x.a[1][\"b.c\"]")],
            ),
            ((r#"{"a":1,"d":1}"#, none), (r#"{"a":1}"#, none), vec![(Outcome::Gone, "x.d")]),
            ((r#"{"a":1}"#, r#"{"u":true}"#), (r#"{"a":1}"#, r#"{"u":true}"#), vec![]),
            ((r#"{"a":1}"#, r#"{"u":true}"#), (r#"{"a":1,"u":5}"#, none), vec![(Outcome::Resolved, "x.u")]),
            ((r#"{"a":1,"u":5}"#, none), (r#"{"a":1}"#, r#"{"u":true}"#), vec![(Outcome::NowUnknown, "x.u")]),
            (
                (r#"{"a":1}"#, r#"{"u":true}"#),
                (r#"{"a":2,"u":5}"#, none),
                vec![(Outcome::Changed, "x.a"), (Outcome::Resolved, "x.u")],
            ),
            (("[null,1]", "[true,false]"), ("[7,1]", none), vec![(Outcome::Resolved, "x[0]")]),
            (("[null,1]", "[true,false]"), ("[7,1,2]", none), vec![(Outcome::Changed, "x")]),
            (("null", "true"), (r#"{"a":1}"#, none), vec![(Outcome::Resolved, "x")]),
            ((r#"{"a":1}"#, none), ("null", "true"), vec![(Outcome::NowUnknown, "x")]),
            (("null", none), ("null", r#"{"a":true}"#), vec![(Outcome::NowUnknown, "x")]),
            (("null", r#"{"a":true}"#), ("null", none), vec![(Outcome::Resolved, "x")]),
            (("[1]", none), (r#"{"0":1}"#, none), vec![(Outcome::Changed, "x")]),
            (("{}", none), ("null", none), vec![(Outcome::Gone, "x")]),
            ((r#""1""#, none), ("1", none), vec![(Outcome::Changed, "x")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(o, path)| (o, path.to_owned())).collect();
            assert_eq!(differ(a, b, none), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn unknown_items_are_never_more_than_were_planned_and_never_none() {
        for (items, outcome) in [
            (r#"["a"]"#, Outcome::Resolved),
            (r#"["a","b"]"#, Outcome::Resolved),
            (r#"["a","b","c"]"#, Outcome::Changed),
            ("[]", Outcome::Changed),
            ("null", Outcome::Gone),
            (r#"{"a":1}"#, Outcome::Changed),
        ] {
            let found = differ(("[null,null]", "[true,true]"), (items, "{}"), "{}");
            assert!(!found.is_empty() && found.iter().all(|(it, _)| *it == outcome), "{items} {found:?}");
        }
        let unknown = differ(("[null]", "[true]"), ("null", "true"), "{}");
        assert_eq!(unknown, [(Outcome::NowUnknown, "x".into())]);
        // What the items are was planned, in part: another number of them is another plan.
        let parts = differ((r#"[{},{}]"#, r#"[{"a":true},{"a":true}]"#), (r#"[{"a":1,"b":2}]"#, "{}"), "{}");
        assert_eq!(parts, [(Outcome::Changed, "x".into())]);
        assert_eq!(differ(("{}", r#"{"a":true}"#), ("7", "{}"), "{}"), [(Outcome::Changed, "x".into())]);
    }

    #[test]
    fn known_members_of_a_set_are_found_wherever_an_unknown_one_pushes_them() {
        let approved = (r#"["sg-5","sg-9",null]"#, "[false,false,true]");
        let of = |b| differ(approved, (b, "{}"), "{}");
        assert_eq!(of(r#"["sg-1","sg-5","sg-9"]"#), [(Outcome::Resolved, "x[0]".into())]);
        assert_eq!(of(r#"["sg-5","sg-7","sg-9"]"#), [(Outcome::Resolved, "x[1]".into())]);
        assert_eq!(of(r#"["sg-5","sg-9","a"]"#), [(Outcome::Resolved, "x[2]".into())]);
        for other in [
            // One is gone, one stands there twice, it is a list, there are more.
            r#"["sg-1","sg-2","sg-9"]"#,
            r#"["sg-1","sg-9","sg-9"]"#,
            r#"["sg-9","sg-5","sg-1"]"#,
            r#"["sg-1","sg-5","sg-8","sg-9"]"#,
        ] {
            assert!(of(other).iter().any(|(outcome, _)| *outcome == Outcome::Changed), "{other}");
        }
        let rules = (r#"[{"port":9,"tags":["a"]},null]"#, "[false,true]");
        let found = differ(rules, (r#"[{"port":1},{"port":9,"tags":["a"]}]"#, "{}"), "{}");
        assert_eq!(found, [(Outcome::Resolved, "x[0]".into())]);
        let found = differ(rules, (r#"[{"port":1},{"port":9,"tags":["b"]}]"#, "{}"), "{}");
        assert!(found.contains(&(Outcome::Changed, "x[0]".into())), "{found:?}");
        assert_eq!(differ(approved, approved, "{}"), []);
    }

    #[test]
    fn below_a_sensitive_mark_parts_are_compared_and_not_named() {
        let approved = (r#"{"a":1,"k":{"z":1}}"#, r#"{"u":true}"#);
        let of = |b| differ(approved, (b, "{}"), "true");
        assert_eq!(of(r#"{"a":1,"u":2,"k":{"z":1}}"#), [(Outcome::Resolved, "x".into())]);
        assert!(of(r#"{"a":1,"u":2,"k":{"z":2}}"#).contains(&(Outcome::Changed, "x".into())));
        assert!(of(r#"{"u":2,"k":{"z":1}}"#).contains(&(Outcome::Gone, "x".into())));
        assert!(of(r#"{"a":1,"b":3,"u":2,"k":{"z":1}}"#).contains(&(Outcome::Added, "x".into())));
        assert_eq!(
            differ((r#"{"a":1}"#, "{}"), (r#"{"a":2}"#, "{}"), "true"),
            [(Outcome::Changed, "x".into())]
        );
    }

    #[test]
    fn a_value_that_is_partly_unknown_far_down_is_never_taken_for_the_same() {
        let nest = |inner: &str| format!("{}{inner}{}", "{\"a\":".repeat(60), "}".repeat(60));
        let (value, mark) = (nest("{}"), nest("{\"u\":true}"));
        let found = differ((&value, &mark), (&value, &mark), "{}");
        assert!(matches!(found[..], [(Outcome::Opaque, _)]), "{found:?}");
        assert_eq!(differ((&value, "{}"), (&value, "{}"), "{}"), []);
    }
}
