//! References that AWS does not give: secrets that cannot be decrypted, requests that come too fast, answers in any order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use infra_sdk::names::ParamPath;
use infra_sdk::refs::{self, ParameterStore, ParameterValue, ParameterWrite};
use infra_sdk::{ErrorKind, SecretValue};
use serde_json::{Value, json};
use support::{Answer, Moto, Recorder, Request};

use crate::aws::operations;
use crate::aws_refs::store_in;

const CANARY: &str = "canary-41c7";

fn path(text: &str) -> ParamPath {
    text.parse().unwrap()
}

fn operation(request: &Request) -> String {
    request.header("x-amz-target").unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned()
}

pub(crate) fn refusal(code: &str, message: &str) -> Answer {
    let body = json!({ "__type": format!("com.amazonaws.ssm#{code}"), "message": message });
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid", "request-1".to_owned()),
    ];
    Answer::Whole(400, headers, body.to_string())
}

fn ok(body: &Value) -> Answer {
    Answer::Whole(200, vec![("content-type", "application/x-amz-json-1.1".into())], body.to_string())
}

fn parameter(name: &str, kind: &str, value: &str) -> Value {
    json!({ "Name": name, "Type": kind, "Value": value, "Version": 1, "LastModifiedDate": 1_700_000_000.0 })
}

/// What AWS says to a read with decryption when the key of one of the parameters may not be used.
const NO_KEY: &str = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, \
                      or you are not allowed to access.";

