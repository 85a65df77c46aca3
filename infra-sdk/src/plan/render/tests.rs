//! Pages of real and made-up plans: nothing secret in them, nothing that breaks out, and the numbers are true.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value as Json, json};

use crate::plan::judge::{Finding, Findings, Level};
use crate::plan::render::page::Page;
use crate::plan::render::{Note, Stack, Style};
use crate::plan::{Plan, PlanJson, Veil};
use crate::secret::SecretValue;

/// All plans that are there to test with, with their names.
pub(super) fn fixtures() -> Vec<(String, PlanJson)> {
    const PLANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans");
    let entries = std::fs::read_dir(PLANS).unwrap_or_else(|error| panic!("{PLANS}: {error}"));
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    found.sort();
    assert!(found.len() >= 13, "only {} plans are there", found.len());
    let read = |path: &std::path::PathBuf| (path.display().to_string(), PlanJson::read(path).unwrap());
    found.iter().map(read).collect()
}

/// What every renderer makes of a page.
fn all(page: &Page<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("terminal", page.terminal(Style::Plain).unwrap()),
        ("colours", page.terminal(Style::Ansi).unwrap()),
        ("markdown", page.markdown("key", 65_000).unwrap()),
        ("short", page.markdown("key", 2_000).unwrap()),
        ("summary", page.step_summary().unwrap()),
        ("json", page.json().unwrap()),
        ("sarif", page.sarif().unwrap()),
    ]
}

/// The sensitive scalars of a plan, found without any code that is tested here.
fn secrets(plan: &Json) -> BTreeSet<String> {
    fn walk(value: &Json, mark: &Json, whole: bool, found: &mut BTreeSet<String>) {
        let whole = whole || mark == &Json::Bool(true);
        match value {
            Json::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| walk(item, &mark[at], whole, found));
            }
            Json::Object(members) => {
                members.iter().for_each(|(key, value)| walk(value, &mark[key.as_str()], whole, found));
            }
            Json::String(text) if whole => drop(found.insert(text.clone())),
            Json::Number(number) if whole => drop(found.insert(number.to_string())),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    let list = |key: &str| plan[key].as_array().cloned().unwrap_or_default();
    let changes = list("resource_changes")
        .into_iter()
        .chain(list("resource_drift"))
        .map(|entry| entry["change"].clone());
    let outputs =
        plan["output_changes"].as_object().into_iter().flat_map(|outputs| outputs.values().cloned());
    for change in changes.chain(outputs) {
        walk(&change["before"], &change["before_sensitive"], false, &mut found);
        walk(&change["after"], &change["after_sensitive"], false, &mut found);
    }
    let variables = plan["configuration"]["root_module"]["variables"].as_object();
    for (name, variable) in
        variables.into_iter().flatten().filter(|(_, variable)| variable["sensitive"] == true)
    {
        walk(&plan["variables"][name]["value"], &Json::Null, true, &mut found);
        walk(&variable["default"], &Json::Null, true, &mut found);
    }
    found.retain(|secret| secret.chars().count() >= 4);
    found
}

/// Ways to write a secret that must not be found.
fn forms(secret: &str) -> Vec<String> {
    let escaped = Json::from(secret).to_string();
    let percent: String = secret
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let inside = STANDARD_NO_PAD.encode(format!("x:{secret}"));
    vec![
        secret.to_owned(),
        escaped[1..escaped.len() - 1].to_owned(),
        percent,
        STANDARD.encode(secret),
        // Without the characters that its neighbours share.
        inside[4..inside.len() - 2].to_owned(),
    ]
}

fn assert_hides(page: &Page<'_>, secrets: &BTreeSet<String>, name: &str) {
    for (renderer, text) in all(page) {
        for secret in secrets {
            for form in forms(secret).iter().filter(|form| form.len() >= 4) {
                assert!(!text.contains(form.as_str()), "{renderer} of {name} shows {form:?}");
            }
        }
    }
}

