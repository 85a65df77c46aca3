//! What every state backend and every lock store must do: one check for each sentence of their contracts.

use std::time::Duration;

use infra_sdk::ErrorKind;
use infra_sdk::state::{LockInfo, LockKey, Locks, SnapshotId, StateBackend, StateKey};
use infra_sdk::time::Timestamp;

fn key(text: &str) -> StateKey {
    format!("{text}/terraform.tfstate").parse().expect("a key")
}

/// Checks an empty backend; `terraform` writes a state to where the settings of a key point.
pub(crate) async fn holds(backend: &dyn StateBackend, terraform: &(dyn Fn(&StateKey, &[u8]) + Sync)) {
    let (one, two) = (key("acme/shop/staging/network"), key("acme/shop/staging/service"));
    let other = key("other/shop/staging/network");
    let settings = backend.settings(&one).await.expect("settings");
    assert_eq!(settings, backend.settings(&one).await.expect("settings"), "always the same");
    assert_ne!(settings, backend.settings(&two).await.expect("settings"), "a place of its own");

    assert_eq!(backend.read(&one).await.expect("a look"), None);
    assert_eq!(backend.list(&one.owner).await.expect("a list"), [], "settings alone are no state");
    assert_eq!(backend.snapshot(&one).await.expect("a look"), None);
    assert_eq!(backend.snapshots(&one).await.expect("a list"), []);

    backend.settings(&other).await.expect("settings");
    terraform(&two, b"{}");
    terraform(&one, b"{\"serial\": 1}");
    terraform(&other, b"{}");
    assert_eq!(backend.read(&one).await.expect("a state").as_deref(), Some(&b"{\"serial\": 1}"[..]));
    let keys = backend.list(&one.owner).await.expect("a list");
    assert_eq!(keys, [one.clone(), two.clone()], "one organisation's keys, in order");

    let first = backend.snapshot(&one).await.expect("a copy").expect("an id");
    let same = backend.snapshot(&one).await.expect("no second copy");
    assert_eq!(same, Some(first.clone()), "an unchanged state gets no second copy");
    terraform(&one, b"{\"serial\": 2}");
    let second = backend.snapshot(&one).await.expect("a copy").expect("an id");
    let copies = backend.snapshots(&one).await.expect("a list");
    let ids: Vec<&SnapshotId> = copies.iter().map(|copy| &copy.id).collect();
    assert_eq!(ids, [&first, &second], "oldest first");
    assert_eq!(copies[0].size, 13);
    let read = backend.read_snapshot(&one, &first).await.expect("a copy");
    assert_eq!(read.as_deref(), Some(&b"{\"serial\": 1}"[..]), "later changes do not touch a copy");
    let none = SnapshotId::new("../../../etc/passwd");
    assert_eq!(backend.read_snapshot(&one, &none).await.expect("a look"), None);
    assert_eq!(backend.snapshots(&two).await.expect("a list"), [], "copies belong to one key");
    assert_eq!(backend.list(&one.owner).await.expect("a list"), keys, "copies are no states");

    let (seen, new) = (&b"{\"serial\": 2}"[..], &b"{\"serial\": 3}"[..]);
    for other in [None, Some(&b"{\"serial\": 1}"[..])] {
        assert!(!backend.replace(&one, other, new).await.expect("a look"), "that is not what lies there");
    }
    assert!(backend.replace(&one, Some(seen), new).await.expect("written"));
    assert_eq!(backend.read(&one).await.expect("a state").as_deref(), Some(new));
    let absent = key("acme/shop/staging/queue");
    assert!(!backend.replace(&absent, Some(seen), new).await.expect("a look"), "nothing lies there");
    assert!(backend.replace(&absent, None, new).await.expect("written"));
    assert_eq!(backend.read(&absent).await.expect("a state").as_deref(), Some(new));
    terraform(&two, b"");
    assert_eq!(backend.snapshot(&two).await.expect("a look"), None, "an empty state is none");
}

fn lock_of(env: &str) -> LockKey {
    LockKey {
        purpose: "deploy".parse().expect("a purpose"),
        owner: "acme".parse().expect("an owner"),
        repo: "shop".parse().expect("a repo"),
        env: env.parse().expect("an env"),
    }
}

fn info(who: &str) -> LockInfo {
    LockInfo::new(who, "infra:deploy", Duration::from_secs(600)).expect("an id")
}

/// Checks an empty lock store.
pub(crate) async fn locks_hold(locks: &dyn Locks) {
    let (key, other) = (lock_of("staging"), lock_of("production"));
    let (ada, bob) = (info("ada"), info("bob"));
    assert_eq!(locks.holder(&key).await.expect("a look"), None);
    assert_eq!(
        locks.renew(&key, &ada.id, ada.expires).await.expect_err("no lock").kind(),
        ErrorKind::NotFound
    );
    assert!(!locks.unlock(&key, &ada.id).await.expect("nothing to free"));

    let (one, two) = tokio::join!(locks.lock(&key, &ada), locks.lock(&key, &bob));
    assert!(one.is_ok() != two.is_ok(), "exactly one gets it");
    let (held, late) = if one.is_ok() { (&ada, &bob) } else { (&bob, &ada) };
    assert_eq!(&one.or(two).expect("the winner"), held, "what is kept is given back");
    let error = locks.lock(&key, late).await.expect_err("held");
    assert_eq!(error.kind(), ErrorKind::Locked);
    let text = error.report().to_string();
    assert!(text.contains(&held.who) && text.contains(&held.expires.to_string()), "names the holder: {text}");
    assert_eq!(locks.holder(&key).await.expect("a look").as_ref(), Some(held));
    locks.lock(&other, late).await.expect("different keys do not touch each other");

    let longer = LockInfo { expires: Timestamp::now().plus(Duration::from_secs(900)), ..held.clone() };
    assert_eq!(locks.lock(&key, &longer).await.expect("the same id again"), longer);
    assert_eq!(
        locks.renew(&key, &late.id, late.expires).await.expect_err("another's").kind(),
        ErrorKind::Locked
    );
    assert!(!locks.unlock(&key, &late.id).await.expect("another's lock is never touched"));
    assert_eq!(locks.holder(&key).await.expect("a look"), Some(longer));

    let past = Timestamp::now();
    locks.renew(&key, &held.id, past).await.expect("a renewal into the past");
    assert_eq!(locks.holder(&key).await.expect("a look"), None, "an expired lock is free");
    locks.renew(&key, &held.id, held.expires).await.expect("it just expired and nobody took it");
    assert_eq!(locks.holder(&key).await.expect("a look").as_ref(), Some(held));
    locks.renew(&key, &held.id, past).await.expect("a renewal into the past");
    locks.lock(&key, late).await.expect("the next who asks gets it");
    assert_eq!(locks.renew(&key, &held.id, held.expires).await.expect_err("taken").kind(), ErrorKind::Locked);

    assert!(locks.unlock(&key, &late.id).await.expect("its own"));
    assert_eq!(locks.holder(&key).await.expect("a look"), None);
    assert!(!locks.unlock(&key, &late.id).await.expect("freed before"));
}
