//! New values in time: rotating a secret here and at every store, and the status of all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::infra::open::Infra;
use crate::ledger::Outcome;
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{
    self, Action, Known, KnownState, RotationPlan, RotationReport, RotationState, RotationStep,
    SecretsStatus, SyncOptions, SyncReport, SyncState, SyncTarget, TargetState, Values, plan_sync,
};
use crate::time::Timestamp;

/// A rotation that was made, here and at the stores.
#[derive(Clone, Debug, Serialize)]
pub struct Rotated {
    /// What was done where this repo's values are kept.
    pub rotation: RotationReport,
    /// What was done at the stores.
    pub sync: SyncReport,
}

impl Rotated {
    /// Fails unless every store has what it should.
    ///
    /// # Errors
    /// As [`SyncReport::complete`].
    pub fn complete(&self) -> Result<()> {
        self.sync.complete()
    }
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rotation)?;
        if self.sync.targets.is_empty() { Ok(()) } else { write!(f, "\n{}", self.sync) }
    }
}

impl Infra {
    /// What rotating a secret, or with `finish` ending its rotation, does next, here and at every store.
    ///
    /// # Errors
    /// As [`secrets::plan_rotation`]; what the stores fail with.
    pub async fn plan_rotation(&self, name: &SecretName, finish: bool) -> Result<RotationPlan> {
        self.rotation_plan(name, finish, true).await
    }

    /// Whether [`rotate`](Self::rotate) takes a new value now, without asking any store.
    ///
    /// # Errors
    /// As [`plan_rotation`](Self::plan_rotation).
    pub async fn begins_rotation(&self, name: &SecretName) -> Result<RotationPlan> {
        self.rotation_plan(name, false, false).await
    }

    async fn rotation_plan(&self, name: &SecretName, finish: bool, look: bool) -> Result<RotationPlan> {
        let sources = self.sources().await?;
        let values = self.collect(&sources, self.personal()?.as_ref());
        let targets = if look { self.target_states(&values).await? } else { Vec::new() };
        let state = RotationState { stored: &sources.stored, values: &values, targets: &targets };
        let mut plan = secrets::plan_rotation(&self.secret_needs(), name, state, finish)?;
        if !look && plan.step == RotationStep::Nothing {
            // Nobody looked: the sync that follows finds out what is left.
            plan.step = RotationStep::Continue;
        }
        Ok(plan)
    }

    /// Makes the next step of a rotation: here first, then in `.env` if the old value stands there, then at every store.
    /// Doing the same again continues where it was stopped. `new` is taken when a rotation begins.
    ///
    /// # Errors
    /// As [`plan_rotation`](Self::plan_rotation) and [`RotationPlan::apply`]; `Invalid` when the new value has not the
    /// declared form. What a store fails with stands in the report.
    pub async fn rotate(&self, name: &SecretName, finish: bool, new: Option<SecretValue>) -> Result<Rotated> {
        self.before_change().await?;
        if let (Some(value), Some(spec)) = (&new, self.secret_needs().get(name)) {
            self.host().learn(value);
            secrets::check_form(name, spec.form, value)?;
        }
        let lock = self.patient_lock("secrets").await?;
        let done = self.rotate_locked(name, finish, new).await;
        let unlocked = lock.finish().await;
        let mut rotation = done?;
        unlocked?;
        // What is left there is told by the sync that follows at once.
        rotation.left.clear();
        let retired = if finish { BTreeSet::from([rotation.previous.clone()]) } else { BTreeSet::new() };
        let sync = self.sync_retiring(SyncOptions::default(), &[], &retired, |_| ()).await;
        let sync = sync.context("the rotation is made here, but not at the stores: run it again")?;
        Ok(Rotated { rotation, sync })
    }

    async fn rotate_locked(
        &self,
        name: &SecretName,
        finish: bool,
        new: Option<SecretValue>,
    ) -> Result<RotationReport> {
        // Only its end depends on what the stores have.
        let plan = self.rotation_plan(name, finish, finish).await?;
        let report = plan.apply(new, &*self.ports().secrets).await?;
        // Also after a run that was killed right here.
        let old = self.ports().secret_source.get(&report.previous).await?;
        let now = self.ports().secret_source.get(name).await?;
        if let (Some(old), Some(now)) = (old, now) {
            self.host().learn(&now);
            self.replace_in_dotenv(name, &old, &now)?;
        }
        if !report.changed.is_empty() {
            let names: Vec<&str> = report.changed.iter().map(SecretName::as_str).collect();
            let what = if report.step == RotationStep::Finish { "finish" } else { "begin" };
            let details = [("names", names.join(" ")), ("step", what.to_owned())];
            self.record("secrets.rotate", name.as_str(), Outcome::Done, &details).await?;
        }
        Ok(report)
    }

