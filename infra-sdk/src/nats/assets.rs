//! The streams and buckets that this crate keeps in an account, and how each should be set up.

use std::time::Duration;

use serde_json::{Value, json};

/// The stream of events.
pub(super) const EVENTS: &str = "INFRA_EVENTS";
/// What subjects of events begin with.
pub(super) const EVENT_SUBJECTS: &str = "infra.v1.evt";
/// The stream of the ledger.
pub(super) const LEDGER: &str = "INFRA_LEDGER";
/// What subjects of the ledger begin with.
pub(super) const LEDGER_SUBJECTS: &str = "infra.v1.ledger";
/// The work queue of deploys over many repos.
pub(super) const WORK: &str = "INFRA_WORK";
/// What subjects of work begin with.
pub(super) const WORK_SUBJECTS: &str = "infra.v1.work";
/// The bucket of runs and leases.
pub(super) const RUNS: &str = "infra-runs";
/// The stream that is this bucket.
pub(super) const RUNS_STREAM: &str = "KV_infra-runs";

/// How long events are kept, and for how long an event that is published again is known.
pub(super) const EVENTS_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long an offer waits for an agent before it is forgotten; whoever coordinates makes it again.
const WORK_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long an offer or an entry that is sent again is known: as long as somebody may wait for its answer.
const RESENT: Duration = Duration::from_secs(2 * 60);
/// How long a bucket shows that a lease ended.
const MARKER: Duration = Duration::from_secs(60);

/// A stream or bucket as it should be.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    /// As people name it: `stream INFRA_EVENTS`, `bucket infra-runs`.
    pub(super) label: String,
    /// The stream's name.
    pub(super) stream: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// How it should be set up.
    pub(super) wants: Vec<Want>,
    /// How large it may become where the account wants to know that beforehand, in bytes.
    pub(super) size: u64,
}

/// One setting of a stream, named as JetStream's interface names it
/// (<https://docs.nats.io/nats-concepts/jetstream/streams>).
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) rule: Rule,
}

/// When a setting is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It has the value.
    Exactly,
    /// It has the value or a larger one.
    AtLeast,
    /// It has the members of the list, and maybe others.
    Includes,
    /// It has no limit, or one of at least a mebibyte, as much as a server takes by default.
    Roomy,
    /// It has the value; a stream that has another one can not be changed.
    Fixed,
}

/// What differs between environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    /// How many servers keep each message; `None`: three in a cluster, else one.
    pub(super) replicas: Option<u8>,
    /// Whether the ledger is kept here.
    pub(super) ledger: bool,
}

