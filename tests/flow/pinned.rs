//! What a repo pins, through its command line: the organisation's file by tag, programs by checksum.

use std::path::PathBuf;

use infra_sdk::Digest;
use infra_sdk::tools::platform;
use support::{Run, Scratch};

use crate::tools::zip;
use crate::world::World;

/// An organisation's bare repo with an `org.toml`, and a product that extends it.
struct Pinned {
    world: World,
    work: Scratch,
}

impl Pinned {
    fn new(name: &str) -> Self {
        let pinned = Pinned { world: World::new(name), work: Scratch::new("org") };
        pinned.git(&["init", "--quiet"]);
        pinned.git(&["init", "--quiet", "--bare", &pinned.bare()]);
        pinned.publish(9, "v1.0.0");
        pinned.extend("v1.0.0");
        pinned
    }

    fn bare(&self) -> String {
        self.world.scratch.join("org.git").display().to_string()
    }

    fn git(&self, args: &[&str]) -> String {
        let who = ["-c", "user.name=org", "-c", "user.email=org@example.com", "-c", "tag.gpgSign=false"];
        let done = Run::new("git", self.work.path()).args(who).args(args).finish().expect(0);
        done.stdout.trim().to_owned()
    }

    /// Commits a file that keeps this many releases, and points the tag at it wherever it was before.
    fn publish(&self, keep: u8, tag: &str) -> String {
        self.publish_text(&format!("[deploy]\nkeep = {keep}\n"), tag)
    }

