//! State, locks and the ledger in a bucket, held against their contracts on the emulator moto.

use std::sync::Arc;
use std::time::Duration;

use infra_sdk::aws::{Aws, Bucket, S3Ledger, S3Locks, S3State};
use infra_sdk::ledger::{Ledger, Outcome, Record, verify};
use infra_sdk::state::{
    KeyTemplate, LockInfo, LockKey, LockRequest, Locks, SetupPlan, SetupStep, StateBackend, StateKey,
    StateLocks, StateStore,
};
use infra_sdk::{Env, ErrorKind};
use support::{Answer, Moto, Recorder, Request};

use crate::aws::aws_at;
use crate::{ledger, state, state_locks};

/// An account of Cloudflare.
pub(crate) const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

/// A bucket of S3 that is there.
pub(crate) async fn bucket(moto: &Moto, name: &str) -> Bucket {
    let bucket = Bucket::on_s3(aws_at(&moto.url()), name, None).unwrap();
    let states = S3State::new(bucket.clone(), KeyTemplate::default());
    let steps = vec![SetupStep::Create { region: "eu-central-1".into() }];
    states.set_up(&SetupPlan { place: name.into(), steps }).await.unwrap();
    bucket
}

/// The same as one of R2, with keys of R2's.
async fn bucket_of_r2(moto: &Moto, name: &str) -> Bucket {
    bucket(moto, name).await;
    let url = moto.url();
    let vars = [
        ("R2_ACCESS_KEY_ID", "r2-id"),
        ("R2_SECRET_ACCESS_KEY", "r2-secret"),
        ("R2_ENDPOINT_URL", url.as_str()),
        // What is AWS's has no say.
        ("AWS_PROFILE", "nobody"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_SESSION_TOKEN", "of-aws"),
    ];
    Bucket::on_r2(&Env::of(vars, "/"), ACCOUNT, name).unwrap()
}

/// Somebody else's request about an object.
pub(crate) fn other(moto: &Moto, method: &str, path: &str, body: &[u8]) -> u16 {
    let scope = "AWS4-HMAC-SHA256 Credential=test/20261120/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let request = Request {
        method: method.into(),
        path: format!("/{path}"),
        query: String::new(),
        headers: vec![("authorization".into(), scope.into()), ("host".into(), "127.0.0.1".into())],
        body: body.to_vec(),
    };
    match moto.answer(&request).expect("the emulator answers") {
        Answer::Whole(status, ..) => status,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn put(moto: &Moto, path: &str, body: &[u8]) {
    assert_eq!(other(moto, "PUT", path, body), 200, "{path}");
}

fn key(text: &str) -> StateKey {
    text.parse().unwrap()
}

fn request(length: u64) -> LockRequest {
    LockRequest { who: "ada".into(), run: None, why: "x".into(), length: Duration::from_secs(length) }
}

#[tokio::test]
async fn state_in_s3_holds() {
    let moto = Moto::shared();
    let states = S3State::new(bucket(&moto, "state-holds").await, KeyTemplate::default());
    let terraform = |key: &StateKey, bytes: &[u8]| put(&moto, &format!("state-holds/{key}"), bytes);
    state::holds(&states, &terraform).await;
}

#[tokio::test]
async fn state_in_r2_holds() {
    let moto = Moto::shared();
    let states = S3State::new(bucket_of_r2(&moto, "r2-state-holds").await, KeyTemplate::default());
    let terraform = |key: &StateKey, bytes: &[u8]| put(&moto, &format!("r2-state-holds/{key}"), bytes);
    state::holds(&states, &terraform).await;
}

#[tokio::test]
async fn locks_in_s3_and_r2_hold() {
    let moto = Moto::shared();
    state::locks_hold(&S3Locks::new(bucket(&moto, "locks-hold").await)).await;
    state::locks_hold(&S3Locks::new(bucket_of_r2(&moto, "r2-locks-hold").await)).await;
}

/// A machine that was cloned while it ran has the boot id of the other, and not its processes.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_is_not_here_is_no_proof_that_the_run_is_over() {
    use infra_sdk::state::ProcessMark;
    use infra_sdk::time::Timestamp;
    let moto = Moto::shared();
    let locks = S3Locks::new(bucket(&moto, "dead-run").await);
    let key = deploy_lock("staging");
    let mut far = info("ada", 2);
    far.process = Some(ProcessMark { pid: i32::MAX as u32, ..ProcessMark::of_this_process().unwrap() });
    assert!(far.is_free(), "on this machine it would be over");
    locks.lock(&key, &far).await.unwrap();
    let next = info("bob", 600);
    let error = locks.lock(&key, &next).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Locked && error.to_string().contains("locked by ada"), "{error}");
    assert_eq!(locks.holder(&key).await.unwrap(), Some(far.clone()));
    locks.renew(&key, &far.id, Timestamp::now().plus(Duration::from_secs(2))).await.expect("it is at work");
    // By the clock of the store it ends by itself.
    let begun = std::time::Instant::now();
    while locks.holder(&key).await.unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(locks.lock(&key, &next).await.unwrap(), next);
    assert!(!locks.unlock(&key, &far.id).await.unwrap(), "it is the next one's by now");
}

