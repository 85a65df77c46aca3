//! What a bucket's users make of refusals, conflicts, lost answers, thieves and clocks, with a store that is scripted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use infra_sdk::aws::{Bucket, S3Locks, S3State};
use infra_sdk::state::{
    KeyTemplate, LockInfo, LockKey, LockRequest, Locks, StateBackend, StateKey, StateLocks,
};
use infra_sdk::{Error, ErrorKind};
use support::{Answer, Recorder, Request};

use crate::aws::aws_at;

fn states(recorder: &Recorder) -> S3State {
    S3State::new(Bucket::on_s3(aws_at(&recorder.url()), "acme-state", None).unwrap(), KeyTemplate::default())
}

fn locks(recorder: &Recorder) -> S3Locks {
    S3Locks::new(Bucket::on_s3(aws_at(&recorder.url()), "acme-state", None).unwrap())
}

fn key() -> StateKey {
    "acme/shop/staging/network/terraform.tfstate".parse().unwrap()
}

fn lock_key() -> LockKey {
    LockKey {
        purpose: "deploy".parse().unwrap(),
        owner: "acme".parse().unwrap(),
        repo: "shop".parse().unwrap(),
        env: "staging".parse().unwrap(),
    }
}

fn request() -> LockRequest {
    LockRequest { who: "ada".into(), run: None, why: "x".into(), length: Duration::from_secs(60) }
}

/// An error as S3 writes it (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>request-1</RequestId></Error>"
    );
    let headers =
        vec![("content-type", "application/xml".into()), ("x-amz-request-id", "request-1".to_owned())];
    Answer::Whole(status, headers, body)
}

fn done() -> Answer {
    Answer::Whole(200, vec![("etag", "\"e\"".into())], String::new())
}

fn methods(recorder: &Recorder) -> Vec<String> {
    recorder.take().into_iter().map(|request| request.method).collect()
}

/// Answers with these, one after the other; more requests than answers fail the test.
fn scripted(answers: Vec<Answer>) -> Recorder {
    let next = AtomicUsize::new(0);
    Recorder::start(move |_| {
        let answer = answers.get(next.fetch_add(1, Ordering::SeqCst));
        answer.cloned().ok_or_else(|| "no more requests were expected".into())
    })
}

fn always(answer: Answer) -> Recorder {
    Recorder::start(move |_| Ok(answer.clone()))
}

#[tokio::test]
async fn a_conflict_of_two_at_once_is_tried_again() {
    let conflict = || refusal(409, "ConditionalRequestConflict", "x");
    let recorder = scripted(vec![conflict(), conflict(), done()]);
    states(&recorder).lock_state(&key(), &request()).await.unwrap();
    let requests = recorder.take();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.method == "PUT" && request.header("if-none-match") == Some("*"))
    );
    let recorder = always(conflict());
    let error = states(&recorder).lock_state(&key(), &request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("attempts: 4") && !error.hints().is_empty(), "{error:?}");
    assert_eq!(methods(&recorder).len(), 4, "and not for ever");
}

#[tokio::test]
async fn a_busy_store_is_asked_again_and_then_told_as_such() {
    let recorder = scripted(vec![refusal(503, "SlowDown", "x"), refusal(500, "InternalError", "x"), done()]);
    let info = LockInfo::new("ada", "deploy", Duration::from_secs(60)).unwrap();
    assert_eq!(locks(&recorder).lock(&lock_key(), &info).await.unwrap(), info);
    let recorder = always(refusal(503, "SlowDown", "Please reduce your request rate."));
    let error = locks(&recorder).lock(&lock_key(), &info).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.throttle().is_some() && format!("{error:?}").contains("request-1"), "{error:?}");
}

#[tokio::test]
async fn what_is_not_allowed_names_operation_object_permission_and_request() {
    let recorder = always(refusal(403, "AccessDenied", "Access Denied"));
    let states = states(&recorder);
    let seen = infra_sdk::state::SeenLock { lock: None, version: "\"e\"".into(), age: Duration::ZERO };
    let errors: [(Error, &str); 5] = [
        (states.read(&key()).await.unwrap_err(), "s3:GetObject"),
        (states.list(&key().owner).await.unwrap_err(), "s3:ListBucket"),
        (states.snapshots(&key()).await.unwrap_err(), "s3:ListBucket"),
        (states.lock_state(&key(), &request()).await.unwrap_err(), "s3:PutObject"),
        (states.unlock_state(&key(), &seen).await.unwrap_err(), "s3:DeleteObject"),
    ];
    for (error, permission) in errors {
        assert_eq!(error.kind(), ErrorKind::Denied);
        let text = error.to_string();
        for part in
            [format!("permission: {permission},").as_str(), "on: s3://acme-state/acme/", "request: request-1"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!error.hints().is_empty());
    }
    assert_eq!(methods(&recorder).len(), 5, "each is asked once");
    let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: kms:Decrypt on resource: \
                   arn:aws:kms:eu-central-1:123456789012:key/k because no identity-based policy allows it";
    let recorder = always(refusal(403, "AccessDenied", message));
    let error = S3State::new(
        Bucket::on_s3(aws_at(&recorder.url()), "acme-state", None).unwrap(),
        KeyTemplate::default(),
    )
    .read(&key())
    .await
    .unwrap_err();
    assert!(error.to_string().contains("permission: kms:Decrypt, resource: arn:aws:kms:"), "{error}");
}

