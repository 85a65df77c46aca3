//! `infra:deploy:*` on ECS through a product's command line, and the guards before anything is written.

use infra_sdk::infra::Host;
use infra_sdk::{Config, Env, Infra};
use serde_json::json;
use support::ecs_fake::{Course, EcsFake};
use support::{Answer, Finished, Moto, Run, Scratch};

use crate::aws_ecs::{deploy_to, fields, spec, target};

const PROJECT: &str = "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n";
/// Without a bucket whose locks all machines share, and saying that this one is enough.
const DEPLOY: &str = "[deploy]\ntarget = \"ecs\"\ncluster = \"acme\"\nservice = \"web\"\ncontainer = \"app\"\nhealth = \"\"\n\
                      lock = \"machine\"\n";

/// A product whose staging is the account 123456789012, unless `account` says otherwise.
fn product(name: &str, account: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let staging =
        format!("[env.staging]\nprovider = \"aws\"\nregion = \"eu-central-1\"\naccount = \"{account}\"\n");
    scratch.write("repo/infra.toml", format!("{PROJECT}{staging}{DEPLOY}"));
    scratch
}

fn run(scratch: &Scratch, url: &str, args: &[&str]) -> Run {
    Run::new(env!("CARGO_BIN_EXE_product"), &scratch.join("repo"))
        .env("INFRA_HOME", scratch.join("home"))
        .env("USER", "ada")
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args(["--env", "staging", &format!("--yes={}", args[0])])
        .args(args)
}

fn xtask(scratch: &Scratch, fake: &EcsFake, args: &[&str], code: i32) -> Finished {
    run(scratch, &fake.url(), args).finish().expect(code)
}

/// What was written since the last call.
fn writes(fake: &EcsFake) -> Vec<String> {
    let requests = fake.requests().into_iter().map(|(operation, _)| operation);
    requests
        .filter(|operation| !["Describe", "List", "Get"].iter().any(|read| operation.starts_with(read)))
        .collect()
}

#[tokio::test]
async fn releases_are_shown_rolled_back_and_stopped() {
    let (fake, scratch) = (EcsFake::start(&fields()), product("ecs-tasks", "123456789012"));
    for version in ["1.0.0", "1.1.0"] {
        deploy_to(&target(&fake), version).await.unwrap();
    }
    let status = xtask(&scratch, &fake, &["infra:deploy:status"], 0);
    assert!(status.stdout.starts_with("1.1.0 (web:3) is healthy\n  by ada"), "{}", status.stdout);
    let history = xtask(&scratch, &fake, &["infra:deploy:history"], 0).stdout;
    assert!(
        history.starts_with("current  web:3  1.1.0") && history.contains("\ngood     web:2  1.0.0"),
        "{history}"
    );

    // Two looks, so that there is something to tell.
    fake.next(Course::Completes(3));
    let back = xtask(&scratch, &fake, &["infra:deploy:rollback"], 0);
    assert!(back.stdout.contains("shop-api is back at 1.0.0 (web:2)"), "{}", back.stdout);
    back.says(&[
        "starting 1.0.0 (web:2)",
        "not healthy yet: 0 of 2 tasks run, 1 starting",
        "is healthy after",
    ]);

    let stopped = xtask(&scratch, &fake, &["infra:deploy:stop"], 0);
    assert!(stopped.stdout.contains("stopped release web:2"), "{}", stopped.stdout);
    assert_eq!(fake.service()["desiredCount"], 0);
    let logs = xtask(&scratch, &fake, &["infra:deploy:logs"], 0).stdout;
    assert!(
        logs.contains("app prints to CloudWatch: aws logs tail /ecs/web --region eu-central-1"),
        "{logs}"
    );
    xtask(&scratch, &fake, &["infra:deploy:rollback", "web:77"], 5)
        .says(&["web:77 is not kept, and not in the ledger", "did you mean"]);
    let ledger = xtask(&scratch, &fake, &["infra:ledger:show", "--output", "json"], 0).stdout;
    for part in
        ["\"release\": \"web:2\"", "\"image\": \"shop-api/app\"", "\"digest\": \"sha256:", "rollback failed"]
    {
        let shown = ledger.replace("\"action\": \"rollback\"", "rollback").replace("\":\"", "\": \"");
        assert!(part == "rollback failed" || shown.contains(part), "{part} is not in\n{ledger}");
    }
}

