//! What repos read of each other: typed trees in, typed trees out, each publication recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::file::{self, Access};
use crate::infra::open::{Infra, Ports, Replica};
use crate::ledger::{self, Entry, Filter, Outcome};
use crate::names::{Label, ParamPath, unknown};
use crate::refs::{self, Check, Hcl, Listing, ParameterStore, PublishPlan, Published, Publisher};
use crate::secret::SecretValue;

/// The action of a publication in the ledger, and the detail that tells one from another.
const PUBLISH: &str = "publish";
const STATE: &str = "state";

impl Infra {
    /// Reads what stands at a reference: a name of `[refs]`, or a path such as `/infrastructure/network`.
    ///
    /// # Errors
    /// `NotFound` when there is no such reference; `Invalid` listing every field that is missing or of another type.
    pub async fn read<T: DeserializeOwned>(&self, reference: &str) -> Result<T> {
        let path = self.path_of(reference)?;
        refs::read(&*self.ports().params, &path).await.context(format!("read the reference `{reference}`"))
    }

    /// Makes the tree at `path` say exactly what `value` says, in every region of the environment; what is the same already
    /// is not written again. Its contract names this repo and its commit.
    ///
    /// # Errors
    /// `Invalid` listing every value that can not be kept, before anything is written; otherwise as
    /// [`publish_exports`](Infra::publish_exports).
    pub async fn publish<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<Exports<Published>> {
        let path = ParamPath::new(path)?;
        let publisher = self.publisher().await?;
        let mut plans = Vec::new();
        for (region, store) in self.regions()? {
            let plan = refs::publish_plan(store, &path, value).await?;
            plans.push(plan.by(&publisher).in_region(region));
        }
        self.publish_exports(Exports(plans)).await
    }

    /// What publishing every path of `[exports]` would change, from the outputs of its stack as they are now.
    ///
    /// # Errors
    /// `NotFound` when this repo exports nothing; what reading the outputs fails with; `Invalid` with every output that
    /// can not be published.
    pub async fn plan_exports(&self) -> Result<Exports<PublishPlan>> {
        let exports = &self.settings().exports;
        if exports.is_empty() {
            return Err(Error::not_found("this repo exports nothing")
                .hint("add `[exports]` to infra.toml, such as \"/infrastructure/network\" = { stack = \"network\" }"));
        }
        let terraform = self.terraform().await?;
        let publisher = self.publisher().await?;
        let mut plans = Vec::new();
        for (path, export) in exports {
            let (name, config) = self.stack_named(export.stack.as_str())?;
            let stack = self.open_stack(&terraform, name, config).await?;
            let outputs: BTreeMap<String, refs::Output> = stack
                .outputs_raw()
                .await?
                .into_iter()
                .map(|(name, output)| {
                    if let (true, Some(text)) = (output.sensitive, output.value.as_str()) {
                        self.host().learn(&SecretValue::new(text));
                    }
                    (name, refs::Output { value: output.value, sensitive: output.sensitive })
                })
                .collect();
            for (region, store) in self.regions()? {
                let plan = refs::publish_outputs_plan(store, path, &outputs).await?;
                plans.push(plan.by(&publisher).in_region(region));
            }
        }
        Ok(Exports(plans))
    }

    /// Publishes what was planned, one path after the other, and each in the environment's own region first. What is there
    /// already is recorded and told to others only if the run that wrote it was cut off before it could.
    ///
    /// # Errors
    /// `Conflict` for a tree that another repo published, before anything is written; see [`Exports::take_over`]. What the store fails with, saying which regions are done; paths before the failing one stay published.
    pub async fn publish_exports(&self, plans: Exports<PublishPlan>) -> Result<Exports<Published>> {
        plans.0.iter().try_for_each(PublishPlan::check_owner)?;
        self.before_change().await?;
        let (mut published, mut noted) = (Vec::new(), None);
        for plans in plans.0.chunk_by(|one, other| one.path == other.path) {
            published.extend(self.publish_path(plans, &mut noted).await?);
        }
        Ok(Exports(published))
    }

    /// Whether every reference of `[refs]` is there, and is promised as this repo reads it: for a deploy to ask before it
    /// begins. The types are those given to [`expecting`](Infra::expecting).
    ///
    /// # Errors
    /// `NotFound` listing every one that is not, with the nearest path that is; `Invalid` listing every field that is
    /// missing, renamed, or of another type.
    pub async fn check_references(&self) -> Result<Check> {
        let store = &*self.ports().params;
        let mut check = refs::check(store, &self.settings().refs).await?;
        for expected in self.expected() {
            let path = self.path_of(expected.reference())?;
            if !check.missing.iter().any(|missing| missing.path == path) {
                check.contracts.push(expected.check(store, &path).await?);
            }
        }
        check.into_result()
    }

    /// What this repo reads, as data sources and typed locals for Terraform; written to `out` where that is given.
    ///
    /// # Errors
    /// `NotFound` without `[refs]`, and for a reference that leads nowhere; `Denied` or `Io` when it cannot be written.
    pub async fn references_as_hcl(&self, out: Option<&Path>) -> Result<WrittenHcl> {
        let hcl = refs::hcl(&*self.ports().params, &self.settings().refs).await?;
        if let Some(out) = out {
            file::write(out, hcl.code.as_bytes(), Access::Shared)?;
        }
        Ok(WrittenHcl { hcl, file: out.map(Path::to_owned) })
    }

    /// What this repo reads and publishes, and what is there.
    ///
    /// # Errors
    /// What the store fails with.
    pub async fn list_references(&self) -> Result<Listing> {
        let settings = self.settings();
        refs::list(&*self.ports().params, &settings.refs, settings.exports.keys()).await
    }

