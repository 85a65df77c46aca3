//! `infra:costs:*`: what plans cost a month.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::tasks::plans;

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
        command.arg(
            plans.help("What `terraform show -json` wrote of each plan; with none, the stacks are planned"),
        )
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(CheckFlags { plans: matches.get_many("plans").into_iter().flatten().cloned().collect() })
    }
}

async fn check(cx: Cx, flags: CheckFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let mut files = Vec::new();
    for path in &flags.plans {
        files.push((path.display().to_string(), Arc::new(plans::read(&cx, path)?)));
    }
    if flags.plans.is_empty() {
        let planned = infra.plan_for_judges().await?;
        files.extend(planned.stacks.into_iter().map(|stack| (stack.name, stack.json)));
    }
    let mut plans = Vec::new();
    for (name, json) in &files {
        plans.push((name.clone(), json.plan().map_err(|error| error.with("plan", name))?));
    }
    let checked = infra.check_costs(&plans).await?;
    cx.report(&checked);
    checked.require_within()
}
