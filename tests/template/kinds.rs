//! Each kind of repo, as a newcomer finds it.

use std::path::Path;

use support::Scratch;

use crate::{build_folder, cargo, new, render};

/// Without a warning.
fn builds(scratch: &Scratch, dir: &Path, which: &[&str]) {
    let built = cargo(scratch, dir, &[&["build"], which].concat()).finish().expect(0);
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);
}

fn works(kind: &str, name: &str) {
    let scratch = Scratch::new("template");
    let dir = render(&scratch, kind, name);
    let main = std::fs::read_to_string(dir.join("xtask/src/main.rs")).expect("it has tasks");
    assert!(main.lines().count() < 60, "{} lines", main.lines().count());
    assert!(!main.contains("{{"), "{main}");

    builds(&scratch, &dir, &["--profile", "xtask", "--package", &format!("xtask-{name}")]);
    if dir.join("app").exists() {
        builds(&scratch, &dir, &["--package", name]);
    }
    let status =
        support::Run::new("git", &dir).args(["status", "--porcelain", "--ignored"]).finish().expect(0);
    assert!(status.stdout.contains("?? infra.toml"), "{}", status.stdout);

    let listed = cargo(&scratch, &dir, &["xtask", "--list"]).finish().expect(0);
    for task in ["setup", "build", "test", "deploy", "infra:config:show"] {
        assert!(listed.stdout.contains(task), "{}", listed.stdout);
    }
    let tested = cargo(&scratch, &dir, &["xtask", "test"]).finish().expect(0);
    assert!(tested.stdout.contains("the_tasks_fit_together ... ok"), "{}", tested.stdout);
}

#[test]
fn an_api_works_as_rendered() {
    works("api", "shop-api");
}

#[test]
fn a_webapp_works_as_rendered() {
    works("webapp", "shop-web");
}

#[test]
fn a_cli_works_as_rendered() {
    works("cli", "shopper");
}

#[test]
fn an_infrastructure_repo_works_as_rendered() {
    works("infrastructure", "infra");
}

#[test]
fn repos_that_share_a_build_folder_run_their_own_tasks() {
    let scratch = Scratch::new("template");
    // Both are made before either is compiled: by the same name, cargo would find the second fresh from then on.
    let repos = [
        (render(&scratch, "infrastructure", "shared-infra"), "Apply the stacks and publish what they built"),
        (render(&scratch, "cli", "shared-cli"), "Publish the image to an environment"),
    ];
    for (dir, deploys) in repos.iter().chain(&repos) {
        let list = cargo(&scratch, dir, &["xtask", "--list"]);
        let listed = list.env("CARGO_BUILD_BUILD_DIR", build_folder(&repos[0].0)).finish().expect(0);
        assert!(listed.stdout.contains(deploys), "{}", listed.stdout);
    }
}

#[test]
fn rendered_sources_are_formatted() {
    let scratch = Scratch::new("template");
    // Nothing of it is compiled, so any pin will do.
    let pin = ["--sdk-git", "https://127.0.0.1:1/infra-sdk", "--sdk-tag", "v0.1.0"];
    for kind in ["api", "webapp", "cli", "infrastructure"] {
        let dir = new(&scratch, kind, &format!("format-{kind}"), &pin).0;
        for manifest in ["app/Cargo.toml", "xtask/Cargo.toml"] {
            let path = dir.join(manifest);
            if path.exists() {
                let path = path.display().to_string();
                drop(cargo(&scratch, &dir, &["fmt", "--check", "--manifest-path", &path]).finish().expect(0));
            }
        }
    }
}