    /// Publishes one path in each of its regions; `noted` are the earlier publications, once they were asked for.
    async fn publish_path(
        &self,
        plans: &[PublishPlan],
        noted: &mut Option<Vec<Entry>>,
    ) -> Result<Vec<Published>> {
        let mut done: Vec<Published> = Vec::new();
        for plan in plans {
            let elsewhere = |replica: &&Replica| Some(&replica.region) == plan.region.as_ref();
            let store = match self.ports().replicas.iter().find(elsewhere) {
                Some(replica) => &*replica.store,
                None => &*self.ports().params,
            };
            let failed = |error: Error| {
                let Some(region) = &plan.region else { return error };
                let before: Vec<&str> = done.iter().filter_map(|done| done.region.as_deref()).collect();
                let before = if before.is_empty() { "none".into() } else { before.join(", ") };
                let failed: Result<()> = Err(error).context(format!("publish `{}` in {region}", plan.path));
                let failed = failed.err().unwrap_or_else(|| Error::new(ErrorKind::Bug, "publish"));
                failed
                    .with("regions done", before)
                    .hint("run the same command again: what is there already is not written twice")
            };
            done.push(plan.clone().apply(store).await.map_err(failed)?);
        }
        let Some(path) = plans.first().map(|plan| &plan.path) else { return Ok(done) };
        let states: Vec<String> = plans.iter().zip(&done).map(|(plan, done)| plan.state(done)).collect();
        let state = states.join("; ");
        if plans.iter().all(PublishPlan::is_empty) && self.is_publication_noted(path, &state, noted).await? {
            return Ok(done);
        }
        let counts = |count: fn(&Published) -> usize| done.iter().map(count).sum::<usize>();
        let [written, removed] = [counts(|done| done.written.len()), counts(|done| done.removed.len())];
        let parameters = format!("{written} written, {removed} removed");
        let mut details = vec![("parameters", parameters), (STATE, state)];
        if done.len() > 1 {
            let regions: Vec<&str> = done.iter().filter_map(|done| done.region.as_deref()).collect();
            details.push(("regions", regions.join(", ")));
        }
        if let Some(owner) = done.iter().find_map(|done| done.former_owner.clone()) {
            details.push(("former-owner", owner));
        }
        self.record(PUBLISH, path.as_str(), Outcome::Done, &details).await?;
        self.announce(vocabulary::REFS_PUBLISHED, serde_json::json!({ "path": path })).await;
        Ok(done)
    }

    /// Whether the ledger knows of the publication that left a path as it is.
    async fn is_publication_noted(
        &self,
        path: &ParamPath,
        state: &str,
        noted: &mut Option<Vec<Entry>>,
    ) -> Result<bool> {
        let entries = match noted {
            Some(entries) => entries,
            None => {
                let filter = Filter {
                    env: Some(self.environment().clone()),
                    project: Some(self.settings().project.name.clone()),
                    action: Some(PUBLISH.to_owned()),
                };
                let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
                noted.insert(history.entries)
            }
        };
        // As it was recorded.
        let state = self.host().masks.apply(state);
        let says = |entry: &Entry| entry.details.get(STATE).is_some_and(|found| *found == state);
        Ok(entries.iter().any(|entry| entry.subject == path.as_str() && says(entry)))
    }

    /// Every region that is published to, the environment's own first; it has no name where it is the only one.
    fn regions(&self) -> Result<Vec<(Option<&str>, &dyn ParameterStore)>> {
        let Ports { params, replicas, .. } = self.ports();
        let own = self.config().section()?.region.as_deref().unwrap_or("the region of AWS_REGION");
        let own = (!replicas.is_empty()).then_some(own);
        let others = replicas.iter().map(|replica| (Some(replica.region.as_str()), &*replica.store));
        Ok([(own, &**params)].into_iter().chain(others).collect())
    }

    /// This repo at its commit, for contracts.
    async fn publisher(&self) -> Result<Publisher> {
        let project = &self.settings().project;
        let commit = self.commit().await.map(|commit| commit.to_string());
        Publisher::new(&project.org, &project.name, commit)
    }

    fn path_of(&self, reference: &str) -> Result<ParamPath> {
        if reference.starts_with('/') {
            return ParamPath::new(reference);
        }
        let refs = &self.settings().refs;
        refs.get(reference).cloned().ok_or_else(|| {
            let add = "add it to `[refs]`, or give a path that starts with `/`";
            unknown("reference", reference, refs.keys().map(Label::as_str), add)
        })
    }
}

/// References as Terraform code, and where that was written.
#[derive(Clone, Debug, Serialize)]
pub struct WrittenHcl {
    /// The code.
    #[serde(flatten)]
    pub hcl: Hcl,
    /// The file, if it was written to one.
    pub file: Option<PathBuf>,
}

impl fmt::Display for WrittenHcl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hcl { parameters, references, .. } = self.hcl;
        match &self.file {
            None => self.hcl.fmt(f),
            Some(file) => {
                write!(f, "{parameters} parameters of {references} references, in {}", file.display())
            }
        }
    }
}

/// One item for each path that is published, in each region: its plan, or what was published.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Exports<T>(pub Vec<T>);

impl Exports<PublishPlan> {
    /// Lets the plans be applied also to trees that another repo published, see [`PublishPlan::take_over`].
    #[must_use]
    pub fn take_over(self) -> Self {
        Exports(self.0.into_iter().map(PublishPlan::take_over).collect())
    }
}

impl<T: fmt::Display> fmt::Display for Exports<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}
