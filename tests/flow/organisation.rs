//! A whole organisation at work: one repo publishes what it built, another reads it, ships, breaks and recovers.

use std::path::{Path, PathBuf};

use serde_json::json;
use support::Finished;

use crate::world::{API_TOKEN, SESSION_KEY, World};

#[test]
fn infrastructure_publishes_what_it_applied_and_a_product_ships_with_it() {
    let world = World::new("organisation");
    // Each step before its time says what is missing.
    world.shop(&["infra:refs:check"], 5).says(&["/infrastructure/network", "next:"]);
    world.deploy(&[], 5).says(&["next:"]);

    let planned = world.infrastructure(&["infra:plan"], 0);
    assert!(planned.stdout.contains("network: 1 to add"), "{}", planned.stdout);
    let applied = world.infrastructure(&["infra:apply"], 0);
    assert!(applied.stdout.contains("network: 1 added"), "{}", applied.stdout);
    let published = world.infrastructure(&["infra:refs:publish"], 0);
    assert!(published.stdout.contains("/infrastructure/network/vpc-name"), "{}", published.stdout);
    assert!(world.infrastructure(&["infra:apply"], 0).stdout.contains("network: no changes"));
    assert!(world.infrastructure(&["infra:refs:publish"], 0).stdout.contains("nothing to publish"));
    assert_eq!(world.events(), ["stack.applied", "refs.published"]);

    let listed = world.shop(&["infra:refs:list"], 0);
    assert!(listed.stdout.contains("/infrastructure/network"), "{}", listed.stdout);
    world.shop(&["infra:secrets:setup"], 0);
    world.shop(&["infra:dev:setup"], 0);
    let shipped = world.deploy(&["VARIANT=one"], 0);
    assert!(shipped.stdout.contains("shop-api now runs"), "{}", shipped.stdout);
    let answers = ["VPC", "ZONES", "VARIANT", "SESSION_KEY"].map(|name| world.get(&format!("/env?{name}")));
    assert_eq!(answers, ["vpc-main", "a b", "one", SESSION_KEY[0]]);

    // Argument lists are for everybody on the machine to read.
    assert!(!world.processes().join("\n").contains(SESSION_KEY[0]), "{:?}", world.processes());

    let promised = world.shop(&["promise"], 0);
    assert!(promised.stdout.contains("/shop/api/paths"), "{}", promised.stdout);
    assert_eq!(
        world.events()[2..],
        ["secrets.changed", "deploy.start", "deploy.done", "refs.published"],
        "each change is told once"
    );
    assert_eq!(
        world.ledger(),
        [
            "apply done",
            "publish done",
            "secrets.write done",
            "image.push done",
            "deploy done",
            "publish done"
        ]
    );
    assert!(world.shop(&["infra:ledger:verify"], 0).stdout.contains('6'));
    nothing_leaked(&world);
}

#[test]
fn releases_are_shown_rolled_back_and_stopped() {
    let world = World::ready("organisation-releases");
    assert!(world.shop(&["infra:deploy:status"], 0).stdout.contains("nothing was rolled out yet"));
    assert_eq!(world.json(&["infra:deploy:status"])["current"], json!(null));
    world.shop(&["infra:deploy:rollback"], 5).says(&["no earlier release", "next:"]);
    world.deploy(&["VARIANT=one", "SAY=VARIANT,SESSION_KEY"], 0);
    world.deploy(&["VARIANT=two"], 0);

    let status = world.json(&["infra:deploy:status"]);
    assert_eq!(status["observation"]["health"], json!("healthy"), "{status}");
    let text = world.shop(&["infra:deploy:status"], 0).stdout;
    assert!(text.contains("is healthy") && text.contains("http://127.0.0.1:"), "{text}");
    let history = world.json(&["infra:deploy:history"]);
    let releases = history["releases"].as_array().expect("a list").clone();
    assert_eq!((releases.len(), &history["current"]), (2, &releases[0]["id"]));
    let text = world.shop(&["infra:deploy:history"], 0).stdout;
    assert!(text.starts_with("current ") && text.contains("\ngood "), "{text}");

    let first = releases[1]["id"].as_str().expect("an id");
    let log = world.json(&["infra:deploy:logs", "--release", first]);
    let printed = ["VARIANT is one", "SESSION_KEY is ***"]
        .map(|line| log.as_array().is_some_and(|log| log.contains(&json!(line))));
    assert_eq!(printed, [true, true], "{log}");
    let text = world.shop(&["infra:deploy:logs"], 0).stdout;
    assert!(text.contains("listening on"), "{text}");
    let text = world.shop(&["infra:deploy:logs", "--lines", "1"], 0).stdout;
    assert_eq!(text.lines().count(), 1, "{text}");

    let back = world.json(&["infra:deploy:rollback"]);
    assert_eq!((&back["outcome"], &back["release"]["id"]), (&json!("rolled_back"), &json!(first)));
    assert_eq!(world.get("/env?VARIANT"), "one");
    let second = releases[0]["id"].as_str().expect("an id");
    world.shop(&["infra:deploy:rollback", second], 0);
    assert_eq!(world.get("/env?VARIANT"), "two");
    world.shop(&["infra:deploy:rollback", "--to", "nothing"], 5).says(&["not kept", "next:"]);

    let stopped = world.json(&["infra:deploy:stop"]);
    assert_eq!(stopped["release"], json!(second));
    assert!(world.processes().is_empty(), "{:?}", world.processes());
    assert!(world.shop(&["infra:deploy:stop"], 0).stdout.contains("nothing was running"));
    assert!(world.shop(&["infra:deploy:status"], 0).stdout.starts_with("stopped; "));
    world.deploy(&["VARIANT=two"], 0);
    assert_eq!(world.get("/env?VARIANT"), "two");
    // What failed before it touched anything is no roll back.
    let actions = world.ledger().split_off(1);
    let tried = |action: &str| actions.iter().filter(|entry| entry.starts_with(action)).count();
    assert_eq!(actions.iter().filter(|entry| *entry == "rollback failed").count(), 2, "{actions:?}");
    assert_eq!((tried("deploy done"), tried("rollback done"), tried("stop done")), (3, 2, 1), "{actions:?}");
    // Both deploys have the same image, which was pushed once.
    assert_eq!((tried("image.push done"), actions.len()), (1, 9), "{actions:?}");
    let shown = world.json(&["infra:ledger:show", "--mine", "--last", "2"]);
    assert_eq!(shown["entries"].as_array().map(Vec::len), Some(2), "{shown}");
    assert_eq!(shown["entries"][0]["actor"], json!("ada"), "{shown}");
    nothing_leaked(&world);
}

