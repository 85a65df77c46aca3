//! `infra:cloudflare:*` as a person and a monitor use them.

use std::sync::Arc;

use infra_sdk::{App, Console, Cx, Env, Error, InfraTasks};
use serde_json::Value;
use support::{Answer, CloudflareApi, Finished, Moto, Recorder, Run, Scratch};

use crate::terraform_s3_tasks::holding;

const BUCKET: &str = "cloudflare-tasks";

/// A repo whose staging keeps its state in R2 and its secrets in a Worker, and moto as R2.
struct Repo {
    scratch: Scratch,
    api: CloudflareApi,
    moto: Arc<Moto>,
    r2: Recorder,
    token: &'static str,
}

impl Repo {
    fn new(bucket: &str, state: &str) -> Self {
        let (scratch, api, moto) = (Scratch::new(bucket), CloudflareApi::start(), Moto::shared());
        scratch.write(
            "repo/infra.toml",
            format!(
                "[project]\nname = \"shop-api\"\nkind = \"infrastructure\"\norg = \"acme\"\n\
                 [env.staging]\nzones = [\"acme.example\"]\n\
                 state = {{ backend = \"r2\", bucket = \"{bucket}\", account = \"{}\"{state} }}\n\
                 [secrets.KEY]\ntargets = [\"worker\"]\n[stack.network]\ndir = \"terraform\"\n",
                CloudflareApi::ACCOUNT
            ),
        );
        scratch.write(
            "repo/terraform/main.tf",
            "variable \"environment\" {}\nresource \"terraform_data\" \"x\" { input = 1 }\n",
        );
        let shared = Arc::clone(&moto);
        // It must be signed with the token's own keys.
        let r2 = Recorder::start(move |request| {
            let auth = request.header("authorization").unwrap_or_default();
            if !auth.contains(&format!("Credential={}/", CloudflareApi::TOKEN_ID)) {
                return Err(format!("signed as somebody else: {auth}"));
            }
            shared.answer(request).map_err(|error| error.to_string())
        });
        api.set(|world| {
            world.zones.push(("acme.example", "active"));
            world.workers.push("shop-api");
        });
        Repo { scratch, api, moto, r2, token: CloudflareApi::TOKEN }
    }

    /// The bucket on both sides of R2.
    fn make(&self, bucket: &str) {
        self.api.set(|world| world.buckets.push((bucket.into(), "default".into(), "ENAM".into())));
        self.make_objects(bucket);
    }

    fn make_objects(&self, bucket: &str) {
        self.moto.python(&format!(
            "client('s3').create_bucket(Bucket='{bucket}', CreateBucketConfiguration={{'LocationConstraint': 'eu-central-1'}})"
        ));
    }

