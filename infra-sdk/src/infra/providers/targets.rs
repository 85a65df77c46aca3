//! Where releases run, where its feature is compiled in.

use std::sync::Arc;

use crate::config::{Config, Provider, Target};
use crate::deploy::DeployTarget;
use crate::digest::Digest;
#[cfg(feature = "cloudflare")]
use crate::env::Env;
use crate::error::{Error, Result};
use crate::images::ImageRegistry;
use crate::infra::absent::Absent;
#[cfg(feature = "cloudflare")]
use crate::infra::home::Home;
use crate::infra::open::Infra;
use crate::infra::providers::ports::Choice;
use crate::local::LocalDeploy;
use crate::secrets::KeyKeeper;

const ECS: &str = "deploy target = \"ecs\"";
const WORKER: &str = "deploy target = \"worker\"";

/// Where releases of an environment run.
pub(super) fn open(
    choice: &Choice<'_>,
    images: &Arc<dyn ImageRegistry>,
    keys: &Arc<dyn KeyKeeper>,
) -> Result<Arc<dyn DeployTarget>> {
    let Choice { env, config, home, .. } = choice;
    // What does not roll out goes on without it.
    let unreachable = |what: &str, error: &Error| -> Arc<dyn DeployTarget> {
        Arc::new(Absent::unreachable(what, error, config.environment()))
    };
    Ok(match config.settings().deploy.target {
        // Running here what was meant for a cloud would look like a deploy.
        Target::Local if choice.remote()?.is_some() && config.is_default(&["deploy", "target"]) => {
            let usual = if config.section()?.provider == Provider::Cloudflare { "worker" } else { "ecs" };
            let error = Error::invalid("nobody said where releases of this environment run").hint(format!(
                "set `target = \"{usual}\"` in `[env.{0}.deploy]` of infra.toml, or `\"local\"` for this machine",
                config.environment()
            ));
            unreachable("the target of releases", &error)
        }
        Target::Local => Arc::new(LocalDeploy::new(home.deploy(), images.clone(), env)),
        Target::Ecs => ecs(choice, images).unwrap_or_else(|error| unreachable(ECS, &error)),
        Target::Worker => worker(choice, images, keys).unwrap_or_else(|error| unreachable(WORKER, &error)),
    })
}

/// Whether the tasks of ECS read the parameters of this environment by their paths.
pub(in crate::infra) fn reads_parameters(config: &Config) -> Result<bool> {
    Ok(config.section()?.provider == Provider::Aws)
}

/// The service of ECS that `[deploy]` names.
#[cfg(feature = "aws-ecs")]
fn ecs(choice: &Choice<'_>, images: &Arc<dyn ImageRegistry>) -> Result<Arc<dyn DeployTarget>> {
    let settings = choice.config.settings();
    let project = &settings.project.name;
    let place = crate::aws::EcsPlace::of(&settings.deploy, project);
    let aws = choice.clouds.aws(choice.env, choice.config)?;
    Ok(Arc::new(crate::aws::EcsService::new(aws, place, project.clone(), images.clone())?))
}

#[cfg(not(feature = "aws-ecs"))]
fn ecs(choice: &Choice<'_>, _: &Arc<dyn ImageRegistry>) -> Result<Arc<dyn DeployTarget>> {
    Ok(Arc::new(Absent::new(ECS, "aws-ecs", choice.config.environment())))
}

/// The Worker that `[deploy]` names.
#[cfg(feature = "cloudflare")]
fn worker(
    choice: &Choice<'_>,
    images: &Arc<dyn ImageRegistry>,
    keys: &Arc<dyn KeyKeeper>,
) -> Result<Arc<dyn DeployTarget>> {
    Ok(Arc::new(worker_of(choice.env, choice.config, choice.home, images, keys)?))
}

#[cfg(feature = "cloudflare")]
fn worker_of(
    env: &Env,
    config: &Config,
    home: &Home,
    images: &Arc<dyn ImageRegistry>,
    keys: &Arc<dyn KeyKeeper>,
) -> Result<crate::cloudflare::WorkerTarget> {
    use crate::cloudflare::{Cloudflare, WorkerPlace, WorkerTarget};
    let (settings, root) = (config.settings(), config.root());
    let project = &settings.project.name;
    let place = WorkerPlace::of(&settings.deploy, project, config.environment(), root);
    let (cloudflare, folder) = (Cloudflare::new(env)?, home.deploy());
    let (images, keys) = (images.clone(), keys.clone());
    let target = WorkerTarget::new(cloudflare, place, project.clone(), images, keys, env, folder)?;
    Ok(match settings.tools.get("wrangler") {
        Some(tool) => target.wrangler(&tool.version),
        None => target,
    })
}

/// The digest of the code that is rolled out without an image: that of a Worker.
///
/// # Errors
/// `Invalid` where releases run as something else; `NotBuilt`; what wrangler fails with.
pub(in crate::infra) async fn code(infra: &Infra) -> Result<Digest> {
    if infra.settings().deploy.target != Target::Worker {
        return Err(Error::invalid("only a Worker is rolled out without an image")
            .with("environment", infra.environment())
            .hint("build and push an image, or set `target = \"worker\"` under `[deploy]`"));
    }
    #[cfg(feature = "cloudflare")]
    return worker_of(infra.env(), infra.config(), infra.home(), &infra.ports().images, &infra.ports().keys)?
        .code()
        .await;
    #[cfg(not(feature = "cloudflare"))]
    Err(Absent::new(WORKER, "cloudflare", infra.environment()).error())
}

#[cfg(not(feature = "cloudflare"))]
fn worker(
    choice: &Choice<'_>,
    _: &Arc<dyn ImageRegistry>,
    _: &Arc<dyn KeyKeeper>,
) -> Result<Arc<dyn DeployTarget>> {
    Ok(Arc::new(Absent::new(WORKER, "cloudflare", choice.config.environment())))
}
