//! `infra:policy:*`: judging plans, and testing what judges them.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef, exit};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::judge::Level;

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
        .about("Judge the JSON file of a plan by the rules and the policies")
        .args::<Plans>()
        .read_only()
        .run(check);
    let test = pack.task("policy:test").about("Run the tests of this repo's policies").read_only().run(test);
    PolicyTasks { check, test }
}

struct Plans {
    files: Vec<PathBuf>,
}

impl TaskArgs for Plans {
    fn augment(command: Command) -> Command {
        let files = Arg::new("plan").value_name("PLAN").num_args(1..).required(true);
        command.arg(
            files
                .value_parser(value_parser!(PathBuf))
                .help("What `terraform show -json PLANFILE` wrote; ends with 10 when a plan is refused"),
        )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(Plans { files: matches.get_many("plan").into_iter().flatten().cloned().collect() })
    }
}

async fn check(cx: Cx, plans: Plans) -> Result<()> {
    let infra = cx.infra().await?;
    let mut refused = Vec::new();
    for path in &plans.files {
        let judged = infra.judge_file(path).await?;
        cx.report(&judged);
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
