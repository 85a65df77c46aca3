//! Terraform stacks in their order: plan, apply exactly that plan, outputs.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config;
use crate::error::{Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::open::Infra;
use crate::ledger::Outcome;
use crate::names::{Label, unknown};
use crate::state::StateKey;
use crate::terraform::{Applied, PlanFile, Stack, StackPlace, Terraform};

/// How long a stack waits for somebody else's lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an interrupted apply may take to end in good order.
const APPLYING: Duration = Duration::from_secs(75);

/// What a plan of all stacks says.
#[derive(Debug, Serialize)]
pub struct PlannedStacks {
    /// The plans, in the order in which they would be applied.
    pub stacks: Vec<PlanFile>,
}

impl fmt::Display for PlannedStacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stacks.is_empty() {
            return f.write_str("infra.toml has no stacks for this environment");
        }
        lines(f, &self.stacks)
    }
}

/// What an apply of all stacks did.
#[derive(Debug, Serialize)]
pub struct AppliedStacks {
    /// What was applied, in order; stacks without changes are left out.
    pub stacks: Vec<Applied>,
    /// The stacks that were as their code says already.
    pub unchanged: Vec<Label>,
}

impl fmt::Display for AppliedStacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stacks.is_empty() && self.unchanged.is_empty() {
            return f.write_str("infra.toml has no stacks for this environment");
        }
        lines(f, &self.stacks)?;
        for (index, stack) in self.unchanged.iter().enumerate() {
            let newline = if index > 0 || !self.stacks.is_empty() { "\n" } else { "" };
            write!(f, "{newline}{stack}: no changes")?;
        }
        Ok(())
    }
}

fn lines<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            writeln!(f)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl Infra {
    /// Plans every stack of this environment changing nothing.
    ///
    /// # Errors
    /// `NotFound` when terraform is missing; what the first failing stack fails with.
    pub async fn plan_stacks(&self) -> Result<PlannedStacks> {
        let terraform = self.terraform().await?;
        let mut stacks = Vec::new();
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            let stack = self.open_stack(&terraform, name, config).await?;
            let plan = stack.plan(&()).await?;
            if plan.has_changes() {
                stack.show(&plan).await?;
            }
            stacks.push(plan);
        }
        Ok(PlannedStacks { stacks })
    }

    /// Plans and applies every stack in order; each apply is recorded.
    ///
    /// # Errors
    /// What the first failing stack fails with; those before it stay applied.
    pub async fn apply_stacks(&self) -> Result<AppliedStacks> {
        let terraform = self.terraform().await?;
        let mut done = AppliedStacks { stacks: Vec::new(), unchanged: Vec::new() };
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            let stack = self.open_stack(&terraform, name, config).await?;
            match self.carry_out(name, &stack, &()).await? {
                Some(applied) => done.stacks.push(applied),
                None => done.unchanged.push(name.clone()),
            }
        }
        Ok(done)
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

    /// The outputs of one stack as they are now, in a struct of yours.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack; `Invalid` listing every output that is missing or of another type.
    pub async fn outputs<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let (name, config) = self.stack_named(name)?;
        let stack = self.open_stack(&self.terraform().await?, name, config).await?;
        stack.outputs().await
    }

    pub(super) async fn open_stack(
        &self,
        terraform: &Terraform,
        name: &Label,
        stack: &config::Stack,
    ) -> Result<Stack> {
        let key = self.state_key(name);
        let place = StackPlace {
            name: name.clone(),
            repo: self.config().root().to_path_buf(),
            dir: stack.dir.clone(),
            data: self.home().terraform(name),
            backend: self.ports().state.settings(&key).await?,
            lock_timeout: LOCK_TIMEOUT,
        };
        let (host, environment) = (self.host().clone(), self.environment().to_string());
        // Every stack may declare a variable `environment`; one given this way does no harm where it is not declared.
        let start = move |program: &Path| host.command(program).env("TF_VAR_environment", &environment);
        let opened = terraform.stack(place, start).await?;
        opened.init().await?;
        Ok(opened)
    }

    fn state_key(&self, stack: &Label) -> StateKey {
        let project = &self.settings().project;
        StateKey {
            owner: project.org.clone(),
            repo: project.name.clone(),
            env: self.environment().clone(),
            stack: stack.clone(),
        }
    }

    pub(super) async fn terraform(&self) -> Result<Terraform> {
        // Terraform finishes what it began and writes its state.
        self.host().needs_grace(APPLYING);
        Terraform::find(&self.settings().tools, self.env(), self.home().root()).await
    }

    pub(super) fn stack_named(&self, name: &str) -> Result<(&Label, &config::Stack)> {
        let stacks = &self.settings().stack;
        stacks.get_key_value(name).ok_or_else(|| {
            unknown("stack", name, stacks.keys().map(Label::as_str), "add it as `[stack.NAME]`")
        })
    }

    async fn carry_out<V: Serialize + Sync>(
        &self,
        name: &Label,
        stack: &Stack,
        variables: &V,
    ) -> Result<Option<Applied>> {
        let plan = stack.plan(variables).await?;
        self.host().tell(&plan.to_string());
        if !plan.has_changes() {
            return Ok(None);
        }
        let summary = plan.summary();
        let counts =
            format!("{} added, {} changed, {} destroyed", summary.add, summary.change, summary.destroy);
        self.before_change().await?;
        // The way back, kept before anything is touched.
        let snapshot = self.ports().state.snapshot(&self.state_key(name)).await?;
        let snapshot = snapshot.map_or_else(|| "none".to_owned(), |id| id.as_str().to_owned());
        let applied = stack.apply(plan).await;
        let outcome = if applied.is_ok() { Outcome::Done } else { Outcome::Failed };
        let recorded =
            self.record("apply", name.as_str(), outcome, &[("plan", counts), ("snapshot", snapshot)]).await;
        let applied = applied.context(format!("apply the stack `{name}`"))?;
        recorded?;
        self.tell_others(vocabulary::STACK_APPLIED, serde_json::json!({ "stack": name })).await?;
        Ok(Some(applied))
    }
}
