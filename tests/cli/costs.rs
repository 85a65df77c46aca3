//! What plans cost: the report, the limit, and wrong tables.

use support::{Finished, Scratch};

use crate::{INFRA_TOML, shop, xtask};

const TABLE: &str = "version = 1\ndate = \"2026-11-01\"\ncurrency = \"USD\"\nsource = \"our contract\"\n\
                     [[price]]\ntype = \"aws_nat_gateway\"\nunit = \"hour\"\namount = \"0.045\"\n";

const PLAN: &str = r#"{"format_version":"1.2","resource_changes":[
    {"address":"aws_nat_gateway.main","mode":"managed","type":"aws_nat_gateway","name":"main",
     "change":{"actions":["create"],"before":null,"after":{}}},
    {"address":"aws_thing.x","mode":"managed","type":"aws_thing","name":"x",
     "change":{"actions":["create"],"before":null,"after":{"password":"hunter2-hunter2"},"after_sensitive":{"password":true}}}]}"#;

fn repo(costs: &str) -> Scratch {
    let scratch = shop(&format!("{INFRA_TOML}[costs]\n{costs}"));
    scratch.write("repo/prices.toml", TABLE);
    scratch.write("repo/plan.json", PLAN);
    scratch
}

fn check(scratch: &Scratch, plans: &[&str]) -> Finished {
    let args: Vec<&str> = ["infra:costs:check"].into_iter().chain(plans.iter().copied()).collect();
    xtask(scratch, &args).finish()
}

#[test]
fn the_report_says_what_is_added_from_which_day_and_what_has_no_price() {
    let shown = check(&repo("table = \"prices.toml\"\nlimit = \"32.85\"\n"), &["plan.json"]).expect(0).stdout;
    for text in [
        "+32.85 USD a month: 0.00 before, 32.85 after",
        "prices of 2026-11-01, 730 hours a month; source: our contract",
        "1 aws_thing: no price for this type: aws_thing.x",
        "within the limit of 32.85 USD",
    ] {
        assert!(shown.contains(text), "{text}\n{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn above_the_limit_the_run_ends_with_ten_and_says_by_how_much() {
    let scratch = repo("table = \"prices.toml\"\nlimit = \"60\"\n");
    let within = check(&scratch, &["plan.json"]).expect(0);
    assert!(within.stdout.ends_with("within the limit of 60.00 USD\n"), "{}", within.stdout);
    let finished = check(&scratch, &["plan.json", "plan.json"]).expect(10);
    finished.says(&["costs.limit", "adds: 65.7 USD", "limit: 60 USD", "above: 5.7 USD"]);
    assert!(finished.stdout.contains("all together: +65.70 USD a month"), "{}", finished.stdout);
}

#[test]
fn wrong_tables_plans_and_currencies_are_refused_with_what_to_do() {
    check(&repo("table = \"nowhere.toml\"\n"), &["plan.json"])
        .expect(5)
        .says(&["nowhere.toml", "costs.table"]);
    check(&repo("table = \"prices.toml\"\ncurrency = \"EUR\"\n"), &["plan.json"])
        .expect(4)
        .says(&["USD", "EUR"]);
    check(&repo(""), &["other.json"]).expect(5).says(&["other.json"]);
    check(&repo(""), &[]).expect(5).says(&["no stack", "next:"]);
    check(&repo(""), &["infra.toml"]).expect(4).says(&["not shaped like a plan", "infra.toml"]);
    let scratch = repo("table = \"prices.toml\"\n");
    scratch.write("repo/prices.toml", TABLE.replace("0.045", "-1"));
    check(&scratch, &["plan.json"]).expect(4).says(&["prices.toml:8:1", "must not be negative"]);
}

#[test]
fn without_a_table_the_starter_table_is_used_and_named() {
    let shown = check(&repo(""), &["plan.json"]).expect(0).stdout;
    assert!(shown.contains("its region is not known") && shown.contains("starter.toml"), "{shown}");
}