#[tokio::test]
async fn a_secret_that_cannot_be_decrypted_is_named_with_the_permission() {
    let recorder = Recorder::start(|request| {
        let asked = request.json();
        let decrypt = asked["WithDecryption"] == true;
        match operation(request).as_str() {
            "GetParameters" => {
                let names: Vec<&str> =
                    asked["Names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                if decrypt && names.iter().any(|name| name.ends_with("/bad") || name.ends_with("/worse")) {
                    return Ok(refusal("AccessDeniedException", NO_KEY));
                }
                let kind = |name: &&&str| !name.ends_with(".contract") && name.matches('/').count() > 1;
                let found: Vec<Value> =
                    names.iter().filter(kind).map(|name| parameter(name, "SecureString", CANARY)).collect();
                Ok(ok(&json!({ "Parameters": found })))
            }
            "GetParametersByPath" if decrypt => Ok(refusal("AccessDeniedException", NO_KEY)),
            "GetParametersByPath" => {
                let names = ["/keys/a", "/keys/bad", "/keys/c"];
                let found = names.map(|name| parameter(name, "SecureString", "AQICAHi"));
                Ok(ok(&json!({ "Parameters": found })))
            }
            other => Err(format!("{other} is not expected")),
        }
    });
    let store = store_in(&recorder.url(), "eu-central-1");
    let names = ["/keys/a", "/keys/bad", "/keys/c", "/keys/worse"].map(path);
    let by_name = store.get(&names).await.unwrap_err();
    assert!(by_name.to_string().contains("and: /keys/worse"), "{by_name:?}");
    let by_path = refs::read::<BTreeMap<String, SecretValue>>(&store, &path("/keys")).await.unwrap_err();
    for error in [by_name, by_path] {
        let text = format!("{error:?}");
        assert_eq!(error.kind(), ErrorKind::Denied);
        for part in ["permission: kms:Decrypt", "on: /keys/bad", "request: request-1"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("/keys/a,") && !text.contains(CANARY) && !error.hints().is_empty(), "{text}");
    }
    // Whether it is there can be told without the key.
    assert_eq!(store.present(&names).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_missing_permission_is_named_with_what_it_is_for() {
    let message = "User: arn:aws:sts::123456789012:assumed-role/ci/x is not authorized to perform: ssm:PutParameter on \
                   resource: arn:aws:ssm:eu-central-1:123456789012:parameter/denied/a because no identity-based policy \
                   allows the ssm:PutParameter action";
    let recorder = Recorder::start(|request| match operation(request).as_str() {
        "GetParameters" => Ok(ok(&json!({ "Parameters": [] }))),
        "GetParametersByPath" => Ok(ok(&json!({ "Parameters": [] }))),
        "PutParameter" => Ok(refusal("AccessDeniedException", message)),
        other => Err(format!("{other} is not expected")),
    });
    let store = store_in(&recorder.url(), "eu-central-1");
    let secret = BTreeMap::from([("a", SecretValue::new(CANARY))]);
    let error = refs::publish(&store, &path("/denied"), &secret).await.unwrap_err();
    let text = format!("{error:?}");
    for part in [
        "permission: ssm:PutParameter",
        "parameter/denied/a",
        "on: /denied/a",
        "request: request-1",
        "next: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("[secret]") && !text.contains(CANARY), "{text}");
}

/// Permissions on the values of a tree alone: neither on its contract nor on what stands around it.
#[tokio::test]
async fn who_may_read_values_only_reads_them_without_the_contract() {
    let moto = Moto::shared();
    let plainly = store_in(&moto.url(), "ap-southeast-3");
    let values = BTreeMap::from([("a", "x"), ("b", "y")]);
    refs::publish(&plainly, &path("/narrow/tree"), &values).await.unwrap();
    let behind = Arc::clone(&moto);
    let recorder = Recorder::start(move |request| {
        let names = request.json()["Names"].as_array().cloned().unwrap_or_default();
        let forbidden = |name: &Value| !name.as_str().is_some_and(|name| name.starts_with("/narrow/tree/"));
        if names.iter().any(forbidden) {
            return Ok(refusal(
                "AccessDeniedException",
                "is not authorized to perform: ssm:GetParameters on resource: x",
            ));
        }
        behind.answer(request).map_err(|error| error.to_string())
    });
    let store = store_in(&recorder.url(), "ap-southeast-3");
    let read: BTreeMap<String, String> = refs::read(&store, &path("/narrow/tree")).await.unwrap();
    assert_eq!(read.len(), 2);
    let denied = refs::read::<String>(&store, &path("/narrow/other")).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied, "what may not be read is not missing");
}

/// The emulator behind a service that refuses the first requests of each operation, and answers lists backwards.
#[tokio::test]
async fn what_is_throttled_is_asked_again_and_order_does_not_matter() {
    let moto = Moto::shared();
    let refused = Arc::new(AtomicUsize::new(0));
    let (behind, refusals) = (Arc::clone(&moto), Arc::clone(&refused));
    let recorder = Recorder::start(move |request| {
        if refusals.fetch_add(1, Ordering::SeqCst) % 3 == 0 {
            return Ok(refusal("ThrottlingException", "Rate exceeded"));
        }
        let answer = behind.answer(request).map_err(|error| error.to_string())?;
        let Answer::Whole(status, headers, body) = answer else {
            return Err("a whole answer is expected".into());
        };
        let Ok(mut body) = serde_json::from_str::<Value>(&body) else {
            return Err("JSON is expected".into());
        };
        if let Some(found) = body["Parameters"].as_array_mut() {
            found.reverse();
            found.push(parameter("/stranger", "String", "nobody asked for it"));
        }
        Ok(Answer::Whole(status, headers, body.to_string()))
    });
    let store = store_in(&recorder.url(), "ap-southeast-1");
    let values: BTreeMap<String, String> = (0..12).map(|at| (format!("v{at:02}"), at.to_string())).collect();
    let published = refs::publish(&store, &path("/slow"), &values).await.unwrap();
    assert!(published.written.values().all(|version| *version == 1), "each was written once: {published}");
    let paths: Vec<ParamPath> = values.keys().map(|name| path(&format!("/slow/{name}"))).collect();
    let found = store.get(&paths).await.unwrap();
    assert!(found.len() == 12 && found.iter().all(|(path, parameter)| parameter.path == *path));
    let read: BTreeMap<String, String> = refs::read(&store, &path("/slow")).await.unwrap();
    assert_eq!(read, values);
}

/// A write that nobody answered may have been made: made again it would look like somebody else's.
#[tokio::test]
async fn a_write_of_unknown_outcome_is_not_made_again_and_the_next_run_goes_on() {
    let recorder = Recorder::start(|request| match operation(request).as_str() {
        "PutParameter" if request.json()["Name"] == "/half/b" => {
            Ok(Answer::Half(200, "{\"Version\": 1}".into()))
        }
        "PutParameter" => Ok(ok(&json!({ "Version": 1 }))),
        other => Err(format!("{other} is not expected")),
    });
    let store = store_in(&recorder.url(), "eu-central-1");
    let write = |at: &str| {
        let value = ParameterValue::Secret(SecretValue::new(CANARY));
        ParameterWrite::new(path(at), value).over(infra_sdk::refs::Over::Nothing)
    };
    let error = store.put(&[write("/half/a"), write("/half/b"), write("/half/c")]).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("1 of 3") && text.contains("run the same again") && !text.contains(CANARY),
        "{text}"
    );
    assert_eq!(operations(&recorder), ["PutParameter", "PutParameter"]);
}

#[tokio::test]
async fn what_is_too_long_for_a_parameter_is_told_by_the_plan_all_of_it_at_once() {
    let moto = Moto::shared();
    let store = store_in(&moto.url(), "eu-west-3");
    let tree = BTreeMap::from([("a", "x".repeat(5_000)), ("b", "y".repeat(6_000)), ("c", "z".repeat(4_096))]);
    let error = refs::publish_plan(&store, &"/long/tree".parse().unwrap(), &tree).await.unwrap_err();
    let text = error.report().to_string();
    assert!(text.contains("at most 4096 bytes (parameter: /long/tree/a, /long/tree/b)"), "{text}");
    assert!(error.kind() == ErrorKind::Invalid && !text.contains("xxx"), "{text}");
}
