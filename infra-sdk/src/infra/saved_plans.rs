//! Plans kept from their review to their apply: encrypted, signed, and each applied once.

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::ledger::{self, Filter, Outcome};
use crate::names::Label;
use crate::secrets::FingerprintKey;
use crate::terraform::{PlanFile, PlanPackage};

/// A sealed plan larger than this was not written here.
const LARGEST: u64 = 1_500_000_000;

/// What the key of an environment is used for here.
const PLAN: &str = "infra-sdk saved plan 2";
const APPLIED_PLAN: &str = "infra-sdk applied plan 1";

/// The end of the name of the note that a plan was applied.
const APPLIED: &str = "applied";

/// What saving a plan is called in the ledger.
const SAVE: &str = "plan.save";

/// A saved plan that was read and found to be ours.
pub(super) struct SavedPlan {
    pub(super) package: PlanPackage,
    /// The digest of the file it came from.
    pub(super) file: Digest,
}

impl Infra {
    pub(super) fn plan_path(&self, stack: &Label, folder: &Path) -> PathBuf {
        folder.join(format!("{stack}.plan.age"))
    }

    /// Keeps a plan, encrypted and under a key of this environment: age alone does not tell who encrypted. The ledger
    /// gets its digest: only the plan that was saved last can be applied.
    pub(super) async fn save_plan(&self, stack: &Label, plan: &PlanFile, folder: &Path) -> Result<PathBuf> {
        let commit = self.commit().await.map(|commit| commit.to_string());
        let key = self.state_key(stack);
        let backend = self.ports().state.settings(&key).await?;
        let package = PlanPackage::of(plan, &key, &backend, commit.clone())?.to_bytes()?;
        let mac = self.ports().keys.fingerprint_key().await?.mac(PLAN, &[&package]);
        let sealed = self.ports().sealer.seal(&[&mac[..], &package].concat())?;
        let path = self.plan_path(stack, folder);
        file::write(&path, &sealed, Access::Private)?;
        let mut details = vec![("sealed", Digest::of(&sealed).to_string())];
        details.extend(commit.map(|commit| ("commit", commit)));
        self.record(SAVE, stack.as_str(), Outcome::Done, &details).await?;
        Ok(path)
    }

    /// Reads a saved plan, and refuses one that was not saved here, not last, or for another state.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Denied` when nobody of this environment saved it, or another one after it;
    /// `Invalid` when it is for another state or damaged.
    pub(super) async fn load_plan(&self, stack: &Label, folder: &Path) -> Result<SavedPlan> {
        let path = self.plan_path(stack, folder);
        let Some(sealed) = file::read(&path, LARGEST)? else {
            return Err(Error::not_found(format!("the stack `{stack}` has no saved plan"))
                .with("path", path.display())
                .hint(
                    "make one with `cargo xtask infra:plan --save`, or name its folder with `--plans FOLDER`",
                ));
        };
        let bytes =
            self.ports().sealer.unseal(&sealed).map_err(|error| error.with("path", path.display()))?;
        let (mac, package) = bytes.expose().split_at_checked(32).unwrap_or_default();
        // Anybody can encrypt for the recipients. Without a key there is nothing that an honest plan could show.
        let key = self.ports().keys.kept_key().await?;
        if !key.is_some_and(|key| is_same(mac, &key.mac(PLAN, &[package]))) {
            return Err(Error::new(ErrorKind::Denied, "nobody of this environment saved this plan")
                .with("path", path.display())
                .hint("plan again in the environment whose secrets this one has"));
        }
        let file = Digest::of(&sealed);
        if self.saved_last(stack).await?.is_some_and(|last| last != file.as_str()) {
            return Err(Error::new(ErrorKind::Denied, "another plan of this stack was saved after this one")
                .with("path", path.display())
                .hint("look at the newer one, or plan again with `cargo xtask infra:plan --save`"));
        }
        let package = PlanPackage::from_bytes(package)?;
        let key = self.state_key(stack);
        if package.key != key.to_string() {
            return Err(Error::invalid("the saved plan is for another state")
                .with("path", path.display())
                .with("plan", &package.key)
                .with("wanted", key)
                .hint("choose the environment it was made for with `--env`, or plan again"));
        }
        if !package.is_for(&self.ports().state.settings(&key).await?)? {
            return Err(Error::invalid("the saved plan is for a state that was kept elsewhere")
                .with("path", path.display())
                .hint("it would be applied there, and not where infra.toml says now: plan again"));
        }
        Ok(SavedPlan { package, file })
    }

    /// The digest of the plan of a stack that was saved last, as far as the ledger knows.
    async fn saved_last(&self, stack: &Label) -> Result<Option<String>> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: Some(SAVE.into()),
        };
        let entries = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?.entries;
        let last = entries.iter().rev().find(|entry| entry.subject == stack.as_str());
        Ok(last.and_then(|entry| entry.details.get("sealed").cloned()))
    }

    /// Notes that the plan in the file `plan` was applied, so that the same command goes on with the next one after a
    /// failure.
    pub(super) async fn mark_applied(&self, stack: &Label, folder: &Path, plan: &Digest) -> Result<()> {
        let note = note(&self.ports().keys.fingerprint_key().await?, plan);
        file::write(&self.plan_path(stack, folder).with_extension(APPLIED), &note, Access::Private)
    }

    /// Whether this very plan was applied already, by somebody of this environment.
    pub(super) async fn is_applied(&self, stack: &Label, folder: &Path) -> Result<bool> {
        let path = self.plan_path(stack, folder);
        let (noted, sealed) = (file::read(&path.with_extension(APPLIED), 100)?, file::read(&path, LARGEST)?);
        let (Some(noted), Some(sealed)) = (noted, sealed) else { return Ok(false) };
        let Some(key) = self.ports().keys.kept_key().await? else { return Ok(false) };
        Ok(is_same(&noted, &note(&key, &Digest::of(&sealed))))
    }

    /// Removes the saved plans of all stacks: they can be applied only once.
    pub(super) fn forget_plans(&self, folder: &Path) -> Result<()> {
        for (name, _) in self.settings().stacks_in_order(self.environment()) {
            let path = self.plan_path(name, folder);
            // The note goes last: without its plan it says nothing.
            for path in [path.clone(), path.with_extension(APPLIED)] {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(file::failed("remove a saved plan", &path, error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn note(key: &FingerprintKey, plan: &Digest) -> [u8; 32] {
    key.mac(APPLIED_PLAN, &[plan.as_str().as_bytes()])
}

/// Compared without stopping at the first difference.
fn is_same(given: &[u8], expected: &[u8; 32]) -> bool {
    given.len() == expected.len() && given.iter().zip(expected).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}
