//! Probe 4: which server that is, whether it is new enough, and how far away.

use std::time::{Duration, Instant};

use async_nats::ServerInfo;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::health::{Probe, State};
use crate::nats::auth::Auth;
use crate::nats::clustered;
use crate::nats::health::ask::{Ask, Unanswered};
use crate::nats::health::connect::ms;
use crate::nats::target::Target;
use crate::nats::version;

const NAME: &str = "server";
/// How often the way to the server is measured, as long as that takes no longer than [`MEASURED`].
const SAMPLES: usize = 5;
const MEASURED: Duration = Duration::from_millis(20);
/// How long those behind a leaf are waited for: they matter less than what comes after this probe.
const OTHERS: Duration = Duration::from_millis(500);
/// The longest message that a server has to take, in bytes: an event of a deploy with its subject and headers, and what a run
/// over many repos keeps of each.
const LEAST_MESSAGE: usize = 16 * 1024;
/// The server tells whoever asks who they are: user, account, permissions.
const WHO: &str = "$SYS.REQ.USER.INFO";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Who {
    data: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    user: String,
    account: String,
}

/// What the probe found, and what the ones behind it need to know.
pub(super) struct Met {
    pub(super) probe: Probe,
    /// The name of the cluster if JetStream is of one; an error where nobody says.
    pub(super) cluster: Result<Option<String>, Unanswered>,
    /// How long a question and its answer take; nothing where that could not be measured.
    pub(super) round_trip: Duration,
}

pub(super) async fn probe(ask: Ask<'_>) -> Met {
    let info = ask.client.server_info();
    let others = || async {
        let ask = ask.until(ask.until.min(Instant::now() + OTHERS), OTHERS);
        match ask.api::<IgnoredAny>(clustered::QUESTION, b"").await {
            Err(Unanswered::Refused(number, _)) => Ok(number),
            Err(unknown) => Err(unknown),
            Ok(_) => Ok(0),
        }
    };
    let cluster = clustered::cluster(&info, ask.nats.target(), others).await;
    let about = |probe: Probe| {
        let probe = probe
            .with("name", &info.server_name)
            .with("largest message", format!("{} bytes", info.max_payload))
            .with("TLS", if info.tls_required { "yes" } else { "no" })
            .with("asks who comes", if info.auth_required { "yes" } else { "no" });
        match &cluster {
            Ok(Some(cluster)) => probe.with("cluster", cluster),
            Ok(None) => probe,
            Err(_) => probe.with("cluster", "not known"),
        }
    };
    if let Err(old) = version::require(&info.version) {
        let saw =
            format!("nats-server {}, and {}.{} is needed", info.version, version::LEAST.0, version::LEAST.1);
        let probe = about(Probe::new(NAME, State::Failed, saw));
        let probe = old.hints().iter().fold(probe, |probe, hint| probe.hint(hint));
        return Met { probe, cluster, round_trip: Duration::ZERO };
    }
    let (mut who, mut times) = (Who::default(), Vec::new());
    let began = Instant::now();
    while times.len() < SAMPLES && (times.is_empty() || began.elapsed() < MEASURED) {
        let sent = Instant::now();
        match ask.send(WHO, None, b"").await {
            Ok(message) => {
                times.push(sent.elapsed());
                who = serde_json::from_slice(&message.payload).unwrap_or_default();
            }
            // Without answers nothing else can be asked either.
            Err(denied @ Unanswered::Denied(_)) if denied != Unanswered::Denied(format!("publish {WHO}")) => {
                let probe = about(denied.probe(NAME, "hearing answers"));
                return Met { probe, cluster, round_trip: Duration::ZERO };
            }
            Err(silent @ Unanswered::Silent { .. }) => {
                let probe = Probe::new(NAME, State::Failed, silent.probe(NAME, "asking who we are").saw);
                let probe =
                    about(probe.hint("look at the server's log: it accepts connections and does not work"));
                return Met { probe, cluster, round_trip: Duration::ZERO };
            }
            // An account may keep its users from asking that.
            Err(_) => break,
        }
    }
    let mut probe = about(Probe::new(NAME, State::Ok, format!("nats-server {}", info.version)));
    for (name, value) in [("user", who.data.user), ("account", who.data.account)] {
        if !value.is_empty() {
            probe = probe.with(name, value);
        }
    }
    let mut round_trip = Duration::ZERO;
    if let Some((half, most)) = quantiles(&mut times) {
        probe = probe.with("round trip", format!("{} (p50), {} (p95)", ms(half), ms(most)));
        round_trip = half;
    }
    Met { probe: minded(probe, &info, ask.nats.target()), cluster, round_trip }
}

/// What works and wants attention all the same.
fn minded(mut probe: Probe, info: &ServerInfo, target: &Target) -> Probe {
    if info.lame_duck_mode {
        probe.state = State::Degraded;
        probe = probe
            .with("shutting down", "yes")
            .hint("this server is about to stop: name others beside it in `url`");
    }
    if info.max_payload < LEAST_MESSAGE {
        probe.state = State::Degraded;
        probe = probe.hint(format!(
            "let the server take messages of {LEAST_MESSAGE} bytes and more (`max_payload`): what repos tell does not fit"
        ));
    }
    let tells_secret = matches!(target.auth.value, Auth::Password { .. } | Auth::Token(_));
    if tells_secret && !info.tls_required && !target.servers.value.iter().all(|server| is_near(server)) {
        probe.state = State::Degraded;
        probe = probe
            .with("sent in clear", target.auth.value.as_str())
            .hint("use `tls://`, or credentials that are never sent, such as a creds file");
    }
    probe
}

/// Whether the server is on this machine, or spoken to over TLS.
fn is_near(server: &str) -> bool {
    let (scheme, host) = server.split_once("://").unwrap_or(("nats", server));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    scheme == "tls" || name == "localhost" || name == "[::1]" || name.starts_with("127.")
}

/// The middle one, and the one that few are above.
fn quantiles(times: &mut [Duration]) -> Option<(Duration, Duration)> {
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    Some((times[last / 2], times[(last * 95).div_ceil(100)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_measured() {
        let time = Duration::from_millis;
        assert_eq!(quantiles(&mut []), None);
        assert_eq!(quantiles(&mut [time(3)]), Some((time(3), time(3))));
        assert_eq!(quantiles(&mut [time(9), time(1), time(2)]), Some((time(2), time(9))));
    }

    #[test]
    fn only_what_leaves_this_machine_in_clear_is_minded() {
        for (server, near) in [
            ("nats://127.0.0.1:4222", true),
            ("nats://localhost", true),
            ("nats://[::1]:4222", true),
            ("tls://nats.acme.example:4222", true),
            ("nats://nats.acme.example:4222", false),
        ] {
            assert_eq!(is_near(server), near, "{server}");
        }
    }
}
