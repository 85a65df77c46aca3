//! Syncs that a service stops in the middle, as a person sees them: told so, nothing lost, nothing written twice.

use std::collections::BTreeMap;

use support::github::{FakeGithub, Fault, On, Trouble};
use support::{Finished, Run, Scratch, WorkerApi};

/// More than a service takes before it refuses, below.
const SECRETS: usize = 40;
const TAKEN: usize = 30;

struct Shop {
    scratch: Scratch,
    fake: FakeGithub,
}

impl Shop {
    fn new(name: &str) -> Self {
        let fake = FakeGithub::start();
        fake.add_repository("acme/shop-api", 42);
        let shop = Shop { scratch: Scratch::new(name), fake };
        let mut toml = "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n[env.staging]\n\
             [store.github]\nkind = \"github\"\nwrites-per-second = 1000\n"
            .to_owned();
        let mut dotenv = String::new();
        for number in 0..SECRETS {
            toml.push_str(&format!("[secrets.S{number:02}]\ntargets = [\"github\"]\n"));
            dotenv.push_str(&format!("S{number:02}=canary-{number:02}-value\n"));
        }
        shop.scratch.write("shop/infra.toml", toml);
        shop.scratch.write("shop/.env.staging", dotenv);
        drop(shop.run("infra:secrets:setup", &[]).expect(0));
        shop
    }