#[tokio::test]
async fn a_release_that_fails_ends_the_command_with_the_reason() {
    let (fake, scratch) = (EcsFake::start(&fields()), product("ecs-fails", "123456789012"));
    for version in ["1.0.0", "1.1.0"] {
        deploy_to(&target(&fake), version).await.unwrap();
    }
    fake.next(Course::Fails {
        at: 1,
        reason: "ResourceInitializationError: unable to pull secrets or registry auth: AccessDeniedException",
        container: ("", 0),
        goes_back: false,
    });
    fake.next(Course::Completes(1));
    let failed = run(&scratch, &fake.url(), &["infra:deploy:rollback"]).finish();
    assert_ne!(failed.code, 0);
    failed.says(&[
        "1.0.0 (web:2) did not become healthy: ECS deployment circuit breaker: tasks failed to start",
        "unable to pull secrets or registry auth: AccessDeniedException",
        "ssm:GetParameters",
        "going back to 1.1.0 (web:3)",
        "serving again: 1.1.0 (web:3)",
    ]);
}

#[tokio::test]
async fn without_a_lock_that_all_machines_share_nothing_is_rolled_out_unless_it_is_said() {
    let (fake, scratch) = (EcsFake::start(&fields()), product("ecs-no-lock", "123456789012"));
    deploy_to(&target(&fake), "1.0.0").await.unwrap();
    let settings = std::fs::read_to_string(scratch.join("repo/infra.toml")).unwrap();
    let quiet = settings.replace("lock = \"machine\"\n", "");
    let on_this_machine =
        quiet.replace("[env.staging]\n", "[env.staging]\nstate = { backend = \"local\" }\n");
    fake.requests();
    for (settings, ci) in [(&quiet, "true"), (&quiet, ""), (&on_this_machine, "")] {
        scratch.write("repo/infra.toml", settings);
        for task in ["infra:deploy:rollback", "infra:deploy:stop"] {
            let told = run(&scratch, &fake.url(), &[task]).env("CI", ci).finish();
            told.expect(4).says(&[
                "no lock that all machines share guards rollouts here, so nothing was touched",
                "environment: staging",
                "state = { backend = \"s3\", bucket = \"…\" }",
                "[env.staging]",
                "lock = \"machine\"",
            ]);
        }
    }
    assert!(writes(&fake).is_empty());
    xtask(&scratch, &fake, &["infra:deploy:status"], 0);
    scratch.write("repo/infra.toml", &settings);
    xtask(&scratch, &fake, &["infra:deploy:stop"], 0);
}

#[tokio::test]
async fn nothing_is_written_to_another_account_and_what_it_has_is_not_told_as_this_ones() {
    let (fake, scratch) = (EcsFake::start(&fields()), product("ecs-account", "999999999999"));
    for task in ["infra:deploy:status", "infra:deploy:history", "infra:deploy:stop"] {
        xtask(&scratch, &fake, &[task], 3).says(&[
            "these credentials are of another account, so nothing was read or written",
            "wanted: 999999999999, account: 123456789012, identity: arn:aws:sts::123456789012:assumed-role/deployer/ci",
            "AWS_PROFILE",
        ]);
        let asked: Vec<String> = fake.requests().into_iter().map(|(operation, _)| operation).collect();
        assert_eq!(asked, ["GetCallerIdentity"], "{task}");
    }
}

#[tokio::test]
async fn nothing_is_written_while_two_regions_are_named() {
    let (fake, scratch) = (EcsFake::start(&fields()), product("ecs-region", "123456789012"));
    let finished = run(&scratch, &fake.url(), &["infra:deploy:stop"]).env("AWS_REGION", "us-east-1").finish();
    finished.expect(3).says(&[
        "two regions are named",
        "infra.toml: eu-central-1",
        "us-east-1",
        "unset AWS_REGION",
    ]);
    assert!(writes(&fake).is_empty());
    // Also where no account is named.
    let settings = std::fs::read_to_string(scratch.join("repo/infra.toml")).unwrap();
    scratch.write("repo/infra.toml", settings.replace("account = \"123456789012\"\n", ""));
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        let stop = run(&scratch, &fake.url(), &["infra:deploy:stop"]).env(variable, "us-east-1").finish();
        stop.expect(3).says(&["two regions are named", "us-east-1"]);
    }
    assert!(fake.requests().iter().all(|(operation, _)| operation != "GetCallerIdentity"));
    assert!(writes(&fake).is_empty());
}

