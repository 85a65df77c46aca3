//! A product's secrets from `.env` to a store and back from a backup, as a person types it, for each kind of store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use infra_sdk::{Masks, SecretValue};
use serde_json::Value;
use support::github::FakeGithub;
use support::{Finished, Moto, Run, Scratch, WorkerApi};

/// A product repo with a vault, one environment that is not `local`, and one store.
struct Shop {
    scratch: Scratch,
    env: Vec<(String, String)>,
    said: String,
}

/// The value in `.env`.
const URL: &str = "https://canary-user:canary-pass@db.example/shop";

impl Shop {
    fn new(name: &str, target: &str, env: &[(&str, String)]) -> Self {
        let scratch = Scratch::new(name);
        let mut shop = Shop {
            env: env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            scratch,
            said: String::new(),
        };
        shop.configure(target, "");
        let shown = shop.json(&["infra:secrets:key"]);
        let recipient = shown["recipients"][0].as_str().expect("a public key").to_owned();
        shop.configure(target, &format!("[vault]\nrecipients = [\"{recipient}\"]\n"));
        shop.scratch.write("shop/.env.staging", format!("DATABASE_URL='{URL}'\n"));
        shop
    }

    fn configure(&self, target: &str, more: &str) {
        self.scratch.write(
            "shop/infra.toml",
            format!(
                "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n\
                 [env.staging]\nregion = \"eu-central-1\"\n\
                 [secrets.DATABASE_URL]\ntype = \"url\"\ntargets = [\"{target}\"]\n\
                 [secrets.SESSION_KEY]\ngenerate = \"random:32\"\nrotate = \"90d\"\ntargets = [\"{target}\"]\n{more}"
            ),
        );
    }

