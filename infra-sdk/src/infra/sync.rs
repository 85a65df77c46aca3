//! Bringing this repo's values to the stores that `targets` names, and recording what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::env::CI;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::host::Host;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::ledger::{self, Filter, Outcome};
use crate::names::{Label, SecretName, unknown};
use crate::secrets::{
    FingerprintKey, SyncOptions, SyncPlan, SyncProgress, SyncReport, SyncState, SyncTarget, Values, plan_sync,
};

/// What a sync is called in the ledger.
const SYNC: &str = "secrets.sync";

impl Infra {
    /// What a sync would write, store by store, and how many requests that takes. `only` names some of the stores; none
    /// means all.
    ///
    /// # Errors
    /// `NotFound` listing every required secret without a value; `Invalid` listing every value a store could not take;
    /// `NotBuilt` or `Denied` when a store can not be opened; what looking at the stores fails with.
    pub async fn plan_sync(&self, options: SyncOptions, only: &[Label]) -> Result<SyncPlan> {
        self.refuse_blind_prune(options)?;
        let values = self.values_to_sync().await?;
        let targets = self.targets_with(&values, only, &BTreeSet::new())?;
        plan_sync(targets, self.sync_state_seen().await?, options).await.map_err(others_go_on)
    }

    /// What is kept, and in CI what the job was given. A value in `.env` that is not the kept one would be written today
    /// and taken back by whoever has no such `.env`.
    async fn values_to_sync(&self) -> Result<Values> {
        let sources = self.sources().await?;
        let kept = self.collect(&sources, None);
        let Some(dotenv) = self.personal()? else {
            self.require(&kept)?;
            return Ok(kept);
        };
        let values = self.collect(&sources, Some(&dotenv));
        self.require(&values)?;
        let differs = |name: &&SecretName| values.get(name) != kept.get(name);
        let differing: Vec<String> = values
            .iter()
            .map(|(name, _)| name)
            .filter(differs)
            .map(|name| values.origin(name).map_or(name.to_string(), |origin| format!("{name} ({origin})")))
            .collect();
        if differing.is_empty() {
            return Ok(kept);
        }
        Err(Error::new(ErrorKind::Conflict, "`.env` has other values than those that are kept")
            .with("secrets", differing.join(", "))
            .with("kept in", self.ports().secret_source.name())
            .hint("to keep and sync them run `cargo xtask infra:secrets:setup` first")
            .hint("if they are old, as after somebody else's rotation, remove them from `.env`"))
    }

