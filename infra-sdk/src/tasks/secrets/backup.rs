//! `infra:secrets:key`, `rekey`, `backup` and `restore`: what is encrypted with age.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;

type Tasks = (TaskRef<()>, TaskRef<()>, TaskRef<()>, TaskRef<()>);

pub(super) fn register(pack: &mut Pack<'_>) -> Tasks {
    let backup = pack
        .task("secrets:backup")
        .about("Write an encrypted copy of the values and of what was synced")
        .args::<BackupFlags>()
        .run(backup);
    let restore = pack
        .task("secrets:restore")
        .about("Bring the values of an encrypted copy back")
        .args::<RestoreFlags>()
        .danger_unless_local()
        .plans()
        .run(restore);
    let key = pack
        .task("secrets:key")
        .about("Make your key for the vault, or show its public half")
        .plans()
        .run(key);
    let rekey = pack
        .task("secrets:rekey")
        .about("Encrypt the vault for those who are its recipients now")
        .danger_unless_local()
        .plans()
        .run(rekey);
    (backup, restore, key, rekey)
}

struct BackupFlags {
    out: PathBuf,
}

impl TaskArgs for BackupFlags {
    fn augment(command: Command) -> Command {
        let out = Arg::new("out").long("out").value_name("FILE").required(true);
        command.arg(out.help("The new file"))
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(BackupFlags { out: matches.get_one::<String>("out").map(PathBuf::from).unwrap_or_default() })
    }
}

struct RestoreFlags {
    from: PathBuf,
    elsewhere: bool,
}

impl TaskArgs for RestoreFlags {
    fn augment(command: Command) -> Command {
        let from = Arg::new("from").long("from").value_name("FILE").required(true);
        let elsewhere = Arg::new("elsewhere").long("from-elsewhere").action(ArgAction::SetTrue);
        command
            .arg(from.help("The copy"))
            .arg(elsewhere.help("Also a copy of another project or environment"))
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(RestoreFlags {
            from: matches.get_one::<String>("from").map(PathBuf::from).unwrap_or_default(),
            elsewhere: matches.get_flag("elsewhere"),
        })
    }
}

async fn backup(cx: Cx, flags: BackupFlags) -> Result<()> {
    let path = cx.env().cwd().join(flags.out);
    cx.report(&cx.infra().await?.backup_secrets(&path).await?);
    Ok(())
}

async fn restore(cx: Cx, flags: RestoreFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_restore(&cx.env().cwd().join(flags.from), flags.elsewhere).await?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return Ok(());
    }
    cx.report(&infra.restore_secrets(plan).await?);
    Ok(())
}

async fn key(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    cx.report(&infra.own_key(!cx.is_dry_run()).await?);
    Ok(())
}

async fn rekey(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    cx.report(&infra.rekey_vault(!cx.is_dry_run()).await?);
    Ok(())
}