#[tokio::test]
async fn an_expired_token_says_how_to_sign_in() {
    let (fake, scratch) = (EcsFake::start(&fields()), product("ecs-expired", "123456789012"));
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included in \
                the request is expired</Message></Error><RequestId>request-7</RequestId></ErrorResponse>";
    let headers = vec![("content-type", "text/xml".to_owned()), ("x-amzn-requestid", "request-7".to_owned())];
    fake.fault("GetCallerIdentity", Answer::Whole(403, headers, body.into()));
    xtask(&scratch, &fake, &["infra:deploy:stop"], 3).says(&[
        "the credentials for AWS have expired",
        "code: ExpiredToken",
        "request: request-7",
        "aws sso login",
    ]);
    assert!(writes(&fake).is_empty());
}

#[test]
fn what_does_not_roll_out_needs_no_region() {
    let scratch = Scratch::new("ecs-no-region");
    scratch.write("repo/infra.toml", format!("{PROJECT}{DEPLOY}"));
    let run = |task: &str| {
        Run::new(env!("CARGO_BIN_EXE_product"), &scratch.join("repo"))
            .env("INFRA_HOME", scratch.join("home"))
            .args([task])
            .finish()
    };
    drop(run("infra:ledger:show").expect(0));
    run("infra:deploy:status").expect(4).says(&[
        "target = \"ecs\" cannot be used",
        "no region of AWS is chosen",
        "AWS_REGION",
    ]);
}