/// Everything that should be there; `clustered` says whether there are other servers to keep copies.
pub(super) fn wanted(wishes: Wishes, clustered: bool) -> Vec<Asset> {
    let replicas = match wishes.replicas {
        Some(count) => want("num_replicas", json!(count), Rule::Exactly),
        // Who asked for more has it.
        None => want("num_replicas", json!(if clustered { 3 } else { 1 }), Rule::AtLeast),
    };
    let mut assets = vec![
        Asset {
            label: format!("stream {EVENTS}"),
            stream: EVENTS,
            about: "events of the last 30 days; when it is full, the oldest go",
            wants: vec![
                want("subjects", json!([format!("{EVENT_SUBJECTS}.>")]), Rule::Includes),
                want("retention", json!("limits"), Rule::Fixed),
                want("storage", json!("file"), Rule::Fixed),
                want("discard", json!("old"), Rule::Exactly),
                want("max_age", nanos(EVENTS_AGE), Rule::AtLeast),
                want("duplicate_window", nanos(EVENTS_AGE), Rule::AtLeast),
                want("allow_direct", json!(true), Rule::Exactly),
                replicas.clone(),
            ],
            size: 512 << 20,
        },
        Asset {
            label: format!("stream {WORK}"),
            stream: WORK,
            about: "the work queue of deploys over many repos",
            wants: vec![
                want("subjects", json!([format!("{WORK_SUBJECTS}.>")]), Rule::Includes),
                want("retention", json!("workqueue"), Rule::Fixed),
                want("storage", json!("file"), Rule::Fixed),
                want("discard", json!("new"), Rule::Exactly),
                want("max_age", nanos(WORK_AGE), Rule::AtLeast),
                want("duplicate_window", nanos(RESENT), Rule::AtLeast),
                // The newest offer for a repo replaces the one before, given or not: which of them counts is decided by
                // the claim, and a repo that stays ready for days fills nothing.
                want("max_msgs_per_subject", json!(1), Rule::Exactly),
                want("discard_new_per_subject", json!(false), Rule::Exactly),
                want("allow_direct", json!(true), Rule::Exactly),
                replicas.clone(),
            ],
            size: 64 << 20,
        },
        Asset {
            label: format!("bucket {RUNS}"),
            stream: RUNS_STREAM,
            about: "runs, claims and leases; a key can end by itself",
            wants: vec![
                want("subjects", json!([format!("$KV.{RUNS}.>")]), Rule::Includes),
                want("retention", json!("limits"), Rule::Fixed),
                want("storage", json!("file"), Rule::Fixed),
                want("discard", json!("new"), Rule::Exactly),
                // Keys that end by themselves say so; a state that went by age would free a repo that is being deployed.
                want("max_age", json!(0), Rule::Exactly),
                want("max_msgs_per_subject", json!(1), Rule::AtLeast),
                want("allow_msg_ttl", json!(true), Rule::Exactly),
                want("subject_delete_marker_ttl", nanos(MARKER), Rule::AtLeast),
                want("allow_rollup_hdrs", json!(true), Rule::Exactly),
                want("deny_delete", json!(true), Rule::Exactly),
                want("allow_direct", json!(true), Rule::Exactly),
                replicas.clone(),
            ],
            size: 128 << 20,
        },
    ];
    if wishes.ledger {
        assets.push(Asset {
            label: format!("stream {LEDGER}"),
            stream: LEDGER,
            about: "the ledger, kept for ever; nothing in it can be removed",
            wants: vec![
                want("subjects", json!([format!("{LEDGER_SUBJECTS}.>")]), Rule::Includes),
                want("retention", json!("limits"), Rule::Fixed),
                want("storage", json!("file"), Rule::Fixed),
                // A full ledger takes nothing more; the oldest entry never goes.
                want("discard", json!("new"), Rule::Exactly),
                want("max_age", json!(0), Rule::Exactly),
                // All entries of an organisation have one subject.
                want("max_msgs_per_subject", json!(-1), Rule::Exactly),
                want("duplicate_window", nanos(RESENT), Rule::AtLeast),
                want("deny_delete", json!(true), Rule::Exactly),
                want("deny_purge", json!(true), Rule::Exactly),
                want("allow_direct", json!(true), Rule::Exactly),
                replicas,
            ],
            size: 256 << 20,
        });
    }
    for asset in &mut assets {
        // Without an answer nobody knows whether a message is kept.
        asset.wants.push(want("no_ack", json!(false), Rule::Exactly));
        asset.wants.push(want("max_msg_size", json!(-1), Rule::Roomy));
    }
    assets
}

fn want(name: &'static str, value: Value, rule: Rule) -> Want {
    Want { name, value, rule }
}

/// As JetStream writes lengths of time.
fn nanos(length: Duration) -> Value {
    json!(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_account_needs_three_assets_and_with_the_ledger_four() {
        for (ledger, count) in [(false, 3), (true, 4)] {
            assert_eq!(wanted(Wishes { replicas: None, ledger }, false).len(), count);
        }
    }

    #[test]
    fn three_servers_keep_a_copy_where_there_are_others_unless_a_number_is_named() {
        let replicas = |count, clustered| {
            let assets = wanted(Wishes { replicas: count, ledger: true }, clustered);
            let found = assets.iter().map(|asset| {
                let want = asset.wants.iter().find(|want| want.name == "num_replicas").unwrap();
                (want.value.clone(), want.rule)
            });
            let found: Vec<_> = found.collect();
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
            found[0].clone()
        };
        assert_eq!(replicas(None, false), (json!(1), Rule::AtLeast));
        assert_eq!(replicas(None, true), (json!(3), Rule::AtLeast));
        assert_eq!(replicas(Some(5), true), (json!(5), Rule::Exactly));
    }

    #[test]
    fn what_is_known_twice_is_known_for_as_long_as_it_is_kept() {
        let assets = wanted(Wishes { replicas: None, ledger: false }, false);
        let value = |name| assets[0].wants.iter().find(|want| want.name == name).unwrap().value.clone();
        assert_eq!(value("duplicate_window"), value("max_age"));
    }
}