    fn command(&self, args: &[&str]) -> Run {
        let task = args[0];
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("repo"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("USER", "ada")
            .env("CLOUDFLARE_API_TOKEN", self.token)
            .env("CLOUDFLARE_ACCOUNT_ID", CloudflareApi::ACCOUNT)
            .env("CLOUDFLARE_API_BASE_URL", self.api.url())
            .env("R2_ENDPOINT_URL", self.r2.url())
            .args(args)
            .args(["--env", "staging", &format!("--yes={task}")])
    }

    fn run(&self, args: &[&str], code: i32) -> Finished {
        self.command(args).finish().expect(code)
    }

    /// The exit code of a deploy that waits for the check, with this token, and what it printed.
    fn deploy(&self, env: &str, token: &str) -> (u8, String) {
        let text = |name: &str| self.scratch.join(name).display().to_string();
        let variables = [
            ("INFRA_HOME", text("home")),
            ("CLOUDFLARE_API_TOKEN", token.to_owned()),
            ("CLOUDFLARE_ACCOUNT_ID", CloudflareApi::ACCOUNT.to_owned()),
            ("CLOUDFLARE_API_BASE_URL", self.api.url()),
            ("R2_ENDPOINT_URL", self.r2.url()),
        ];
        let env_of_process = Env::of(variables, self.scratch.join("repo"));
        let tasks = |app: &mut App, infra: &InfraTasks| {
            let deploy = app.task("deploy").about("Ship").after(infra.cloudflare.test);
            deploy.run(|_: Cx| async { Ok::<_, Error>(()) });
        };
        let (console, seen) = Console::captured(env_of_process.clone());
        let code = infra_sdk::tasks::run(&env_of_process, console, ["deploy", "--env", env], tasks);
        (code, seen.stdout() + &seen.stderr())
    }
}

#[test]
fn a_deploy_that_waits_for_it_is_held_up_where_cloudflare_is_used_and_nowhere_else() {
    const NAME: &str = "cloudflare-deploy";
    let repo = Repo::new(NAME, "");
    repo.make(NAME);
    let (code, text) = repo.deploy("staging", repo.token);
    assert!(
        code == 0 && text.contains("Cloudflare at ") && text.contains(": ok, 7 probes, took "),
        "{code}: {text}"
    );
    let (code, text) = repo.deploy("staging", "canary-another-token");
    assert!(code != 0 && text.contains("does not accept this token"), "{code}: {text}");
    assert!(!text.contains("canary"), "{text}");
    repo.api.take();
    let (code, text) = repo.deploy("local", "canary-another-token");
    assert!(code == 0 && !text.contains("Cloudflare"), "{code}: {text}");
    assert!(repo.api.take().is_empty());
}

#[test]
fn people_and_machines_and_monitors_are_told_in_their_own_ways() {
    let repo = Repo::new(BUCKET, "");
    repo.make(BUCKET);
    let text = repo.run(&["infra:cloudflare:test"], 0).stdout;
    assert!(
        text.starts_with("Cloudflare at 127.0.0.1:") && text.contains("active, it never expires"),
        "{text}"
    );
    for told in [
        "Acme",
        "acme.example",
        "cloudflare-tasks, for Terraform state",
        "shop-api, for the store `worker`",
        "states can be read",
    ] {
        assert!(text.contains(told), "{told:?} is not in {text}");
    }
    let json: Value =
        serde_json::from_str(&repo.run(&["infra:cloudflare:test", "--output", "json"], 0).stdout).unwrap();
    assert_eq!((&json["service"], &json["state"]), (&"Cloudflare".into(), &"ok".into()));
    assert_eq!(json["probes"].as_array().unwrap().len(), 7);
    let metrics = repo.run(&["infra:cloudflare:test", "--format", "prometheus"], 0).stdout;
    assert!(metrics.contains("infra_health_up{service=\"Cloudflare\"} 1\n"), "{metrics}");
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 0).stdout;
    assert!(alert.starts_with("Cloudflare OK - 7 probes | token="), "{alert}");

    repo.api.set(|world| world.workers.clear());
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 1).stdout;
    assert!(alert.starts_with("Cloudflare WARNING - workers: "), "{alert}");
    repo.run(&["infra:cloudflare:test"], 0);
    repo.api.set(|world| world.may.retain(|group| !group.starts_with("Workers Scripts")));
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 3).stdout;
    assert!(
        alert.starts_with("Cloudflare UNKNOWN - ") && alert.contains("`Workers Scripts: Edit`"),
        "{alert}"
    );
    repo.run(&["infra:cloudflare:test"], 3).says(&["give the token the permission `Workers Scripts: Edit`"]);
    let down = Answer::Whole(502, Vec::new(), String::new());
    repo.api.set(|world| world.next = vec![Some(down.clone()); 2].into());
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 2).stdout;
    assert!(alert.starts_with("Cloudflare CRITICAL - token: "), "{alert}");
    // One answer that is missing holds nobody up.
    repo.api.set(|world| world.next = [Some(down.clone())].into());
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 3).stdout;
    assert!(alert.contains("token: ok: active"), "{alert}");
    repo.api.set(|world| world.next = vec![Some(down); 2].into());
    repo.run(&["infra:cloudflare:test"], 8).says(&["Cloudflare cannot be used", "next: "]);
    repo.run(&["infra:cloudflare:test", "--planned", "soon"], 4).says(&["is not a length of time"]);
    assert!(repo.api.take().iter().all(|request| request.method == "GET"), "it only reads");
}

