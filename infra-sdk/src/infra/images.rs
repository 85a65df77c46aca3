//! From files or a Dockerfile to an image, and from there to what can become a release.

use std::fmt;

use serde::Serialize;

use crate::config::Target;
use crate::deploy::ReleaseSpec;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::{
    BuiltImage, DockerfilePlan, DockerfileSpec, ImageSpec, IndexPlan, plan_dockerfile, plan_index,
};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::names::{ImageName, Tag};
use crate::process::Cmd;

/// How an image would be built; nothing is written yet.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ImagePlan {
    /// From files, for each platform.
    Files(IndexPlan),
    /// From a Dockerfile.
    Dockerfile(DockerfilePlan),
}

impl fmt::Display for ImagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImagePlan::Files(plan) => plan.fmt(f),
            ImagePlan::Dockerfile(plan) => plan.fmt(f),
        }
    }
}

impl Infra {
    /// Builds the image that is deployed, as [`build_image`](Infra::build_image): the one `[deploy]` names, or the only one.
    ///
    /// # Errors
    /// `NotFound` or `Invalid` when infra.toml does not say which; as [`build_image`](Infra::build_image).
    pub async fn build(&self) -> Result<BuiltImage> {
        let (name, _) = self.settings().image_to_deploy()?;
        self.build_image(name.as_str()).await
    }

    /// Says how the image that `[image.NAME]` describes would be built.
    ///
    /// # Errors
    /// `NotFound` when there is no such image or its files are missing; `Invalid` when they can not become one;
    /// `Unavailable` when it has a Dockerfile and no container engine is there.
    pub async fn plan_image(&self, name: &str) -> Result<ImagePlan> {
        let (_, repository, image) = self.image_named(name)?;
        let root = self.config().root();
        let labels = self.image_labels().await;
        if let Some(mut spec) = DockerfileSpec::of_config(repository.clone(), image, root)? {
            spec.labels.extend(labels.by_name());
            let plan = plan_dockerfile(&spec, self.env(), &|program| self.host().command(program)).await?;
            return Ok(ImagePlan::Dockerfile(plan));
        }
        let mut specs = ImageSpec::all_of_config(repository, image, root)?;
        specs.iter_mut().for_each(|spec| spec.labels.extend(labels.by_name()));
        let work = tokio::task::spawn_blocking(move || plan_index(&specs));
        let plan = work.await.map_err(|error| Error::new(ErrorKind::Bug, "plan an image").because(error))?;
        Ok(ImagePlan::Files(plan?))
    }

    /// Builds the image that `[image.NAME]` describes: from files without a container engine, and the same files of the same
    /// commit give the same digest; from a Dockerfile with docker, podman or buildah, whichever is there. Where no file
    /// differs from its commit, the image notes that and the page of `origin`, as `org.opencontainers.image.revision` and
    /// `.source`.
    ///
    /// # Errors
    /// As [`plan_image`](Infra::plan_image); `Failed` with what the engine said last.
    pub async fn build_image(&self, name: &str) -> Result<BuiltImage> {
        let out = self.home().build(self.image_named(name)?.0);
        let built = match self.plan_image(name).await? {
            ImagePlan::Files(plan) => {
                let work = tokio::task::spawn_blocking(move || plan.apply(&out));
                work.await.map_err(|error| Error::new(ErrorKind::Bug, "build an image").because(error))??
            }
            ImagePlan::Dockerfile(plan) => {
                self.host().tell(&plan.to_string());
                plan.apply(&out, &|program| self.host().command(program)).await?
            }
        };
        self.host().tell(&format!(
            "image {}@{} ({} KB)",
            built.name,
            built.digest().short(),
            built.size() / 1000
        ));
        Ok(built)
    }

    /// Pushes an image, sending only what the registries lack, and gives the release it can become. Its tag is what
    /// `git describe` says, or one of its digest where that cannot be a tag: registries clear away what has none.
    ///
    /// # Errors
    /// As [`push_image`](Infra::push_image).
    pub async fn push(&self, image: &BuiltImage) -> Result<ReleaseSpec> {
        let version = self.version().await.unwrap_or_else(|| image.digest().short().to_owned());
        let tag = match Tag::new(tag_text(&version, image)) {
            Ok(tag) => tag,
            Err(_) => digest_tag(image.digest())?,
        };
        self.host().tell(&self.push_tagged(image, &[tag]).await?.to_string());
        let project = self.settings().project.name.clone();
        let spec = ReleaseSpec::new(project, image.name.clone(), image.digest().clone(), version);
        Ok(spec.with_settings(&self.settings().deploy))
    }

    /// The release that this repo's Worker can become, without an image: its code is bundled to learn its digest, and uploaded by
    /// [`rollout`](Infra::rollout). A Worker with a container is released by [`push`](Infra::push)ing the container's image.
    ///
    /// # Errors
    /// `Invalid` where releases are no Workers; `NotBuilt` without the feature `cloudflare`; `NotFound` or `Conflict` without the
    /// wrangler that is pinned; what it fails with.
    pub async fn bundle(&self) -> Result<ReleaseSpec> {
        let digest = providers::worker_code(self).await?;
        let version = self.version().await.unwrap_or_else(|| digest.short().to_owned());
        let (project, image) = (self.settings().project.name.clone(), self.code_name()?);
        self.host().tell(&format!("worker code {}", digest.short()));
        Ok(ReleaseSpec::new(project, image, digest, version).with_settings(&self.settings().deploy))
    }

    /// What stands for an image where a release is the code of a Worker.
    fn code_name(&self) -> Result<ImageName> {
        ImageName::new(format!("{}/{WORKER}", self.settings().project.name))
    }

    /// Whether a release with this image is the code of a Worker, which is in no registry, and not an image of that name.
    pub(super) fn is_code(&self, image: &ImageName) -> bool {
        let settings = self.settings();
        settings.deploy.target == Target::Worker
            && !settings.image.keys().any(|name| name.as_str() == WORKER)
            && self.code_name().is_ok_and(|code| code == *image)
    }

    /// The tags an image gets that nobody named one for.
    ///
    /// # Errors
    /// `Invalid` when what git calls this state of the repo cannot be a tag.
    pub(super) async fn usual_tags(&self, image: &BuiltImage) -> Result<Vec<Tag>> {
        let version = self.version().await.unwrap_or_else(|| image.digest().short().to_owned());
        let tag = Tag::new(tag_text(&version, image));
        Ok(vec![tag.map_err(|error| error.hint("name another one with `--tag`"))?])
    }

    /// What people call this state of the repo: `git describe`; `None` where there is no commit.
    pub(super) async fn version(&self) -> Option<String> {
        let described = Cmd::new("git")
            .args(["describe", "--tags", "--always", "--dirty"])
            .dir(self.config().root())
            .cancel(self.host().cancel.clone())
            .output()
            .await;
        let described = described.ok().filter(|finished| finished.success())?;
        Some(described.stdout.trim().to_owned()).filter(|version| !version.is_empty())
    }
}

/// What stands in the place of an image's name for a Worker without one.
const WORKER: &str = "worker";

/// What git puts behind the name of a commit when files were changed since.
pub(super) const DIRTY: &str = "-dirty";

/// The tag of an image that has no other.
pub(super) fn digest_tag(digest: &Digest) -> Result<Tag> {
    Tag::new(format!("sha-{}", digest.short()))
}

/// A state that is in no commit is many states: the digest tells them apart where tags cannot be moved.
fn tag_text(version: &str, image: &BuiltImage) -> String {
    if version.ends_with(DIRTY) {
        format!("{version}-{}", image.digest().short())
    } else {
        version.to_owned()
    }
}
