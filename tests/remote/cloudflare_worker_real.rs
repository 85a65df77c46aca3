//! The same with the real wrangler: what it bundles, sends and writes is what the target counts on.

use infra_sdk::deploy::{DeployTarget, Outcome, rollback, rollout, stop};
use infra_sdk::infra::Host;
use infra_sdk::{Config, Digest, ErrorKind, Infra};
use serde_json::{Value, json};
use support::Scratch;
use support::worker_fake::{WorkerFake, metadata};
#[cfg(unix)]
use support::wrangler::WranglerDev;
use support::wrangler::{WRANGLER, real_wrangler};

use crate::cloudflare_worker::{SECRET, World, deploy_to, options, spec};

fn world(name: &str) -> World {
    let world = World::new(name);
    real_wrangler(world.repo.path());
    world.repo.write("src/greet.ts", "export const greet = (name: string): string => `hello ${name}`;\n");
    world.repo.write(
        "src/index.ts",
        "import { greet } from \"./greet\";\nexport default { fetch(): Response { return new Response(greet(\"x\")); } };\n",
    );
    world.repo.write("public/robots.txt", "User-agent: *\n");
    world.repo.write(
        "wrangler.toml",
        "name = \"whatever\"\nmain = \"src/index.ts\"\ncompatibility_date = \"2026-11-01\"\n[vars]\nREGION = \"eu\"\n\
         [env.staging.vars]\nREGION = \"eu-1\"\n[env.production]\n",
    );
    std::fs::remove_file(world.repo.join("wrangler.jsonc")).unwrap();
    world
}

#[tokio::test]
async fn wrangler_makes_the_worker_uploads_versions_and_is_never_needed_to_go_back() {
    let world = world("wrangler-real");
    let target = world.target();
    let first = deploy_to(&target, "1.0.0-rc.1").await.unwrap();
    assert_eq!(first.outcome, Outcome::RolledOut);
    let id = first.release.id.to_string();
    let bound = world.fake.bindings(&id);
    assert_eq!(bound["REGION"], json!({ "name": "REGION", "type": "plain_text", "text": "eu-1" }));
    assert_eq!(bound["TOKEN"], json!({ "name": "TOKEN", "type": "secret_text", "text": SECRET }));
    assert_eq!(bound["VERSION"]["text"], "1.0.0-rc.1");

    let sent = world.fake.take();
    let uploads: Vec<&support::Request> =
        sent.iter().filter(|one| one.method == "POST" && one.path.ends_with("/versions")).collect();
    assert_eq!(uploads.len(), 1);
    let body = String::from_utf8_lossy(&uploads[0].body).into_owned();
    assert!(body.contains("hello ${name}") && !body.contains("infra-wrangler-"), "{body}");
    let theirs = sent
        .iter()
        .filter(|one| one.header("user-agent").is_some_and(|agent| agent.starts_with("wrangler/")));
    let theirs: Vec<&str> = theirs.filter_map(|one| one.header("authorization")).collect();
    assert!(!theirs.is_empty() && theirs.iter().all(|one| *one == format!("Bearer {}", WorkerFake::TOKEN)));
    assert!(sent.iter().all(|one| !one.path.contains("canary")), "the account of `.env` was asked");

    // The same bytes, bundled again, are the same release.
    assert_eq!(deploy_to(&target, "1.0.0-rc.1").await.unwrap().outcome, Outcome::Unchanged);
    world.repo.write("src/greet.ts", "export const greet = (name: string): string => `good day ${name}`;\n");
    let second = deploy_to(&target, "1.1.0").await.unwrap();
    assert_eq!(second.before.unwrap().id, first.release.id);
    world.fake.take();
    rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    stop(&target, "ada").await.unwrap();
    let agents =
        |one: &support::Request| one.header("user-agent").unwrap_or_default().starts_with("wrangler/");
    assert!(!world.fake.take().iter().any(agents));
    assert_eq!(deploy_to(&target, "1.0.0-rc.1").await.unwrap().outcome, Outcome::RolledOut);
    world.is_tidy();
}

/// What a recorder cannot say: that the runtime Cloudflare serves with takes the upload for a Worker, and binds it so.
#[cfg(unix)]
#[tokio::test]
async fn what_was_uploaded_runs_in_wrangler_dev_with_all_it_was_given() {
    let world = world("wrangler-dev");
    world.repo.write(
        "src/index.ts",
        "import { greet } from \"./greet\";\ninterface Env { REGION: string; TOKEN: string; VERSION: string }\n\
         export default { fetch(_: Request, env: Env): Response {\n\
         return new Response(`${greet(\"x\")} ${env.REGION} ${env.TOKEN} ${env.VERSION}`); } };\n",
    );
    let target = world.target();
    let released = deploy_to(&target, "1.0.0-rc.1").await.unwrap();
    let bound = world.fake.bindings(released.release.id.as_str());
    let sent = world.fake.take();
    let upload = sent.iter().rfind(|one| one.method == "POST" && one.path.ends_with("/versions")).unwrap();
    let (described, code) = metadata(upload).unwrap();

    let served = Scratch::new("wrangler-dev-served");
    let of_kind = |kind: &'static str| bound.iter().filter(move |(_, one)| one["type"] == kind);
    let vars: Value = of_kind("plain_text").map(|(name, one)| (name.clone(), one["text"].clone())).collect();
    let secrets = of_kind("secret_text").map(|(name, one)| format!("{name}={}\n", one["text"]));
    served.write(".dev.vars", secrets.collect::<String>());
    let main = described["main_module"].as_str().unwrap();
    served.write(main, code);
    let settings = json!({
        "name": "served", "main": main, "compatibility_date": described["compatibility_date"], "vars": vars,
    });
    served.write("wrangler.json", settings.to_string());
    let dev = WranglerDev::start(served.path());
    let (said, wanted) = (dev.answer(), format!("hello x eu-1 {SECRET} 1.0.0-rc.1"));
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains(&wanted), "{said}");
}

