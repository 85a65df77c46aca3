//! Applying stacks: exactly the plan that was approved, or one that does no more than it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::code::DIRTY;
use crate::infra::compared::Compared;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::infra::saved_plans::SavedPlan;
use crate::ledger::Outcome;
use crate::names::Label;
use crate::plan::PlanJson;
use crate::plan::judge::{Findings, Level};
use crate::plan::rollback::StateJson;
use crate::plan::verdict::{Untold, Verdict};
use crate::terraform::{Applied, PlanFile, Stack};
use crate::time::Timestamp;

/// The exit code of a plan that a judge does not allow, as `app::exit` has it: this room does not name that one.
pub(super) const REFUSED: u8 = 10;

/// A plan saved longer ago is made anew and compared before it is applied: the world has moved on.
const PLAN_LASTS: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// What an apply of all stacks did.
#[derive(Debug, Default, Serialize)]
pub struct AppliedStacks {
    /// What was applied, in order; stacks without changes are left out.
    pub stacks: Vec<Applied>,
    /// The stacks that were as their code says already.
    pub unchanged: Vec<Label>,
    /// The stacks whose saved plan an earlier run of the same command has applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Label>,
}

impl fmt::Display for AppliedStacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stacks.is_empty() && self.unchanged.is_empty() && self.earlier.is_empty() {
            return f.write_str("infra.toml has no stacks for this environment");
        }
        let applied = self.stacks.iter().map(ToString::to_string);
        let unchanged = self.unchanged.iter().map(|stack| format!("{stack}: no changes"));
        let earlier = self.earlier.iter().map(|stack| format!("{stack}: applied by an earlier run"));
        let lines: Vec<String> = earlier.chain(applied).chain(unchanged).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Infra {
    /// Plans and applies every stack in order; each apply is recorded.
    ///
    /// # Errors
    /// What the first failing stack fails with; those before it stay applied. `Denied` when a judge does not allow a
    /// plan.
    pub async fn apply_stacks(&self) -> Result<AppliedStacks> {
        let terraform = self.terraform().await?;
        let mut done = AppliedStacks::default();
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            let stack = self.open_stack(&terraform, name, config).await?;
            match self.carry_out(name, &stack, &()).await? {
                Some(applied) => done.stacks.push(applied),
                None => done.unchanged.push(name.clone()),
            }
        }
        Ok(done)
    }

    /// Applies the plans that [`plan_stacks`](Infra::plan_stacks) saved in `folder`, in order, each exactly as it was
    /// approved. Where Terraform finds a plan stale, or it is older than seven days, a new one is made; it is applied
    /// when it does no more than the approved one.
    ///
    /// # Errors
    /// `NotFound` when a stack has no saved plan; `Denied`, naming what differs and with the exit code of the verdict,
    /// when the new plan does more; otherwise as [`apply_stacks`](Infra::apply_stacks).
    pub async fn apply_saved(&self, folder: &Path) -> Result<AppliedStacks> {
        let terraform = self.terraform().await?;
        let mut done = AppliedStacks::default();
        // All are read before the first is applied: none of them may be missing or another one's.
        let mut packages = Vec::new();
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            if self.is_applied(name, folder).await? {
                self.host().tell(&format!("{name}: was applied by an earlier run of this command"));
                done.earlier.push(name.clone());
                continue;
            }
            packages.push((name, config, self.load_plan(name, folder).await?));
        }
        for (name, config, SavedPlan { package, file }) in packages {
            let stack = self.open_stack(&terraform, name, config).await?;
            let (time, commit) = (package.time, package.commit.clone());
            let approved = stack.unpack(package).await?;
            let findings = self.tell_plan(name, &approved).await?;
            let applied = match self.why_anew(time, commit.as_deref()).await {
                Some(why) if approved.has_changes() => {
                    self.host().tell(&format!("{name}: {why}, so a new plan is made"));
                    self.apply_anew(name, &stack, &Approved::of(&approved, commit), &()).await?
                }
                _ => self.apply_approved(name, &stack, (approved, findings), commit, &()).await?,
            };
            match applied {
                Some(applied) => done.stacks.push(applied),
                None => done.unchanged.push(name.clone()),
            }
            self.mark_applied(name, folder, &file).await?;
        }
        self.forget_plans(folder)?;
        Ok(done)
    }

    /// Why a saved plan is not applied as it is, though Terraform would.
    async fn why_anew(&self, time: Timestamp, commit: Option<&str>) -> Option<&'static str> {
        if time.plus(PLAN_LASTS) < Timestamp::now() {
            return Some("the plan is older than seven days");
        }
        let now = self.commit().await.map(|commit| commit.to_string());
        (now.as_deref() != commit).then_some("the plan is of another commit than this one")
    }

    /// Plans and applies one stack with variables of your own: a struct whose fields are the variables.
    /// `None` when there was nothing to change.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack; what Terraform fails with.
    pub async fn apply_stack<V: Serialize + Sync>(
        &self,
        name: &str,
        variables: &V,
    ) -> Result<Option<Applied>> {
        let (name, config) = self.stack_named(name)?;
        let stack = self.open_stack(&self.terraform().await?, name, config).await?;
        self.carry_out(name, &stack, variables).await
    }

    async fn carry_out<V: Serialize + Sync>(
        &self,
        name: &Label,
        stack: &Stack,
        variables: &V,
    ) -> Result<Option<Applied>> {
        let plan = stack.plan(variables).await?;
        let findings = self.tell_plan(name, &plan).await?;
        let commit = self.commit().await.map(|commit| commit.to_string());
        self.apply_approved(name, stack, (plan, findings), commit, variables).await
    }

    /// Applies a plan that was made from the code of `commit`; where Terraform finds it stale, one that does no more.
    async fn apply_approved<V: Serialize + Sync>(
        &self,
        name: &Label,
        stack: &Stack,
        (approved, findings): (PlanFile, Findings),
        commit: Option<String>,
        variables: &V,
    ) -> Result<Option<Applied>> {
        if !approved.has_changes() {
            return Ok(None);
        }
        require_allowed(name, &findings)?;
        let kept = Approved::of(&approved, commit.clone());
        if let Some(applied) = self.apply_recorded(name, stack, approved, of_commit(commit)).await? {
            return Ok(Some(applied));
        }
        self.host().tell(&format!("{name}: the state was changed meanwhile, so a new plan is made"));
        self.apply_anew(name, stack, &kept, variables).await
    }

    /// Makes a new plan, and applies it when it does no more than the approved one.
    async fn apply_anew<V: Serialize + Sync>(
        &self,
        name: &Label,
        stack: &Stack,
        approved: &Approved,
        variables: &V,
    ) -> Result<Option<Applied>> {
        let anew = stack.plan(variables).await?;
        let compared = Compared::of(&approved.json.plan()?, &anew.plan()?)?;
        compared.to_string().lines().for_each(|line| self.host().tell(line));
        let comparison = compared.comparison();
        if !comparison.allows_apply() {
            return Err(Error::new(ErrorKind::Denied, "what would be done now was not approved")
                .with("stack", name)
                .with("verdict", comparison.verdict)
                .hint("look at what differs above, then plan again and have that plan approved")
                .exit_with(comparison.verdict.exit_code().max(Verdict::Wider.exit_code())));
        }
        if !anew.has_changes() {
            return Ok(None);
        }
        let commit = self.commit().await.map(|commit| commit.to_string());
        approved.require_same_code(name, &anew, commit.as_deref())?;
        require_allowed(name, &self.tell_plan(name, &anew).await?)?;
        match self.apply_recorded(name, stack, anew, of_commit(commit)).await? {
            Some(applied) => Ok(Some(applied)),
            None => Err(overtaken(name)),
        }
    }

    /// Applies a plan, keeps the way back before, and records it after. `None` when Terraform finds it stale: then nothing
    /// was begun and nothing is recorded.
    pub(super) async fn apply_recorded(
        &self,
        name: &Label,
        stack: &Stack,
        plan: PlanFile,
        mut details: Vec<(&'static str, String)>,
    ) -> Result<Option<Applied>> {
        let counts = &plan.summary().counts;
        let counts = format!("{} added, {} changed, {} destroyed", counts.add, counts.change, counts.destroy);
        self.before_change().await?;
        providers::before_apply(self).await?;
        // The way back, kept before anything is touched.
        let snapshot = self.ports().state.snapshot(&self.state_key(name)).await?;
        details.push(("plan", counts));
        details.push(("snapshot", snapshot.map_or_else(|| "none".to_owned(), |id| id.as_str().to_owned())));
        let applied = stack.apply(plan).await;
        if applied.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict) {
            return Ok(None);
        }
        // By this a rollback knows whether anybody else has changed the state since. What was done is recorded also when
        // the state cannot be read.
        let written = self.written(name).await;
        if let Ok(Some((serial, lineage))) = &written {
            details.extend([("serial", serial.to_string()), ("lineage", lineage.clone())]);
        }
        let outcome = if applied.is_ok() { Outcome::Done } else { Outcome::Failed };
        let recorded = self.record("apply", name.as_str(), outcome, &details).await;
        // What was left, for the day it is lost; the apply has been made, whatever comes of this.
        if let Err(error) = self.ports().state.snapshot(&self.state_key(name)).await {
            self.host().tell(&format!("warning: {name}: no copy of the state was kept: {error}"));
        }
        let applied = applied.context(format!("apply the stack `{name}`"))?;
        recorded?;
        written.context(format!("the stack `{name}` is applied, but its state cannot be read"))?;
        self.announce(vocabulary::STACK_APPLIED, serde_json::json!({ "stack": name })).await;
        Ok(Some(applied))
    }
}

