//! `infra:state:*`: the state of stacks.

use clap::{Arg, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
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
        command
            .arg(stack.help("The stack"))
            .arg(copy.help("The copy of its state to go back to; default: the one before the last apply"))
            .arg(
                commit
                    .help("The commit whose code to apply; default: the one the ledger names for that copy"),
            )
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let to = RollbackTo { snapshot: text("copy").map(SnapshotId::new), commit: text("commit") };
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
    cx.report(&infra.roll_back(planned).await?);
    Ok(())
}