#[test]
fn no_renderer_shows_a_sensitive_value_of_any_real_plan() {
    let mut hidden = 0;
    for (name, file) in fixtures() {
        let secrets = secrets(&serde_json::from_slice(file.as_bytes()).unwrap());
        let plan = file.plan().unwrap();
        let page = Page::of([Stack::new("net", &plan)], Veil::default()).unwrap();
        assert_hides(&page, &secrets, &name);
        hidden += secrets.len();
    }
    assert!(hidden > 10, "only {hidden} sensitive values in all plans");
}

#[test]
fn a_secret_is_hidden_wherever_it_stands_and_however_it_is_written() {
    for secret in [
        "hunter2-hunter2",
        "p@ss \"wörd\"/+&<x>",
        "90210777",
        "line one\nline two\n",
        "{\"user\":\"inner-secret\"}",
    ] {
        let encoded = STANDARD.encode(format!("u:{secret}"));
        let open = json!({"plain": secret, "inside": format!("<{secret}>"), "b64": encoded, "url": forms(secret)[2],
            "json": json!({"k": secret}).to_string(), "map": {secret: secret}, "number": 90_210_777, "cut": format!("{}\u{1b}[0m{}", &secret[..4], &secret[4..])});
        let address = format!("x.y[\"{secret}\"]");
        let plan = json!({"format_version": "1.2",
            "resource_changes": [
                {"address": address, "type": secret, "name": "y", "index": secret, "previous_address": format!("x.old[\"{secret}\"]"), "action_reason": secret, "deposed": secret,
                 "change": {"actions": ["delete", "create"], "replace_paths": [[secret]], "importing": {"id": secret},
                    "before": {"s": "other"}, "after": open, "after_unknown": {secret: true}}},
                {"address": "x.z", "type": "x", "name": "z", "change": {"actions": ["update"],
                    "before": {"s": secret, "text": format!("a\nb\n{secret}\nc\n")}, "after": {"s": "new-secret", "text": format!("a\nb\n{secret}\nd\n")},
                    "before_sensitive": {"s": true}, "after_sensitive": {"s": true}}},
                {"address": "x.odd", "type": "x", "name": "odd", "change": {"actions": [secret]}}],
            "resource_drift": [{"address": address, "type": "x", "name": "y", "change": {"actions": ["update"], "before": {}, "after": open}}],
            "relevant_attributes": [{"resource": address, "attribute": ["plain"]}],
            "deferred_changes": [{"reason": secret, "resource_change": {"address": address, "type": "x", "name": "y", "change": {"actions": ["create"], "after": open}}}],
            "output_changes": {secret: {"actions": ["create"], "before": null, "after": open}},
            "checks": [{"address": {"to_display": secret}, "status": "fail", "instances": [{"address": {"to_display": secret}, "problems": [{"message": format!("is {secret}")}]}]}],
            "terraform_version": secret});
        let text = plan.to_string();
        let plan = Plan::parse(text.as_bytes()).unwrap();
        let finding = |address: Option<&str>| Finding {
            address: address.map(str::to_owned),
            rule: secret.to_owned(),
            level: Level::Error,
            message: format!("found {secret}"),
            hint: Some(format!("remove {secret}")),
        };
        let findings = Findings::new(vec![finding(None), finding(Some(&address)), finding(Some(secret))]);
        let notes = [Note { title: secret.to_owned(), lines: vec![format!("costs {secret}")] }];
        let stack =
            Stack { name: secret, file: Some(secret), plan: &plan, findings: &findings, notes: &notes };
        let mut secrets = secrets(&serde_json::from_str(&text).unwrap());
        secrets.extend(["inner-secret".to_owned(), "line one".to_owned()]);
        assert_hides(
            &Page::of([stack, Stack::new("two", &plan)], Veil::default()).unwrap(),
            &secrets,
            secret,
        );
    }
}

#[test]
fn what_the_caller_knows_and_what_another_stack_marks_is_hidden_too() {
    let open = r#"{"format_version":"1.2","output_changes":{"o":{"actions":["create"],"after":"from-two and of-the-run"}}}"#;
    let marked = r#"{"format_version":"1.2","output_changes":{"o":{"actions":["create"],"after":"from-two","after_sensitive":true}}}"#;
    let (one, two) = (Plan::parse(open.as_bytes()).unwrap(), Plan::parse(marked.as_bytes()).unwrap());
    let mut veil = Veil::default();
    veil.add(&SecretValue::new("of-the-run"));
    let page = Page::of([Stack::new("one", &one), Stack::new("two", &two)], veil).unwrap();
    assert_hides(&page, &["from-two".to_owned(), "of-the-run".to_owned()].into(), "two stacks");
}

