//! Probe 5: whether JetStream is there for this account, and what is left of its limits.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::health::{Probe, State};
use crate::nats::health::ask::Ask;

const NAME: &str = "jetstream";
/// From how many parts of a hundred on a limit is near.
const NEAR: i64 = 80;

/// What an account uses and may use (the answer to `$JS.API.INFO`), as far as it is told. Limits below zero are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    #[serde(flatten)]
    all: Tier,
    /// By how many servers keep a message, `R1` and `R3`, where the account's limits are told apart by that.
    tiers: BTreeMap<String, Tier>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Tier {
    memory: i64,
    storage: i64,
    streams: i64,
    consumers: i64,
    limits: Limits,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Limits {
    max_memory: i64,
    max_storage: i64,
    max_streams: i64,
    max_consumers: i64,
}

impl Tier {
    /// How much is used, and how much may be.
    fn of(&self, what: &str) -> (i64, i64) {
        let limits = &self.limits;
        match what {
            "storage" => (self.storage, limits.max_storage),
            "memory" => (self.memory, limits.max_memory),
            "streams" => (self.streams, limits.max_streams),
            _ => (self.consumers, limits.max_consumers),
        }
    }
}

impl Account {
    /// How many more streams may be made; `None` for as many as one likes.
    pub(super) fn streams_left(&self) -> Option<i64> {
        let left =
            |tier: &Tier| Some(tier.limits.max_streams).filter(|max| *max >= 0).map(|max| max - tier.streams);
        if self.tiers.is_empty() { left(&self.all) } else { self.tiers.values().filter_map(left).max() }
    }

    fn tiers(&self) -> Vec<(&str, &Tier)> {
        if self.tiers.is_empty() {
            return vec![("", &self.all)];
        }
        self.tiers.iter().map(|(name, tier)| (name.as_str(), tier)).collect()
    }
}

/// Asks for the account's use of JetStream.
pub(super) async fn probe(ask: Ask<'_>) -> (Probe, Option<Account>) {
    match ask.api::<Account>("INFO", b"").await {
        Ok(account) => (judged(&account), Some(account)),
        Err(unanswered) => (unanswered.probe(NAME, "asking JetStream"), None),
    }
}

fn judged(account: &Account) -> Probe {
    let mut state = State::Ok;
    let (mut near, mut evidence) = (Vec::new(), Vec::new());
    for what in ["storage", "memory", "streams", "consumers"] {
        let mut lines = Vec::new();
        for (tier, uses) in account.tiers() {
            let (used, limit) = uses.of(what);
            let in_bytes = matches!(what, "storage" | "memory");
            let shown = |amount: i64| if in_bytes { size(amount) } else { amount.to_string() };
            let line = match limit {
                ..0 => format!("{}, unlimited", shown(used)),
                _ => format!("{} of {}", shown(used), shown(limit)),
            };
            let line = if tier.is_empty() { line } else { format!("{tier}: {line}") };
            // Nothing of something that is not given is no warning: many accounts have no memory.
            let enough = if in_bytes { NEAR } else { 100 };
            if limit > 0 && used.saturating_mul(100) >= limit.saturating_mul(enough) {
                let is_full = what == "storage" && used >= limit;
                state = state.max(if is_full { State::Failed } else { State::Degraded });
                near.push(format!("{what} {line}"));
            }
            lines.push(line);
        }
        evidence.push((what, lines.join("; ")));
    }
    let probe = if near.is_empty() {
        Probe::new(NAME, state, format!("JetStream is on; storage {}", evidence[0].1))
    } else {
        Probe::new(NAME, state, format!("near a limit of the account: {}", near.join("; ")))
            .hint("remove what is not needed, or let who manages the account raise the limit")
    };
    evidence.into_iter().fold(probe, |probe, (name, value)| probe.with(name, value))
}

/// Bytes as people read them.
pub(super) fn size(bytes: i64) -> String {
    let value = bytes as f64;
    match bytes {
        ..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", value / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.1} GiB", value / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: &str) -> Account {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_account_without_limits_is_said_to_have_none() {
        let limits = r#"{"max_memory":-1,"max_storage":-1,"max_streams":-1,"max_consumers":-1}"#;
        let account = account(&format!(r#"{{"memory":0,"storage":2048,"streams":4,"limits":{limits}}}"#));
        let probe = judged(&account);
        assert_eq!(
            (probe.state, probe.saw.as_str()),
            (State::Ok, "JetStream is on; storage 2.0 KiB, unlimited")
        );
        assert_eq!(account.streams_left(), None);
    }

    #[test]
    fn a_limit_that_is_near_is_degraded_and_storage_that_is_used_up_failed() {
        let of = |storage: i64, streams: i64| {
            account(&format!(
                r#"{{"storage":{storage},"streams":{streams},"limits":{{"max_storage":100,"max_streams":10,"max_consumers":-1}}}}"#
            ))
        };
        assert_eq!(judged(&of(79, 9)).state, State::Ok);
        assert_eq!(judged(&of(80, 9)).state, State::Degraded);
        assert_eq!(judged(&of(0, 10)).state, State::Degraded);
        assert_eq!(judged(&of(100, 1)).state, State::Failed);
        assert_eq!(of(0, 8).streams_left(), Some(2));
    }

    #[test]
    fn limits_by_tier_are_told_by_tier() {
        let tiers = r#"{"limits":{},"tiers":{"R1":{"streams":5,"limits":{"max_streams":5,"max_storage":10}},"R3":{"streams":1,"limits":{"max_streams":5,"max_storage":-1}}}}"#;
        let account = account(tiers);
        let probe = judged(&account);
        assert!(probe.saw.contains("streams R1: 5 of 5"), "{probe:?}");
        assert_eq!(account.streams_left(), Some(4));
    }
}
