//! `infra:costs:*`: what plans cost a month.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::{Error, Result};
use crate::plan::PlanJson;

/// The handles of `infra:costs:*`.
#[derive(Clone, Copy, Debug)]
pub struct CostsTasks {
    /// Prices plans and holds them against the limit.
    pub check: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> CostsTasks {
    let check = pack
        .task("costs:check")
        .about("Say what plans add a month; fail above costs.limit")
        .args::<CheckFlags>()
        .read_only()
        .run(check);
    CostsTasks { check }
}

struct CheckFlags {
    plans: Vec<PathBuf>,
}

impl TaskArgs for CheckFlags {
    fn augment(command: Command) -> Command {
        let plans =
            Arg::new("plans").value_name("PLAN.json").num_args(0..).value_parser(value_parser!(PathBuf));
        command.arg(plans.help("What `terraform show -json` wrote of each plan; they are summed up"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(CheckFlags { plans: matches.get_many("plans").into_iter().flatten().cloned().collect() })
    }
}

async fn check(cx: Cx, flags: CheckFlags) -> Result<()> {
    if flags.plans.is_empty() {
        return Err(Error::invalid("there is no plan to price")
            .hint("make one with `terraform show -json PLANFILE > plan.json`, and name it after the task"));
    }
    let infra = cx.infra().await?;
    let read = |path: &PathBuf| {
        // Relative to where the task was called, not to the root of the repo.
        Ok((path.display().to_string(), PlanJson::read(cx.env().cwd().join(path))?))
    };
    let files = flags.plans.iter().map(read).collect::<Result<Vec<_>>>()?;
    let plans =
        files.iter().map(|(name, json)| Ok((name.clone(), json.plan()?))).collect::<Result<Vec<_>>>()?;
    let checked = infra.check_costs(&plans).await?;
    cx.report(&checked);
    checked.require_within()
}
