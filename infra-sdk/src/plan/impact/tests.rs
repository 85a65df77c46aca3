//! The reach of handmade plans and of real ones.

use std::collections::BTreeMap;

use crate::config::Export;
use crate::names::{Label, ParamPath};
use crate::plan::impact::{Effect, Impact, Readers, of};
use crate::plan::{Plan, PlanJson};

const INDEX: &str = r#"
version = 1
date = "2026-11-20"
reader = [
    { path = "/infra/network", repo = "shop-api", reference = "network" },
    { path = "/infra/network/vpc-id", repo = "shop-web", reference = "vpc", env = "production" },
    { path = "/infra/network/subnets/a/id", repo = "shop-jobs", reference = "subnet" },
    { path = "/infra/network2", repo = "other", reference = "network" },
]
"#;

fn parameter(address: &str, actions: &str, before: &str, after: &str, more: &str) -> String {
    let address = serde_json::Value::from(address);
    format!(
        r#"{{"address":{address},"mode":"managed","type":"aws_ssm_parameter","name":"n","change":{{"actions":{actions},"before":{before},"after":{after}{more}}}}}"#
    )
}

fn impact_of(resources: &[String], outputs: &str, index: Option<&Readers>) -> Impact {
    let text = format!(
        r#"{{"format_version":"1.2","resource_changes":[{}],"output_changes":{outputs}}}"#,
        resources.join(",")
    );
    let stack: Label = "network".parse().unwrap();
    let export = |stack: &str| Export { stack: stack.parse().unwrap() };
    let exports: BTreeMap<ParamPath, Export> = [
        ("/infra/network".parse().unwrap(), export("network")),
        ("/infra/dns".parse().unwrap(), export("dns")),
    ]
    .into();
    of(&Plan::parse(text.as_bytes()).unwrap(), &exports, Some(&stack), index).unwrap()
}

fn impact(resources: &[String], outputs: &str) -> Impact {
    impact_of(resources, outputs, Some(&Readers::parse(INDEX, "readers.toml").unwrap()))
}

fn effects(impact: &Impact) -> Vec<(String, Effect)> {
    impact.paths.iter().map(|touched| (touched.path.clone(), touched.effect.clone())).collect()
}

