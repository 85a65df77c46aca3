//! `infra:nats:deploy`: the files of a NATS server of the organisation's own.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::manifests::{ByHand, NatsTarget};

pub(super) fn register(pack: &mut Pack<'_>) -> TaskRef<()> {
    pack.task("nats:deploy")
        .about("Write the files of a NATS server of your own: on ECS, or on Cloudflare Containers")
        .args::<Flags>()
        .plans()
        .run(deploy)
}

struct Flags {
    target: NatsTarget,
    out: Option<PathBuf>,
    by_hand: ByHand,
}

impl TaskArgs for Flags {
    fn augment(command: Command) -> Command {
        let target = Arg::new("target").long("target").value_name("TARGET").required(true);
        let out = Arg::new("out").long("out").value_name("FOLDER");
        let changed = Arg::new("changed").long("changed").value_name("WHAT");
        command
            .arg(target.value_parser(["ecs", "cloudflare"]).help("Where it is to run"))
            .arg(out.help("Where the files go, in a folder of the target's name; default infra/nats"))
            .arg(
                changed
                    .value_parser(["keep", "overwrite"])
                    .help("What happens to files that were changed by hand; without it nothing is written"),
            )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
        Ok(Flags {
            target: text("target").unwrap_or_default().parse()?,
            out: text("out").map(PathBuf::from),
            by_hand: match text("changed") {
                Some("keep") => ByHand::Keep,
                Some("overwrite") => ByHand::Overwrite,
                _ => ByHand::Refuse,
            },
        })
    }
}

async fn deploy(cx: Cx, flags: Flags) -> Result<()> {
    let infra = cx.infra().await?;
    let out = match flags.out {
        Some(out) => cx.env().cwd().join(out),
        None => cx.root().join("infra/nats"),
    };
    let plan = infra.plan_nats_manifests(flags.target, &out)?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return Ok(());
    }
    cx.report(&plan.apply(flags.by_hand)?);
    Ok(())
}
