//! What is asked of Cloudflare about one Worker: its versions, its deployments, where it answers.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::cancel::CancelToken;
use crate::cloudflare::answers::{Envelope, explained};
use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::worker::note::Note;
use crate::cloudflare::worker::place::WorkerPlace;
use crate::cloudflare::worker::record::Accepted;
use crate::deploy::ReleaseId;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Method;
use crate::retry::Retry;
use crate::time::{Timestamp, human};

/// The longest that one request is held back for in all: as long as Cloudflare blocks a token that asked too often
/// (<https://developers.cloudflare.com/fundamentals/api/reference/limits/>).
const HELD: Duration = Duration::from_secs(5 * 60);

/// How long to leave Cloudflare alone where it does not say, and at least.
const UNSAID: Duration = Duration::from_secs(10);
const LEAST: Duration = Duration::from_secs(1);

/// The codes of what is not there: a Worker in two places of the API, and a version. Any other 404 is a failure, such as that
/// of something that stands before the API: taken for an answer, it would make a Worker anew that serves.
const NOT_THERE: [&str; 3] = ["10007", "10090", "100146"];

/// Requests about one Worker. Those that read are repeated when that may help, and the one that deploys, too: the same
/// deployment twice is the same deployment.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) cloudflare: Cloudflare,
    pub(super) account: String,
    pub(super) script: String,
    pub(super) retry: Retry,
}

/// Which versions get which part of the requests
/// (<https://developers.cloudflare.com/api/resources/workers/subresources/scripts/subresources/deployments/>).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) versions: Vec<Part>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) annotations: Annotations,
}

/// One version's part.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Part {
    pub(super) version_id: String,
    pub(super) percentage: f64,
}

/// A version
/// (<https://developers.cloudflare.com/api/resources/workers/subresources/scripts/subresources/versions/>).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Version {
    pub(super) id: String,
    #[serde(default)]
    pub(super) number: u64,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) annotations: Annotations,
}

/// Who made a version, and when.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) created_on: Option<Timestamp>,
    pub(super) author_email: Option<String>,
    pub(super) source: Option<String>,
}

/// What people and programs wrote beside.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "workers/message", skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(rename = "workers/tag", skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
}

#[derive(Deserialize)]
struct Deployments {
    deployments: Vec<Deployment>,
}

#[derive(Deserialize)]
struct Versions {
    items: Vec<Version>,
}

/// What an answer says of the list that it is a part of.
#[derive(Deserialize)]
struct Listed {
    #[serde(default, deserialize_with = "or_nothing")]
    result_info: Info,
}

#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Subdomain {
    #[serde(default)]
    subdomain: Option<String>,
}

#[derive(Deserialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
struct NewDeployment<'a> {
    strategy: &'static str,
    versions: &'a [Part],
    annotations: Annotations,
}

impl Calls {
    pub(super) fn new(cloudflare: Cloudflare, account: String, place: &WorkerPlace) -> Self {
        Calls { cloudflare, account, script: place.script.clone(), retry: Retry::default() }
    }

