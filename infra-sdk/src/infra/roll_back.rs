//! Back to how a stack was before an apply: by the code of then, and in sight of what cannot be undone.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::infra::applies::{overtaken, require_allowed};
use crate::infra::code::{Code, DIRTY};
use crate::infra::open::Infra;
use crate::ledger::{Entry, Filter, Outcome, history};
use crate::names::Label;
use crate::plan::judge::Findings;
use crate::plan::rollback::{StateJson, WayBack};
use crate::plan::{Summary, Veil};
use crate::state::{SnapshotId, StateDiff, StateDocument};
use crate::terraform::{Applied, PlanFile, Stack};

/// Where to go back to. By default before the last apply of the stack.
#[derive(Clone, Debug, Default)]
pub struct RollbackTo {
    /// A copy of the state, by the id that the ledger shows; with none, the one before the last apply.
    pub snapshot: Option<SnapshotId>,
    /// The commit whose code is applied; with none, the one that was applied last before that copy was made.
    pub commit: Option<String>,
    /// Whether it may destroy or replace resources to which nothing happened since.
    pub strays: bool,
}

/// What going back would do. Its texts hold no secret of the plan.
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
    pub summary: Summary,
    /// Resources it would touch although nothing happened to them since.
    pub strays: Vec<String>,
    /// What judges say of it.
    pub findings: Findings,
    /// Files that git does not hold and that were taken along from the checkout: variables.
    pub taken_along: Vec<String>,
    #[serde(skip)]
    allows_strays: bool,
    #[serde(skip)]
    plan: PlanFile,
    #[serde(skip)]
    opened: Stack,
    #[serde(skip)]
    code: Option<Code>,
}

