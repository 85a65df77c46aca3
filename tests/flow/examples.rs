//! The examples do what their first lines say, and meet wrong input as well as tasks do.

use std::path::Path;

use support::{Finished, Run, Scratch, repo};

/// Runs an example of the library as its first lines say, with paths from the scratch folder.
fn example(name: &str, scratch: &Scratch, args: &[&str]) -> Finished {
    let manifest = repo().join("Cargo.toml");
    Run::new(env!("CARGO"), scratch.path())
        .args(["run", "--quiet", "--package", "infra-sdk", "--manifest-path"])
        .args([manifest.as_os_str()])
        .args(["--example", name, "--"])
        .args(args)
        .env("CARGO_TARGET_DIR", target())
        .env("INFRA_HOME", scratch.join("home"))
        .finish()
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
