//! Releases that the target no longer keeps, made again from what the ledger knows of them.

use crate::deploy::{ReleaseId, ReleaseSpec};
use crate::error::{Error, Result};
use crate::infra::open::Infra;
use crate::ledger::{self, Entry, Outcome};
use crate::names::{ImageName, nearest};

impl Infra {
    /// What to roll out to be back at a release that the target does not keep; `None` when it keeps it. A release that
    /// failed is warned about.
    ///
    /// # Errors
    /// `NotFound` when neither target nor ledger know it, with the nearest one that they know, or when its image is gone.
    pub(super) async fn recorded_release(&self, id: &ReleaseId) -> Result<Option<ReleaseSpec>> {
        let status = self.ports().deploy.status().await?;
        if let Some(kept) = status.release(id) {
            if kept.accepted.is_none() {
                self.host().tell(&format!("warning: {kept} never became healthy"));
            }
            return Ok(None);
        }
        let entries = self.releases_in_ledger().await?;
        let of_release = || entries.iter().filter(|entry| named(entry) == Some(id.as_str()));
        let Some(spec) = of_release().rev().find_map(|entry| self.spec_of(entry)) else {
            let kept = status.releases.iter().map(|release| release.id.as_str());
            let known = kept.chain(entries.iter().filter_map(named));
            let error = Error::not_found(format!("the release {id} is not kept, and not in the ledger"))
                .with("environment", self.environment());
            return Err(match nearest(id.as_str(), known) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None if !status.releases.is_empty() => {
                    let kept: Vec<&str> = status.releases.iter().map(|release| release.id.as_str()).collect();
                    error.hint(format!(
                        "take one of {}, or one that `infra:ledger:show` names",
                        kept.join(", ")
                    ))
                }
                None => error.hint("take one from `infra:deploy:history` or `infra:ledger:show`"),
            });
        };
        if !of_release().any(|entry| entry.outcome == Outcome::Done) {
            self.host().tell(&format!("warning: {id} never became healthy"));
        }
        if self.is_code(&spec.image) {
            return Err(Error::not_found(format!("the release {id} is not kept any more"))
                .with("version", &spec.version)
                .hint("check out that version, and roll it out as a new release; or take one of `infra:deploy:history`"));
        }
        let (image, digest) = (&spec.image, &spec.digest);
        if self.ports().images.get_manifest(image, &digest.clone().into()).await?.is_none() {
            return Err(Error::not_found(format!("the image of the release {id} is gone"))
                .with("image", format!("{image}@{digest}"))
                .with("version", &spec.version)
                .hint("check out that version, and roll it out as a new release"));
        }
        self.with_surroundings(spec).await.map(Some)
    }

    /// The entries of this project in this environment that name a release, oldest first.
    async fn releases_in_ledger(&self) -> Result<Vec<Entry>> {
        let filter = ledger::Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: None,
        };
        let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
        Ok(history.entries.into_iter().filter(|entry| named(entry).is_some()).collect())
    }

    /// What an entry says of its release, if that is enough to make it again.
    fn spec_of(&self, entry: &Entry) -> Option<ReleaseSpec> {
        let detail = |key: &str| entry.details.get(key).map(String::as_str);
        // A deploy's subject is its image, also in entries from before there was a detail for it.
        let image = detail("image").or((entry.action == "deploy").then_some(&*entry.subject))?;
        let (image, digest) = (ImageName::new(image).ok()?, detail("digest")?.parse().ok()?);
        let project = self.settings().project.name.clone();
        let spec = ReleaseSpec::new(project, image, digest, detail("version").unwrap_or("unknown"));
        Some(spec.with_settings(&self.settings().deploy))
    }
}

fn named(entry: &Entry) -> Option<&str> {
    entry.details.get("release").map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::env::Env;
    use crate::infra::Host;

    #[test]
    fn the_code_of_a_worker_is_told_from_an_image_that_a_container_runs() {
        let home = std::env::temp_dir().join(format!("infra-sdk-code-{}", crate::id::short().unwrap()));
        let home = home.to_str().unwrap();
        let is_code = |more: &str, image: &str| {
            let text = format!(
                "[project]\nname = \"shop\"\nkind = \"webapp\"\norg = \"acme\"\n[env.staging]\nprovider = \"local\"\n\
                 [env.staging.deploy]\n{more}\n"
            );
            let config = Config::of_text(&text, home, "staging").unwrap();
            let infra = Infra::open(&Env::of([("INFRA_HOME", home)], home), config, Host::silent()).unwrap();
            infra.is_code(&ImageName::new(image).unwrap())
        };
        assert!(is_code("target = \"worker\"", "shop/worker"));
        assert!(!is_code("target = \"worker\"", "shop/app"), "a container's image lies in a registry");
        assert!(!is_code("target = \"local\"", "shop/worker"));
        let named = "target = \"worker\"\n[image.worker]\nfiles = \"dist\"\nentrypoint = [\"serve\"]";
        assert!(!is_code(named, "shop/worker"), "an image of that name");
    }
}
