//! `infra:config:*`: the settings, each with its origin.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::config::Config;
use crate::error::Result;
use crate::tasks::services::Services;

/// The handles of `infra:config:*`.
#[derive(Clone, Copy, Debug)]
pub struct ConfigTasks {
    /// Prints every setting with its origin.
    pub show: TaskRef<()>,
    /// Pins the organisation's file again.
    pub lock: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> ConfigTasks {
    let show = pack.task("config:show").about("Print every setting with its origin").read_only().run(show);
    let lock =
        pack.task("config:lock").about("Pin what infra.toml extends in infra.lock").args::<LockFlags>().run(lock);
    ConfigTasks { show, lock }
}

struct LockFlags {
    accept: bool,
}

impl TaskArgs for LockFlags {
    fn augment(command: Command) -> Command {
        let accept = Arg::new("accept").long("accept").action(ArgAction::SetTrue);
        command.arg(accept.help("Take the commit a moved tag points to now"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(LockFlags { accept: matches.get_flag("accept") })
    }
}

async fn show(cx: Cx) -> Result<()> {
    let services = cx.service::<Services>()?;
    let config = services.config(&cx).await?;
    if let Some(warning) = config.verify_pin().await? {
        cx.warn(warning);
    }
    cx.report(&config.show());
    Ok(())
}

async fn lock(cx: Cx, flags: LockFlags) -> Result<()> {
    cx.report(&Config::relock(cx.env(), flags.accept).await?);
    Ok(())
}
