//! The crate `cloudflare` beside our own requests: where it asks the same, and why it is not used all the same.

use ::cloudflare::endpoints::account::user::GetUserTokenStatus;
use ::cloudflare::endpoints::account::{ListAccounts, list_accounts::ListAccountsParams};
use ::cloudflare::endpoints::r2::r2::{CreateBucket, ListBuckets};
use ::cloudflare::endpoints::workers::ListSecrets;
use ::cloudflare::endpoints::zones::zone::{ListZones, ListZonesParams};
use ::cloudflare::framework::Environment;
use ::cloudflare::framework::auth::Credentials;
use ::cloudflare::framework::client::{ClientConfig, async_api};
use ::cloudflare::framework::response::ApiFailure;
use infra_sdk::cloudflare::{Cloudflare, TokenOwner};
use infra_sdk::secrets::SecretStore;
use infra_sdk::{Env, ErrorKind};
use serde_json::{Value, json};
use support::{Answer, CloudflareApi, Recorder, Request};

const ACCOUNT: &str = CloudflareApi::ACCOUNT;
const TOKEN: &str = CloudflareApi::TOKEN;

fn ours(url: &str) -> Cloudflare {
    Cloudflare::new(&Env::of([("CLOUDFLARE_API_TOKEN", TOKEN), ("CLOUDFLARE_API_BASE_URL", url)], "/"))
        .unwrap()
}

fn theirs(url: &str) -> async_api::Client {
    let token = Credentials::UserAuthToken { token: TOKEN.into() };
    let environment = Environment::Custom(url.to_owned());
    async_api::Client::new(token, ClientConfig::default(), environment).unwrap()
}

/// A service that answers every request alike.
fn always(status: u16, headers: Vec<(&'static str, String)>, body: &Value) -> Recorder {
    let answer = Answer::Whole(status, headers, body.to_string());
    Recorder::start(move |_| Ok(answer.clone()))
}

fn result(result: &Value) -> Value {
    json!({"success": true, "errors": [], "messages": [], "result": result})
}

fn same(request: &Request) -> (String, String, Option<String>, Value) {
    let authorization = request.header("authorization").map(str::to_owned);
    (format!("{} {}", request.method, request.path), request.query.clone(), authorization, request.json())
}

fn zone(status: &str, activated: &Value) -> Value {
    json!({
        "id": "z1", "name": "acme.example", "status": status, "activated_on": activated, "paused": false,
        "account": {"id": ACCOUNT, "name": "Acme"}, "created_on": "2026-01-01T00:00:00Z",
        "modified_on": "2026-01-01T00:00:00Z", "development_mode": 0, "name_servers": ["a.ns.example"],
        "meta": {"custom_certificate_quota": 0, "page_rule_quota": 3, "phishing_detected": false},
        "owner": {"type": "user", "id": null, "email": null}, "permissions": [], "type": "full",
    })
}

#[tokio::test]
async fn where_it_is_right_both_ask_and_understand_the_same() {
    let api = CloudflareApi::start();
    let theirs = theirs(&format!("{}/", api.url()));
    let ours = ours(&api.url());

    let (mine, other) =
        (ours.verify_token(None).await.unwrap(), theirs.request(&GetUserTokenStatus {}).await.unwrap());
    assert_eq!((mine.id, mine.owner), (other.result.id, TokenOwner::User));
    let params = ListAccountsParams { per_page: Some(50), ..ListAccountsParams::default() };
    let other = theirs.request(&ListAccounts { params: Some(params) }).await.unwrap();
    let mine = ours.accounts().await.unwrap();
    assert_eq!((&mine[0].id, &mine[0].name), (&other.result[0].id, &other.result[0].name));
    let sent = api.take();
    assert_eq!([same(&sent[0]), same(&sent[3])], [same(&sent[1]), same(&sent[2])]);

    let zones = always(200, Vec::new(), &result(&json!([zone("active", &"2026-01-01T00:00:00Z".into())])));
    let url = zones.url();
    let params = ListZonesParams { name: Some("acme.example".into()), ..ListZonesParams::default() };
    let other = self::theirs(&format!("{url}/")).request(&ListZones { params }).await.unwrap();
    let mine = self::ours(&url).zone("acme.example", None).await.unwrap().unwrap();
    assert_eq!((mine.id, mine.name), (other.result[0].id.clone(), other.result[0].name.clone()));
    let sent = zones.take();
    assert_eq!(same(&sent[0]), same(&sent[1]));
}

#[tokio::test]
async fn a_base_address_without_a_slash_at_its_end_sends_it_elsewhere() {
    let recorder =
        always(200, Vec::new(), &result(&json!({"id": CloudflareApi::TOKEN_ID, "status": "active"})));
    let base = format!("{}/client/v4", recorder.url());
    theirs(&base).request(&GetUserTokenStatus {}).await.unwrap();
    ours(&base).verify_token(None).await.unwrap();
    let paths: Vec<String> = recorder.take().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/client/user/tokens/verify", "/client/v4/user/tokens/verify"]);
}

#[tokio::test]
async fn a_bucket_that_was_made_is_reported_as_a_failure_and_asked_for_by_an_old_way() {
    let made = json!({"name": "acme-state", "creation_date": "2026-11-20T10:00:00.000Z", "location": "WEUR"});
    let recorder = always(200, Vec::new(), &result(&made));
    let base = format!("{}/", recorder.url());
    let create = CreateBucket { account_identifier: ACCOUNT, bucket_name: "acme-state" };
    let failure = theirs(&base).request(&create).await.unwrap_err();
    assert!(matches!(failure, ApiFailure::Invalid(_)), "{failure:?}");
    ours(&base).r2_bucket(ACCOUNT, "acme-state", None, None).unwrap().create().await.unwrap();
    let sent: Vec<String> = recorder.take().iter().map(|request| same(request).0).collect();
    assert_eq!(sent[0], format!("PUT /accounts/{ACCOUNT}/r2/buckets/acme-state"));
    assert_eq!(sent[1], format!("POST /accounts/{ACCOUNT}/r2/buckets"));
}

#[tokio::test]
async fn a_list_of_buckets_ends_with_its_first_page_and_knows_no_jurisdiction() {
    let api = CloudflareApi::start();
    let bucket = |name: &str, within: &str| (name.to_owned(), within.to_owned(), "WEUR".to_owned());
    api.set(|world| {
        world.buckets = vec![
            bucket("a-state", "default"),
            bucket("b-state", "default"),
            bucket("c-state", "default"),
            bucket("e-state", "eu"),
        ];
    });
    let listed = theirs(&format!("{}/", api.url()))
        .request(&ListBuckets { account_identifier: ACCOUNT })
        .await
        .unwrap();
    let names: Vec<&str> = listed.result.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["a-state", "b-state"]);
    let ours = ours(&api.url());
    let look =
        async |name, within| ours.r2_bucket(ACCOUNT, name, within, None).unwrap().look().await.unwrap();
    assert!(look("c-state", None).await.is_some());
    assert!(look("e-state", Some(infra_sdk::config::Jurisdiction::Eu)).await.is_some());
}

