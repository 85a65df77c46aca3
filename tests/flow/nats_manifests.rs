//! `infra:nats:deploy`: files that nats-server and Terraform take, and that no key ever gets into.

use std::path::PathBuf;

use serde_json::json;
use support::{Finished, NATS_SERVER, NatsAccount, NatsServer, Run, Scratch, tool};

const INFRA_TOML: &str = r#"
[project]
name = "infrastructure"
kind = "infrastructure"
org = "acme"
[env.production]
provider = "aws"
region = "eu-central-1"
[tools.nats-server]
version = "2.15.1"
[nats-server]
operator = "infra/nats/operator.jwt"
system_account = "infra/nats/SYS.jwt"
accounts = ["infra/nats/shop.jwt"]
"#;

/// A server on ECS is in the region of its environment.
const ECS: [&str; 4] = ["--target", "ecs", "--env", "production"];

/// A repo that runs a NATS server, and an account on it.
struct Repo {
    scratch: Scratch,
    account: NatsAccount,
}

impl Repo {
    fn new(name: &str) -> Self {
        let limits = json!({ "streams": -1, "consumer": -1, "mem_storage": -1, "disk_storage": -1 });
        let (account, config) = NatsAccount::with(&limits);
        let repo = Repo { scratch: Scratch::new(name), account };
        repo.scratch.write("repo/infra.toml", INFRA_TOML);
        let word = |before: &str| {
            let rest = config.split_once(before).unwrap_or_else(|| panic!("{before} in {config}")).1;
            rest.split([',', '\n', ' ', '}']).next().unwrap_or_default().to_owned()
        };
        let system = word("system_account: ");
        repo.jwt("operator", &word("operator: "));
        repo.jwt("SYS", &word(&format!(" {system}: ")));
        repo.jwt("shop", &word(&format!(" {}: ", repo.account.public_key())));
        repo
    }

    fn jwt(&self, name: &str, text: &str) -> PathBuf {
        self.scratch.write(&format!("repo/infra/nats/{name}.jwt"), text)
    }

    fn deploy(&self, args: &[&str], code: i32) -> Finished {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("repo"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .args(["infra:nats:deploy"])
            .args(args)
            .finish()
            .expect(code)
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.scratch.join("repo/infra/nats").join(path)).expect("it was written")
    }

    /// What nats-server says of a configuration.
    fn check(&self, path: &str) {
        let server = tool(&format!("nats-server-{NATS_SERVER}/bin/nats-server"));
        let checked =
            Run::new(server, &self.scratch.join("repo/infra/nats")).args(["-t", "-c", path]).finish();
        let checked = checked.expect(0);
        assert!(format!("{}{}", checked.stdout, checked.stderr).contains("is valid"), "{}", checked.stderr);
    }
}

#[tokio::test]
async fn a_server_takes_the_files_for_ecs_and_knows_its_users() {
    let repo = Repo::new("manifests-ecs");
    let dry = repo.deploy(&["--target", "ecs", "--env", "production", "--dry-run"], 0);
    assert!(dry.stdout.contains("nats.conf: make"), "{}", dry.stdout);
    assert!(!repo.scratch.join("repo/infra/nats/ecs").exists());
    let made = repo.deploy(&["--target", "ecs", "--env", "production"], 0);
    assert!(made.stdout.contains("wrote 5 files"), "{}", made.stdout);
    repo.check("ecs/nats.conf");
    let conf = repo.file("ecs/nats.conf");
    assert!(conf.contains("sync_interval: always") && conf.contains("server_name: \"acme-nats-production\""));
    let main = repo.file("ecs/main.tf");
    assert!(main.contains("\"nats:2.15.1-alpine\""), "{main}");
    assert!(repo.file("ecs/variables.tf").contains("default     = \"eu-central-1\""));

    // The same configuration on ports and a folder of the test's own.
    let own: Vec<String> = conf
        .lines()
        .filter(|line| !line.starts_with("listen:") && !line.starts_with("http:"))
        .map(|line| line.replace("/data/jetstream", "{store}"))
        .collect();
    let server = NatsServer::start_with(&own.join("\n"));
    let creds = repo.scratch.write("user.creds", repo.account.user("ada"));
    let options = async_nats::ConnectOptions::new().credentials_file(&creds).await.expect("credentials");
    let client = options.connect(server.url()).await.expect("it knows the user");
    let jetstream = async_nats::jetstream::new(client);
    let stream = async_nats::jetstream::stream::Config { name: "kept".into(), ..Default::default() };
    jetstream.create_stream(stream).await.expect("it keeps streams");
    assert!(async_nats::connect(server.url()).await.is_err(), "it takes strangers");
}

#[test]
fn terraform_takes_the_files_for_ecs() {
    let repo = Repo::new("manifests-terraform");
    let _ = repo.deploy(&["--target", "ecs", "--env", "production"], 0);
    let folder = repo.scratch.join("repo/infra/nats/ecs");
    let formatted = Run::new("terraform", &folder).args(["fmt", "-check", "-diff"]).finish().expect(0);
    // It reads them to format them; what the resources take only the provider of AWS knows.
    assert_eq!(formatted.stdout, "");
}

