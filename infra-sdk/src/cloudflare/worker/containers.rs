//! The containers of a Worker: each an application that gets the image of a release by a rollout of its own.
//!
//! The Worker and its containers are not deployed as one: the Worker is live while instances are still replaced. So a release
//! is healthy only when every rollout has come to its end.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cloudflare::permissions::Permission;
use crate::cloudflare::worker::calls::Calls;
use crate::cloudflare::worker::place::WorkerPlace;
use crate::cloudflare::worker::settings::Container;
use crate::deploy::Observation;
use crate::error::{Error, Result};

/// How much of the instances is replaced at a time, in percent: 5, 10, 20, 25, 50 or 100
/// (<https://developers.cloudflare.com/containers/platform-details/rollouts/>).
const STEP: u8 = 25;

/// The most reasons that are told.
const REASONS: usize = 3;

/// The most pages of applications that are read for one.
const PAGES: usize = 50;

/// An application, as far as it is used here
/// (<https://developers.cloudflare.com/api/resources/containers/subresources/applications/>).
#[derive(Clone, Debug, Deserialize)]
struct Application {
    id: String,
    name: String,
    #[serde(default)]
    configuration: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Rollout {
    status: String,
    #[serde(default)]
    target_configuration: Map<String, Value>,
    #[serde(default)]
    progress: Option<Progress>,
    #[serde(default)]
    health: Health,
    #[serde(default)]
    created_at: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Progress {
    current_step: u64,
    total_steps: u64,
    updated_instances: u64,
    total_instances: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    errors: Vec<Trouble>,
}

#[derive(Clone, Debug, Deserialize)]
struct Trouble {
    event: Event,
}

#[derive(Clone, Debug, Deserialize)]
struct Event {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

#[derive(Serialize)]
struct NewRollout<'a> {
    description: String,
    strategy: &'static str,
    kind: &'static str,
    step_percentage: u8,
    target_configuration: &'a Map<String, Value>,
}

/// The container that gets the image: the only one, or the one that the place names by its class or its own name.
///
/// # Errors
/// `Invalid` when there are several and none is named, or when the named one is not there.
pub(super) fn chosen<'a>(place: &WorkerPlace, containers: &'a [Container]) -> Result<Option<&'a Container>> {
    let names = || containers.iter().map(|container| container.class.as_str()).collect::<Vec<_>>().join(", ");
    let refuse = |why: String| {
        Error::invalid(why)
            .with("on", place)
            .with("classes", names())
            .hint("set `container` under `[deploy]` to the class of the one that gets the image")
    };
    match (&place.container, containers) {
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only)),
        (None, _) => Err(refuse("the Worker has several containers".into())),
        (Some(wanted), _) => {
            let found = containers.iter().find(|one| one.class == *wanted || one.name == *wanted);
            found.map(Some).ok_or_else(|| refuse(format!("the Worker has no container `{wanted}`")))
        }
    }
}

/// Asks that a container run an image, unless that is what it runs or is about to.
///
/// # Errors
/// `NotFound` when Cloudflare has no such application.
pub(super) async fn roll(calls: &Calls, container: &Container, image: &str) -> Result<()> {
    let application = application(calls, container).await?;
    let goes_there = match newest(calls, &application).await? {
        Some(rollout) => image_of(&rollout.target_configuration) == Some(image) && rollout.is_good(),
        None => image_of(&application.configuration) == Some(image),
    };
    if goes_there {
        return Ok(());
    }
    // Everything else stays as it is, also what is newer than this crate.
    let mut target = application.configuration.clone();
    target.insert("image".into(), image.into());
    let body = NewRollout {
        description: format!("infra-sdk: {image}").chars().take(255).collect(),
        strategy: "rolling",
        kind: "full_auto",
        step_percentage: STEP,
        target_configuration: &target,
    };
    let path = path(calls, &[&application.id, "rollouts"]);
    calls.again(|| calls.cloudflare.post::<Value>(&path, &[], &body)).await.map(drop).map_err(permission)
}

