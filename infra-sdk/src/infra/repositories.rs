//! Making and correcting the repositories that this repo's images are pushed to.

use crate::error::Result;
use crate::images::{RepositoriesReport, RepositoryChange, RepositoryPlan, RepositorySpec};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::ledger::Outcome;

/// What setting up a repository is called in the ledger.
const SETUP: &str = "image.repository";

/// How long a day is.
const DAY: u64 = 86_400;

impl Infra {
    /// What setting up the repositories of this repo's images would change: one for each `[image.NAME]`, in the region of
    /// the environment and in each of its `regions`.
    ///
    /// # Errors
    /// `NotBuilt` without the feature `aws-ecr`; `Invalid` when this environment keeps its images elsewhere; `NotFound`
    /// when infra.toml has no image; what the registry fails with.
    pub async fn plan_repositories(&self) -> Result<RepositoriesReport> {
        let wanted = self.repositories_wanted()?;
        let mut plans = Vec::new();
        for registry in providers::image_repositories(self)? {
            for spec in &wanted {
                plans.push(registry.plan(spec).await?);
            }
        }
        Ok(RepositoriesReport { repositories: plans, done: false })
    }

    /// Makes and corrects the repositories, and records what was changed.
    ///
    /// # Errors
    /// `Denied` when the credentials are of another account than infra.toml names, before anything is changed; otherwise
    /// as [`plan_repositories`](Infra::plan_repositories). What was changed stays, and the same call goes on from there.
    pub async fn set_up_repositories(&self) -> Result<RepositoriesReport> {
        self.before_change().await?;
        let wanted = self.repositories_wanted()?;
        // What one region could not do is known before another is touched.
        let mut planned = Vec::new();
        for registry in providers::image_repositories(self)? {
            for spec in &wanted {
                planned.push((registry.clone(), registry.plan(spec).await?));
            }
        }
        for (registry, plan) in &planned {
            registry.apply(plan).await?;
            self.note_repository(plan).await?;
        }
        let repositories = planned.into_iter().map(|(_, plan)| plan).collect();
        Ok(RepositoriesReport { repositories, done: true })
    }

    async fn note_repository(&self, plan: &RepositoryPlan) -> Result<()> {
        if plan.is_empty() {
            return Ok(());
        }
        let changes: Vec<String> = plan.changes.iter().map(RepositoryChange::to_string).collect();
        let details = [("registry", plan.registry.clone()), ("changes", changes.join("; "))];
        self.record(SETUP, &plan.repository, Outcome::Done, &details).await
    }

    fn repositories_wanted(&self) -> Result<Vec<RepositorySpec>> {
        let ecr = &self.settings().ecr;
        let wanted = self.images_meant(None)?.into_iter().map(|label| {
            Ok(RepositorySpec {
                name: self.image_named(label.as_str())?.1,
                keep: ecr.keep,
                keep_untagged: ecr.keep_untagged.0.as_secs() / DAY,
                pull_accounts: ecr.pull_accounts.clone(),
                key: ecr.kms_key.clone(),
            })
        });
        wanted.collect()
    }
}
