//! `infra:ledger:*`: what was done, and whether the record is whole.

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::digest::Digest;
use crate::error::Result;
use crate::ledger::{self, Filter};

/// The handles of `infra:ledger:*`.
#[derive(Clone, Copy, Debug)]
pub struct LedgerTasks {
    /// Lists the changes.
    pub show: TaskRef<()>,
    /// Checks the chain.
    pub verify: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> LedgerTasks {
    let show = pack
        .task("ledger:show")
        .about("List the organisation's changes")
        .args::<ShowFlags>()
        .read_only()
        .run(show);
    let verify = pack
        .task("ledger:verify")
        .about("Check that no entry was edited, removed or moved")
        .args::<VerifyFlags>()
        .read_only()
        .run(verify);
    LedgerTasks { show, verify }
}

struct ShowFlags {
    last: usize,
    mine: bool,
}

impl TaskArgs for ShowFlags {
    fn augment(command: Command) -> Command {
        let last = Arg::new("last").long("last").value_name("N").default_value("50");
        let mine = Arg::new("mine").long("mine").action(ArgAction::SetTrue);
        command
            .arg(last.value_parser(RangedU64ValueParser::<usize>::new().range(1..)).help("How many entries"))
            .arg(mine.help("Only this repo's entries in this environment"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ShowFlags { last: matches.get_one("last").copied().unwrap_or(50), mine: matches.get_flag("mine") })
    }
}

struct VerifyFlags {
    head: Option<Digest>,
}

impl TaskArgs for VerifyFlags {
    fn augment(command: Command) -> Command {
        let head = Arg::new("head").long("head").value_name("DIGEST");
        command.arg(
            head.help(
                "A head noted elsewhere, which must still be in the chain, as what this machine last saw",
            ),
        )
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(VerifyFlags { head: matches.get_one::<String>("head").map(|text| text.parse()).transpose()? })
    }
}

async fn show(cx: Cx, flags: ShowFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let mut filter = Filter::default();
    if flags.mine {
        filter.env = Some(infra.environment().clone());
        filter.project = Some(infra.settings().project.name.clone());
    }
    cx.report(&ledger::history(&*infra.ports().ledger, &filter, flags.last).await?);
    Ok(())
}

async fn verify(cx: Cx, flags: VerifyFlags) -> Result<()> {
    cx.report(&cx.infra().await?.verify_ledger(flags.head.as_ref()).await?);
    Ok(())
}