    fn path<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        ["accounts", &self.account, "workers", "scripts", &self.script]
            .into_iter()
            .chain(more.iter().copied())
            .collect()
    }

    /// Does what may go wrong for a moment, and what Cloudflare wants to be asked later; its errors say which Worker it was.
    /// Who waits for it says so, as a rollout does.
    pub(super) async fn again<T, A>(&self, attempt: impl Fn() -> A) -> Result<T>
    where
        A: Future<Output = Result<T>>,
    {
        let never = CancelToken::new();
        let mut held = Duration::ZERO;
        loop {
            // Short pauses are no answer to a service that names a long one.
            let once = || async {
                match attempt().await {
                    Err(error) if error.throttle().is_some() => Ok(Err(error)),
                    done => done.map(Ok),
                }
            };
            let done = self.retry.run(&never, |_| once()).await;
            let told = |error: Error| error.with("worker", &self.script);
            let error = match done.map_err(told)? {
                Ok(done) => return Ok(done),
                Err(error) => told(error),
            };
            let pause = error.throttle().and_then(|throttle| throttle.after).unwrap_or(UNSAID).max(LEAST);
            if held + pause > HELD {
                return Err(if held.is_zero() { error } else { error.with("held back", human(held)) });
            }
            tokio::time::sleep(pause).await;
            held += pause;
        }
    }

    /// A part of a list, and what leads to the next.
    pub(super) async fn part<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(T, Option<String>)> {
        let ask = || async {
            let call = self.cloudflare.call(Method::Get, path)?;
            let call = query.iter().fold(call, |call, (name, value)| call.query(name, value));
            let answer = self.cloudflare.answer(call).await.map_err(explained)?;
            let next = answer.json::<Listed>()?.result_info.next_page_token;
            let listed =
                answer.json::<Envelope<T>>()?.opened(&answer, |text| self.cloudflare.masked(text))?;
            Ok((listed, next.filter(|token| !token.is_empty())))
        };
        self.again(ask).await
    }

    /// The Worker's newest deployments, newest first; `None` when there is no such Worker.
    pub(super) async fn deployments(&self) -> Result<Option<Vec<Deployment>>> {
        self.deployments_of(&[]).await
    }

    /// Those of a page, which count from 1: the first has the newest.
    pub(super) async fn deployments_on(&self, page: u32) -> Result<Option<Vec<Deployment>>> {
        self.deployments_of(&[("page", &page.to_string())]).await
    }

    async fn deployments_of(&self, query: &[(&str, &str)]) -> Result<Option<Vec<Deployment>>> {
        let listed = self.part::<Deployments>(&self.path(&["deployments"]), query).await;
        Ok(there(listed)?.map(|(listed, _)| listed.deployments))
    }

    /// The versions that can be deployed, newest first; none when there is no such Worker.
    pub(super) async fn versions(&self) -> Result<Vec<Version>> {
        let path = self.path(&["versions"]);
        let deployable = ("deployable", "true");
        let listed = self.again(|| self.cloudflare.get_with::<Versions>(&path, deployable)).await;
        Ok(there(listed)?.map(|listed| listed.items).unwrap_or_default())
    }

    /// One version; `None` when it is not there.
    pub(super) async fn version(&self, id: &str) -> Result<Option<Version>> {
        let path = self.path(&["versions", id]);
        there(self.again(|| self.cloudflare.get(&path)).await)
    }

    /// Gives versions their parts of the requests, and notes what was accepted.
    ///
    /// # Errors
    /// `Failed` when Cloudflare answers that it deployed something else; what it refuses with.
    pub(super) async fn deploy(&self, parts: &[Part], accepted: &Accepted) -> Result<()> {
        let annotations = Annotations { message: Some(accepted.message()), tag: None };
        let body = NewDeployment { strategy: "percentage", versions: parts, annotations };
        let path = self.path(&["deployments"]);
        // A version carries its own secrets: going back to those of before is what is meant.
        let force = [("force", "true")];
        let made: Deployment = self.again(|| self.cloudflare.post(&path, &force, &body)).await?;
        if made.is(parts) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Failed, "Cloudflare deployed something else than what it was asked to")
            .with("worker", &self.script)
            .with("deployment", made.id)
            .hint("look at the Worker's deployments in the dashboard, and run it again"))
    }

    /// Where the Worker answers at workers.dev, if it does.
    pub(super) async fn usual_url(&self) -> Result<Option<String>> {
        let path = self.path(&["subdomain"]);
        let enabled = there(self.again(|| self.cloudflare.get::<Enabled>(&path)).await)?;
        if !enabled.is_some_and(|at| at.enabled) {
            return Ok(None);
        }
        let path = ["accounts", &self.account, "workers", "subdomain"];
        let account = there(self.again(|| self.cloudflare.get::<Subdomain>(&path)).await)?;
        let name = account.and_then(|account| account.subdomain);
        Ok(name.map(|name| format!("https://{}.{name}.workers.dev", self.script)))
    }
}

