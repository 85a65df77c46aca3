//! Why requests to Cloudflare are this project's own: what the crate `cloudflare` does against the same answers.
//!
//! That ours does each of these right is for the tests of `tests/remote/cloudflare*.rs`.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::json;
use support::{Answer, Recorder, Request, Run, repo};

use crate::consumer::cargo;

/// A program on top of the crate, compiled apart: it would bring a second HTTP stack into this workspace.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = repo().join("target/feature/cloudflare-crate");
        std::fs::create_dir_all(folder.join("src")).expect("target is writable");
        let manifest = "[package]\nname = \"cloudflare-crate\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
                        [dependencies]\ncloudflare = { version = \"=0.14.0\", default-features = false }\n\
                        tokio = { version = \"1\", features = [\"macros\", \"rt\"] }\n";
        std::fs::write(folder.join("Cargo.toml"), manifest).expect("target is writable");
        for (from, to) in [("cloudflare_crate.rs", "src/main.rs"), ("cloudflare_crate.lock", "Cargo.lock")] {
            std::fs::copy(repo().join("tests/fixtures").join(from), folder.join(to)).expect("it is there");
        }
        drop(cargo(&folder, &["build", "--locked"]).expect(0));
        repo().join("target/feature/build/debug/cloudflare-crate")
    })
}

/// What the crate made of an answer, and the request that it sent.
fn through_the_crate(
    base: &str,
    what: [&str; 2],
    status: u16,
    answer: serde_json::Value,
) -> (String, Request) {
    let recorder = Recorder::start(move |_| Ok(Answer::json(status, &answer)));
    let url = format!("{}{base}", recorder.url());
    let [what, name] = what;
    let told = Run::new(program(), &repo()).args([&url, what, name]).env("TOKEN", "the-token").finish();
    let mut requests = recorder.take();
    assert_eq!(requests.len(), 1, "{requests:?}");
    (told.expect(0).stdout, requests.remove(0))
}

fn ok(result: serde_json::Value) -> serde_json::Value {
    json!({"success": true, "errors": [], "messages": [], "result": result})
}

#[test]
fn a_base_without_its_last_slash_loses_a_part_of_the_path() {
    let status = ok(json!({"id": "t1", "status": "active"}));
    let (said, request) = through_the_crate("/client/v4", ["verify", "-"], 200, status.clone());
    assert!(said.starts_with("Ok("), "{said}");
    assert_eq!(request.path, "/client/user/tokens/verify", "the version is gone");
    let (_, request) = through_the_crate("/client/v4/", ["verify", "-"], 200, status);
    assert_eq!(request.path, "/client/v4/user/tokens/verify");
}

#[test]
fn a_bucket_that_was_made_is_told_as_a_failure() {
    let made = ok(json!({"name": "states", "creation_date": "2026-01-01T00:00:00Z", "location": "weur"}));
    let (said, request) = through_the_crate("/client/v4/", ["bucket", "states"], 200, made);
    assert!(said.starts_with("Err(Invalid"), "{said}");
    // What it was before buckets were generally available: no body, so no location, and no jurisdiction.
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", "/client/v4/accounts/a1/r2/buckets/states")
    );
    assert!(request.body.is_empty() && request.header("cf-r2-jurisdiction").is_none(), "{request:?}");
}

#[test]
fn a_code_above_65535_takes_every_error_with_it() {
    let refused = |code: u32| json!({"success": false, "errors": [{"code": code, "message": "it is there"}], "result": null});
    let (said, _) = through_the_crate("/client/v4/", ["secret", "shop"], 409, refused(10_004));
    assert!(said.contains("it is there"), "{said}");
    let (said, _) = through_the_crate("/client/v4/", ["secret", "shop"], 409, refused(100_117));
    assert!(said.contains("409") && said.contains("errors: []"), "{said}");
}

#[test]
fn a_name_changes_what_is_asked_for() {
    let (_, request) = through_the_crate("/client/v4/", ["secrets", "../../../../user"], 200, ok(json!([])));
    assert_eq!(request.path, "/client/v4/user/secrets");
}

#[test]
fn a_limit_that_is_told_is_neither_kept_nor_shown() {
    let recorder = Recorder::start(|_| {
        let body =
            json!({"success": false, "errors": [{"code": 10_000, "message": "slow down"}], "result": null});
        let headers = vec![("content-type", "application/json".into()), ("retry-after", "37".into())];
        Ok(Answer::Whole(429, headers, body.to_string()))
    });
    let url = format!("{}/client/v4/", recorder.url());
    let told =
        Run::new(program(), &repo()).args([url.as_str(), "verify", "-"]).env("TOKEN", "the-token").finish();
    let said = told.expect(0).stdout;
    assert!(said.contains("429") && !said.contains("37"), "{said}");
    assert_eq!(recorder.take().len(), 1, "it is not asked again");
}

#[test]
fn the_token_stands_in_its_debug_form() {
    let told = Run::new(program(), &repo());
    let told = told.args(["http://127.0.0.1:9/", "debug", "-"]).env("TOKEN", "the-token").finish().expect(0);
    assert!(told.stdout.contains("the-token"), "{}", told.stdout);
}
