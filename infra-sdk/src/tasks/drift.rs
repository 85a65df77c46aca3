//! `infra:drift` and `infra:drift:answer`: what was changed outside of Terraform.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::infra::DriftReport;
use crate::plan::PlanJson;
use crate::plan::drift::{Answer, Decision};
use crate::tasks::plans::paths;

/// The handles of `infra:drift` and `infra:drift:answer`.
#[derive(Clone, Copy, Debug)]
pub struct DriftTasks {
    /// Looks for changes made outside of Terraform.
    pub look: TaskRef<()>,
    /// Writes down what was decided about one.
    pub answer: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> DriftTasks {
    let look = pack
        .task("drift")
        .about("Show what was changed outside of Terraform, and fail on what nobody decided")
        .args::<LookFlags>()
        .read_only()
        .run(look);
    let answer = pack
        .task("drift:answer")
        .about("Write down what is to be done about a drift: adopt, revert or ignore")
        .args::<AnswerFlags>()
        .run(answer);
    DriftTasks { look, answer }
}

struct LookFlags {
    plans: Vec<PathBuf>,
}

impl TaskArgs for LookFlags {
    fn augment(command: Command) -> Command {
        let plans = Arg::new("plan").value_name("PLAN.json").action(ArgAction::Append).num_args(0..);
        command.arg(plans.help("Plans made elsewhere, instead of looking now"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(LookFlags { plans: paths(matches, "plan") })
    }
}

struct AnswerFlags(Answer);

impl TaskArgs for AnswerFlags {
    fn augment(command: Command) -> Command {
        let what = Arg::new("what").value_name("WHAT").required(true);
        let decision = Arg::new("decision").value_name("DECISION").required(true);
        let until = Arg::new("until").long("until").value_name("DAY").required(true);
        let reason = Arg::new("reason").long("reason").value_name("TEXT").required(true);
        command
            .arg(what.help("TYPE.ATTRIBUTE, ADDRESS or ADDRESS.ATTRIBUTE; `*` stands for anything"))
            .arg(decision.value_parser(["adopt", "revert", "ignore"]).help("What is to be done"))
            .arg(until.help("The last day it holds, like 2027-03-31"))
            .arg(reason.help("Why, for whoever reads it next"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
        let decision = match text("decision").as_str() {
            "adopt" => Decision::Adopt,
            "revert" => Decision::Revert,
            _ => Decision::Ignore,
        };
        let (what, until) = (text("what"), text("until").parse()?);
        Ok(AnswerFlags(Answer { what, decision, until, reason: text("reason") }))
    }
}

async fn look(cx: Cx, flags: LookFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let report = if flags.plans.is_empty() {
        infra.drift().await?
    } else {
        let mut report = DriftReport::default();
        for path in &flags.plans {
            let json = PlanJson::read(cx.env().cwd().join(path))?;
            report.stacks.push(infra.drift_of(&path.display().to_string(), &json.plan()?)?);
        }
        report
    };
    cx.report(&report);
    report.require_none()
}

async fn answer(cx: Cx, flags: AnswerFlags) -> Result<()> {
    cx.report(&cx.infra().await?.answer_drift(flags.0)?);
    Ok(())
}
