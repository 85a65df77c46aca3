//! `infra:secrets:rotate`: a new value everywhere, with the old one kept until it is finished.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::infra::Infra;
use crate::names::SecretName;
use crate::secret::SecretValue;

pub(super) fn register(pack: &mut Pack<'_>) -> TaskRef<()> {
    pack.task("secrets:rotate")
        .about("Give a secret a new value; the old one stays until --finish")
        .args::<Flags>()
        .danger_unless_local()
        .plans()
        .run(rotate)
}

struct Flags {
    name: SecretName,
    finish: bool,
    from: Vec<String>,
}

impl TaskArgs for Flags {
    fn augment(command: Command) -> Command {
        command
            .arg(Arg::new("name").value_name("NAME").required(true).help("The secret"))
            .arg(
                Arg::new("finish")
                    .long("finish")
                    .action(ArgAction::SetTrue)
                    .help("Nothing uses the old value any more: remove it everywhere"),
            )
            .arg(
                Arg::new("from")
                    .value_name("COMMAND")
                    .num_args(1..)
                    .last(true)
                    .conflicts_with("finish")
                    .help("After `--`: a program that prints the new value; default: generate or ask"),
            )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(Flags {
            name: matches.get_one::<String>("name").map(String::as_str).unwrap_or_default().parse()?,
            finish: matches.get_flag("finish"),
            from: matches.get_many::<String>("from").into_iter().flatten().cloned().collect(),
        })
    }
}

async fn rotate(cx: Cx, flags: Flags) -> Result<()> {
    let infra = cx.infra().await?;
    if cx.is_dry_run() {
        cx.report(&infra.plan_rotation(&flags.name, flags.finish).await?);
        return Ok(());
    }
    let new = if flags.finish { None } else { new_value(&cx, &infra, &flags).await? };
    let rotated = infra.rotate(&flags.name, flags.finish, new).await?;
    cx.report(&rotated);
    rotated.complete()
}

/// The new value, if this is the beginning and it has to come from somewhere.
async fn new_value(cx: &Cx, infra: &Infra, flags: &Flags) -> Result<Option<SecretValue>> {
    let plan = infra.begins_rotation(&flags.name).await?;
    Ok(match flags.from.split_first() {
        Some((program, args)) if plan.takes_value() => Some(infra.value_from(program, args).await?),
        _ if plan.needs_value() && cx.can_ask() => {
            Some(cx.ask_secret(&format!("the new value of {}", flags.name)).await?)
        }
        _ => None,
    })
}
