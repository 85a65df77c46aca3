//! What the project says of itself is true: version, changelog, no left-overs.

use support::{files, repo, sources};

#[test]
fn the_changelog_has_this_version() {
    let changelog = std::fs::read_to_string(repo().join("CHANGELOG.md")).expect("CHANGELOG.md is there");
    let version = env!("CARGO_PKG_VERSION");
    assert!(changelog.contains(&format!("## {version}")), "CHANGELOG.md has no section `## {version}`");
}

#[test]
fn the_readme_opens_with_the_two_commands() {
    let readme = std::fs::read_to_string(repo().join("README.md")).expect("README.md is there");
    let (demo, test) = (readme.find("cargo xtask demo"), readme.find("cargo xtask test"));
    assert!(demo.is_some() && demo < test, "README.md names demo, then test");
}

#[test]
fn nothing_is_left_undone_in_the_code() {
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("db", "g!("),
        concat!("#[ig", "nore"),
    ];
    for folder in ["infra-sdk/src", "xtask/src", "tests", "benches"] {
        for (path, source) in sources(folder) {
            for mark in marks {
                assert!(!source.contains(mark), "{folder}/{path} contains {mark}");
            }
        }
    }
}

#[test]
fn no_doc_example_is_ignored() {
    for (path, source) in sources("infra-sdk/src") {
        assert!(!source.contains("```ignore"), "{path} has an example that is never compiled");
    }
}

#[test]
fn no_tracked_text_names_a_path_of_one_machine() {
    let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let machine =
        home.parent().and_then(|root| root.parent()).map(|outside| format!("{}/", outside.display()));
    for (path, text) in files("", |path| !path.ends_with(".lock")) {
        if let Some(machine) = machine.as_deref().filter(|machine| machine.len() > 2) {
            assert!(!text.contains(machine), "{path} names {machine}");
        }
    }
}
