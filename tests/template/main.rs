//! Every template renders, builds without a warning, passes its own tests, and refuses what it must.

mod demo;
mod kinds;
mod refusals;

use std::path::Path;

use support::{Run, Scratch, repo};

/// This repo's xtask, built once by the run that started these tests.
pub(crate) fn sdk_xtask(scratch: &Scratch, args: &[&str]) -> Run {
    Run::new(env!("CARGO"), &repo())
        .env("INFRA_HOME", scratch.join("home"))
        .args(["run", "--quiet", "--profile", "xtask", "--package", "xtask", "--"])
        .args(args)
}

/// `cargo …` in a rendered repo. Each has a build folder of its own: cargo tells packages of the same name and
/// relative path apart by nothing else, and would run the program of another repo.
pub(crate) fn cargo(scratch: &Scratch, dir: &Path, args: &[&str]) -> Run {
    Run::new(env!("CARGO"), dir)
        .env("INFRA_HOME", scratch.join("home"))
        .env(
            "CARGO_BUILD_BUILD_DIR",
            repo().join("target/rendered").join(dir.file_name().expect("a repo has a name")),
        )
        .args(args)
}

/// Renders one kind of repo into the scratch folder.
pub(crate) fn render(scratch: &Scratch, kind: &str, name: &str) -> std::path::PathBuf {
    let dir = scratch.join(name);
    let args = [
        "new",
        &dir.display().to_string(),
        "--kind",
        kind,
        "--org",
        "acme",
        "--name",
        name,
        "--sdk-snapshot",
    ];
    let made = sdk_xtask(scratch, &args).finish().expect(0);
    assert!(made.stdout.contains("a snapshot of this working tree"), "{}", made.stdout);
    dir
}
