//! What `new` refuses, leaving nothing behind.

use support::{Run, Scratch};

use crate::sdk_xtask;

fn refused(name: &str, org: &str, kind: &str, code: i32, text: &str) {
    let scratch = Scratch::new("new");
    let dir = scratch.join("repo");
    let args = ["new", &dir.display().to_string(), "--kind", kind, "--org", org, "--name", name];
    sdk_xtask(&scratch, &args).finish().expect(code).says(&[text]);
    assert!(!dir.exists(), "{name} left a folder");
}

#[test]
fn names_that_are_none_are_refused() {
    for name in [
        "../x",
        "a b",
        "A",
        "x\ny",
        "",
        "a/b",
        "..",
        "9lives",
        "shop.api",
        "fn",
        "serde",
        "bytes",
        "build",
        &"a".repeat(300),
    ] {
        refused(name, "acme", "api", 4, "next:");
    }
    refused("shop", "a/b", "api", 4, "organisation");
}

#[test]
fn an_unknown_kind_is_refused_with_the_known_ones() {
    refused("shop", "acme", "apy", 2, "infrastructure");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let scratch = Scratch::new("new");
    let file = scratch.write("repo/mine.txt", "mine");
    let dir = scratch.join("repo").display().to_string();
    let args = ["new", &dir, "--kind", "api", "--org", "acme", "--name", "shop"];
    sdk_xtask(&scratch, &args).finish().expect(7).says(&["not empty"]);
    assert_eq!(std::fs::read_to_string(file).expect("it is there"), "mine");
    assert_eq!(std::fs::read_dir(scratch.join("repo")).expect("it is there").count(), 1);
}

#[test]
fn the_pin_can_be_named() {
    let scratch = Scratch::new("new");
    let dir = scratch.join("repo");
    let path = dir.display().to_string();
    let args = [
        "new",
        &path,
        "--kind",
        "cli",
        "--org",
        "acme",
        "--name",
        "shop",
        "--sdk-git",
        "https://127.0.0.1:1/acme/infra-sdk",
        "--sdk-tag",
        "v9.9.9",
    ];
    let made = sdk_xtask(&scratch, &args).finish().expect(0);
    assert!(made.stdout.contains("could not be seen: "), "{}", made.stdout);
    let manifest = std::fs::read_to_string(dir.join("xtask/Cargo.toml")).expect("it was rendered");
    assert!(
        manifest.contains("git = \"https://127.0.0.1:1/acme/infra-sdk\", tag = \"v9.9.9\""),
        "{manifest}"
    );
}

#[test]
fn a_tag_that_is_not_there_is_refused_with_those_that_are() {
    let scratch = Scratch::new("new-tag");
    scratch.write("sdk/README.md", "an SDK");
    let who = ["-c", "user.name=sdk", "-c", "user.email=sdk@localhost"];
    for args in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["commit", "--quiet", "--no-gpg-sign", "-m", "all"],
        &["tag", "v1.2.3"],
    ] {
        let git = Run::new("git", &scratch.join("sdk")).args(who).args(args);
        drop(git.finish().expect(0));
    }
    let (dir, git) = (scratch.join("repo"), format!("file://{}", scratch.join("sdk").display()));
    let path = dir.display().to_string();
    let args = ["new", &path, "--kind", "cli", "--org", "acme", "--name", "shop", "--sdk-git", &git];
    let refused = sdk_xtask(&scratch, &[&args[..], &["--sdk-tag", "v1.2.4"]].concat()).finish().expect(5);
    refused.says(&["there is no tag `v1.2.4`", "v1.2.3"]);
    assert!(!dir.exists(), "nothing is made");
    let made = sdk_xtask(&scratch, &[&args[..], &["--sdk-tag", "v1.2.3"]].concat()).finish().expect(0);
    assert!(
        made.stdout.contains("infra-sdk v1.2.3") && made.stdout.contains("(as asked)"),
        "{}",
        made.stdout
    );
}
