//! `infra:config:*`: the settings, each with its origin.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::config::{Config, Pin};
use crate::error::{ErrorKind, Result};
use crate::tasks::services::Services;

/// The handles of `infra:config:*`.
#[derive(Clone, Copy, Debug)]
pub struct ConfigTasks {
    /// Prints every setting with its origin.
    pub show: TaskRef<()>,
    /// Checks the pin of `extends`, or takes a moved tag.
    pub lock: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> ConfigTasks {
    let show = pack.task("config:show").about("Print every setting with its origin").read_only().run(show);
    let lock = pack
        .task("config:lock")
        .about("Check the pin of what infra.toml extends, or take a moved tag")
        .args::<LockFlags>()
        .plans()
        .run(lock);
    ConfigTasks { show, lock }
}

async fn show(cx: Cx) -> Result<()> {
    let services = cx.service::<Services>()?;
    let config = services.config(&cx).await?;
    let pin = config.verify_pin().await?;
    if matches!(pin, Pin::Unverified { .. }) {
        cx.warn(pin);
    }
    cx.report(&config.show());
    Ok(())
}

struct LockFlags {
    accept: bool,
}

impl TaskArgs for LockFlags {
    fn augment(command: Command) -> Command {
        let accept = Arg::new("accept").long("accept").action(ArgAction::SetTrue);
        command.arg(accept.help("Take the commit that a moved tag points at now"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(LockFlags { accept: matches.get_flag("accept") })
    }
}

async fn lock(cx: Cx, flags: LockFlags) -> Result<()> {
    if flags.accept && !cx.is_dry_run() {
        cx.report(&Config::accept_pin(cx.env()).await?);
        return Ok(());
    }
    match cx.service::<Services>()?.config(&cx).await?.verify_pin().await {
        // What would be taken stands in the error that says it was not.
        Err(moved) if flags.accept && moved.kind() == ErrorKind::Conflict => {
            cx.say(format!("would take the commit that the tag points at now: {moved}"));
        }
        pin => cx.report(&pin?),
    }
    Ok(())
}
