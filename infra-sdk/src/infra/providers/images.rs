//! Where images are kept, where its feature is compiled in: the provider's registry, or the one that infra.toml names.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::images::{ImageRegistry, ImageScanner, Repositories};
use crate::infra::absent::Absent;
use crate::infra::open::Infra;
use crate::infra::providers::ports::Choice;
use crate::local::LocalRegistry;

/// The images of an environment.
pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn ImageRegistry>> {
    let section = choice.config.section()?;
    if let Some(place) = &section.registry {
        return named(choice, place);
    }
    match choice.remote()? {
        None => Ok(Arc::new(LocalRegistry::new(choice.home.registry()))),
        Some(("provider = \"aws\"", _)) => ecr::open(choice),
        Some((wanted @ "provider = \"cloudflare\"", _)) => Ok(Arc::new(Absent::unreachable(
            format!("{wanted} for images"),
            &Error::invalid("Cloudflare is given no images here")
                .hint("name a registry that Containers can pull from: `registry = \"ghcr.io/acme\"` in the environment")
                .hint("a Worker without a container needs none: deploy it by `infra.rollout(infra.bundle().await?)`"),
            choice.config.environment(),
        ))),
        Some((wanted, feature)) => absent(choice, &format!("{wanted} for images"), feature),
    }
}

fn absent(choice: &Choice<'_>, wanted: &str, feature: &'static str) -> Result<Arc<dyn ImageRegistry>> {
    Ok(Arc::new(Absent::new(wanted, feature, choice.config.environment())))
}

/// The registry `place`, with the credentials that `docker login` kept; one of ECR, with its own token.
#[cfg(feature = "registry")]
fn named(choice: &Choice<'_>, place: &str) -> Result<Arc<dyn ImageRegistry>> {
    use crate::registry::{DockerConfig, OciRegistry};
    if let Some(registry) = ecr::at(choice, place)? {
        return Ok(registry);
    }
    let host = place.split('/').next().unwrap_or(place);
    Ok(Arc::new(OciRegistry::new(place, Arc::new(DockerConfig::find(choice.env, host)))?))
}

#[cfg(not(feature = "registry"))]
fn named(choice: &Choice<'_>, place: &str) -> Result<Arc<dyn ImageRegistry>> {
    absent(choice, &format!("the registry {place}"), "registry")
}

/// The registries of the environment's other regions. A registry that is not ECR's is one for all regions.
#[cfg(feature = "aws-ecr")]
pub(in crate::infra) fn copies(infra: &Infra) -> Result<Vec<Arc<dyn ImageRegistry>>> {
    use crate::aws::EcrRegistry;
    let Some(first) = ecr::of(infra)? else { return Ok(Vec::new()) };
    let regions = &infra.config().section()?.regions;
    regions.iter().map(|region| Ok(Arc::new(EcrRegistry::new(first.in_region(region)?)) as _)).collect()
}

#[cfg(not(feature = "aws-ecr"))]
pub(in crate::infra) fn copies(_: &Infra) -> Result<Vec<Arc<dyn ImageRegistry>>> {
    // The first registry of such an environment says that ECR is not compiled in.
    Ok(Vec::new())
}

/// Whoever makes the repositories of an environment, for each of its regions.
#[cfg(feature = "aws-ecr")]
pub(in crate::infra) fn repositories(infra: &Infra) -> Result<Vec<Arc<dyn Repositories>>> {
    let Some(first) = ecr::of(infra)? else {
        return Err(elsewhere(infra, "repositories are made with the first push there"));
    };
    let mut all: Vec<Arc<dyn Repositories>> = vec![Arc::new(first.clone())];
    for region in &infra.config().section()?.regions {
        all.push(Arc::new(first.in_region(region)?));
    }
    Ok(all)
}

#[cfg(not(feature = "aws-ecr"))]
pub(in crate::infra) fn repositories(infra: &Infra) -> Result<Vec<Arc<dyn Repositories>>> {
    Err(Absent::new("ECR", "aws-ecr", infra.environment()).error())
}

/// Whoever scans the images of an environment.
#[cfg(feature = "aws-ecr")]
pub(in crate::infra) fn scanner(infra: &Infra) -> Result<Arc<dyn ImageScanner>> {
    match ecr::of(infra)? {
        Some(ecr) => Ok(Arc::new(ecr)),
        None => {
            Err(elsewhere(infra, "scan images there with the registry's own means, or a scanner of your own"))
        }
    }
}

#[cfg(not(feature = "aws-ecr"))]
pub(in crate::infra) fn scanner(infra: &Infra) -> Result<Arc<dyn ImageScanner>> {
    Err(Absent::new("scanning images", "aws-ecr", infra.environment()).error())
}

/// An environment whose images are not in ECR.
#[cfg(feature = "aws-ecr")]
fn elsewhere(infra: &Infra, then: &str) -> crate::Error {
    crate::Error::invalid("the images of this environment are not in ECR")
        .with("environment", infra.environment())
        .with("registry", infra.ports().images.name())
        .hint(
            "choose an environment with `provider = \"aws\"` by `--env`, and without a `registry` of its own",
        )
        .hint(then)
}

#[cfg(feature = "aws-ecr")]
mod ecr {
    use std::sync::Arc;

    use crate::aws::{Aws, Ecr, EcrRegistry};
    use crate::config::Provider;
    use crate::error::Result;
    use crate::images::ImageRegistry;
    use crate::infra::absent::Absent;
    use crate::infra::open::Infra;
    use crate::infra::providers::ports::Choice;

    pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn ImageRegistry>> {
        let ecr = choice.clouds.aws(choice.env, choice.config).and_then(Ecr::new);
        Ok(registry(choice, ecr))
    }

    pub(super) fn at(choice: &Choice<'_>, place: &str) -> Result<Option<Arc<dyn ImageRegistry>>> {
        let aws = || choice.clouds.aws(choice.env, choice.config);
        Ok(named(place, aws).transpose().map(|ecr| registry(choice, ecr)))
    }

    /// What is wrong with the way to AWS is told when it is used: not everything that is done in an environment needs it.
    fn registry(choice: &Choice<'_>, ecr: Result<Ecr>) -> Arc<dyn ImageRegistry> {
        match ecr {
            Ok(ecr) => Arc::new(EcrRegistry::new(ecr)),
            Err(error) => {
                Arc::new(Absent::unreachable("ECR for images", &error, choice.config.environment()))
            }
        }
    }

    /// ECR as an environment uses it; `None` if its images are elsewhere.
    pub(super) fn of(infra: &Infra) -> Result<Option<Ecr>> {
        let section = infra.config().section()?;
        match &section.registry {
            Some(place) => named(place, || infra.aws()),
            None if section.provider == Provider::Aws => Ecr::new(infra.aws()?).map(Some),
            None => Ok(None),
        }
    }

    /// AWS is put together only for ECR: another registry needs no region.
    fn named(place: &str, aws: impl Fn() -> Result<Aws>) -> Result<Option<Ecr>> {
        if Ecr::is_place(place) { Ecr::at(&aws()?, place) } else { Ok(None) }
    }
}

#[cfg(not(feature = "aws-ecr"))]
mod ecr {
    use std::sync::Arc;

    use crate::error::Result;
    use crate::images::ImageRegistry;
    use crate::infra::providers::ports::Choice;

    pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn ImageRegistry>> {
        super::absent(choice, "provider = \"aws\" for images", "aws-ecr")
    }

    #[cfg(feature = "registry")]
    pub(super) fn at(_: &Choice<'_>, _: &str) -> Result<Option<Arc<dyn ImageRegistry>>> {
        Ok(None)
    }
}
