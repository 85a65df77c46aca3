//! References in Parameter Store: the port's contract, what others read and write there, and how few requests it takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use infra_sdk::aws::{Aws, SsmParameters};
use infra_sdk::names::{Label, ParamPath};
use infra_sdk::refs::{self, Over, ParameterStore, ParameterValue, ParameterWrite};
use infra_sdk::{Env, ErrorKind, SecretValue};
use serde::{Deserialize, Serialize};
use support::{Moto, Recorder, Request};

use crate::aws::{noted, operations};
use crate::{contracts, refs as port, types};

/// AWS at this address in a region of the test's own: everything of a region is seen by all that look there.
fn aws_in(url: &str, region: &str) -> Aws {
    let vars = [("AWS_ENDPOINT_URL", url), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    Aws::connect(&Env::of(vars, "/"), Some(region)).unwrap()
}

pub(crate) fn store_in(url: &str, region: &str) -> SsmParameters {
    SsmParameters::new(aws_in(url, region), None).unwrap().with_pause(Duration::ZERO)
}

fn path(text: &str) -> ParamPath {
    text.parse().unwrap()
}

fn plain(at: &str, text: &str) -> ParameterWrite {
    ParameterWrite::new(path(at), ParameterValue::Plain(text.into()))
}

/// How often each operation was asked for since the last call.
fn counts(recorder: &Recorder) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    operations(recorder).into_iter().for_each(|operation| *counts.entry(operation).or_default() += 1);
    counts
}

fn just(counted: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counted.iter().map(|(operation, count)| ((*operation).to_owned(), *count)).collect()
}

/// A tree of as many values.
fn tree(values: usize) -> BTreeMap<String, String> {
    (0..values).map(|at| (format!("value-{at:02}"), format!("v{at}"))).collect()
}

#[tokio::test]
async fn ssm_parameters_hold() {
    port::holds(&store_in(&Moto::shared().url(), "eu-north-1"), true).await;
}

#[tokio::test]
async fn ssm_types_hold() {
    types::hold(&store_in(&Moto::shared().url(), "eu-west-3")).await;
}

