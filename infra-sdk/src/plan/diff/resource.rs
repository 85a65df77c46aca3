//! The differences of one resource or output of a plan.

use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::diff::members::Members;
use crate::plan::diff::path::push_key;
use crate::plan::diff::place::Place;
use crate::plan::diff::removed::removed;
use crate::plan::diff::rules::{Rules, Unknowns};
use crate::plan::diff::sets::sets;
use crate::plan::diff::walk::{Node, Walk};
use crate::plan::diff::{Relevant, ResourceDiff};
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Change, OutputChange, ResourceChange};

/// What changes inside a resource, attribute by attribute; see [`resource_with`].
///
/// # Errors
/// As [`Value::of`].
pub fn resource<'a>(resource: &ResourceChange<'a>) -> Result<ResourceDiff<'a>> {
    resource_with(resource, &Relevant::default())
}

/// What changes inside a resource, and which attributes that become unknown matter because others depend on them.
///
/// - A member that is `null` and one that is missing are the same; numbers are compared by value.
/// - Lists whose items are the same in another order are told as that. Lists of plain values that are sorted, as
///   Terraform writes sets, and those known to be sets are compared as sets, others as lists. Objects in lists are
///   paired by what names them, then by how much they have in common.
/// - Texts that are JSON or base64 are compared inside, texts of several lines line by line.
/// - Of what is sensitive, at any depth, only that it changes is told. A secret that stands unmarked elsewhere in the
///   same resource is treated as marked.
/// - Unknown attributes: of something new none is told; after a replacement those that force it and those others depend
///   on; in an update all but those that providers make anew each time, such as `arn`. The others are counted in
///   [`folded`](ResourceDiff::folded).
/// - Of something that is destroyed or forgotten, the plain attributes of its top level are told, and at most twenty.
///
/// # Errors
/// As [`Value::of`].
pub fn resource_with<'a>(resource: &ResourceChange<'a>, relevant: &Relevant) -> Result<ResourceDiff<'a>> {
    let change = &resource.change;
    let (before, after) = (Members::of(change.before)?, Members::of(change.after)?);
    let marks = Marks::of(change)?;
    let mut rules = Rules {
        relevant: relevant.names(resource),
        sets: sets(&resource.kind),
        unknowns: match (is_nothing(change.before), change.actions.replaces()) {
            (true, _) => Unknowns::Creation,
            (false, true) => Unknowns::Replacement,
            (false, false) => Unknowns::Update,
        },
        ..Rules::default()
    };
    rules.force(&resource.replace_paths()?);
    let (Some(before), Some(after)) = (before, after) else {
        // A resource that is no object: nothing of ours, but nothing to fail at either.
        return whole(change, &marks, rules, String::new());
    };
    marks.learn(&before, &after, &mut rules)?;
    if is_nothing(change.after) && !marks.unknown().is_any() {
        return removed(&before, marks.was(), &rules);
    }

    let mut walk = Walk::new(&rules, String::new());
    let mut keys: Vec<&str> = before.keys().chain(after.keys()).chain(marks.unknown().keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        // Most attributes stay as they are, which is seen without a tree.
        if is_same_text(old, new) && !marks.changes(key) {
            continue;
        }
        let (old, new) = (Value::of_part(old)?, Value::of_part(new)?);
        let node = Node::new(Some(&old), Some(&new), marks.all().map(|mark| mark.key(key)));
        let place = if rules.sets.contains(&key) { Place::Set } else { Place::Plain };
        walk.member(key, node, place);
    }
    Ok(walk.end())
}

/// What changes inside an output. Paths begin with its name.
///
/// # Errors
/// As [`Value::of`].
pub fn output<'a>(output: &OutputChange<'a>) -> Result<ResourceDiff<'a>> {
    let mut path = String::new();
    push_key(&mut path, &output.name);
    whole(&output.change, &Marks::of(&output.change)?, Rules::default(), path)
}