#[test]
fn a_broken_release_is_taken_back_and_the_command_fails() {
    let world = World::ready("organisation-broken");
    world.configure("[deploy]\nwait = \"2s\"\n");
    // Without a release before it, nothing serves afterwards.
    let first = world.deploy(&["BROKEN=exit", "SAY=SESSION_KEY,PEPPER"], 1);
    first.says(&["first release", "cannot reach the database", "SESSION_KEY is ***", "PEPPER is ***"]);
    assert!(world.processes().is_empty(), "{:?}", world.processes());
    world.deploy(&["VARIANT=one"], 0);
    for broken in ["exit", "hang", "503"] {
        let failed = world.deploy(&["VARIANT=two", &format!("BROKEN={broken}"), "SAY=SESSION_KEY"], 1);
        failed.says(&["did not become healthy", "serving again", "infra:deploy:logs --release"]);
        last_line_is_a_hint(&failed);
        assert_eq!(world.get("/env?VARIANT"), "one");
        let status = world.json(&["infra:deploy:status"]);
        assert_eq!(status["observation"]["health"], json!("healthy"), "{status}");
    }
    assert_eq!(
        world.ledger()[2..],
        ["deploy failed", "deploy done", "deploy rolled-back", "deploy rolled-back", "deploy rolled-back"]
    );
    let events = world.events();
    assert_eq!(events[1..5], ["deploy.start", "deploy.failed", "deploy.start", "deploy.done"]);
    assert_eq!(events[5..8], ["deploy.start", "deploy.rolled-back", "deploy.failed"]);
    drop(world.shop(&["infra:ledger:verify"], 0));
    nothing_leaked(&world);
}

#[test]
fn the_same_deploy_again_touches_nothing_and_leaves_no_deploy_open() {
    let world = World::ready("organisation-again");
    world.deploy(&["VARIANT=one"], 0);
    let before = world.processes();
    let again = world.deploy(&["VARIANT=one"], 0);
    assert!(again.stdout.contains("is unchanged"), "{}", again.stdout);
    assert_eq!(world.processes(), before);
    assert_eq!(world.ledger()[1..], ["image.push done", "deploy done"]);
    let events = world.events();
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!(count("deploy.start"), count("deploy.done"), "{events:?}");
}

fn last_line_is_a_hint(failed: &Finished) {
    let last = failed.stderr.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains("next:"), "{}", failed.stderr);
}

/// No secret's value in anything that was said, nor in a file but where it belongs.
fn nothing_leaked(world: &World) {
    let store = world.home("local/secrets/shop-api/secrets.json");
    let kept: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&store).expect("a store")).expect("it is JSON");
    let pepper = kept["secrets"]["PEPPER"]["value"].as_str().expect("a made value").to_owned();
    assert!(pepper.len() >= 32);
    let said = world.said();
    for secret in SESSION_KEY.iter().chain(&API_TOKEN).chain([&pepper.as_str()]) {
        assert!(!said.contains(secret), "a secret was said:\n{said}");
    }
    for file in files_below(&world.scratch.join("home")) {
        let content = String::from_utf8_lossy(&std::fs::read(&file).expect("it is ours")).into_owned();
        let holds = |secrets: &[&str]| secrets.iter().any(|secret| content.contains(secret));
        if holds(&SESSION_KEY) || holds(&[&pepper]) {
            let of_a_release = file.starts_with(world.home("local/deploy/shop-api/releases"))
                && file.file_name().is_some_and(|name| name == "env.json");
            assert!(file == store || of_a_release, "a secret lies in {}", file.display());
            private(&file);
        }
        if holds(&API_TOKEN) {
            // Terraform keeps outputs in its state, what is published is there to be read, and a release reads it.
            let homes = ["local/state", "local/params", "local/deploy/shop-api/releases"];
            let right = homes.iter().any(|home| file.starts_with(world.home(home)));
            assert!(right, "an output lies in {}", file.display());
        }
    }
}

#[cfg(unix)]
fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().expect("it is ours").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", file.display());
}

#[cfg(not(unix))]
fn private(_: &Path) {}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files_below(&path)) } else { all.push(path) }
    }
    all
}
