//! Back to how a stack was before an apply: by the code of then, and in sight of what cannot be undone.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::infra::code::{Code, DIRTY};
use crate::infra::open::Infra;
use crate::ledger::{Entry, Filter, Outcome, history};
use crate::names::Label;
use crate::plan::Veil;
use crate::plan::rollback::{StateJson, WayBack};
use crate::state::SnapshotId;
use crate::terraform::{Applied, PlanFile, Stack};

/// Where to go back to. By default before the last apply of the stack.
#[derive(Clone, Debug, Default)]
pub struct RollbackTo {
    /// A copy of the state, by the id that the ledger shows; with none, the one before the last apply.
    pub snapshot: Option<SnapshotId>,
    /// The commit whose code is applied; with none, the one that was applied last before that copy was made.
    pub commit: Option<String>,
}

/// What going back would do.
#[derive(Debug, Serialize)]
pub struct PlannedRollback {
    /// The stack.
    pub stack: Label,
    /// The copy of the state it goes back to; `None` is before anything was there.
    pub snapshot: Option<SnapshotId>,
    /// The commit whose code is applied; `None` when everything is destroyed.
    pub commit: Option<String>,
    /// What has happened since, and what undoes it.
    pub way_back: WayBack,
    /// What Terraform would do with that code, in numbers and names.
    pub plan: PlanFile,
    /// Resources it would touch although nothing happened to them since.
    pub strays: Vec<String>,
    #[serde(skip)]
    shown: String,
    #[serde(skip)]
    opened: Stack,
    #[serde(skip)]
    code: Option<Code>,
}

impl fmt::Display for PlannedRollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What going back did.
#[derive(Debug, Serialize)]
pub struct RolledBack {
    /// What was applied; `None` when there was nothing to undo.
    pub applied: Option<Applied>,
    /// The commit whose code is applied now.
    pub commit: Option<String>,
    /// What stays lost, and why.
    pub lost: Vec<String>,
}

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.applied {
            Some(applied) => write!(f, "rolled back {applied}")?,
            None => f.write_str("nothing was to be rolled back")?,
        }
        self.lost.iter().try_for_each(|lost| write!(f, "\nstays lost: {lost}"))?;
        match &self.commit {
            Some(commit) => write!(
                f,
                "\nthe code of commit {commit} is what runs now: revert to it in the repo as well, or the next apply brings the change back"
            ),
            None => Ok(()),
        }
    }
}

impl Infra {
    /// What bringing a stack back to how it was before an apply would do. Changes nothing.
    ///
    /// Terraform plans with the code that was applied before, so that the plan is the inverse of what was
    /// done; what it touches beyond that is named.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack, apply or copy; `Invalid` when the code of then is not known; what
    /// Terraform fails with.
    pub async fn plan_rollback<V: Serialize + Sync>(
        &self,
        stack: &str,
        to: &RollbackTo,
        variables: &V,
    ) -> Result<PlannedRollback> {
        let (name, config) = self.stack_named(stack)?;
        let key = self.state_key(name);
        let entries = self.applies_of(name).await?;
        let target = self.target(name, &entries, to).await?;
        let state = &self.ports().state;
        let copy = match &target.snapshot {
            Some(id) => Some(state.read_snapshot(&key, id).await?.ok_or_else(|| self.no_copy(id))?),
            None => None,
        };
        let terraform = self.terraform().await?;
        let code = match &target.commit {
            Some(commit) => Some(self.code_at(commit, &self.home().terraform(name)).await?),
            None => None,
        };
        let root = code.as_ref().map_or_else(|| self.config().root().to_path_buf(), |code| code.root.clone());
        let opened = self.open_stack_at(&terraform, name, config, root).await?;
        let present = state.read(&key).await?;
        let way_back = {
            let copy = copy.as_deref().map(StateJson::parse).transpose()?;
            let present = present.as_deref().map(StateJson::parse).transpose()?;
            WayBack::between(copy.as_ref(), present.as_ref())?
        };
        let plan = match &target.commit {
            Some(_) => opened.plan(variables).await?,
            None => opened.plan_destroy(variables).await?,
        };
        let strays = way_back.strays(&plan.plan()?);
        let mut planned = PlannedRollback {
            stack: name.clone(),
            snapshot: target.snapshot,
            commit: target.commit,
            way_back,
            plan,
            strays,
            shown: String::new(),
            opened,
            code,
        };
        planned.shown = Veil::of(&planned.plan.plan()?)?.apply(&told(&planned)).into_owned();
        Ok(planned)
    }

