//! What is promised of a published tree, on every store: when a contract is written, what it is worth, who fits it.

use std::collections::BTreeMap;

use infra_sdk::names::ParamPath;
use infra_sdk::refs::{
    self, Contract, FieldType, MismatchKind, Over, ParameterStore, ParameterValue, ParameterWrite, Publisher,
};
use infra_sdk::{ErrorKind, SecretValue};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Network {
    vpc_id: String,
    subnet_ids: Vec<String>,
    gateway: std::net::Ipv4Addr,
    max_tasks: u32,
    db: Database,
    label: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Database {
    key: SecretValue,
    port: u16,
}

fn network() -> Network {
    Network {
        vpc_id: "vpc-1".into(),
        subnet_ids: vec!["a".into(), "b".into()],
        gateway: [10, 0, 0, 1].into(),
        max_tasks: 3,
        db: Database { key: SecretValue::new("hunter2"), port: 5432 },
        label: None,
    }
}

fn path(text: &str) -> ParamPath {
    text.parse().expect("a path")
}

fn publisher(repo: &str, commit: &str) -> Publisher {
    let (org, repo) = ("acme".parse().expect("a name"), repo.parse().expect("a name"));
    Publisher::new(&org, &repo, Some(commit.into())).expect("a commit")
}

fn plain(at: &str, text: &str) -> ParameterWrite {
    ParameterWrite::new(path(at), ParameterValue::Plain(text.into()))
}

async fn text_at(store: &dyn ParameterStore, at: &str) -> String {
    match store.get(&[path(at)]).await.expect("parameters").remove(&path(at)).expect("it is there").value {
        ParameterValue::Plain(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

async fn publish<T: Serialize>(
    store: &dyn ParameterStore,
    root: &ParamPath,
    value: &T,
    by: &Publisher,
) -> refs::Published {
    let plan = refs::publish_plan(store, root, value).await.expect("a plan").by(by);
    plan.apply(store).await.expect("published")
}

/// Checks an empty store.
pub(crate) async fn hold(store: &dyn ParameterStore) {
    shapes(store).await;
    owners(store).await;
    neighbours(store).await;
    consumers(store).await;
    changed_by_hand(store).await;
    torn(store).await;
    foreign(store).await;
    long(store).await;
}

/// It is written when the shape changes, and then only.
async fn shapes(store: &dyn ParameterStore) {
    let root = path("/promised/network");
    let first = publish(store, &root, &network(), &publisher("infrastructure", "aaaa")).await;
    assert_eq!((first.contract, first.written.len()), (Some(1), 6));
    let text = text_at(store, "/promised/network.contract").await;
    let document: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let expected = serde_json::json!({
        "format": 1, "version": 1, "repo": "acme/infrastructure", "commit": "aaaa",
        "fields": {
            "vpc-id": "text", "subnet-ids": "texts", "gateway": "text", "max-tasks": "integer",
            "db/key": "secret", "db/port": "integer",
        },
    });
    assert_eq!(document, expected);

    let mut next = network();
    next.vpc_id = "vpc-2".into();
    let again = publish(store, &root, &next, &publisher("infrastructure", "bbbb")).await;
    assert_eq!((again.contract, again.written.len()), (None, 1), "a value is no shape");
    assert!(text_at(store, "/promised/network.contract").await.contains("aaaa"), "the commit of the shape");
    let nothing = refs::publish_plan(store, &root, &next).await.expect("a plan");
    assert!(nothing.is_empty(), "{nothing}");

    next.label = Some("new".into());
    let plan = refs::publish_plan(store, &root, &next).await.expect("a plan");
    let plan = plan.by(&publisher("infrastructure", "cccc"));
    assert!(
        plan.to_string().contains("the contract becomes version 2 of acme/infrastructure at cccc"),
        "{plan}"
    );
    assert_eq!(plan.apply(store).await.expect("published").contract, Some(2));
    let plan = refs::publish_plan(store, &root, &next).await.expect("a plan");
    let moved = plan.by(&publisher("network", "dddd")).take_over().apply(store).await.expect("taken over");
    assert_eq!((moved.contract, moved.written.len()), (Some(2), 0), "another repo, the same shape");
    assert!(text_at(store, "/promised/network.contract").await.contains("acme/network"));

    // Read by what it names; a parameter that it does not know is found all the same when a type needs it.
    assert_eq!(refs::read::<Network>(store, &root).await.expect("as published"), next);
    store.put(&[plain("/promised/network/foreign", "theirs")]).await.expect("a parameter of nobody");
    #[derive(Debug, Deserialize)]
    struct WithForeign {
        foreign: String,
    }
    assert_eq!(refs::read::<WithForeign>(store, &root).await.expect("everything").foreign, "theirs");
}

/// A tree is its publisher's, until another says that it takes it over.
async fn owners(store: &dyn ParameterStore) {
    let root = path("/promised/owned");
    publish(store, &root, &BTreeMap::from([("a", "x"), ("b", "x")]), &publisher("infrastructure", "aaaa"))
        .await;
    let theirs = BTreeMap::from([("a", "x")]);
    let plan = refs::publish_plan(store, &root, &theirs).await.expect("a plan");
    for plan in [plan.clone(), plan.by(&publisher("shop-api", "bbbb"))] {
        assert_eq!(plan.former_owner.as_deref(), Some("acme/infrastructure"));
        assert!(
            plan.to_string().contains("it is published by acme/infrastructure: this is refused"),
            "{plan}"
        );
        let error = plan.apply(store).await.expect_err("it is another's");
        assert!(error.kind() == ErrorKind::Conflict && !error.hints().is_empty(), "{error:?}");
        assert!(
            error.to_string().contains("`/promised/owned` is published by acme/infrastructure"),
            "{error}"
        );
        assert_eq!(text_at(store, "/promised/owned/b").await, "x", "nothing was removed");
    }
    let plan = refs::publish_plan(store, &root, &theirs).await.expect("a plan");
    let plan = plan.by(&publisher("shop-api", "bbbb")).take_over();
    assert!(plan.to_string().ends_with("it is taken over from acme/infrastructure"), "{plan}");
    let taken = plan.apply(store).await.expect("taken over");
    assert_eq!((taken.former_owner.as_deref(), taken.contract), (Some("acme/infrastructure"), Some(2)));
    assert_eq!(taken.removed, [path("/promised/owned/b")]);
    assert!(taken.to_string().ends_with("taken over from acme/infrastructure"), "{taken}");
    let own = publish(store, &root, &BTreeMap::from([("a", "y")]), &publisher("shop-api", "cccc")).await;
    assert_eq!((own.former_owner, own.written.len()), (None, 1));
}

/// What others put there stays, and a contract is no field.
async fn neighbours(store: &dyn ParameterStore) {
    let root = path("/promised/network");
    let plan = refs::publish_plan(store, &root, &network()).await.expect("a plan");
    let plan = plan.by(&publisher("network", "eeee"));
    assert_eq!(
        plan.remove,
        [path("/promised/network/label")],
        "what this repo does not publish is not removed"
    );
    plan.apply(store).await.expect("published");
    assert_eq!(text_at(store, "/promised/network/foreign").await, "theirs");

    // The tree above has no contract: everything in it goes, but not what is promised by others.
    store.put(&[plain("/promised/old", "x")]).await.expect("a parameter from before");
    let above = BTreeMap::from([("new", "x")]);
    let plan = refs::publish_plan(store, &path("/promised"), &above).await.expect("a plan");
    assert_eq!(plan.remove, [path("/promised/old")]);
    plan.apply(store).await.expect("published");
    assert_eq!(refs::read::<Network>(store, &root).await.expect("as published"), network());

    let reads = BTreeMap::from([("network".parse().expect("a name"), root.clone())]);
    let listing = refs::list(store, &reads, []).await.expect("a list").to_string();
    assert!(listing.contains("as network, version 3 of acme/network at eeee\n"), "{listing}");
    assert!(!listing.contains(".contract"), "{listing}");
    let variables = refs::variables(store, &reads).await.expect("variables");
    assert!(variables.plain.keys().all(|name| !name.contains("CONTRACT") && !name.contains("FOREIGN")));
    let missing = refs::read::<String>(store, &path("/promised/network.contrac")).await.expect_err("nothing");
    assert!(!missing.report().to_string().contains("network.contract`"), "{missing:?}");

    let bad = refs::publish(store, &path("/promised/x.contract"), "x").await.expect_err("a contract's place");
    assert_eq!(bad.kind(), ErrorKind::Invalid);
    let inside = BTreeMap::from([("x.contract", "x")]);
    let bad = refs::publish(store, &path("/promised/more"), &inside).await.expect_err("a contract's place");
    assert!(bad.report().to_string().contains("/promised/more/x.contract"), "{bad:?}");
}

/// Who reads something else than is promised is told so before it reads.
async fn consumers(store: &dyn ParameterStore) {
    let root = path("/promised/network");
    let fits = refs::check_contract::<Network>(store, &root).await.expect("a check");
    assert!(fits.fits() && fits.version == Some(3) && fits.unread.is_empty(), "{fits}");
    let part = refs::check_contract::<Database>(store, &path("/promised/network/db")).await.expect("a check");
    assert!(part.fits() && part.version == Some(3), "a part is promised by the tree's contract: {part}");
    let leaf =
        refs::check_contract::<u32>(store, &path("/promised/network/max-tasks")).await.expect("a check");
    assert!(leaf.fits(), "{leaf}");

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Other {
        vpc_ids: String,
        subnet_ids: std::net::Ipv4Addr,
        gateway: String,
        max_tasks: Vec<Database>,
        db: OtherDatabase,
        cluster: String,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct OtherDatabase {
        key: String,
        port: SecretValue,
    }
    let check = refs::check_contract::<Other>(store, &root).await.expect("a check");
    let shown: Vec<String> = check.mismatches.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "`/promised/network/cluster` is missing",
            "`/promised/network/vpc-ids` is missing; it seems to be `/promised/network/vpc-id` now",
            "`/promised/network/db/key`: is secret: read it into a SecretValue",
            "`/promised/network/max-tasks` is read as a list, and published as a whole number",
            "`/promised/network/subnet-ids` is read as a text, and published as a list of texts",
        ]
        .map(str::to_owned),
        "{check}"
    );
    assert!(matches!(&check.mismatches[1].kind, MismatchKind::Renamed { to } if to.ends_with("/vpc-id")));
    let error = check.into_result().expect_err("it does not fit");
    let text = error.report().to_string();
    assert!(error.kind() == ErrorKind::Invalid && text.contains("5 fields do not fit"), "{text}");
    assert!(!text.contains("hunter"), "{text}");

    let nothing =
        refs::check_contract::<Network>(store, &path("/promised/netwrok")).await.expect_err("nothing");
    assert!(nothing.hints()[0].contains("`/promised/network`"), "{nothing:?}");
    let wanted = BTreeMap::from([("network".parse().expect("a name"), root.clone())]);
    store.delete(&[path("/promised/network/vpc-id")]).await.expect("it was there");
    let error = refs::check(store, &wanted).await.expect("a check").into_result().expect_err("one is gone");
    assert!(error.report().to_string().contains("`/promised/network/vpc-id` is missing"), "{error:?}");
    publish(store, &root, &network(), &publisher("network", "ffff")).await;
    let check = refs::check(store, &wanted).await.expect("a check").into_result().expect("all there");
    assert_eq!(check.found[0].parameters, 6);
}

/// What somebody wrote over a value is told when it is not what was promised, and never shown.
async fn changed_by_hand(store: &dyn ParameterStore) {
    let root = path("/promised/network");
    let wanted = BTreeMap::from([("network".parse().expect("a name"), root.clone())]);
    // Another value of the promised type is nobody's problem.
    store.put(&[plain("/promised/network/max-tasks", "7")]).await.expect("written");
    refs::check(store, &wanted).await.expect("a check").into_result().expect("it fits");
    let list = ParameterValue::List(vec!["hunter3".into()]);
    let vpc = ParameterWrite::new(path("/promised/network/vpc-id"), list);
    let seen = store.get(std::slice::from_ref(&vpc.path)).await.expect("parameters");
    let vpc = vpc.over(Over::seen(seen.values().next()));
    store.put(&[plain("/promised/network/max-tasks", "hunter4"), vpc]).await.expect("written");
    let check = refs::check(store, &wanted).await.expect("a check");
    assert_eq!(check.found[0].parameters, 6, "all of it is there");
    let error = check.into_result().expect_err("two do not fit");
    let text = error.report().to_string();
    for part in [
        "2 fields do not fit what is published",
        "`/promised/network/max-tasks` is promised as a whole number, and another text stands there",
        "`/promised/network/vpc-id` is promised as a text, and another list stands there",
        "changed by hand",
        "infra:refs:publish",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(error.kind() == ErrorKind::Invalid && !text.contains("hunter"), "{text}");

    // What was promised as a secret and is none is told, and not shown by a list.
    let bare = plain("/promised/network/db/key", "hunter5");
    let seen = store.get(std::slice::from_ref(&bare.path)).await.expect("parameters");
    store.put(&[bare.over(Over::seen(seen.values().next()))]).await.expect("written");
    let error = refs::check(store, &wanted).await.expect("a check").into_result().expect_err("it is bare");
    let text = error.report().to_string();
    let told =
        "`/promised/network/db/key` is promised as a secret, and a value that is not secret stands there";
    assert!(text.contains(told) && !text.contains("hunter"), "{text}");
    let listing = refs::list(store, &wanted, []).await.expect("a list").to_string();
    assert!(listing.contains("db/key") && !listing.contains("hunter5"), "{listing}");
    publish(store, &root, &network(), &publisher("network", "ffff")).await;
    refs::check(store, &wanted).await.expect("a check").into_result().expect("it is put right");
}

/// How often the contract of the tree was written, by the store's count.
async fn contract_writes(store: &dyn ParameterStore) -> u64 {
    let seen = store.get(&[path("/promised/network.contract")]).await.expect("a contract");
    seen.values().next().map(|parameter| parameter.version).expect("it is there")
}

/// A contract that cannot be read is as none to readers, and refused by a check; the next publication goes on counting, and removes
/// only what the old one still names.
async fn torn(store: &dyn ParameterStore) {
    let root = path("/promised/network");
    store.put(&[plain("/promised/network.contract", "{\"format\":1}")]).await.expect("written");
    assert_eq!(refs::read::<Network>(store, &root).await.expect("the values"), network());
    let wanted = BTreeMap::from([("network".parse().expect("a name"), root.clone())]);
    let unknown = refs::check(store, &wanted).await.expect_err("nobody knows what is promised");
    for error in [refs::check_contract::<Network>(store, &root).await.expect_err("nor here"), unknown] {
        let text = error.report().to_string();
        assert!(text.contains("what is promised at `/promised/network` is not known"), "{text}");
        assert!(error.kind() == ErrorKind::Invalid && text.contains("infra:refs:publish"), "{text}");
    }
    let written = contract_writes(store).await;
    let again = refs::publish(store, &root, &network()).await.expect("published");
    assert_eq!(
        (again.contract, again.removed),
        (Some(written + 1), vec![]),
        "nobody knows whose the rest is"
    );

    let cut =
        "{\"format\":1,\"version\":7,\"repo\":\"acme/network\",\"parts\":2,\"fields\":{\"old\":\"text\"}}";
    store
        .put(&[plain("/promised/network.contract", cut), plain("/promised/network/old", "x")])
        .await
        .expect("written");
    let written = contract_writes(store).await;
    let error = refs::publish(store, &root, &network()).await.expect_err("its head names another repo");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let again = publish(store, &root, &network(), &publisher("network", "aaaa")).await;
    let next = written.max(7) + 1;
    assert_eq!((again.contract, again.removed), (Some(next), vec![path("/promised/network/old")]));
    assert_eq!(text_at(store, "/promised/network/foreign").await, "theirs");

    let later = "{\"format\":2,\"version\":9}";
    store.put(&[plain("/promised/network.contract", later)]).await.expect("written");
    let error = refs::publish_plan(store, &root, &network()).await.expect_err("a format of later");
    assert!(error.hints()[0].contains("the version of infra-sdk that wrote it"), "{error:?}");
    assert_eq!(text_at(store, "/promised/network.contract").await, later);
    store.put(&[plain("/promised/network.contract", "none")]).await.expect("written");
    refs::publish(store, &root, &network()).await.expect("published");

    let seen = store.get(&[path("/promised/network.contract")]).await.expect("a contract");
    let mut stale = refs::publish_plan(store, &root, &BTreeMap::from([("a", "x")])).await.expect("a plan");
    let text = ParameterValue::Plain(text_at(store, "/promised/network.contract").await);
    let over = Over::seen(seen.values().next());
    let theirs = ParameterWrite::new(path("/promised/network.contract"), text).over(over);
    store.put(&[theirs]).await.expect("somebody else's");
    stale.create.clear();
    let error = stale.apply(store).await.expect_err("the contract was written in between");
    assert!(error.to_string().contains("/promised/network.contract"), "{error}");
}

/// What a contract says that no publisher writes is neither shown nor written into code.
async fn foreign(store: &dyn ParameterStore) {
    let repo = "acme/x at 1\\n}\\nresource \\\"canary\\\" {\\u001b[2J";
    let text = format!("{{\"format\":1,\"version\":1,\"repo\":\"{repo}\",\"fields\":{{\"a\":\"text\"}}}}");
    let writes = [plain("/foreign/tree/a", "x"), plain("/foreign/tree.contract", &text)];
    store.put(&writes).await.expect("written");
    let reads = BTreeMap::from([("tree".parse().expect("a name"), path("/foreign/tree"))]);
    let hcl = refs::hcl(store, &reads).await.expect("code");
    let listing = refs::list(store, &reads, []).await.expect("a list");
    for shown in [hcl.code, listing.to_string()] {
        assert!(shown.contains("/foreign/tree") && !shown.contains("canary"), "{shown}");
    }
}

/// What is too long for one parameter goes on in others.
async fn long(store: &dyn ParameterStore) {
    let root = path("/promised/long");
    let tree = |count: usize| -> BTreeMap<String, String> {
        (0..count).map(|at| (format!("a-name-of-some-length-for-number-{at:03}"), at.to_string())).collect()
    };
    refs::publish(store, &root, &tree(150)).await.expect("published");
    let parts = [path("/promised/long.contract"), path("/promised/long.contract.2")];
    let found = store.get(&parts).await.expect("parts");
    assert_eq!(found.len(), 2, "150 fields of 45 bytes");
    let texts = parts.iter().map(|part| match &found[part].value {
        ParameterValue::Plain(text) => text.as_str(),
        other => panic!("{other:?} is no text"),
    });
    assert!(texts.clone().all(|text| text.len() <= 4_096));
    assert!(texts.clone().nth(1).expect("two").contains(FieldType::Text.word()));
    assert_eq!(refs::read::<BTreeMap<String, String>>(store, &root).await.expect("as published"), tree(150));
    let shorter = refs::publish(store, &root, &tree(5)).await.expect("published");
    assert_eq!((shorter.contract, shorter.removed.len()), (Some(2), 145));
    assert!(store.present(&parts[1..]).await.expect("parts").is_empty(), "the second is gone");
    assert_eq!(Contract::tree_of(&parts[1]), Some(root));
}