impl fmt::Display for PlannedRollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(self))
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
        let state = &self.ports().state;
        let present = state.read(&key).await?;
        let entries = self.applies_of(name).await?;
        let target = self.target(name, &entries, present.as_deref(), to).await?;
        let copy = match &target.snapshot {
            Some(id) => Some(state.read_snapshot(&key, id).await?.ok_or_else(|| self.no_copy(id))?),
            None => None,
        };
        // Before anything is planned with them: whole, of a known format, and of one history.
        StateDiff::between(
            copy.as_deref().map(StateDocument::parse).transpose()?.as_ref(),
            present.as_deref().map(StateDocument::parse).transpose()?.as_ref(),
        )
        .map_err(|error| error.with("stack", name).hint("choose another copy with `--copy`"))?;
        let terraform = self.terraform().await?;
        let (mut config, mut root, mut taken_along) =
            (config.clone(), self.config().root().to_path_buf(), Vec::new());
        let code = match &target.commit {
            Some(commit) => Some(self.code_at(commit, &self.home().terraform(name)).await?),
            None => None,
        };
        if let Some(code) = &code {
            root = code.root.clone();
            config.dir = code.stack_dir(name)?;
            taken_along = self.take_variables_along(&config.dir, &root).await?;
        }
        let opened = self.open_stack_at(&terraform, name, &config, root).await?;
        let way_back = {
            let copy = copy.as_deref().map(StateJson::parse).transpose()?;
            let present = present.as_deref().map(StateJson::parse).transpose()?;
            WayBack::between(copy.as_ref(), present.as_ref())?
        };
        let plan = match &target.commit {
            Some(_) => opened.plan(variables).await?,
            None => opened.plan_destroy(variables).await?,
        };
        // Judged as every apply is, with what it costs.
        let findings = self.view(name, plan.json()).await?.findings;
        let (strays, veil) = {
            let parsed = plan.plan()?;
            (way_back.strays(&parsed), Veil::of(&parsed)?)
        };
        let mut planned = PlannedRollback {
            stack: name.clone(),
            snapshot: target.snapshot,
            commit: code.as_ref().map(|code| code.id.clone()),
            way_back,
            summary: plan.summary().clone(),
            strays,
            findings,
            taken_along,
            allows_strays: to.strays,
            plan,
            opened,
            code,
        };
        let mut texts: Vec<&mut String> = planned.strays.iter_mut().collect();
        texts.extend(planned.way_back.texts());
        veil.cover(&mut texts);
        Ok(planned)
    }

    /// Goes back as planned; the apply is recorded.
    ///
    /// # Errors
    /// `Conflict` when the state was changed since the plan was made; what Terraform fails with.
    pub async fn roll_back(&self, planned: PlannedRollback) -> Result<RolledBack> {
        require_allowed(&planned.stack, &planned.findings)?;
        if !planned.strays.is_empty() && !planned.allows_strays {
            return Err(Error::new(
                ErrorKind::Denied,
                "going back would do more than undo what happened since",
            )
            .with("stack", &planned.stack)
            .with("resources", planned.strays.join(", "))
            .hint("look at the plan with `--dry-run`, and add `--with-strays` if that is what you want"));
        }
        if !planned.plan.has_changes() && !planned.way_back.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, "the code of that commit does not undo what has happened")
                .with("stack", &planned.stack)
                .with("commit", planned.commit.as_deref().unwrap_or(NOTHING))
                .hint("name the commit that was applied before with `--commit`; `cargo xtask infra:ledger:show` has it"));
        }
        let PlannedRollback { stack, snapshot, commit, way_back, plan, opened, code, .. } = planned;
        let lost = way_back
            .losses()
            .map(|step| step.to_string().trim_start_matches([' ', '!']).to_owned())
            .collect();
        let to = snapshot.map_or_else(|| NOTHING.to_owned(), |id| id.as_str().to_owned());
        let applied = if plan.has_changes() {
            let details =
                vec![("rollback-to", to), ("commit", commit.clone().unwrap_or_else(|| NOTHING.into()))];
            let applied = self.apply_recorded(&stack, &opened, plan, details).await?;
            Some(applied.ok_or_else(|| overtaken(&stack))?)
        } else {
            None
        };
        // Terraform is done with it only now.
        drop((opened, code));
        Ok(RolledBack { applied, commit, lost })
    }

    /// The applies of a stack that the ledger knows, oldest first.
    pub(super) async fn applies_of(&self, stack: &Label) -> Result<Vec<Entry>> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: Some("apply".into()),
        };
        let all = history(&*self.ports().ledger, &filter, usize::MAX).await?.entries;
        Ok(all.into_iter().filter(|entry| entry.subject == stack.as_str()).collect())
    }

    async fn target(
        &self,
        stack: &Label,
        entries: &[Entry],
        present: Option<&[u8]>,
        to: &RollbackTo,
    ) -> Result<Target> {
        let detail = |entry: &Entry, name: &str| entry.details.get(name).cloned();
        let found = match &to.snapshot {
            Some(id) => {
                entries.iter().rposition(|entry| detail(entry, "snapshot").as_deref() == Some(id.as_str()))
            }
            None => entries.len().checked_sub(1),
        };
        let Some(at) = found else { return self.target_without_entry(stack, to).await };
        if to.snapshot.is_none() {
            let present = present.map(StateJson::parse).transpose().map_err(damaged)?;
            let serial = present.as_ref().map(|state| state.serial.to_string());
            let lineage = present.map(|state| state.lineage.to_string());
            let same = |name: &str, now: &Option<String>| {
                detail(&entries[at], name).is_none_or(|then| Some(then) == *now)
            };
            if detail(&entries[at], "serial") != serial || !same("lineage", &lineage) {
                return Err(Error::new(ErrorKind::Conflict, "the state was changed after the last apply that is recorded")
                    .with("stack", stack)
                    .hint("name the copy to go back to with `--copy`; `cargo xtask infra:ledger:show` has them as `snapshot`"));
            }
        }
        let snapshot = match detail(&entries[at], "snapshot") {
            Some(id) if id == NOTHING => None,
            Some(id) => Some(SnapshotId::new(id)),
            None => return Err(unknown_code("the ledger names no copy for the last apply")),
        };
        if to.commit.is_some() || snapshot.is_none() {
            return Ok(Target { snapshot, commit: to.commit.clone() });
        }
        let before = entries[..at].iter().rev().find(|entry| entry.outcome == Outcome::Done);
        match before.and_then(|entry| detail(entry, "commit")) {
            // What was there before was the end of everything.
            Some(commit) if commit == NOTHING => Ok(Target { snapshot, commit: None }),
            Some(commit) if !commit.ends_with(DIRTY) => Ok(Target { snapshot, commit: Some(commit) }),
            Some(commit) => {
                Err(unknown_code(format!("it was applied from files that differed from commit {commit}")))
            }
            None => Err(unknown_code("the ledger names no commit for the apply before it")),
        }
    }

    /// For a copy that no entry of the ledger names, and for a stack that has none.
    async fn target_without_entry(&self, stack: &Label, to: &RollbackTo) -> Result<Target> {
        let copies = self.ports().state.snapshots(&self.state_key(stack)).await?;
        match (&to.snapshot, &to.commit) {
            (Some(id), Some(_)) if copies.iter().any(|copy| copy.id == *id) => {
                Ok(Target { snapshot: to.snapshot.clone(), commit: to.commit.clone() })
            }
            (Some(id), _) => {
                let known: Vec<&str> = copies.iter().rev().take(5).map(|copy| copy.id.as_str()).collect();
                Err(self.no_copy(id).hint(match known[..] {
                    [] => "no copy of this state is kept".to_owned(),
                    _ => format!(
                        "the newest copies are {}; name the code of then with `--commit`",
                        known.join(", ")
                    ),
                }))
            }
            (None, _) => Err(Error::not_found(format!("the ledger knows no apply of the stack `{stack}`"))
                .with("environment", self.environment())
                .hint("there is nothing to go back from; see `cargo xtask infra:ledger:show`")),
        }
    }

    pub(super) fn no_copy(&self, id: &SnapshotId) -> Error {
        Error::not_found(format!("there is no copy {} of the state", crate::names::quoted(id.as_str())))
            .hint("`cargo xtask infra:state:history STACK` shows the copies there are")
    }
}

