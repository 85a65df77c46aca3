//! What there is to run, for people and for machines.

use crate::{INFRA_TOML, shop, xtask};

#[test]
fn the_list_shows_this_repo_first_and_the_inherited_tasks_after() {
    let listed = xtask(&shop(INFRA_TOML), &["--list"]).finish().expect(0);
    insta::assert_snapshot!(listed.stdout);
    assert_eq!(listed.stderr, "");
}

#[test]
fn the_list_needs_no_infra_toml() {
    let scratch = support::Scratch::new("cli");
    scratch.write("repo/README.md", "");
    let listed = xtask(&scratch, &["--list"]).finish().expect(0);
    assert!(listed.stdout.contains("infra:secrets:test"));
}

#[test]
fn the_json_list_has_the_promised_shape() {
    let listed = xtask(&shop(INFRA_TOML), &["--list", "--output", "json"]).finish().expect(0);
    let list: serde_json::Value = serde_json::from_str(&listed.stdout).expect("it is JSON and nothing else");
    assert_eq!(list["version"], 1);
    let tasks = list["tasks"].as_array().expect("tasks is a list");
    let deploy = tasks.iter().find(|task| task["name"] == "deploy").expect("deploy is listed");
    assert_eq!(
        *deploy,
        serde_json::json!({
            "name": "deploy", "about": "Ship the thing", "group": "repo",
            "needs": ["build"], "after": ["infra:secrets:test"], "danger": true,
        })
    );
    let test = tasks.iter().find(|task| task["name"] == "infra:secrets:test").expect("it is inherited");
    assert_eq!(test["group"], "infra");
}

#[test]
fn every_inherited_task_of_this_version_is_there() {
    let listed = xtask(&shop(INFRA_TOML), &["--list"]).finish().expect(0);
    for task in [
        "config:show",
        "tools:check",
        "tools:install",
        "secrets:init",
        "secrets:setup",
        "secrets:test",
        "refs:list",
        "refs:check",
        "refs:publish",
        "plan",
        "apply",
        "policy:check",
        "policy:test",
        "deploy:status",
        "deploy:history",
        "deploy:rollback",
        "deploy:logs",
        "deploy:stop",
        "dev",
        "dev:setup",
        "nats:health",
        "nats:bootstrap",
        "nats:access",
        "nats:publish",
        "nats:watch",
        "nats:deploy",
        "ledger:show",
        "ledger:verify",
    ] {
        assert!(listed.stdout.contains(&format!("infra:{task} ")), "infra:{task} is missing");
    }
}

#[test]
fn the_readme_has_this_very_list() {
    let listed = xtask(&shop(INFRA_TOML), &["--list"]).finish().expect(0);
    let inherited = listed.stdout.split("\n\n").nth(1).expect("two groups").trim_end().to_owned();
    let readme = std::fs::read_to_string(support::repo().join("README.md")).expect("it is there");
    assert!(readme.contains(&inherited), "put this into README.md:\n{inherited}");
}

#[test]
fn help_of_a_task_shows_its_flags() {
    let helped = xtask(&shop(INFRA_TOML), &["infra:deploy:logs", "--help"]).finish().expect(0);
    insta::assert_snapshot!(helped.stdout);
}

#[test]
fn the_graph_shows_what_a_task_waits_for() {
    let graph = xtask(&shop(INFRA_TOML), &["--graph", "deploy"]).finish().expect(0);
    insta::assert_snapshot!(graph.stdout);
}

#[test]
fn spaces_work_where_colons_do() {
    let scratch = shop(INFRA_TOML);
    let shown = xtask(&scratch, &["infra", "config", "show"]).finish().expect(0);
    assert!(shown.stdout.contains("project.name"), "{}", shown.stdout);
}

#[test]
fn a_closed_pipe_is_not_a_crash() {
    let scratch = shop(INFRA_TOML);
    let program = env!("CARGO_BIN_EXE_consumer");
    let piped = support::Run::new("sh", &scratch.join("repo"))
        .args(["-c", &format!("'{program}' --list | head -n 1")])
        .finish()
        .expect(0);
    assert!(!piped.stderr.contains("panicked"), "{}", piped.stderr);
}