#[tokio::test]
async fn ssm_contracts_hold() {
    contracts::hold(&store_in(&Moto::shared().url(), "eu-west-2")).await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Network {
    vpc_id: String,
    subnet_ids: Vec<String>,
    none: Vec<String>,
    db: Database,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Database {
    key: SecretValue,
    port: u16,
}

fn network() -> Network {
    Network {
        vpc_id: "vpc-1".into(),
        subnet_ids: vec!["a".into(), "b".into()],
        none: Vec::new(),
        db: Database { key: SecretValue::new("hunter2"), port: 5432 },
    }
}

#[tokio::test]
async fn others_read_what_is_published_and_we_read_what_others_write() {
    let moto = Moto::shared();
    let store = store_in(&moto.url(), "us-west-1");
    refs::publish(&store, &path("/ours/network"), &network()).await.unwrap();
    let read = moto.python(
        "
ssm = boto3.client('ssm', region_name='us-west-1')
told = ssm.get_parameters_by_path(Path='/ours/network', Recursive=True, WithDecryption=True)['Parameters']
for parameter in sorted(told, key=lambda parameter: parameter['Name']):
    print(parameter['Name'], parameter['Type'], parameter['Value'])
contract = json.loads(ssm.get_parameter(Name='/ours/network.contract')['Parameter']['Value'])
print(contract['version'], *sorted(contract['fields'].items()))
keys = ssm.describe_parameters(ParameterFilters=[{'Key': 'Type', 'Values': ['SecureString']}])['Parameters']
print([key['KeyId'] for key in keys])
for name, kind, value in [('vpc-id', 'String', 'vpc-9'), ('subnet-ids', 'StringList', 'x,y'), ('none', 'StringList', ','),
                          ('db/key', 'SecureString', 'theirs'), ('db/port', 'String', '1')]:
    ssm.put_parameter(Name='/theirs/network/' + name, Type=kind, Value=value)
ssm.put_parameter(Name='no-path', Type='String', Value='x')
",
    );
    let expected = "/ours/network/db/key SecureString hunter2\n\
                    /ours/network/db/port String 5432\n\
                    /ours/network/none StringList ,\n\
                    /ours/network/subnet-ids StringList a,b\n\
                    /ours/network/vpc-id String vpc-1\n\
                    1 ('db/key', 'secret') ('db/port', 'integer') ('none', 'empty') ('subnet-ids', 'texts') ('vpc-id', 'text')\n\
                    ['alias/aws/ssm']";
    assert_eq!(read, expected);
    let theirs: Network = refs::read(&store, &path("/theirs/network")).await.unwrap();
    let db = Database { key: SecretValue::new("theirs"), port: 1 };
    let subnet_ids = vec!["x".into(), "y".into()];
    assert_eq!(theirs, Network { vpc_id: "vpc-9".into(), subnet_ids, none: Vec::new(), db });
    assert!(store.names().await.unwrap().iter().all(|name| name.as_str() != "no-path"));
}

/// A hundred parameters: ninety-nine values and their contract.
#[tokio::test]
async fn publishing_a_hundred_reads_ten_times_and_writes_what_changed() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let store = store_in(&recorder.url(), "us-west-2");
    let (root, mut values) = (path("/counted/tree"), tree(99));
    refs::publish(&store, &root, &values).await.unwrap();
    let first = just(&[("GetParameters", 11), ("GetParametersByPath", 1), ("PutParameter", 100)]);
    assert_eq!(counts(&recorder), first, "with no contract, what stands there is looked at");

    refs::publish(&store, &root, &values).await.unwrap();
    assert_eq!(counts(&recorder), just(&[("GetParameters", 10)]), "nothing changed");

    for at in ["value-03", "value-47", "value-98"] {
        values.insert(at.into(), "changed".into());
    }
    let published = refs::publish(&store, &root, &values).await.unwrap();
    assert_eq!((published.written.len(), published.contract), (3, None));
    assert_eq!(counts(&recorder), just(&[("GetParameters", 10), ("PutParameter", 3)]));

    let read: BTreeMap<String, String> = refs::read(&store, &root).await.unwrap();
    assert_eq!(read, values);
    assert_eq!(counts(&recorder), just(&[("GetParameters", 11)]), "the contract, then ten for the values");

    let reads = BTreeMap::from([("tree".parse().unwrap(), root.clone())]);
    let check = refs::check_contract::<BTreeMap<String, String>>(&store, &root).await.unwrap();
    assert!(check.fits());
    assert_eq!(counts(&recorder), just(&[("GetParameters", 1)]), "the contract is enough");
    refs::check(&store, &reads).await.unwrap().into_result().unwrap();
    assert_eq!(counts(&recorder), just(&[("GetParameters", 12)]));
}

#[tokio::test]
async fn a_hundred_references_to_single_values_are_ten_requests() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let store = store_in(&recorder.url(), "ca-central-1");
    let values = tree(100);
    refs::publish(&store, &path("/hundred"), &values).await.unwrap();
    operations(&recorder);
    let references: BTreeMap<Label, ParamPath> =
        values.keys().map(|name| (name.parse().unwrap(), path(&format!("/hundred/{name}")))).collect();
    let variables = refs::variables(&store, &references).await.unwrap();
    assert_eq!((variables.plain.len(), variables.plain["VALUE_42"].as_str()), (100, "v42"));
    assert_eq!(counts(&recorder), just(&[("GetParameters", 10)]));
}

