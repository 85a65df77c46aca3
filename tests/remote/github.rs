//! GitHub's secrets: the contract held through Prism against GitHub's own description, boxes opened by libsodium, and
//! every way a service can fail against a fake of ours.

use std::collections::BTreeMap;
use std::time::Duration;

use infra_sdk::config::Visibility;
use infra_sdk::github::{Github, GithubSecrets};
use infra_sdk::secrets::{Listing, SecretChange, SecretStore};
use infra_sdk::{Env, ErrorKind, SecretValue};
use support::Prism;
use support::github::{FakeGithub, Fault, On, Trouble};

use crate::secrets::{self, Kind};

const REPO: &str = "repos/acme/shop-api/actions/secrets";
const STAGING: &str = "repos/acme/shop-api/environments/staging/secrets";
const ORG: &str = "orgs/acme/actions/secrets";

/// A fake with a repository, an environment and an organisation.
fn fake() -> FakeGithub {
    let fake = FakeGithub::start();
    fake.add_repository("acme/shop-api", 42);
    fake.add_repository("acme/web", 43);
    fake.add_environment("acme/shop-api", "staging");
    fake.add_organisation("acme");
    fake
}

fn client(url: &str) -> Github {
    let vars = [("GITHUB_TOKEN", FakeGithub::TOKEN), ("GITHUB_API_URL", url)];
    Github::new(&Env::of(vars, "/")).unwrap().timeout(Duration::from_secs(20))
}

fn repository(fake: &FakeGithub) -> GithubSecrets {
    client(&fake.url()).repository_secrets("acme/shop-api").unwrap()
}

fn organisation(url: &str) -> GithubSecrets {
    let names = ["web".to_owned(), "acme/shop-api".to_owned()];
    client(url).organisation_secrets("acme", Some(Visibility::Selected), &names).unwrap()
}

fn put(name: &str, value: &str) -> SecretChange {
    SecretChange::put(name.parse().unwrap(), SecretValue::new(value))
}

fn delete(name: &str) -> SecretChange {
    SecretChange::delete(name.parse().unwrap())
}

