//! `infra:config:*`: the settings, each with its origin.

use crate::app::{Cx, Pack, TaskRef};
use crate::config::{Config, Pin};
use crate::error::Result;
use crate::tasks::services::Services;

/// The handles of `infra:config:*`.
#[derive(Clone, Copy, Debug)]
pub struct ConfigTasks {
    /// Prints every setting with its origin.
    pub show: TaskRef<()>,
    /// Locks what `extends` points at now.
    pub lock: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> ConfigTasks {
    let show = pack.task("config:show").about("Print every setting with its origin").read_only().run(show);
    let lock =
        pack.task("config:lock").about("Lock the commit that the tag in `extends` points at now").run(lock);
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

async fn lock(cx: Cx) -> Result<()> {
    cx.report(&Config::accept_pin(cx.env()).await?);
    Ok(())
}
