//! What every `SecretStore` and `SecretSource` promises: one check for each sentence of their contracts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use infra_sdk::names::SecretName;
use infra_sdk::secrets::{Listing, Mark, SecretChange, SecretSource, SecretStore, StoredSecret, Written};
use infra_sdk::{ErrorKind, SecretValue};

/// A value that must never show.
const CANARY: &str = "canary-2c91";

/// Where stores may differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// How finely stamps tell two puts apart: a second where they are times in seconds, zero where they count.
    pub(crate) tick: Duration,
    /// How many secrets it can hold, as far as the check goes.
    pub(crate) most: usize,
    /// Whether a secret that was deleted and put again may have a stamp it had before.
    pub(crate) starts_again: bool,
    /// Whether a put of the value that is there leaves everything as it is.
    pub(crate) keeps_equal: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Kind { tick: Duration::ZERO, most: 101, starts_again: false, keeps_equal: false }
    }
}

/// Checks the whole contract of a store that is empty, and leaves it empty.
///
pub(crate) async fn holds(store: &dyn SecretStore, kind: Kind) {
    a_new_store_lists_nothing(store).await;
    a_put_is_listed_and_a_second_one_replaces_it(store).await;
    every_put_has_its_own_stamp(store, kind).await;
    a_delete_removes_and_may_be_repeated(store).await;
    a_batch_may_be_empty_or_large(store, kind.most).await;
    a_batch_that_cannot_be_taken_changes_nothing(store).await;
    a_look_knows_whether_anything_changed(store, kind.tick).await;
    other_secrets_stay_as_they_are(store).await;
    nothing_shows_a_value(store).await;
    assert_eq!(store.list().await.unwrap(), [], "the store was not left empty");
}

/// Checks the contract of a store that gives values back; `store` and `source` are the same one, empty.
pub(crate) async fn gives_back(store: &dyn SecretStore, source: &dyn SecretSource) {
    assert!(!source.name().is_empty());
    assert_eq!(source.get(&name("NONE")).await.unwrap(), None);
    assert_eq!(source.get_all().await.unwrap(), BTreeMap::new());
    let values = [
        "x",
        " spaces around ",
        "two\nlines\n",
        "\r\n",
        "quotes ' \" `",
        "C:\\dir\\n",
        "$HOME ${X} $(echo run)",
        "ключ-密码-🔑",
        "{\"json\": [1, {\"x\": null}]}",
        "%41%00",
        "-----BEGIN K-----\nabc=\n-----END K-----\n",
    ];
    let mut expected = BTreeMap::new();
    let mut changes = Vec::new();
    for (number, value) in values.iter().enumerate() {
        expected.insert(name(&format!("V{number}")), SecretValue::new(*value));
        changes.push(put(&format!("V{number}"), value));
    }
    changes.push(put("LONG", &"long ".repeat(800)));
    expected.insert(name("LONG"), SecretValue::new("long ".repeat(800)));
    write(store, &changes).await;
    for (name, value) in &expected {
        assert!(source.get(name).await.unwrap().as_ref() == Some(value), "{name} came back changed");
    }
    assert!(source.get_all().await.unwrap() == expected, "get_all differs from get");
    write(store, &[put("V0", "second")]).await;
    assert_eq!(source.get(&name("V0")).await.unwrap().unwrap().expose(), "second");
    clear(store).await;
    assert_eq!(source.get(&name("V0")).await.unwrap(), None);
    assert_eq!(source.get_all().await.unwrap(), BTreeMap::new());
}

async fn a_new_store_lists_nothing(store: &dyn SecretStore) {
    assert!(!store.name().is_empty());
    assert_eq!(store.list().await.unwrap(), []);
}

async fn a_put_is_listed_and_a_second_one_replaces_it(store: &dyn SecretStore) {
    write(store, &[put("B", "1"), put("A", "1")]).await;
    assert_eq!(names(store).await, ["A", "B"]);
    write(store, &[put("A", "2")]).await;
    assert_eq!(names(store).await, ["A", "B"]);
    clear(store).await;
}

async fn every_put_has_its_own_stamp(store: &dyn SecretStore, kind: Kind) {
    let mut seen = BTreeSet::new();
    let mut told = 0;
    for (round, value) in ["same", "same", "other", "same"].into_iter().enumerate() {
        if round == 3 && !kind.starts_again {
            write(store, &[delete("A")]).await;
        }
        tokio::time::sleep(kind.tick).await;
        let written = write(store, &[put("A", value)]).await;
        let listed = listed(store, "A").await.expect("a put secret is listed").stamp;
        if let Some(stamp) = &written[0].stamp {
            assert_eq!(listed.as_ref(), Some(stamp), "list shows another stamp than the put reported");
        }
        if let Some(stamp) = listed {
            told += 1;
            seen.insert(stamp.as_str().to_owned());
        }
    }
    assert!(told == 0 || told == 4, "the store tells a stamp only sometimes");
    // The second put says what the first one did.
    let kept = usize::from(kind.keeps_equal && told > 0);
    assert_eq!(seen.len(), told - kept, "two puts have one stamp, or one has two");
    clear(store).await;
}