#[test]
fn a_finding_lifts_its_resource_and_stands_beside_it() {
    let text = r#"{"format_version":"1.2","resource_changes":[
        {"address":"a.gone","type":"a","name":"gone","change":{"actions":["delete"]}},
        {"address":"a.new","type":"a","name":"new","change":{"actions":["create"]}}]}"#;
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let finding = Finding {
        address: Some("a.new".into()),
        rule: "owner".into(),
        level: Level::Error,
        message: "nobody owns it".into(),
        hint: None,
    };
    let findings = Findings::new(vec![finding]);
    let page = Page::of([Stack { findings: &findings, ..Stack::new("s", &plan) }], Veil::default()).unwrap();
    let terminal = page.terminal(Style::Plain).unwrap();
    assert_eq!(
        terminal,
        "s: 1 to add, 0 to change, 1 to destroy\n    + a.new  is created\n      error nobody owns it  [owner]\n    - a.gone  is destroyed\ns: 1 to add, 0 to change, 1 to destroy\n"
    );
    let markdown = page.markdown("s", 65_000).unwrap();
    assert!(
        markdown.contains(
            "- `+` `a.new` is created\n  - **error**: nobody owns it (`owner`)\n- `-` `a.gone` is destroyed\n"
        ),
        "{markdown}"
    );
}

