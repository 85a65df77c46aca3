//! `infra:nats:health`: whether repos can talk to each other.

use clap::{Arg, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::tasks::health::{HealthFlags, settled};

pub(super) fn register(pack: &mut Pack<'_>) -> TaskRef<()> {
    pack.task("nats:health")
        .about("Say whether NATS can be used, and what is wrong where it cannot")
        .args::<NatsHealthFlags>()
        .read_only()
        .run(health)
}

struct NatsHealthFlags {
    health: HealthFlags,
    monitor: Option<String>,
}

impl TaskArgs for NatsHealthFlags {
    fn augment(command: Command) -> Command {
        let monitor = Arg::new("monitor").long("monitor").value_name("URL");
        HealthFlags::augment(command).arg(monitor.help(
            "Where a server tells of itself, such as http://host:8222: a second source about the cluster",
        ))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let health = HealthFlags::from_matches(matches)?;
        Ok(NatsHealthFlags { health, monitor: matches.get_one("monitor").cloned() })
    }
}

async fn health(cx: Cx, flags: NatsHealthFlags) -> Result<()> {
    // Where the settings cannot be read the check was not made, either.
    let checked = async {
        let planned = flags.health.planned()?;
        let infra = cx.infra().await?;
        settled(&cx, || infra.check_nats(planned, flags.monitor.as_deref())).await
    };
    let checked = checked.await;
    flags.health.tell(&cx, checked)
}
