//! Estimates of handmade plans and of real ones.

use crate::config::Decimal;
use crate::plan::cost::estimate::estimate_at;
use crate::plan::cost::{CostReport, Gaps, PriceTable, Usage};
use crate::plan::{Plan, PlanJson};
use crate::time::Timestamp;

const TABLE: &str = r#"
version = 1
date = "2026-11-01"
currency = "USD"
source = "a list made for tests"
stale-after = "30d"
price = [
    { type = "vm", component = "run", region = "eu", when = { size = "small" }, unit = "hour", amount = "0.01" },
    { type = "vm", component = "run", region = "eu", when = { size = "large", spot = true }, unit = "hour", amount = "0.02" },
    { type = "vm", component = "run", region = "eu", when = { size = "large" }, unit = "hour", amount = "0.1" },
    { type = "vm", component = "disk", unit = "gb-month", amount = "0.1", per = { attribute = "disk.0.gb" } },
    { type = "gate", region = "eu", unit = "hour", amount = "0.045" },
    { type = "queue", unit = "million-requests", amount = "0.4", per = { usage = "requests" } },
    { type = "key", unit = "month", amount = "1", date = "2026-09-01" },
    { type = "twice", unit = "month", amount = "1", when = { a = 1 } },
    { type = "twice", unit = "month", amount = "2", when = { b = "x" } },
    { type = "free_*", free = true },
]
"#;

fn resource(address: &str, kind: &str, actions: &str, before: &str, after: &str, more: &str) -> String {
    let address = serde_json::Value::from(address);
    format!(
        r#"{{"address":{address},"mode":"managed","type":"{kind}","name":"n","change":{{"actions":{actions},"before":{before},"after":{after}{more}}}}}"#
    )
}