#[tokio::test]
async fn an_error_with_a_large_code_loses_its_cause_and_an_answer_its_headers() {
    let body = json!({"success": false, "result": null, "messages": [], "errors": [{"code": 100_117, "message": "why"}]});
    let recorder = always(409, Vec::new(), &body);
    let base = format!("{}/", recorder.url());
    let ApiFailure::Error(_, errors) =
        theirs(&base).request(&ListBuckets { account_identifier: ACCOUNT }).await.unwrap_err()
    else {
        panic!("an answer that refuses")
    };
    assert!(errors.errors.is_empty() && errors.other.is_empty(), "{errors:?}");
    let error = ours(&base).accounts().await.unwrap_err();
    assert!(error.to_string().contains("code: 100117") && error.to_string().contains("why"), "{error}");

    let wait = vec![("retry-after", "7".to_owned())];
    let recorder = always(429, wait, &json!({"success": false, "errors": [], "result": null}));
    let base = format!("{}/", recorder.url());
    let failure = theirs(&base).request(&GetUserTokenStatus {}).await.unwrap_err();
    assert!(!format!("{failure:?}").contains('7'), "{failure:?}");
    let error = ours(&base).verify_token(None).await.unwrap_err();
    assert_eq!(error.throttle().unwrap().after.unwrap().as_secs(), 7);
}

#[tokio::test]
async fn a_zone_that_is_not_active_yet_makes_the_whole_list_unreadable() {
    let recorder = always(200, Vec::new(), &result(&json!([zone("pending", &Value::Null)])));
    let base = format!("{}/", recorder.url());
    let failure = theirs(&base).request(&ListZones { params: ListZonesParams::default() }).await.unwrap_err();
    assert!(matches!(failure, ApiFailure::Invalid(_)), "{failure:?}");
    assert_eq!(ours(&base).zone("acme.example", None).await.unwrap().unwrap().status, "pending");
}

#[tokio::test]
async fn a_name_can_change_the_endpoint() {
    let recorder = always(200, Vec::new(), &result(&json!([])));
    let base = format!("{}/client/v4/", recorder.url());
    let name = "../../../../user/tokens/x?";
    let list = ListSecrets { account_identifier: ACCOUNT, script_name: name };
    theirs(&base).request(&list).await.unwrap();
    assert!(recorder.take()[0].path.starts_with("/client/v4/user/tokens/"));
    let refused =
        ours(&base).worker_secrets(Some(ACCOUNT), name).map(|store| store.name().to_owned()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(recorder.take().is_empty());
}

#[test]
fn its_credentials_show_the_token() {
    let shown = format!("{:?}", Credentials::UserAuthToken { token: TOKEN.into() });
    assert!(shown.contains(TOKEN));
    assert!(!format!("{:?}", ours("http://127.0.0.1:1")).contains(TOKEN));
}