    /// What a CI job was not given may be needed all the same: by another job, or because a rotation is under way.
    fn refuse_blind_prune(&self, options: SyncOptions) -> Result<()> {
        if !options.prune || !self.env().flag(CI) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "a CI job can not tell what nobody needs any more")
            .hint("leave `--prune` out here, and run the sync with it where a person works"))
    }

    /// The stores and what each should hold.
    pub(super) fn targets_with(
        &self,
        values: &Values,
        only: &[Label],
        retired: &BTreeSet<SecretName>,
    ) -> Result<Vec<SyncTarget>> {
        let wanted = self.sync_targets()?;
        if let Some(label) = only.iter().find(|label| !wanted.contains_key(label.as_str())) {
            let known = wanted.keys().map(Label::as_str);
            return Err(unknown("store that secrets go to", label.as_str(), known, "name it in `targets`"));
        }
        let mut targets = Vec::new();
        for (label, names) in wanted {
            if !only.is_empty() && !only.contains(&label) {
                continue;
            }
            let (store, pace) = self.open_store(&label)?;
            // The old value of a rotation goes where the new one goes.
            let goes = |name: &SecretName| names.contains(values.previous_of(name).unwrap_or(name));
            let values = values.iter().filter(|(name, _)| goes(name));
            let values = values.map(|(name, value)| (name.clone(), value.clone())).collect();
            targets.push(SyncTarget { values, label, store, retired: retired.clone(), pace });
        }
        Ok(targets)
    }

    /// Plans and makes a sync, while no other of this repo and environment runs on this machine; `shown` is told the plan
    /// first. Every write is recorded, also those of a sync that was killed before it could record them; what such a sync
    /// removed is not.
    ///
    /// # Errors
    /// As [`plan_sync`](Self::plan_sync); `Locked` naming who syncs now. What fails later stands in the report.
    pub async fn sync(
        &self,
        options: SyncOptions,
        only: &[Label],
        shown: impl FnOnce(&SyncPlan) + Send,
    ) -> Result<SyncReport> {
        self.before_change().await?;
        self.sync_retiring(options, only, &BTreeSet::new(), shown).await
    }

    pub(super) async fn sync_retiring(
        &self,
        options: SyncOptions,
        only: &[Label],
        retired: &BTreeSet<SecretName>,
        shown: impl FnOnce(&SyncPlan) + Send,
    ) -> Result<SyncReport> {
        let lock = self.lock("secrets-sync", "sync secrets").await?;
        let done = self.sync_locked(options, only, retired, shown).await;
        let unlocked = lock.finish().await;
        let report = done?;
        unlocked?;
        Ok(report)
    }

    async fn sync_locked(
        &self,
        options: SyncOptions,
        only: &[Label],
        retired: &BTreeSet<SecretName>,
        shown: impl FnOnce(&SyncPlan) + Send,
    ) -> Result<SyncReport> {
        self.refuse_blind_prune(options)?;
        let values = self.values_to_sync().await?;
        let targets = self.targets_with(&values, only, retired)?;
        let plan = plan_sync(targets, self.sync_state().await?, options).await.map_err(others_go_on)?;
        shown(&plan);
        let by = ledger::actor(self.env());
        let report = plan.apply(&by, self.progress(), &self.host().cancel).await?;
        // Also what a sync wrote that was killed before it could say so.
        self.record_sync(&report).await.context("the secrets are written, but this could not be noted")?;
        Ok(report)
    }

    fn progress(&self) -> Arc<dyn SyncProgress> {
        Arc::new(Progress(self.host().clone()))
    }

    /// The record of earlier syncs: in the repo beside the vault, or on this machine beside the values.
    pub(super) async fn sync_state(&self) -> Result<SyncState> {
        self.state_with(self.ports().keys.fingerprint_key().await?)
    }

    /// The same for looking only: without a key there is nothing that was made with one.
    pub(super) async fn sync_state_seen(&self) -> Result<SyncState> {
        match self.ports().keys.kept_key().await? {
            Some(key) => self.state_with(key),
            None => self.state_with(FingerprintKey::generate()?),
        }
    }

    fn state_with(&self, key: FingerprintKey) -> Result<SyncState> {
        Ok(SyncState::open(self.sync_state_path(), self.home().secrets().join("sync.seen"), key))
    }

    pub(super) fn sync_state_path(&self) -> PathBuf {
        if providers::vault::keeps_values(self.config()) {
            let vault = self.config().root().join(&self.settings().vault.dir);
            return vault.join(format!("{}.state", self.environment()));
        }
        self.home().secrets().join("sync.state")
    }

    /// One entry for each store: what the state knows to be written and the ledger does not, and what was removed now.
    async fn record_sync(&self, report: &SyncReport) -> Result<()> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: Some(SYNC.into()),
        };
        let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
        let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let by = ledger::actor(self.env());
        // What another person wrote stands in that person's ledger: the state is shared where the vault is.
        for known in self.sync_state().await?.known()?.into_iter().filter(|known| known.by == by) {
            let recorded = history.entries.iter().any(|entry| {
                let names = entry.details.get("written").map(String::as_str).unwrap_or_default();
                entry.time >= known.time
                    && entry.subject == known.target_id
                    && names.split(' ').any(|name| name == known.name.as_str())
            });
            if !recorded {
                written.entry(known.target_id).or_default().insert(known.name.to_string());
            }
        }
        let mut pruned: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for target in report.targets.iter().filter(|target| !target.pruned.is_empty()) {
            pruned.insert(target.id.clone(), target.pruned.iter().map(ToString::to_string).collect());
        }
        let mut left: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for target in report.targets.iter().filter(|target| target.failure.is_some()) {
            left.insert(target.id.clone(), target.left.iter().map(ToString::to_string).collect());
        }
        let subjects: BTreeSet<&String> = written.keys().chain(pruned.keys()).chain(left.keys()).collect();
        for subject in subjects {
            let names = |all: &BTreeMap<String, BTreeSet<String>>| {
                let names = all.get(subject.as_str()).into_iter().flatten();
                names.map(String::as_str).collect::<Vec<_>>().join(" ")
            };
            let details = [("written", names(&written)), ("removed", names(&pruned)), ("left", names(&left))];
            let details: Vec<(&str, String)> =
                details.into_iter().filter(|(_, names)| !names.is_empty()).collect();
            let outcome = if left.contains_key(subject) { Outcome::Failed } else { Outcome::Done };
            self.record(SYNC, subject, outcome, &details).await?;
            let data =
                serde_json::json!({ "store": subject, "names": names(&written), "removed": names(&pruned) });
            self.announce(vocabulary::SECRETS_CHANGED, data).await;
        }
        Ok(())
    }
}

/// A store that can not be looked at stops a sync before its first write.
fn others_go_on(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Invalid => error,
        _ => error.hint("to sync the other stores meanwhile, name them: `--only STORE`"),
    }
}

/// Hands the progress of a sync on to the host.
struct Progress(Host);

impl SyncProgress for Progress {
    fn wrote(&self, target: &Label, done: usize, of: usize) {
        (self.0.on_progress)(&format!("write to {target}"), done as u64, of as u64);
    }

    fn waiting(&self, target: &Label, wait: Duration, why: &str) {
        self.0.tell(&format!("{target}: waiting {} s: {why}", wait.as_secs().max(1)));
    }
}