#[tokio::test]
async fn an_expired_token_says_how_to_get_another() {
    for code in ["ExpiredToken", "InvalidAccessKeyId"] {
        let recorder = always(refusal(400, code, "x"));
        let error = states(&recorder).read(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.hints()[0].contains("aws sso login") && !error.is_retryable(), "{error:?}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_again() {
    let written: Mutex<Option<String>> = Mutex::new(None);
    let recorder = Recorder::start(move |request: &Request| {
        let mut written = written.lock().unwrap();
        match (request.method.as_str(), written.clone()) {
            ("PUT", None) => {
                *written = request.header("x-amz-meta-infra-sdk-writer").map(str::to_owned);
                // It is carried out, and then the connection breaks.
                Ok(Answer::Half(500, "x".repeat(100)))
            }
            ("PUT", Some(_)) => Ok(refusal(412, "PreconditionFailed", "x")),
            ("HEAD", Some(writer)) => {
                Ok(Answer::Whole(200, vec![("x-amz-meta-infra-sdk-writer", writer)], String::new()))
            }
            (other, _) => Err(format!("{other} was not expected")),
        }
    });
    let info = LockInfo::new("ada", "deploy", Duration::from_secs(60)).unwrap();
    assert_eq!(locks(&recorder).lock(&lock_key(), &info).await.unwrap(), info, "the lock is ours");
    assert_eq!(methods(&recorder), ["PUT", "PUT", "HEAD"]);
}

fn lock_of(who: &str) -> String {
    format!(
        r#"{{"ID":"id-of-{who}","Operation":"OperationTypeApply","Info":"","Who":"{who}","Version":"1.11.4","Created":"2026-11-20T09:34:14Z","Path":"p"}}"#
    )
}

fn object(body: String) -> Answer {
    Answer::Whole(200, vec![("etag", "\"e\"".into())], body)
}

#[tokio::test]
async fn a_lock_stolen_between_look_and_delete_stays_and_its_holder_is_named() {
    let recorder = scripted(vec![
        object(lock_of("ada")),
        refusal(412, "PreconditionFailed", "x"),
        object(lock_of("bob@runner")),
    ]);
    let states = states(&recorder);
    let seen = states.state_lock(&key()).await.unwrap().unwrap();
    let error = states.unlock_state(&key(), &seen).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("holder: bob@runner") && !error.hints().is_empty(), "{error}");
    let requests = recorder.take();
    assert_eq!(requests[1].method, "DELETE");
    assert_eq!(requests[1].header("if-match"), Some("\"e\""));
}

#[tokio::test]
async fn a_deploy_lock_that_another_took_over_is_not_freed() {
    let kept = |who: &str, id: &str| {
        let mut info = LockInfo::new(who, "deploy", Duration::from_secs(60)).unwrap();
        info.id = id.into();
        object(serde_json::json!({ "written": info.created, "lock": info }).to_string())
    };
    let recorder =
        scripted(vec![kept("ada", "one"), refusal(412, "PreconditionFailed", "x"), kept("bob", "two")]);
    assert!(!locks(&recorder).unlock(&lock_key(), "one").await.unwrap());
    assert_eq!(methods(&recorder), ["GET", "DELETE", "GET"]);
    let recorder = scripted(vec![object("not json".into())]);
    let error = locks(&recorder).holder(&lock_key()).await.unwrap_err();
    assert!(error.to_string().contains(".infra-sdk/locks/deploy/acme/shop/staging.json"), "{error}");
}

/// A time as HTTP writes it, so many seconds from now.
fn http_date(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let then = now.checked_add_signed(seconds).unwrap();
    // The days since 1970 as a date, after <https://howardhinnant.github.io/date_algorithms.html>.
    let (days, rest) = ((then / 86_400) as i64, then % 86_400);
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        [month as usize - 1];
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    format!(
        "{weekday}, {day:02} {month} {year} {:02}:{:02}:{:02} GMT",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

#[tokio::test]
async fn expiry_is_told_by_the_clock_of_the_store_and_not_by_ones_own() {
    const DAY: i64 = 86_400;
    // The store is a day ahead, the holder's clock a day behind; the lock was to last a minute.
    let kept = |age: i64| {
        let back = |time: SystemTime| infra_sdk::time::Timestamp::from(time - Duration::from_secs(86_400));
        let now = SystemTime::now();
        let (written, expires) = (back(now), back(now + Duration::from_secs(60)));
        let lock = serde_json::json!({
            "id": "one", "who": "ada", "operation": "deploy", "created": written, "expires": expires });
        let headers = vec![
            ("etag", "\"e\"".to_owned()),
            ("date", http_date(DAY)),
            ("last-modified", http_date(DAY - age)),
        ];
        Answer::Whole(200, headers, serde_json::json!({ "written": written, "lock": lock }).to_string())
    };
    let bob = LockInfo::new("bob", "deploy", Duration::from_secs(60)).unwrap();
    let taken = || refusal(412, "PreconditionFailed", "x");
    let recorder = scripted(vec![taken(), kept(30)]);
    assert_eq!(locks(&recorder).lock(&lock_key(), &bob).await.unwrap_err().kind(), ErrorKind::Locked);
    let recorder = scripted(vec![taken(), kept(70), done()]);
    locks(&recorder).lock(&lock_key(), &bob).await.unwrap();
    assert_eq!(
        recorder.take()[2].header("if-match"),
        Some("\"e\""),
        "only the one that was seen is taken over"
    );
}

#[tokio::test]
async fn a_page_that_leads_to_itself_ends() {
    let body = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>acme/x</Key>\
                <Size>1</Size></Contents></ListBucketResult>";
    let recorder = always(Answer::Whole(200, vec![("content-type", "application/xml".into())], body.into()));
    let error = states(&recorder).list(&key().owner).await.unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
    assert_eq!(methods(&recorder).len(), 2);
}