/// Requests by method and status, such as `PUT 201`.
fn counted(fake: &FakeGithub) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for seen in fake.take_requests() {
        let status = seen.status.map_or("-".into(), |status| status.to_string());
        *counts.entry(format!("{} {status}", seen.method)).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(pairs: [(&str, usize); N]) -> BTreeMap<String, usize> {
    pairs.into_iter().map(|(what, count)| (what.to_owned(), count)).collect()
}

async fn write(store: &dyn SecretStore, changes: &[SecretChange]) {
    store.write(changes).await.unwrap().complete(changes).unwrap();
}

#[tokio::test]
async fn the_contract_holds_and_every_request_fits_the_published_description() {
    let fake = fake();
    let prism = Prism::before(&fake.url(), "github-openapi-subset.json");
    let github = client(&prism.url());
    let at_most = |most| Kind { most, ..Kind::default() };
    secrets::holds(&github.repository_secrets("acme/shop-api").unwrap(), at_most(100)).await;
    secrets::holds(&github.environment_secrets("acme/shop-api", "staging").unwrap(), at_most(100)).await;
    secrets::holds(&organisation(&prism.url()), at_most(101)).await;
    assert_eq!(prism.take_violations(), [""; 0]);
    assert!(prism.requests() > 600 && prism.requests() == fake.take_requests().len());
    assert_eq!(fake.peak(), 1, "requests to GitHub are made one after the other");
}

#[tokio::test]
async fn prism_sees_what_does_not_fit_the_description() {
    let fake = fake();
    let prism = Prism::before(&fake.url(), "github-openapi-subset.json");
    // An answer that GitHub does not give: the list as a page of HTML.
    fake.trouble(Trouble::new(Fault::HtmlFine).on(On::Reads));
    let store = client(&prism.url()).repository_secrets("acme/shop-api").unwrap();
    assert!(store.list().await.is_err());
    assert_eq!(prism.take_violations().len(), 1);
}

#[tokio::test]
async fn libsodium_opens_exactly_what_was_put() {
    let fake = fake();
    let store = repository(&fake);
    let values = ["x", "two\nlines\r\n", "ключ-🔑", " blanks ", "$HOME $(x) ` ' \" \\"];
    let long = "long ".repeat(9000);
    let mut wanted = BTreeMap::new();
    for (number, value) in values.iter().copied().chain([&*long]).enumerate() {
        let name = format!("v{number}");
        write(&store, &[put(&name, value)]).await;
        wanted.insert(name.to_uppercase(), value.to_owned());
    }
    assert!(fake.values(REPO) == wanted, "a value came out changed");
    let before = fake.sealed(REPO);
    write(&store, &[put("V0", "x")]).await;
    assert_ne!(fake.sealed(REPO)["V0"], before["V0"], "the same value was sealed to the same box");
}

#[tokio::test]
async fn a_change_costs_one_request_and_an_unchanged_list_one_that_is_free() {
    let fake = fake();
    let all: Vec<SecretChange> = (0..100).map(|number| put(&format!("N{number:03}"), "canary")).collect();
    write(&repository(&fake), &all).await;
    assert_eq!(counted(&fake), counts([("GET 200", 1), ("PUT 201", 100)]));

    // A run of its own: N = 100, K = 3, D = 1, looked at before and after.
    let store = repository(&fake);
    let Listing::Now { mark, .. } = store.look(None).await.unwrap() else {
        panic!("unchanged since nothing")
    };
    write(&store, &[put("N001", "a"), put("N002", "b"), put("n003", "c"), delete("N004")]).await;
    let Listing::Now { secrets, mark: later } = store.look(mark.as_ref()).await.unwrap() else {
        panic!("four changes were not seen")
    };
    assert_eq!(secrets.len(), 99);
    // Two lists, the public key, and a request for each change.
    assert_eq!(counted(&fake), counts([("GET 200", 3), ("PUT 204", 3), ("DELETE 204", 1)]));

    assert_eq!(store.look(later.as_ref()).await.unwrap(), Listing::Unchanged);
    assert_eq!(counted(&fake), counts([("GET 304", 1)]));
    fake.touch(REPO, "N000");
    assert!(matches!(store.look(later.as_ref()).await.unwrap(), Listing::Now { .. }));
}

#[tokio::test]
async fn a_list_of_several_pages_is_whole_and_has_no_mark() {
    let fake = fake();
    for number in 0..250 {
        fake.add(ORG, &format!("N{number:03}"), Some("all"), &[]);
    }
    let store = organisation(&fake.url());
    let Listing::Now { secrets, mark } = store.look(None).await.unwrap() else { panic!("unchanged") };
    assert_eq!((secrets.len(), mark), (250, None));
    assert_eq!(counted(&fake), counts([("GET 200", 3)]));
}

#[tokio::test]
async fn an_organisations_secret_keeps_who_may_use_it_and_a_new_one_gets_what_is_configured() {
    let fake = fake();
    let many: Vec<u64> = (1..=150).collect();
    fake.add(ORG, "OPEN", Some("all"), &[]);
    fake.add(ORG, "CLOSED", Some("private"), &[]);
    fake.add(ORG, "SOME", Some("selected"), &many);
    let store = organisation(&fake.url());
    write(
        &store,
        &[put("OPEN", "1"), put("closed", "2"), put("SOME", "3"), put("NEW", "4"), put("NEWER", "5")],
    )
    .await;
    let audience = |name: &str| fake.audience(ORG, name);
    assert_eq!(audience("OPEN"), ("all".into(), vec![]));
    assert_eq!(audience("CLOSED"), ("private".into(), vec![]));
    assert_eq!(audience("SOME"), ("selected".into(), many));
    assert_eq!(audience("NEW"), ("selected".into(), vec![42, 43]));
    assert_eq!(audience("NEWER"), ("selected".into(), vec![42, 43]));
    // The list, the key, two pages of repositories, the numbers of two; five puts.
    assert_eq!(counted(&fake), counts([("GET 200", 6), ("PUT 204", 3), ("PUT 201", 2)]));
    let plain = client(&fake.url()).organisation_secrets("acme", None, &[]).unwrap();
    write(&plain, &[put("PLAIN", "6")]).await;
    assert_eq!(audience("PLAIN"), ("private".into(), vec![]));
}

#[tokio::test]
async fn a_replaced_public_key_is_asked_for_again_and_nothing_is_lost() {
    let fake = fake();
    let store = client(&fake.url()).environment_secrets("acme/shop-api", "staging").unwrap();
    write(&store, &[put("A", "1")]).await;
    fake.rotate_key();
    write(&store, &[put("A", "2"), put("B", "3")]).await;
    let values = [("A", "2"), ("B", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fake.values(STAGING), BTreeMap::from(values));
    assert_eq!(counted(&fake), counts([("GET 200", 2), ("PUT 201", 2), ("PUT 422", 1), ("PUT 204", 1)]));
}

#[tokio::test]
async fn a_batch_that_stops_in_the_middle_says_what_was_written_and_what_the_service_wants() {
    for fault in
        [Fault::Secondary(Some(7)), Fault::TooMany(Some(7)), Fault::Secondary(None), Fault::Primary(7)]
    {
        let fake = fake();
        let store = repository(&fake);
        fake.trouble(Trouble::new(fault).after(30));
        let changes: Vec<SecretChange> =
            (0..50).map(|number| put(&format!("N{number:02}"), "canary")).collect();
        let begun = std::time::Instant::now();
        let report = store.write(&changes).await.unwrap();
        let failure = report.failure.unwrap();
        assert_eq!((report.written.len(), fake.names(REPO).len()), (30, 30));
        let after = failure.throttle().unwrap().after.unwrap().as_secs();
        let told = match fault {
            Fault::Secondary(None) => 60..=60,
            // A moment by the clock: what has passed since the answer does not need to be waited for.
            Fault::Primary(_) => 7 - begun.elapsed().as_secs().min(6)..=9,
            _ => 7..=9,
        };
        assert!(told.contains(&after), "{after} is not in {told:?}");
        // Not one more request than the one that was refused.
        assert_eq!(fake.take_requests().len(), 1 + 31);
        fake.recover();
        write(&store, &changes[30..]).await;
        assert_eq!(fake.values(REPO).len(), 50);
    }
}

#[tokio::test]
async fn each_failure_is_told_apart_and_none_shows_a_secret() {
    let cases = [
        (Fault::Error, ErrorKind::Unavailable, true, 0),
        (Fault::Html, ErrorKind::Unavailable, true, 0),
        (Fault::Half, ErrorKind::Unavailable, true, 1),
        (Fault::Refused, ErrorKind::Unavailable, true, 0),
        (Fault::Lost, ErrorKind::Unavailable, true, 1),
        (Fault::Hang, ErrorKind::TimedOut, true, 0),
        (Fault::Denied, ErrorKind::Denied, false, 0),
        (Fault::Unknown, ErrorKind::Denied, false, 0),
    ];
    for (fault, kind, retryable, kept) in cases {
        let fake = fake();
        let store = client(&fake.url()).timeout(Duration::from_secs(2)).repository_secrets("acme/shop-api");
        let store = store.unwrap();
        write(&store, &[delete("WARM")]).await;
        fake.trouble(Trouble::new(fault));
        let error = store.write(&[put("A", "canary-value")]).await.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{fault:?}: {error:?}");
        let shown = format!("{error:?} {store:?}");
        assert!(!shown.contains("canary") && shown.contains("secret: A"), "{shown}");
        assert!(!error.hints().is_empty());
        if fault == Fault::Denied {
            assert!(error.hints().iter().any(|hint| hint.contains("secrets=write")), "{error:?}");
        }
        assert_eq!(fake.names(REPO).len(), kept, "{fault:?}");
        fake.trouble(Trouble::new(fault).on(On::Reads));
        let error = store.list().await.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named_with_the_way_out() {
    let fake = fake();
    let github = client(&fake.url());
    let none = github.environment_secrets("acme/shop-api", "prod").unwrap();
    for error in [
        none.list().await.map(drop).unwrap_err(),
        none.write(&[put("A", "canary")]).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let hints = error.hints().join("; ");
        assert!(hints.contains("create the environment `prod`"), "{hints}");
    }
    let unknown = ["nowhere".to_owned()];
    let org = github.organisation_secrets("acme", Some(Visibility::Selected), &unknown).unwrap();
    let error = org.write(&[put("A", "canary")]).await.map(drop).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("`repositories`")), "{error:?}");

    let error = Github::new(&Env::of::<&str, &str>([], "/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.hints()[0].contains("GH_TOKEN"));
}

#[tokio::test]
async fn one_place_has_one_id_whatever_the_case_of_its_name() {
    let github = Github::new(&Env::of([("GH_TOKEN", "x")], "/")).unwrap();
    let id = |store: infra_sdk::Result<GithubSecrets>| store.unwrap().id().to_owned();
    assert_eq!(id(github.repository_secrets("Acme/Shop-API")), "github:acme/shop-api");
    assert_eq!(id(github.environment_secrets("acme/a", "EU 1")), "github:acme/a/environments/eu%201");
    assert_eq!(id(github.organisation_secrets("ACME", None, &[])), "github:orgs/acme");
    let own = Github::at("https://ghe.example.com/api/v3", SecretValue::new("x")).unwrap();
    assert_eq!(id(own.repository_secrets("a/b")), "github:ghe.example.com/a/b");
}
