//! Worker secrets against a stand-in that keeps them, and beside Cloudflare's own client.

use std::time::Duration;

use infra_sdk::cloudflare::{Cloudflare, WorkerSecrets};
use infra_sdk::secrets::{SecretChange, SecretStore};
use infra_sdk::{Env, Error, ErrorKind, SecretValue};
use serde_json::json;
use support::{Answer, Request, Run, Scratch, WorkerApi, repo};

use crate::secrets::{Kind, holds};

const VALUE: &str = "canary-value-9d2e";

fn client(url: &str) -> Cloudflare {
    let vars = [
        ("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN),
        ("CLOUDFLARE_ACCOUNT_ID", WorkerApi::ACCOUNT),
        ("CLOUDFLARE_API_BASE_URL", url),
    ];
    Cloudflare::new(&Env::of(vars, "/")).unwrap()
}

fn store(api: &WorkerApi) -> WorkerSecrets {
    client(&api.url()).worker_secrets(None, WorkerApi::SCRIPT).unwrap()
}

fn put(name: &str, value: &str) -> SecretChange {
    SecretChange::put(name.parse().unwrap(), SecretValue::new(value))
}

fn delete(name: &str) -> SecretChange {
    SecretChange::delete(name.parse().unwrap())
}

/// What was asked, such as `PATCH …/secrets-bulk`, without what is the same in each request.
fn asked(requests: &[Request]) -> Vec<String> {
    let short = |request: &Request| {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        format!("{} {last}", request.method)
    };
    requests.iter().map(short).collect()
}

/// An error that a person can act on, which shows neither the token nor a value.
fn sound(error: &Error) {
    let shown = format!("{error:?} {error:#} {}", error.report());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(error.report().to_string().contains("next: "), "{shown}");
}

#[tokio::test]
async fn worker_secrets_hold_the_contract() {
    let api = WorkerApi::start();
    holds(&store(&api), Kind::default()).await;
}

#[tokio::test]
async fn up_to_a_hundred_changes_are_one_request_and_no_list_is_read() {
    let api = WorkerApi::start();
    let store = store(&api);
    store.write(&[put("OLD", "x"), put("KEPT", "k")]).await.unwrap();
    api.take();
    let mut changes: Vec<SecretChange> = (0..98).map(|n| put(&format!("N{n}"), VALUE)).collect();
    changes.extend([delete("OLD"), delete("NEVER_THERE")]);
    store.write(&changes).await.unwrap().complete(&changes).unwrap();
    assert_eq!(asked(&api.take()), ["PATCH secrets-bulk"]);
    let values = api.values();
    assert_eq!((values.len(), values["KEPT"].as_str(), values["N97"].as_str()), (99, "k", VALUE));
    changes.push(put("ONE_MORE", "x"));
    store.write(&changes).await.unwrap().complete(&changes).unwrap();
    assert_eq!(asked(&api.take()), ["PATCH secrets-bulk", "PATCH secrets-bulk"]);
    store.write(&[]).await.unwrap();
    assert!(api.take().is_empty());
}

#[tokio::test]
async fn cloudflares_own_client_sends_the_same_requests() {
    let node = repo().join("target/tools/node");
    assert!(node.join("node_modules/cloudflare").is_dir(), "run `cargo xtask provision`");
    let api = WorkerApi::start();
    let changes = [put("API_KEY", "pl\"ain\n 🔑 \\u0041"), put("B", VALUE), put("_c", " x "), delete("OLD")];
    let ours = store(&api);
    ours.write(&changes).await.unwrap().complete(&changes).unwrap();
    let names: Vec<String> = ours.list().await.unwrap().iter().map(|s| s.name.to_string()).collect();
    let (sent, values) = (api.take(), api.values());

    let secret = |name: &str, text: &str| json!({"name": name, "text": text, "type": "secret_text"});
    let wanted = json!({
        "API_KEY": secret("API_KEY", "pl\"ain\n 🔑 \\u0041"), "B": secret("B", VALUE), "_c": secret("_c", " x "), "OLD": null,
    });
    let scratch = Scratch::new("cloudflare");
    let file = scratch.write("secrets.json", wanted.to_string());
    let theirs = Run::new(node.join("node"), scratch.path())
        .args([repo().join("tests/fixtures/cloudflare_client.cjs"), node])
        .args([WorkerApi::ACCOUNT, WorkerApi::SCRIPT])
        .args([file])
        .env("CLOUDFLARE_BASE_URL", api.url())
        .env("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN)
        .finish()
        .expect(0);
    let official = api.take();

    assert_eq!(serde_json::from_str::<Vec<String>>(&theirs.stdout).unwrap(), names);
    assert_eq!(values, api.values());
    assert_eq!(sent.len(), official.len());
    for (ours, theirs) in sent.iter().zip(&official) {
        let same = |request: &Request| {
            let authorization = request.header("authorization").map(str::to_owned);
            (
                request.method.clone(),
                request.path.clone(),
                request.query.clone(),
                request.json(),
                authorization,
            )
        };
        assert_eq!(same(ours), same(theirs));
    }
    // The one knowing difference: the API names its body a merge patch, and wrangler sends it as one.
    let kinds = sent[0].headers.iter().filter(|(name, _)| name == "content-type");
    assert_eq!(kinds.map(|(_, kind)| kind.as_str()).collect::<Vec<_>>(), ["application/merge-patch+json"]);
    assert_eq!(official[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_list_has_every_kind_of_secret_and_only_names_that_can_be_ours() {
    let api = WorkerApi::start();
    api.bind("SIGNING_KEY", "secret_key");
    api.bind("TOKEN", "secret_text");
    api.bind("mine$", "secret_text");
    api.bind("LIMIT", "plain_text");
    let listed = store(&api).list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|stored| stored.name.as_str()).collect();
    assert_eq!(names, ["SIGNING_KEY", "TOKEN"]);
    let error = store(&api).write(&[put("LIMIT", VALUE)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    sound(&error);
}

#[tokio::test]
async fn a_batch_that_stops_in_the_middle_says_what_was_made() {
    let api = WorkerApi::start();
    let changes: Vec<SecretChange> = (0..250).map(|n| put(&format!("N{n:03}"), VALUE)).collect();
    let wait = ("retry-after", "7".to_owned());
    api.answer_next([None, Some(Answer::Whole(429, vec![wait], String::new()))]);
    let report = store(&api).write(&changes).await.unwrap();
    assert_eq!(asked(&api.take()).len(), 2, "nothing is asked after a refusal");
    assert_eq!((report.written.len(), api.values().len()), (100, 100));
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.throttle().unwrap().after, Some(Duration::from_secs(7)));
    sound(failure);
    let error = report.complete(&changes).unwrap_err();
    assert!(
        error.is_retryable() && error.to_string().contains("N100") && !error.to_string().contains("N099")
    );
}

#[tokio::test]
async fn what_cloudflare_refuses_has_a_way_out() {
    let api = WorkerApi::start();
    for (status, code, kind, way) in [
        (400, 10215, ErrorKind::Conflict, "roll out again with `cargo xtask deploy`"),
        (400, 10214, ErrorKind::Conflict, "versions deploy"),
        (403, 10000, ErrorKind::Denied, "Workers Scripts: Edit"),
        (401, 9109, ErrorKind::Denied, "Workers Scripts: Edit"),
        (503, 10013, ErrorKind::Unavailable, "try again"),
    ] {
        // A service that repeats what it was sent must not make a message of it.
        let echo = format!("no: {VALUE} {}", WorkerApi::TOKEN);
        api.answer_next([Some(WorkerApi::refusal(status, code, &echo))]);
        let error = store(&api).write(&[put("A", VALUE)]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let report = error.report().to_string();
        assert!(report.contains(way) && report.contains(&format!("code: {code}")), "{report}");
        assert_eq!(error.is_retryable(), status == 503);
        sound(&error);
        assert_eq!(asked(&api.take()), ["PATCH secrets-bulk"], "each request is made once");
    }
    let other = client(&api.url()).worker_secrets(None, "not-deployed").unwrap();
    for error in [other.list().await.unwrap_err(), other.write(&[put("A", VALUE)]).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.report().to_string().contains("deploy the Worker first"), "{error:?}");
        sound(&error);
    }
    // An answer of success that says otherwise inside.
    let echo = format!("no: {VALUE} {}", WorkerApi::TOKEN);
    api.answer_next([Some(WorkerApi::refusal(200, 10215, &echo))]);
    let error = store(&api).write(&[put("A", VALUE)]).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Conflict && error.to_string().contains("message: no: ***"),
        "{error:?}"
    );
    sound(&error);
    assert!(api.values().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_and_never_an_empty_list() {
    let api = WorkerApi::start();
    let page = "<!doctype html><title>Sign in</title>".to_owned();
    let html = |status| Answer::Whole(status, vec![("content-type", "text/html".into())], page.clone());
    let half = json!({"success": true, "errors": [], "result": [{"name": VALUE, "type": "secret_text"}]});
    for (answer, again) in [
        (html(200), true),
        (html(502), true),
        (Answer::Half(200, half.to_string()), true),
        (Answer::json(200, &json!({"success": true, "result": null})), false),
        (Answer::json(200, &json!({"success": true, "result": [{"id": VALUE}]})), false),
        (Answer::json(200, &json!([])), false),
    ] {
        api.answer_next([Some(answer.clone())]);
        let error = store(&api).list().await.unwrap_err();
        assert_eq!(error.is_retryable(), again, "{answer:?} {error:?}");
        sound(&error);
    }
}

#[tokio::test]
async fn what_is_missing_or_cannot_be_is_refused_without_a_request() {
    let api = WorkerApi::start();
    let of = |vars: &[(&str, &str)]| Cloudflare::new(&Env::of(vars.iter().copied(), "/"));
    let error = of(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.report().to_string().contains("Workers Scripts: Edit"), "{error:?}");
    let token = ("CLOUDFLARE_API_TOKEN", WorkerApi::TOKEN);
    let alone = of(&[token]).unwrap();
    assert_eq!(alone.worker_secrets(None, "x").unwrap_err().kind(), ErrorKind::Invalid);
    assert!(alone.worker_secrets(Some(WorkerApi::ACCOUNT), "x").is_ok());
    sound(&alone.worker_secrets(Some("acme"), "x").unwrap_err());
    sound(&alone.worker_secrets(Some(WorkerApi::ACCOUNT), "../x").unwrap_err());
    assert!(!format!("{alone:?}").contains("canary"));
    for bad in [put("A", &VALUE.repeat(400)), put("class", VALUE)] {
        let (alone, batch) =
            (store(&api).check(&bad).unwrap_err(), store(&api).write(&[bad]).await.unwrap_err());
        assert_eq!((alone.kind(), alone.to_string()), (ErrorKind::Invalid, batch.to_string()));
        sound(&alone);
    }
    assert!(store(&api).check(&put("A", &"x".repeat(5 * 1024))).is_ok());
    assert!(api.take().is_empty());
}
