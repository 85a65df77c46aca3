//! What policies see of a plan: one slim document for each changed resource, and one for the whole.

use std::collections::BTreeMap;

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
    let mut drafts = Drafts::default();
    let managed = || plan.news().filter(|resource| resource.mode == Mode::Managed);
    for resource in managed() {
        drafts.plain("{\"resource\":");
        drafts.resource(resource)?;
        drafts.plain(&format!(",\"plan\":{brief},\"repo\":{repo}}}"));
        drafts.parts.push(Part::End(Some(resource.address.to_string())));
    }
    // The changes are added inside the object.
    whole["changes"] = json!([]);
    let whole = whole.to_string();
    let (before, after) = whole.split_once("\"changes\":[").unwrap_or_default();
    drafts.plain(&format!("{{\"plan\":{before}\"changes\":["));
    for (index, resource) in managed().enumerate() {
        drafts.plain(if index == 0 { "{\"address\":" } else { ",{\"address\":" });
        drafts.text(Some(&resource.address));
        let (kind, actions) = (json!(&*resource.kind), json!(resource.change.actions));
        drafts.plain(&format!(",\"type\":{kind},\"actions\":{actions}}}"));
    }
    drafts.plain(&format!("{after},\"repo\":{repo}}}"));
    drafts.parts.push(Part::End(None));
    Ok(drafts.finish(veil))
}

/// Documents that are not yet without secrets: a plan may have 100,000 texts and as many secrets, so all texts are
/// looked at together, and what may hold one waits apart.
#[derive(Default)]
struct Drafts {
    parts: Vec<Part>,
    /// Each key of an object once, with its number: resources of one type have the same.
    keys: BTreeMap<String, usize>,
}

enum Part {
    /// JSON without a value of the plan.
    Plain(String),
    Text(String),
    Number(String),
    /// The number of the key, and its place in the object.
    Key(usize, usize),
    /// Here a document ends; with its address.
    End(Option<String>),
}

impl Drafts {
    fn plain(&mut self, json: &str) {
        match self.parts.last_mut() {
            Some(Part::Plain(text)) => text.push_str(json),
            _ => self.parts.push(Part::Plain(json.to_owned())),
        }
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.parts.push(Part::Text(text.to_owned())),
            None => self.plain("null"),
        }
    }

    fn resource(&mut self, resource: &ResourceChange<'_>) -> Result<()> {
        let change = &resource.change;
        let head = json!({
            "mode": resource.mode,
            "type": &*resource.kind,
            "provider": resource.provider_name.as_deref(),
            "actions": change.actions,
            "reason": resource.action_reason(),
            "deposed": resource.deposed(),
            "importing": resource.importing().is_some(),
        });
        let head = head.to_string();
        self.plain(head.strip_suffix('}').unwrap_or(&head));
        // Keys of instances come from values.
        for (key, text) in [
            ("address", Some(&*resource.address)),
            ("module", resource.module_address.as_deref()),
            ("name", Some(&*resource.name)),
            ("previous_address", resource.previous_address()),
        ] {
            self.plain(&format!(",\"{key}\":"));
            self.text(text);
        }
        self.plain(",\"replace_paths\":[");
        for (index, path) in resource.replace_paths()?.into_iter().enumerate() {
            self.plain(if index == 0 { "" } else { "," });
            self.value(&Value::Array(path), Mark::NONE);
        }
        self.plain("]");
        for (key, value, marks) in [
            ("before", change.before, change.before_sensitive),
            ("after", change.after, change.after_sensitive),
            ("after_unknown", change.after_unknown, None),
        ] {
            self.plain(&format!(",\"{key}\":"));
            self.marked(value, marks)?;
        }
        self.plain("}");
        Ok(())
    }

    fn marked(&mut self, value: Option<&RawValue>, marks: Option<&RawValue>) -> Result<()> {
        let (value, marks) = (Value::of_part(value)?, Value::of_part(marks)?);
        self.value(&value, Mark::of(&marks));
        Ok(())
    }

    /// A value without what is marked: numbers as the plan has them, for they may be larger than a float can tell.
    fn value(&mut self, value: &Value<'_>, mark: Mark<'_>) {
        match value {
            Value::Null => self.plain("null"),
            _ if mark.is_whole() => self.plain(HIDDEN),
            Value::Array(items) => {
                self.plain("[");
                for (index, item) in items.iter().enumerate() {
                    self.plain(if index == 0 { "" } else { "," });
                    self.value(item, mark.index(index));
                }
                self.plain("]");
            }
            Value::Object(object) => {
                self.plain("{");
                for (index, (key, value)) in object.iter().enumerate() {
                    self.plain(if index == 0 { "" } else { "," });
                    self.key(key, index);
                    self.plain(":");
                    self.value(value, mark.key(key));
                }
                self.plain("}");
            }
            // What is marked in one place may stand in another without a mark.
            Value::String(string) => self.text(Some(string)),
            Value::Number(number) => self.parts.push(Part::Number(number.as_str().to_owned())),
            Value::Bool(_) => self.plain(&value.to_string()),
        }
    }

    fn key(&mut self, key: &str, place: usize) {
        let next = self.keys.len();
        let number = match self.keys.get(key) {
            Some(number) => *number,
            None => *self.keys.entry(key.to_owned()).or_insert(next),
        };
        self.parts.push(Part::Key(number, place));
    }

    /// Takes out the secrets, and writes the documents.
    fn finish(mut self, veil: &Veil) -> Vec<Input> {
        let mut keys = vec![(String::new(), false); self.keys.len()];
        for (key, number) in &self.keys {
            keys[*number].0.clone_from(key);
        }
        let values = self.parts.iter_mut().filter_map(|part| match part {
            Part::Text(text) | Part::Number(text) => Some(text),
            _ => None,
        });
        let mut texts: Vec<&mut String> = values.chain(keys.iter_mut().map(|(key, _)| key)).collect();
        veil.cover(&mut texts);
        for (key, number) in self.keys {
            keys[number].1 = keys[number].0 != key;
        }
        let (mut inputs, mut json) = (Vec::new(), String::new());
        for part in self.parts {
            match part {
                Part::Plain(text) => json.push_str(&text),
                Part::Text(text) => json.push_str(&quoted(text)),
                // A number is nothing else than its digits: with some of them hidden it is none.
                Part::Number(text) => json.push_str(if text.contains('*') { HIDDEN } else { &text }),
                // Two secrets as keys stay two members, or a rule would not be shown the first.
                Part::Key(number, place) => match &keys[number] {
                    (key, true) => json.push_str(&quoted(format!("{key}#{place}"))),
                    (key, false) => json.push_str(&quoted(key.as_str())),
                },
                Part::End(address) => inputs.push(Input { address, json: std::mem::take(&mut json) }),
            }
        }
        inputs
    }
}

