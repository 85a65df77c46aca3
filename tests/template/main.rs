//! Every template renders, builds without a warning, passes its own tests, and refuses what it must.

mod demo;
mod kinds;
mod refusals;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use support::{Run, Scratch, repo};

/// This repo's xtask, built once by the run that started these tests.
pub(crate) fn sdk_xtask(scratch: &Scratch, args: &[&str]) -> Run {
    Run::new(env!("CARGO"), &repo())
        .env("INFRA_HOME", scratch.join("home"))
        .args(["run", "--quiet", "--profile", "xtask", "--package", "xtask", "--"])
        .args(args)
}

/// `cargo …` in a rendered repo. Each has a build folder of its own, so that no test waits for the build of another.
pub(crate) fn cargo(scratch: &Scratch, dir: &Path, args: &[&str]) -> Run {
    Run::new(env!("CARGO"), dir)
        .env("INFRA_HOME", scratch.join("home"))
        .env("CARGO_BUILD_BUILD_DIR", build_folder(dir))
        .args(args)
}

/// Where cargo keeps what it compiles for a rendered repo.
pub(crate) fn build_folder(dir: &Path) -> PathBuf {
    repo().join("target/rendered").join(dir.file_name().expect("a repo has a name"))
}

/// Renders one kind of repo into the scratch folder, pinned to the one snapshot that all tests here share, with the
/// SDK compiled already: every kind asks for the same features of it.
pub(crate) fn render(scratch: &Scratch, kind: &str, name: &str) -> PathBuf {
    let first = first();
    let dir = new(scratch, kind, name, &["--sdk-git", &first.git, "--sdk-tag", &first.tag]).0;
    let (from, to) = (build_folder(&first.dir), build_folder(&dir));
    std::fs::create_dir_all(&to).expect("target is writable");
    let _ = std::fs::remove_dir_all(to.join("xtask"));
    drop(Run::new("cp", &to).args(["-a"]).args([from.join("xtask"), to.clone()]).finish().expect(0));
    dir
}

/// The repo that compiles the SDK for all of them.
struct First {
    _scratch: Scratch,
    dir: PathBuf,
    git: String,
    tag: String,
}

fn first() -> &'static First {
    static FIRST: OnceLock<First> = OnceLock::new();
    FIRST.get_or_init(|| {
        let scratch = Scratch::new("template-first");
        let (dir, said) = new(&scratch, "infrastructure", "first", &["--sdk-snapshot"]);
        assert!(said.contains("a snapshot of this working tree"), "{said}");
        let manifest = std::fs::read_to_string(dir.join("xtask/Cargo.toml")).expect("it was rendered");
        let pinned = |key: &str| {
            let rest = manifest.split(&format!("{key} = \"")).nth(1).expect("the SDK is pinned");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let first = First { git: pinned("git"), tag: pinned("tag"), dir, _scratch: scratch };
        let build = ["build", "--profile", "xtask", "--package", "xtask-first"];
        drop(cargo(&first._scratch, &first.dir, &build).finish().expect(0));
        first
    })
}

/// Where `cargo xtask new` made a repo, and what it said.
fn new(scratch: &Scratch, kind: &str, name: &str, pin: &[&str]) -> (PathBuf, String) {
    let dir = scratch.join(name);
    let path = dir.display().to_string();
    let args = ["new", &path, "--kind", kind, "--org", "acme", "--name", name];
    let made = sdk_xtask(scratch, &[&args, pin].concat());
    // Snapshots lie in `INFRA_HOME`: in the same place each time, what cargo compiled of the last is found again.
    let made = made.env("INFRA_HOME", repo().join("target/rendered/home")).finish().expect(0);
    (dir, made.stdout)
}
