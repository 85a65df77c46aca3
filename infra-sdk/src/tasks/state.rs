//! `infra:state:*`: the state of stacks.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::{Error, ErrorKind, Result};
use crate::infra::RollbackTo;
use crate::state::SnapshotId;

/// The handles of `infra:state:*`.
#[derive(Clone, Copy, Debug)]
pub struct StateTasks {
    /// Brings a stack back to how it was before an apply.
    pub rollback: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> StateTasks {
    let rollback = pack
        .task("state:rollback")
        .about("Bring a stack back to how it was before an apply, by the code of then")
        .args::<RollbackFlags>()
        .danger_unless_local()
        .plans()
        .run(rollback);
    StateTasks { rollback }
}

struct RollbackFlags {
    stack: String,
    to: RollbackTo,
}

impl TaskArgs for RollbackFlags {
    fn augment(command: Command) -> Command {
        let stack = Arg::new("stack").value_name("STACK").required(true);
        let copy = Arg::new("copy").long("copy").value_name("ID");
        let commit = Arg::new("commit").long("commit").value_name("COMMIT");
        let strays = Arg::new("strays").long("with-strays").action(ArgAction::SetTrue);
        command
            .arg(strays.help("Also where it touches what nothing happened to since"))
            .arg(stack.help("The stack"))
            .arg(copy.help("The copy of its state to go back to; default: the one before the last apply"))
            .arg(
                commit
                    .help("The commit whose code to apply; default: the one the ledger names for that copy"),
            )
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let to = RollbackTo {
            snapshot: text("copy").map(SnapshotId::new),
            commit: text("commit"),
            strays: matches.get_flag("strays"),
        };
        Ok(RollbackFlags { stack: text("stack").unwrap_or_default(), to })
    }
}

async fn rollback(cx: Cx, flags: RollbackFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let planned = infra.plan_rollback(&flags.stack, &flags.to, &()).await?;
    if cx.is_dry_run() {
        cx.report(&planned);
        return Ok(());
    }
    cx.say(&planned);
    // What it does is known only now.
    if cx.can_ask() && !matches!(cx.ask("Go back? [y/N]").await?.trim(), "y" | "Y" | "yes") {
        return Err(Error::new(ErrorKind::Denied, "nothing was rolled back").hint("answer `y` to go back"));
    }
    cx.report(&infra.roll_back(planned).await?);
    Ok(())
}
