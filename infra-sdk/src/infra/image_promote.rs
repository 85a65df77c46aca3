//! Promoting an image: what another environment has comes into this one by its digest, byte for byte the same.

use crate::config::{Config, Flags};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::images::{self, CopyPlan, CopyReport, Reference};
use crate::infra::image_push::{Everywhere, InRegistry};
use crate::infra::image_ref::{ImageRef, resolve};
use crate::infra::images::digest_tag;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::names::{EnvName, ImageName, Tag};

/// What a promotion is called in the ledger.
const PROMOTE: &str = "image.promote";

/// An image of another environment, and the tags it will have here.
struct Candidate {
    from: Infra,
    image: ImageName,
    digest: Digest,
    tags: Vec<Tag>,
}

impl Infra {
    /// Another environment of this repo, for the same host.
    ///
    /// # Errors
    /// `NotFound` when infra.toml has no such environment; as [`Infra::open`].
    pub async fn other(&self, environment: &EnvName) -> Result<Infra> {
        let flags = Flags { env: Some(environment.to_string()), ..Flags::default() };
        Infra::open(self.env(), Config::load(self.env(), &flags).await?, self.host().clone())
    }

    /// What [`promote`](Infra::promote) would move.
    ///
    /// # Errors
    /// As [`promote`](Infra::promote).
    pub async fn plan_promote(
        &self,
        from: &EnvName,
        image: &ImageRef,
        tags: &[Tag],
    ) -> Result<Everywhere<CopyPlan>> {
        providers::before_apply(self).await?;
        let candidate = self.candidate(from, image, tags).await?;
        let source = &*candidate.from.ports().images;
        let mut plans = Vec::new();
        for registry in self.registries()? {
            let Candidate { image, digest, tags, .. } = &candidate;
            let what = images::plan_copy(source, &*registry, image, digest, tags).await?;
            plans.push(InRegistry { registry: registry.name().to_owned(), what });
        }
        Ok(Everywhere(plans))
    }

    /// Brings an image of the environment `from` into this one, by its digest: into its registry and those of its other
    /// regions, across accounts. It gets `tags`; without any it keeps the one it was named by, or when it was named by its
    /// digest all that it has there, or one of its digest.
    ///
    /// ```no_run
    /// # async fn example(production: infra_sdk::Infra) -> infra_sdk::Result<()> {
    /// let moved = production.promote(&"staging".parse()?, &"app:1.4.0".parse()?, &[]).await?;
    /// println!("{moved}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The credentials at hand must let both registries be asked: those of the account that is written to, and the other
    /// lets that account pull, as `pull_accounts` of `[ecr]` sets up.
    ///
    /// # Errors
    /// `Invalid` without a version, or when `from` is this environment; `NotFound` when it does not have the image;
    /// `Conflict` when a tag stands for another image here and cannot be moved; `Denied` when the credentials are of
    /// another account than infra.toml names for this environment; what the registries fail with otherwise.
    pub async fn promote(
        &self,
        from: &EnvName,
        image: &ImageRef,
        tags: &[Tag],
    ) -> Result<Everywhere<CopyReport>> {
        self.before_images().await?;
        let candidate = self.candidate(from, image, tags).await?;
        let Candidate { from: other, image, digest, tags } = &candidate;
        let source = &*other.ports().images;
        let mut reports = Vec::new();
        for registry in self.registries()? {
            let plan = images::plan_copy(source, &*registry, image, digest, tags).await?;
            let changes = !plan.is_empty();
            let what = plan.apply(source, &*registry, &self.transfer(image)).await?;
            let registry = registry.name().to_owned();
            self.note_image(PROMOTE, image, digest, &registry, &what.tags, changes).await?;
            reports.push(InRegistry { registry, what });
        }
        Ok(Everywhere(reports))
    }

    async fn candidate(&self, from: &EnvName, wanted: &ImageRef, tags: &[Tag]) -> Result<Candidate> {
        let Some(at) = &wanted.at else {
            return Err(Error::invalid(format!("which version of image {} is promoted?", wanted.name))
                .hint(format!("name it, as `{0}:1.4.0` or `{0}@sha256:…`", wanted.name))
                .hint(format!("`cargo xtask infra:image:list --env {from}` shows what there is")));
        };
        if from == self.environment() {
            return Err(Error::invalid(format!("an image cannot be promoted from {from} to {from}"))
                .hint("choose where it goes with `--env`, and where it comes from with `--from`"));
        }
        let from = self.other(from).await?;
        let (_, image, _) = self.image_named(wanted.name.as_str())?;
        let registry = &*from.ports().images;
        let digest = resolve(registry, &image, at).await?;
        let tags = match (tags, at) {
            ([], Reference::Tag(tag)) => vec![tag.clone()],
            ([], Reference::Digest(_)) => {
                let mut kept = Vec::new();
                for tag in registry.tags(&image).await? {
                    let found = registry.head_manifest(&image, &Reference::Tag(tag.clone())).await?;
                    if found.as_ref() == Some(&digest) {
                        kept.push(tag);
                    }
                }
                // What has no tag is cleared away in time, also while it is deployed.
                if kept.is_empty() {
                    kept.push(digest_tag(&digest)?);
                }
                kept
            }
            (given, _) => given.to_vec(),
        };
        Ok(Candidate { from, image, digest, tags })
    }
}