/// References of an environment whose parameters are files: no task can read those.
#[tokio::test]
async fn references_that_a_task_cannot_read_become_plain_and_secret_ones_are_listed() {
    #[derive(serde::Serialize)]
    struct Network {
        vpc_id: &'static str,
        zones: [&'static str; 2],
        password: infra_sdk::SecretValue,
    }
    let scratch = Scratch::new("ecs-references");
    let settings = format!("{PROJECT}[env.staging]\n{DEPLOY}[refs]\nnetwork = \"/infrastructure/network\"\n");
    let vars = [("INFRA_HOME", scratch.path().to_str().unwrap()), ("AWS_REGION", "eu-central-1")];
    let config = Config::of_text(&settings, scratch.path(), "staging").unwrap();
    let infra = Infra::open(&Env::of(vars, scratch.path()), config, Host::silent()).unwrap();
    let error = infra.with_surroundings(spec("1")).await.unwrap_err();
    assert_eq!(error.kind(), infra_sdk::ErrorKind::NotFound, "a reference that leads nowhere: {error:?}");

    let path = "/infrastructure/network".parse().unwrap();
    let password = infra_sdk::SecretValue::new("canary-network");
    let network = Network { vpc_id: "vpc-1", zones: ["a", "b"], password };
    infra_sdk::refs::publish(&*infra.ports().params, &path, &network).await.unwrap();
    let error = infra.with_surroundings(spec("1")).await.unwrap_err().to_string();
    assert!(
        error.contains("in no store that it reads: NETWORK_PASSWORD (/infrastructure/network/password)"),
        "{error}"
    );
    assert!(!error.contains("canary"));

    let given = spec("1").env("NETWORK_PASSWORD", "given by the task itself");
    let given = infra.with_surroundings(given).await.unwrap();
    assert_eq!((given.env["NETWORK_VPC_ID"].as_str(), given.env["NETWORK_ZONES"].as_str()), ("vpc-1", "a,b"));
    assert!(given.from.is_empty() && given.env["NETWORK_PASSWORD"].starts_with("given"));
}

/// The same guards where secrets are written, against the emulator: it says what reached it.
#[test]
fn no_secret_is_written_to_another_account_or_region() {
    let moto = Moto::shared();
    let secrets = "[secrets.GUARDED]\ntargets = [\"ssm\"]\n[store.ssm]\nkind = \"ssm\"\nprefix = \"/guards/staging/\"\n";
    for (account, region, code, says) in [
        ("999999999999", None, 3, "another account"),
        ("123456789012", Some("us-east-1"), 3, "two regions"),
        ("123456789012", None, 0, ""),
    ] {
        let scratch = product("guards", account);
        let settings = std::fs::read_to_string(scratch.join("repo/infra.toml")).unwrap();
        scratch.write("repo/infra.toml", format!("{settings}{secrets}"));
        scratch.write("repo/.env.staging", "GUARDED=canary-of-the-guards\n");
        drop(run(&scratch, &moto.url(), &["infra:secrets:setup"]).finish().expect(0));
        if says == "another account" {
            let dry = run(&scratch, &moto.url(), &["infra:secrets:sync", "--dry-run"]).finish();
            dry.expect(code).says(&[says]);
        }
        let sync = run(&scratch, &moto.url(), &["infra:secrets:sync"]);
        let sync = if let Some(region) = region { sync.env("AWS_REGION", region) } else { sync };
        sync.finish().expect(code).says(&[says]);
        let held = moto.python(
            "print(len(client('ssm').get_parameters(Names=['/guards/staging/GUARDED'])['Parameters']))",
        );
        assert_eq!(held, if code == 0 { "1" } else { "0" });
    }
}

/// What a release gets on ECS, with the stores that the emulator has.
#[tokio::test]
async fn secrets_reach_a_task_by_their_places_and_all_that_do_not_are_listed() {
    let moto = Moto::shared();
    let secrets = "[secrets.IN_SSM]\ntargets = [\"github\", \"parameters\"]\n\
                   [secrets.IN_MANAGER]\ntargets = [\"manager\"]\n\
                   [secrets.UNSYNCED]\ntargets = [\"parameters\"]\n\
                   [secrets.MAYBE]\ntargets = [\"parameters\"]\noptional = true\n\
                   [secrets.AT_GITHUB]\ntargets = [\"github\"]\n\
                   [store.parameters]\nkind = \"ssm\"\nprefix = \"/places/staging/\"\n\
                   [store.manager]\nkind = \"secrets-manager\"\nprefix = \"places/staging/\"\n";
    let arn = moto.python(
        "for value in ['canary-one', 'canary-two']:\n  client('ssm').put_parameter(Name='/places/staging/IN_SSM', Value=value, Type='SecureString', Overwrite=True)\n\
         made = client('secretsmanager').create_secret(Name='places/staging/IN_MANAGER', SecretString='canary-three')\n\
         print(made['ARN'])",
    );
    let staging =
        "[env.staging]\nprovider = \"aws\"\nregion = \"eu-central-1\"\naccount = \"123456789012\"\n";
    let scratch = Scratch::new("places");
    let infra = |left_out: &[&str]| {
        let kept = left_out.iter().fold(format!("{PROJECT}{staging}{DEPLOY}{secrets}"), |text, name| {
            text.replace(&format!("[secrets.{name}]\n"), &format!("[secrets.{name}]\noptional = true\n"))
        });
        let vars = [
            ("INFRA_HOME", scratch.path().to_str().unwrap()),
            ("AWS_ENDPOINT_URL", &moto.url()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::of_text(&kept, scratch.path(), "staging").unwrap();
        Infra::open(&Env::of(vars, scratch.path()), config, Host::silent()).unwrap()
    };
    let error = infra(&[]).with_surroundings(spec("1")).await.unwrap_err();
    let told = error.report().to_string();
    for part in [
        "2 secrets are not where the service can read them",
        "in no store that it reads: AT_GITHUB",
        "not synced: UNSYNCED",
        "`secrets-manager`",
        "infra:secrets:sync",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let spec = infra(&["AT_GITHUB", "UNSYNCED"]).with_surroundings(spec("1")).await.unwrap();
    assert!(spec.secrets.is_empty() && !format!("{spec:?}").contains("canary"));
    let places: Vec<(&str, &str)> =
        spec.from.iter().map(|(name, from)| (name.as_str(), from.place.as_str())).collect();
    assert_eq!(places, [("IN_MANAGER", arn.as_str()), ("IN_SSM", "/places/staging/IN_SSM")]);
    assert_eq!(spec.from["IN_SSM"].version.as_deref(), Some("2"));
    assert!(spec.from["IN_MANAGER"].version.is_some());
    assert_eq!(serde_json::to_value(&spec.from["IN_SSM"]).unwrap()["place"], json!("/places/staging/IN_SSM"));
}
