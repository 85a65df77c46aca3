//! References through a product's command line: a renamed field, several regions, code for Terraform.

use std::sync::Arc;

use infra_sdk::infra::Host;
use infra_sdk::process::{LineSink, Stream};
use infra_sdk::refs::{self, ParameterStore};
use infra_sdk::{Config, Env, Infra, SecretValue};
use serde::Serialize;
use support::{Finished, Moto, Recorder, Run, Scratch};

use crate::aws_refs::store_in;
use crate::aws_refs_refusals::refusal;

/// A product in an environment at AWS.
struct Product {
    scratch: Scratch,
    url: String,
}

impl Product {
    fn new(name: &str, url: String, env: &str, more: &str) -> Self {
        let scratch = Scratch::new(name);
        let settings = format!(
            "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n[env.staging]\nprovider = \"aws\"\n\
             account = \"123456789012\"\n{env}{more}"
        );
        scratch.write("shop/infra.toml", settings);
        Product { scratch, url }
    }

    fn run(&self, args: &[&str]) -> Finished {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("shop"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("USER", "ada")
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .args(["--env", "staging"])
            .args(args)
            .finish()
    }
}

fn shows(finished: &Finished, parts: &[&str]) {
    for part in parts {
        assert!(finished.stdout.contains(part), "{part:?} is not in\n{}", finished.stdout);
    }
}

/// What the product expects, see `tests/bin/product.rs`.
#[derive(Serialize)]
struct Network {
    vpc_name: String,
    zones: Vec<String>,
    log_key: SecretValue,
}

#[derive(Serialize)]
struct Renamed {
    vpc_title: String,
    zones: u32,
}

#[tokio::test]
async fn a_renamed_and_a_retyped_field_are_told_before_a_deploy() {
    let moto = Moto::shared();
    let env = "region = \"ap-southeast-2\"\n";
    let more =
        "[refs]\nnetwork = \"/renamed/network\"\n[image.app]\nfiles = \"dist\"\nentrypoint = [\"service\"]\n";
    let product = Product::new("renamed", moto.url(), env, more);
    std::fs::create_dir(product.scratch.join("shop/dist")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_service"), product.scratch.join("shop/dist/service")).unwrap();
    let missing = product.run(&["infra:refs:check"]);
    missing.says(&["network: `/renamed/network` is missing"]);
    assert_ne!(missing.code, 0);

    let (store, root) = (store_in(&moto.url(), "ap-southeast-2"), "/renamed/network".parse().unwrap());
    let network = Network {
        vpc_name: "vpc-main".into(),
        zones: vec!["a".into()],
        log_key: SecretValue::new("canary-of-the-log"),
    };
    let publisher = refs::Publisher::new(
        &"acme".parse().unwrap(),
        &"infrastructure".parse().unwrap(),
        Some("0a1b2c".into()),
    );
    let publisher = publisher.unwrap();
    let plan = refs::publish_plan(&store, &root, &network).await.unwrap().by(&publisher);
    plan.apply(&store).await.unwrap();
    let fits = product.run(&["infra:refs:check"]).expect(0);
    shows(
        &fits,
        &[
            "network: `/renamed/network`, 3 parameters",
            "fits the contract, version 1 of acme/infrastructure at 0a1b2c",
        ],
    );

    let plan =
        refs::publish_plan(&store, &root, &Renamed { vpc_title: "vpc-main".into(), zones: 2 }).await.unwrap();
    plan.by(&publisher).apply(&store).await.unwrap();
    for task in ["infra:refs:check", "deploy"] {
        let refused = product.run(&[task, "--yes=deploy"]);
        refused.says(&[
            "`/renamed/network/vpc-name` is missing; it seems to be `/renamed/network/vpc-title` now",
            "version 2 of acme/infrastructure",
        ]);
        assert_ne!(refused.code, 0);
    }
    assert!(store.present(&["/renamed/network/log-key".parse().unwrap()]).await.unwrap().is_empty());
}

#[test]
fn what_is_published_is_the_same_in_every_region() {
    let moto = Moto::shared();
    let env = "region = \"ap-northeast-1\"\nregions = [\"ap-northeast-2\", \"ap-northeast-3\"]\n";
    let product = Product::new("regions", moto.url(), env, "");
    let first = product.run(&["promise"]).expect(0);
    shows(&first, &["written, 0 removed in ap-northeast-1", "in ap-northeast-2", "in ap-northeast-3"]);
    let read = moto.python(
        "
for region in ['ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3']:
    ssm = boto3.client('ssm', region_name=region)
    told = ssm.get_parameters_by_path(Path='/shop', Recursive=True)['Parameters']
    print(region, sorted((parameter['Name'], parameter['Version']) for parameter in told))
",
    );
    let one = "[('/shop/api.contract', 1), ('/shop/api/paths', 1), ('/shop/api/version', 1)]";
    assert_eq!(read, ["1", "2", "3"].map(|number| format!("ap-northeast-{number} {one}")).join("\n"));

    // What was changed in one region is put right there, and only there.
    moto.python("boto3.client('ssm', region_name='ap-northeast-3').put_parameter(Name='/shop/api/version', Value='9', Type='String', Overwrite=True)");
    let again = product.run(&["promise"]).expect(0);
    shows(&again, &["nothing to publish in ap-northeast-2", "1 written, 0 removed in ap-northeast-3"]);
}

/// Says every line it gets, to whoever waits for one.
struct Lines(tokio::sync::mpsc::UnboundedSender<String>);

impl LineSink for Lines {
    fn line(&self, _: Stream, line: &str) {
        // Nobody may listen any more.
        let _ = self.0.send(line.to_owned());
    }
}

#[tokio::test]
async fn what_becomes_another_kind_is_told_with_what_it_waits_for() {
    let moto = Moto::shared();
    let product = Product::new("retyped", moto.url(), "region = \"ca-west-1\"\n", "");
    let vars = [
        ("INFRA_HOME", product.scratch.join("home").display().to_string()),
        ("AWS_ENDPOINT_URL", moto.url()),
        ("AWS_ACCESS_KEY_ID", "test".into()),
        ("AWS_SECRET_ACCESS_KEY", "test".into()),
    ];
    let settings = std::fs::read_to_string(product.scratch.join("shop/infra.toml")).unwrap();
    let config = Config::of_text(&settings, product.scratch.join("shop"), "staging").unwrap();
    let (told, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let host = Host { lines: Arc::new(Lines(told)), ..Host::silent() };
    let infra = Infra::open(&Env::of(vars, "/"), config, host).unwrap();
    infra.publish("/retyped/token", "open").await.unwrap();
    let secret = SecretValue::new("canary-of-a-kind");
    // It waits as long as AWS asks to, which nobody here does: what it waits for is told before.
    let line = tokio::select! {
        published = infra.publish("/retyped/token", &secret) => panic!("{published:?}"),
        line = lines.recv() => line.unwrap(),
    };
    for part in ["/retyped/token cannot become another kind where it stands", "waiting 30.0 s as AWS asks"] {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
}

#[test]
fn a_region_that_fails_says_which_ones_are_done() {
    let moto = Moto::shared();
    let behind = Arc::clone(&moto);
    let recorder = Recorder::start(move |request| {
        let there = request.header("authorization").is_some_and(|signed| signed.contains("/us-east-2/"));
        let writes = request.header("x-amz-target").is_some_and(|target| target.ends_with("PutParameter"));
        if there && writes {
            return Ok(refusal("AccessDeniedException", "no"));
        }
        behind.answer(request).map_err(|error| error.to_string())
    });
    let env = "region = \"me-south-1\"\nregions = [\"me-central-1\", \"us-east-2\"]\n";
    let product = Product::new("region-fails", recorder.url(), env, "");
    let failed = product.run(&["promise"]);
    failed.says(&[
        "publish `/shop/api` in us-east-2",
        "regions done: me-south-1, me-central-1",
        "permission: ssm:PutParameter",
        "run the same command again",
    ]);
    assert_ne!(failed.code, 0);
}

#[test]
fn an_environment_without_a_region_says_so_when_it_is_used() {
    let recorder = Recorder::start(|_| Err("nothing may be sent".into()));
    let product = Product::new("no-region", recorder.url(), "", "[refs]\nnetwork = \"/no-region/network\"\n");
    let refused = product.run(&["infra:refs:check"]);
    refused.says(&["no region of AWS is chosen", "AWS_REGION"]);
    assert_ne!(refused.code, 0);
    let _ = product.run(&["infra:config:show"]).expect(0);
}

#[derive(Serialize)]
struct Shapes {
    vpc_id: String,
    max_tasks: u32,
    ratio: f64,
    public: bool,
    ports: Vec<u16>,
    none: Vec<String>,
    zones: Vec<Zone>,
    db: Database,
    by_host: std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Zone {
    cidr_block: String,
    subnet_ids: Vec<String>,
}

#[derive(Serialize)]
struct Database {
    key: SecretValue,
    port: u16,
}

#[tokio::test]
async fn references_are_written_as_terraform_formats_and_reads_them() {
    let moto = Moto::shared();
    let store = store_in(&moto.url(), "ca-west-1");
    let zone = |cidr: &str| Zone { cidr_block: cidr.into(), subnet_ids: vec!["a".into(), "b".into()] };
    let shapes = Shapes {
        vpc_id: "vpc-1".into(),
        max_tasks: 3,
        ratio: 0.5,
        public: true,
        ports: vec![80, 443],
        none: Vec::new(),
        zones: vec![zone("10.0.0.0/16"), zone("10.1.0.0/16")],
        db: Database { key: SecretValue::new("canary-of-the-db"), port: 5432 },
        by_host: [("shop.example".to_owned(), "a".to_owned())].into(),
    };
    refs::publish(&store, &"/hcl/network".parse().unwrap(), &shapes).await.unwrap();
    moto.python("boto3.client('ssm', region_name='ca-west-1').put_parameter(Name='/hcl/domain', Value='shop.example', Type='String')");
    let env = "region = \"ca-west-1\"\n";
    let more = "[refs]\nnetwork = \"/hcl/network\"\nroot-domain = \"/hcl/domain\"\n";
    let product = Product::new("hcl", moto.url(), env, more);
    let shown = product.run(&["infra:refs:tf"]).expect(0);
    shows(&shown, &["data \"aws_ssm_parameter\" \"network_db_key\"", "# /hcl/network, version 1"]);
    let written = product.run(&["infra:refs:tf", "--out", "references.tf"]).expect(0);
    shows(&written, &["14 parameters of 2 references"]);
    let file = product.scratch.join("shop/references.tf");
    let code = std::fs::read_to_string(&file).unwrap();
    for part in [
        "vpc_id    = nonsensitive(data.aws_ssm_parameter.network_vpc_id.value)",
        "tonumber(nonsensitive(data.aws_ssm_parameter.network_max_tasks.value))",
        "key  = data.aws_ssm_parameter.network_db_key.value",
        "root_domain = nonsensitive(data.aws_ssm_parameter.root_domain.value)",
        "\"shop.example\" = nonsensitive(",
        "name = \"/hcl/network/zones/1/cidr-block\"",
    ] {
        assert!(code.contains(part), "{part}: {code}");
    }
    assert!(!code.contains("canary"));
    let folder = file.parent().unwrap();
    let _ =
        Run::new("terraform", folder).args(["fmt", "-check", "-diff", "references.tf"]).finish().expect(0);

    // The provider is not at hand: the same locals over what it would give.
    let values = moto.python(
        "
ssm = boto3.client('ssm', region_name='ca-west-1')
pages = ssm.get_paginator('get_parameters_by_path').paginate(Path='/hcl', Recursive=True, WithDecryption=True)
told = [parameter for page in pages for parameter in page['Parameters']]
print(json.dumps({parameter['Name']: parameter['Value'] for parameter in told}))
",
    );
    let values: std::collections::BTreeMap<String, String> = serde_json::from_str(&values).unwrap();
    let mut stand_in = String::from("locals {\n  parameters = {\n");
    let mut locals = String::new();
    let mut source = None;
    for line in code.lines() {
        if let Some(rest) = line.strip_prefix("data \"aws_ssm_parameter\" \"") {
            source = Some(rest.trim_end_matches("\" {").to_owned());
        } else if let (Some(name), Some(source)) = (line.strip_prefix("  name = \""), source.take()) {
            let value = serde_json::to_string(&values[name.trim_end_matches('"')]).unwrap();
            stand_in.push_str(&format!("    {source} = {{ value = sensitive({value}) }}\n"));
        }
        locals.push_str(&format!("{line}\n"));
    }
    stand_in.push_str("  }\n}\n");
    let locals = &locals[locals.find("locals {").unwrap()..];
    let locals = locals.replace("data.aws_ssm_parameter.", "local.parameters.");
    product.scratch.write("plain/main.tf", format!("{stand_in}{locals}"));
    let ask = "jsonencode({ network = merge(local.network, { db = { key = issensitive(local.network.db.key), port = \
               local.network.db.port } }), domain = local.root_domain })";
    let plain = product.scratch.join("plain");
    product.scratch.write("plain/outputs.tf", format!("output \"all\" {{\n  value = {ask}\n}}\n"));
    let _ = Run::new("terraform", &plain).args(["init", "-input=false", "-no-color"]).finish().expect(0);
    let _ = Run::new("terraform", &plain)
        .args(["apply", "-auto-approve", "-input=false", "-no-color"])
        .finish()
        .expect(0);
    let all = Run::new("terraform", &plain).args(["output", "-raw", "all"]).finish().expect(0);
    let read: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    let zone = |cidr: &str| serde_json::json!({ "cidr_block": cidr, "subnet_ids": ["a", "b"] });
    assert_eq!(
        read,
        serde_json::json!({
            "domain": "shop.example",
            "network": {
                "vpc_id": "vpc-1", "max_tasks": 3, "ratio": 0.5, "public": true, "ports": [80, 443], "none": [],
                "zones": [zone("10.0.0.0/16"), zone("10.1.0.0/16")],
                "db": { "key": true, "port": 5432 },
                "by_host": { "shop.example": "a" },
            },
        })
    );
}
