//! Probe 7: whether enough servers of the cluster are there to decide anything, and whether copies keep up.
//!
//! Three sources, the better first: a server's monitoring, the system's account, and what JetStream tells every user of
//! the streams that are kept here.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::health::{Probe, State};
use crate::nats::health::ask::{Ask, Unanswered};
use crate::nats::health::assets::Assets;
use crate::nats::health::monitor::Monitor;

const NAME: &str = "quorum";
/// Asks every server of the cluster; only the system's account may.
const SYSTEM: &str = "$SYS.REQ.SERVER.PING.JSZ";
/// Servers tell each other every second that they are there, and say `offline` late: a server was still said to be there
/// 8 s after it had been killed (nats-server 2.15.1).
const UNSEEN: Duration = Duration::from_secs(4);
/// How many operations a copy may be behind without a word.
const LAG: u64 = 1000;

/// A group of servers that decide together: of the cluster, or of one stream (`cluster` of `$JS.API.STREAM.INFO`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Group {
    leader: String,
    replicas: Vec<Peer>,
    /// How many there are, as the cluster itself says.
    cluster_size: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Peer {
    name: String,
    offline: bool,
    /// Nanoseconds since it was last heard of.
    active: u64,
    lag: u64,
}

/// What `/jsz` says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Jsz {
    disabled: bool,
    meta_cluster: Option<Group>,
}

/// The same from the system's account.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Pinged {
    data: Jsz,
}

/// Counts who is there, from the best source that answers. `clustered` says whether there are others, or may be.
pub(super) async fn probe(
    ask: Ask<'_>,
    monitor: Option<&Monitor>,
    assets: Option<&Assets>,
    clustered: bool,
) -> Probe {
    let lag = assets.and_then(Assets::lag);
    let probe = match monitor {
        Some(monitor) => monitored(monitor, ask.until).await,
        None if !clustered => Probe::new(NAME, State::Ok, "one server, no cluster"),
        None => match system(ask).await {
            Ok(Some(group)) => judged("the cluster", &group).with("source", "the system's account"),
            Ok(None) | Err(_) => of_streams(assets),
        },
    };
    match lag {
        Some((what, behind)) if behind > LAG => {
            let mut probe = probe.with("behind", format!("{what} by {behind} messages"));
            probe.state = probe.state.max(State::Degraded);
            probe.hint("look at the network between the servers: a copy is behind")
        }
        _ => probe,
    }
}

/// What a server's monitoring says.
pub(super) async fn monitored(monitor: &Monitor, until: Instant) -> Probe {
    match monitor.get::<Jsz>("/jsz", until).await {
        Ok(Jsz { disabled: true, .. }) => Probe::new(NAME, State::Failed, "JetStream is off on that server")
            .hint("start nats-server with JetStream (`-js`)"),
        Ok(Jsz { meta_cluster: Some(group), .. }) => judged("the cluster", &group),
        Ok(_) => Probe::new(NAME, State::Ok, "one server, no cluster"),
        Err(why) => Probe::new(NAME, State::Degraded, format!("the monitoring of the server: {why}"))
            .hint("correct the address of the monitoring (`http_port` of nats-server), or leave it out")
            .not_needed(),
    }
    .with("source", monitor)
}

/// The leader's view, for only that one knows all; `None` where no server that answers is it.
async fn system(ask: Ask<'_>) -> Result<Option<Group>, Unanswered> {
    let message = ask.send(SYSTEM, None, br#"{"leader_only":true}"#).await?;
    let pinged: Pinged = serde_json::from_slice(&message.payload).unwrap_or_default();
    Ok(pinged.data.meta_cluster)
}

/// The weakest of the streams that are kept here.
fn of_streams(assets: Option<&Assets>) -> Probe {
    let groups = assets.map(Assets::groups).unwrap_or_default();
    let probes = groups.iter().filter(|(_, group)| !group.replicas.is_empty());
    let worst = probes.map(|(name, group)| judged(name, group)).max_by_key(|probe| probe.state);
    worst.map(|probe| probe.with("source", "the streams that are kept here")).unwrap_or_else(|| {
        Probe::new(
            NAME,
            State::NotPermitted,
            "only the system's account may ask for the servers of a cluster",
        )
        .hint("name the monitoring of a server, if it can be reached: `--monitor http://host:8222`")
        .not_needed()
    })
}

fn judged(what: &str, group: &Group) -> Probe {
    let all = group.cluster_size.max(group.replicas.len() + 1);
    let needed = all / 2 + 1;
    let gone = |peer: &&Peer| peer.offline || Duration::from_nanos(peer.active) > UNSEEN;
    let away: Vec<&str> = group.replicas.iter().filter(gone).map(|peer| peer.name.as_str()).collect();
    // Whoever tells of the others is there itself; servers that are not told of are not.
    let there = (group.replicas.len() + 1).saturating_sub(away.len());
    let (state, saw) = if group.leader.is_empty() {
        (State::Failed, format!("{what} has no leader"))
    } else if there < needed {
        (State::Failed, format!("{what} has {there} of {all} servers, and needs {needed}"))
    } else if there < all {
        (State::Degraded, format!("{what} has {there} of {all} servers, which is enough"))
    } else {
        (State::Ok, format!("{what} has all of its {all} servers"))
    };
    let mut probe = Probe::new(NAME, state, saw);
    if !group.leader.is_empty() {
        probe = probe.with("leader", &group.leader);
    }
    // Without a leader each server tells what it heard last, and of itself, too.
    if !away.is_empty() && !group.leader.is_empty() {
        probe = probe.with("away", away.join(" "));
    }
    if let Some(peer) = group.replicas.iter().filter(|peer| peer.lag > LAG).max_by_key(|peer| peer.lag) {
        probe.state = probe.state.max(State::Degraded);
        probe = probe.with("behind", format!("{} by {} operations", peer.name, peer.lag));
    }
    if probe.state == State::Ok {
        probe
    } else {
        probe.hint("start the servers that are away, or look why they are slow")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(leader: &str, active: [u64; 2], offline: bool) -> Group {
        let peer = |active: u64| Peer {
            name: format!("n{active}"),
            active: active * 1_000_000_000,
            offline,
            lag: 0,
        };
        Group { leader: leader.into(), replicas: active.map(peer).to_vec(), cluster_size: 3 }
    }

    #[test]
    fn a_server_that_was_not_heard_of_for_long_counts_as_away_before_it_is_called_offline() {
        for (group, state) in [
            (group("n0", [0, 1], false), State::Ok),
            (group("n0", [0, 9], false), State::Degraded),
            (group("n0", [9, 8], false), State::Failed),
            (group("n0", [0, 0], true), State::Failed),
            (group("", [0, 0], false), State::Failed),
        ] {
            let probe = judged("the cluster", &group);
            assert_eq!(probe.state, state, "{probe:?}");
            assert_eq!(probe.hints.is_empty(), state == State::Ok, "{probe:?}");
        }
    }

    #[test]
    fn a_copy_that_is_behind_is_told() {
        let mut group = group("n0", [0, 1], false);
        group.replicas[1].lag = 5000;
        let probe = judged("the stream x", &group);
        assert_eq!(probe.state, State::Degraded);
        assert!(
            probe.evidence.iter().any(|(name, value)| *name == "behind" && value.contains("5000")),
            "{probe:?}"
        );
    }
}