    fn command(&self, args: &[&str]) -> Run {
        let mut run = Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("shop"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("USER", "ada")
            .args(["--env", "staging"]);
        for (name, value) in &self.env {
            run = run.env(name, value);
        }
        // A task that changes something outside `local` asks; here nobody can answer.
        let task = args[0];
        let asks = ["setup", "sync", "rotate", "restore", "rekey"];
        if asks.iter().any(|last| task.ends_with(last)) {
            run = run.args([format!("--yes={task}")]);
        }
        run.args(args)
    }

    fn run(&mut self, args: &[&str], code: i32) -> Finished {
        let finished = self.command(args).finish();
        self.said.push_str(&format!("{}{}", finished.stdout, finished.stderr));
        finished.expect(code)
    }

    fn json(&mut self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let done = self.run(&args, 0);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
    }

    /// Everything that was said, and every file but `.env`, holds none of the values, in none of the spellings that are
    /// masked: as they are, in base64 at any offset, as URLs and JSON write them, line by line.
    fn shows_nothing(&self, values: &[&str]) {
        let masks = Masks::new();
        values.iter().for_each(|value| masks.add(&SecretValue::new(*value)));
        let mut texts = vec![("what was said".to_owned(), self.said.clone())];
        let mut folders: Vec<PathBuf> = vec![self.scratch.join("home"), self.scratch.join("shop")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name != ".env.staging") {
                    let bytes = std::fs::read(&path).expect("a file");
                    texts.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        for (place, text) in texts {
            assert!(masks.apply(&text) == text, "{place} shows a value");
        }
    }
}

/// The whole way; `held` gives what the store holds now, by name.
fn whole_way(shop: &mut Shop, held: &dyn Fn() -> BTreeMap<String, String>) {
    shop.run(&["infra:secrets:init"], 0);
    shop.run(&["infra:secrets:lint"], 0);
    shop.run(&["infra:secrets:test"], 5);
    shop.run(&["infra:secrets:setup"], 0);
    shop.run(&["infra:secrets:test"], 0);

    let plan = shop.run(&["infra:secrets:sync", "--dry-run"], 0);
    assert!(plan.stdout.contains("2 to create"), "{}", plan.stdout);
    assert!(held().is_empty(), "a plan wrote something");
    shop.run(&["infra:secrets:sync"], 0);
    let first = held();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["DATABASE_URL", "SESSION_KEY"]);
    assert_eq!(first["DATABASE_URL"], URL);
    let again = shop.json(&["infra:secrets:sync"]);
    assert_eq!(again["targets"][0]["unchanged"], 2, "{again}");

    let status = shop.run(&["infra:secrets:status"], 0);
    assert!(status.stdout.contains("in sync"), "{}", status.stdout);

    shop.run(&["infra:secrets:rotate", "SESSION_KEY"], 0);
    let rotated = held();
    assert_eq!(rotated["SESSION_KEY_PREVIOUS"], first["SESSION_KEY"]);
    assert_ne!(rotated["SESSION_KEY"], first["SESSION_KEY"]);
    let same = shop.run(&["infra:secrets:rotate", "SESSION_KEY"], 0);
    assert_eq!(held(), rotated, "{}", same.stdout);
    shop.run(&["infra:secrets:rotate", "SESSION_KEY", "--finish"], 0);
    let finished = held();
    assert_eq!(finished.keys().collect::<Vec<_>>(), ["DATABASE_URL", "SESSION_KEY"]);
    assert_eq!(finished["SESSION_KEY"], rotated["SESSION_KEY"]);

    handed_over(shop, &finished);

    let backup = shop.scratch.join("backup.age");
    let backup = backup.to_str().expect("a path");
    shop.run(&["infra:secrets:backup", "--out", backup], 0);
    std::fs::remove_dir_all(shop.scratch.join("shop/infra/secrets")).expect("the vault was there");
    std::fs::remove_file(shop.scratch.join("shop/.env.staging")).expect("it was there");
    shop.run(&["infra:secrets:test"], 5);
    shop.run(&["infra:secrets:restore", "--from", backup], 0);
    shop.run(&["infra:secrets:test"], 0);
    let after = shop.json(&["infra:secrets:sync"]);
    assert_eq!(after["targets"][0]["unchanged"], 2, "the state came back with the values: {after}");
    assert_eq!(held(), finished);

    let ledger = shop.run(&["infra:ledger:show"], 0);
    for action in ["secrets.write", "secrets.sync", "secrets.rotate", "secrets.backup", "secrets.restore"] {
        assert!(ledger.stdout.contains(action), "{action} is not in the ledger:\n{}", ledger.stdout);
    }
    shop.run(&["infra:ledger:verify"], 0);
    let made: Vec<&str> = [&first, &finished].iter().map(|held| held["SESSION_KEY"].as_str()).collect();
    shop.shows_nothing(&[URL, "canary-pass", made[0], made[1]]);
}

/// Programs, files and scans that take the values.
fn handed_over(shop: &mut Shop, held: &BTreeMap<String, String>) {
    let script = "echo url=$DATABASE_URL; echo key=$SESSION_KEY; echo mine=${INFRA_AGE_KEY:-none}; exit 9";
    let ran = shop.run(&["infra:secrets:exec", "--", "sh", "-c", script], 9);
    assert!(ran.stdout.contains("url=***") && ran.stdout.contains("key=***"), "{}", ran.stdout);
    assert!(ran.stdout.contains("mine=none"), "{}", ran.stdout);

    let file = shop.scratch.join("values.json");
    let path = file.to_str().expect("a path");
    shop.run(&["infra:secrets:export", "--format", "json"], 4);
    shop.run(&["infra:secrets:export", "--format", "json", "--out", path], 0);
    let written: BTreeMap<String, String> =
        serde_json::from_slice(&std::fs::read(&file).expect("it was written")).expect("it is JSON");
    assert_eq!(&written, held);
    shop.run(&["infra:secrets:export", "--format", "json", "--out", path], 7);

    let shop_folder = shop.scratch.join("shop");
    let git = |args: &[&str]| drop(Run::new("git", &shop_folder).args(args).finish().expect(0));
    git(&["init", "--quiet"]);
    shop.run(&["infra:secrets:scan"], 0);
    shop.scratch.write("shop/notes.txt", format!("see {}\n", held["SESSION_KEY"]));
    let found = shop.run(&["infra:secrets:scan"], 3);
    assert!(
        found.stdout.contains("notes.txt:1:5") && found.stdout.contains("SESSION_KEY"),
        "{}",
        found.stdout
    );
    std::fs::remove_file(shop.scratch.join("shop/notes.txt")).expect("it is there");
    shop.run(&["infra:secrets:scan", "--install-hook"], 0);
    assert!(shop.scratch.join("shop/.git/hooks/pre-commit").exists());
}

/// In CI the job's environment gives the values, and `.env` is not looked at.
#[test]
fn a_ci_job_takes_its_values_from_its_environment() {
    let api = WorkerApi::start();
    let env = [
        ("CLOUDFLARE_API_BASE_URL", api.url()),
        ("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN.to_owned()),
        ("CLOUDFLARE_ACCOUNT_ID", WorkerApi::ACCOUNT.to_owned()),
        ("CI", "true".to_owned()),
        ("DATABASE_URL", "https://canary-of-ci@db.example/".to_owned()),
    ];
    let mut shop = Shop::new("journey-ci", "worker", &env);
    let missing = shop.run(&["infra:secrets:sync"], 5);
    assert!(
        missing.stderr.contains("SESSION_KEY") && missing.stderr.contains("`env:`"),
        "{}",
        missing.stderr
    );
    shop.env.push(("SESSION_KEY".to_owned(), "canary-session-of-ci".to_owned()));
    shop.run(&["infra:secrets:sync"], 0);
    let held = api.values();
    assert_eq!(held["DATABASE_URL"], "https://canary-of-ci@db.example/");
    assert_eq!(held["SESSION_KEY"], "canary-session-of-ci");
    shop.shows_nothing(&["canary-of-ci", "canary-session-of-ci", WorkerApi::TOKEN]);
}

#[test]
fn the_whole_way_to_a_worker() {
    let api = WorkerApi::start();
    let env = [
        ("CLOUDFLARE_API_BASE_URL", api.url()),
        ("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN.to_owned()),
        ("CLOUDFLARE_ACCOUNT_ID", WorkerApi::ACCOUNT.to_owned()),
    ];
    let mut shop = Shop::new("journey-worker", "worker", &env);
    whole_way(&mut shop, &|| api.values());
    shop.shows_nothing(&[WorkerApi::TOKEN]);
}

fn github() -> (FakeGithub, [(&'static str, String); 2]) {
    let fake = FakeGithub::start();
    fake.add_repository("acme/shop-api", 42);
    fake.add_environment("acme/shop-api", "staging");
    fake.add_organisation("acme");
    let env = [("GITHUB_API_URL", fake.url()), ("GITHUB_TOKEN", FakeGithub::TOKEN.to_owned())];
    (fake, env)
}

#[test]
fn the_whole_way_to_a_repository_on_github() {
    let (fake, env) = github();
    let mut shop = Shop::new("journey-github", "github", &env);
    whole_way(&mut shop, &|| fake.values("repos/acme/shop-api/actions/secrets"));
    shop.shows_nothing(&[FakeGithub::TOKEN]);
}

#[test]
fn the_whole_way_to_an_environment_on_github() {
    let (fake, env) = github();
    let mut shop = Shop::new("journey-github-environment", "github-environment", &env);
    whole_way(&mut shop, &|| fake.values("repos/acme/shop-api/environments/staging/secrets"));
}

#[test]
fn the_whole_way_to_an_organisation_on_github() {
    let (fake, env) = github();
    let mut shop = Shop::new("journey-github-org", "github-org", &env);
    whole_way(&mut shop, &|| fake.values("orgs/acme/actions/secrets"));
}

fn aws(moto: &Moto) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", moto.url()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// What AWS's own client reads, by the last part of its name.
fn read_by_boto3(moto: &Moto, script: &str) -> BTreeMap<String, String> {
    serde_json::from_str(&moto.python(script)).expect("the script prints an object")
}

#[test]
fn the_whole_way_to_parameters_of_ssm() {
    let moto = Moto::shared();
    let mut shop = Shop::new("journey-ssm", "ssm", &aws(&moto));
    let script = "
import json
ssm = client('ssm')
pages = ssm.get_paginator('get_parameters_by_path').paginate(Path='/shop-api/staging', WithDecryption=True)
found = [p for page in pages for p in page['Parameters']]
assert all(p['Type'] == 'SecureString' for p in found)
print(json.dumps({p['Name'].rsplit('/', 1)[1]: p['Value'] for p in found}))
";
    whole_way(&mut shop, &|| read_by_boto3(&moto, script));
}

#[test]
fn the_whole_way_to_secrets_manager() {
    let moto = Moto::shared();
    let mut shop = Shop::new("journey-secrets-manager", "secrets-manager", &aws(&moto));
    let script = "
import json
sm = client('secretsmanager')
listed = [s['Name'] for s in sm.list_secrets(MaxResults=100)['SecretList'] if s['Name'].startswith('shop-api/staging/')]
print(json.dumps({n.rsplit('/', 1)[1]: sm.get_secret_value(SecretId=n)['SecretString'] for n in listed}))
";
    whole_way(&mut shop, &|| read_by_boto3(&moto, script));
}
