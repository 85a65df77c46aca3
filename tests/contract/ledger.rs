//! What every ledger must do: one check for each sentence of `Ledger`'s contract.

use infra_sdk::ledger::{Entry, Ledger, Outcome, Record, verify};

fn record(subject: &str) -> Record {
    let (env, project) = ("staging".parse().expect("an env"), "shop-api".parse().expect("a repo"));
    Record::new("ada", env, project, "deploy", subject, Outcome::RolledBack)
        .with("digest", "sha256:00")
        .with("odd \"key\"\n", "ü\u{1}")
}

/// Checks an empty ledger.
pub(crate) async fn holds(ledger: &dyn Ledger) {
    assert_eq!(ledger.read(0, 10).await.expect("no entries"), []);
    assert_eq!(verify(ledger, None).await.expect("an empty chain").entries, 0);

    let given = record("app\n\"one\"");
    let kept = ledger.append(given.clone()).await.expect("an entry");
    let read = ledger.read(0, 10).await.expect("entries");
    assert_eq!(read.as_slice(), std::slice::from_ref(&kept), "the entry returned is the entry kept");
    let Entry { actor, env, project, action, subject, outcome, details, .. } = kept.clone();
    assert_eq!(Record { actor, env, project, action, subject, outcome, details }, given, "as given");
    assert_eq!((kept.seq, &kept.prev, &kept.hash), (1, &Entry::root(), &kept.seal()));

    let second = ledger.append(record("two")).await.expect("an entry");
    assert_eq!((second.seq, &second.prev), (2, &kept.hash), "the next follows the last");
    assert!(second.time >= kept.time, "at the present time");

    let appends = ["three", "four", "five", "six"].map(|subject| ledger.append(record(subject)));
    let [a, b, c, d] = appends;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    for entry in [a, b, c, d] {
        entry.expect("appending at once succeeds");
    }
    let verified = verify(ledger, None).await.expect("the chain is whole");
    let all = ledger.read(0, 100).await.expect("entries");
    assert_eq!((verified.entries, &verified.head), (6, &all[5].hash));
    assert_eq!(all[..2], [kept, second], "nothing changed what was there");
    assert_eq!(verify(ledger, Some(&all[2].hash)).await.expect("a head noted earlier"), verified);

    assert_eq!(ledger.read(2, 3).await.expect("entries"), all[2..5], "skips and limits");
    assert_eq!(ledger.read(6, 3).await.expect("entries"), [], "none when there are no more");
    assert_eq!(ledger.read(99, 3).await.expect("entries"), []);
    assert_ne!(ledger.place(1), ledger.place(2), "each entry has a place of its own");
}