#[tokio::test]
async fn what_wrangler_refuses_is_told_in_its_words() {
    let world = world("wrangler-refuses");
    world.fake.exists();
    let target = world.target();
    world.repo.write("src/index.ts", "import x from \"./nowhere\";\nexport default x;\n");
    let error = deploy_to(&target, "1").await.unwrap_err();
    let report = error.report().to_string();
    assert!(report.contains("nowhere") && report.contains("wrangler deploy"), "{report}");

    world.repo.write("src/index.ts", "export default { fetch() { return new Response(\"x\"); } };\n");
    world.fake.fault("POST versions", WorkerFake::refusal(403, 10000, "Authentication error"));
    let error = deploy_to(&target, "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let report = error.report().to_string();
    assert!(report.contains("Workers Scripts: Edit") && !report.contains("canary"), "{report}");
    assert!(report.contains("/versions"), "which request was refused stands in it: {report}");
    assert_eq!(world.fake.versions().len(), 1);
    world.is_tidy();
}

#[tokio::test]
async fn a_migration_of_objects_is_told_before_anything_is_uploaded() {
    let world = world("wrangler-migration");
    world.fake.exists();
    world.repo.write("src/index.ts", "import { DurableObject } from \"cloudflare:workers\";\n\
        export class Room extends DurableObject {}\nexport default { fetch() { return new Response(\"x\"); } };\n");
    world.repo.write(
        "wrangler.toml",
        "name = \"x\"\nmain = \"src/index.ts\"\ncompatibility_date = \"2026-11-01\"\n\
         [[durable_objects.bindings]]\nname = \"ROOM\"\nclass_name = \"Room\"\n\
         [[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"Room\"]\n",
    );
    let error = deploy_to(&world.target(), "1").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.hints()[0].contains("wrangler deploy"), "{error:?}");
    assert_eq!(world.fake.versions().len(), 1);
}

#[tokio::test]
async fn the_digest_of_the_code_is_that_of_its_files_and_of_what_is_served() {
    let world = world("wrangler-digest");
    let target = world.target();
    let first = target.code().await.unwrap();
    assert_eq!(target.code().await.unwrap(), first);
    world.repo.write(
        "wrangler.toml",
        "name = \"x\"\nmain = \"src/index.ts\"\ncompatibility_date = \"2026-11-01\"\n[assets]\ndirectory = \"./public\"\n",
    );
    let served = target.code().await.unwrap();
    assert_ne!(served, first);
    world.repo.write("public/robots.txt", "User-agent: x\n");
    let changed = target.code().await.unwrap();
    assert!(changed != served && changed != Digest::of(b""));
    assert!(world.fake.take().is_empty(), "nothing is asked for it");
}

#[tokio::test]
async fn a_version_that_could_be_taken_for_a_flag_is_none() {
    let world = world("wrangler-flag");
    world.fake.exists();
    let target = world.target();
    let release = target.prepare(&spec("--dry-run"), "--message=x", false).await.unwrap();
    let versions = world.fake.versions();
    let made = versions.last().unwrap();
    assert_eq!(
        (&made["id"], &made["annotations"]["workers/tag"]),
        (&json!(release.id.to_string()), &json!("--dry-run"))
    );
    assert_eq!(release.by, "--message=x");
    rollout(&target, &spec("--dry-run"), &options(&target), &|_| {}).await.unwrap();
}

/// From infra.toml to a Worker, as a task does it.
#[tokio::test]
async fn a_repo_releases_its_worker_with_two_calls_and_goes_back_with_one() {
    let world = world("wrangler-repo");
    let text = format!(
        "[project]\nname = \"shop\"\nkind = \"webapp\"\norg = \"acme\"\n[env.staging]\nprovider = \"cloudflare\"\n\
         [env.staging.state]\nbackend = \"local\"\n[tools.wrangler]\nversion = \"{WRANGLER}\"\n\
         [env.staging.deploy]\ntarget = \"worker\"\nlock = \"machine\"\nservice = \"{}\"\nurl = \"{}\"\nsteps = [50, 100]\nstep-wait = \"1ms\"\n",
        WorkerFake::SCRIPT,
        world.fake.site(),
    );
    let infra = |text: &str| {
        let home = world.repo.join("home");
        let env = world.env(&[("INFRA_HOME", home.to_str().unwrap())]);
        let config = Config::of_text(text, world.repo.path(), "staging").unwrap();
        Infra::open(&env, config, Host::silent()).unwrap()
    };
    let staging = infra(&text);
    let made = staging.bundle().await.unwrap();
    assert_eq!(made.image.as_str(), "shop/worker");
    let first = staging.rollout(made).await.unwrap();
    assert_eq!(first.url, Some(world.fake.site()));
    world.repo.write("src/greet.ts", "export const greet = (name: string): string => `good day ${name}`;\n");
    let second = staging.rollout(staging.bundle().await.unwrap()).await.unwrap();
    assert_ne!(second.release.digest, first.release.digest);
    let back = staging.rollback(None).await.unwrap();
    assert_eq!(back.release.id, first.release.id);

    // Where nothing is a Worker there is nothing to bundle, and steps are refused where nothing can share.
    let local = text.replace("target = \"worker\"", "target = \"local\"");
    let error = infra(&local).bundle().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && !error.hints().is_empty(), "{error:?}");
    let error = infra(&local).rollout(spec("1")).await.unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("`steps`")), "{error:?}");
}
