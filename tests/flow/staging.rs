//! The organisation in an account: moto for AWS, a registry and a service of ECS on the loopback interface, and Terraform
//! with its state in a bucket; read back by boto3, skopeo and Terraform itself.

use std::sync::Arc;

use serde_json::{Value, json};
use support::ecs_fake::EcsFake;
use support::{DockerRegistry, Finished, Moto, Run, S3, Scratch};

const STAGING: &str = "[env.staging]\nprovider = \"aws\"\nregion = \"eu-central-1\"\naccount = \"123456789012\"\n\
                       state = { backend = \"s3\", bucket = \"flow-staging-state\" }\n";

const MAIN_TF: &str = r#"
resource "terraform_data" "vpc" { input = "vpc-main" }
output "vpc_name" { value = terraform_data.vpc.output }
output "zones" { value = ["a", "b"] }
output "api_token" {
  value     = join("-", ["canary", "api", "token", "44"])
  sensitive = true
}
"#;

struct Account {
    scratch: Scratch,
    moto: Arc<Moto>,
    s3: S3,
    ecs: EcsFake,
    registry: DockerRegistry,
}

impl Account {
    fn new() -> Self {
        let (scratch, moto, registry) =
            (Scratch::new("flow-staging"), Moto::shared(), DockerRegistry::start());
        let s3 = S3::before(&moto);
        let ecs = EcsFake::start(&json!({
            "family": "web", "tags": [],
            "containerDefinitions": [{ "name": "app", "image": "registry.example/acme/old:0.9", "essential": true }],
        }));
        scratch.write(
            "infrastructure/infra.toml",
            format!(
                "[project]\nname = \"infrastructure\"\nkind = \"infrastructure\"\norg = \"acme\"\n{STAGING}\
                 [exports]\n\"/infrastructure/network\" = {{ stack = \"network\" }}\n\
                 [stack.network]\ndir = \"terraform/network\"\n"
            ),
        );
        scratch.write("infrastructure/terraform/network/main.tf", MAIN_TF);
        scratch.write(
            "shop-api/infra.toml",
            format!(
                "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n{STAGING}registry = \"{}/acme\"\n\
                 [env.staging.deploy]\ntarget = \"ecs\"\ncluster = \"acme\"\nservice = \"web\"\ncontainer = \"app\"\n\
                 [refs]\nnetwork = \"/infrastructure/network\"\n\
                 [secrets.SESSION_KEY]\ndescription = \"Signs the session cookies\"\n\
                 [stack.queue]\ndir = \"terraform\"\n\
                 [image.app]\nfiles = \"dist\"\nentrypoint = [\"server\"]\n",
                registry.place()
            ),
        );
        scratch.write(
            "shop-api/terraform/main.tf",
            "resource \"terraform_data\" \"queue\" { input = \"jobs\" }\n",
        );
        scratch.write("shop-api/.env", "SESSION_KEY=canary-session-key-3\n");
        let account = Account { scratch, moto, s3, ecs, registry };
        account.version("one");
        account
    }

    /// Makes the program of the product anew.
    fn version(&self, text: &str) {
        let server = self.scratch.write("shop-api/dist/server", text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let runs = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(server, runs).expect("the file is ours");
        }
    }

    /// A task of one repo, confirmed.
    fn xtask(&self, repo: &str, args: &[&str], code: i32) -> Finished {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join(repo))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("HOME", self.scratch.path())
            .env("USER", "ada")
            .env("AWS_ENDPOINT_URL", self.moto.url())
            .env("AWS_ENDPOINT_URL_S3", self.s3.url())
            .env("AWS_ENDPOINT_URL_ECS", self.ecs.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(["--env", "staging", &format!("--yes={}", args[0])])
            .args(args)
            .finish()
            .expect(code)
    }

    fn infrastructure(&self, args: &[&str]) -> String {
        self.xtask("infrastructure", args, 0).stdout
    }

    fn shop(&self, args: &[&str]) -> String {
        self.xtask("shop-api", args, 0).stdout
    }