/// What differs between two values, with the marks for what is unknown after, sensitive before and sensitive after.
/// Everything unknown is told.
///
/// ```
/// use infra_sdk::plan::{Mark, Value, diff};
/// let before = Value::parse(r#"{"rules": [{"name": "web", "port": 80}, {"name": "ssh", "port": 22}]}"#)?;
/// let after = Value::parse(r#"{"rules": [{"name": "ssh", "port": 22}, {"name": "web", "port": 8080}]}"#)?;
/// let diff = diff::values(&before, &after, [Mark::NONE; 3]);
/// assert_eq!(diff.attributes.len(), 1);
/// assert_eq!(diff.attributes[0].path, r#"rules[name="web"].port"#);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
pub fn values<'a>(before: &Value<'a>, after: &Value<'a>, marks: [Mark<'_>; 3]) -> ResourceDiff<'a> {
    values_at(before, after, marks, Rules::default(), String::new())
}

fn values_at<'a>(
    before: &Value<'a>,
    after: &Value<'a>,
    marks: [Mark<'_>; 3],
    mut rules: Rules,
    path: String,
) -> ResourceDiff<'a> {
    rules.learn(before, marks[1]);
    rules.learn(after, marks[2]);
    let mut walk = Walk::new(&rules, path);
    walk.node(Node::new(Some(before), Some(after), marks), Place::Plain);
    walk.end()
}

fn whole<'a>(change: &Change<'a>, marks: &Marks<'a>, rules: Rules, path: String) -> Result<ResourceDiff<'a>> {
    if is_same_text(change.before, change.after) && !marks.all().iter().any(|mark| mark.is_any()) {
        return Ok(ResourceDiff::default());
    }
    let (before, after) = (Value::of_part(change.before)?, Value::of_part(change.after)?);
    Ok(values_at(&before, &after, marks.all(), rules, path))
}

fn is_nothing(raw: Option<&RawValue>) -> bool {
    raw.is_none_or(|raw| raw.get() == "null")
}

fn is_same_text(before: Option<&RawValue>, after: Option<&RawValue>) -> bool {
    before.map(RawValue::get) == after.map(RawValue::get)
}

/// The three trees of marks: unknown after, sensitive before, sensitive after.
struct Marks<'a>([Value<'a>; 3]);

impl<'a> Marks<'a> {
    fn of(change: &Change<'a>) -> Result<Self> {
        let tree = |raw: Option<&'a RawValue>| {
            // Most marks say nothing, which is seen without a tree.
            Value::of_part(raw.filter(|raw| raw.get().contains("true")))
        };
        Ok(Marks([
            tree(change.after_unknown)?,
            tree(change.before_sensitive)?,
            tree(change.after_sensitive)?,
        ]))
    }

    fn all(&self) -> [Mark<'_>; 3] {
        self.0.each_ref().map(Mark::of)
    }

    fn unknown(&self) -> Mark<'_> {
        self.all()[0]
    }

    fn was(&self) -> Mark<'_> {
        self.all()[1]
    }

    /// Whether the marks of a member tell something although its value stays.
    fn changes(&self, key: &str) -> bool {
        let [unknown, was, becomes] = &self.0;
        Mark::of(unknown).key(key).is_any()
            || was.get(key) != becomes.get(key)
            || !is_object_or_none(was, becomes)
    }

    /// Learns the secrets of all members with a mark.
    fn learn(&self, before: &Members<'a>, after: &Members<'a>, rules: &mut Rules) -> Result<()> {
        let [_, was, becomes] = self.all();
        for (members, mark) in [(before, was), (after, becomes)] {
            for key in members.keys().filter(|key| mark.is_any() && mark.key(key).is_any()) {
                rules.learn(&Value::of_part(members.get(key))?, mark.key(key));
            }
        }
        Ok(())
    }
}

/// Whether both are marks by key: a mark of everything has no members to compare.
fn is_object_or_none(was: &Value<'_>, becomes: &Value<'_>) -> bool {
    [was, becomes].iter().all(|value| value.is_null() || value.as_object().is_some())
}