    /// The value of before a rotation would come back with the next setup.
    fn replace_in_dotenv(&self, name: &SecretName, old: &SecretValue, new: &SecretValue) -> Result<()> {
        let Some(dotenv) = self.dotenv()? else { return Ok(()) };
        match (dotenv.get(name), dotenv.origin(name)) {
            (Some(value), Some((path, _))) if value == old && old != new => {
                secrets::set_in_dotenv(path, name, new).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The value that a program prints, to rotate to.
    ///
    /// # Errors
    /// `Failed` when the program fails; `Invalid` when it prints nothing, or no text.
    pub async fn value_from(&self, program: &str, args: &[String]) -> Result<SecretValue> {
        let command = self.host().command(program).args(args).dir(self.config().root());
        let finished = command.output().await?;
        if !finished.success() {
            return Err(Error::new(ErrorKind::Failed, "the command for the new value failed")
                .with("program", program)
                .with("code", finished.code.map_or("a signal".into(), |code| code.to_string()))
                .hint("run it by hand; what it printed is not shown, because it may be the value"));
        }
        if finished.stdout.contains('\u{fffd}') {
            return Err(Error::invalid("the command printed a value that is not UTF-8 text")
                .hint("let the command print it as base64"));
        }
        secrets::value_from_output(finished.stdout.into_bytes())
    }

    /// What is where, how old it is, and what is next, by name. Every store is looked at; one that can not be is a
    /// warning, and what is known of it is unknown.
    ///
    /// # Errors
    /// What reading `.env` and this repo's values fails with.
    pub async fn secrets_status(&self) -> Result<SecretsStatus> {
        let values = self.values().await?;
        let targets = self.target_states_seen(&values).await?;
        let stored = self.ports().secrets.list().await?;
        Ok(secrets::status(&self.secret_needs(), &values, &stored, &targets, Timestamp::now()))
    }

    async fn target_states(&self, values: &Values) -> Result<Vec<TargetState>> {
        let targets = self.targets_with(values, &[], &BTreeSet::new())?;
        states_of(targets, &self.sync_state_seen().await?, SyncOptions::default()).await
    }

    async fn target_states_seen(&self, values: &Values) -> Result<Vec<TargetState>> {
        let (mut states, written) = (Vec::new(), self.sync_state_seen().await?);
        let look = SyncOptions { drift: true, ..SyncOptions::default() };
        for (label, names) in self.sync_targets()? {
            let targets = self.targets_with(values, std::slice::from_ref(&label), &BTreeSet::new());
            let seen = match targets {
                Ok(targets) => states_of(targets, &written, look).await,
                Err(error) => Err(error),
            };
            match seen {
                Ok(seen) => states.extend(seen),
                Err(error) => {
                    self.host().tell(&format!("warning: {label}: {}", error.report()));
                    let unknown = || Known { state: KnownState::Unknown, time: None, by: None };
                    let secrets = names.into_iter().map(|name| (name, unknown())).collect();
                    states.push(TargetState { label: label.to_string(), secrets });
                }
            }
        }
        Ok(states)
    }
}

/// What is known of each target: what was written there, and how it compares now.
async fn states_of(
    targets: Vec<SyncTarget>,
    state: &SyncState,
    options: SyncOptions,
) -> Result<Vec<TargetState>> {
    let written = state.known()?;
    let mut plan = plan_sync(targets, state.clone(), options).await?;
    // What is not known of one store must not pass for what is known of all.
    if let Some(unseen) = plan.unseen.pop() {
        return Err(unseen.error);
    }
    let states = plan.targets.iter().map(|target| {
        let of_target = written.iter().filter(|known| known.target_id == target.id);
        let written: BTreeMap<_, _> = of_target.map(|known| (&known.name, known)).collect();
        let secrets = target.secrets.iter().filter_map(|secret| {
            let known = written.get(&secret.name);
            let state = state_of(secret.action, known.is_some())?;
            let (time, by) = (known.map(|it| it.time), known.map(|it| it.by.clone()));
            Some((secret.name.clone(), Known { state, time, by }))
        });
        TargetState { label: target.target.to_string(), secrets: secrets.collect() }
    });
    Ok(states.collect())
}

/// What an action that a sync would take says of a secret; nothing for somebody else's.
fn state_of(action: Action, known: bool) -> Option<KnownState> {
    Some(match action {
        Action::Unchanged => KnownState::InSync,
        Action::Update if known => KnownState::ChangedLocally,
        Action::Create if known => KnownState::Drifted,
        Action::Create | Action::Update => KnownState::NeverWritten,
        Action::Drifted => KnownState::Drifted,
        Action::Prune => KnownState::NotNeeded,
        Action::Foreign => return None,
    })
}