fn quoted(text: impl Into<serde_json::Value>) -> String {
    text.into().to_string()
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
            "change": {"actions": ["update"], "before": null, "after": {"password": "hunter2-hunter2", "pin": 4321,
            "copy": "user:hunter2-hunter2@db", "big": 12345678901234567890, "gone": null, "list": [1, {"a": "s"}]},
            "after_sensitive": {"password": true, "pin": true, "gone": true, "list": [false, {"a": true}]}}}]}"#);
        let value: serde_json::Value = serde_json::from_str(&inputs[0].json).unwrap();
        let after = &value["resource"]["after"];
        assert_eq!((&after["password"], &after["pin"]), (&json!("(sensitive)"), &json!("(sensitive)")));
        assert_eq!((&after["gone"], &after["list"]), (&json!(null), &json!([1, {"a": "(sensitive)"}])));
        assert!(inputs[0].json.contains("12345678901234567890"));
        let all = inputs.iter().map(|input| input.json.as_str()).collect::<String>();
        assert!(!all.contains("hunter2") && !all.contains("4321") && !all.contains('\n'), "{all}");
    }

    #[test]
    fn secrets_without_a_mark_stay_outside_as_numbers_keys_addresses_and_paths() {
        let inputs = of(br#"{"format_version": "1.2", "resource_changes": [{"address": "module.m[\"hunter2-a\"].t.n[\"hunter2-b\"]",
            "module_address": "module.m[\"hunter2-a\"]", "previous_address": "t.hunter2-a", "type": "t", "name": "n",
            "change": {"actions": ["delete", "create"], "before": {"tags": {"hunter2-a": 1, "hunter2-b": 2, "c": 3}},
            "after": {"secrets": ["hunter2-a", "hunter2-b", 87654321], "port": 87654321, "other": 8765},
            "after_unknown": {"tags": {"hunter2-b": true}}, "after_sensitive": {"secrets": true},
            "replace_paths": [["tags", "hunter2-a"], ["list", 0, 87654321]]}}]}"#);
        let value: serde_json::Value = serde_json::from_str(&inputs[0].json).unwrap();
        let resource = &value["resource"];
        assert_eq!(resource["address"], "module.m[\"***\"].t.n[\"***\"]");
        assert_eq!(
            (&resource["after"]["port"], &resource["after"]["other"]),
            (&json!("(sensitive)"), &json!(8765))
        );
        assert_eq!(resource["replace_paths"], json!([["tags", "***"], ["list", 0, "(sensitive)"]]));
        let tags = resource["before"]["tags"].as_object().unwrap();
        assert!(tags.len() == 3 && tags["c"] == 3, "{tags:?}");
        for input in &inputs {
            assert!(!input.json.contains("hunter2") && !input.json.contains("87654321"), "{}", input.json);
        }
        let whole: serde_json::Value = serde_json::from_str(&inputs[1].json).unwrap();
        assert_eq!(whole["plan"]["changes"][0]["type"], "t");
    }

    #[test]
    fn many_secrets_beside_many_texts_are_taken_out_in_time() {
        let mut json = String::from(r#"{"format_version": "1.2", "resource_changes": ["#);
        for index in 0..5_000 {
            json.push_str(if index == 0 { "" } else { "," });
            json.push_str(&format!(
                r#"{{"address": "t.n{index}", "type": "t", "name": "n{index}", "change": {{"actions": ["update"],
                    "before": null, "after": {{"a": "secret-{index}", "b": "x secret-{index} y"}}, "after_sensitive": {{"a": true}}}}}}"#
            ));
        }
        json.push_str("]}");
        let plan = Plan::parse(json.as_bytes()).unwrap();
        let veil = Veil::of(&plan).unwrap();
        let began = std::time::Instant::now();
        let inputs = inputs(&plan, &About::default(), &veil).unwrap();
        // One text after the other it takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(inputs.iter().all(|input| !input.json.contains("secret-")));
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
