//! What every parameter store must do: one check for each sentence of `ParameterStore`'s contract.

use infra_sdk::names::ParamPath;
use infra_sdk::refs::{Kind, Over, ParameterStore, ParameterValue, ParameterWrite};
use infra_sdk::time::Timestamp;
use infra_sdk::{ErrorKind, SecretValue};

fn path(text: &str) -> ParamPath {
    text.parse().expect("a path")
}

fn plain(at: &str, text: &str) -> ParameterWrite {
    ParameterWrite::new(path(at), ParameterValue::Plain(text.into()))
}

fn list(at: &str, items: &[&str]) -> ParameterWrite {
    let items = items.iter().map(|item| (*item).to_owned()).collect();
    ParameterWrite::new(path(at), ParameterValue::List(items))
}

async fn below(store: &dyn ParameterStore, at: &str) -> Vec<String> {
    let found = store.under(&path(at)).await.expect("parameters");
    found.into_iter().map(|parameter| parameter.path.to_string()).collect()
}

/// Checks an empty store; `anew`: it turns a parameter into one of another kind by making it anew.
pub(crate) async fn holds(store: &dyn ParameterStore, anew: bool) {
    assert!(store.get(&[path("/infra/none")]).await.expect("none").is_empty());
    assert_eq!(below(store, "/infra").await, [""; 0]);
    assert_eq!(store.names().await.expect("none"), []);
    assert_eq!(store.delete(&[path("/infra/none")]).await.expect("nothing to remove"), 0);

    let secret = ParameterValue::Secret(SecretValue::new("p\"ä$s\n{} `x`"));
    let writes = [
        plain("/infra/network/vpc-id", "vpc-1"),
        list("/infra/network/subnet-ids", &["a", "b"]),
        list("/infra/network/none", &[]),
        ParameterWrite::new(path("/infra/network/db/Key_1.x"), secret),
        plain("/infra/network", "its own \"value\"\n, ü,"),
        plain("/infra/network2/vpc-id", "vpc-2"),
    ];
    let before = Timestamp::now();
    assert_eq!(store.put(&writes).await.expect("versions"), [1; 6]);

    let paths: Vec<ParamPath> = writes.iter().map(|write| write.path.clone()).collect();
    let mut asked = paths.clone();
    asked.push(path("/infra/none"));
    let found = store.get(&asked).await.expect("parameters");
    assert_eq!(found.len(), writes.len(), "the rest is left out");
    let kinds = found.iter().map(|(path, parameter)| (path.clone(), parameter.value.kind())).collect();
    assert_eq!(store.present(&asked).await.expect("paths"), kinds, "the same are there");
    for write in &writes {
        let kept = &found[&write.path];
        assert_eq!((&kept.path, &kept.value, kept.version), (&write.path, &write.value, 1));
        // Stores may round times to the second.
        assert!(kept.modified.until(before).as_secs() < 5, "{} lies before {before}", kept.modified);
    }

    let network = [
        "/infra/network/db/Key_1.x",
        "/infra/network/none",
        "/infra/network/subnet-ids",
        "/infra/network/vpc-id",
    ];
    assert_eq!(below(store, "/infra/network").await, network, "below, at any depth, in order");
    assert_eq!(below(store, "/infra/netw").await, [""; 0], "a path that merely begins alike");
    assert_eq!(below(store, "/infra").await.len(), 6);
    let values = store.under(&path("/infra/network")).await.expect("parameters");
    assert!(values.iter().all(|parameter| found[&parameter.path] == *parameter), "the same as by name");
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(store.names().await.expect("names"), sorted);

    versions(store, anew).await;
    over(store).await;
    all_or_none(store, &sorted).await;

    let gone = [path("/infra/network"), path("/infra/none"), path("/infra/network2/vpc-id")];
    assert_eq!(store.delete(&gone).await.expect("two were there"), 2);
    assert_eq!(below(store, "/infra").await, network, "what stands below stays");
    store.put(&[plain("/infra/network", "again")]).await.expect("written anew");
}

async fn versions(store: &dyn ParameterStore, anew: bool) {
    let at = "/infra/network/vpc-id";
    assert_eq!(store.put(&[plain(at, "vpc-9")]).await.expect("a version"), [2]);
    let value = ParameterValue::Secret(SecretValue::new("now secret"));
    let changed = ParameterWrite::new(path(at), value);
    let last = if anew { 1 } else { 3 };
    let versions = store.put(&[changed.clone(), plain("/infra/network2/vpc-id", "vpc-3")]).await;
    assert_eq!(
        versions.expect("versions"),
        [last, 2],
        "in the order of the writes, also when the kind changes"
    );
    let found = store.get(&[path(at)]).await.expect("a parameter");
    assert_eq!((&found[&path(at)].value, found[&path(at)].version), (&changed.value, last));
}

/// A write goes over nothing but what it was planned against.
async fn over(store: &dyn ParameterStore) {
    let at = path("/infra/network2/vpc-id");
    let seen =
        store.get(std::slice::from_ref(&at)).await.expect("a parameter").remove(&at).expect("it is there");
    let write = |text: &str, over| plain("/infra/network2/vpc-id", text).over(over);
    let exists = store.put(&[write("x", Over::Nothing)]).await.expect_err("something is there");
    assert_eq!(exists.kind(), ErrorKind::Conflict);
    assert_eq!(
        store.get(std::slice::from_ref(&at)).await.expect("a parameter")[&at],
        seen,
        "nothing was written"
    );
    let over = Over::seen(Some(&seen));
    assert_eq!(store.put(&[write("vpc-4", over)]).await.expect("what was seen"), [seen.version + 1]);
    let stale = store.put(&[write("vpc-5", over)]).await.expect_err("what was seen is gone");
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let text = format!("{stale:?}");
    assert!(text.contains(at.as_str()) && !stale.hints().is_empty(), "{text}");

    // Nor does one that would change the kind, for which some stores delete what stands there.
    let at = path("/infra/network2/kind");
    assert_eq!(store.put(&[plain("/infra/network2/kind", "x")]).await.expect("a version"), [1]);
    let over = Over::Version(1, Kind::Plain);
    assert_eq!(store.put(&[plain("/infra/network2/kind", "theirs")]).await.expect("a version"), [2]);
    let stale = store.put(&[list("/infra/network2/kind", &["ours"]).over(over)]).await;
    let stale = stale.expect_err("somebody else wrote there");
    assert!(stale.kind() == ErrorKind::Conflict && stale.to_string().contains(at.as_str()), "{stale:?}");
    let kept =
        store.get(std::slice::from_ref(&at)).await.expect("a parameter").remove(&at).expect("it is there");
    assert_eq!((kept.value, kept.version), (ParameterValue::Plain("theirs".into()), 2));
    assert_eq!(store.delete(&[at]).await.expect("it was there"), 1);
}

async fn all_or_none(store: &dyn ParameterStore, names: &[ParamPath]) {
    for bad in [
        [plain("/infra/new", "x"), plain("/infra/bad", "")],
        [plain("/infra/new", "x"), plain("/infra/bad", &"x".repeat(ParameterWrite::LARGEST + 1))],
        [plain("/infra/new", "x"), list("/infra/bad", &["a,b"])],
        [plain("/infra/new", "x"), plain("/infra/new", "y")],
    ] {
        let error = store.put(&bad).await.expect_err("a write that is refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.hints().is_empty(), "{error:?}");
    }
    assert_eq!(store.names().await.expect("names"), names, "nothing was written");
}
