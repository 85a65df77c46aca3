//! `infra:plan`, `infra:apply` and `infra:plan:*`: what a plan does, what another one does beyond it, and doing it.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::infra::PlanOptions;

/// The handles of `infra:plan:*`.
#[derive(Clone, Copy, Debug)]
pub struct PlanTasks {
    /// Shows plans made elsewhere.
    pub show: TaskRef<()>,
    /// Compares two plans.
    pub diff: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> (TaskRef<()>, TaskRef<()>, PlanTasks) {
    let plan = pack
        .task("plan")
        .about("Show what applying the stacks would change")
        .args::<PlanFlags>()
        .read_only()
        .run(plan);
    let apply = pack
        .task("apply")
        .about("Apply the stacks in order, each exactly as planned")
        .args::<ApplyFlags>()
        .danger_unless_local()
        .plans()
        .run(apply);
    let show = pack
        .task("plan:show")
        .about("Show plans made elsewhere, without a secret")
        .args::<ShowFlags>()
        .read_only()
        .run(show);
    let diff = pack
        .task("plan:diff")
        .about("Say whether a plan does more than the one that was approved")
        .args::<DiffFlags>()
        .read_only()
        .run(diff);
    (plan, apply, PlanTasks { show, diff })
}

/// All values of an argument, as paths.
pub(super) fn paths(matches: &ArgMatches, name: &str) -> Vec<PathBuf> {
    matches.get_many::<String>(name).into_iter().flatten().map(PathBuf::from).collect()
}

struct PlanFlags {
    save: bool,
    out: Option<PathBuf>,
}

impl TaskArgs for PlanFlags {
    fn augment(command: Command) -> Command {
        let save = Arg::new("save").long("save").action(ArgAction::SetTrue);
        let out = Arg::new("out").long("out").value_name("FOLDER");
        command
            .arg(save.help("Keep the plans, encrypted, for `infra:apply --saved`"))
            .arg(out.help("Keep them in this folder, to carry them elsewhere"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(PlanFlags { save: matches.get_flag("save"), out: paths(matches, "out").pop() })
    }
}

struct ApplyFlags {
    saved: bool,
    plans: Option<PathBuf>,
}

impl TaskArgs for ApplyFlags {
    fn augment(command: Command) -> Command {
        let saved = Arg::new("saved").long("saved").action(ArgAction::SetTrue);
        let plans = Arg::new("plans").long("plans").value_name("FOLDER");
        command
            .arg(saved.help("Apply the plans that `infra:plan --save` kept"))
            .arg(plans.help("Apply the plans in this folder"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ApplyFlags { saved: matches.get_flag("saved"), plans: paths(matches, "plans").pop() })
    }
}

struct ShowFlags {
    plans: Vec<PathBuf>,
}

impl TaskArgs for ShowFlags {
    fn augment(command: Command) -> Command {
        let plans =
            Arg::new("plan").value_name("PLAN.json").action(ArgAction::Append).num_args(1..).required(true);
        command.arg(plans.help("What `terraform show -json PLANFILE` wrote; `-` for standard input"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ShowFlags { plans: paths(matches, "plan") })
    }
}

struct DiffFlags {
    approved: PathBuf,
    anew: PathBuf,
}

impl TaskArgs for DiffFlags {
    fn augment(command: Command) -> Command {
        let approved = Arg::new("approved").value_name("APPROVED.json").required(true);
        let anew = Arg::new("anew").value_name("NEW.json").required(true);
        command
            .arg(approved.help("The plan that was approved"))
            .arg(anew.help("The plan that would be applied now"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let path = |name| paths(matches, name).pop().unwrap_or_default();
        Ok(DiffFlags { approved: path("approved"), anew: path("anew") })
    }
}

async fn plan(cx: Cx, flags: PlanFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let save = match flags.out {
        Some(folder) => Some(cx.env().cwd().join(folder)),
        None => flags.save.then(|| infra.plans_folder()),
    };
    cx.report(&infra.plan_stacks(&PlanOptions { save: save.filter(|_| !cx.is_dry_run()) }).await?);
    Ok(())
}

async fn apply(cx: Cx, flags: ApplyFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let saved = match flags.plans {
        Some(folder) => Some(cx.env().cwd().join(folder)),
        None => flags.saved.then(|| infra.plans_folder()),
    };
    match saved {
        Some(folder) if cx.is_dry_run() => cx.report(&infra.saved_plans(&folder)?),
        Some(folder) => cx.report(&infra.apply_saved(&folder).await?),
        None if cx.is_dry_run() => cx.report(&infra.plan_stacks(&PlanOptions::default()).await?),
        None => cx.report(&infra.apply_stacks().await?),
    }
    Ok(())
}

async fn show(_: Cx, _: ShowFlags) -> Result<()> {
    Ok(())
}

async fn diff(_: Cx, _: DiffFlags) -> Result<()> {
    Ok(())
}