fn made(address: &str, kind: &str, after: &str, more: &str) -> String {
    resource(address, kind, r#"["create"]"#, "null", after, more)
}

fn report_with(
    resources: &[String],
    usage: &Usage,
    region: Option<&str>,
) -> crate::error::Result<CostReport> {
    let text = format!(r#"{{"format_version":"1.2","resource_changes":[{}]}}"#, resources.join(","));
    let table = PriceTable::parse(TABLE, "prices.toml").unwrap();
    let now: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    estimate_at(&Plan::parse(text.as_bytes()).unwrap(), &table, usage, region, now)
}

fn report(resources: &[String]) -> CostReport {
    report_with(resources, &Usage::default(), Some("eu")).unwrap()
}

fn sums(report: &CostReport) -> [String; 3] {
    [report.before, report.after, report.difference].map(Decimal::exact)
}

fn said(gaps: &Gaps) -> Vec<String> {
    gaps.iter().map(|gap| format!("{} {} {}: {}", gap.count, gap.kind, gap.component, gap.reason)).collect()
}

const SMALL: &str = r#"{"size":"small","disk":[{"gb":20}]}"#;
const LARGE: &str = r#"{"size":"large","spot":null,"disk":[{"gb":20}]}"#;

#[test]
fn what_comes_goes_changes_and_stays_is_each_counted_once() {
    // A small one is 7.30 to run and 2 for its disk, a large one 73 and 2.
    for (actions, before, after, expected) in [
        (r#"["create"]"#, "null", SMALL, ["0", "9.3", "9.3"]),
        (r#"["delete"]"#, SMALL, "null", ["9.3", "0", "-9.3"]),
        (r#"["update"]"#, SMALL, LARGE, ["9.3", "75", "65.7"]),
        (r#"["delete","create"]"#, LARGE, SMALL, ["75", "9.3", "-65.7"]),
        (r#"["create","delete"]"#, SMALL, LARGE, ["9.3", "75", "65.7"]),
        (r#"["no-op"]"#, SMALL, SMALL, ["9.3", "9.3", "0"]),
        (r#"["forget"]"#, SMALL, "null", ["9.3", "9.3", "0"]),
        (r#"["create","forget"]"#, SMALL, LARGE, ["9.3", "84.3", "75"]),
        (r#"["polish"]"#, SMALL, SMALL, ["9.3", "9.3", "0"]),
        (r#"["read"]"#, "null", SMALL, ["0", "0", "0"]),
    ] {
        let report = report(&[resource("vm.a", "vm", actions, before, after, "")]);
        assert_eq!(sums(&report), expected, "{actions}");
        assert_eq!(report.changes.len(), usize::from(expected[2] != "0"), "{actions}");
    }
}

#[test]
fn the_price_that_says_more_wins_and_one_that_can_not_be_told_stops_it() {
    let spot = made("vm.a", "vm", r#"{"size":"large","spot":true,"disk":[{"gb":0}]}"#, "");
    assert_eq!(sums(&report(&[spot]))[1], "14.6");
    let unsure =
        made("vm.a", "vm", r#"{"size":"large","disk":[{"gb":1}]}"#, r#","after_unknown":{"spot":true}"#);
    let report = report(&[unsure]);
    assert_eq!(sums(&report)[1], "0.1");
    assert_eq!(said(&report.unknown), ["1 vm run: spot is known only after the apply"]);
}

#[test]
fn a_gap_on_one_side_makes_no_difference_out_of_nothing() {
    let unknown = r#","after_unknown":{"disk":[{"gb":true}]}"#;
    let report = report(&[
        resource("vm.a", "vm", r#"["update"]"#, SMALL, r#"{"size":"large","disk":[{}]}"#, unknown),
        resource("vm.b", "vm", r#"["update"]"#, SMALL, r#"{"size":"huge","disk":[{"gb":30}]}"#, ""),
    ]);
    assert_eq!(sums(&report), ["9.3", "76", "66.7"]);
    assert_eq!(said(&report.unknown), ["1 vm disk: disk.0.gb is known only after the apply"]);
    assert_eq!(said(&report.not_priced), ["1 vm run: no price for its size, spot"]);
}

#[test]
fn nothing_is_guessed_and_everything_that_is_left_out_is_named() {
    let report = report(&[
        made("thing.a", "thing", "{}", ""),
        made("thing.b", "thing", "{}", ""),
        made("queue.a", "queue", "{}", ""),
        made("twice.a", "twice", r#"{"a":1,"b":"x"}"#, ""),
        made("vm.a", "vm", r#"{"region":"us","size":"small","disk":[]}"#, ""),
        made("vm.b", "vm", r#"{"size":"small","disk":[{"gb":"many"}]}"#, ""),
        made("vm.c", "vm", r#"{"size":"small","disk":[{"gb":-1}]}"#, ""),
        made("vm.d", "vm", SMALL, r#","after_sensitive":{"size":true}"#),
        made("free_thing.a", "free_thing", "{}", ""),
    ]);
    assert_eq!(
        said(&report.not_priced),
        [
            "2 thing : no price for this type",
            "1 twice : two prices of the table fit it",
            "2 vm disk: disk.0.gb is no number to multiply with",
            "1 vm disk: disk.0.gb is not set",
            "1 vm run: no price in us",
        ]
    );
    assert_eq!(said(&report.unknown), ["1 vm run: size is sensitive, and no price is made of a secret"]);
    assert_eq!(said(&report.needs_usage), ["1 queue : requests, requests a month"]);
    assert_eq!((report.free, sums(&report)[1].as_str()), (1, "16.6"));
    let nowhere = report_with(&[made("gate.a", "gate", "{}", "")], &Usage::default(), None).unwrap();
    assert_eq!(said(&nowhere.not_priced), ["1 gate : its region is not known"]);
}

#[test]
fn an_assumption_is_used_said_and_refused_where_no_price_asks_for_it() {
    let queue = [made("queue.a", "queue", "{}", "")];
    let usage: Usage = [("queue.requests", "2500000".parse().unwrap())].into_iter().collect();
    let report = report_with(&queue, &usage, None).unwrap();
    assert_eq!(sums(&report)[1], "1");
    assert!(report.to_string().contains("assumed:\n  queue.requests = 2500000\n"), "{report}");
    let typo: Usage = [("queue.request", Decimal::from(1))].into_iter().collect();
    let error = report_with(&queue, &typo, None).unwrap_err();
    assert_eq!(error.hints(), ["did you mean `queue.requests`?"]);
    let most: Usage = [("queue.requests", "999999999999".parse().unwrap())].into_iter().collect();
    assert_eq!(sums(&report_with(&queue, &most, None).unwrap())[1], "399999.9999996");
}

#[test]
fn the_day_and_the_source_are_always_said_and_an_old_price_is_a_warning() {
    let fresh = report(&[made("gate.a", "gate", "{}", "")]);
    let lines = fresh.note_lines();
    assert_eq!(
        lines,
        [
            "+32.85 USD a month: 0.00 before, 32.85 after",
            "  +   gate.a  +32.85",
            "prices of 2026-11-01, 730 hours a month; source: a list made for tests",
        ]
    );
    assert!(!fresh.stale && fresh.age_days == 19);
    let stale = report(&[made("key.a", "key", "{}", "")]);
    let text = stale.to_string();
    assert!(stale.stale && text.contains("the oldest price used is of 2026-09-01"), "{text}");
    assert!(
        text.contains("warning: a price is 80 days old, and the table counts as stale after 30d"),
        "{text}"
    );
    assert!(report(&[]).to_string().contains("prices of 2026-11-01"));
}

#[test]
fn a_currency_that_does_not_fit_is_refused() {
    let table = PriceTable::parse(TABLE, "prices.toml").unwrap();
    assert!(table.require_currency(None).is_ok() && table.require_currency(Some("USD")).is_ok());
    assert!(table.require_currency(Some("EUR")).unwrap_err().to_string().contains("another currency"));
}

#[test]
fn hostile_addresses_stay_on_their_line() {
    let hostile = "gate.a[\"</details>\n@everyone\u{202e}`\"]";
    let report = report(&[made(hostile, "gate", "{}", ""), made(hostile, "thing", "{}", "")]);
    assert!(report.note_lines().iter().all(|line| !line.contains(['\n', '\u{202e}'])), "{report}");
}

#[test]
fn a_secret_in_an_address_is_hidden() {
    let secret = r#","after_sensitive":{"password":true}"#;
    let after = r#"{"password":"hunter2-hunter2"}"#;
    let report = report(&[
        made("gate.a[\"hunter2-hunter2\"]", "gate", after, secret),
        made("thing.a[\"hunter2-hunter2\"]", "thing", after, secret),
    ]);
    let shown = format!("{report}{}", serde_json::to_string(&report).unwrap());
    assert!(shown.contains("gate.a[\"***\"]") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn many_resources_are_summed_and_a_few_are_shown() {
    let resources: Vec<String> = (0..2000)
        .map(|at| made(&format!("gate.a[{at}]"), "gate", "{}", ""))
        .chain((0..2000).map(|at| made(&format!("thing.a[{at}]"), "thing", "{}", "")))
        .collect();
    let report = report(&resources);
    assert_eq!(sums(&report)[1], "65700");
    assert_eq!((report.changes.len(), report.more_changes, report.types[0].resources), (100, 1900, 2000));
    let gap = report.not_priced.iter().next().unwrap();
    assert_eq!((gap.count, gap.addresses.len()), (2000, 5));
}

#[test]
fn a_report_is_exact_in_json() {
    let json = serde_json::to_value(report(&[made("gate.a", "gate", "{}", "")])).unwrap();
    assert_eq!((&json["difference"], &json["date"]), (&"32.85".into(), &"2026-11-01".into()));
    assert_eq!(json["types"][0]["type"], "gate");
}

#[test]
fn the_starter_table_prices_what_it_was_made_for() {
    let table = PriceTable::starter().unwrap();
    let estimate = |resources: &[String]| {
        let text = format!(r#"{{"format_version":"1.2","resource_changes":[{}]}}"#, resources.join(","));
        crate::plan::cost::estimate(
            &Plan::parse(text.as_bytes()).unwrap(),
            &table,
            &Usage::default(),
            Some("us-east-1"),
        )
        .unwrap()
    };
    let database = r#"{"engine":"postgres","instance_class":"db.t4g.micro","multi_az":false,"storage_type":"gp3","allocated_storage":20}"#;
    let report = estimate(&[made("aws_db_instance.main", "aws_db_instance", database, "")]);
    assert_eq!(sums(&report)[1], "13.98", "{report}");
    let template = estimate(&[made("terraform_data.vpc", "terraform_data", "{}", "")]);
    assert_eq!((template.free, sums(&template)[1].as_str()), (1, "0"));
}

#[test]
fn real_plans_are_priced_without_an_error() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans");
    let table = PriceTable::starter().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let json = PlanJson::read(&path).unwrap();
        let plan = json.plan().unwrap();
        let report = crate::plan::cost::estimate(&plan, &table, &Usage::default(), None).unwrap();
        assert!(report.to_string().contains("source: "), "{}", path.display());
        if path.to_string_lossy().contains("tf1114-") {
            assert!(report.not_priced.is_empty() && report.free > 0, "{}\n{report}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen} plans");
}

#[test]
fn a_secret_that_is_a_region_or_a_type_is_hidden() {
    let marked = r#","after_sensitive":{"password":true,"other":true}"#;
    let resources = [
        made("key.a", "key", r#"{"password":"hunter2-secret","other":"hunter2-other"}"#, marked),
        made("gate.a", "gate", r#"{"region":"hunter2-secret"}"#, ""),
        made("gate.b", "gate", r#"{"region":"hunter2-other"}"#, ""),
        made("x.a", "hunter2-secret", "{}", ""),
        made("free.a", "free_hunter2-secret", "{}", ""),
    ];
    let report = report(&resources);
    let shown = format!("{report} {}", serde_json::to_string(&report).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(said(&report.not_priced), ["1 *** : no price for this type", "2 gate : no price in ***"]);
    let table = TABLE.replace("type = \"key\"", "type = \"hunter2_key\"");
    let table = PriceTable::parse(&table, "prices.toml").unwrap();
    let key = made("k.a", "hunter2_key", r#"{"password":"hunter2_key"}"#, marked);
    let text = format!(r#"{{"format_version":"1.2","resource_changes":[{key}]}}"#);
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let now: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let report = estimate_at(&plan, &table, &Usage::default(), None, now).unwrap();
    assert_eq!(report.types[0].kind, "***");
}
