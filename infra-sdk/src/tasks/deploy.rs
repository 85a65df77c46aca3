//! `infra:deploy:*`: what runs, what ran, and going back.

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::deploy::{self, ReleaseId};
use crate::error::Result;
use crate::tasks::runs::{self, RunTasks};

/// The handles of `infra:deploy:*`.
#[derive(Clone, Copy, Debug)]
pub struct DeployTasks {
    /// What runs and how it is, or how far a run is.
    pub status: TaskRef<()>,
    /// The releases that are kept.
    pub history: TaskRef<()>,
    /// Back to an earlier release.
    pub rollback: TaskRef<()>,
    /// What the service printed.
    pub logs: TaskRef<()>,
    /// Ends what runs.
    pub stop: TaskRef<()>,
    /// Deploys over many repos.
    pub runs: RunTasks,
}

pub(super) fn register(pack: &mut Pack<'_>) -> DeployTasks {
    DeployTasks {
        status: pack
            .task("deploy:status")
            .about("Show what runs and how it is; with RUN, how far a deploy over many repos is")
            .args::<StatusFlags>()
            .read_only()
            .run(status),
        history: pack
            .task("deploy:history")
            .about("List the releases that are kept")
            .read_only()
            .run(history),
        rollback: pack
            .task("deploy:rollback")
            .about("Go back to the release before, or to the one named")
            .args::<RollbackFlags>()
            .danger_unless_local()
            .plans()
            .run(rollback),
        logs: pack
            .task("deploy:logs")
            .about("Print the last lines of the service")
            .args::<LogFlags>()
            .read_only()
            .run(logs),
        stop: pack
            .task("deploy:stop")
            .about("Stop what runs; its releases are kept")
            .danger_unless_local()
            .plans()
            .run(stop),
        runs: runs::register(pack),
    }
}

struct StatusFlags {
    run: Option<String>,
}

impl TaskArgs for StatusFlags {
    fn augment(command: Command) -> Command {
        let run = Arg::new("run").value_name("RUN").value_parser(value_parser!(String));
        command.arg(run.help("The run, as infra:deploy:all printed it, or `last`"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(StatusFlags { run: matches.get_one("run").cloned() })
    }
}

struct RollbackFlags {
    to: Option<ReleaseId>,
}

impl TaskArgs for RollbackFlags {
    fn augment(command: Command) -> Command {
        let help = "The release to go back to, from infra:deploy:history or the ledger";
        let to = Arg::new("release").value_name("RELEASE").value_parser(value_parser!(String)).help(help);
        // As it was written before there was a plain argument.
        let long = Arg::new("to").long("to").value_name("RELEASE").value_parser(value_parser!(String));
        command.arg(to).arg(long.conflicts_with("release").hide(true))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let to = matches.get_one::<String>("release").or_else(|| matches.get_one::<String>("to"));
        let to = to.map(|text| text.parse()).transpose()?;
        Ok(RollbackFlags { to })
    }
}

struct LogFlags {
    lines: usize,
    release: Option<ReleaseId>,
}

impl TaskArgs for LogFlags {
    fn augment(command: Command) -> Command {
        let lines = Arg::new("lines").long("lines").value_name("N").default_value("50");
        let release = Arg::new("release").long("release").value_name("RELEASE");
        command
            .arg(lines.value_parser(RangedU64ValueParser::<usize>::new().range(1..)).help("How many lines"))
            .arg(release.help("Another release than the one that runs"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let release = matches.get_one::<String>("release").map(|text| text.parse()).transpose()?;
        Ok(LogFlags { lines: matches.get_one("lines").copied().unwrap_or(50), release })
    }
}

async fn status(cx: Cx, flags: StatusFlags) -> Result<()> {
    if let Some(run) = flags.run {
        let infra = cx.infra().await?;
        cx.report(&infra.run_report(&infra.run_named(&run).await?).await?);
        return Ok(());
    }
    cx.report(&deploy::status(&*cx.infra().await?.ports().deploy).await?);
    Ok(())
}

async fn history(cx: Cx) -> Result<()> {
    cx.report(&deploy::history(&*cx.infra().await?.ports().deploy).await?);
    Ok(())
}

async fn rollback(cx: Cx, flags: RollbackFlags) -> Result<()> {
    let infra = cx.infra().await?;
    match cx.is_dry_run() {
        true => cx.report(&infra.plan_release_rollback(flags.to.as_ref()).await?),
        false => cx.report(&infra.rollback(flags.to.as_ref()).await?),
    }
    Ok(())
}

async fn logs(cx: Cx, flags: LogFlags) -> Result<()> {
    let infra = cx.infra().await?;
    cx.report(&infra.logs(flags.release.as_ref(), flags.lines).await?);
    Ok(())
}

async fn stop(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    match cx.is_dry_run() {
        true => cx.report(&infra.plan_stop().await?),
        false => cx.report(&infra.stop().await?),
    }
    Ok(())
}
