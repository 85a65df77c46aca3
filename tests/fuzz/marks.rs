//! The secrets of a plan, found by a walk that shares no code with the engine.

use serde_json::Value;

/// Every text and number that the plan marks: in resources, outputs and sensitive variables. Short ones are left out, as
/// the engine does: a secret `8` would be in everything.
pub(crate) fn secrets(plan: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let list = |key: &str| plan[key].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let changes = list("resource_changes").chain(list("resource_drift")).map(|entry| &entry["change"]);
    let deferred = list("deferred_changes").map(|entry| &entry["resource_change"]["change"]);
    let outputs = plan["output_changes"].as_object().into_iter().flat_map(|outputs| outputs.values());
    for change in changes.chain(deferred).chain(outputs) {
        walk(&change["before"], &change["before_sensitive"], false, &mut found);
        walk(&change["after"], &change["after_sensitive"], false, &mut found);
    }
    let variables = plan["configuration"]["root_module"]["variables"].as_object();
    for (name, variable) in variables.into_iter().flatten() {
        if variable["sensitive"] == true {
            walk(&plan["variables"][name]["value"], &Value::Bool(true), false, &mut found);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn walk(value: &Value, mark: &Value, whole: bool, found: &mut Vec<String>) {
    let whole = whole || *mark == true;
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| walk(item, &mark[at], whole, found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| walk(value, &mark[key.as_str()], whole, found));
        }
        // Only secrets that can be nothing else: a plan may well mark `eu-west-1`, which is in every other address.
        Value::String(text) if whole && text.starts_with(plans::CANARY) && text.len() == 23 => {
            found.push(text.clone());
        }
        _ => {}
    }
}
