//! Who asks a registry: passwords, tokens that expire, Docker's notes and its helpers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use infra_sdk::images::{self, ImageRegistry, TransferOptions};
use infra_sdk::registry::{Credentials, DockerConfig, Login, OciRegistry};
use infra_sdk::{Env, ErrorKind, Result, SecretValue};
use support::registry::{Guard, Registry, Rules};
use support::{Answer, Recorder, Scratch};

use crate::registry_images::{image, open, quick};

fn guarded(guard: Guard) -> Registry {
    Registry::start(Rules { guard, ..Rules::default() })
}

fn basic(passwords: &[&str]) -> Guard {
    Guard::Basic("ci".into(), passwords.iter().map(|password| (*password).to_owned()).collect())
}

fn bearer(uses: usize) -> Guard {
    Guard::Bearer("ci".into(), "canary-password".into(), uses)
}

fn login(password: &str) -> Arc<Login> {
    Arc::new(Login::new("ci", SecretValue::new(password)))
}

fn asked_by(registry: &Registry, credentials: Arc<dyn Credentials>) -> OciRegistry {
    OciRegistry::new(&registry.place(), credentials).unwrap().retry(quick())
}

#[tokio::test]
async fn a_registry_with_tokens_keeps_the_contract() {
    let registry = guarded(bearer(usize::MAX));
    crate::images::holds(&asked_by(&registry, login("canary-password"))).await;
    let tokens = registry.take().iter().filter(|asked| asked.path == "/token").count();
    assert!(tokens < 60, "{tokens} tokens were asked for");
}

#[tokio::test]
async fn tokens_are_used_for_as_long_as_they_are_good() {
    let scratch = Scratch::new("tokens");
    let image = image(&scratch, 10_000).await;
    let registry = guarded(bearer(usize::MAX));
    let client = asked_by(&registry, login("canary-password"));
    images::push(&client, &image, &["v1".parse().unwrap()]).await.unwrap();
    images::push(&client, &image, &["v2".parse().unwrap()]).await.unwrap();
    let asked = registry.take();
    // One to read, one to write.
    assert_eq!(asked.iter().filter(|asked| asked.path == "/token").count(), 2, "{asked:?}");
    // Requests that ran beside the first one came without a token, too.
    assert!(asked.iter().filter(|asked| asked.status == 401).count() <= 4, "{asked:?}");
}

#[tokio::test]
async fn tokens_that_expire_in_the_middle_of_a_push_are_renewed() {
    let scratch = Scratch::new("tokens");
    let image = image(&scratch, 2_000_000).await;
    for pieces in [u64::MAX, 1000] {
        let registry = guarded(bearer(3));
        let client = asked_by(&registry, login("canary-password")).pieces(pieces, 300_000);
        let report = images::push(&client, &image, &["v1".parse().unwrap()]).await.unwrap();
        assert_eq!((report.uploaded, report.tags.len()), (2, 1));
        assert_eq!(registry.tag("shop-api/app", "v1").as_deref(), Some(image.digest().as_str()));
        let tokens = registry.take().iter().filter(|asked| asked.path == "/token").count();
        assert!(tokens > 3, "{tokens} tokens were asked for");
    }
}

