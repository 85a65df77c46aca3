//! `infra:policy:*`: judging plans, and testing what judges them.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef, exit};
use crate::error::{Error, ErrorKind, Result};
use crate::infra::{JudgedPlan, PlanView, PlanViews};
use crate::plan::judge::Level;
use crate::tasks::plans;

/// The handles of `infra:policy:*`.
#[derive(Clone, Copy, Debug)]
pub struct PolicyTasks {
    /// Judges plans by the built-in rules and the policies.
    pub check: TaskRef<()>,
    /// Runs the tests of the policies.
    pub test: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> PolicyTasks {
    let check = pack
        .task("policy:check")
        .about("Judge plans by the rules and the policies")
        .args::<Plans>()
        .read_only()
        .run(check);
    let test = pack.task("policy:test").about("Run the tests of this repo's policies").read_only().run(test);
    PolicyTasks { check, test }
}

struct Plans {
    files: Vec<PathBuf>,
    sarif: plans::Files,
}

impl TaskArgs for Plans {
    fn augment(command: Command) -> Command {
        let files = Arg::new("plan").value_name("PLAN.json").num_args(0..);
        plans::Files::augment_sarif(command).arg(
            files
                .value_parser(value_parser!(PathBuf))
                .help("What `terraform show -json PLANFILE` wrote; with none, the stacks are planned. Ends with 10 when a plan is refused"),
        )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let files = matches.get_many("plan").into_iter().flatten().cloned().collect();
        Ok(Plans { files, sarif: plans::Files::of_sarif(matches) })
    }
}

async fn check(cx: Cx, flags: Plans) -> Result<()> {
    let infra = cx.infra().await?;
    let mut views =
        if flags.files.is_empty() { infra.plan_for_judges().await? } else { PlanViews::default() };
    for path in &flags.files {
        let mut view = PlanView::new(path.display().to_string(), plans::read(&cx, path)?);
        let judged = async { infra.judge(&view.json.plan()?).await }.await;
        view.findings = judged.map_err(|error| error.with("path", path.display()))?;
        views.stacks.push(view);
    }
    flags.sarif.write(&cx, &views)?;
    let judged = |stack: PlanView| JudgedPlan { plan: stack.name, findings: stack.findings };
    let all: Vec<JudgedPlan> = views.stacks.into_iter().map(judged).collect();
    let mut refused = Vec::new();
    for judged in &all {
        cx.report(judged);
        if !judged.findings.allow() {
            refused.push(format!("{} ({})", judged.plan, judged.findings.count(Level::Error)));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Denied, "a plan is refused")
        .with("errors", refused.join(", "))
        .hint("do what each finding above says is next, and plan again")
        .exit_with(exit::REFUSED))
}

async fn test(cx: Cx) -> Result<()> {
    let tests = cx.infra().await?.test_policies().await?;
    cx.report(&tests);
    tests.require_passed()
}
