//! The walk through before, after and the three trees of marks together.

use std::mem;

use crate::plan::diff::path::{push_index, push_key};
use crate::plan::diff::place::Place;
use crate::plan::diff::rules::{Rules, Step};
use crate::plan::diff::{AttributeChange, Difference, ResourceDiff, SensitiveChange};
use crate::plan::json::{Mark, Value, canonical};
use crate::plan::meaning::{as_list, principal};

/// Steps that grow with the square of a list or text; a walk has so many in all, and goes on more simply without.
const BUDGET: usize = 1 << 22;

/// One place on both sides of a change.
#[derive(Clone, Copy)]
pub(super) struct Node<'v, 'a> {
    /// The value before; `null` is nothing.
    pub(super) before: Option<&'v Value<'a>>,
    /// The value after, as far as it is known.
    pub(super) after: Option<&'v Value<'a>>,
    /// What is unknown after.
    pub(super) unknown: Mark<'v>,
    /// What is sensitive before.
    pub(super) was: Mark<'v>,
    /// What is sensitive after.
    pub(super) becomes: Mark<'v>,
}

impl<'v, 'a> Node<'v, 'a> {
    /// A place without marks.
    pub(super) fn unmarked(before: &'v Value<'a>, after: &'v Value<'a>) -> Self {
        Node::new(Some(before), Some(after), [Mark::NONE; 3])
    }

    /// A place with the marks for unknown, sensitive before and sensitive after.
    pub(super) fn new(
        before: Option<&'v Value<'a>>,
        after: Option<&'v Value<'a>>,
        marks: [Mark<'v>; 3],
    ) -> Self {
        // Providers change between the two without meaning anything by it.
        let there = |value: &&Value<'_>| !value.is_null();
        let [unknown, was, becomes] = marks;
        Node { before: before.filter(there), after: after.filter(there), unknown, was, becomes }
    }

    /// The member `key` on both sides.
    pub(super) fn member(self, key: &str) -> Self {
        let of = |value: Option<&'v Value<'a>>| value.and_then(|value| value.get(key));
        let marks = [self.unknown.key(key), self.was.key(key), self.becomes.key(key)];
        Node::new(of(self.before), of(self.after), marks)
    }

    /// The item that stands at one position before and at another after. A lone value is a list of itself.
    pub(super) fn item(self, before: Option<usize>, after: Option<usize>) -> Self {
        let of = |list: Option<&'v Value<'a>>, index: Option<usize>| as_list(list?).get(index?);
        let mark = |mark: Mark<'v>, index: Option<usize>| index.map_or(Mark::NONE, |index| mark.index(index));
        let marks = [mark(self.unknown, after), mark(self.was, before), mark(self.becomes, after)];
        Node::new(of(self.before, before), of(self.after, after), marks)
    }

    pub(super) fn is_marked(self) -> bool {
        self.unknown.is_any() || self.was.is_any() || self.becomes.is_any()
    }
}

/// Finds the differences of one resource or output.
pub(super) struct Walk<'r, 'a> {
    pub(super) rules: &'r Rules,
    pub(super) path: String,
    pub(super) steps: Vec<Step>,
    pub(super) found: Vec<AttributeChange<'a>>,
    pub(super) folded: usize,
    pub(super) budget: usize,
    /// How many documents inside texts it stands in.
    pub(super) documents: usize,
}

impl<'r, 'a> Walk<'r, 'a> {
    /// A walk that begins at `path`.
    pub(super) fn new(rules: &'r Rules, path: String) -> Self {
        Walk { rules, path, steps: Vec::new(), found: Vec::new(), folded: 0, budget: BUDGET, documents: 0 }
    }

    /// What it found.
    pub(super) fn end(self) -> ResourceDiff<'a> {
        ResourceDiff { attributes: self.found, folded: self.folded }
    }

    /// Notes a difference where it stands.
    pub(super) fn tell(&mut self, difference: Difference<'a>) {
        self.found.push(AttributeChange {
            path: self.rules.path(&self.path),
            difference: self.rules.veiled(difference),
            forces_replacement: self.rules.forces(&self.steps),
        });
    }

    /// Goes through one place and everything below it.
    pub(super) fn node(&mut self, node: Node<'_, 'a>, place: Place) {
        let is_hidden = |value: Option<&Value<'_>>, mark: Mark<'_>| {
            value.is_some_and(|value| mark.is_whole() || !mark.fits(value))
        };
        let was = is_hidden(node.before, node.was);
        let becomes =
            is_hidden(node.after, node.becomes) || (node.after.is_none() && node.becomes.is_whole());
        let is_unknown = node.unknown.is_whole()
            || node.unknown.is_any() && node.after.is_none_or(|after| !node.unknown.fits(after));
        if was || becomes {
            self.sensitive(node, is_unknown, [was, becomes]);
        } else if is_unknown {
            self.unknown(node);
        } else {
            self.values(node, place);
        }
    }

    fn sensitive(&mut self, node: Node<'_, 'a>, is_unknown: bool, [was, becomes]: [bool; 2]) {
        let change = match (node.before, node.after) {
            _ if is_unknown => return self.unknown_or(Difference::Sensitive(SensitiveChange::Unknown)),
            (None, None) => return,
            (None, Some(_)) => SensitiveChange::Added,
            (Some(_), None) => SensitiveChange::Removed,
            (Some(_), Some(_)) if node.unknown.is_any() => SensitiveChange::Unknown,
            (Some(before), Some(after)) if !same(before, after) => SensitiveChange::Changed,
            _ if was && !becomes => SensitiveChange::Unmarked,
            _ if becomes && !was => SensitiveChange::Marked,
            _ => return,
        };
        self.tell(Difference::Sensitive(change));
    }

