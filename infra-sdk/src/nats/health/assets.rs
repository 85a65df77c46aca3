//! Probe 8: whether the streams and buckets that this crate keeps are there, and as they should be.

use serde_json::{Map, Value};

use crate::health::{Probe, State};
use crate::nats::api::Refusal;
use crate::nats::assets::{Asset, RUNS_STREAM, WORK, Wishes, wanted};
use crate::nats::assets_obstacles::{is_blocked, obstacles};
use crate::nats::assets_plan::step;
use crate::nats::health::ask::{Ask, Unanswered};
use crate::nats::health::jetstream::Account;
use crate::nats::health::quorum::Group;
use crate::nats::health::thresholds::crossed;

const NAME: &str = "assets";
const BOOTSTRAP: &str = "run `infra:nats:bootstrap` with the `--env` of this one, and with `--dry-run` first to see what it changes";

/// From how many parts of a hundred on it is worth a word.
const NEARLY_FULL: u64 = 80;
/// What an entry of the ledger takes, in bytes: with less room than that nothing more goes in.
const LEAST_ROOM: u64 = 1024;

/// What JetStream tells of each of them.
pub(super) struct Assets(Vec<Looked>);

struct Looked {
    asset: Asset,
    info: Result<Value, Unanswered>,
}

impl Assets {
    /// Asks for all of them at once.
    pub(super) async fn look(ask: Ask<'_>, wishes: Wishes, clustered: bool) -> Self {
        let looks = wanted(wishes, clustered).into_iter().map(|asset| async move {
            let info = ask.api::<Value>(&format!("STREAM.INFO.{}", asset.stream), b"").await;
            Looked { asset, info }
        });
        Assets(futures_util::future::join_all(looks).await)
    }

    /// Whether the bucket of runs is there. Where nobody answered it is tried, so that what is wrong with it is told.
    pub(super) fn has_runs(&self) -> bool {
        self.0.iter().filter(|looked| looked.asset.stream == RUNS_STREAM).any(|looked| match &looked.info {
            Ok(_) => true,
            Err(Unanswered::Refused(number, _)) => *number != Refusal::STREAM_NOT_FOUND,
            Err(why) => matches!(why, Unanswered::Silent { .. }),
        })
    }

    /// The servers that keep each of them.
    pub(super) fn groups(&self) -> Vec<(&str, Group)> {
        let group = |info: &Value| serde_json::from_value(info["cluster"].clone()).unwrap_or_default();
        self.infos().map(|(asset, info)| (asset.label.as_str(), group(info))).collect()
    }

    /// The copy of another stream that is most behind, by messages.
    pub(super) fn lag(&self) -> Option<(&str, u64)> {
        let lag = |info: &Value| {
            let sources = info["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
            let all = sources.iter().chain([&info["mirror"]]);
            all.filter_map(|source| source["lag"].as_u64()).max()
        };
        self.infos()
            .filter_map(|(asset, info)| Some((asset.label.as_str(), lag(info)?)))
            .max_by_key(|(_, lag)| *lag)
    }

    fn infos(&self) -> impl Iterator<Item = (&Asset, &Value)> {
        self.0.iter().filter_map(|looked| Some((&looked.asset, looked.info.as_ref().ok()?)))
    }
}

/// Compares what is there with what is wanted.
pub(super) fn probe(assets: &Assets, account: Option<&Account>) -> Probe {
    let (mut missing, mut differs, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
    let (mut beyond, mut filled, mut blocked) = (Vec::new(), Vec::new(), false);
    for Looked { asset, info } in &assets.0 {
        let label = &asset.label;
        match info {
            Ok(info) => {
                beyond.extend(
                    crossed(info).into_iter().map(|(state, what)| (state, format!("{label}: {what}"))),
                );
                filled.extend(fill(info).map(|(state, what)| (state, format!("{label}: {what}"))));
                let none = Map::new();
                let config = info["config"].as_object().unwrap_or(&none);
                let settings = step(asset, Some(config)).map(|step| step.settings).unwrap_or_default();
                if is_blocked(asset, config) {
                    blocked = true;
                }
                differs.extend(settings.iter().map(|setting| format!("{label}: {setting}")));
                differs.extend(
                    obstacles(asset, config).into_iter().map(|found| format!("{label}: {}", found.what)),
                );
            }
            Err(Unanswered::Refused(Refusal::STREAM_NOT_FOUND, _)) => missing.push(label.clone()),
            // A repo that takes part in no run has no business with what runs need.
            Err(Unanswered::Denied(denied)) if [WORK, RUNS_STREAM].contains(&asset.stream) => {
                unseen.push(format!("{label} ({denied})"))
            }
            Err(why) => return why.probe(NAME, &format!("looking at the {label}")),
        }
    }
    let probe = if !missing.is_empty() {
        let probe =
            Probe::new(NAME, State::Failed, format!("missing: {}", missing.join(", "))).hint(BOOTSTRAP);
        let left = account.and_then(Account::streams_left);
        match left.filter(|left| *left < i64::try_from(missing.len()).unwrap_or(i64::MAX)) {
            Some(left) => probe
                .hint(format!("the account has room for {left} more streams: let its limit be raised first")),
            None => probe,
        }
    } else if differs.is_empty() {
        let seen = assets.0.len() - unseen.len();
        Probe::new(NAME, State::Ok, format!("{seen} of {} are as they should be", assets.0.len()))
    } else {
        let state = if blocked { State::Failed } else { State::Degraded };
        Probe::new(NAME, state, format!("not as it should be: {}", differs.join("; "))).hint(BOOTSTRAP)
    };
    let probe =
        if unseen.is_empty() { probe } else { probe.with("not permitted to look at", unseen.join("; ")) };
    let allowed = "look who should have taken the messages or keeps copies, or change what the stream's metadata allows";
    let probe = minded(probe, beyond, allowed);
    minded(probe, filled, "a full stream takes nothing more: raise its `max_bytes` or `max_msgs`")
}

/// How full a stream is that refuses what is new when it is, from where on that matters.
fn fill(info: &Value) -> Option<(State, String)> {
    let config = &info["config"];
    let limit = |name: &str| config[name].as_u64().filter(|limit| *limit > 0 && config["discard"] == "new");
    let state = |parts: u64, is_full: bool| match is_full {
        true => Some(State::Failed),
        false => (parts >= NEARLY_FULL).then_some(State::Degraded),
    };
    let bytes = || {
        let (limit, used) = (limit("max_bytes")?, info["state"]["bytes"].as_u64()?);
        let parts = used.saturating_mul(100) / limit;
        let state = state(parts, limit.saturating_sub(used) < LEAST_ROOM)?;
        Some((state, format!("{parts} % of its {limit} bytes are used")))
    };
    let messages = || {
        let (limit, used) = (limit("max_msgs")?, info["state"]["messages"].as_u64()?);
        let parts = used.saturating_mul(100) / limit;
        Some((state(parts, used >= limit)?, format!("{parts} % of its {limit} messages are used")))
    };
    bytes().into_iter().chain(messages()).max_by_key(|(state, _)| *state)
}

/// The same with what wants attention too, and what to do about it.
fn minded(mut probe: Probe, beyond: Vec<(State, String)>, hint: &str) -> Probe {
    let Some(worst) = beyond.iter().map(|(state, _)| *state).max() else { return probe };
    let told: Vec<String> = beyond.into_iter().map(|(_, what)| what).collect();
    let told = told.join("; ");
    probe.saw = if probe.state == State::Ok { told } else { format!("{}; {told}", probe.saw) };
    probe.state = probe.state.max(worst);
    probe.hint(hint)
}
