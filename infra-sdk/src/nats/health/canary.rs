//! Probe 6: a key that is written, compared and set, read back, consumed and acknowledged, for only that proves anything.
//!
//! nats-server's own `healthz` says ok on the last server of a cluster that has lost its majority, where every write waits
//! in vain.

use std::time::Duration;

use async_nats::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use crate::events::Source;
use crate::health::{Probe, State};
use crate::nats::api::Refusal;
use crate::nats::assets::{RUNS, RUNS_STREAM};
use crate::nats::health::ask::{Ask, Unanswered, answer};
use crate::nats::health::rehearsal::{Speaker, rehearse};
use crate::nats::subject::token;
use crate::time::Timestamp;

pub(super) const NAME: &str = "canary";
/// How long the key may stay where removing it fails.
const LIFE: &str = "60s";
/// JetStream's numbers for a stream that takes nothing more, and for one whose messages cannot end by themselves.
const STORE_FAILED: u64 = 10077;
const NO_TTL: u64 = 10166;
/// What streams in memory are called that stand in for it.
const SPARE: &str = "INFRA_HEALTH_";

/// What their subjects begin with.
const SPARE_KEYS: &str = "$KV.infra-health";
/// A check that is younger may still be going on.
const YOUNG: Duration = Duration::from_secs(60);

/// What went wrong, and at which step.
struct Fault {
    step: &'static str,
    why: Unanswered,
}

/// Where the canary lives.
struct Cage {
    stream: String,
    /// What is written to.
    subject: String,
    /// Whether the stream is ours alone, and is removed afterwards.
    is_own: bool,
}

#[derive(Deserialize)]
struct Ack {
    seq: u64,
}

#[derive(Deserialize)]
struct Done {}

#[derive(Deserialize)]
struct Names {
    streams: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Born {
    created: Timestamp,
    /// When that was said, by the same clock.
    ts: Timestamp,
}

#[derive(Deserialize)]
struct Kept {
    message: Stored,
}

#[derive(Deserialize)]
struct Stored {
    seq: u64,
}

/// Lets a canary live through everything that runs and events need: in the bucket of runs, or where there is none (before
/// `infra:nats:bootstrap`) in a stream in memory. Credentials that may do neither are those of a repo that tells events
/// and takes part in no run: for them it is tried whether what the repo of `speaker` tells would be taken.
pub(super) async fn probe(ask: Ask<'_>, in_runs: bool, speaker: Option<Speaker<'_>>) -> Probe {
    let Ok(id) = crate::id::short() else {
        return Probe::new(NAME, State::Failed, "the system gives no randomness")
            .hint("look at /dev/urandom");
    };
    let own_prefix = ask.nats.api_prefix();
    // With a domain or an imported interface, keys of buckets are reached through its prefix, too.
    let through = if own_prefix == "$JS.API" { String::new() } else { format!("{own_prefix}.") };
    let cage = if in_runs {
        Cage {
            stream: RUNS_STREAM.to_owned(),
            subject: format!("{through}$KV.{RUNS}.{}.{id}", home(speaker.map(|speaker| speaker.source))),
            is_own: false,
        }
    } else {
        let subject = format!("{through}{SPARE_KEYS}.{id}");
        Cage { stream: format!("{SPARE}{id}"), subject, is_own: true }
    };
    let lived = live(ask, &cage, &id).await;
    if let (Err(Fault { why: Unanswered::Denied(denied), .. }), Some(speaker)) = (&lived, speaker)
        && cage.is_first(denied, &own_prefix)
    {
        return rehearse(ask, speaker).await.with("not permitted", cage.grantable(denied, &id));
    }
    let removed = remove(ask, &cage).await;
    let place = if cage.is_own {
        "a stream in memory, for there is no bucket of runs"
    } else {
        "the bucket infra-runs"
    };
    match lived.and(removed) {
        // Who may take part in runs need not speak for this repo.
        Ok(())
            if let Some(speaker) = speaker.filter(|_| in_runs)
                && let told = rehearse(ask, speaker).await
                && told.state != State::Ok =>
        {
            told
        }
        Ok(()) => Probe::new(NAME, State::Ok, "written, compared and set, read, consumed, acknowledged")
            .with("in", place),
        Err(Fault { step, why }) => {
            let why = match why {
                Unanswered::Denied(subject) => Unanswered::Denied(cage.grantable(&subject, &id)),
                why => why,
            };
            let mut probe = explained(why.probe(NAME, step), &why).with("in", place);
            if cage.is_own && matches!(why, Unanswered::Denied(_)) {
                // To make streams of any name is more than who checks should be allowed.
                probe.hints.clear();
                probe = probe.hint(
                    "let who manages the account run `infra:nats:bootstrap`: where the bucket of runs is, a check needs no \
                     stream of its own, and `infra:nats:access --deploys` lists what it needs",
                );
            }
            probe
        }
    }
}

/// Where in the bucket of runs: among the keys of the organisation, whose users may write nowhere else.
fn home(source: Option<&Source>) -> String {
    match source {
        Some(source) => format!("{}.health", token(source.org().as_str())),
        None => "_health".to_owned(),
    }
}

impl Cage {
    /// What was denied, as it can be allowed once for every check: a wildcard takes the place of a whole token alone, and an
    /// acknowledgement has the number of its message in its subject.
    fn grantable(&self, denied: &str, id: &str) -> String {
        let tokens: Vec<&str> = denied.split('.').collect();
        let stream = tokens.iter().position(|token| *token == self.stream);
        if let Some(at) = stream.filter(|_| denied.contains("$JS.ACK.")) {
            return format!("{}.>", tokens[..=at].join("."));
        }
        let token = |token: &&str| if token.contains(id) { "*" } else { *token }.to_owned();
        tokens.iter().map(token).collect::<Vec<String>>().join(".")
    }

