//! All steps back, in an order that can be gone.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::json::Value;
use crate::plan::model::{Actions, Mode, Plan, ResourceChange};
use crate::plan::rollback::loss;
use crate::plan::rollback::{Certainty, StateJson, Step, Undo};

/// What undoes a plan, or what was done since a copy of the state was kept. Holds names and the
/// ids of what is to be imported, and no other value.
///
/// ```
/// use infra_sdk::plan::{Plan, rollback::{Certainty, WayBack}};
/// let json = br#"{"format_version": "1.2", "resource_changes": [
///     {"address": "aws_s3_bucket.logs", "type": "aws_s3_bucket", "change": {"actions": ["delete"], "before": {}}}]}"#;
/// let back = WayBack::of(&Plan::parse(json)?)?;
/// assert_eq!(back.steps[0].certainty, Certainty::Not);
/// assert_eq!(back.to_string(), " ! aws_s3_bucket.logs: make it again (its objects are gone)");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WayBack {
    /// The steps: what brings back the least comes first.
    pub steps: Vec<Step>,
}

impl WayBack {
    /// The inverse of a plan.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn of(plan: &Plan<'_>) -> Result<Self> {
        let mut steps = Vec::new();
        for resource in plan.news().filter(|resource| resource.mode == Mode::Managed) {
            // The new one has its own entry; an old object that waits to be destroyed was to go anyway.
            if resource.deposed().is_none() {
                inverse(resource, &mut steps)?;
            }
        }
        Ok(WayBack::new(steps))
    }

    /// What leads from the state as it is to the copy; `None` stands for no state at all.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn between(copy: Option<&StateJson<'_>>, present: Option<&StateJson<'_>>) -> Result<Self> {
        let empty = std::collections::BTreeMap::new();
        let old = copy.map_or(&empty, |state| &state.instances);
        let now = present.map_or(&empty, |state| &state.instances);
        let mut steps = Vec::new();
        for (address, instance) in now {
            let Some(before) = old.get(address) else {
                steps.push(step(address, Undo::Destroy, (Certainty::Whole, None)));
                continue;
            };
            let changed = differing(before.attributes, instance.attributes, None)?;
            if changed.is_empty() {
                continue;
            }
            let id = |attributes: Option<&RawValue>| -> Result<Option<String>> {
                Ok(Value::of_part(attributes)?.get("id").and_then(Value::as_str).map(str::to_owned))
            };
            if id(before.attributes)? != id(instance.attributes)? {
                let (certainty, why) = loss::of_destroying(&instance.kind);
                steps.push(step(address, Undo::Replace, (certainty, Some(why))));
            } else {
                let kept = loss::of_changing(&instance.kind, &changed);
                steps.push(Step { attributes: changed, ..step(address, Undo::Update, kept) });
            }
        }
        for (address, instance) in old.iter().filter(|(address, _)| !now.contains_key(*address)) {
            let (certainty, why) = loss::of_destroying(&instance.kind);
            steps.push(step(address, Undo::Create, (certainty, Some(why))));
        }
        Ok(WayBack::new(steps))
    }

    fn new(mut steps: Vec<Step>) -> Self {
        steps.sort_by(|a, b| b.certainty.cmp(&a.certainty).then_with(|| a.address.cmp(&b.address)));
        WayBack { steps }
    }

    /// The steps after which something stays lost.
    pub fn losses(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.certainty == Certainty::Not)
    }

    /// Every text in it, for a [`Veil`](crate::plan::Veil) to cover.
    pub fn texts(&mut self) -> Vec<&mut String> {
        let mut texts = Vec::new();
        for step in &mut self.steps {
            texts.push(&mut step.address);
            texts.extend(step.attributes.iter_mut());
            match &mut step.undo {
                Undo::Import { id: Some(text) } | Undo::Move { to: text } => texts.push(text),
                _ => {}
            }
        }
        texts
    }

    /// Whether there is nothing to undo.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What `plan` does beyond going the way back, a resource each: it touches one where nothing has to be undone, or
    /// destroys or forgets one that was only changed. A plan that goes the way back has none.
    pub fn strays(&self, plan: &Plan<'_>) -> Vec<String> {
        let strays = plan.news().filter(|resource| resource.mode == Mode::Managed);
        strays.filter_map(|resource| self.stray(resource)).collect()
    }

    fn stray(&self, resource: &ResourceChange<'_>) -> Option<String> {
        let (address, actions) = (&*resource.address, &resource.change.actions);
        if actions.is_no_op() {
            return None;
        }
        let undone: Vec<&Undo> =
            self.steps.iter().filter(|step| step.address == address).map(|step| &step.undo).collect();
        if undone.is_empty() {
            return Some(address.to_owned());
        }
        let any = |wanted: fn(&Undo) -> bool| undone.iter().any(|undo| wanted(undo));
        let (what, is_meant) = match (actions.deletes(), actions.creates()) {
            (true, true) => ("replaced", any(|undo| matches!(undo, Undo::Replace))),
            (true, false) => ("destroyed", any(|undo| matches!(undo, Undo::Destroy))),
            _ if matches!(actions, Actions::Create | Actions::Update | Actions::Read) => return None,
            _ => ("forgotten", any(|undo| matches!(undo, Undo::Forget))),
        };
        (!is_meant).then(|| format!("{address} (is {what}, which undoes nothing)"))
    }
}