#[test]
fn without_a_token_or_with_a_key_that_is_none_it_says_what_to_set() {
    let mut repo = Repo::new("cloudflare-tokens", "");
    let none = repo.command(&["infra:cloudflare:test"]).env("CLOUDFLARE_API_TOKEN", "").finish();
    none.expect(8).says(&["there is no token for Cloudflare", "CLOUDFLARE_API_TOKEN"]);
    repo.token = "canary-not-this-one";
    repo.run(&["infra:cloudflare:test"], 8).says(&["does not accept this token"]);
    repo.token = "canary two lines\n";
    let unknown = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 3);
    assert!(unknown.stdout.starts_with("UNKNOWN - the token for Cloudflare"), "{}", unknown.stdout);
    assert!(repo.r2.take().is_empty());
}

#[test]
fn the_bucket_of_state_is_made_used_and_locked_with_the_token_alone() {
    const NAME: &str = "cloudflare-set-up";
    let repo = Repo::new(NAME, ", jurisdiction = \"eu\"");
    // Objects come with the bucket; the stand-in for them is another.
    repo.make_objects(NAME);
    let missing = repo.run(&["infra:cloudflare:test"], 8);
    missing.says(&["is not there", "infra:cloudflare:setup"]);
    let planned = repo.run(&["infra:cloudflare:setup", "--dry-run"], 0).stdout;
    assert!(planned.contains("+ make the bucket in the jurisdiction eu"), "{planned}");
    repo.api.set(|world| assert!(world.buckets.is_empty(), "a dry run makes nothing"));
    let done = repo.run(&["infra:cloudflare:setup"], 0).stdout;
    assert!(
        done.contains("+ make the bucket in the jurisdiction eu") && done.contains("locks: probed"),
        "{done}"
    );
    let made = vec![(NAME.to_owned(), "eu".to_owned(), "ENAM".to_owned())];
    repo.api.set(|world| assert_eq!(world.buckets, made));
    // One way: the other task finds nothing left to do.
    let again = repo.run(&["infra:state:setup"], 0).stdout;
    assert!(again.contains(&format!("r2://{NAME} is as it should be")), "{again}");
    repo.run(&["infra:apply"], 0);
    repo.run(&["infra:plan"], 0);
    let shown = repo.run(&["infra:state:show", "network"], 0).stdout;
    assert!(shown.contains("serial 1"), "{shown}");
    let ledger = repo.run(&["infra:ledger:show"], 0).stdout;
    assert!(ledger.contains("state.setup"), "{ledger}");
    let held = holding(
        repo.scratch.path(),
        &[CloudflareApi::TOKEN, CloudflareApi::R2_SECRET, CloudflareApi::TOKEN_ID],
    );
    assert!(held.is_empty(), "the keys lie in {held:?}");
}

