//! What policies see of a plan: one slim document for each changed resource, and one for the whole.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::{Counts, Mark, Mode, Plan, ResourceChange, Value, Veil};

/// Whose plan it is, as `input.repo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The organisation.
    pub org: String,
    /// The repo.
    pub name: String,
    /// What the repo is: `api`, `infrastructure`.
    pub kind: String,
    /// The environment.
    pub env: String,
}

/// One document that rules are asked about.
#[derive(Debug)]
pub(super) struct Input {
    /// The resource; `None` for the whole plan.
    pub(super) address: Option<String>,
    /// The document, on one line.
    pub(super) json: String,
}

/// What stands in the place of a sensitive value: a policy may ask whether there is one, and cannot repeat it.
const HIDDEN: &str = "\"(sensitive)\"";

/// The documents of a plan: its managed resources with something to tell, then the whole.
pub(super) fn inputs(plan: &Plan<'_>, about: &About, veil: &Veil) -> Result<Vec<Input>> {
    let mut counts = Counts::default();
    plan.resource_changes.iter().for_each(|resource| counts.count(resource));
    let mut whole = json!({
        "format_version": &*plan.format_version,
        "terraform_version": plan.terraform_version.as_deref(),
        "counts": counts,
    });
    let repo = json!(about).to_string();
    let brief = whole.to_string();
    let mut inputs = Vec::new();
    let mut changes = Vec::new();
    for resource in plan.news().filter(|resource| resource.mode == Mode::Managed) {
        let json = format!(r#"{{"resource":{},"plan":{brief},"repo":{repo}}}"#, document(resource, veil)?);
        inputs.push(Input { address: Some(resource.address.to_string()), json });
        changes.push(json!({
            "address": &*resource.address, "type": &*resource.kind, "actions": resource.change.actions,
        }));
    }
    whole["changes"] = changes.into();
    inputs.push(Input { address: None, json: format!(r#"{{"plan":{whole},"repo":{repo}}}"#) });
    Ok(inputs)
}

fn document(resource: &ResourceChange<'_>, veil: &Veil) -> Result<String> {
    let change = &resource.change;
    let head = json!({
        "address": &*resource.address,
        "module": resource.module_address.as_deref(),
        "mode": resource.mode,
        "type": &*resource.kind,
        "name": &*resource.name,
        "provider": resource.provider_name.as_deref(),
        "actions": change.actions,
        "reason": resource.action_reason(),
        "previous_address": resource.previous_address(),
        "deposed": resource.deposed(),
        "importing": resource.importing().is_some(),
    });
    let mut text = head.to_string();
    text.pop();
    text.push_str(",\"replace_paths\":[");
    for (index, path) in resource.replace_paths()?.iter().enumerate() {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        text.push_str(&format!("{}[{}]", if index == 0 { "" } else { "," }, path.join(",")));
    }
    text.push(']');
    for (key, value, marks) in [
        ("before", change.before, change.before_sensitive),
        ("after", change.after, change.after_sensitive),
        ("after_unknown", change.after_unknown, None),
    ] {
        text.push_str(&format!(",\"{key}\":"));
        values(&mut text, value, marks, veil)?;
    }
    text.push('}');
    Ok(text)
}

fn values(text: &mut String, value: Option<&RawValue>, marks: Option<&RawValue>, veil: &Veil) -> Result<()> {
    let (value, marks) = (Value::of_part(value)?, Value::of_part(marks)?);
    write(text, &value, Mark::of(&marks), veil);
    Ok(())
}

/// Writes a value without its secrets: numbers as the plan has them, for they may be larger than a float can tell.
fn write(text: &mut String, value: &Value<'_>, mark: Mark<'_>, veil: &Veil) {
    match value {
        Value::Null => text.push_str("null"),
        _ if mark.is_whole() => text.push_str(HIDDEN),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(text, item, mark.index(index), veil);
            }
            text.push(']');
        }
        Value::Object(object) => {
            text.push('{');
            for (index, (key, value)) in object.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                text.push_str(&format!("{}:", serde_json::Value::from(key)));
                write(text, value, mark.key(key), veil);
            }
            text.push('}');
        }
        // What is marked in one place may stand in another without a mark.
        Value::String(string) => text.push_str(&serde_json::Value::from(veil.apply(string)).to_string()),
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlanJson;

    fn of(json: &[u8]) -> Vec<Input> {
        let plan = Plan::parse(json).unwrap();
        inputs(&plan, &About::default(), &Veil::of(&plan).unwrap()).unwrap()
    }

    #[test]
    fn secrets_stay_outside_wherever_they_stand_and_numbers_stay_whole() {
        let inputs = of(br#"{"format_version": "1.2", "resource_changes": [{"address": "a[\"x\ny\"]", "type": "t", "name": "n",
            "change": {"actions": ["update"], "before": null, "after": {"password": "hunter2-hunter2", "pin": 1234,
            "copy": "user:hunter2-hunter2@db", "big": 12345678901234567890, "gone": null, "list": [1, {"a": "s"}]},
            "after_sensitive": {"password": true, "pin": true, "gone": true, "list": [false, {"a": true}]}}}]}"#);
        let value: serde_json::Value = serde_json::from_str(&inputs[0].json).unwrap();
        let after = &value["resource"]["after"];
        assert_eq!((&after["password"], &after["pin"]), (&json!("(sensitive)"), &json!("(sensitive)")));
        assert_eq!((&after["gone"], &after["list"]), (&json!(null), &json!([1, {"a": "(sensitive)"}])));
        assert!(inputs[0].json.contains("12345678901234567890"));
        let all = inputs.iter().map(|input| input.json.as_str()).collect::<String>();
        assert!(!all.contains("hunter2") && !all.contains("1234,") && !all.contains('\n'), "{all}");
    }

    #[test]
    fn there_is_one_document_for_each_changed_resource_and_one_for_the_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans/");
        for name in [
            "tf1114-g07_replace_move_import_forget.json",
            "pub-j2md-aws-sample.json",
            "tf1114-g01_create_wide.json",
        ] {
            let json = PlanJson::read(format!("{folder}{name}")).expect("the fixture is there");
            let plan = json.plan().unwrap();
            let inputs = inputs(&plan, &About::default(), &Veil::default()).unwrap();
            let changed = plan.news().filter(|resource| resource.mode == Mode::Managed).count();
            assert_eq!(inputs.len(), changed + 1, "{name}");
            let values: Vec<serde_json::Value> =
                inputs.iter().map(|input| serde_json::from_str(&input.json).unwrap()).collect();
            assert!(values[..changed].iter().all(|value| value["resource"]["mode"] == "managed"));
            assert_eq!(values[changed]["plan"]["changes"].as_array().unwrap().len(), changed);
            assert!(values[changed].get("resource").is_none());
        }
    }
}