/// What stands in the ledger for no copy and for no code.
const NOTHING: &str = "none";

struct Target {
    snapshot: Option<SnapshotId>,
    commit: Option<String>,
}

/// Terraform plans on no state that it cannot read.
fn damaged(error: Error) -> Error {
    Error::invalid("the present state is damaged, so Terraform cannot plan a way back")
        .because(error)
        .hint("put a copy in its place first: `cargo xtask infra:state:restore STACK`")
}

fn unknown_code(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("the code to go back to is not known: {why}"))
        .hint("name the commit whose code to apply with `--commit`, or check it out and apply it")
}

fn told(planned: &PlannedRollback) -> String {
    let to =
        planned.snapshot.as_ref().map_or("before there was anything".to_owned(), |id| format!("copy {id}"));
    let code = match &planned.commit {
        Some(commit) => format!("the code of commit {commit}"),
        None => "destroying all of it".to_owned(),
    };
    let mut text = format!("{}: back to {to}, by {code}", planned.stack);
    text.push_str(&format!("\nwhat has happened since, and what undoes it:\n{}", planned.way_back));
    text.push_str(&format!("\nwhat Terraform will do: {}", planned.summary));
    if !planned.strays.is_empty() {
        let strays = planned.strays.join(", ").replace(char::is_control, "\u{fffd}");
        text.push_str(&format!("\nwarning: it does more than undo that: {strays}"));
    }
    if !planned.taken_along.is_empty() {
        text.push_str(&format!("\ntaken along from the checkout: {}", planned.taken_along.join(", ")));
    }
    if !planned.findings.findings.is_empty() {
        text.push_str(&format!("\n{}", planned.findings));
    }
    text
}
