//! Where releases run, where its feature is compiled in.

use std::sync::Arc;

use crate::config::Target;
use crate::deploy::DeployTarget;
use crate::error::Result;
use crate::images::ImageRegistry;
use crate::infra::absent::Absent;
use crate::infra::providers::ports::Choice;
use crate::local::LocalDeploy;

/// Where releases of an environment run.
pub(super) fn open(choice: &Choice<'_>, images: &Arc<dyn ImageRegistry>) -> Result<Arc<dyn DeployTarget>> {
    let Choice { env, config, home, .. } = choice;
    let absent = |wanted: &str, feature| Arc::new(Absent::new(wanted, feature, config.environment()));
    Ok(match config.settings().deploy.target {
        Target::Local => Arc::new(LocalDeploy::new(home.deploy(), images.clone(), env)),
        Target::Ecs => absent("deploy target = \"ecs\"", "aws-ecs"),
        Target::Worker => absent("deploy target = \"worker\"", "cloudflare"),
    })
}
