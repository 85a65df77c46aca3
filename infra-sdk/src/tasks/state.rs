//! `infra:state:*`: the state of stacks.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::{Error, ErrorKind, Result};
use crate::infra::{RestoreTo, RollbackTo, Unlock};
use crate::state::SnapshotId;

/// The handles of `infra:state:*`.
#[derive(Clone, Copy, Debug)]
pub struct StateTasks {
    /// Makes the place of states ready.
    pub setup: TaskRef<()>,
    /// Lists the states that are kept.
    pub list: TaskRef<()>,
    /// Shows what is in one, by names.
    pub show: TaskRef<()>,
    /// Shows what happened to one.
    pub history: TaskRef<()>,
    /// Shows what changed in one.
    pub diff: TaskRef<()>,
    /// Brings a stack back to how it was before an apply.
    pub rollback: TaskRef<()>,
    /// Puts a kept copy back as a state that was lost or damaged.
    pub restore: TaskRef<()>,
    /// Locks a state, for Terraform too.
    pub lock: TaskRef<()>,
    /// Removes the lock of a state.
    pub unlock: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> StateTasks {
    let setup = pack
        .task("state:setup")
        .about("Make the bucket of Terraform state safe, and find out whether it can lock")
        .danger_unless_local()
        .plans()
        .run(setup);
    let list = pack.task("state:list").about("List the states that are kept").read_only().run(list);
    let show = pack
        .task("state:show")
        .about("Show what is in a state, by names, and who has locked it")
        .args::<StackFlag>()
        .read_only()
        .run(show);
    let history = pack
        .task("state:history")
        .about("Show the copies of a state and the applies that changed it")
        .args::<HistoryFlags>()
        .read_only()
        .run(history);
    let diff = pack
        .task("state:diff")
        .about("Show what changed in a state since its last copy, by names")
        .args::<DiffFlags>()
        .read_only()
        .run(diff);
    let rollback = pack
        .task("state:rollback")
        .about("Bring a stack back to how it was before an apply, by the code of then")
        .args::<RollbackFlags>()
        .danger_unless_local()
        .plans()
        .run(rollback);
    let restore = pack
        .task("state:restore")
        .about("Put a copy back as the state of a stack that was lost or damaged")
        .args::<RestoreFlags>()
        .danger_unless_local()
        .plans()
        .run(restore);
    let lock = pack
        .task("state:lock")
        .about("Lock a state for some time, for Terraform too")
        .args::<LockFlags>()
        .plans()
        .run(lock);
    let unlock = pack
        .task("state:unlock")
        .about("Remove the lock of a state whose run is over")
        .args::<UnlockFlags>()
        .danger_unless_local()
        .plans()
        .run(unlock);
    StateTasks { setup, list, show, history, diff, rollback, restore, lock, unlock }
}

fn stack_arg() -> Arg {
    Arg::new("stack").value_name("STACK").required(true).help("The stack")
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

struct StackFlag(String);

impl TaskArgs for StackFlag {
    fn augment(command: Command) -> Command {
        command.arg(stack_arg())
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(StackFlag(text(matches, "stack").unwrap_or_default()))
    }
}

struct HistoryFlags {
    stack: String,
    last: usize,
}

impl TaskArgs for HistoryFlags {
    fn augment(command: Command) -> Command {
        let last = Arg::new("last").long("last").value_name("N").default_value("50");
        command
            .arg(stack_arg())
            .arg(last.value_parser(RangedU64ValueParser::<usize>::new().range(1..)).help("How many lines"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let last = matches.get_one("last").copied().unwrap_or(50);
        Ok(HistoryFlags { stack: text(matches, "stack").unwrap_or_default(), last })
    }
}

struct DiffFlags {
    stack: String,
    from: Option<SnapshotId>,
    to: Option<SnapshotId>,
}

impl TaskArgs for DiffFlags {
    fn augment(command: Command) -> Command {
        let copy = |name: &'static str| Arg::new(name).long(name).value_name("COPY");
        command
            .arg(stack_arg())
            .arg(copy("from").help("The copy to compare from; default: the newest that differs"))
            .arg(copy("to").help("The copy to compare to; default: the state as it is"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let copy = |name: &str| text(matches, name).map(SnapshotId::new);
        Ok(DiffFlags {
            stack: text(matches, "stack").unwrap_or_default(),
            from: copy("from"),
            to: copy("to"),
        })
    }
}

struct RollbackFlags {
    stack: String,
    to: RollbackTo,
}

impl TaskArgs for RollbackFlags {
    fn augment(command: Command) -> Command {
        let copy = Arg::new("copy").long("copy").value_name("ID");
        let commit = Arg::new("commit").long("commit").value_name("COMMIT");
        let strays = Arg::new("strays").long("with-strays").action(ArgAction::SetTrue);
        command
            .arg(strays.help("Also where it touches what nothing happened to since"))
            .arg(stack_arg())
            .arg(copy.help("The copy of its state to go back to; default: the one before the last apply"))
            .arg(
                commit
                    .help("The commit whose code to apply; default: the one the ledger names for that copy"),
            )
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let to = RollbackTo {
            snapshot: text(matches, "copy").map(SnapshotId::new),
            commit: text(matches, "commit"),
            strays: matches.get_flag("strays"),
        };
        Ok(RollbackFlags { stack: text(matches, "stack").unwrap_or_default(), to })
    }
}

struct RestoreFlags {
    stack: String,
    to: RestoreTo,
}

impl TaskArgs for RestoreFlags {
    fn augment(command: Command) -> Command {
        let copy = Arg::new("copy").long("copy").value_name("ID").conflicts_with("as-it-is");
        let accept = Arg::new("as-it-is").long("as-it-is").action(ArgAction::SetTrue);
        command
            .arg(stack_arg())
            .arg(copy.help("The copy to put back; default: the newest one that is whole"))
            .arg(accept.help("Nothing is put back: what lies there is right, also where that is nothing"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let to = match text(matches, "copy") {
            Some(id) => RestoreTo::Copy(SnapshotId::new(id)),
            None if matches.get_flag("as-it-is") => RestoreTo::AsItIs,
            None => RestoreTo::Newest,
        };
        Ok(RestoreFlags { stack: text(matches, "stack").unwrap_or_default(), to })
    }
}

struct LockFlags {
    stack: String,
    length: Duration,
    why: String,
}

impl TaskArgs for LockFlags {
    fn augment(command: Command) -> Command {
        let length = Arg::new("for").long("for").value_name("TIME").default_value("2h");
        let why = Arg::new("why").long("why").value_name("TEXT").default_value("work by hand");
        command
            .arg(stack_arg())
            .arg(length.help("How long it is meant to last, such as `30min` or `2h`"))
            .arg(why.help("Why, for whoever meets it"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let length = text(matches, "for").unwrap_or_default();
        let length = humantime::parse_duration(&length).map_err(|error| {
            Error::invalid(format!("{} is not a time", crate::names::quoted(&length)))
                .because(error)
                .hint("write it like `30min` or `2h`")
        })?;
        let (stack, why) = (text(matches, "stack"), text(matches, "why"));
        Ok(LockFlags { stack: stack.unwrap_or_default(), length, why: why.unwrap_or_default() })
    }
}

struct UnlockFlags {
    stack: String,
    unlock: Unlock,
}

impl TaskArgs for UnlockFlags {
    fn augment(command: Command) -> Command {
        let id = Arg::new("id").long("id").value_name("ID");
        let force = Arg::new("force").long("force").action(ArgAction::SetTrue);
        command
            .arg(stack_arg())
            .arg(id.help("The id of the lock that is meant"))
            .arg(force.help("That its run is over for certain"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let unlock = Unlock { id: text(matches, "id"), force: matches.get_flag("force") };
        Ok(UnlockFlags { stack: text(matches, "stack").unwrap_or_default(), unlock })
    }
}

async fn setup(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_state_setup().await?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return Ok(());
    }
    let done = infra.set_up_state(plan).await?;
    cx.report(&done);
    done.probe.require()
}

async fn list(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.states().await?);
    Ok(())
}

async fn show(cx: Cx, StackFlag(stack): StackFlag) -> Result<()> {
    cx.report(&cx.infra().await?.show_state(&stack).await?);
    Ok(())
}

async fn history(cx: Cx, flags: HistoryFlags) -> Result<()> {
    cx.report(&cx.infra().await?.state_history(&flags.stack, flags.last).await?);
    Ok(())
}

async fn diff(cx: Cx, flags: DiffFlags) -> Result<()> {
    let DiffFlags { stack, from, to } = flags;
    cx.report(&cx.infra().await?.diff_state(&stack, from.as_ref(), to.as_ref()).await?);
    Ok(())
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

async fn restore(cx: Cx, flags: RestoreFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let planned = infra.plan_state_restore(&flags.stack, &flags.to).await?;
    if cx.is_dry_run() {
        cx.report(&planned);
        return Ok(());
    }
    cx.say(&planned);
    cx.report(&infra.restore_state(planned).await?);
    Ok(())
}

async fn lock(cx: Cx, flags: LockFlags) -> Result<()> {
    let infra = cx.infra().await?;
    if cx.is_dry_run() {
        cx.report(&infra.show_state(&flags.stack).await?);
        return Ok(());
    }
    cx.report(&infra.lock_state(&flags.stack, flags.length, &flags.why).await?);
    Ok(())
}

async fn unlock(cx: Cx, flags: UnlockFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let planned = infra.plan_unlock(&flags.stack, &flags.unlock).await?;
    if cx.is_dry_run() {
        cx.report(&planned);
        return Ok(());
    }
    cx.report(&infra.unlock_state(planned).await?);
    Ok(())
}
