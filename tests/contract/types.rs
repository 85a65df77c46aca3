//! What types over a parameter store must do, on every store: read, publish, check, list.

use std::collections::BTreeMap;

use infra_sdk::names::{EnvName, ParamPath};
use infra_sdk::refs::{self, Output, ParameterStore, ParameterValue, ParameterWrite};
use infra_sdk::{ErrorKind, SecretValue};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Network {
    vpc_id: String,
    subnet_ids: Vec<String>,
    zones: Vec<Zone>,
    no_zones: Vec<Zone>,
    limits: Limits,
    nothing: Nothing,
    by_env: BTreeMap<EnvName, Limits>,
    empty: BTreeMap<String, String>,
    db_key: SecretValue,
    keys: Vec<SecretValue>,
    log_key: Option<SecretValue>,
    label: Option<String>,
    size: Size,
    sizes: Vec<Size>,
    pair: (u8, String),
    big: u64,
    below_zero: i8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Zone {
    cidr_block: String,
    public: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Limits {
    max_tasks: u32,
    ratio: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nothing {
    never: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Size {
    VerySmall,
    Custom { cpu_units: u16 },
    Named(String),
}

fn network() -> Network {
    let limits = Limits { max_tasks: 3, ratio: 0.1 };
    Network {
        vpc_id: "vpc-1".into(),
        subnet_ids: vec!["subnet-a".into(), "subnet-b".into()],
        zones: (0..12).map(|n| Zone { cidr_block: format!("10.{n}.0.0/16"), public: n % 2 == 0 }).collect(),
        no_zones: Vec::new(),
        limits: limits.clone(),
        nothing: Nothing { never: None },
        by_env: BTreeMap::from([(EnvName::local(), limits)]),
        empty: BTreeMap::new(),
        db_key: SecretValue::new("hunter2, with a comma"),
        keys: vec![SecretValue::new("one"), SecretValue::new("two")],
        log_key: None,
        label: Some("true".into()),
        size: Size::VerySmall,
        sizes: vec![Size::Custom { cpu_units: 256 }, Size::VerySmall, Size::Named("x".into())],
        pair: (7, "seven".into()),
        big: u64::MAX,
        below_zero: -8,
    }
}

fn path(text: &str) -> ParamPath {
    text.parse().expect("a path")
}

/// Checks an empty store.
pub(crate) async fn hold(store: &dyn ParameterStore) {
    round_trip(store).await;
    changes(store).await;
    problems(store).await;
    references(store).await;
    outputs(store).await;
}

async fn round_trip(store: &dyn ParameterStore) {
    let root = path("/infra/network");
    let plan = refs::publish_plan(store, &root, &network()).await.expect("a plan");
    assert!(!format!("{plan} {plan:?} {}", serde_json::to_string(&plan).expect("json")).contains("hunter2"));
    assert!(plan.update.is_empty() && plan.remove.is_empty() && plan.unchanged == 0);
    let published = plan.apply(store).await.expect("published");
    assert!(published.written.contains_key(&path("/infra/network/zones/11/cidr-block")), "{published}");
    assert!(!published.written.contains_key(&path("/infra/network/log-key")), "an absent option has none");

    let read: Network = refs::read(store, &root).await.expect("read as published");
    assert_eq!(read, network());
    let found = store.get(&[path("/infra/network/db-key"), path("/infra/network/subnet-ids")]).await;
    let found = found.expect("parameters");
    assert_eq!(found[&path("/infra/network/db-key")].value, ParameterValue::Secret(network().db_key));
    assert!(matches!(found[&path("/infra/network/subnet-ids")].value, ParameterValue::List(_)));

    // A part is read alone, at any depth, down to a single value.
    let limits: Limits = refs::read(store, &path("/infra/network/limits")).await.expect("a part");
    assert_eq!(limits, network().limits);
    assert_eq!(refs::read::<u32>(store, &path("/infra/network/limits/max-tasks")).await.expect("a leaf"), 3);
    let ids: Vec<String> = refs::read(store, &path("/infra/network/subnet-ids")).await.expect("a list");
    assert_eq!(ids, network().subnet_ids);
}

async fn changes(store: &dyn ParameterStore) {
    let root = path("/infra/network");
    let again = refs::publish_plan(store, &root, &network()).await.expect("a plan");
    assert!(again.is_empty(), "nothing changed: {again}");
    assert_eq!(again.apply(store).await.expect("nothing to do"), refs::Published::default());

    let beside = ParameterWrite::new(path("/infra/network2"), ParameterValue::Plain("x".into()));
    store.put(&[beside]).await.expect("a neighbour");
    let mut next = network();
    next.vpc_id = "vpc-2".into();
    next.db_key = SecretValue::new("hunter3");
    next.label = None;
    next.log_key = Some(SecretValue::new("log"));
    next.zones.truncate(10);
    let plan = refs::publish_plan(store, &root, &next).await.expect("a plan");
    assert_eq!(plan.create, [path("/infra/network/log-key")]);
    assert_eq!(plan.update, [path("/infra/network/db-key"), path("/infra/network/vpc-id")]);
    let removed =
        ["label", "zones/10/cidr-block", "zones/10/public", "zones/11/cidr-block", "zones/11/public"];
    assert_eq!(plan.remove, removed.map(|below| path(&format!("/infra/network/{below}"))));

    let published = plan.clone().apply(store).await.expect("published");
    assert_eq!(published.written[&path("/infra/network/vpc-id")], 2);
    assert_eq!(published.written.len(), 3, "only what changed is written");
    assert_eq!(refs::read::<Network>(store, &root).await.expect("read as published"), next);
    assert_eq!(refs::read::<String>(store, &path("/infra/network2")).await.expect("untouched"), "x");
    let stale = plan.apply(store).await.expect_err("a plan from before");
    assert_eq!(stale.kind(), ErrorKind::Conflict);
}

async fn problems(store: &dyn ParameterStore) {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Wrong {
        vpcid: String,
        subnet_id: Vec<String>,
        vpc_id: u16,
        limits: String,
        db_key: String,
        size: bool,
        zones: Vec<Missing>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Missing {
        cidr: String,
    }
    let error = refs::read::<Wrong>(store, &path("/infra/network")).await.expect_err("wrong types");
    let text = error.report().to_string();
    for part in [
        "`/infra/network/vpcid` is missing; the nearest path that exists is `/infra/network/vpc-id`",
        "`/infra/network/subnet-id` is missing; the nearest path that exists is `/infra/network/subnet-ids`",
        "`/infra/network/zones/0/cidr` is missing; the nearest path that exists is `/infra/network/zones/0/cidr-block`",
        "`/infra/network/vpc-id` must be a whole number",
        "`/infra/network/limits` must be a text, not a table",
        "`/infra/network/db-key`: is secret",
        "`/infra/network/size` must be true or false",
        "next: ",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains("hunter"), "{text}");

    let error = refs::read::<Network>(store, &path("/infra/netwrok")).await.expect_err("nothing there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hints()[0].contains("`/infra/network`"), "{error:?}");

    let names = store.names().await.expect("names");
    let bad = BTreeMap::from([("ok", "x"), ("a b", "x"), ("empty", ""), ("braces", "{{x")]);
    let error = refs::publish(store, &path("/infra/bad"), &bad).await.expect_err("cannot be kept");
    let text = error.report().to_string();
    assert!(
        ["a b", "/infra/bad/empty", "/infra/bad/braces"].iter().all(|part| text.contains(part)),
        "{text}"
    );
    assert_eq!(store.names().await.expect("names"), names, "nothing was written");
}

async fn references(store: &dyn ParameterStore) {
    let entry = |name: &str, at: &str| (name.parse().expect("a name"), path(at));
    let wanted = BTreeMap::from([entry("network", "/infra/network"), entry("vpc", "/infra/network/vpc-id")]);
    let check = refs::check(store, &wanted).await.expect("a check").into_result().expect("all there");
    assert_eq!((check.found.len(), check.found[1].parameters), (2, 1));

    let variables = refs::variables(store, &wanted).await.expect("variables");
    assert_eq!(variables.plain["VPC"], variables.plain["NETWORK_VPC_ID"]);
    assert_eq!(variables.plain["NETWORK_SUBNET_IDS"], "subnet-a,subnet-b");
    assert_eq!(variables.plain["NETWORK_ZONES_3_CIDR_BLOCK"], "10.3.0.0/16");
    assert_eq!(variables.secret["NETWORK_DB_KEY"].expose(), "hunter3");
    let mut clash = wanted.clone();
    clash.insert("network_vpc_id".parse().expect("a name"), path("/infra/network/vpc-id"));
    assert_eq!(refs::variables(store, &clash).await.expect_err("one name").kind(), ErrorKind::Invalid);

    let broken = BTreeMap::from([
        entry("database", "/infra/databse"),
        entry("net", "/infra/networks"),
        entry("network", "/infra/network"),
    ]);
    let error =
        refs::check(store, &broken).await.expect("a check").into_result().expect_err("two are missing");
    let text = error.report().to_string();
    assert!(text.contains("2 of 3") && text.contains("database: `/infra/databse` is missing"), "{text}");
    assert!(text.contains("net: `/infra/networks` is missing; the nearest path that exists is"), "{text}");

    let exports = [path("/infra/network"), path("/infra/none")];
    let listing = refs::list(store, &broken, &exports).await.expect("a list");
    let text = format!("{listing}\n{}", serde_json::to_string(&listing).expect("json"));
    assert!(text.contains("vpc-id") && text.contains("nothing is published there"), "{text}");
    assert!(text.contains("[secret]") && !text.contains("hunter"), "{text}");
}

async fn outputs(store: &dyn ParameterStore) {
    let output = |value, sensitive| Output { value, sensitive };
    let outputs = BTreeMap::from([
        ("vpc_id".to_owned(), output(serde_json::json!("vpc-7"), false)),
        ("subnet_ids".to_owned(), output(serde_json::json!(["a", "b"]), false)),
        ("zone".to_owned(), output(serde_json::json!({"cidr_block": "10.0.0.0/8", "public": true}), false)),
        ("db".to_owned(), output(serde_json::json!({"key": "hunter2", "port": 5432}), true)),
        ("gone".to_owned(), output(serde_json::json!(null), false)),
    ]);
    assert!(!format!("{outputs:?}").contains("hunter2"));

    #[derive(Debug, Deserialize)]
    struct Stack {
        vpc_id: String,
        subnet_ids: Vec<String>,
        zone: Zone,
        db: BTreeMap<String, SecretValue>,
        gone: Option<String>,
    }
    let root = path("/infra/stack");
    let plan = refs::publish_outputs_plan(store, &root, &outputs).await.expect("a plan");
    plan.apply(store).await.expect("published");
    let stack: Stack = refs::read(store, &root).await.expect("read as put out");
    assert_eq!((stack.vpc_id.as_str(), stack.subnet_ids.len(), stack.gone), ("vpc-7", 2, None));
    assert_eq!(stack.zone, Zone { cidr_block: "10.0.0.0/8".into(), public: true });
    assert_eq!((stack.db["key"].expose(), stack.db["port"].expose()), ("hunter2", "5432"));

    let none =
        refs::publish_outputs_plan(store, &root, &BTreeMap::new()).await.expect_err("nothing to publish");
    assert_eq!(none.kind(), ErrorKind::Invalid);
    let hole = BTreeMap::from([("ids".to_owned(), output(serde_json::json!(["a", null]), false))]);
    assert!(refs::publish_outputs_plan(store, &root, &hole).await.is_err());
    let twice = BTreeMap::from([
        ("vpc_id".to_owned(), outputs["vpc_id"].clone()),
        ("vpc-id".to_owned(), outputs["vpc_id"].clone()),
    ]);
    assert!(refs::publish_outputs_plan(store, &root, &twice).await.is_err());
}
