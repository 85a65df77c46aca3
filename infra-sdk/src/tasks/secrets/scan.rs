//! `infra:secrets:scan`: real values where they must not be.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::secrets::ScanOptions;

pub(super) fn register(pack: &mut Pack<'_>) -> TaskRef<()> {
    pack.task("secrets:scan")
        .about("Look for real values in files, in what is staged, in history")
        .args::<Flags>()
        .plans()
        .run(scan)
}

struct Flags {
    options: ScanOptions,
    hook: bool,
}

impl TaskArgs for Flags {
    fn augment(command: Command) -> Command {
        let switch = |name: &'static str, help: &'static str| {
            Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
        };
        command
            .arg(switch("staged", "Only what the next commit will hold"))
            .arg(switch("history", "Every commit of every branch and tag as well"))
            .arg(
                switch("install-hook", "Look before every commit from now on")
                    .conflicts_with_all(["staged", "history"]),
            )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(Flags {
            options: ScanOptions { staged: matches.get_flag("staged"), history: matches.get_flag("history") },
            hook: matches.get_flag("install-hook"),
        })
    }
}

async fn scan(cx: Cx, flags: Flags) -> Result<()> {
    let infra = cx.infra().await?;
    if flags.hook {
        let plan = infra.plan_scan_hook().await?;
        if !cx.is_dry_run() {
            plan.apply()?;
        }
        cx.report(&plan);
        return Ok(());
    }
    let scanned = infra.scan_secrets(flags.options).await?;
    scanned.iter().for_each(|scanned| cx.report(scanned));
    scanned.iter().try_for_each(|scanned| scanned.report.require_clean())
}