/// Each request is answered only when four are there: one after the other, they would wait for ever.
#[tokio::test]
async fn four_batches_are_read_at_the_same_time() {
    let moto = Moto::shared();
    let values = tree(40);
    let plainly = store_in(&moto.url(), "sa-east-1");
    refs::publish(&plainly, &path("/parallel"), &values).await.unwrap();
    let (meeting, behind) = (Barrier::new(4), Arc::clone(&moto));
    let recorder = Recorder::start(move |request| {
        meeting.wait();
        behind.answer(request).map_err(|error| error.to_string())
    });
    let store = store_in(&recorder.url(), "sa-east-1");
    let paths: Vec<ParamPath> = values.keys().map(|name| path(&format!("/parallel/{name}"))).collect();
    assert_eq!(store.get(&paths).await.unwrap().len(), 40);
    assert_eq!(counts(&recorder), just(&[("GetParameters", 4)]));
}

/// The operation, and the name of what it writes.
fn of_a_write(request: &Request) -> String {
    let operation = request.header("x-amz-target").unwrap_or_default().rsplit('.').next().unwrap_or_default();
    let name = request.json()["Name"].as_str().map(|name| format!(" {name}"));
    format!("{operation}{}", name.unwrap_or_default())
}

#[tokio::test]
async fn a_field_that_becomes_secret_is_made_anew() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let store = store_in(&recorder.url(), "ap-south-1");
    let root = path("/anew");
    refs::publish(&store, &root, &BTreeMap::from([("a", "x"), ("key", "plain")])).await.unwrap();
    operations(&recorder);
    #[derive(Serialize)]
    struct Secret {
        a: &'static str,
        key: SecretValue,
    }
    let secret = Secret { a: "y", key: SecretValue::new("hunter2") };
    let published = refs::publish(&store, &root, &secret).await.unwrap();
    assert_eq!((published.written[&path("/anew/a")], published.written[&path("/anew/key")]), (2, 1));
    let asked: Vec<String> = recorder.take().iter().map(of_a_write).collect();
    assert_eq!(
        asked,
        [
            "GetParameters",
            "PutParameter /anew/a",
            "GetParameters",
            "DeleteParameters",
            "PutParameter /anew/key",
            "PutParameter /anew.contract"
        ],
        "away for as short as it can be, looked at before that, and promised only when it is back"
    );
    let read = moto.python(
        "
ssm = boto3.client('ssm', region_name='ap-south-1')
told = ssm.get_parameter(Name='/anew/key', WithDecryption=True)['Parameter']
print(told['Type'], told['Value'], told['Version'], len(ssm.get_parameter_history(Name='/anew/key')['Parameters']))
",
    );
    assert_eq!(read, "SecureString hunter2 1 1", "nothing of the plain text is left in its history");
}

