//! `infra:secrets:exec` and `export`: the values, to other programs.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::env::INFRA_AGE_KEY;
use crate::error::Result;
use crate::secrets::ExportFormat;

pub(super) fn register(pack: &mut Pack<'_>) -> (TaskRef<()>, TaskRef<()>) {
    let exec = pack
        .task("secrets:exec")
        .about("Run a program with the values, hidden in what it prints")
        .args::<ExecFlags>()
        .run(exec);
    let export = pack
        .task("secrets:export")
        .about("Write the values for another program, into a file of your own")
        .args::<ExportFlags>()
        .run(export);
    (exec, export)
}

struct ExecFlags {
    command: Vec<String>,
    interactive: bool,
}

impl TaskArgs for ExecFlags {
    fn augment(command: Command) -> Command {
        let interactive = Arg::new("interactive").long("interactive").action(ArgAction::SetTrue);
        let interactive =
            interactive.help("Give it this terminal, as psql needs; nothing it prints is hidden then");
        command.arg(interactive).arg(
            Arg::new("command")
                .value_name("COMMAND")
                .num_args(1..)
                .required(true)
                .last(true)
                .help("After `--`: the program and its arguments"),
        )
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let command = matches.get_many::<String>("command").into_iter().flatten().cloned().collect();
        Ok(ExecFlags { command, interactive: matches.get_flag("interactive") })
    }
}

struct ExportFlags {
    format: ExportFormat,
    out: Option<PathBuf>,
}

impl TaskArgs for ExportFlags {
    fn augment(command: Command) -> Command {
        let format = Arg::new("format").long("format").value_name("FORMAT").required(true);
        let out = Arg::new("out").long("out").value_name("FILE");
        command
            .arg(format.help("dotenv, json, tfvars, k8s, or github"))
            .arg(out.help("The file, which only you will be able to read; not for github"))
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ExportFlags {
            format: matches.get_one::<String>("format").map(String::as_str).unwrap_or_default().parse()?,
            out: matches.get_one::<String>("out").map(PathBuf::from),
        })
    }
}

async fn exec(cx: Cx, flags: ExecFlags) -> Result<()> {
    let values = cx.infra().await?.needed_values().await?;
    let Some((program, args)) = flags.command.split_first() else { return Ok(()) };
    let mut command = cx.cmd(program).args(args).dir(cx.env().cwd()).env_remove(INFRA_AGE_KEY);
    for (name, value) in &values {
        command = command.env_secret(name.as_str(), value);
    }
    if flags.interactive {
        command = command.interactive();
    } else if !cx.env().stdin_is_terminal() {
        command = command.pass_stdin();
    }
    command.run().await
}

async fn export(cx: Cx, flags: ExportFlags) -> Result<()> {
    let infra = cx.infra().await?;
    cx.report(&infra.export_secrets(flags.format, flags.out.as_deref()).await?);
    Ok(())
}