#[test]
fn a_server_takes_the_files_for_cloudflare_and_their_limits_are_told() {
    let repo = Repo::new("manifests-cloudflare");
    let made = repo.deploy(&["--target", "cloudflare"], 0);
    assert!(made.stdout.contains("wrote 5 files"), "{}", made.stdout);
    repo.check("cloudflare/nats.conf");
    assert!(!repo.file("cloudflare/nats.conf").contains("jetstream {"));
    assert!(repo.file("cloudflare/Dockerfile").contains("FROM nats:2.15.1-alpine\n"));
    let json: String = repo
        .file("cloudflare/wrangler.jsonc")
        .lines()
        .filter(|line| !line.trim().starts_with("//"))
        .collect();
    let wrangler: serde_json::Value = serde_json::from_str(&json).expect("JSON with comments");
    assert_eq!(
        wrangler["containers"][0]["class_name"],
        wrangler["durable_objects"]["bindings"][0]["class_name"]
    );
    let readme = repo.file("cloudflare/README.md");
    for told in ["No plain NATS", "No JetStream"] {
        assert!(readme.contains(told), "{readme}");
    }
}

#[test]
fn what_somebody_changed_stays_until_a_word_is_said() {
    let repo = Repo::new("manifests-changed");
    let _ = repo.deploy(&ECS, 0);
    let again = repo.deploy(&ECS, 0);
    assert!(again.stdout.contains("nothing to write"), "{}", again.stdout);
    let mine = repo.file("ecs/main.tf").replace("retention_in_days = 30", "retention_in_days = 365");
    repo.scratch.write("repo/infra/nats/ecs/main.tf", &mine);
    let other = INFRA_TOML.replace("[nats-server]\n", "[nats-server]\nname = \"mq\"\n");
    repo.scratch.write("repo/infra.toml", other);
    repo.deploy(&ECS, 7).says(&["main.tf", "--changed keep", "--changed overwrite"]);
    assert!(!repo.file("ecs/nats.conf").contains("\"mq\""), "something was written");
    let kept = repo.deploy(&[&ECS[..], &["--changed", "keep"]].concat(), 0);
    assert!(kept.stdout.contains("kept, changed by hand: main.tf"), "{}", kept.stdout);
    assert!(repo.file("ecs/nats.conf").contains("\"mq\"") && repo.file("ecs/main.tf") == mine);
    let _ = repo.deploy(&[&ECS[..], &["--changed", "overwrite"]].concat(), 0);
    assert!(repo.file("ecs/main.tf").contains("retention_in_days = 30"));
}

#[test]
fn a_key_and_whatever_is_not_of_this_server_is_refused() {
    let repo = Repo::new("manifests-refused");
    let good = repo.file("shop.jwt");
    let creds = repo.account.user("ada");
    repo.jwt("shop", &creds);
    let refused = repo.deploy(&ECS, 4);
    refused.says(&["infra/nats/shop.jwt", "holds a key", "out of the repo"]);
    let seed = creds.lines().find(|line| line.starts_with("SU")).expect("a seed");
    assert!(!refused.stderr.contains(seed));
    repo.jwt("shop", &Repo::new("manifests-others").file("shop.jwt"));
    repo.deploy(&ECS, 4).says(&["not made by the operator"]);
    repo.jwt("shop", &repo.file("operator.jwt"));
    repo.deploy(&ECS, 4).says(&["about `operator`, not about an account"]);
    repo.jwt("shop", &good[..good.len() - 4]);
    repo.deploy(&ECS, 4).says(&["infra/nats/shop.jwt", "signature", "nsc describe"]);
    repo.jwt("shop", &repo.file("SYS.jwt"));
    repo.deploy(&ECS, 4).says(&["the system account is named as an account for repos"]);
    repo.jwt("shop", &good);
    let set = |settings: &str| {
        repo.scratch.write(
            "repo/infra.toml",
            INFRA_TOML.replace("[nats-server]\n", &format!("[nats-server]\n{settings}\n")),
        );
    };
    set("image = \"nats:latest\"");
    repo.deploy(&ECS, 4).says(&["nats:latest", "exact version"]);
    set("image = \"nats:2.15.1\"");
    repo.deploy(&ECS, 4).says(&["has no shell", "-alpine"]);
    set("");
    repo.deploy(&["--target", "ecs"], 4).says(&["needs a region", "--env production"]);
    set("store = \"lots\"");
    repo.deploy(&ECS, 4).says(&["`10GB`"]);
    repo.scratch.write("repo/infra.toml", "[project]\nname = \"i\"\nkind = \"api\"\norg = \"acme\"\n");
    repo.deploy(&["--target", "ecs"], 5).says(&["who runs the NATS server", "nsc"]);
    repo.deploy(&["--target", "mars"], 2).says(&["ecs"]);
    assert!(!repo.scratch.join("repo/infra/nats/ecs").exists());
}
