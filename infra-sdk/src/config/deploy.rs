//! What `infra.toml` may say about rolling out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::values::{Span, maybe_inside_repo};
use crate::names::Label;

/// `[deploy]`: how the project is rolled out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deploy {
    /// Where releases run.
    #[serde(default)]
    pub target: Target,
    /// The image that is rolled out; default: the only one.
    #[serde(default)]
    pub image: Option<Label>,
    /// The port the service listens on, given to it as `PORT`; default: a free one, kept between releases.
    #[serde(default)]
    pub port: Option<u16>,
    /// The path that answers 2xx when the service is healthy; empty: it is healthy when it keeps running.
    #[serde(default = "health_path")]
    pub health: String,
    /// For `ecs`: the cluster; default `default`.
    #[serde(default)]
    pub cluster: Option<String>,
    /// For `ecs`: the service; for `worker`: the Worker; default: the project's name.
    #[serde(default)]
    pub service: Option<String>,
    /// For `ecs`: the container of the task that gets the image; default: the only one, or the project's name.
    #[serde(default)]
    pub container: Option<String>,
    /// For `worker`: the account; default: `CLOUDFLARE_ACCOUNT_ID`.
    #[serde(default)]
    pub account: Option<String>,
    /// For `worker`: the settings file of wrangler; default: the one at the root of the repo.
    #[serde(default, deserialize_with = "maybe_inside_repo")]
    pub wrangler: Option<String>,
    /// For `worker`: where it answers, such as `https://shop.example.com`; default: its address at workers.dev.
    #[serde(default)]
    pub url: Option<String>,
    /// How long a new release may take to become healthy; default: what the target needs, 30 seconds on this machine,
    /// 15 minutes on ECS and 5 for a Worker.
    #[serde(default)]
    pub wait: Option<Span>,
    /// For targets that can: the percent of requests that a new release gets, one step after the other, such as
    /// `[10, 50, 100]`; default: all at once.
    #[serde(default)]
    pub steps: Vec<u8>,
    /// How long a release must stay healthy at each step before the next.
    #[serde(default = "step_wait", rename = "step-wait")]
    pub step_wait: Span,
    /// How many past releases are kept to roll back to.
    #[serde(default = "keep_releases")]
    pub keep: u16,
    /// Who must wait for a rollout that is under way.
    #[serde(default)]
    pub lock: LockReach,
}

impl Default for Deploy {
    fn default() -> Self {
        Deploy {
            target: Target::default(),
            image: None,
            port: None,
            cluster: None,
            service: None,
            container: None,
            account: None,
            wrangler: None,
            url: None,
            health: health_path(),
            wait: None,
            steps: Vec::new(),
            step_wait: step_wait(),
            keep: keep_releases(),
            lock: LockReach::default(),
        }
    }
}

fn health_path() -> String {
    "/healthz".into()
}

fn step_wait() -> Span {
    Span(Duration::from_secs(60))
}

fn keep_releases() -> u16 {
    5
}

/// How far the lock of a rollout must reach, where releases run elsewhere than on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockReach {
    /// All machines: it lies where the `state` of the environment does, and without such a place nothing is rolled out.
    #[default]
    Shared,
    /// This machine is enough, for a project that is rolled out from one machine only.
    Machine,
}

/// Where releases run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A supervised process on this machine.
    #[default]
    Local,
    /// An ECS service.
    Ecs,
    /// A Cloudflare Worker.
    Worker,
}