#[test]
fn the_worker_that_is_asked_for_is_the_one_that_releases_go_to() {
    const NAME: &str = "cloudflare-releases";
    const OTHER: &str = "0123456789abcdef0123456789abcdef";
    let repo = Repo::new(NAME, "");
    repo.make(NAME);
    repo.scratch.write("repo/wrangler.jsonc", r#"{ "name": "shop-web" }"#);
    repo.api.set(|world| world.accounts.push((OTHER.into(), "Workers of Acme".into())));
    let toml = std::fs::read_to_string(repo.scratch.join("repo/infra.toml")).unwrap();
    let deploy =
        format!("[env.staging.deploy]\ntarget = \"worker\"\nservice = \"shop-web\"\naccount = \"{OTHER}\"\n");
    repo.scratch.write("repo/infra.toml", toml + &deploy);
    let text = repo.run(&["infra:cloudflare:test"], 0).stdout;
    assert!(
        text.contains("shop-web, for releases, is made by the first rollout")
            && text.contains("Workers of Acme"),
        "{text}"
    );
    let asked = format!("/accounts/{OTHER}/workers/scripts/shop-web/secrets");
    assert!(repo.api.take().iter().any(|request| request.path.ends_with(&asked)));
    // Before the first rollout that is well: nobody is alerted.
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 0).stdout;
    assert!(alert.starts_with("Cloudflare OK - "), "{alert}");
    repo.api.set(|world| world.workers.push("shop-web"));
    let text = repo.run(&["infra:cloudflare:test"], 0).stdout;
    assert!(text.contains("shop-web, for releases") && !text.contains("first rollout"), "{text}");
}

#[test]
fn a_bucket_that_came_to_lie_elsewhere_is_said_and_used() {
    const NAME: &str = "cloudflare-elsewhere";
    let repo = Repo::new(NAME, ", location = \"weur\"");
    repo.make_objects(NAME);
    repo.api.set(|world| world.puts = Some("enam"));
    let done = repo.run(&["infra:cloudflare:setup"], 0).stdout;
    assert!(
        done.contains("+ make the bucket in weur") && done.contains("in enam, where R2 put it"),
        "{done}"
    );
    let again = repo.run(&["infra:state:setup"], 0).stdout;
    assert!(again.contains("in enam, where R2 put it") && again.contains("is as it should be"), "{again}");
    let alert = repo.run(&["infra:cloudflare:test", "--format", "nagios"], 1).stdout;
    assert!(alert.starts_with("Cloudflare WARNING - r2: "), "{alert}");
}

#[test]
fn a_service_that_wants_fewer_requests_is_waited_for_and_said_so() {
    const NAME: &str = "cloudflare-slow";
    let repo = Repo::new(NAME, "");
    repo.make(NAME);
    let slow = |seconds: &str| Answer::Whole(429, vec![("retry-after", seconds.to_owned())], String::new());
    repo.api.set(|world| world.next = [Some(slow("1"))].into());
    let done = repo.run(&["infra:cloudflare:setup"], 0);
    done.says(&["asks for fewer requests: going on in 1.0 s"]);
    repo.api.set(|world| world.next = [Some(slow("4000"))].into());
    repo.run(&["infra:cloudflare:setup"], 8).says(&["asks for fewer requests"]);
}

#[test]
fn an_environment_that_keeps_nothing_there_and_places_that_cannot_be_are_refused() {
    let repo = Repo::new("cloudflare-nothing", "");
    let toml = std::fs::read_to_string(repo.scratch.join("repo/infra.toml")).unwrap();
    let state = toml.lines().find(|line| line.starts_with("state = ")).unwrap();
    let with = |line: &str| repo.scratch.write("repo/infra.toml", toml.replace(state, line));
    with("");
    repo.run(&["infra:cloudflare:setup"], 4).says(&["keeps nothing at Cloudflare", "backend = \"r2\""]);
    let of = |rest: &str| {
        format!("state = {{ backend = \"r2\", account = \"{}\", {rest} }}", CloudflareApi::ACCOUNT)
    };
    for (rest, says) in [
        ("bucket = \"acme\", jurisdiction = \"eu\", location = \"weur\"", "the one or the other"),
        ("bucket = \"acme\", jurisdiction = \"mars\"", "jurisdiction"),
        ("bucket = \"../x\"", "is not accepted"),
        ("bucket = \"acme.state\"", "is not the name of a bucket in R2"),
        ("bucket = \"ab\"", "is not the name of a bucket"),
    ] {
        with(&of(rest));
        repo.run(&["infra:cloudflare:setup"], 4).says(&[says]);
    }
    assert!(repo.api.take().is_empty() && repo.r2.take().is_empty());
}