    fn publish_text(&self, text: &str, tag: &str) -> String {
        self.work.write("org.toml", text);
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--no-gpg-sign", "-m", tag]);
        self.git(&["tag", "--force", "-a", "-m", tag, tag]);
        self.git(&["push", "--quiet", "--force", &self.bare(), tag]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn extend(&self, tag: &str) {
        let path = self.world.scratch.join("shop-api/infra.toml");
        let text = std::fs::read_to_string(&path).expect("it is there");
        let rest = text.split_once("[project]").expect("it has a project").1;
        let extends = format!("extends = {{ git = \"file://{}\", tag = \"{tag}\" }}", self.bare());
        std::fs::write(&path, format!("{extends}\n[project]{rest}")).expect("it is writable");
    }

    fn lock(&self) -> PathBuf {
        self.world.scratch.join("shop-api/infra.lock")
    }

    /// Whether `infra.toml` is read with what the organisation says.
    fn keeps(&self, releases: u8) {
        let shown = self.world.shop(&["infra:config:show"], 0).stdout;
        let wanted = format!("= {releases} ");
        let found = shown.lines().any(|line| line.starts_with("deploy.keep") && line.contains(&wanted));
        assert!(found, "{shown}");
    }
}

#[test]
fn a_tag_is_locked_and_a_moved_one_is_an_error_with_both_commits_until_it_is_accepted() {
    let pinned = Pinned::new("pinned-moved");
    let before = pinned.git(&["rev-parse", "HEAD"]);
    pinned.keeps(9);
    let locked = std::fs::read_to_string(pinned.lock()).expect("a lock was written");
    assert!(locked.contains(&before) && locked.contains("sha256:"), "{locked}");
    let after = pinned.publish(3, "v1.0.0");
    assert_ne!(before, after);
    for task in ["infra:config:show", "infra:secrets:setup"] {
        let refused = pinned.world.shop(&[task], 7);
        refused.says(&["`v1.0.0` was moved", &before, &after, "cargo xtask infra:config:lock --accept`"]);
    }
    assert_eq!(std::fs::read_to_string(pinned.lock()).expect("a lock"), locked);
    // Who must stop is not kept from it.
    pinned.world.shop(&["infra:deploy:stop"], 0).says(&["warning: ", "was moved"]);
    // What the error says to run is there, shows what it would do, and does it.
    drop(pinned.world.shop(&["infra:config:lock"], 7));
    let planned = pinned.world.shop(&["infra:config:lock", "--accept", "--dry-run"], 0).stdout;
    assert!(planned.contains("would take the commit") && planned.contains(&after), "{planned}");
    assert_eq!(std::fs::read_to_string(pinned.lock()).expect("a lock"), locked);
    drop(pinned.world.shop(&["infra:config:lock", "--accept"], 0));
    pinned.keeps(3);
    assert!(std::fs::read_to_string(pinned.lock()).expect("a lock").contains(&after));
}

#[test]
fn an_environment_that_only_the_organisation_protects_is_protected_on_a_fresh_machine() {
    let pinned = Pinned::new("pinned-protected");
    pinned.publish_text("[env.production]\nprovider = \"local\"\nprotected = true\n", "v2.0.0");
    pinned.extend("v2.0.0");
    let stop = ["infra:deploy:stop", "--env", "production", "--yes=infra:deploy:stop"];
    // Nothing of the file is on this machine when it is asked for.
    pinned.world.shop(&stop, 3).says(&["production"]);
    let named = [&stop[..], &["--confirm-env", "production"]].concat();
    drop(pinned.world.shop(&named, 0));
}

#[test]
fn a_missing_tag_names_the_nearest_and_another_tag_is_an_upgrade() {
    let pinned = Pinned::new("pinned-missing");
    pinned.extend("v1.0.1");
    pinned.world.shop(&["infra:config:show"], 5).says(&["no tag `v1.0.1`", "`v1.0.0`"]);
    assert!(!pinned.lock().exists(), "something was locked");
    pinned.publish(4, "v1.1.0");
    pinned.extend("v1.1.0");
    pinned.keeps(4);
}

#[test]
fn an_unreachable_remote_is_an_error_without_a_lock_and_a_warning_with_one() {
    let pinned = Pinned::new("pinned-gone");
    let gone = || std::fs::rename(pinned.bare(), pinned.world.scratch.join("away")).expect("it is ours");
    gone();
    pinned.world.shop(&["infra:config:show"], 8).says(&["cannot be reached", "infra.lock", "next:"]);
    assert!(!pinned.lock().exists(), "something was locked");
    std::fs::rename(pinned.world.scratch.join("away"), pinned.bare()).expect("it is ours");
    pinned.keeps(9);
    gone();
    pinned.keeps(9);
    for task in ["infra:config:show", "infra:secrets:setup"] {
        pinned.world.shop(&[task], 0).says(&["warning:", "was not verified"]);
    }
}

const VERSION: &str = "9.8.7";

#[test]
fn a_tool_from_a_mirror_is_installed_only_with_its_checksum() {
    let world = World::new("pinned-tools");
    world.configure(&format!("[tools.terraform]\nversion = \"{VERSION}\"\n"));
    let program = format!("#!/bin/sh\necho Terraform v{VERSION}\n");
    let archive = zip(&[("terraform", program.as_bytes())]);
    let (name, digest) = (format!("terraform_{VERSION}_{}.zip", platform()), Digest::of(&archive));
    let file = |name: &str| format!("mirror/terraform/{VERSION}/{name}");
    world
        .scratch
        .write(&file(&format!("terraform_{VERSION}_SHA256SUMS")), format!("{}  {name}\n", digest.hex()));
    let task = |name: &str| {
        world.command("shop-api", &[name]).env("INFRA_TOOLS_MIRROR", world.scratch.join("mirror"))
    };

    world.run(task("infra:tools:check"), 5).says(&["terraform", "infra:tools:install"]);
    let other = zip(&[("terraform", b"#!/bin/sh\necho something else\n")]);
    world.scratch.write(&file(&name), &other);
    let refused = world.run(task("infra:tools:install"), 7);
    refused.says(&[digest.hex(), Digest::of(&other).hex(), "next:"]);
    let installed = world.scratch.join(format!("home/tools/terraform/{VERSION}/terraform"));
    assert!(!installed.exists(), "the wrong archive was unpacked");

    world.scratch.write(&file(&name), &archive);
    drop(world.run(task("infra:tools:install"), 0));
    assert_eq!(std::fs::read_to_string(&installed).expect("it was unpacked"), program);
    drop(world.run(task("infra:tools:check"), 0));
    let lock =
        std::fs::read_to_string(world.scratch.join("shop-api/infra.lock")).expect("a lock was written");
    assert!(lock.contains(digest.hex()), "{lock}");
    // What is locked counts from now on, whatever the mirror says.
    std::fs::remove_dir_all(world.scratch.join("home/tools")).expect("it is ours");
    world.scratch.write(&file(&name), &other);
    let sums = format!("{}  {name}\n", Digest::of(&other).hex());
    world.scratch.write(&file(&format!("terraform_{VERSION}_SHA256SUMS")), sums);
    world.run(task("infra:tools:install"), 7).says(&[digest.hex()]);
    assert!(!installed.exists(), "the changed archive was unpacked");
}
