//! What this program asked for and what it sees of it: a deployment that comes late, and the health path, answered by the very
//! version that is meant.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cloudflare::worker::calls::{Part, Version};
use crate::cloudflare::worker::target::WorkerTarget;
use crate::deploy::{Observation, ReleaseId};
use crate::error::Result;
use crate::http::answer::one_line;
use crate::http::{Api, Auth, Method, Path};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The most characters of an answer that are shown.
const SHOWN: usize = 200;

/// After how many looks at bad answers a release will not become healthy by itself: a version is everywhere in less.
const PATIENCE: u32 = 20;

/// How many looks may show a deployment from before one that was just made.
pub(super) const LAG: u32 = 5;

/// Chooses the version that answers, among those that get requests
/// (<https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/#version-overrides>).
const OVERRIDE: &str = "cloudflare-workers-version-overrides";

/// Asks the version `id` of the Worker at `url` for its health; `None` when it is well, or what it answered.
///
/// # Errors
/// `Invalid` for an address or a path that cannot be asked.
async fn ask(url: &str, script: &str, id: &str, health: &str) -> Result<Option<String>> {
    let api = Api::new("the Worker", url, Auth::Nobody, &[])?.timeout(ANSWER);
    let (path, query) = health.split_once('?').unwrap_or((health, ""));
    let call = api.call(Method::Get, &Path::as_written(path)).query_as_written(query);
    let call = call.header(OVERRIDE, format!("{script}=\"{id}\""));
    let answer = match call.ask().await {
        Ok(answer) if (200..300).contains(&answer.status()) => return Ok(None),
        Ok(answer) => answer,
        // Nobody answers there yet, or not in time.
        Err(error) if error.is_retryable() => return Ok(Some(format!("{health}: {error}"))),
        Err(error) => return Err(error),
    };
    let said = answer.text(SHOWN);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Ok(Some(format!("{health} answered {}{}", answer.status(), one_line(&said, SHOWN + 2))))
}

/// What this program saw and did.
#[derive(Default)]
pub(super) struct Seen {
    /// Versions, which never change.
    pub(super) versions: BTreeMap<ReleaseId, Version>,
    /// Whether the Worker was there at any look.
    pub(super) there: bool,
    asked: Option<Asked>,
    failing: Option<(ReleaseId, u32, String)>,
}

/// The last deployment that was made for a release, until that is healthy.
struct Asked {
    release: ReleaseId,
    percent: f64,
    at: Instant,
    /// How many looks have not shown it.
    looks: u32,
}

impl Seen {
    /// A release was given a part of the requests just now; `None`: whatever was asked for before counts no more.
    pub(super) fn ask(&mut self, part: Option<(&ReleaseId, f64)>) {
        self.failing = None;
        let at = Instant::now();
        self.asked = part.map(|(release, percent)| Asked { release: release.clone(), percent, at, looks: 0 });
    }

    /// The deployment that was made for a release.
    fn asked(&mut self, release: &ReleaseId) -> Option<&mut Asked> {
        self.asked.as_mut().filter(|asked| asked.release == *release)
    }

    /// The last bad answer of a release, and how many looks have met one.
    pub(super) fn failing(&self, release: &ReleaseId) -> Option<(u32, &str)> {
        let (_, looks, why) = self.failing.as_ref().filter(|(other, ..)| other == release)?;
        Some((*looks, why))
    }
}

impl WorkerTarget {
    /// A release that does not get the part of the requests that it was given; `None` for one that does, and for one that
    /// gets none though nobody waits for the change any more.
    pub(super) fn late(&self, release: &ReleaseId, part: Option<f64>) -> Option<Observation> {
        let mut seen = self.seen();
        let asked = seen.asked(release)?;
        if part.is_some_and(|part| part + 0.001 > asked.percent) {
            return None;
        }
        asked.looks += 1;
        if asked.looks <= LAG {
            return Some(Observation::Starting { why: "Cloudflare does not show the change yet".into() });
        }
        let (part, given) = (part?, asked.percent);
        Some(Observation::Unhealthy {
            why: format!("it gets {part} % of the requests, and was given {given} %"),
        })
    }

    /// A version that gets no requests.
    pub(super) async fn elsewhere(&self, others: &[Part]) -> Result<Observation> {
        let other = others.first().map(|part| part.version_id.clone()).unwrap_or_default();
        let parked = self.calls.version(&other).await?.is_some_and(|version| self.owner.is_parked(&version));
        let why = if parked {
            "the project was stopped".into()
        } else {
            format!("it is not the release that runs: {other} gets the requests")
        };
        Ok(Observation::Unhealthy { why })
    }

    /// What the health path says of a version.
    pub(super) async fn health(&self, version: &Version, id: &ReleaseId) -> Result<Observation> {
        let health = self.owner.note(version).map(|note| note.health).unwrap_or_default();
        let url = self.url().await?.filter(|_| !health.is_empty());
        let answer = match url {
            Some(url) => ask(url, &self.owner.place.script, &version.id, &health).await?,
            None => None,
        };
        let mut seen = self.seen();
        let Some(why) = answer else {
            seen.failing = None;
            // Until the version can be chosen everywhere, the one before it may have given that answer.
            let early = seen.asked(id).is_some_and(|asked| asked.at.elapsed() < self.everywhere);
            if url.is_some() && early {
                return Ok(Observation::Starting { why: "waiting until the version is everywhere".into() });
            }
            seen.asked = None;
            return Ok(Observation::Healthy);
        };
        let looks = seen.failing(id).map_or(0, |(looks, _)| looks) + 1;
        seen.failing = Some((id.clone(), looks, why.clone()));
        Ok(if looks > PATIENCE { Observation::Unhealthy { why } } else { Observation::Starting { why } })
    }
}
