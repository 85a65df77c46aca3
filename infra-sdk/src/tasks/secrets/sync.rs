//! `infra:secrets:sync` and `status`: the stores that `targets` names.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::names::Label;
use crate::secrets::SyncOptions;

pub(super) fn register(pack: &mut Pack<'_>) -> (TaskRef<()>, TaskRef<()>) {
    let sync = pack
        .task("secrets:sync")
        .about("Bring changed values to their stores, with the fewest writes")
        .args::<Flags>()
        .danger_unless_local()
        .plans()
        .run(sync);
    let status = pack
        .task("secrets:status")
        .about("Show by name what is where, how old it is, and what is due")
        .read_only()
        .run(status);
    (sync, status)
}

struct Flags {
    options: SyncOptions,
    only: Vec<Label>,
}

impl TaskArgs for Flags {
    fn augment(command: Command) -> Command {
        let switch = |name: &'static str, help: &'static str| {
            Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
        };
        command
            .arg(switch("prune", "Remove what earlier syncs wrote and nothing needs any more"))
            .arg(switch("repair", "Write over what was changed elsewhere"))
            .arg(switch(
                "drift",
                "Look at every store for changes made elsewhere, also where that takes many requests; \
                 with `--dry-run` it only looks, and asks for no confirmation",
            ))
            .arg(
                Arg::new("only")
                    .long("only")
                    .value_name("STORE")
                    .action(ArgAction::Append)
                    .help("One of the stores; may be given several times"),
            )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let only = matches.get_many::<String>("only").into_iter().flatten();
        Ok(Flags {
            options: SyncOptions {
                drift: matches.get_flag("drift"),
                repair: matches.get_flag("repair"),
                prune: matches.get_flag("prune"),
            },
            only: only.map(Label::new).collect::<Result<_>>()?,
        })
    }
}

async fn sync(cx: Cx, flags: Flags) -> Result<()> {
    let infra = cx.infra().await?;
    if cx.is_dry_run() {
        cx.report(&infra.plan_sync(flags.options, &flags.only).await?);
        return Ok(());
    }
    let report = infra
        .sync(flags.options, &flags.only, |plan| {
            if !plan.is_empty() {
                cx.say(plan);
            }
        })
        .await?;
    cx.report(&report);
    report.complete()
}

async fn status(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.secrets_status().await?);
    Ok(())
}
