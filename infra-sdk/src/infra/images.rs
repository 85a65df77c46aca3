//! From files to a pushed image: what can become a release.

use crate::deploy::ReleaseSpec;
use crate::error::Result;
use crate::images::{self, BuiltImage, ImageSpec};
use crate::infra::open::Infra;
use crate::names::{ImageName, Label, Tag, unknown};
use crate::process::Cmd;

impl Infra {
    /// Builds the image that is deployed, as [`build_image`](Infra::build_image): the one `[deploy]` names, or the only one.
    ///
    /// # Errors
    /// `NotFound` or `Invalid` when infra.toml does not say which; as [`build_image`](Infra::build_image).
    pub async fn build(&self) -> Result<BuiltImage> {
        let (name, _) = self.settings().image_to_deploy()?;
        self.build_image(name.as_str()).await
    }

    /// Builds the image that `[image.NAME]` describes, without a container engine; the same files give the same digest.
    ///
    /// # Errors
    /// `NotFound` when there is no such image or its files are missing; `Invalid` when they can not become one.
    pub async fn build_image(&self, name: &str) -> Result<BuiltImage> {
        let images = &self.settings().image;
        let (label, image) = images.get_key_value(name).ok_or_else(|| {
            unknown("image", name, images.keys().map(Label::as_str), "add it as `[image.NAME]`")
        })?;
        let repository = ImageName::new(format!("{}/{label}", self.settings().project.name))?;
        let spec = ImageSpec::of_config(repository, image, self.config().root())?;
        let built = images::build(&spec, &self.home().build(label)).await?;
        self.host().tell(&format!(
            "image {}@{} ({} KB)",
            built.name,
            built.digest().short(),
            built.size() / 1000
        ));
        Ok(built)
    }

    /// Pushes an image, sending only what the registry lacks, and gives the release it can become.
    ///
    /// # Errors
    /// What the registry fails with.
    pub async fn push(&self, image: &BuiltImage) -> Result<ReleaseSpec> {
        let version = self.version_label(image).await;
        let tags: Vec<Tag> = Tag::new(&version).into_iter().collect();
        let report = images::push(&*self.ports().images, image, &tags).await?;
        self.host().tell(&report.to_string());
        let project = self.settings().project.name.clone();
        let spec = ReleaseSpec::new(project, image.name.clone(), image.digest().clone(), version);
        Ok(spec.with_settings(&self.settings().deploy))
    }

    /// What people call this state of the repo: `git describe`, or the digest where there is no commit.
    async fn version_label(&self, image: &BuiltImage) -> String {
        let described = Cmd::new("git")
            .args(["describe", "--tags", "--always", "--dirty"])
            .dir(self.config().root())
            .cancel(self.host().cancel.clone())
            .output()
            .await;
        match described {
            Ok(finished) if finished.success() && !finished.stdout.trim().is_empty() => {
                finished.stdout.trim().to_owned()
            }
            _ => image.digest().short().to_owned(),
        }
    }
}
