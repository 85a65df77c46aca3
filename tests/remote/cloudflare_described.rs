//! What is asked of Cloudflare, through Prism with Cloudflare's own description of its interface.

use std::time::Duration;

use infra_sdk::Env;
use infra_sdk::cloudflare::{BucketNeed, Cloudflare, CloudflareHealth, CloudflareNeeds};
use infra_sdk::config::{Jurisdiction, Location};
use infra_sdk::health::{HealthCheck, State};
use serde_json::json;
use support::{Answer, CloudflareApi, Prism};

const DESCRIPTION: &str = "cloudflare-openapi-subset.json";

fn client(url: &str) -> Cloudflare {
    let vars = [
        ("CLOUDFLARE_API_TOKEN", CloudflareApi::TOKEN),
        ("CLOUDFLARE_ACCOUNT_ID", CloudflareApi::ACCOUNT),
        ("CLOUDFLARE_API_BASE_URL", url),
    ];
    Cloudflare::new(&Env::of(vars, "/")).unwrap()
}

#[tokio::test]
async fn buckets_and_questions_about_a_token_fit_the_published_description() {
    let api = CloudflareApi::start();
    api.set(|world| world.zones.push(("acme.example", "active")));
    let prism = Prism::before(&api.url(), DESCRIPTION);
    let cloudflare = client(&prism.url());
    let places = [
        ("acme-state", None, None),
        ("acme-state-weur", None, Some(Location::Weur)),
        ("acme-state-eu", Some(Jurisdiction::Eu), None),
    ];
    for (name, jurisdiction, location) in places {
        let bucket = cloudflare.r2_bucket(CloudflareApi::ACCOUNT, name, jurisdiction, location).unwrap();
        assert_eq!(bucket.look().await.unwrap(), None);
        bucket.create().await.unwrap();
        assert!(bucket.look().await.unwrap().is_some());
    }
    let buckets = places.map(|(name, jurisdiction, location)| BucketNeed {
        account: CloudflareApi::ACCOUNT.into(),
        name: name.into(),
        jurisdiction,
        location,
        why: "Terraform state".into(),
        by_token: true,
    });
    let zones = vec!["acme.example".into()];
    let needs = CloudflareNeeds { zones, buckets: buckets.into(), ..CloudflareNeeds::default() };
    let health = CloudflareHealth::new(cloudflare, needs).check(Duration::from_secs(60)).await.unwrap();
    assert_eq!(health.state(), State::Ok, "{health}");
    assert_eq!(prism.take_violations(), [""; 0]);
    assert!(prism.requests() > 12 && prism.requests() == api.take().len());
}

#[tokio::test]
async fn prism_sees_what_does_not_fit_cloudflares_description() {
    let api = CloudflareApi::start();
    let prism = Prism::before(&api.url(), DESCRIPTION);
    // An answer that Cloudflare does not give: the list of buckets without its name.
    let answer = json!({ "success": true, "errors": [], "messages": [], "result": [] });
    api.set(|world| world.next.push_back(Some(Answer::json(200, &answer))));
    let bucket = client(&prism.url()).r2_bucket(CloudflareApi::ACCOUNT, "acme-state", None, None).unwrap();
    assert!(bucket.look().await.is_err());
    assert_eq!(prism.take_violations().len(), 1);
}
