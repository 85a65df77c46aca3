//! What AWS's stores make of refusals, broken answers and silence: one request each, an error that says what to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use infra_sdk::aws::{Aws, SecretsManagerSecrets, SsmSecrets};
use infra_sdk::secrets::{SecretSource, SecretStore};
use infra_sdk::{Env, Error, ErrorKind};
use support::{Answer, Recorder, Run, Scratch};

use crate::aws::{aws_at, delete, operations, put};

/// A value that must never show.
const CANARY: &str = "canary-7d2e";

/// A refusal as AWS's JSON protocol has it (<https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>).
fn refusal(code: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "__type": format!("com.amazonaws#{code}"), "message": message });
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid", "request-1".to_owned()),
    ];
    Answer::Whole(400, headers, body.to_string())
}

fn always(answer: &Answer) -> Recorder {
    let answer = answer.clone();
    Recorder::start(move |_| Ok(answer.clone()))
}

/// The errors of a put, a delete, a look and two reads at both stores, where everything is answered with `answer`.
async fn all_errors(answer: &Answer, limit: Duration) -> Vec<Error> {
    let recorder = always(answer);
    let aws = aws_at(&recorder.url()).with_time_limit(limit);
    let ssm = SsmSecrets::new(aws.clone(), "/shop/", None).unwrap();
    let manager = SecretsManagerSecrets::new(aws, "shop/", None).unwrap();
    let mut errors = Vec::new();
    let stores: [(&dyn SecretStore, &dyn SecretSource); 2] = [(&ssm, &ssm), (&manager, &manager)];
    for (store, source) in stores {
        errors.push(store.write(&[put("A", CANARY)]).await.unwrap_err());
        errors.push(store.write(&[delete("A")]).await.unwrap_err());
        errors.push(store.list().await.unwrap_err());
        errors.push(source.get(&"A".parse().unwrap()).await.unwrap_err());
        errors.push(source.get_all().await.unwrap_err());
    }
    assert_eq!(operations(&recorder).len(), 10, "each request is made once");
    for error in &errors {
        let shown = format!("{error:?}{error}{error:#}");
        assert!(!shown.contains(CANARY), "{shown}");
        assert!(!error.hints().is_empty(), "{shown}");
    }
    errors
}

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_service_that_is_asked_too_much_is_told_from_one_that_is_down() {
    for code in ["ThrottlingException", "TooManyUpdates", "RequestLimitExceeded"] {
        for error in all_errors(&refusal(code, CANARY), SOON).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.is_retryable() && error.throttle().is_some(), "{error:?}");
            assert!(format!("{error:?}").contains("request: request-1"), "{error:?}");
        }
    }
    let html = format!("<html><body>{CANARY}</body></html>");
    let down = [
        Answer::Whole(500, vec![("content-type", "text/html".into())], html.clone()),
        Answer::Whole(200, vec![("content-type", "text/html".into())], html),
        Answer::Half(
            200,
            format!("{{\"Version\": 1, \"Parameters\": [], \"{CANARY}\": \"{CANARY}{CANARY}\"}}"),
        ),
        refusal("InternalServerError", CANARY),
    ];
    for answer in down {
        for error in all_errors(&answer, SOON).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{answer:?}: {error:?}");
            assert!(error.is_retryable() && error.throttle().is_none(), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_service_may_say_how_long_to_wait() {
    let headers = vec![("retry-after", "7".to_owned())];
    for status in [429, 503] {
        for error in all_errors(&Answer::Whole(status, headers.clone(), String::new()), SOON).await {
            assert_eq!(error.throttle().unwrap().after, Some(Duration::from_secs(7)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn silence_ends_with_the_time_limit() {
    for error in all_errors(&Answer::Silence, Duration::from_millis(150)).await {
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn what_is_not_allowed_names_the_permission() {
    let message = "User: arn:aws:iam::1:user/ci is not authorized to perform: ssm:PutParameter on resource: \
                   arn:aws:ssm:eu-central-1:1:parameter/shop/A because no identity-based policy allows it";
    for error in all_errors(&refusal("AccessDeniedException", message), SOON).await {
        assert_eq!(error.kind(), ErrorKind::Denied);
        let shown = error.to_string();
        assert!(shown.contains("permission: ssm:PutParameter, resource: arn:aws:ssm:"), "{shown}");
    }
    let named: Vec<String> =
        all_errors(&refusal("AccessDeniedException", ""), SOON).await.iter().map(Error::to_string).collect();
    let needed = [
        "ssm:PutParameter",
        "ssm:DeleteParameters",
        "ssm:GetParametersByPath",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "secretsmanager:PutSecretValue",
        "secretsmanager:DeleteSecret",
        "secretsmanager:ListSecrets",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecrets",
    ];
    for (shown, permission) in named.iter().zip(needed) {
        assert!(shown.contains(&format!("permission: {permission},")), "{shown}");
    }
}

#[tokio::test]
async fn credentials_that_have_expired_say_how_to_get_new_ones() {
    for code in ["ExpiredTokenException", "UnrecognizedClientException"] {
        for error in all_errors(&refusal(code, CANARY), SOON).await {
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert!(!error.is_retryable() && error.hints()[0].contains("aws sso login"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_value_is_not_repeated() {
    let message =
        format!("1 validation error detected: Value '{CANARY}' at 'value' failed to satisfy constraint");
    for error in all_errors(&refusal("ValidationException", &message), SOON).await {
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().contains("ValidationException") && !error.is_retryable());
    }
}

#[tokio::test]
async fn a_parameter_of_another_type_is_a_conflict_that_names_the_way_out() {
    let recorder = always(&refusal("HierarchyTypeMismatchException", ""));
    let store = SsmSecrets::new(aws_at(&recorder.url()), "/shop/", None).unwrap();
    let error = store.write(&[put("A", CANARY)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.hints()[0].contains("delete it") && error.to_string().contains("/shop/A"), "{error:?}");
}

#[tokio::test]
async fn a_batch_that_stops_in_the_middle_tells_what_was_made() {
    let name = |request: &support::Request| {
        let body = request.json();
        let name = body["Name"].as_str().or(body["SecretId"].as_str()).unwrap_or_default();
        name.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let recorder = Recorder::start(move |request| match name(request).as_str() {
        "A" => Ok(Answer::json(
            200,
            &serde_json::json!({ "Version": 3, "VersionId": "v".repeat(32), "VersionStages": ["AWSCURRENT"] }),
        )),
        "B" => Ok(refusal("ThrottlingException", "")),
        other => Err(format!("{other} came after a refusal")),
    });
    let aws = aws_at(&recorder.url());
    let ssm = SsmSecrets::new(aws.clone(), "/shop/", None).unwrap();
    let manager = SecretsManagerSecrets::new(aws, "shop/", None).unwrap();
    let changes = [put("A", CANARY), put("B", CANARY), put("C", CANARY), delete("D")];
    let stores: [(&dyn SecretStore, &str); 2] = [(&ssm, "3"), (&manager, &"v".repeat(32))];
    for (store, stamp) in stores {
        let report = store.write(&changes).await.unwrap();
        assert_eq!(report.written.len(), 1);
        assert_eq!(report.written[0].stamp.as_ref().unwrap().as_str(), stamp);
        assert!(report.failure.as_ref().unwrap().throttle().is_some());
        let error = report.complete(&changes).unwrap_err();
        assert!(error.to_string().contains("left: B, C, D"), "{error}");
    }
    // What was not asked for would have failed this test: three requests were not made.
    assert_eq!(operations(&recorder), ["PutParameter", "PutParameter", "PutSecretValue", "PutSecretValue"]);
}

/// With AWS's words, which the emulator does not have: it takes a put of a deleted secret, and keeps it deleted.
#[tokio::test]
async fn a_put_recovers_a_secret_that_somebody_else_deleted() {
    let deleted = AtomicBool::new(true);
    let recorder = Recorder::start(move |request| {
        let target = request.header("x-amz-target").unwrap_or_default();
        match target.rsplit('.').next().unwrap_or_default() {
            "CreateSecret" => Ok(refusal(
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            )),
            "PutSecretValue" if deleted.load(Ordering::SeqCst) => Ok(refusal(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )),
            "PutSecretValue" => Ok(Answer::json(
                200,
                &serde_json::json!({ "VersionId": "v".repeat(32), "VersionStages": ["AWSCURRENT"] }),
            )),
            "RestoreSecret" => {
                deleted.store(false, Ordering::SeqCst);
                Ok(Answer::json(200, &serde_json::json!({})))
            }
            "ListSecrets" => {
                deleted.store(true, Ordering::SeqCst);
                Ok(Answer::json(200, &serde_json::json!({ "SecretList": [] })))
            }
            other => Err(other.to_owned()),
        }
    });
    let store = SecretsManagerSecrets::new(aws_at(&recorder.url()), "shop/", None).unwrap();
    store.write(&[put("A", CANARY)]).await.unwrap();
    assert_eq!(operations(&recorder), ["PutSecretValue", "RestoreSecret", "PutSecretValue"]);
    store.list().await.unwrap();
    store.write(&[put("A", CANARY)]).await.unwrap();
    let steps = ["ListSecrets", "CreateSecret", "RestoreSecret", "PutSecretValue"];
    assert_eq!(operations(&recorder), steps);
}

#[tokio::test]
async fn a_delete_that_is_not_confirmed_is_not_reported() {
    let recorder = always(&Answer::json(200, &serde_json::json!({ "DeletedParameters": ["/shop/A"] })));
    let store = SsmSecrets::new(aws_at(&recorder.url()), "/shop/", None).unwrap();
    let error = store.write(&[delete("A"), delete("B")]).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("secret: B"), "{error}");
}

#[tokio::test]
async fn a_page_that_leads_to_itself_ends() {
    let page = serde_json::json!({ "Parameters": [], "SecretList": [], "NextToken": "again" });
    let recorder = always(&Answer::json(200, &page));
    let aws = aws_at(&recorder.url());
    let ssm = SsmSecrets::new(aws.clone(), "/shop/", None).unwrap();
    let manager = SecretsManagerSecrets::new(aws, "shop/", None).unwrap();
    for store in [&ssm as &dyn SecretStore, &manager] {
        assert!(store.list().await.unwrap_err().to_string().contains("twice"));
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = SsmSecrets::new(aws_at(&format!("http://{free}")), "/shop/", None).unwrap();
    let error = store.list().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable() && error.hints()[0].contains("AWS_ENDPOINT_URL"), "{error:?}");
}

/// Runs itself again where AWS's SDK finds nothing: no variables, no files, no machine to ask.
#[test]
fn without_credentials_a_person_is_told_to_sign_in() {
    let env = Env::of_process().unwrap();
    let Some(url) = env.get("TEST_WITHOUT_CREDENTIALS") else {
        let (recorder, home) = (Recorder::start(|_| Err("unsigned".into())), Scratch::new("aws-home"));
        let this = env.program().expect("the platform tells").to_owned();
        let finished = Run::new(this, home.path())
            .args(["--exact", "aws_refusals::without_credentials_a_person_is_told_to_sign_in"])
            .env("HOME", home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("TEST_WITHOUT_CREDENTIALS", recorder.url())
            .finish()
            .expect(0);
        assert!(finished.stdout.contains("1 passed"), "{}", finished.stdout);
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let given = Env::of([("AWS_ENDPOINT_URL", url)], "/");
    let store = SsmSecrets::new(Aws::connect(&given, Some("eu-central-1")).unwrap(), "/shop/", None).unwrap();
    let error = runtime.block_on(store.list()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(error.hints()[0].contains("aws sso login") && !error.is_retryable(), "{error:?}");
}