    /// Goes back as planned; the apply is recorded.
    ///
    /// # Errors
    /// `Conflict` when the state was changed since the plan was made; what Terraform fails with.
    pub async fn roll_back(&self, planned: PlannedRollback) -> Result<RolledBack> {
        let PlannedRollback { stack, snapshot, commit, way_back, plan, opened, code, .. } = planned;
        let lost = way_back
            .losses()
            .map(|step| step.to_string().trim_start_matches([' ', '!']).to_owned())
            .collect();
        let to = snapshot.map_or_else(|| "none".to_owned(), |id| id.as_str().to_owned());
        let applied = if plan.has_changes() {
            let details =
                vec![("rollback-to", to), ("commit", commit.clone().unwrap_or_else(|| "none".into()))];
            Some(self.apply_recorded(&stack, &opened, plan, details).await?)
        } else {
            None
        };
        // Terraform is done with it only now.
        drop((opened, code));
        Ok(RolledBack { applied, commit, lost })
    }

    /// The applies of a stack that the ledger knows, oldest first.
    async fn applies_of(&self, stack: &Label) -> Result<Vec<Entry>> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: Some("apply".into()),
        };
        let all = history(&*self.ports().ledger, &filter, usize::MAX).await?.entries;
        Ok(all.into_iter().filter(|entry| entry.subject == stack.as_str()).collect())
    }

    async fn target(&self, stack: &Label, entries: &[Entry], to: &RollbackTo) -> Result<Target> {
        let snapshot_of = |entry: &Entry| entry.details.get("snapshot").cloned();
        let found = match &to.snapshot {
            Some(id) => entries.iter().rposition(|entry| snapshot_of(entry).as_deref() == Some(id.as_str())),
            None => entries.len().checked_sub(1),
        };
        let Some(at) = found else {
            let copies = self.ports().state.snapshots(&self.state_key(stack)).await?;
            return match (&to.snapshot, &to.commit) {
                (Some(id), Some(_)) if copies.iter().any(|copy| copy.id == *id) => {
                    Ok(Target { snapshot: to.snapshot.clone(), commit: to.commit.clone() })
                }
                (Some(id), _) => {
                    let known: Vec<&str> = copies.iter().rev().take(5).map(|copy| copy.id.as_str()).collect();
                    Err(self.no_copy(id).hint(match known[..] {
                        [] => "no copy of this state is kept".to_owned(),
                        _ => format!("the newest copies are {}", known.join(", ")),
                    }))
                }
                (None, _) => {
                    Err(Error::not_found(format!("the ledger knows no apply of the stack `{stack}`"))
                        .with("environment", self.environment())
                        .hint("there is nothing to go back from; see `cargo xtask infra:ledger:show`"))
                }
            };
        };
        let snapshot = snapshot_of(&entries[at]).filter(|id| id != "none").map(SnapshotId::new);
        if to.commit.is_some() || snapshot.is_none() {
            return Ok(Target { snapshot, commit: to.commit.clone() });
        }
        let before = entries[..at].iter().rev().find(|entry| entry.outcome == Outcome::Done);
        let commit = before.and_then(|entry| entry.details.get("commit"));
        match commit {
            Some(commit) if !commit.ends_with(DIRTY) => Ok(Target { snapshot, commit: Some(commit.clone()) }),
            Some(commit) => {
                Err(unknown_code(format!("it was applied from files that differed from commit {commit}")))
            }
            None => Err(unknown_code("the ledger names no commit for the apply before it")),
        }
    }

    fn no_copy(&self, id: &SnapshotId) -> Error {
        Error::not_found(format!("there is no copy {} of the state", crate::names::quoted(id.as_str())))
    }
}

struct Target {
    snapshot: Option<SnapshotId>,
    commit: Option<String>,
}

fn unknown_code(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("the code to go back to is not known: {why}"))
        .hint("name the commit whose code to apply with `--commit`, or check it out and apply it")
}

fn told(planned: &PlannedRollback) -> String {
    let to =
        planned.snapshot.as_ref().map_or("before there was anything".to_owned(), |id| format!("copy {id}"));
    let code = planned
        .commit
        .as_ref()
        .map_or("destroying all of it".to_owned(), |commit| format!("the code of commit {commit}"));
    let mut text = format!("{}: back to {to}, by {code}", planned.stack);
    text.push_str(&format!("\nwhat has happened since, and what undoes it:\n{}", planned.way_back));
    text.push_str(&format!("\nwhat Terraform will do: {}", planned.plan.summary()));
    if !planned.strays.is_empty() {
        text.push_str(&format!(
            "\nwarning: it also touches what nothing happened to since: {}",
            planned.strays.join(", ")
        ));
    }
    text
}