fn output(before: &str, after: &str, more: &str) -> String {
    let actions = match (before, after) {
        ("null", _) => "create",
        (_, "null") if more.is_empty() => "delete",
        _ => "update",
    };
    format!(r#"{{"vpc_id":{{"actions":["{actions}"],"before":{before},"after":{after}{more}}}}}"#)
}

const A: &str = r#"{"name":"/infra/network/vpc-id","type":"String","value":"s3cret-old"}"#;
const B: &str = r#"{"name":"/infra/network/vpc-id","type":"String","value":"s3cret-new"}"#;

#[test]
fn each_thing_that_can_happen_to_a_parameter_is_told_apart_without_its_value() {
    let secure = A.replace("\"String\"", "\"SecureString\"");
    let tagged = A.replace('}', ",\"tags\":{\"a\":\"b\"}}");
    let unknown = r#","after_unknown":{"value":true}"#;
    for (actions, before, after, more, expected) in [
        (r#"["update"]"#, A, B, "", Some(Effect::Changed)),
        (r#"["update"]"#, A, &*secure, "", Some(Effect::Retyped)),
        (
            r#"["update"]"#,
            A,
            r#"{"name":"/infra/network/vpc-id","type":"String"}"#,
            unknown,
            Some(Effect::Unknown),
        ),
        (r#"["update"]"#, A, &*tagged, "", None),
        (r#"["delete","create"]"#, A, A, "", Some(Effect::Recreated)),
        (r#"["delete","create"]"#, A, B, "", Some(Effect::Changed)),
        (r#"["delete"]"#, A, "null", "", Some(Effect::Removed)),
        (r#"["create"]"#, "null", B, "", Some(Effect::Added)),
        (r#"["delete","create"]"#, A, "{}", r#","after_unknown":{"name":true}"#, Some(Effect::Unknown)),
        (r#"["forget"]"#, A, "null", "", None),
        (r#"["no-op"]"#, A, A, "", None),
    ] {
        let impact = impact(&[parameter("aws_ssm_parameter.vpc", actions, before, after, more)], "{}");
        let found = impact.paths.first().map(|touched| touched.effect.clone());
        assert_eq!(found, expected, "{actions} {after}");
        let shown = format!("{impact}{}", serde_json::to_string(&impact).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn a_changed_parameter_names_the_repos_that_read_it() {
    let impact = impact(&[parameter("aws_ssm_parameter.vpc", r#"["update"]"#, A, B, "")], "{}");
    assert_eq!(
        impact.note_lines(),
        [
            "changing this touches 2 repos: shop-api, shop-web",
            "  ~   /infra/network/vpc-id: changed (aws_ssm_parameter.vpc)",
            "      read by shop-api (network), shop-web (vpc in production)",
            &format!(
                "index of readers: 4 references of 4 repos, of 2026-11-20, {} days old",
                impact.index.unwrap().age_days
            ),
        ]
    );
}

#[test]
fn a_rename_breaks_those_who_read_the_old_name() {
    let renamed = A.replace("vpc-id", "id");
    let impact = impact(&[parameter("p", r#"["delete","create"]"#, A, &renamed, "")], "{}");
    let to = "/infra/network/id".to_owned();
    assert_eq!(
        effects(&impact),
        [("/infra/network/vpc-id".into(), Effect::Renamed { to: to.clone() }), (to, Effect::Added)]
    );
    assert_eq!(impact.repos.len(), 2);
}

#[test]
fn two_resources_that_hand_a_parameter_over_may_leave_none() {
    let impact = impact(
        &[parameter("old", r#"["delete"]"#, A, "null", ""), parameter("new", r#"["create"]"#, "null", A, "")],
        "{}",
    );
    assert_eq!(effects(&impact), [("/infra/network/vpc-id".into(), Effect::Recreated)]);
    assert_eq!(impact.paths[0].sources, ["old", "new"]);
}

#[test]
fn outputs_are_found_under_the_names_they_are_published_by() {
    for (before, after, more, expected) in [
        (r#""a""#, r#""b""#, "", Some(("", Effect::Changed))),
        (r#""1""#, "1", "", None),
        ("null", r#""a""#, "", Some(("", Effect::Added))),
        (r#""a""#, "null", "", Some(("", Effect::Removed))),
        (r#""a""#, "null", r#","after_unknown":true"#, Some(("", Effect::Unknown))),
        (r#"{"b":{"c":1},"d":2}"#, r#"{"b":{"c":2},"d":2}"#, "", Some(("/b/c", Effect::Changed))),
        (r#"{"b_x":1}"#, r#"{"b_x":1,"c":1}"#, "", Some(("/c", Effect::Added))),
        (r#"{"b":1}"#, r#"{}"#, r#","after_unknown":{"b":true}"#, Some(("/b", Effect::Unknown))),
        (r#"["a","b"]"#, r#"["a"]"#, "", Some(("", Effect::Changed))),
        (r#"["a","b"]"#, r#"["a",null]"#, r#","after_unknown":[false,true]"#, Some(("", Effect::Unknown))),
        (r#"[{"a":1},{"a":2}]"#, r#"[{"a":1},{"a":3}]"#, "", Some(("/1/a", Effect::Changed))),
        (r#"[{"a":1}]"#, r#"[]"#, "", Some(("", Effect::Changed))),
        (r#"{"a b":1}"#, r#"{"a b":2}"#, "", Some(("", Effect::Changed))),
        (
            r#""a""#,
            r#""a""#,
            r#","before_sensitive":false,"after_sensitive":true"#,
            Some(("", Effect::Retyped)),
        ),
        (r#"{"a":null}"#, r#"{}"#, "", None),
    ] {
        let impact = impact(&[], &output(before, after, more));
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(below, effect)| (format!("/infra/network/vpc-id{below}"), effect))
            .collect();
        assert_eq!(effects(&impact), expected, "{before} {after} {more}");
    }
}

#[test]
fn who_reads_a_part_of_what_changes_is_found_and_an_output_of_another_stack_is_not_ours() {
    let outputs =
        r#"{"subnets":{"actions":["update"],"before":{"a":{"id":"x"}},"after":null,"after_unknown":true}}"#;
    let found = impact(&[], outputs);
    let repos: Vec<&str> = found.repos.iter().map(|repo| repo.as_str()).collect();
    assert_eq!(repos, ["shop-api", "shop-jobs"]);
    let text = format!(r#"{{"format_version":"1.2","resource_changes":[],"output_changes":{outputs}}}"#);
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let exports = [("/infra/dns".parse().unwrap(), Export { stack: "dns".parse().unwrap() })].into();
    assert!(of(&plan, &exports, Some(&"network".parse().unwrap()), None).unwrap().is_empty());
    assert!(of(&plan, &exports, None, None).unwrap().is_empty());
}

#[test]
fn an_index_that_knows_nobody_does_not_look_like_no_impact() {
    let changed = [parameter("p", r#"["update"]"#, A, B, "")];
    let none = impact_of(&changed, "{}", None).to_string();
    assert!(
        none.starts_with("who reads what changes is not known\n") && none.contains("no known readers"),
        "{none}"
    );
    assert!(
        none.ends_with(
            "no index of readers was given: that no reader is known does not say that there is none"
        )
    );
    let empty = Readers::parse("version = 1\ndate = \"2026-11-20\"\n", "readers.toml").unwrap();
    let empty = impact_of(&changed, "{}", Some(&empty)).to_string();
    assert!(empty.contains("the index of readers of 2026-11-20 is empty"), "{empty}");
    let elsewhere = B.replace("/infra/network", "/nobody");
    let nobody = impact(&[parameter("p", r#"["delete"]"#, &elsewhere, "null", "")], "{}").to_string();
    assert!(
        nobody.starts_with("no repo is known to read what changes\n") && nobody.contains("4 references"),
        "{nobody}"
    );
    assert!(impact(&[], "{}").to_string().starts_with("no exported value changes\nindex of readers: 4"));
}

#[test]
fn names_that_are_hostile_hidden_or_none_are_neither_lost_nor_shown() {
    let hostile = r#"{"name":"/infra/network/a\n@everyone\u202e</details>","type":"String","value":"v"}"#;
    let hidden = parameter("hidden", r#"["create"]"#, "null", A, r#","after_sensitive":{"name":true}"#);
    let unnamed = parameter("later\n", r#"["create"]"#, "null", "{}", r#","after_unknown":{"name":true}"#);
    let impact = impact(&[parameter("p", r#"["delete"]"#, hostile, "null", ""), hidden, unnamed], "{}");
    assert_eq!((impact.unnamed.len(), impact.paths.len()), (2, 1));
    assert!(impact.note_lines().iter().all(|line| !line.contains(['\n', '\u{202e}'])), "{impact}");
    assert!(!impact.to_string().contains("vpc-id"), "{impact}");
    assert_eq!(impact.repos.len(), 1, "who reads the tree reads this, too");
}

#[test]
fn real_plans_have_a_reach_without_an_error() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans");
    let stack: Label = "main".parse().unwrap();
    let exports = [("/org/main".parse().unwrap(), Export { stack: stack.clone() })].into();
    let (mut seen, mut touched) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let json = PlanJson::read(&path).unwrap();
        let impact = of(&json.plan().unwrap(), &exports, Some(&stack), None).unwrap();
        touched += impact.paths.len();
        seen += 1;
    }
    assert!(seen >= 10 && touched >= 10, "{seen} plans, {touched} values");
}

#[test]
fn the_members_of_a_sensitive_output_are_not_named() {
    let marked = |mark: &str| format!(r#","before_sensitive":{mark},"after_sensitive":{mark}"#);
    let (before, after) =
        (r#"{"open":"a","in":{"hunter2-key":"a"}}"#, r#"{"open":"b","in":{"hunter2-key":"b"}}"#);
    let told = |mark: &str| {
        let found = impact(&[], &output(before, after, &marked(mark)));
        effects(&found).into_iter().map(|(path, effect)| format!("{path} {effect:?}")).collect::<Vec<_>>()
    };
    assert_eq!(told("true"), ["/infra/network/vpc-id Changed"]);
    assert_eq!(
        told(r#"{"in":true}"#),
        ["/infra/network/vpc-id/in Changed", "/infra/network/vpc-id/open Changed"]
    );
    assert_eq!(told(r#"[true]"#), ["/infra/network/vpc-id Changed"]);
    let same = impact(&[], &output(before, before, &marked("true")));
    assert!(same.paths.is_empty(), "{same}");
    let list = impact(&[], &output("null", r#"[{"hunter2-key":"b"}]"#, r#","after_sensitive":true"#));
    assert_eq!(effects(&list), [("/infra/network/vpc-id".to_owned(), Effect::Added)]);
}

#[test]
fn a_secret_is_hidden_in_paths_new_names_and_sources() {
    let sensitive = r#","after_sensitive":{"value":true}"#;
    let named = |name: &str| format!(r#"{{"name":"{name}","type":"String","value":"hunter2"}}"#);
    let more = r#","after_unknown":{"name":true},"after_sensitive":{"value":true}"#;
    let resources = [
        parameter(
            "p.a[\"hunter2\"]",
            r#"["delete","create"]"#,
            &named("/a/hunter2"),
            &named("/b/hunter2"),
            sensitive,
        ),
        parameter(
            "p.b[\"hunter2\"]",
            r#"["create"]"#,
            "null",
            r#"{"type":"String","value":"hunter2"}"#,
            more,
        ),
    ];
    let found = impact(&resources, "{}");
    let text = format!("{found} {}", serde_json::to_string(&found).unwrap());
    assert!(!text.contains("hunter2") && text.contains("/a/***") && text.contains("/b/***"), "{text}");
    assert!(found.unnamed.iter().any(|address| address == "p.b[\"***\"]"), "{text}");
}
