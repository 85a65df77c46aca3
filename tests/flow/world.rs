//! A whole organisation in a scratch folder: an infrastructure repo, a product repo, and their `INFRA_HOME`.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Finished, Run, Scratch};

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Two repos of one organisation. What runs at the end is stopped, and nothing may be left then.
pub(crate) struct World {
    pub(crate) scratch: Scratch,
    /// Everything that any command said.
    said: RefCell<String>,
}

/// The value of the product's `SESSION_KEY`, as it is and in base64.
pub(crate) const SESSION_KEY: [&str; 2] = ["canary-session-key-1", "Y2FuYXJ5LXNlc3Npb24ta2V5LTE="];
/// The value of the infrastructure's sensitive output, likewise.
pub(crate) const API_TOKEN: [&str; 2] = ["canary-api-token-22", "Y2FuYXJ5LWFwaS10b2tlbi0yMg=="];

const INFRASTRUCTURE: &str = r#"
[project]
name = "infrastructure"
kind = "infrastructure"
org = "acme"
[exports]
"/infrastructure/network" = { stack = "network" }
[stack.network]
dir = "terraform/network"
"#;

const MAIN_TF: &str = r#"
resource "terraform_data" "vpc" { input = "vpc-main" }
output "vpc_name" { value = terraform_data.vpc.output }
output "zones" { value = ["a", "b"] }
output "api_token" {
  value     = join("-", ["canary", "api", "token", "22"])
  sensitive = true
}
"#;

const SHOP: &str = r#"
[project]
name = "shop-api"
kind = "api"
org = "acme"
[refs]
network = "/infrastructure/network"
[secrets.SESSION_KEY]
description = "Signs the session cookies"
[secrets.PEPPER]
generate = "random:32"
[image.app]
files = "dist"
entrypoint = ["service"]
"#;

impl World {
    /// The two repos, nothing applied yet.
    pub(crate) fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        scratch.write("infrastructure/infra.toml", INFRASTRUCTURE);
        scratch.write("infrastructure/terraform/network/main.tf", MAIN_TF);
        scratch.write("shop-api/infra.toml", SHOP);
        scratch.write("shop-api/.env", format!("SESSION_KEY={}\n", SESSION_KEY[0]));
        std::fs::create_dir(scratch.join("shop-api/dist")).expect("the scratch folder is writable");
        std::fs::copy(env!("CARGO_BIN_EXE_service"), scratch.join("shop-api/dist/service"))
            .expect("the service was built");
        World { scratch, said: RefCell::default() }
    }

    /// The same with a network as the infrastructure publishes it, written without terraform, and secrets set up.
    pub(crate) fn ready(name: &str) -> Self {
        let world = World::new(name);
        let store = infra_sdk::local::LocalParameters::new(world.home("local/params"));
        let network = serde_json::json!({ "vpc_name": "vpc-main", "zones": ["a", "b"] });
        let path = "/infrastructure/network".parse().expect("it is a path");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(infra_sdk::refs::publish(&store, &path, &network)).expect("the home is writable");
        world.shop(&["infra:secrets:setup"], 0);
        world
    }

    /// Adds to the product's `infra.toml`.
    pub(crate) fn configure(&self, more: &str) {
        self.scratch.write("shop-api/infra.toml", format!("{SHOP}{more}"));
    }

    /// A path below the organisation's folder of `INFRA_HOME`.
    pub(crate) fn home(&self, relative: &str) -> PathBuf {
        self.scratch.join("home/acme").join(relative)
    }

    /// A command of one repo's xtask, not started yet.
    pub(crate) fn command(&self, repo: &str, args: &[&str]) -> Run {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join(repo))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("USER", "ada")
            .args(args)
    }

    /// Runs a command to its end and notes what it said.
    pub(crate) fn run(&self, command: Run, code: i32) -> Finished {
        let finished = command.finish();
        self.said.borrow_mut().push_str(&format!("{}{}", finished.stdout, finished.stderr));
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
        finished.expect(code)
    }

    /// The product's xtask.
    pub(crate) fn shop(&self, args: &[&str], code: i32) -> Finished {
        self.run(self.command("shop-api", args), code)
    }

    /// The infrastructure's xtask.
    pub(crate) fn infrastructure(&self, args: &[&str], code: i32) -> Finished {
        self.run(self.command("infrastructure", args), code)
    }

    /// Deploys the product with these variables.
    pub(crate) fn deploy(&self, set: &[&str], code: i32) -> Finished {
        let args: Vec<&str> =
            ["deploy"].into_iter().chain(set.iter().flat_map(|set| ["--set", *set])).collect();
        self.shop(&args, code)
    }

    /// What a task of the product gives with `--output json`.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let done = self.shop(&args, 0);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
    }

    /// What the running service answers.
    pub(crate) fn get(&self, path: &str) -> String {
        let status = self.json(&["infra:deploy:status"]);
        let port = status["url"].as_str().and_then(|url| url.rsplit_once(':'));
        let port: u16 = port.and_then(|(_, port)| port.parse().ok()).unwrap_or_else(|| panic!("{status}"));
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the service listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
    }

    /// The types of all events so far, without the steps of deploys.
    pub(crate) fn events(&self) -> Vec<String> {
        lines(&self.home("local/events.jsonl"))
            .iter()
            .map(|event| event["type"].as_str().expect("a type").to_owned())
            .filter(|kind| kind != "deploy.step")
            .collect()
    }

    /// Action and outcome of all ledger entries so far, as `deploy done`.
    pub(crate) fn ledger(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        lines(&self.home("ledger.jsonl"))
            .iter()
            .map(|entry| format!("{} {}", text(&entry["action"]), text(&entry["outcome"])))
            .collect()
    }

    /// Everything that any command said so far.
    pub(crate) fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// The processes of this world's deploys.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.home("local/deploy").display().to_string();
        let all = Run::new("ps", Path::new("/")).args(["-e", "-ww", "-o", "pid=,args="]).finish();
        all.stdout.lines().filter(|line| line.contains(&folder)).map(String::from).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.home("local/deploy/shop-api").exists() {
            return;
        }
        let stopped = self.command("shop-api", &["infra:deploy:stop"]).finish();
        if !std::thread::panicking() {
            drop(stopped.expect(0));
            until("nothing is left running", || self.processes().is_empty());
        }
    }
}

/// The lines of a file of JSON lines.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a whole line of JSON")).collect()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(what, PATIENCE, holds);
}

/// The same of what takes long.
pub(crate) fn until_within(what: &str, patience: Duration, holds: impl FnMut() -> bool) {
    assert!(comes_true(patience, holds), "{what}: did not come true");
}

/// Whether something holds before patience is at its end.
pub(crate) fn comes_true(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
