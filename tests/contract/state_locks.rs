//! What every store of Terraform's locks must do. A folder has none that outlive a process, so only remote stores are held.

use std::time::Duration;

use infra_sdk::ErrorKind;
use infra_sdk::state::{LockRequest, StateKey, StateLocks};

fn key(text: &str) -> StateKey {
    format!("{text}/terraform.tfstate").parse().expect("a key")
}

/// Checks Terraform's locks of an empty backend.
pub(crate) async fn hold(locks: &dyn StateLocks) {
    let (one, two) = (key("acme/shop/staging/network"), key("acme/shop/staging/service"));
    let request = |who: &str, seconds| LockRequest {
        who: who.into(),
        run: None,
        why: "a check".into(),
        length: Duration::from_secs(seconds),
    };
    assert!(locks.state_lock(&one).await.expect("a look").is_none());

    let (ada, bob) = (request("ada", 600), request("bob", 600));
    let (first, second) = tokio::join!(locks.lock_state(&one, &ada), locks.lock_state(&one, &bob));
    assert!(first.is_ok() != second.is_ok(), "exactly one gets it");
    let (held, error) = match (first, second) {
        (Ok(held), Err(error)) | (Err(error), Ok(held)) => (held, error),
        _ => unreachable!("exactly one got it"),
    };
    assert_eq!(error.kind(), ErrorKind::Locked);
    let text = error.report().to_string();
    assert!(text.contains(&held.who) && text.contains(&held.id), "names the holder: {text}");
    locks.lock_state(&two, &ada).await.expect("another state");

    let seen = locks.state_lock(&one).await.expect("a look").expect("a lock");
    assert_eq!(seen.lock.as_ref(), Some(&held), "what is kept is read");
    assert!(!seen.has_expired());
    locks.unlock_state(&one, &seen).await.expect("what was seen");
    assert!(locks.state_lock(&one).await.expect("a look").is_none());
    locks.unlock_state(&one, &seen).await.expect("what is gone already");

    let newer = locks.lock_state(&one, &bob).await.expect("it is free");
    let error = locks.unlock_state(&one, &seen).await.expect_err("another lock is never removed");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("bob"), "names the new holder: {error}");
    assert_eq!(locks.state_lock(&one).await.expect("a look").and_then(|seen| seen.lock), Some(newer));
}
