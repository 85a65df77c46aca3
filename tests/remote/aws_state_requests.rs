//! What requests about a bucket say beside what they ask for: whose bucket it must be, what encrypts, and what an answer
//! without a word means.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use infra_sdk::aws::{Bucket, S3Ledger, S3Locks, S3State};
use infra_sdk::ledger::{Ledger, Outcome, Record};
use infra_sdk::state::{
    KeyTemplate, LockInfo, LockKey, LockRequest, Locks, Setting, StateBackend, StateKey, StateLocks,
    StateStore,
};
use support::{Answer, Moto, Recorder, Request};

use crate::aws::aws_at;

const ACCOUNT: &str = "123456789012";

fn shop() -> StateKey {
    "acme/shop/staging/network/terraform.tfstate".parse().unwrap()
}

fn front(moto: &Arc<Moto>) -> (Recorder, Arc<Mutex<Vec<Request>>>) {
    let (moto, kept) = (Arc::clone(moto), Arc::<Mutex<Vec<Request>>>::default());
    let asked = Arc::clone(&kept);
    let recorder = Recorder::start(move |request| {
        asked.lock().unwrap().push(request.clone());
        moto.answer(request).map_err(|error| error.to_string())
    });
    (recorder, kept)
}

#[tokio::test]
async fn every_request_says_whose_bucket_it_must_be_where_an_account_is_named() {
    let moto = Moto::shared();
    crate::aws_state::bucket(&moto, "whose-bucket").await;
    let (recorder, asked) = front(&moto);
    let with = |aws| Bucket::on_s3(aws, "whose-bucket", None).unwrap();
    let use_all = async |bucket: Bucket| {
        let states = S3State::new(bucket.clone(), KeyTemplate::default());
        let key = shop();
        crate::aws_state::put(&moto, &format!("whose-bucket/{key}"), b"{}");
        states.settings(&key).await.unwrap();
        states.read(&key).await.unwrap();
        states.list(&key.owner).await.unwrap();
        states.snapshot(&key).await.unwrap();
        states.probe().await.unwrap();
        let request =
            LockRequest { who: "ada".into(), run: None, why: "x".into(), length: Duration::from_secs(60) };
        states.lock_state(&key, &request).await.unwrap();
        let seen = states.state_lock(&key).await.unwrap().unwrap();
        states.unlock_state(&key, &seen).await.unwrap();
        let locks = S3Locks::new(bucket.clone());
        let lock = LockKey {
            purpose: "deploy".parse().unwrap(),
            owner: "acme".parse().unwrap(),
            repo: "shop".parse().unwrap(),
            env: "staging".parse().unwrap(),
        };
        let info = LockInfo::new("ada", "deploy", Duration::from_secs(60)).unwrap();
        locks.lock(&lock, &info).await.unwrap();
        locks.renew(&lock, &info.id, info.expires).await.unwrap();
        locks.unlock(&lock, &info.id).await.unwrap();
        let (env, project) = ("staging".parse().unwrap(), "shop".parse().unwrap());
        let record = Record::new("ada", env, project, "deploy", "app", Outcome::Done);
        let ledger = S3Ledger::new(bucket, &"acme".parse().unwrap());
        ledger.append(record).await.unwrap();
        ledger.read(0, 10).await.unwrap();
    };
    use_all(with(aws_at(&recorder.url()).for_account(ACCOUNT).unwrap())).await;
    let of_bucket = |request: &Request| request.path.starts_with("/whose-bucket");
    let made: Vec<Request> = std::mem::take(&mut *asked.lock().unwrap());
    let made: Vec<&Request> = made.iter().filter(|request| of_bucket(request)).collect();
    assert!(made.len() > 20, "{}", made.len());
    let methods: std::collections::BTreeSet<&str> =
        made.iter().map(|request| request.method.as_str()).collect();
    assert!(["GET", "PUT", "DELETE"].iter().all(|method| methods.contains(method)), "{methods:?}");
    for request in made {
        let says = request.header("x-amz-expected-bucket-owner");
        assert_eq!(says, Some(ACCOUNT), "{} {}?{}", request.method, request.path, request.query);
    }
    // Nobody's in particular, where no account is named.
    use_all(with(aws_at(&recorder.url()))).await;
    for request in asked.lock().unwrap().iter() {
        assert_eq!(
            request.header("x-amz-expected-bucket-owner"),
            None,
            "{} {}",
            request.method,
            request.path
        );
    }
}

#[tokio::test]
async fn terraform_is_told_to_encrypt_only_with_a_key_of_ones_own() {
    let moto = Moto::shared();
    crate::aws_state::bucket(&moto, "whose-key").await;
    let settings = async |key: Option<&str>| {
        let bucket = Bucket::on_s3(aws_at(&moto.url()), "whose-key", key.map(str::to_owned)).unwrap();
        S3State::new(bucket, KeyTemplate::default()).settings(&shop()).await.unwrap().values
    };
    let plain = settings(None).await;
    assert!(!plain.contains_key("encrypt") && !plain.contains_key("kms_key_id"), "{plain:?}");
    let own = settings(Some("alias/state")).await;
    assert_eq!(own.get("encrypt"), Some(&Setting::Flag(true)));
    assert_eq!(own.get("kms_key_id"), Some(&Setting::Text("alias/state".into())));
}

/// A proxy answers so, and a state that is taken for absent is one that Terraform makes anew.
#[tokio::test]
async fn a_404_without_a_code_is_not_s3s_word_that_an_object_is_not_there() {
    let html = Answer::Whole(404, vec![("content-type", "text/html".into())], "<html>no</html>".into());
    for answer in [Answer::Whole(404, Vec::new(), String::new()), html] {
        let recorder = Recorder::start(move |_| Ok(answer.clone()));
        let bucket = Bucket::on_s3(aws_at(&recorder.url()), "acme-state", None).unwrap();
        let states = S3State::new(bucket.clone(), KeyTemplate::default());
        let lock = LockKey {
            purpose: "deploy".parse().unwrap(),
            owner: "acme".parse().unwrap(),
            repo: "shop".parse().unwrap(),
            env: "staging".parse().unwrap(),
        };
        for error in [
            states.read(&shop()).await.unwrap_err(),
            states.state_lock(&shop()).await.unwrap_err(),
            S3Locks::new(bucket).holder(&lock).await.unwrap_err(),
            states.list(&shop().owner).await.unwrap_err(),
        ] {
            assert!(!error.hints().is_empty(), "{error:?}");
            assert!(error.to_string().contains("acme-state"), "{error}");
        }
    }
}