#[cfg(target_os = "linux")]
fn info(who: &str, seconds: u64) -> LockInfo {
    LockInfo::new(who, "deploy", Duration::from_secs(seconds)).unwrap()
}

#[tokio::test]
async fn locks_copies_and_the_ledger_take_few_requests() {
    let moto = Moto::shared();
    bucket(&moto, "few-requests").await;
    let front = Arc::clone(&moto);
    let recorder = Recorder::start(move |request| front.answer(request).map_err(|error| error.to_string()));
    let made = |what: &str, wanted: &[&str]| {
        let methods: Vec<String> = recorder.take().into_iter().map(|request| request.method).collect();
        assert_eq!(methods, wanted, "{what}");
    };
    let bucket = Bucket::on_s3(aws_at(&recorder.url()), "few-requests", None).unwrap();
    let (locks, lock) = (S3Locks::new(bucket.clone()), deploy_lock("staging"));
    let info = LockInfo::new("ada", "deploy", Duration::from_secs(600)).unwrap();
    locks.lock(&lock, &info).await.unwrap();
    made("a lock", &["PUT"]);
    locks.renew(&lock, &info.id, info.expires).await.unwrap();
    made("a renewal", &["GET", "PUT"]);
    locks.unlock(&lock, &info.id).await.unwrap();
    made("freeing it", &["GET", "DELETE"]);
    let ledger = S3Ledger::new(bucket.clone(), &"acme".parse().unwrap());
    for _ in 0..3 {
        let (env, project) = ("staging".parse().unwrap(), "shop".parse().unwrap());
        ledger.append(Record::new("ada", env, project, "deploy", "app", Outcome::Done)).await.unwrap();
    }
    made("three entries", &["GET", "PUT", "GET", "GET", "PUT", "GET", "GET", "PUT"]);
    ledger.read(0, 100).await.unwrap();
    made("reading them", &["GET"; 4]);
    let states = S3State::new(bucket, KeyTemplate::default());
    let shop = key("acme/shop/staging/network/terraform.tfstate");
    put(&moto, &format!("few-requests/{shop}"), b"{}");
    states.snapshot(&shop).await.unwrap();
    made("a copy", &["GET", "GET", "PUT"]);
    states.snapshot(&shop).await.unwrap();
    made("no second copy", &["GET", "GET", "GET"]);
    states.list(&shop.owner).await.unwrap();
    made("a list", &["GET"]);
}

fn deploy_lock(env: &str) -> LockKey {
    LockKey {
        purpose: "deploy".parse().unwrap(),
        owner: "acme".parse().unwrap(),
        repo: "shop".parse().unwrap(),
        env: env.parse().unwrap(),
    }
}

#[tokio::test]
async fn a_list_of_states_does_not_read_the_ledger() {
    let moto = Moto::shared();
    let bucket = bucket(&moto, "long-ledger").await;
    moto.python(
        "s3 = client('s3')\n\
         for n in range(1100): s3.put_object(Bucket='long-ledger', Key='.infra-sdk/ledger/acme/%d' % n, Body=b'')\n\
         s3.put_object(Bucket='long-ledger', Key='shop/staging/x.tfstate', Body=b'{}')\n\
         for n in range(1100): s3.put_object(Bucket='long-ledger', Key='web/env%d/x.tfstate' % n, Body=b'{}')",
    );
    let keys = KeyTemplate::new("{repo}/{env}/x.tfstate").unwrap().of("acme".parse().unwrap(), None);
    let listed = S3State::new(bucket, keys).list(&"acme".parse().unwrap()).await.unwrap();
    assert_eq!(listed.len(), 1101, "all pages of states, and nothing else");
}

