//! Files are small, open with a sentence, and lie where the map says.

use support::{repo, sources};

const FOLDERS: [&str; 4] = ["infra-sdk/src", "xtask/src", "tests", "benches"];

#[test]
fn every_file_opens_with_one_sentence() {
    for folder in FOLDERS {
        for (path, source) in sources(folder) {
            // Sources of the compile-fail tests are shown to people with their errors.
            let first = source.lines().next().unwrap_or_default();
            assert!(first.starts_with("//! "), "{folder}/{path} opens with {first:?}");
        }
    }
}

#[test]
fn no_file_outgrows_five_hundred_lines() {
    /// Files that may be longer, each with its reason.
    const LONGER: [(&str, &str); 0] = [];
    for folder in FOLDERS {
        for (path, source) in sources(folder) {
            let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
            let excused = LONGER.iter().any(|(file, _)| *file == format!("{folder}/{path}"));
            assert!(code <= 500 || excused, "{folder}/{path} has {code} lines of code");
        }
    }
}

#[test]
fn folders_are_at_most_two_deep() {
    for (path, _) in sources("infra-sdk/src") {
        assert!(path.matches('/').count() <= 2, "infra-sdk/src/{path} lies too deep");
    }
}

#[test]
fn mod_files_are_maps() {
    for (path, source) in sources("infra-sdk/src") {
        if !path.ends_with("mod.rs") {
            continue;
        }
        for keyword in ["fn ", "struct ", "enum ", "impl ", "trait "] {
            let item = source.lines().find(|line| {
                let line = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
                line.trim_start_matches("async ").starts_with(keyword)
            });
            assert!(item.is_none(), "{path} holds an item: {}", item.unwrap_or_default());
        }
    }
}

#[test]
fn no_drawer_is_named_for_everything() {
    for folder in FOLDERS {
        for (path, _) in sources(folder) {
            for name in ["utils", "util", "helpers", "helper", "common", "imp", "misc"] {
                let hit = path.split('/').any(|part| part.trim_end_matches(".rs") == name);
                assert!(!hit, "{folder}/{path}");
            }
        }
    }
}

#[test]
fn every_folder_stands_in_the_map() {
    let map = std::fs::read_to_string(repo().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    for (path, _) in sources("infra-sdk/src") {
        if let Some((room, _)) = path.split_once('/') {
            assert!(map.contains(&format!("`{room}/`")), "ARCHITECTURE.md does not describe `{room}/`");
        }
    }
}

#[test]
fn no_template_holds_a_cargo_manifest() {
    // Cargo walks the whole checkout of a git dependency and complains about manifests it can not read.
    for (path, _) in support::files("templates", |_| true) {
        assert!(!path.ends_with("Cargo.toml"), "store templates/{path} as Cargo.toml.in");
    }
}

#[test]
fn nothing_that_a_build_leaves_is_tracked() {
    let tracked = support::Run::new("git", &support::repo()).args(["ls-files"]).finish().expect(0).stdout;
    assert!(tracked.lines().any(|path| path == "Cargo.toml"), "{tracked}");
    for path in tracked.lines() {
        let left = path
            .split('/')
            .any(|part| matches!(part, "target" | "node_modules" | "__pycache__" | ".terraform"));
        assert!(!left, "{path} is made by a build; take it out with `git rm --cached`");
    }
}