async fn a_delete_removes_and_may_be_repeated(store: &dyn SecretStore) {
    write(store, &[put("A", "1"), put("B", "1")]).await;
    for _ in 0..2 {
        let written = write(store, &[delete("A"), delete("NEVER_THERE")]).await;
        assert!(written.iter().all(|written| written.stamp.is_none()));
        assert_eq!(names(store).await, ["B"]);
    }
    clear(store).await;
}

async fn a_batch_may_be_empty_or_large(store: &dyn SecretStore, most: usize) {
    write(store, &[]).await;
    assert_eq!(store.list().await.unwrap(), []);
    // More than one request of any known store carries, and than one page of any list.
    let changes: Vec<SecretChange> = (0..most).map(|number| put(&format!("N{number:03}"), "x")).collect();
    write(store, &changes).await;
    let expected: Vec<String> = (0..most).map(|number| format!("N{number:03}")).collect();
    assert_eq!(names(store).await, expected);
    clear(store).await;
}

async fn a_batch_that_cannot_be_taken_changes_nothing(store: &dyn SecretStore) {
    write(store, &[put("A", "1")]).await;
    let before = store.list().await.unwrap();
    let batches = [
        vec![put("NEW", "1"), put("A", CANARY), delete("A")],
        vec![put("NEW", "1"), put("B", "")],
        vec![put("NEW", "1"), put("B", &format!("{CANARY}\0"))],
    ];
    for batch in batches {
        let error = store.write(&batch).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(!format!("{error:?}").contains(CANARY), "the error shows a value");
        assert_eq!(store.list().await.unwrap(), before);
        // What one change alone is refused for is known without a request.
        let alone = |change: &SecretChange| store.check(change).is_err();
        assert!(batch.iter().any(alone) || batch.len() == 3, "check takes what write refuses");
    }
    clear(store).await;
}

async fn a_look_knows_whether_anything_changed(store: &dyn SecretStore, tick: Duration) {
    write(store, &[put("A", "1")]).await;
    let Listing::Now { secrets, mark } = store.look(None).await.unwrap() else {
        panic!("unchanged since nothing")
    };
    if let Some(mark) = &mark {
        let again = store.look(Some(mark)).await.unwrap();
        assert!(again == Listing::Unchanged || again == Listing::Now { secrets, mark: Some(mark.clone()) });
        tokio::time::sleep(tick).await;
        write(store, &[put("A", "2")]).await;
        assert!(matches!(store.look(Some(mark)).await.unwrap(), Listing::Now { .. }), "a change was missed");
    }
    let stranger = Mark::new("never given");
    assert!(matches!(store.look(Some(&stranger)).await.unwrap(), Listing::Now { .. }));
    clear(store).await;
}

async fn other_secrets_stay_as_they_are(store: &dyn SecretStore) {
    write(store, &[put("KEPT", "1")]).await;
    let before = listed(store, "KEPT").await;
    write(store, &[put("A", "1"), delete("KEPT_NOT")]).await;
    write(store, &[put("B", "1"), delete("A")]).await;
    assert_eq!(listed(store, "KEPT").await, before);
    clear(store).await;
}

async fn nothing_shows_a_value(store: &dyn SecretStore) {
    let report = store.write(&[put("A", CANARY)]).await.unwrap();
    let list = store.list().await.unwrap();
    assert!(!store.id().is_empty() && !store.id().contains(char::is_whitespace));
    let shown = format!("{report} {report:?} {list:?} {} {}", store.name(), store.id());
    assert!(!shown.contains(CANARY), "a report shows a value");
    clear(store).await;
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn put(text: &str, value: &str) -> SecretChange {
    SecretChange::put(name(text), SecretValue::new(value))
}

fn delete(text: &str) -> SecretChange {
    SecretChange::Delete { name: name(text) }
}

async fn listed(store: &dyn SecretStore, text: &str) -> Option<StoredSecret> {
    store.list().await.unwrap().into_iter().find(|stored| stored.name.as_str() == text)
}

async fn names(store: &dyn SecretStore) -> Vec<String> {
    store.list().await.unwrap().into_iter().map(|stored| stored.name.to_string()).collect()
}

/// Writes a batch and checks that the report lists each change once.
async fn write(store: &dyn SecretStore, changes: &[SecretChange]) -> Vec<Written> {
    let written = store.write(changes).await.unwrap().complete(changes).unwrap();
    let mut reported: Vec<&SecretName> = written.iter().map(|written| &written.name).collect();
    let mut wanted: Vec<&SecretName> = changes.iter().map(SecretChange::name).collect();
    reported.sort();
    wanted.sort();
    assert_eq!(reported, wanted);
    written
}

async fn clear(store: &dyn SecretStore) {
    let all: Vec<SecretChange> = store
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|stored| SecretChange::Delete { name: stored.name })
        .collect();
    write(store, &all).await;
}