    fn run(&self, task: &str, more: &[&str]) -> Finished {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("shop"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("USER", "ada")
            .env("GITHUB_API_URL", self.fake.url())
            .env("GITHUB_TOKEN", FakeGithub::TOKEN)
            .args([task, "--env", "staging", &format!("--yes={task}")])
            .args(more)
            .finish()
    }

    fn sync(&self, more: &[&str]) -> Finished {
        self.run("infra:secrets:sync", more)
    }

    /// How often each secret was written, by the fake's own count.
    fn written(&self) -> BTreeMap<String, usize> {
        let mut written = BTreeMap::new();
        for seen in self.fake.take_requests() {
            if seen.method == "PUT" && seen.status.is_some_and(|status| status < 300) {
                let name = seen.path.rsplit('/').next().unwrap_or_default().to_owned();
                *written.entry(name).or_default() += 1;
            }
        }
        written
    }
}

fn stops_and_goes_on(name: &str, fault: Fault) {
    let shop = Shop::new(name);
    shop.fake.trouble(Trouble::new(fault).on(On::Writes).after(TAKEN));
    let stopped = shop.sync(&[]).expect(8);
    assert!(stopped.stderr.contains("the sync is incomplete"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("S39") && stopped.stderr.contains("continues where it stopped"));
    let first = shop.written();
    assert_eq!(first.len(), TAKEN);

    shop.fake.recover();
    let finished = shop.sync(&[]).expect(0);
    assert!(!finished.stderr.contains("canary") && !stopped.stderr.contains("canary"));
    let second = shop.written();
    assert_eq!(second.len(), SECRETS - TAKEN, "only what was left is written");
    assert!(first.keys().all(|name| !second.contains_key(name)), "written twice");
    assert!(first.values().chain(second.values()).all(|times| *times == 1), "written twice");
    let held = shop.fake.values("repos/acme/shop-api/actions/secrets");
    assert_eq!(held.len(), SECRETS);
    assert_eq!(held["S07"], "canary-07-value");

    let nothing = shop.sync(&[]).expect(0);
    assert_eq!(shop.written().len(), 0, "{}", nothing.stdout);
}

#[test]
fn a_secondary_limit_after_thirty_writes_is_waited_out_by_the_next_run() {
    stops_and_goes_on("stopped-secondary", Fault::Secondary(Some(3600)));
}

#[test]
fn too_many_requests_after_thirty_writes_leave_ten_for_the_next_run() {
    stops_and_goes_on("stopped-429", Fault::TooMany(Some(3600)));
}

#[test]
fn a_service_that_dies_after_thirty_writes_is_asked_again_by_the_next_run() {
    stops_and_goes_on("stopped-dead", Fault::Refused);
}

#[test]
fn a_limit_that_ends_soon_is_waited_for() {
    let shop = Shop::new("stopped-shortly");
    shop.fake.trouble(Trouble::new(Fault::TooMany(Some(1))).on(On::Writes).after(TAKEN).times(1));
    let done = shop.sync(&[]).expect(0);
    assert!(done.stderr.contains("waiting 1 s"), "{}", done.stderr);
    let written = shop.written();
    assert_eq!((written.len(), written.values().sum::<usize>()), (SECRETS, SECRETS));
}

#[test]
fn what_others_changed_is_told_by_the_exit_code_and_left_alone_until_it_is_repaired() {
    let shop = Shop::new("stopped-drift");
    drop(shop.sync(&[]).expect(0));
    let place = "repos/acme/shop-api/actions/secrets";
    shop.fake.touch(place, "S03");
    shop.fake.add(place, "SOMEBODY_ELSES", None, &[]);
    drop(shop.written());
    let drifted = shop.sync(&[]).expect(7);
    assert!(drifted.stderr.contains("S03") && drifted.stderr.contains("--repair"), "{}", drifted.stderr);
    assert!(shop.written().is_empty());
    drop(shop.sync(&["--repair", "--prune"]).expect(0));
    assert_eq!(shop.written(), BTreeMap::from([("S03".to_owned(), 1)]));
    assert!(shop.fake.names(place).contains(&"SOMEBODY_ELSES".to_owned()), "a foreign name was removed");
}

#[test]
fn a_value_that_only_stands_in_dotenv_is_not_synced_behind_the_back_of_others() {
    let shop = Shop::new("stopped-stale");
    drop(shop.sync(&[]).expect(0));
    drop(shop.written());
    let path = shop.scratch.join("shop/.env.staging");
    let text = std::fs::read_to_string(&path).expect("it was written");
    std::fs::write(&path, text.replace("canary-05-value", "canary-05-other")).expect("it can be written");
    let refused = shop.sync(&[]).expect(7);
    refused.says(&["S05", ".env.staging:6", "infra:secrets:setup", "remove them"]);
    assert!(shop.written().is_empty());
    shop.run("infra:secrets:setup", &[]).expect(0).says(&["S05 gets another value"]);
    drop(shop.sync(&[]).expect(0));
    assert_eq!(shop.written(), BTreeMap::from([("S05".to_owned(), 1)]));
}

#[test]
fn a_store_that_is_down_does_not_stop_the_others() {
    let (shop, api) = (Shop::new("stopped-down"), WorkerApi::start());
    let path = shop.scratch.join("shop/infra.toml");
    let toml = std::fs::read_to_string(&path).expect("it was written");
    std::fs::write(&path, toml.replace("[\"github\"]", "[\"github\", \"worker\"]"))
        .expect("it can be written");
    shop.fake.trouble(Trouble::new(Fault::Error).on(On::All));
    let account = format!("[store.worker]\nkind = \"worker\"\naccount = \"{}\"\n", WorkerApi::ACCOUNT);
    let toml = std::fs::read_to_string(&path).expect("it was written");
    std::fs::write(&path, format!("{toml}{account}")).expect("it can be written");
    let half = Run::new(env!("CARGO_BIN_EXE_product"), &shop.scratch.join("shop"))
        .env("INFRA_HOME", shop.scratch.join("home"))
        .env("GITHUB_API_URL", shop.fake.url())
        .env("GITHUB_TOKEN", FakeGithub::TOKEN)
        .env("CLOUDFLARE_API_BASE_URL", api.url())
        .env("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN)
        .args(["infra:secrets:sync", "--env", "staging", "--yes=infra:secrets:sync"])
        .finish()
        .expect(8);
    half.says(&["the sync is incomplete", "github"]);
    assert_eq!(api.values().len(), SECRETS);
}