/// The image that a container runs or is about to.
///
/// # Errors
/// As [`roll`].
pub(super) async fn present(calls: &Calls, container: &Container) -> Result<Option<String>> {
    let application = application(calls, container).await?;
    let rollout = newest(calls, &application).await?.filter(Rollout::is_good);
    let configuration = rollout.map_or(application.configuration, |rollout| rollout.target_configuration);
    Ok(image_of(&configuration).map(str::to_owned))
}

/// How far a container is on its way to an image.
pub(super) async fn observe(calls: &Calls, container: &Container, image: &str) -> Result<Observation> {
    let application = application(calls, container).await?;
    let name = &container.class;
    let Some(rollout) = newest(calls, &application).await? else {
        if image_of(&application.configuration) == Some(image) {
            return Ok(Observation::Healthy);
        }
        return Ok(Observation::Starting { why: format!("the container {name} has no rollout yet") });
    };
    let why = |what: &str| {
        let mut told = format!("the rollout of the container {name} {what}");
        for trouble in rollout.health.errors.iter().take(REASONS) {
            let text: String = trouble.event.message.chars().filter(|c| !c.is_control()).take(200).collect();
            told.push_str(&format!("; {}: {text}", trouble.event.name));
        }
        told
    };
    if image_of(&rollout.target_configuration) != Some(image) {
        return Ok(Observation::Unhealthy { why: why("goes to another image") });
    }
    Ok(match rollout.status.as_str() {
        "completed" => Observation::Healthy,
        "reverted" => Observation::Unhealthy { why: why("was taken back") },
        "replaced" => Observation::Unhealthy { why: why("was replaced by another one") },
        status => {
            let progress = rollout.progress.clone().unwrap_or_default();
            let Progress { current_step, total_steps, updated_instances, total_instances } = progress;
            let far = format!(
                "is {status}: step {current_step} of {total_steps}, {updated_instances} of {total_instances} instances"
            );
            Observation::Starting { why: why(&far) }
        }
    })
}

impl Rollout {
    /// Whether it came to its end, or still may.
    fn is_good(&self) -> bool {
        !["reverted", "replaced"].contains(&self.status.as_str())
    }
}

fn path<'a>(calls: &'a Calls, more: &[&'a str]) -> Vec<&'a str> {
    ["accounts", &calls.account, "containers", "applications"]
        .into_iter()
        .chain(more.iter().copied())
        .collect()
}

async fn application(calls: &Calls, container: &Container) -> Result<Application> {
    let path = path(calls, &[]);
    let mut token = String::new();
    for _ in 0..PAGES {
        let name = ("name", container.name.as_str());
        let query = [name, ("page_token", &token)];
        let query = if token.is_empty() { &query[..1] } else { &query };
        let (listed, next) = calls.part::<Vec<Application>>(&path, query).await.map_err(permission)?;
        // The filter may let through what is only called alike.
        if let Some(found) = listed.into_iter().find(|application| application.name == container.name) {
            return Ok(found);
        }
        let Some(next) = next.filter(|next| *next != token) else { break };
        token = next;
    }
    Err(Error::not_found("Cloudflare has no such container")
        .with("container", &container.name)
        .with("class", &container.class)
        .hint(
            "make it once with `wrangler deploy`, which also goes through its migration; then roll out again",
        ))
}

/// The newest rollout of an application.
async fn newest(calls: &Calls, application: &Application) -> Result<Option<Rollout>> {
    let path = path(calls, &[&application.id, "rollouts"]);
    let listed: Vec<Rollout> = calls.again(|| calls.cloudflare.get(&path)).await.map_err(permission)?;
    // No order is promised.
    Ok(listed.into_iter().max_by(|a, b| a.created_at.cmp(&b.created_at)))
}

fn image_of(configuration: &Map<String, Value>) -> Option<&str> {
    configuration.get("image").and_then(Value::as_str)
}

/// Containers have a permission of their own, which is told in the place of that for Workers.
fn permission(error: Error) -> Error {
    if error.kind() == crate::error::ErrorKind::Denied {
        return error.map_hints(|hint| {
            hint.replace(&Permission::SCRIPTS.to_string(), &Permission::CONTAINERS.to_string())
        });
    }
    error
}