#[tokio::test]
async fn what_somebody_wrote_since_the_plan_is_told_with_what_to_do() {
    let moto = Moto::shared();
    let store = store_in(&moto.url(), "ap-south-2");
    let root = path("/race");
    refs::publish(&store, &root, &BTreeMap::from([("a", "1"), ("b", "1")])).await.unwrap();
    let next = BTreeMap::from([("a", "2"), ("b", "2"), ("c", "2")]);
    let plan = refs::publish_plan(&store, &root, &next).await.unwrap();
    moto.python("boto3.client('ssm', region_name='ap-south-2').put_parameter(Name='/race/b', Value='theirs', Type='String', Overwrite=True)");
    let error = plan.apply(&store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = format!("{error:?}");
    for part in [
        "`/race/b` changed",
        "planned over version: 1",
        "found version: 2",
        "version 3, over",
        "1 of 4",
        "history --name /race/b",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Planned anew, all is well.
    refs::publish(&store, &root, &next).await.unwrap();
    assert_eq!(refs::read::<BTreeMap<String, String>>(&store, &root).await.unwrap()["c"], "2");

    let plan = refs::publish_plan(&store, &root, &BTreeMap::from([("new", "ours")])).await.unwrap();
    moto.python("boto3.client('ssm', region_name='ap-south-2').put_parameter(Name='/race/new', Value='theirs', Type='String')");
    let error = plan.apply(&store).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("`/race/new`"), "{error:?}");
    assert_eq!(
        refs::read::<String>(&store, &path("/race/new")).await.unwrap(),
        "theirs",
        "it was not written over"
    );
}

#[tokio::test]
async fn a_long_value_goes_over_nothing_but_an_advanced_parameter() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let store = store_in(&recorder.url(), "eu-south-1");
    moto.python("boto3.client('ssm', region_name='eu-south-1').put_parameter(Name='/long/paid', Value='x', Type='String', Tier='Advanced')");
    let long = "é".repeat(2049);
    for at in ["/long/free", "/long/fresh"] {
        store.put(&[plain("/long/free", "x")]).await.unwrap();
        operations(&recorder);
        let error = store.put(&[plain("/long/before", "x"), plain(at, &long)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = format!("{error:?}");
        assert!(text.contains("4096") && text.contains(at) && text.contains("costs money"), "{text}");
        assert_eq!(counts(&recorder).get("PutParameter"), None, "nothing was written");
    }
    store.put(&[plain("/long/paid", &long)]).await.unwrap();
    let told = moto.python(
        "
ssm = boto3.client('ssm', region_name='eu-south-1')
told = ssm.describe_parameters(ParameterFilters=[{'Key': 'Name', 'Values': ['/long/paid']}])['Parameters'][0]
print(told['Tier'], told['Version'], len(ssm.get_parameter(Name='/long/paid')['Parameter']['Value']))
",
    );
    assert_eq!(told, "Advanced 2 2049");
    let most = "x".repeat(4096);
    store.put(&[plain("/long/most", &most)]).await.unwrap();
}

/// What AWS refuses and the emulator takes.
#[tokio::test]
async fn what_aws_would_refuse_is_refused_before_anything_is_sent() {
    let sent = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&sent);
    let recorder = Recorder::start(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        Err("nothing may be sent".into())
    });
    let store = store_in(&recorder.url(), "eu-central-2");
    let deep = format!("/a{}", "/a".repeat(14));
    for bad in ["/a b", "a/b", "/aws/x", "/ssm", "/a//b", &format!("{deep}/x"), "/{{x}}"] {
        assert!(ParamPath::new(bad).is_err(), "{bad}");
    }
    let at = |path: &str, value| ParameterWrite::new(path.parse().unwrap(), value).over(Over::Nothing);
    let text = |text: &str| ParameterValue::Plain(text.into());
    let list = |items: &[&str]| ParameterValue::List(items.iter().map(|item| (*item).to_owned()).collect());
    for write in [
        at("/a", text("")),
        at("/a", text("a {{ssm:b}}")),
        at("/a", ParameterValue::Secret(SecretValue::new("{{x}}"))),
        at("/a", text(&"x".repeat(8193))),
        at("/a", list(&["a,b"])),
        at("/a", list(&["a", ""])),
        at(&format!("/{}", "a".repeat(940)), text("x")),
    ] {
        let error = store.put(&[at("/before", text("x")), write]).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && !error.hints().is_empty(), "{error:?}");
    }
    assert!(store.put(&[at("/a", text("x")), at("/a", text("x"))]).await.is_err(), "a path given twice");
    assert!(store.put(&[]).await.unwrap().is_empty() && store.delete(&[]).await.unwrap() == 0);
    assert_eq!(sent.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn nothing_is_written_to_an_account_that_is_not_named() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let aws = aws_in(&recorder.url(), "eu-south-2").for_account("999999999999").unwrap();
    let store = SsmParameters::new(aws, None).unwrap();
    let error = refs::publish(&store, &path("/account/a"), "x").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && format!("{error:?}").contains("999999999999"), "{error:?}");
    assert_eq!(store.delete(&[path("/account/a")]).await.unwrap_err().kind(), ErrorKind::Denied);
    let asked = counts(&recorder);
    assert!(!asked.contains_key("PutParameter") && !asked.contains_key("DeleteParameters"), "{asked:?}");
}