#[tokio::test]
async fn terraforms_locks_in_s3_and_r2_hold() {
    let moto = Moto::shared();
    for bucket in [bucket(&moto, "tflock-holds").await, bucket_of_r2(&moto, "r2-tflock-holds").await] {
        state_locks::hold(&S3State::new(bucket, KeyTemplate::default())).await;
    }
}

#[tokio::test]
async fn the_ledger_in_s3_holds() {
    let moto = Moto::shared();
    ledger::holds(&S3Ledger::new(bucket(&moto, "ledger-holds").await, &"acme".parse().unwrap())).await;
    ledger::holds(&S3Ledger::new(bucket_of_r2(&moto, "r2-ledger-holds").await, &"acme".parse().unwrap()))
        .await;
}

#[tokio::test]
async fn a_ledger_that_was_tampered_with_is_found_out() {
    let moto = Moto::shared();
    let org = "acme".parse().unwrap();
    let ledger = S3Ledger::new(bucket(&moto, "ledger-tampered").await, &org);
    let record = |subject: &str| {
        let (env, project) = ("staging".parse().unwrap(), "shop".parse().unwrap());
        Record::new("ada", env, project, "deploy", subject, Outcome::Done)
    };
    for number in 0..20 {
        ledger.append(record(&format!("n{number}"))).await.unwrap();
    }
    let path = |number: u64| ledger.place(number).trim_start_matches("s3://").to_owned();
    let kept = ledger.read(2, 1).await.unwrap().remove(0);
    let edited = serde_json::to_string(&kept).unwrap().replace("n2", "n3");
    put(&moto, &path(3), edited.as_bytes());
    let error = verify(&ledger, None).await.unwrap_err().to_string();
    assert!(error.contains("ledger entry 3") && error.contains("9999999996-0000000003.json"), "{error}");
    put(&moto, &path(3), b"{\"seq\":3,");
    assert_eq!(ledger.read(0, 100).await.unwrap().len(), 2, "what stands before the damage is given");
    assert_eq!(ledger.read(2, 100).await.unwrap_err().kind(), ErrorKind::Invalid);
    put(&moto, &path(3), serde_json::to_string(&kept).unwrap().as_bytes());
    assert_eq!(verify(&ledger, None).await.unwrap().entries, 20);
    assert_eq!(other(&moto, "DELETE", &path(7), b""), 204);
    let error = verify(&ledger, None).await.unwrap_err();
    assert!(
        error.to_string().contains("missing") && error.to_string().contains("0000000007.json"),
        "{error}"
    );
    // The newest is another one's: nothing follows it.
    put(&moto, &path(20), serde_json::to_string(&kept).unwrap().as_bytes());
    assert_eq!(ledger.append(record("x")).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn many_that_append_at_once_keep_one_chain() {
    let moto = Moto::shared();
    let ledger = S3Ledger::new(bucket(&moto, "ledger-at-once").await, &"acme".parse().unwrap());
    let mut appends = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let ledger = ledger.clone();
        appends.spawn(async move {
            for number in 0..4 {
                let (env, project) = ("staging".parse().unwrap(), "shop".parse().unwrap());
                let subject = format!("{writer}-{number}");
                ledger
                    .append(Record::new("ci", env, project, "deploy", subject, Outcome::Done))
                    .await
                    .unwrap();
            }
        });
    }
    appends.join_all().await;
    assert_eq!(verify(&ledger, None).await.unwrap().entries, 24);
}

#[tokio::test]
async fn what_exists_under_other_keys_is_adopted() {
    let moto = Moto::shared();
    let bucket = bucket(&moto, "adopted").await;
    put(&moto, "adopted/shop-api/staging/terraform.tfstate", b"{\"serial\": 3}");
    put(&moto, "adopted/shop-api/staging/terraform.tfstate.tflock", b"{}");
    put(&moto, "adopted/web/production/terraform.tfstate", b"{}");
    put(&moto, "adopted/readme.txt", b"{}");
    let keys = KeyTemplate::new("{repo}/{env}/terraform.tfstate").unwrap();
    let states = S3State::new(bucket, keys.of("acme".parse().unwrap(), Some("network".parse().unwrap())));
    let shop = key("acme/shop-api/staging/network/terraform.tfstate");
    assert_eq!(states.read(&shop).await.unwrap().as_deref(), Some(&b"{\"serial\": 3}"[..]));
    states.snapshot(&shop).await.unwrap().unwrap();
    let listed = states.list(&"acme".parse().unwrap()).await.unwrap();
    assert_eq!(listed, [shop.clone(), key("acme/web/production/network/terraform.tfstate")]);
    assert_eq!(states.list(&"other".parse().unwrap()).await.unwrap(), []);
    let service = key("acme/shop-api/staging/service/terraform.tfstate");
    assert!(states.settings(&service).await.unwrap_err().to_string().contains("{stack}"));
}

#[tokio::test]
async fn another_accounts_credentials_read_and_write_nothing_and_tell_terraform_nothing() {
    let moto = Moto::shared();
    bucket(&moto, "wrong-account").await;
    let aws: Aws = aws_at(&moto.url()).for_account("210987654321").unwrap();
    let bucket = Bucket::on_s3(aws, "wrong-account", None).unwrap();
    let states = S3State::new(bucket.clone(), KeyTemplate::default());
    let shop = key("acme/shop/staging/network/terraform.tfstate");
    put(&moto, &format!("wrong-account/{shop}"), b"{}");
    for error in [
        states.settings(&shop).await.unwrap_err(),
        states.snapshot(&shop).await.unwrap_err(),
        states.lock_state(&shop, &request(60)).await.unwrap_err(),
        states.probe().await.unwrap_err(),
        // What another account has would be told as what this one has.
        states.read(&shop).await.unwrap_err(),
        states.state_lock(&shop).await.unwrap_err(),
        states.list(&shop.owner).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("another account"), "{error}");
    }
}

