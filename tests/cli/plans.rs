//! Plans made elsewhere, as a person and a program see them: shown, compared, refused.

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Finished, Scratch};

use crate::xtask;

/// A plan that Terraform made.
fn fixture(name: &str) -> String {
    let path = support::repo().join("../shared/fixtures/plans").join(format!("{name}.json"));
    assert!(path.is_file(), "{} is missing", path.display());
    path.to_str().expect("it is UTF-8").to_owned()
}

fn run(scratch: &Scratch, args: &[&str]) -> Finished {
    xtask(scratch, args).finish()
}

fn nowhere() -> Scratch {
    let scratch = Scratch::new("plans");
    scratch.write("repo/nothing", "");
    scratch
}

fn document(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

#[test]
fn a_plan_is_shown_without_any_settings_and_counted_as_terraform_counts() {
    let scratch = nowhere();
    let plan = fixture("tf1114-g07_replace_move_import_forget");
    let shown = run(&scratch, &["infra:plan:show", &plan]).expect(0);
    let line = "3 to import, 6 to add, 3 to change, 10 to destroy";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    let json = document(&run(&scratch, &["infra:plan:show", &plan, "--output", "json"]).expect(0));
    let counts = |name: &str| json["counts"][name].as_u64().expect("a number");
    let names = ["add", "change", "destroy", "import", "move", "forget", "read", "no_op"];
    assert_eq!(names.map(counts), [6, 3, 10, 3, 4, 1, 0, 6]);
    let changes = json["changes"].as_array().expect("a list");
    let tainted = changes.iter().find(|change| change["reason"] == "replace_because_tainted");
    assert_eq!(tainted.expect("one is tainted")["actions"], json!(["delete", "create"]));
    assert!(changes.iter().all(|change| change["address"].is_string() && change.get("deposed").is_some()));
}

#[test]
fn exact_numbers_come_out_as_they_went_in() {
    let plan = fixture("tf1114-g03_mixed_update");
    let shown = run(&nowhere(), &["infra:plan:show", &plan, "--output", "json"]).expect(0);
    assert!(shown.stdout.contains("12345678901234567891"), "the number is whole");
}

#[test]
fn several_plans_stand_on_one_page_in_every_form() {
    let scratch = nowhere();
    let plans = [fixture("tf1114-g01_create_wide"), fixture("pub-j2md-aws-sample")];
    let page = scratch.join("page.md");
    let summary = scratch.join("summary.md");
    let args =
        ["infra:plan:show", &plans[0], &plans[1], "--markdown", page.to_str().unwrap(), "--limit", "4000"];
    let run = xtask(&scratch, &args).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    drop(run.finish().expect(0));
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
    assert!(read(&page).len() <= 4000 && read(&page).starts_with("<!-- infra-sdk:plan:local -->"));
    for text in [read(&page), read(&summary)] {
        assert!(text.contains("tf1114-g01_create_wide") && text.contains("pub-j2md-aws-sample"), "{text}");
    }
}

#[test]
fn the_verdict_is_told_with_its_reasons_and_its_exit_code() {
    let scratch = nowhere();
    let approved = fixture("tf1114-g03_mixed_update");
    for (other, code, verdict) in [
        ("tf1114-g03b_replan_same", 0, "equal"),
        ("tf1114-g03e_replan_attr_changed", 2, "wider"),
        ("tf1114-g07_replace_move_import_forget", 3, "unrelated"),
    ] {
        let diff = run(&scratch, &["infra:plan:diff", &approved, &fixture(other), "--output", "json"]);
        let json = document(&diff.expect(code));
        assert_eq!(json["verdict"], verdict);
        assert_eq!(json["reasons"].as_array().expect("a list").is_empty(), code == 0);
    }
    let wider = fixture("tf1114-g03e_replan_attr_changed");
    let json = document(&run(&scratch, &["infra:plan:diff", &approved, &wider, "--output", "json"]));
    let reason = &json["reasons"][0];
    assert_eq!(reason["address"], "terraform_data.vpc");
    assert!(reason["what"].as_str().expect("a text").contains("input.flow_logs"), "{reason}");
}

#[test]
fn what_is_no_plan_is_refused_with_what_to_do() {
    let scratch = nowhere();
    let plan = std::fs::read(fixture("tf1114-g03_mixed_update")).expect("it is there");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(
        r#"{{"format_version":"1.2","resource_changes":[{{"address":"a.b","change":{{"actions":["update"],"before":{{}},"after":{{"x":{deep}}}}}}}]}}"#
    );
    for (name, content, text) in [
        ("empty.json", &b""[..], "is empty"),
        ("cut.json", &plan[..plan.len() / 2], "ends in the middle"),
        ("saved.json", b"PK\x03\x04zip", "terraform show -json FILE"),
        ("state.json", br#"{"version":4,"serial":1,"lineage":"x"}"#, "a state, not a plan"),
        ("major.json", br#"{"format_version":"2.0"}"#, "newer than this program"),
        ("nan.json", br#"{"format_version":"1.2","x":NaN}"#, "not well-formed JSON"),
        ("utf.json", b"{\"format_version\":\"1.2\xff\"}", "not UTF-8"),
        ("twice.json", br#"{"format_version":"1.2","output_changes":{"o":{"actions":["create"],"after":{"a":1,"a":2}}}}"#, "a key twice"),
        ("deep.json", deep.as_bytes(), "nests deeper"),
    ] {
        scratch.write(&format!("repo/{name}"), content);
        run(&scratch, &["infra:plan:show", name]).expect(4).says(&[text, "next:"]);
        ends_in_order(&run(&scratch, &["infra:plan:diff", name, name]));
    }
    run(&scratch, &["infra:plan:show", "nowhere.json"]).expect(5).says(&["nowhere.json", "next:"]);
    drop(run(&scratch, &["infra:plan:show"]).expect(2));
}

/// Refused, and not by a crash. What is only in values that nobody has to look into may pass.
fn ends_in_order(finished: &Finished) {
    assert!(matches!(finished.code, 0 | 4), "{}\n{}", finished.code, finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}