impl fmt::Display for WayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("there is nothing to undo");
        }
        for (index, step) in self.steps.iter().enumerate() {
            write!(f, "{}{step}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

fn step(address: &str, undo: Undo, (certainty, why): (Certainty, Option<String>)) -> Step {
    Step { address: address.to_owned(), undo, certainty, why, attributes: Vec::new() }
}

fn inverse(resource: &ResourceChange<'_>, steps: &mut Vec<Step>) -> Result<()> {
    let address = &*resource.address;
    let change = &resource.change;
    if let Some(from) = resource.previous_address() {
        steps.push(step(address, Undo::Move { to: from.to_owned() }, (Certainty::Whole, None)));
    }
    if resource.importing().is_some() {
        steps.push(step(address, Undo::Forget, (Certainty::Whole, None)));
    }
    match &change.actions {
        Actions::NoOp | Actions::Read => {}
        Actions::Create => steps.push(step(address, Undo::Destroy, (Certainty::Whole, None))),
        Actions::Update => {
            let attributes = differing(change.before, change.after, change.after_unknown)?;
            let kept = loss::of_changing(&resource.kind, &attributes);
            steps.push(Step { attributes, ..step(address, Undo::Update, kept) });
        }
        Actions::Forget => {
            let id = Value::of_part(change.before)?.get("id").and_then(Value::as_str).map(str::to_owned);
            steps.push(step(address, Undo::Import { id }, (Certainty::Whole, None)));
        }
        actions => {
            let (certainty, why) = loss::of_destroying(&resource.kind);
            let undo = if actions.creates() { Undo::Replace } else { Undo::Create };
            // The old one still stands somewhere: it can be imported again.
            let certainty = if actions.deletes() { certainty } else { Certainty::Partly };
            steps.push(step(address, undo, (certainty, Some(why))));
        }
    }
    Ok(())
}

/// The names of the attributes that differ; one that becomes known only later does.
fn differing(
    before: Option<&RawValue>,
    after: Option<&RawValue>,
    unknown: Option<&RawValue>,
) -> Result<Vec<String>> {
    if unknown.is_none() && before.map(RawValue::get) == after.map(RawValue::get) {
        return Ok(Vec::new());
    }
    let (before, after, unknown) =
        (Value::of_part(before)?, Value::of_part(after)?, Value::of_part(unknown)?);
    let names = [&before, &after, &unknown].into_iter().filter_map(Value::as_object);
    let names: BTreeSet<&str> = names.flat_map(|object| object.iter().map(|(name, _)| name)).collect();
    let differs = |name: &&str| {
        crate::plan::json::Mark::of(&unknown).key(name).is_any()
            || present(&before, name) != present(&after, name)
    };
    Ok(names.into_iter().filter(differs).map(str::to_owned).collect())
}

/// The attribute; one that is `null` is not there.
fn present<'v>(value: &'v Value<'v>, name: &str) -> Option<&'v Value<'v>> {
    value.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(changes: &str) -> String {
        let json = format!(r#"{{"format_version":"1.2","resource_changes":[{changes}]}}"#);
        WayBack::of(&Plan::parse(json.as_bytes()).unwrap()).unwrap().to_string()
    }

    #[test]
    fn each_change_has_its_inverse_and_losses_come_first() {
        let text = back(
            r#"{"address":"a.made","type":"a","change":{"actions":["create"],"after":{}}},
            {"address":"a.changed","type":"a","change":{"actions":["update"],"before":{"id":"i","n":1,"m":null},"after":{"id":"i","n":2},"after_unknown":{"etag":true}}},
            {"address":"aws_db_instance.db","type":"aws_db_instance","change":{"actions":["update"],"before":{"allocated_storage":10},"after":{"allocated_storage":20}}},
            {"address":"a.gone","type":"a","change":{"actions":["delete"],"before":{}}},
            {"address":"aws_dynamodb_table.t","type":"aws_dynamodb_table","change":{"actions":["delete","create"],"before":{},"after":{}}},
            {"address":"a.left","type":"a","change":{"actions":["forget"],"before":{"id":"x-1"}}},
            {"address":"a.new","type":"a","previous_address":"a.old","change":{"actions":["no-op"]}},
            {"address":"a.taken","type":"a","change":{"actions":["no-op"],"importing":{"id":"x"}}},
            {"address":"data.d.d","mode":"data","type":"d","change":{"actions":["read"]}},
            {"address":"a.made","deposed":"abc","type":"a","change":{"actions":["delete"],"before":{}}}"#,
        );
        assert_eq!(
            text,
            " ! aws_db_instance.db: change back allocated_storage (allocated_storage: storage cannot be made smaller)
 ! aws_dynamodb_table.t: replace it by one like the old one (its items are gone unless a backup was made)
 ~ a.gone: make it again (it gets a new id)
   a.changed: change back etag, n
   a.left: import it again, id x-1
   a.made: destroy it
   a.new: move it back to a.old
   a.taken: let it go from the state"
        );
    }

    #[test]
    fn between_two_states_is_what_has_happened() {
        let state = |resources: &str| {
            format!(r#"{{"version":4,"serial":1,"lineage":"l","resources":[{resources}]}}"#)
        };
        let one = |name: &str, attributes: &str| {
            format!(
                r#"{{"mode":"managed","type":"a","name":"{name}","instances":[{{"attributes":{attributes}}}]}}"#
            )
        };
        let (same, old) = (one("same", r#"{"id":"1"}"#), one("gone", r#"{"id":"2"}"#));
        let copy =
            state(&format!("{same},{old},{},{}", one("n", r#"{"id":"3","n":1}"#), one("r", r#"{"id":"4"}"#)));
        let now = state(&format!(
            "{same},{},{},{}",
            one("made", "{}"),
            one("n", r#"{"n":2,"id":"3"}"#),
            one("r", r#"{"id":"5"}"#)
        ));
        let (copy, now) =
            (StateJson::parse(copy.as_bytes()).unwrap(), StateJson::parse(now.as_bytes()).unwrap());
        let back = WayBack::between(Some(&copy), Some(&now)).unwrap();
        assert_eq!(
            back.to_string(),
            " ~ a.gone: make it again (it gets a new id)
 ~ a.r: replace it by one like the old one (it gets a new id)
   a.made: destroy it
   a.n: change back n"
        );
        assert!(WayBack::between(Some(&copy), Some(&copy)).unwrap().is_empty());
        assert_eq!(WayBack::between(None, Some(&now)).unwrap().steps.len(), 4);
        let plan = br#"{"format_version":"1.2","resource_changes":[
            {"address":"a.n","change":{"actions":["update"]}},{"address":"a.same","change":{"actions":["delete"]}}]}"#;
        assert_eq!(back.strays(&Plan::parse(plan).unwrap()), ["a.same"]);
        let undoes_nothing = br#"{"format_version":"1.2","resource_changes":[
            {"address":"a.n","change":{"actions":["delete"]}},{"address":"a.n","change":{"actions":["delete","create"]}},
            {"address":"a.made","change":{"actions":["forget"]}},{"address":"a.made","change":{"actions":["delete"]}},
            {"address":"a.r","change":{"actions":["create","delete"]}},{"address":"a.r","change":{"actions":["update"]}},
            {"address":"a.gone","change":{"actions":["create"]}}]}"#;
        let strays = back.strays(&Plan::parse(undoes_nothing).unwrap());
        assert_eq!(
            strays,
            [
                "a.n (is destroyed, which undoes nothing)",
                "a.n (is replaced, which undoes nothing)",
                "a.made (is forgotten, which undoes nothing)"
            ]
        );
    }
}
