//! Where repos publish and read, where its feature is compiled in.

use std::sync::Arc;

use crate::config::Provider;
use crate::error::{Error, Result};
use crate::infra::absent::Absent;
use crate::infra::open::Replica;
use crate::infra::providers::ports::Choice;
use crate::local::LocalParameters;
use crate::refs::ParameterStore;

/// The parameters of an environment.
pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn ParameterStore>> {
    let Choice { config, home, .. } = choice;
    Ok(match (config.section()?.provider, choice.remote()?) {
        (Provider::Aws, Some((wanted, _))) => ssm(choice, wanted, None),
        (Provider::Cloudflare, Some((wanted, _))) => Arc::new(Absent::unreachable(
            format!("{wanted} for references"),
            &Error::invalid("Cloudflare keeps no references")
                .hint("set `provider = \"aws\"` with its `region`: releases go to a Worker all the same, by `target` of `[deploy]`")
                .hint("or give the values as `vars` of the Worker, and take `[refs]` out of infra.toml"),
            config.environment(),
        )),
        (_, Some((wanted, feature))) => {
            Arc::new(Absent::new(format!("{wanted} for references"), feature, config.environment()))
        }
        (_, None) => Arc::new(LocalParameters::new(home.params())),
    })
}

/// The parameters of the environment's other regions.
pub(super) fn replicas(choice: &Choice<'_>) -> Result<Vec<Replica>> {
    let section = choice.config.section()?;
    let Some((wanted, _)) = choice.remote()?.filter(|_| section.provider == Provider::Aws) else {
        return Ok(Vec::new());
    };
    let replica =
        |region: &String| Replica { region: region.clone(), store: ssm(choice, wanted, Some(region)) };
    Ok(section.regions.iter().map(replica).collect())
}

/// Parameter Store in the environment's region, or in another one. What is wrong with the way to AWS is told when it is
/// used: not everything that is done in an environment needs it.
#[cfg(feature = "aws-ssm")]
fn ssm(choice: &Choice<'_>, wanted: &str, region: Option<&str>) -> Arc<dyn ParameterStore> {
    let open = || {
        let aws = choice.clouds.aws(choice.env, choice.config)?;
        let aws = region.map_or(Ok(aws.clone()), |region| aws.in_region(region))?;
        crate::aws::SsmParameters::new(aws, None)
    };
    let wanted = format!("{wanted} for references");
    match open() {
        Ok(store) => Arc::new(store),
        Err(error) => Arc::new(Absent::unreachable(wanted, &error, choice.config.environment())),
    }
}

#[cfg(not(feature = "aws-ssm"))]
fn ssm(choice: &Choice<'_>, wanted: &str, _: Option<&str>) -> Arc<dyn ParameterStore> {
    let wanted = format!("{wanted} for references");
    Arc::new(Absent::new(wanted, "aws-ssm", choice.config.environment()))
}