#[test]
fn colours_add_nothing_but_colour() {
    for (name, file) in fixtures() {
        let plan = file.plan().unwrap();
        let page = Page::of([Stack::new("net", &plan)], Veil::default()).unwrap();
        let (plain, coloured) = (page.terminal(Style::Plain).unwrap(), page.terminal(Style::Ansi).unwrap());
        let mut stripped = String::new();
        for (index, part) in coloured.split("\u{1b}[").enumerate() {
            stripped.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_eq!(plain, stripped, "{name}");
        assert!(!plain.contains('\u{1b}'));
    }
}

#[test]
fn keys_and_limits_that_cannot_be_are_refused() {
    let page = Page::of([], Veil::default()).unwrap();
    for key in ["", "a b", "a--b", "-->", "ä", &"a".repeat(65)] {
        assert!(page.markdown(key, 65_000).is_err(), "{key}");
    }
    assert!(page.markdown("a", 499).is_err());
    assert!(page.markdown("a", 500).unwrap().contains("No changes."));
}

#[test]
fn fingerprints_stay_the_same_while_messages_change() {
    let plan = Plan::parse(br#"{"format_version":"1.2"}"#).unwrap();
    let of = |message: &str, rule: &str| {
        let finding = |text: &str| Finding {
            address: Some("a.b".into()),
            rule: rule.into(),
            level: Level::Note,
            message: text.into(),
            hint: None,
        };
        let findings = Findings::new(vec![finding(message), finding("second")]);
        let page = Page::of(
            [Stack { findings: &findings, file: Some("net"), ..Stack::new("s", &plan) }],
            Veil::default(),
        )
        .unwrap();
        let sarif: Json = serde_json::from_str(&page.sarif().unwrap()).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap().clone();
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "net");
        results
            .iter()
            .map(|result| result["partialFingerprints"]["infraSdkFinding/v1"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("costs 12", "cost"), of("costs 13", "cost"));
    assert_ne!(of("costs 12", "cost")[0], of("costs 12", "cost")[1]);
    assert_ne!(of("costs 12", "cost")[0], of("costs 12", "price")[0]);
}

#[test]
fn a_secret_in_a_json_text_is_found_however_it_is_escaped_there() {
    for secret in ["xqz<ss>zqx&1", "xqz\"ss\"zqx", "xqz\\ss\\zqx", "xqz-one\nzqx-two"] {
        let inner = json!({ "p": secret }).to_string();
        let escaped = inner.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        for config in [inner, escaped] {
            let plan = json!({"format_version": "1.2", "resource_changes": [
                {"address": "r.a", "type": "r", "name": "a", "change": {"actions": ["create"],
                    "after": {"password": secret}, "after_sensitive": {"password": true}}},
                {"address": "r.b", "type": "r", "name": "b", "change": {"actions": ["create"],
                    "after": {"config": config, "deep": [{"in": config}]}}}]})
            .to_string();
            let plan = Plan::parse(plan.as_bytes()).unwrap();
            let page = Page::of([Stack::new("shop", &plan)], Veil::default()).unwrap();
            for (name, text) in all(&page) {
                for piece in ["xqz", "zqx", "003c"] {
                    assert!(!text.contains(piece), "{piece:?} of {secret:?} in {name}:\n{text}");
                }
            }
            let text = page.terminal(Style::Plain).unwrap();
            assert!(text.contains(r#" "{\"p\":\"***\"}""#), "{text}");
        }
    }
}

#[test]
fn a_secret_that_is_a_document_is_hidden_where_it_stands_as_a_value() {
    let plan = json!({"format_version": "1.2", "resource_changes": [
        {"address": "r.a", "type": "r", "name": "a", "change": {"actions": ["create"],
            "after": {"password": r#"{"pin":"407"}"#}, "after_sensitive": {"password": true}}},
        {"address": "r.b", "type": "r", "name": "b", "change": {"actions": ["create"], "after": {"config": {"pin": "407"}}}}]})
    .to_string();
    let plan = Plan::parse(plan.as_bytes()).unwrap();
    let page = Page::of([Stack::new("shop", &plan)], Veil::default()).unwrap();
    assert!(!page.terminal(Style::Plain).unwrap().contains("407"));
}

#[test]
fn a_secret_in_base64_is_hidden_where_it_is_decoded_for_display() {
    let secret = "aHVudGVyMi1pcy1teS1wdw==";
    let plan = json!({"format_version": "1.2", "resource_changes": [
        {"address": "r.a", "type": "r", "name": "a", "change": {"actions": ["create"],
            "after": {"user_data": secret}, "after_sensitive": {"user_data": true}}},
        {"address": "r.b", "type": "r", "name": "b", "change": {"actions": ["update"],
            "before": {"user_data": "b2xkLXZhbHVlLW9mLXRoaXM="}, "after": {"user_data": secret}}}]})
    .to_string();
    let plan = Plan::parse(plan.as_bytes()).unwrap();
    let page = Page::of([Stack::new("shop", &plan)], Veil::default()).unwrap();
    for (name, text) in all(&page) {
        assert!(!text.contains("hunter2") && !text.contains(secret), "{name}:\n{text}");
    }
    let text = page.terminal(Style::Plain).unwrap();
    assert!(text.contains("user_data → base64") && text.contains(r#""old-value-of-this" → "***""#), "{text}");
}

#[test]
fn a_key_below_a_sensitive_mark_is_not_told_as_what_forces_a_replacement() {
    let plan =
        json!({"format_version": "1.2", "resource_changes": [{"address": "r.a", "type": "r", "name": "a",
        "action_reason": "replace_because_cannot_update", "change": {"actions": ["delete", "create"],
            "before": {"secrets": {"hunter2-key": "a"}}, "after": {"secrets": {"hunter2-key": "b"}},
            "replace_paths": [["secrets", "hunter2-key"]], "after_sensitive": {"secrets": true}}}]})
        .to_string();
    let plan = Plan::parse(plan.as_bytes()).unwrap();
    let page = Page::of([Stack::new("shop", &plan)], Veil::default()).unwrap();
    for (name, text) in all(&page) {
        assert!(!text.contains("hunter2"), "{name}:\n{text}");
    }
    let text = page.terminal(Style::Plain).unwrap();
    assert!(text.contains("must be replaced: `secrets` cannot be changed in place"), "{text}");
    let summary = crate::plan::Summary::of(&plan).unwrap();
    assert_eq!(summary.changes[0].replace_paths, ["secrets"]);
}