impl Infra {
    /// How often the state of a stack was written, and which history it has; `None` when there is none.
    async fn written(&self, stack: &Label) -> Result<Option<(u64, String)>> {
        let state = self.ports().state.read(&self.state_key(stack)).await?;
        let told = |state: StateJson<'_>| (state.serial, state.lineage.to_string());
        state.map(|state| Ok(told(StateJson::parse(&state)?))).transpose()
    }
}

/// What a new plan is held against.
struct Approved {
    json: Arc<PlanJson>,
    code: Result<Digest>,
    commit: Option<String>,
}

impl Approved {
    fn of(plan: &PlanFile, commit: Option<String>) -> Self {
        Approved { json: plan.json(), code: plan.code(), commit }
    }

    /// Refuses a new plan whose providers or provisioners may do something else although both plans read the same: of
    /// what is no constant in the code, a plan tells only the names in it.
    fn require_same_code(&self, name: &Label, anew: &PlanFile, commit: Option<&str>) -> Result<()> {
        let untold = Untold::of(&self.json.plan()?)?.max(Untold::of(&anew.plan()?)?);
        let same_texts = matches!((&self.code, anew.code()), (Ok(then), Ok(now)) if *then == now);
        let same_files =
            self.commit.as_deref().is_some_and(|then| Some(then) == commit && !then.ends_with(DIRTY));
        let is_same = match untold {
            Untold::Nothing => true,
            Untold::Texts => same_texts,
            Untold::Files => same_texts && same_files,
        };
        if is_same {
            return Ok(());
        }
        let why = match untold {
            Untold::Files if same_texts => {
                "a provisioner or provider reads files, and the commit is another one or unknown"
            }
            _ => "providers or provisioners are set up by code that was changed",
        };
        Err(Error::new(ErrorKind::Denied, "what would be done now was not approved")
            .with("stack", name)
            .because(why)
            .hint("a plan does not show what they do: plan again and have that plan approved")
            .exit_with(Verdict::Wider.exit_code()))
    }
}

fn of_commit(commit: Option<String>) -> Vec<(&'static str, String)> {
    commit.map(|commit| ("commit", commit)).into_iter().collect()
}

/// Refuses a plan that a judge does not allow; what they found was told.
pub(super) fn require_allowed(name: &Label, findings: &Findings) -> Result<()> {
    if findings.allow() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Denied, "the plan breaks a rule")
        .with("stack", name)
        .with("errors", findings.count(Level::Error))
        .hint("do what the findings say; `cargo xtask infra:policy:check` shows them again")
        .exit_with(REFUSED))
}

pub(super) fn overtaken(name: &Label) -> Error {
    Error::new(ErrorKind::Conflict, "somebody changes the state at the same time")
        .with("stack", name)
        .hint("wait until the other run is done, then run the same command again")
}