#[tokio::test]
async fn a_lock_past_its_time_is_taken_over_and_one_that_is_no_json_is_told_as_such() {
    let moto = Moto::shared();
    let states = S3State::new(bucket(&moto, "late-locks").await, KeyTemplate::default());
    let shop = key("acme/shop/staging/network/terraform.tfstate");
    let first = states.lock_state(&shop, &request(1)).await.unwrap();
    assert_eq!(states.lock_state(&shop, &request(60)).await.unwrap_err().kind(), ErrorKind::Locked);
    let seen = loop {
        let seen = states.state_lock(&shop).await.unwrap().unwrap();
        if seen.has_expired() {
            break seen;
        }
        assert!(seen.age < Duration::from_secs(60), "{seen:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(seen.error(&shop).hints()[0].contains("past its time"));
    let second = states.lock_state(&shop, &request(60)).await.unwrap();
    assert_ne!(first.id, second.id);
    // The former holder frees nothing of the new one's.
    assert_eq!(states.unlock_state(&shop, &seen).await.unwrap_err().kind(), ErrorKind::Conflict);

    put(&moto, &format!("late-locks/{shop}.tflock"), b"not json");
    let seen = states.state_lock(&shop).await.unwrap().unwrap();
    assert!(seen.lock.is_none() && !seen.has_expired());
    let error = states.lock_state(&shop, &request(60)).await.unwrap_err();
    assert!(
        error.to_string().contains("does not say by whom") && error.kind() == ErrorKind::Locked,
        "{error}"
    );
    states.unlock_state(&shop, &seen).await.unwrap();
    assert!(states.state_lock(&shop).await.unwrap().is_none());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_from_a_state_that_is_not() {
    let moto = Moto::shared();
    let states =
        S3State::new(Bucket::on_s3(aws_at(&moto.url()), "never-made", None).unwrap(), KeyTemplate::default());
    let shop = key("acme/shop/staging/network/terraform.tfstate");
    for error in [
        states.read(&shop).await.unwrap_err(),
        states.list(&shop.owner).await.unwrap_err(),
        states.lock_state(&shop, &request(60)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(error.hints()[0].contains("infra:state:setup"), "{error:?}");
    }
    let _kept: Arc<Moto> = moto;
}
