//! Planning stacks: what applying them would do, shown without a secret and kept encrypted for the apply.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::names::Label;
use crate::plan::rollback::WayBack;
use crate::plan::{Plan, Veil};
use crate::terraform::{PlanFile, PlanPackage};

/// A sealed plan larger than this was not written here.
const LARGEST: u64 = 1_500_000_000;

/// How to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Keeps the plans in this folder, encrypted for the recipients of `[vault]`, so that exactly they can be applied.
    pub save: Option<PathBuf>,
}

/// What a plan of all stacks says.
#[derive(Debug, Serialize)]
pub struct PlannedStacks {
    /// The stacks, in the order in which they would be applied.
    pub stacks: Vec<PlannedStack>,
}

/// What a plan of one stack says.
#[derive(Debug, Serialize)]
pub struct PlannedStack {
    /// The stack.
    pub stack: Label,
    /// Where the plan is kept, encrypted, if it was to be.
    pub saved: Option<PathBuf>,
    /// What would undo it, and what nothing undoes.
    pub way_back: WayBack,
    #[serde(skip)]
    shown: String,
}

impl fmt::Display for PlannedStacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stacks.is_empty() {
            return f.write_str("infra.toml has no stacks for this environment");
        }
        for (index, stack) in self.stacks.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "\n" }, stack.shown)?;
        }
        Ok(())
    }
}

impl Infra {
    /// Plans every stack of this environment changing nothing.
    ///
    /// # Errors
    /// `NotFound` when terraform is missing; what the first failing stack fails with.
    pub async fn plan_stacks(&self, options: &PlanOptions) -> Result<PlannedStacks> {
        let terraform = self.terraform().await?;
        let mut stacks = Vec::new();
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            let stack = self.open_stack(&terraform, name, config).await?;
            let plan = stack.plan(&()).await?;
            let saved = match &options.save {
                Some(folder) => Some(self.save_plan(name, &plan, folder).await?),
                None => None,
            };
            stacks.push(self.planned(name, &plan.plan()?, saved)?);
        }
        Ok(PlannedStacks { stacks })
    }

    /// What the plans kept in `folder` would do.
    ///
    /// # Errors
    /// As [`apply_saved`](Infra::apply_saved) for reading them.
    pub fn saved_plans(&self, folder: &Path) -> Result<PlannedStacks> {
        let mut stacks = Vec::new();
        for (name, _) in self.settings().stacks_in_order(self.environment()) {
            let package = self.load_plan(name, folder)?;
            stacks.push(self.planned(name, &package.json().plan()?, Some(self.plan_path(name, folder)))?);
        }
        Ok(PlannedStacks { stacks })
    }

    fn planned(&self, stack: &Label, plan: &Plan<'_>, saved: Option<PathBuf>) -> Result<PlannedStack> {
        let shown = self.shown(stack, plan)?;
        Ok(PlannedStack { stack: stack.clone(), saved, way_back: WayBack::of(plan)?, shown })
    }

    /// What a plan does, without a secret.
    pub(super) fn shown(&self, stack: &Label, plan: &Plan<'_>) -> Result<String> {
        let summary = crate::plan::Summary::of(plan)?;
        Ok(Veil::of(plan)?.apply(&format!("{stack}: {summary}")).into_owned())
    }

    pub(super) fn judge(&self, _: &crate::plan::Plan<'_>) -> Result<crate::plan::judge::Findings> {
        Ok(crate::plan::judge::Findings::default())
    }

    /// Where saved plans are kept on this machine unless another folder is named.
    pub fn plans_folder(&self) -> PathBuf {
        self.home().plans()
    }

    fn plan_path(&self, stack: &Label, folder: &Path) -> PathBuf {
        folder.join(format!("{stack}.plan.age"))
    }

    pub(super) async fn save_plan(&self, stack: &Label, plan: &PlanFile, folder: &Path) -> Result<PathBuf> {
        let commit = self.commit().await.map(|commit| commit.to_string());
        let package = PlanPackage::of(plan, &self.state_key(stack), commit)?;
        let sealed = self.ports().sealer.seal(&package.to_bytes()?)?;
        let path = self.plan_path(stack, folder);
        file::write(&path, &sealed, Access::Private)?;
        Ok(path)
    }

    pub(super) fn load_plan(&self, stack: &Label, folder: &Path) -> Result<PlanPackage> {
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
        let package = PlanPackage::from_bytes(bytes.expose())?;
        let key = self.state_key(stack).to_string();
        if package.key != key {
            return Err(Error::invalid("the saved plan is for another state")
                .with("path", path.display())
                .with("plan", &package.key)
                .with("wanted", key)
                .hint("choose the environment it was made for with `--env`, or plan again"));
        }
        Ok(package)
    }

    /// Removes a saved plan that was applied: it can be applied only once.
    pub(super) fn forget_plan(&self, stack: &Label, folder: &Path) -> Result<()> {
        let path = self.plan_path(stack, folder);
        std::fs::remove_file(&path).map_err(|error| file::failed("remove a saved plan", &path, error))
    }
}
