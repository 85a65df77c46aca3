//! Planning stacks: what applying them would do, shown without a secret and kept encrypted for the apply.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::infra::open::Infra;
use crate::infra::plan_view::{PlanView, PlanViews};
use crate::names::Label;
use crate::plan::judge::Findings;
use crate::plan::rollback::WayBack;
use crate::plan::{Note, PlanJson};
use crate::terraform::PlanFile;

/// How to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Keeps the plans in this folder, encrypted for the recipients of `[vault]`, so that exactly they can be applied.
    pub save: Option<PathBuf>,
}

impl Infra {
    /// Plans every stack of this environment changing nothing.
    ///
    /// # Errors
    /// `NotFound` when terraform is missing; what the first failing stack fails with.
    pub async fn plan_stacks(&self, options: &PlanOptions) -> Result<PlanViews> {
        let terraform = self.terraform().await?;
        let mut views = self.no_views();
        if let Some(folder) = &options.save {
            // Plans of two runs must not be applied together.
            self.forget_plans(folder)?;
        }
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            let stack = self.open_stack(&terraform, name, config).await?;
            let plan = stack.plan(&()).await?;
            let mut view = self.view(name, plan.json()).await?;
            if let Some(folder) = &options.save {
                view.saved = Some(self.save_plan(name, &plan, folder).await?);
            }
            views.stacks.push(view);
        }
        Ok(views)
    }

    /// The same for a judge: nothing to judge is an error, and never a pass.
    ///
    /// # Errors
    /// `NotFound` when there is no stack in this environment; otherwise as [`plan_stacks`](Infra::plan_stacks).
    pub async fn plan_for_judges(&self) -> Result<PlanViews> {
        let views = self.plan_stacks(&PlanOptions::default()).await?;
        if views.stacks.is_empty() {
            return Err(Error::not_found("there is no stack to plan in this environment")
                .with("environment", self.environment())
                .hint("name the JSON file of a plan after the task, or add a `[stack.NAME]` to infra.toml"));
        }
        Ok(views)
    }

    /// What the plans kept in `folder` would do.
    ///
    /// # Errors
    /// As [`apply_saved`](Infra::apply_saved) for reading them.
    pub async fn saved_plans(&self, folder: &Path) -> Result<PlanViews> {
        let mut views = self.no_views();
        for (name, _) in self.settings().stacks_in_order(self.environment()) {
            let saved = self.load_plan(name, folder).await?;
            let mut view = self.view(name, saved.package.into_json()).await?;
            view.saved = Some(self.plan_path(name, folder));
            views.stacks.push(view);
        }
        Ok(views)
    }

    /// A plan of one stack with everything this repo has to say about it.
    ///
    /// # Errors
    /// What a judge, the price table or a value of the plan fails with.
    pub async fn view(&self, stack: &Label, json: Arc<PlanJson>) -> Result<PlanView> {
        let plan = json.plan()?;
        let mut findings = self.judge(&plan).await?.findings;
        let mut notes = Vec::new();
        let way_back = WayBack::of(&plan)?;
        if way_back.losses().next().is_some() {
            let lines = way_back.losses().map(|step| step.to_string().trim_start().to_owned()).collect();
            notes.push(Note { title: "What nothing brings back".into(), lines });
        }
        let impact = self.impact(&plan, Some(stack), self.known_readers()?.as_ref())?;
        if !impact.is_empty() {
            notes.push(Note { title: "Who reads what changes".into(), lines: impact.note_lines() });
        }
        match self.costs(&plan).await {
            Ok(costs) => {
                findings.extend(self.too_expensive(&costs));
                if costs.has_something() {
                    notes.push(Note { title: "Cost".into(), lines: costs.note_lines() });
                }
            }
            // Only a limit makes a price something to wait for.
            Err(error) if self.settings().costs.limit.is_some() => return Err(error),
            Err(error) => {
                let lines = error.report().to_string().lines().map(str::to_owned).collect();
                notes.push(Note { title: "Cost: not known".into(), lines });
            }
        }
        let findings = Findings::new(findings);
        let folder = self.settings().stack.get(stack).map(|stack| stack.dir.clone());
        Ok(PlanView { name: stack.to_string(), folder, json: json.clone(), findings, notes, saved: None })
    }

    /// Tells what a plan does, without a secret; gives what judges found in it.
    pub(super) async fn tell_plan(&self, stack: &Label, plan: &PlanFile) -> Result<Findings> {
        let mut views = PlanViews { stacks: vec![self.view(stack, plan.json()).await?], ..self.no_views() };
        let text = if plan.has_changes() { views.terminal()? } else { format!("{stack}: no changes") };
        text.trim_end().lines().for_each(|line| self.host().tell(line));
        Ok(std::mem::take(&mut views.stacks[0].findings))
    }

    /// Where saved plans are kept on this machine unless another folder is named.
    pub fn plans_folder(&self) -> PathBuf {
        self.home().plans()
    }

    pub(super) fn no_views(&self) -> PlanViews {
        PlanViews { stacks: Vec::new(), masks: self.host().masks.clone() }
    }
}
