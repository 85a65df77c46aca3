//! The published schema describes exactly what is written.

use serde_json::{Value as Json, json};

use crate::plan::judge::{Finding, Findings, Level};
use crate::plan::render::page::Page;
use crate::plan::render::tests::fixtures;
use crate::plan::render::{Note, SCHEMA, Stack};
use crate::plan::{Plan, Summary, Veil};

/// What of `value` does not follow `schema`, in the words that the schema uses. A member that the schema does not describe
/// is wrong here, though a later version may have more.
fn problems(schema: &Json, root: &Json, value: &Json, path: &str, found: &mut Vec<String>) {
    for word in schema.as_object().unwrap().keys() {
        let known = [
            "$schema",
            "$id",
            "$defs",
            "$ref",
            "title",
            "description",
            "type",
            "required",
            "properties",
            "items",
            "enum",
            "const",
            "minimum",
        ];
        assert!(known.contains(&word.as_str()), "the schema uses `{word}`, which is not checked here");
    }
    if let Some(name) = schema["$ref"].as_str() {
        let target = &root["$defs"][name.strip_prefix("#/$defs/").unwrap()];
        assert!(target.is_object(), "{name} leads nowhere");
        problems(target, root, value, path, found);
    }
    let is = |kind: &Json| match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("{other} is not checked here"),
    };
    let fits = match &schema["type"] {
        Json::Null => true,
        Json::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    };
    if !fits {
        found.push(format!("{path} is not of type {}", schema["type"]));
    }
    if schema["const"] != Json::Null && schema["const"] != *value {
        found.push(format!("{path} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        found.push(format!("{path} is none of {}", schema["enum"]));
    }
    if schema["minimum"].as_i64().is_some_and(|least| value.as_i64().is_none_or(|number| number < least)) {
        found.push(format!("{path} is below {}", schema["minimum"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{path} has no {name}"));
        }
    }
    if let (Some(described), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for (key, member) in members {
            match described.get(key) {
                Some(schema) => problems(schema, root, member, &format!("{path}.{key}"), found),
                None => found.push(format!("{path}.{key} is not in the schema")),
            }
        }
    }
    if schema["items"].is_object() {
        for (at, item) in value.as_array().into_iter().flatten().enumerate() {
            problems(&schema["items"], root, item, &format!("{path}[{at}]"), found);
        }
    }
}

fn check(page: &Page<'_>) -> Json {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let document: Json = serde_json::from_str(&page.json().unwrap()).unwrap();
    let mut found = Vec::new();
    problems(&schema, &schema, &document, "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
    document
}

#[test]
fn what_is_written_for_real_plans_follows_the_schema_and_has_their_numbers() {
    for (name, file) in fixtures() {
        let plan = file.plan().unwrap();
        let document = check(&Page::of([Stack::new("net", &plan)], Veil::default()).unwrap());
        let summary = Summary::of(&plan).unwrap();
        assert_eq!(document["counts"], serde_json::to_value(summary.counts).unwrap(), "{name}");
        assert_eq!(document["stacks"][0]["counts"], document["counts"], "{name}");
        let mut changes: Vec<String> = document["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| {
                format!("{}{}{}{}", change["address"], change["deposed"], change["actions"], change["reason"])
            })
            .collect();
        let mut expected: Vec<String> = summary
            .changes
            .iter()
            .map(|row| {
                let row = serde_json::to_value(row).unwrap();
                format!("{}{}{}{}", row["address"], row["deposed"], row["actions"], row["reason"])
            })
            .collect();
        changes.sort();
        expected.sort();
        assert_eq!(changes, expected, "{name}");
    }
}

#[test]
fn every_part_of_the_document_follows_the_schema() {
    let text = json!({"format_version": "1.2", "errored": false, "complete": false, "applyable": true, "terraform_version": "1.11.4",
        "resource_changes": [{"address": "a.b", "type": "a", "name": "b", "deposed": "ab12", "change": {"actions": ["update"],
            "before": {"n": 12345678901234567890_u64, "t": "a\nb\nc\n", "s": "old-secret", "l": ["a", "b"], "j": "{\"a\":1}"},
            "after": {"n": 1, "t": "a\nB\nc\n", "s": "new-secret", "l": ["b", "a"], "j": "{ \"a\": 1 }"},
            "before_sensitive": {"s": true}, "after_sensitive": {"s": true}}}],
        "resource_drift": [{"address": "a.c", "type": "a", "name": "c", "change": {"actions": ["delete"], "before": {"x": 1}}}],
        "relevant_attributes": [{"resource": "a.c", "attribute": ["x"]}],
        "deferred_changes": [{"reason": "resource_config_unknown", "resource_change": {"address": "a.d", "type": "a", "name": "d", "change": {"actions": ["create"], "after": {"x": 1}}}}],
        "output_changes": {"o": {"actions": ["create"], "after": 5}},
        "checks": [{"address": {"to_display": "check.x"}, "status": "fail", "instances": [{"address": {"to_display": "check.x"}, "problems": [{"message": "no"}]}]}]})
    .to_string();
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let finding =
        Finding { address: None, rule: "r".into(), level: Level::Note, message: "m".into(), hint: None };
    let findings = Findings::new(vec![finding]);
    let notes = [Note { title: "t".into(), lines: vec!["l".into()] }];
    let stack = Stack { file: Some("net"), findings: &findings, notes: &notes, ..Stack::new("net", &plan) };
    let document = check(&Page::of([stack, stack], Veil::default()).unwrap());
    for part in ["stacks", "changes", "outputs", "drift", "deferred", "checks", "findings", "notes"] {
        assert_eq!(document[part].as_array().unwrap().len(), 2, "{part}");
    }
    let kinds: Vec<&str> = document["changes"][0]["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| attribute["kind"].as_str().unwrap())
        .collect();
    for kind in ["changed", "lines", "sensitive_changed", "reordered", "reformatted"] {
        assert!(kinds.contains(&kind), "{kind} is not among {kinds:?}");
    }
    assert_eq!(document["complete"], false);
}

#[test]
fn a_key_that_the_schema_does_not_describe_is_noticed() {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let mut document: Json =
        serde_json::from_str(&Page::of([], Veil::default()).unwrap().json().unwrap()).unwrap();
    document["new"] = json!(1);
    document["counts"]["add"] = json!(-1);
    document["version"] = json!("1");
    document.as_object_mut().unwrap().remove("notes");
    let mut found = Vec::new();
    problems(&schema, &schema, &document, "", &mut found);
    found.sort();
    assert_eq!(
        found,
        [" has no \"notes\"", ".counts.add is below 0", ".new is not in the schema", ".version is not 1"]
    );
}
