//! What is asked of Cloudflare about one Worker: its versions, its deployments, where it answers.

use std::future::Future;

use serde::{Deserialize, Deserializer, Serialize};

use crate::cancel::CancelToken;
use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::worker::note::Note;
use crate::cloudflare::worker::place::WorkerPlace;
use crate::cloudflare::worker::record::Accepted;
use crate::deploy::ReleaseId;
use crate::error::{Error, ErrorKind, Result};
use crate::retry::Retry;
use crate::time::Timestamp;

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

    /// Does what may go wrong for a moment; its errors say which Worker it was.
    pub(super) async fn again<T, A>(&self, attempt: impl Fn() -> A) -> Result<T>
    where
        A: Future<Output = Result<T>>,
    {
        let never = CancelToken::new();
        let done = self.retry.run(&never, |_| attempt()).await;
        done.map_err(|error| error.with("worker", &self.script))
    }

    /// The Worker's deployments, newest first; `None` when there is no such Worker.
    pub(super) async fn deployments(&self) -> Result<Option<Vec<Deployment>>> {
        let path = self.path(&["deployments"]);
        let listed = self.again(|| self.cloudflare.get::<Deployments>(&path)).await;
        Ok(there(listed)?.map(|listed| listed.deployments))
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

/// What is not there is no failure.
fn there<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound && !is_account(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is the account that is not there, which is an error everywhere.
fn is_account(error: &Error) -> bool {
    error.context().any(|(key, value)| key == "code" && ["7000", "7003"].contains(&value))
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
