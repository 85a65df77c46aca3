//! Where releases run, where its feature is compiled in.

use std::sync::Arc;

use crate::config::{Config, Provider, Target};
use crate::deploy::DeployTarget;
use crate::error::{Error, Result};
use crate::images::ImageRegistry;
use crate::infra::absent::Absent;
use crate::infra::providers::ports::Choice;
use crate::local::LocalDeploy;

const ECS: &str = "deploy target = \"ecs\"";

/// Where releases of an environment run.
pub(super) fn open(choice: &Choice<'_>, images: &Arc<dyn ImageRegistry>) -> Result<Arc<dyn DeployTarget>> {
    let Choice { env, config, home, .. } = choice;
    let absent = |wanted: &str, feature| Arc::new(Absent::new(wanted, feature, config.environment()));
    Ok(match config.settings().deploy.target {
        // Running here what was meant for a cloud would look like a deploy.
        Target::Local if choice.remote()?.is_some() && config.is_default(&["deploy", "target"]) => {
            let error = Error::invalid("nobody said where releases of this environment run").hint(format!(
                "set `target = \"ecs\"` in `[env.{0}.deploy]` of infra.toml, or `\"local\"` for this machine",
                config.environment()
            ));
            Arc::new(Absent::unreachable("the target of releases", &error, config.environment()))
        }
        Target::Local => Arc::new(LocalDeploy::new(home.deploy(), images.clone(), env)),
        // What does not roll out goes on without it.
        Target::Ecs => ecs(choice, images)
            .unwrap_or_else(|error| Arc::new(Absent::unreachable(ECS, &error, config.environment()))),
        Target::Worker => absent("deploy target = \"worker\"", "cloudflare"),
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