/// What is not there is no failure, where Cloudflare itself says so.
fn there<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound && is_not_there(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_not_there(error: &Error) -> bool {
    error.context().any(|(key, value)| key == "code" && NOT_THERE.contains(&value))
}

impl Deployment {
    /// Whether it gives exactly these parts.
    pub(super) fn is(&self, parts: &[Part]) -> bool {
        self.versions.len() == parts.len() && parts.iter().all(|part| self.versions.contains(part))
    }

    /// The part of a version, in percent.
    pub(super) fn part(&self, id: &str) -> Option<f64> {
        self.versions.iter().find(|part| part.version_id == id).map(|part| part.percentage)
    }

    /// What was accepted when it was made; `None` for one that was not made here.
    pub(super) fn accepted(&self) -> Option<Accepted> {
        Accepted::read(self.annotations.message.as_deref()?)
    }
}

impl Version {
    pub(super) fn release_id(&self) -> Result<ReleaseId> {
        self.id.parse()
    }

    /// What it says of itself, if it was uploaded here.
    pub(super) fn note(&self) -> Option<Note> {
        Note::read(self.annotations.message.as_deref()?)
    }
}

/// What may be `null`.
fn or_nothing<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// All requests for one version.
pub(super) fn whole(id: &ReleaseId) -> [Part; 1] {
    [Part { version_id: id.to_string(), percentage: 100.0 }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cloudflares_own_codes_say_that_something_is_not_there() {
        let asked = |kind: ErrorKind, code: u64| there::<()>(Err(Error::new(kind, "ask").with("code", code)));
        for code in [10007, 10090, 100_146] {
            assert_eq!(asked(ErrorKind::NotFound, code).unwrap(), None);
        }
        for code in [7000, 7003, 0, 1_000_146] {
            assert_eq!(asked(ErrorKind::NotFound, code).unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert!(asked(ErrorKind::Denied, 10007).is_err());
        assert!(there::<()>(Err(Error::not_found("ask").with("status", 404))).is_err());
        assert_eq!(there(Ok(1)).unwrap(), Some(1));
    }

    fn calls() -> Calls {
        let vars =
            [("CLOUDFLARE_API_TOKEN", "x"), ("CLOUDFLARE_ACCOUNT_ID", "023e105f4ecef8ad9ca31a8372d0c353")];
        let env = crate::env::Env::of(vars, "/srv/shop");
        let place = WorkerPlace::of(
            &crate::config::Deploy::default(),
            &"shop".parse().unwrap(),
            &"staging".parse().unwrap(),
            "/srv/shop",
        );
        Calls::new(Cloudflare::new(&env).unwrap(), "023e105f4ecef8ad9ca31a8372d0c353".into(), &place)
    }

    /// Asks `calls` with an attempt that is held back so often for so long; the attempts, the time, and how it ended.
    async fn held(times: u32, after: Option<Duration>) -> (u32, Duration, Result<u32>) {
        let (begun, made) = (tokio::time::Instant::now(), std::sync::atomic::AtomicU32::new(0));
        let done = calls()
            .again(|| async {
                let number = made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let error = || Error::new(ErrorKind::Unavailable, "fewer requests").throttled(after);
                if number < times { Err(error()) } else { Ok(number) }
            })
            .await;
        (made.into_inner(), begun.elapsed(), done)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_held_back_is_made_as_soon_as_it_may_be() {
        let (made, took, done) = held(2, Some(Duration::from_secs(90))).await;
        assert_eq!((made, took.as_secs(), done.unwrap()), (3, 180, 2));
        let (made, took, done) = held(4, None).await;
        assert_eq!((made, took.as_secs(), done.unwrap()), (5, 40, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_for_too_long_says_so_and_is_not_asked_again() {
        let (made, took, done) = held(9, Some(Duration::from_secs(200))).await;
        assert_eq!((made, took.as_secs()), (2, 200));
        let error = done.unwrap_err().to_string();
        assert!(error.contains("worker: shop") && error.contains("held back: "), "{error}");
        let (made, took, done) = held(9, Some(Duration::from_secs(3600))).await;
        assert_eq!((made, took.as_secs()), (1, 0));
        assert!(done.unwrap_err().throttle().is_some());
    }
}
