//! The examples do what their first lines say, and meet wrong input as well as tasks do.

use std::path::Path;

use support::{Finished, Run, Scratch, repo};

/// Runs an example of the library as its first lines say, with paths from the scratch folder.
fn example(name: &str, scratch: &Scratch, args: &[&str]) -> Finished {
    example_with(name, scratch, args, &[])
}

/// The same with more in its environment.
fn example_with(name: &str, scratch: &Scratch, args: &[&str], env: &[(&str, &str)]) -> Finished {
    let manifest = repo().join("Cargo.toml");
    let run = Run::new(env!("CARGO"), scratch.path())
        .args(["run", "--quiet", "--package", "infra-sdk", "--manifest-path"])
        .args([manifest.as_os_str()])
        .args(["--example", name, "--"])
        .args(args)
        .env("CARGO_TARGET_DIR", target())
        .env("INFRA_HOME", scratch.join("home"));
    env.iter().fold(run, |run, (name, value)| run.env(name, value)).finish()
}

/// Where this test was built: there the example shares what is compiled already.
fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_consumer")).ancestors().nth(2).expect("target/PROFILE/consumer")
}

const NETWORK: &str =
    r#"{"vpc_id": "vpc-1", "zones": ["a", "b"], "nat": {"address": "10.0.0.1", "shared": true}}"#;

#[test]
fn a_typed_tree_is_published_and_read_back_as_it_was() {
    let scratch = Scratch::new("typed-tree");
    scratch.write("network.json", NETWORK);
    let path = "/infrastructure/network";
    let run = |args: &[&str]| example("typed_tree", &scratch, args);
    let published = run(&["publish", "network.json", path]).expect(0);
    assert!(published.stdout.contains("/infrastructure/network/nat/address"), "{}", published.stdout);
    let again = run(&["publish", "network.json", path]).expect(0);
    assert!(again.stdout.contains("nothing to publish"), "{}", again.stdout);
    let read = run(&["read", path]).expect(0);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
    assert_eq!(json(&read.stdout), json(NETWORK));
    assert_eq!(read.stderr, "");

    // Another store knows nothing of it.
    run(&["read", path, "--store", "elsewhere"]).expect(5).says(&["nothing is published", path]);
    run(&["read", "/infrastructure/netwrk"]).expect(5).says(&["did you mean", path]);
    run(&["read", "/infrastructure"]).expect(4).says(&["2 values", "vpc-id", "zones"]);
}

#[test]
fn a_typed_tree_refuses_what_is_no_network_and_no_path() {
    let scratch = Scratch::new("typed-tree");
    scratch.write("network.json", NETWORK);
    scratch.write("wrong.json", r#"{"vpc_id": 3, "zones": []}"#);
    let refused = |args: &[&str], code: i32, texts: &[&str]| {
        example("typed_tree", &scratch, args).expect(code).says(texts);
    };
    refused(&["publish", "wrong.json", "/a/b"], 4, &["wrong.json", "expected a string", "line 1 column 12"]);
    refused(&["publish", "none.json", "/a/b"], 5, &["none.json"]);
    refused(&["publish", "network.json", "/../b"], 4, &["`..`", "next:"]);
    for usage in [&[][..], &["read"], &["read", "--store"], &["write", "x", "/a"]] {
        refused(usage, 2, &["publish FILE.json PATH"]);
    }
    assert!(!scratch.join("home").exists(), "something was written");
}

#[cfg(unix)]
#[test]
fn an_image_has_the_same_digest_each_time_and_another_for_other_files() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("image-digest");
    let server = scratch.write("dist/server", "#!/bin/sh\n");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&server, executable).expect("the scratch folder is writable");
    let run = |args: &[&str]| example("image_digest", &scratch, args);
    let first = run(&["dist", "server"]).expect(0).stdout;
    assert!(first.starts_with("sha256:") && first.len() == 72, "{first}");
    std::fs::rename(scratch.join("dist"), scratch.join("moved")).expect("the scratch folder is writable");
    let kept = run(&["moved", "server", "--layout", "out"]).expect(0).stdout;
    assert_eq!(first, kept, "the digest depends on more than the files");
    let blob = scratch.join("out/blobs/sha256").join(kept.trim().trim_start_matches("sha256:"));
    assert!(blob.is_file() && scratch.join("out/oci-layout").is_file(), "no layout");
    scratch.write("moved/server", "#!/bin/sh\necho\n");
    assert_ne!(first, run(&["moved", "server"]).expect(0).stdout);

    run(&["none", "server"]).expect(5).says(&["none", "next:"]);
    run(&["moved", "sever"]).expect(5).says(&["sever", "did you mean"]);
    run(&["moved"]).expect(2).says(&["DIR ENTRYPOINT"]);
    run(&["moved", "server", "--layuot", "out"]).expect(2).says(&["--layout"]);
}

#[test]
fn an_approval_is_kept_without_the_plan_and_dies_on_a_wider_one() {
    let scratch = Scratch::new("plan-verdict");
    let plan = |tag: &str, more: &str| {
        format!(
            r#"{{"format_version":"1.2","resource_changes":[{{"address":"a.b","mode":"managed","type":"a","name":"b",
            "change":{{"actions":["update"],"before":{{"tag":"old"}},"after":{{"tag":"{tag}"}}}}}}{more}]}}"#
        )
    };
    let other = r#",{"address":"a.c","mode":"managed","type":"a","name":"c","change":{"actions":["delete"],"before":{},"after":null}}"#;
    scratch.write("plan.json", plan("canary-value", ""));
    scratch.write(
        "same.json",
        plan("canary-value", "").replace("1.2\",", "1.2\",\"timestamp\":\"2026-11-20T09:37:34Z\","),
    );
    scratch.write("wider.json", plan("canary-value", other));
    let run =
        |args: &[&str], key: &str| example_with("plan_verdict", &scratch, args, &[("APPROVAL_KEY", key)]);
    let key = "0123456789abcdef".repeat(4);
    let approved = run(&["approve", "plan.json", "approval.json"], &key).expect(0);
    assert!(approved.stdout.contains("~ a.b"), "{}", approved.stdout);
    let kept = std::fs::read_to_string(scratch.join("approval.json")).expect("it was written");
    assert!(!kept.contains("canary"), "{kept}");
    assert!(run(&["check", "approval.json", "same.json"], &key).expect(0).stdout.starts_with("equal"));
    let wider = run(&["check", "approval.json", "wider.json"], &key).expect(2);
    assert!(wider.stdout.contains("a.c"), "{}", wider.stdout);
    // Another key, another file, no key at all.
    run(&["check", "approval.json", "same.json"], &"f".repeat(64)).expect(7).says(&["next:"]);
    run(&["check", "plan.json", "same.json"], &key).expect(4).says(&["next:"]);
    run(&["check", "nowhere.json", "same.json"], &key).expect(5).says(&["approve a plan first"]);
    drop(run(&["aprove"], &key).expect(2));
    run(&["check", "approval.json", "same.json"], "short").expect(4).says(&["next:"]);
}