/// A password that is replaced by another one, as ECR's is after twelve hours.
struct Rotating {
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl Credentials for Rotating {
    async fn get(&self, fresh: bool) -> Result<Option<Login>> {
        if fresh {
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        let number = self.asked.load(Ordering::SeqCst);
        Ok(Some(Login::new("ci", SecretValue::new(format!("canary-{number}")))))
    }
}

#[tokio::test]
async fn a_password_that_expires_in_the_middle_of_a_push_is_asked_for_again() {
    let scratch = Scratch::new("rotating");
    let image = image(&scratch, 10_000).await;
    let registry = guarded(basic(&["canary-0"]));
    let rotating = Arc::new(Rotating { asked: AtomicUsize::new(0) });
    let client = asked_by(&registry, rotating.clone());
    let plan = images::plan_push(&client, &image, &["v1".parse().unwrap()]).await.unwrap();
    registry.rules(|rules| rules.guard = basic(&["canary-1"]));
    let report = plan.apply(&client, &image, &TransferOptions::new()).await.unwrap();
    assert_eq!((report.uploaded, report.tags.len()), (2, 1));
    assert_eq!(rotating.asked.load(Ordering::SeqCst), 1, "once for two blobs that go at the same time");
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_shown_nowhere() {
    for guard in [basic(&["canary-right"]), bearer(9)] {
        let registry = guarded(guard);
        registry.rules(|rules| rules.repeats_secrets = true);
        let client = asked_by(&registry, login("canary-wrong"));
        let image = "shop-api/app".parse().unwrap();
        let error = client.tags(&image).await.unwrap_err();
        let told = format!("{error:?} {error:#} {client:?}");
        assert_eq!(error.kind(), ErrorKind::Denied, "{told}");
        assert!(told.contains("docker login"), "{told}");
        assert!(!told.contains("canary") && !told.contains("Y2k6Y2FuYXJ5"), "{told}");
        let asked = registry.take().len();
        assert!(asked <= 4, "{asked} requests for one wrong password");
    }
    let registry = guarded(bearer(9));
    let error = open(&registry.place()).tags(&"app".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_for_tokens() {
    let tokens = Recorder::start(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let wanted = "grant_type=refresh_token&client_id=infra-sdk&refresh_token=canary-identity";
        let scope = "service=strict&scope=repository%3Ashop-api%2Fapp%3Apull";
        if request.method == "POST"
            && request.header("authorization").is_none()
            && body == format!("{scope}&{wanted}")
        {
            return Ok(Answer::json(
                200,
                &serde_json::json!({"access_token": "canary-access", "expires_in": 60}),
            ));
        }
        Err(format!("not the exchange that was expected: {body}"))
    });
    let realm = format!("Bearer realm=\"{}/token\",service=\"strict\"", tokens.url());
    let registry = Recorder::start(move |request| match request.header("authorization") {
        None => Ok(Answer::Whole(401, vec![("www-authenticate", realm.clone())], String::new())),
        Some("Bearer canary-access") => {
            Ok(Answer::json(200, &serde_json::json!({"name": "x", "tags": ["v1"]})))
        }
        Some(other) => Err(format!("somebody else: {other}")),
    });
    let login = Arc::new(Login::new("<token>", SecretValue::new("canary-identity")));
    let client = OciRegistry::new(&registry.url(), login).unwrap();
    assert_eq!(client.tags(&"shop-api/app".parse().unwrap()).await.unwrap(), ["v1".parse().unwrap()]);
    assert_eq!((registry.take().len(), tokens.take().len()), (2, 1));
}

#[tokio::test]
async fn docker_notes_are_read_as_docker_writes_them() {
    let scratch = Scratch::new("docker-config");
    let env = Env::of([("HOME", scratch.path())], "/");
    let find = async |content: &str, registry: &str| {
        scratch.write(".docker/config.json", content);
        DockerConfig::find(&env, registry).get(false).await
    };
    // `ci:canary-password`
    let auth = r#"{"auth": "Y2k6Y2FuYXJ5LXBhc3N3b3Jk"}"#;
    for (key, registry) in [
        ("ghcr.io", "ghcr.io/acme"),
        ("https://ghcr.io/v1/", "ghcr.io"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://index.docker.io/v1/", "docker.io/acme"),
    ] {
        let found = find(&format!(r#"{{"auths": {{"{key}": {auth}}}}}"#), registry).await.unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.password.expose()), ("ci", "canary-password"), "{key}");
        let other = find(&format!(r#"{{"auths": {{"{key}": {auth}}}}}"#), "elsewhere.example.com").await;
        assert_eq!(other.unwrap(), None);
    }
    let token = r#"{"auths": {"x.example.com": {"auth": "", "identitytoken": "canary-token"}}}"#;
    assert_eq!(find(token, "x.example.com").await.unwrap().unwrap().user, "<token>");
    assert_eq!(find(r#"{"auths": {"x.example.com": {}}}"#, "x.example.com").await.unwrap(), None);
    for damaged in [
        r#"{"auths": {"x.example.com": {"auth": "canary-!"}}}"#,
        r#"{"auths": {"x.example.com": {"auth": "Y2FuYXJ5"}}}"#,
        r#"{"auths": {"x.example.com": {"auth": ["canary-1"]}}}"#,
        r#"{"auths": canary-"#,
    ] {
        let error = find(damaged, "x.example.com").await.unwrap_err();
        let told = format!("{error:?}");
        assert!(error.kind() == ErrorKind::Invalid && told.contains("docker login"), "{told}");
        assert!(!told.contains("canary") && !told.contains("Y2FuYXJ5"), "{told}");
    }
    let nobody = Env::of([("HOME", scratch.join("nobody"))], "/");
    assert_eq!(DockerConfig::find(&nobody, "ghcr.io").get(true).await.unwrap(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn docker_helpers_are_asked_on_standard_input() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("docker-helper");
    let helper = |name: &str, script: &str| {
        let path = scratch.write(&format!("bin/docker-credential-{name}"), format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    helper(
        "kept",
        r#"test "$1" = get && read -r host || test -n "$host" && echo "{\"Username\": \"$host\", \"Secret\": \"canary-kept\"}""#,
    );
    helper("none", "echo 'credentials not found in native keychain'; exit 1");
    helper("fails", "echo canary-broken; exit 3");
    helper("odd", "echo '{\"Username\": \"canary-odd\"'");
    let path = format!("{}:/usr/bin:/bin", scratch.join("bin").display());
    let env = Env::of([("HOME", scratch.path().as_os_str()), ("PATH", path.as_ref())], "/");
    let find = async |content: &str| {
        scratch.write(".docker/config.json", content);
        DockerConfig::find(&env, "ghcr.io/acme").get(false).await
    };
    let found = find(r#"{"credsStore": "none", "credHelpers": {"ghcr.io": "kept"}}"#).await.unwrap().unwrap();
    assert_eq!((found.user.as_str(), found.password.expose()), ("ghcr.io", "canary-kept"));
    assert!(find(r#"{"credsStore": "kept"}"#).await.unwrap().is_some());
    assert_eq!(find(r#"{"credsStore": "none"}"#).await.unwrap(), None);
    for (helper, kind) in [
        ("fails", ErrorKind::Failed),
        ("odd", ErrorKind::Invalid),
        ("absent", ErrorKind::NotFound),
        ("../../bin/sh", ErrorKind::Invalid),
    ] {
        let error = find(&format!(r#"{{"credsStore": "{helper}"}}"#)).await.unwrap_err();
        let told = format!("{error:?}");
        assert!(error.kind() == kind && !error.hints().is_empty() && !told.contains("canary"), "{told}");
    }
}