    fn json(&self, repo: &str, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let shown = self.xtask(repo, &args, 0).stdout;
        serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// The container of the revision that the service runs.
    fn running(&self) -> Value {
        let revision = self.ecs.service()["taskDefinition"].as_str().expect("it runs one").to_owned();
        let number = revision.rsplit(':').next().and_then(|number| number.parse().ok()).expect("a number");
        self.ecs.revision(number)["containerDefinitions"][0].clone()
    }

    fn python(&self, script: &str) -> String {
        self.moto.python(script)
    }
}

#[test]
fn infrastructure_publishes_and_a_product_ships_breaks_and_goes_back() {
    let account = Account::new();
    // The platform's own place first: state, locks and the ledger.
    account.xtask("infrastructure", &["infra:apply"], 5).says(&[
        "NoSuchBucket",
        "there is no such bucket",
        "infra:state:setup --env staging",
    ]);
    let made = account.infrastructure(&["infra:state:setup"]);
    assert!(made.contains("locks: probed"), "{made}");

    // Infrastructure applies and publishes; a consumer that comes too early is told so.
    account.xtask("shop-api", &["infra:refs:check"], 5).says(&["/infrastructure/network", "next:"]);
    let applied = account.infrastructure(&["infra:apply"]);
    assert!(applied.contains("network: 1 added"), "{applied}");
    let published = account.infrastructure(&["infra:refs:publish"]);
    assert!(published.contains("/infrastructure/network/vpc-name"), "{published}");
    let again = account.infrastructure(&["infra:refs:publish"]);
    assert!(again.contains("nothing to publish"), "{again}");
    // The secret in two pieces: other tests look for the whole in the list of processes.
    let read = account.python(
        "ssm = client('ssm')\nfor name in ['vpc-name', 'zones', 'api-token']:\n    \
         p = ssm.get_parameter(Name='/infrastructure/network/' + name, WithDecryption=True)['Parameter']\n    \
         print(p['Type'], p['Value'] == 'canary' + '-api-token-44' or p['Value'])",
    );
    assert_eq!(read, "String vpc-main\nStringList a,b\nSecureString True");

    // The product checks the contract, brings its secrets, and ships.
    account.shop(&["infra:refs:check"]);
    account.shop(&["infra:secrets:setup"]);
    account.shop(&["infra:secrets:sync"]);
    let applied = account.shop(&["infra:apply"]);
    assert!(applied.contains("queue: 1 added"), "{applied}");
    let shipped = account.shop(&["deploy", "--set", "VARIANT=one"]);
    assert!(shipped.contains("shop-api now runs"), "{shipped}");
    let first = account.running();
    let image = first["image"].as_str().expect("an image").to_owned();
    assert!(image.starts_with(&format!("{}/acme/shop-api/app@sha256:", account.registry.place())), "{image}");
    let secrets = first["secrets"].as_array().expect("places");
    let place = |name: &str| {
        let secret = secrets.iter().find(|secret| secret["name"] == name);
        secret.and_then(|secret| secret["valueFrom"].as_str()).unwrap_or_default().to_owned()
    };
    assert!(place("SESSION_KEY").ends_with("/shop-api/staging/SESSION_KEY"), "{first}");
    assert!(place("NETWORK_API_TOKEN").ends_with("/infrastructure/network/api-token"), "{first}");
    assert!(!first.to_string().contains("canary"), "no value travels with a task definition");

    // The image is what another client finds there.
    let (name, digest) = image.split_once('@').expect("a digest");
    let inspected = Run::new("skopeo", account.scratch.path())
        .args(["inspect", "--tls-verify=false", &format!("docker://{name}@{digest}")])
        .finish()
        .expect(0);
    let inspected: Value = serde_json::from_str(&inspected.stdout).expect("skopeo prints JSON");
    assert_eq!(inspected["Digest"], digest);

    // The next version breaks, is taken back, and the command fails with the reason.
    account.version("two");
    let failed = account.xtask("shop-api", &["deploy", "--set", "VARIANT=two", "--set", "BROKEN=1"], 1);
    failed.says(&["did not become healthy", "Essential container in task exited", "serving again"]);
    assert_eq!(account.running()["image"], image.as_str());

    // A good second one, and back to the first by its name in the ledger.
    account.shop(&["deploy", "--set", "VARIANT=two"]);
    assert_ne!(account.running()["image"], image.as_str());
    let ledger = account.json("shop-api", &["infra:ledger:show", "--mine"]);
    let entries = ledger["entries"].as_array().expect("entries");
    let release = entries.iter().find(|entry| entry["action"] == "deploy" && entry["outcome"] == "done");
    let release = release.and_then(|entry| entry["details"]["release"].as_str()).expect("the first release");
    let back = account.shop(&["infra:deploy:rollback", release]);
    assert!(back.contains("is back at"), "{back}");
    assert_eq!(account.running()["image"], image.as_str());
    account.shop(&["infra:ledger:verify"]);

    // What happened lies in the bucket, for every machine; boto3 and Terraform read the same state.
    let keys = account.python(
        "s3 = client('s3')\nfor o in s3.list_objects_v2(Bucket='flow-staging-state')['Contents']:\n    print(o['Key'])",
    );
    for key in [
        "acme/infrastructure/staging/network/terraform.tfstate",
        "acme/shop-api/staging/queue/terraform.tfstate",
    ] {
        assert!(keys.lines().any(|line| line == key), "{key} is not among\n{keys}");
    }
    assert!(!keys.contains(".tflock"), "every lock was given back:\n{keys}");
    assert_eq!(terraform_lists(&account), "terraform_data.queue\nterraform_data.vpc");
}

/// What Terraform finds in both states by itself, without this crate's settings.
fn terraform_lists(account: &Account) -> String {
    let mut found = Vec::new();
    for key in ["shop-api/staging/queue", "infrastructure/staging/network"] {
        let folder = format!("by-hand/{key}");
        let main = account.scratch.write(
            &format!("{folder}/main.tf"),
            format!(
                "terraform {{\n backend \"s3\" {{\n bucket = \"flow-staging-state\"\n key = \"acme/{key}/terraform.tfstate\"\n \
                 region = \"eu-central-1\"\n endpoints = {{ s3 = \"{}\" }}\n use_path_style = true\n \
                 skip_credentials_validation = true\n skip_requesting_account_id = true\n skip_metadata_api_check = true\n }}\n}}\n",
                account.s3.url()
            ),
        );
        let folder = main.parent().expect("it lies in a folder");
        let terraform = |args: &[&str]| {
            let run = Run::new("terraform", folder)
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test");
            run.args(args).finish().expect(0).stdout
        };
        terraform(&["init", "-input=false", "-no-color"]);
        found.push(terraform(&["state", "list"]).trim().to_owned());
    }
    found.join("\n")
}