    fn unknown(&mut self, node: Node<'_, 'a>) {
        self.unknown_or(if node.was.is_any() || node.becomes.is_any() {
            Difference::Sensitive(SensitiveChange::Unknown)
        } else {
            Difference::Unknown { before: node.before.cloned().unwrap_or(Value::Null) }
        });
    }

    /// Tells that a value becomes unknown, or counts it.
    fn unknown_or(&mut self, difference: Difference<'a>) {
        if self.rules.tells_unknown(&self.steps) {
            self.tell(difference);
        } else {
            self.folded += 1;
        }
    }

    fn values(&mut self, node: Node<'_, 'a>, place: Place) {
        match (node.before, node.after) {
            (None, None) => {}
            // What has marks in it is told member by member, so that the marked ones are told apart.
            (None, Some(value)) | (Some(value), None) if node.is_marked() => self.one_side(node, value),
            (None, Some(value)) => self.tell(Difference::Added(value.clone())),
            (Some(value), None) => self.tell(Difference::Removed(value.clone())),
            (Some(before), Some(after)) => self.both(node, before, after, place),
        }
    }

    fn one_side(&mut self, node: Node<'_, 'a>, value: &Value<'a>) {
        match value {
            Value::Object(_) => self.members(node, Place::Plain),
            Value::Array(items) => {
                for index in 0..items.len() {
                    let side = |value: Option<&Value<'a>>| value.map(|_| index);
                    self.item(node, [side(node.before), side(node.after)], None, Place::Plain);
                }
            }
            // Marks that fit no plain value were taken for marks of everything before.
            _ => {}
        }
    }

    fn both(&mut self, node: Node<'_, 'a>, before: &Value<'a>, after: &Value<'a>, place: Place) {
        if place == Place::Principal && principal(before) == principal(after) {
            return;
        }
        match (before, after) {
            _ if place.takes_lone() => self.list(node, place),
            (Value::Object(_), Value::Object(_)) => self.members(node, place),
            (Value::Array(_), Value::Array(_)) => self.list(node, place),
            _ if before == after => {}
            (Value::String(before), Value::String(after)) => self.text(before, after),
            _ if node.is_marked() => self.tell(Difference::Sensitive(SensitiveChange::Changed)),
            _ => self.tell(Difference::Changed { before: before.clone(), after: after.clone() }),
        }
    }

    fn members<'v>(&mut self, node: Node<'v, 'a>, place: Place) {
        let keys = |value: Option<&'v Value<'a>>| {
            value.and_then(Value::as_object).into_iter().flat_map(|object| object.iter()).map(|(key, _)| key)
        };
        // A member that is not known yet stands in the marks alone.
        let mut all: Vec<&str> =
            keys(node.before).chain(keys(node.after)).chain(node.unknown.keys()).collect();
        all.sort_unstable();
        all.dedup();
        for key in all {
            self.member(key, node.member(key), place.member(key));
        }
    }

    /// Goes through the member `key`.
    pub(super) fn member(&mut self, key: &str, node: Node<'_, 'a>, place: Place) {
        let length = self.path.len();
        push_key(&mut self.path, key);
        self.steps.push(Some(key.to_owned()));
        self.node(node, place);
        self.steps.pop();
        self.path.truncate(length);
    }

    /// Goes through an item of a list: its positions before and after, and its name where it has one.
    pub(super) fn item(
        &mut self,
        list: Node<'_, 'a>,
        [before, after]: [Option<usize>; 2],
        label: Option<&str>,
        place: Place,
    ) {
        let node = list.item(before, after);
        let length = self.path.len();
        match (label, after.or(before)) {
            (Some(label), _) => self.path.push_str(label),
            (None, Some(index)) => push_index(&mut self.path, index),
            (None, None) => {}
        }
        self.steps.push(None);
        self.node(node, place);
        self.steps.pop();
        self.path.truncate(length);
    }

    /// Walks through values that live shorter than the plan, such as a document inside a text. Whether something was
    /// found.
    pub(super) fn inside<'x>(&mut self, arrow: &str, walk: impl FnOnce(&mut Walk<'r, 'x>)) -> bool {
        let mut inner = Walk {
            rules: self.rules,
            path: String::new(),
            steps: mem::take(&mut self.steps),
            found: Vec::new(),
            folded: 0,
            budget: self.budget,
            documents: self.documents + 1,
        };
        walk(&mut inner);
        self.steps = inner.steps;
        self.budget = inner.budget;
        self.folded += inner.folded;
        let prefix = format!("{}{arrow}", self.rules.path(&self.path));
        let found = !inner.found.is_empty();
        self.found.extend(inner.found.into_iter().map(|change| {
            let change = change.into_owned();
            let between = if change.path.is_empty() || change.path.starts_with(' ') { "" } else { " " };
            AttributeChange { path: format!("{prefix}{between}{}", change.path), ..change }
        }));
        found
    }
}

/// Whether two values mean the same, a member that is `null` counting as none.
pub(super) fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    a == b || canonical(a) == canonical(b)
}