    /// Whether that is the first thing a canary needs to be allowed.
    fn is_first(&self, denied: &str, api: &str) -> bool {
        let create = format!("publish {api}.STREAM.CREATE.{}", self.stream);
        *denied == if self.is_own { create } else { format!("publish {}", self.subject) }
    }
}

async fn live(ask: Ask<'_>, cage: &Cage, id: &str) -> Result<(), Fault> {
    let at = |step: &'static str| move |why: Unanswered| Fault { step, why };
    if cage.is_own {
        let config = json!({
            "name": cage.stream, "subjects": [inner(&cage.subject)], "storage": "memory", "retention": "limits",
            "max_bytes": 65_536, "max_age": 60_000_000_000_u64, "num_replicas": 1, "discard": "old",
            "allow_msg_ttl": true, "allow_rollup_hdrs": true,
        });
        ask.api::<Done>(&format!("STREAM.CREATE.{}", cage.stream), config.to_string().as_bytes())
            .await
            .map_err(at("making a stream in memory"))?;
    }
    let first = write(ask, cage, id, 0).await.map_err(at("writing"))?;
    let last = write(ask, cage, id, first).await.map_err(at("compare and set"))?;
    match write(ask, cage, id, first).await {
        Err(Unanswered::Refused(number, _)) if Refusal::LATE.contains(&number) => {}
        Err(why) => return Err(Fault { step: "compare and set", why }),
        Ok(_) => return Err(broken("compare and set", "a stale revision was written over a newer one")),
    }
    let asked = json!({ "last_by_subj": inner(&cage.subject) }).to_string();
    let kept: Kept =
        ask.api(&format!("STREAM.MSG.GET.{}", cage.stream), asked.as_bytes()).await.map_err(at("reading"))?;
    if kept.message.seq != last {
        return Err(broken("reading", "what was read is not what was written last"));
    }
    consume(ask, cage, id).await
}

async fn consume(ask: Ask<'_>, cage: &Cage, id: &str) -> Result<(), Fault> {
    let at = |step: &'static str| move |why: Unanswered| Fault { step, why };
    let (stream, name) = (&cage.stream, format!("health-{id}"));
    let filter = inner(&cage.subject);
    let config = json!({ "stream_name": stream, "config": {
        "name": name, "filter_subject": filter, "deliver_policy": "last_per_subject", "ack_policy": "explicit",
        "ack_wait": 5_000_000_000_u64, "inactive_threshold": 5_000_000_000_u64, "mem_storage": true, "num_replicas": 1,
        "replay_policy": "instant",
    }});
    ask.api::<Done>(&format!("CONSUMER.CREATE.{stream}.{name}.{filter}"), config.to_string().as_bytes())
        .await
        .map_err(at("making a consumer"))?;
    let next = format!("{}.CONSUMER.MSG.NEXT.{stream}.{name}", ask.nats.api_prefix());
    let wanted = json!({ "batch": 1, "expires": 1_500_000_000_u64 }).to_string();
    let message = ask.fetch(&next, wanted.as_bytes()).await.map_err(at("consuming"))?;
    let Some(reply) = message.reply.as_deref().filter(|_| message.payload == id.as_bytes()) else {
        return Err(broken("consuming", "what was delivered is not what was written"));
    };
    // An answer to an acknowledgement is what makes it one.
    ask.send(reply, None, b"+ACK").await.map_err(at("acknowledging"))?;
    let _: Done = ask
        .api(&format!("CONSUMER.DELETE.{stream}.{name}"), b"")
        .await
        .map_err(at("removing the consumer"))?;
    Ok(())
}

/// Writes the key as the one that follows `revision`, to end by itself. Gives the new revision.
async fn write(ask: Ask<'_>, cage: &Cage, id: &str, revision: u64) -> Result<u64, Unanswered> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string().as_str());
    headers.insert("Nats-TTL", LIFE);
    let ack: Ack = answer(&ask.send(&cage.subject, Some(headers), id.as_bytes()).await?)?;
    Ok(ack.seq)
}

/// Leaves nothing behind: the stream goes if it is ours, else the key, by a marker that ends in a second.
async fn remove(ask: Ask<'_>, cage: &Cage) -> Result<(), Fault> {
    if cage.is_own {
        let gone = ask.api::<Done>(&format!("STREAM.DELETE.{}", cage.stream), b"").await;
        gone.map_err(|why| Fault { step: "removing the stream in memory", why })?;
        sweep(ask).await;
        return Ok(());
    }
    let mut headers = HeaderMap::new();
    headers.insert("KV-Operation", "PURGE");
    headers.insert("Nats-Rollup", "sub");
    headers.insert("Nats-TTL", "1s");
    let purged = async { answer::<Ack>(&ask.send(&cage.subject, Some(headers), b"").await?) };
    purged.await.map(drop).map_err(|why| Fault { step: "removing the key", why })
}

/// Removes what checks left that ended before they could: a cluster that gets its majority back makes what was asked of it
/// meanwhile. What fails here is tried by the next check.
async fn sweep(ask: Ask<'_>) {
    let wanted = json!({ "subject": format!("{SPARE_KEYS}.*") }).to_string();
    let Ok(left) = ask.api::<Names>("STREAM.NAMES", wanted.as_bytes()).await else { return };
    for stream in left.streams.into_iter().flatten().filter(|name| name.starts_with(SPARE)) {
        let Ok(info) = ask.api::<Born>(&format!("STREAM.INFO.{stream}"), b"").await else { continue };
        if info.created.until(info.ts) > YOUNG {
            let _: Result<Done, Unanswered> = ask.api(&format!("STREAM.DELETE.{stream}"), b"").await;
        }
    }
}

/// The subject as the stream knows it.
fn inner(subject: &str) -> &str {
    subject.find("$KV.").map_or(subject, |at| &subject[at..])
}

fn broken(step: &'static str, why: &str) -> Fault {
    Fault { step, why: Unanswered::Broken(why.to_owned()) }
}

/// What the usual refusals mean here.
pub(super) fn explained(probe: Probe, why: &Unanswered) -> Probe {
    let Unanswered::Refused(code, _) = why else { return probe };
    if *code == STORE_FAILED || Refusal::LIMITS.contains(code) {
        return probe
            .hint("a limit of the account, of the stream or of the server's disk is reached: make room, or raise it");
    }
    if *code == NO_TTL || *code == Refusal::SIZE_REQUIRED {
        return probe.hint("run `infra:nats:bootstrap`: the bucket is not as it should be");
    }
    probe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_denied_is_named_as_a_server_can_allow_it() {
        let (stream, subject) = (RUNS_STREAM.to_owned(), String::new());
        let cage = Cage { stream, subject, is_own: false };
        for (denied, allowed) in [
            (
                "publish $JS.API.CONSUMER.CREATE.KV_infra-runs.health-7f3.$KV.infra-runs.acme.health.7f3",
                "publish $JS.API.CONSUMER.CREATE.KV_infra-runs.*.$KV.infra-runs.acme.health.*",
            ),
            ("publish $JS.ACK.KV_infra-runs.health-7f3.1.29.1.17960.0", "publish $JS.ACK.KV_infra-runs.>"),
            (
                "publish $JS.ACK.hub.hash.KV_infra-runs.health-7f3.1.2",
                "publish $JS.ACK.hub.hash.KV_infra-runs.>",
            ),
            ("publish $KV.infra-runs.acme.health.7f3", "publish $KV.infra-runs.acme.health.*"),
        ] {
            assert_eq!(cage.grantable(denied, "7f3"), allowed);
        }
    }

    #[test]
    fn a_subject_behind_a_prefix_is_known_to_the_stream_without_it() {
        assert_eq!(inner("$JS.hub.API.$KV.infra-runs.acme.health.x"), "$KV.infra-runs.acme.health.x");
        assert_eq!(inner("$KV.infra-health.x"), "$KV.infra-health.x");
    }
}
