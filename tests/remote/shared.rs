//! A secret of the organisation: kept in the vault of its own repo, read by a product at the pinned tag, never written by it.

use std::path::PathBuf;

use serde_json::Value;
use support::{Finished, Run, Scratch, WorkerApi};

struct World {
    scratch: Scratch,
    api: WorkerApi,
}

impl World {
    fn run(&self, repo: &str, args: &[&str]) -> Finished {
        let task = args[0];
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join(repo))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("USER", "ada")
            .env("CLOUDFLARE_API_BASE_URL", self.api.url())
            .env("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN)
            .env("CLOUDFLARE_ACCOUNT_ID", WorkerApi::ACCOUNT)
            .args(["--env", "staging", &format!("--yes={task}")])
            .args(args)
            .finish()
    }

    fn tag(&self, repo: &str, tag: &str) {
        let who = ["-c", "user.name=org", "-c", "user.email=org@example.com", "-c", "tag.gpgSign=false"];
        let folder: PathBuf = self.scratch.join(repo);
        let git = |args: &[&str]| drop(Run::new("git", &folder).args(who).args(args).finish().expect(0));
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--no-gpg-sign", "-m", tag]);
        git(&["tag", tag]);
    }
}

#[test]
fn a_product_reads_what_the_organisation_shares_and_can_not_write_it() {
    let world = World { scratch: Scratch::new("shared-org"), api: WorkerApi::start() };
    let scratch = &world.scratch;
    let project =
        |name: &str, kind: &str| format!("[project]\nname = \"{name}\"\nkind = \"{kind}\"\norg = \"acme\"\n");
    scratch
        .write("org/infra.toml", format!("{}[env.staging]\n", project("infrastructure", "infrastructure")));
    let made = world.run("org", &["infra:secrets:key", "--output", "json"]).expect(0);
    let made: Value = serde_json::from_str(&made.stdout).expect("it is JSON");
    let vault = format!("[vault]\nrecipients = [{}]\n", made["recipients"][0]);
    let declared = "[env.staging]\n[secrets.TRACE_KEY]\n";
    scratch
        .write("org/infra.toml", format!("{}{declared}{vault}", project("infrastructure", "infrastructure")));
    scratch.write("org/org.toml", &vault);
    scratch.write("org/.gitignore", ".env*\n");
    scratch.write("org/.env.staging", "TRACE_KEY=canary-of-the-organisation\n");
    drop(world.run("org", &["infra:secrets:setup"]).expect(0));
    world.tag("org", "v1.0.0");

    let git = format!("file://{}", scratch.join("org").display());
    scratch.write(
        "shop/infra.toml",
        format!(
            "extends = {{ git = \"{git}\", tag = \"v1.0.0\", path = \"org.toml\" }}\n{}[env.staging]\n\
             [secrets.TRACE_KEY]\nshared = \"org\"\ntargets = [\"worker\"]\n[secrets.OWN]\ntargets = [\"worker\"]\n",
            project("shop-api", "api")
        ),
    );
    scratch.write("shop/.env.staging", "OWN=canary-of-the-shop\nTRACE_KEY=canary-of-nobody\n");
    let setup = world.run("shop", &["infra:secrets:setup"]).expect(0);
    setup.says(&["TRACE_KEY", "the organisation owns it"]);
    drop(world.run("shop", &["infra:secrets:test"]).expect(0));
    drop(world.run("shop", &["infra:secrets:sync"]).expect(0));
    let held = world.api.values();
    assert_eq!(held["TRACE_KEY"], "canary-of-the-organisation");
    assert_eq!(held["OWN"], "canary-of-the-shop");
    world
        .run("shop", &["infra:secrets:rotate", "TRACE_KEY", "--", "echo", "x"])
        .expect(3)
        .says(&["extends.tag"]);
    let vault =
        std::fs::read_to_string(scratch.join("shop/infra/secrets/staging.vault")).expect("it was made");
    assert!(vault.contains("OWN") && !vault.contains("TRACE_KEY"), "the product wrote what is not its own");
}
