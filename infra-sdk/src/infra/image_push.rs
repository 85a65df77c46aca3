//! Pushing an image to an environment's registry and to those of its other regions, each push recorded.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Result, ResultExt};
use crate::images::{self, BuiltImage, ImageRegistry, PushPlan, PushReport, TransferOptions};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::ledger::{self, Filter, Outcome};
use crate::names::{ImageName, Tag};

/// What a push is called in the ledger.
const PUSH: &str = "image.push";

/// What is done, or would be done, in one registry.
#[derive(Clone, Debug, Serialize)]
pub struct InRegistry<T> {
    /// How messages call the registry.
    pub registry: String,
    /// What is done there.
    #[serde(flatten)]
    pub what: T,
}

/// The same image in every registry of an environment.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Everywhere<T>(pub Vec<InRegistry<T>>);

impl<T: fmt::Display> fmt::Display for Everywhere<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, there) in self.0.iter().enumerate() {
            let line = if number == 0 { "" } else { "\n" };
            write!(f, "{line}{}: {}", there.registry, there.what)?;
        }
        Ok(())
    }
}

impl Infra {
    /// The registries of this environment: the one that is deployed from, then those of its other `regions`.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a region.
    pub(super) fn registries(&self) -> Result<Vec<Arc<dyn ImageRegistry>>> {
        let mut all = vec![self.ports().images.clone()];
        all.extend(providers::image_copies(self)?);
        Ok(all)
    }

    /// What pushing an image would send, and which tags it would set; without tags it gets the one of
    /// [`push`](Infra::push).
    ///
    /// # Errors
    /// `Denied` when the credentials are of another account than infra.toml names; what the registries fail with.
    pub async fn plan_push(&self, image: &BuiltImage, tags: &[Tag]) -> Result<Everywhere<PushPlan>> {
        let tags = self.tags_or_usual(image, tags).await?;
        providers::before_apply(self).await?;
        let mut plans = Vec::new();
        for registry in self.registries()? {
            let what = images::plan_push(&*registry, image, &tags).await?;
            plans.push(InRegistry { registry: registry.name().to_owned(), what });
        }
        Ok(Everywhere(plans))
    }

    /// Pushes an image to the environment's registry and to those of its other regions, sending only what each lacks, and
    /// records it; without tags it gets the one of [`push`](Infra::push).
    ///
    /// # Errors
    /// `Conflict` when a tag stands for another image and cannot be moved; `Denied` when the credentials are of another
    /// account than infra.toml names; what the registries fail with otherwise. What was sent stays, and the same push goes
    /// on from there.
    pub async fn push_image(&self, image: &BuiltImage, tags: &[Tag]) -> Result<Everywhere<PushReport>> {
        self.push_tagged(image, &self.tags_or_usual(image, tags).await?).await
    }

    /// The same with exactly these tags, or none.
    pub(super) async fn push_tagged(
        &self,
        image: &BuiltImage,
        tags: &[Tag],
    ) -> Result<Everywhere<PushReport>> {
        self.before_images().await?;
        let mut reports = Vec::new();
        for registry in self.registries()? {
            let plan = images::plan_push(&*registry, image, tags).await?;
            let moves = !plan.upload.is_empty() || !plan.platforms.is_empty();
            let changes = moves || plan.manifest || !plan.tags.is_empty();
            let what = plan.apply(&*registry, image, &self.transfer(&image.name)).await?;
            let registry = registry.name().to_owned();
            self.note_image(PUSH, &image.name, image.digest(), &registry, &what.tags, changes).await?;
            reports.push(InRegistry { registry, what });
        }
        Ok(Everywhere(reports))
    }

    async fn tags_or_usual(&self, image: &BuiltImage, tags: &[Tag]) -> Result<Vec<Tag>> {
        if tags.is_empty() { self.usual_tags(image).await } else { Ok(tags.to_vec()) }
    }

    /// How blobs travel: progress goes to the host, and what another image of this repo has is not sent again.
    pub(super) fn transfer(&self, image: &ImageName) -> TransferOptions {
        let (host, label) = (self.host().clone(), format!("send {image}"));
        let mut options = TransferOptions::new().on_progress(move |progress| {
            (host.on_progress)(&label, progress.done, progress.size);
        });
        for name in self.settings().image.keys() {
            let other = ImageName::new(format!("{}/{name}", self.settings().project.name));
            if let Ok(other) = other.as_ref().map(|other| self.ports().images.address(other)) {
                options = options.mount_from(other);
            }
        }
        options
    }

    /// Looks at everything that must be right, before the first blob is sent: the pin, the account, and whether what is
    /// done can be recorded.
    pub(super) async fn before_images(&self) -> Result<()> {
        self.before_change().await?;
        providers::before_apply(self).await?;
        self.ports().ledger.read(0, 1).await.context("look at the ledger before anything is sent")?;
        Ok(())
    }

    /// Records where an image is now. What changed nothing was recorded when it did, unless that run was killed before it
    /// could.
    pub(super) async fn note_image(
        &self,
        action: &str,
        image: &ImageName,
        digest: &Digest,
        registry: &str,
        tags: &[Tag],
        changed: bool,
    ) -> Result<()> {
        if !changed && self.is_image_noted(action, image, digest, registry).await? {
            return Ok(());
        }
        let mut details = vec![("digest", digest.to_string()), ("registry", registry.to_owned())];
        if !tags.is_empty() {
            details.push(("tags", tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")));
        }
        let recorded = self.record(action, image.as_str(), Outcome::Done, &details).await;
        recorded.context(format!("{image}@{digest} is in {registry}, but this could not be noted"))
    }

    async fn is_image_noted(
        &self,
        action: &str,
        image: &ImageName,
        digest: &Digest,
        registry: &str,
    ) -> Result<bool> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: Some(action.to_owned()),
        };
        let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
        Ok(history.entries.iter().any(|entry| {
            let says = |key: &str, value: &str| entry.details.get(key).is_some_and(|found| found == value);
            entry.subject == image.as_str() && says("digest", digest.as_str()) && says("registry", registry)
        }))
    }
}
