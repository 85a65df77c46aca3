//! The command line: global flags, then tasks, each followed by flags of its own.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use clap::builder::Resettable;
use clap::error::ErrorKind as ClapKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::app::App;
use crate::app::exit;
use crate::app::flags::{GlobalFlags, global_args};
use crate::app::list;
use crate::error::{Error, Result};
use crate::names::{nearest, quoted};

/// What the command line asks for.
pub(crate) struct Request {
    pub(crate) globals: GlobalFlags,
    pub(crate) tasks: Vec<u32>,
    /// The flags of each task that has some and was named.
    pub(crate) flags: HashMap<u32, Arc<ArgMatches>>,
}

/// Why there is no request.
pub(crate) enum Stop {
    /// Text for standard output, and all is well.
    Help(String),
    /// Clap's message about a wrong command line.
    Usage(String),
    /// Anything else that is wrong.
    Wrong(Error),
}

/// Reads a command line, without the name of the program.
///
/// It is read from left to right: what follows a task's name is its flags, until
/// the next word that none of them takes, which is the name of the next task.
pub(crate) fn parse(app: &App, args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Request, Stop> {
    let mut request = Request { globals: GlobalFlags::default(), tasks: Vec::new(), flags: HashMap::new() };
    let args = joined(args.into_iter().map(Into::into).collect());
    let matches = root(app).try_get_matches_from(args).map_err(|error| stop(&error))?;
    request.globals.add(&matches);
    request.globals.help = matches.get_flag("help");
    let mut rest = following(&matches);
    while !rest.is_empty() {
        // What other programs understand: `help`, `help deploy`.
        if rest[0] == "help" && !app.names.contains_key("help") {
            rest.remove(0);
            request.globals.help |= rest.is_empty();
            rest.extend((!rest.is_empty()).then(|| "--help".into()));
            continue;
        }
        let (index, used) = resolve(app, &rest).map_err(Stop::Wrong)?;
        let command = command(app, index);
        let matches = command.try_get_matches_from(&rest[used..]).map_err(|error| stop(&error))?;
        request.globals.add(&matches);
        request.tasks.push(index);
        rest = following(&matches);
        let node = &app.nodes[index as usize];
        if let Some(flags) = node.flags {
            (flags.check)(&matches).map_err(Stop::Wrong)?;
            if request.flags.insert(index, Arc::new(matches)).is_some() {
                let twice = Error::invalid(format!("{} is named twice", quoted(&node.name)));
                return Err(Stop::Wrong(
                    twice.hint("a task runs once; give its flags once").exit_with(exit::USAGE),
                ));
            }
        }
    }
    Ok(request)
}

/// Whether a command line asks for documents, also one that cannot be read.
pub(crate) fn says_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--output=json")
        || args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
}

/// The flags of a task that runs although it was not named: their defaults.
///
/// # Errors
/// `Invalid` when one of its flags is required.
pub(crate) fn defaults(app: &App, index: u32) -> Result<Option<Arc<ArgMatches>>> {
    let node = &app.nodes[index as usize];
    let Some(flags) = node.flags else { return Ok(None) };
    let none: [&str; 0] = [];
    let matches = command(app, index).try_get_matches_from(none).map_err(|error| {
        let line = error.to_string().lines().next().unwrap_or_default().to_owned();
        Error::invalid(format!(
            "{} runs because another task waits for it, but it has required flags",
            quoted(&node.name)
        ))
        .because(line)
        .hint(format!(
            "name it on the command line, with its flags: `{} {} --help` lists them",
            app.program, node.name
        ))
        .exit_with(exit::USAGE)
    })?;
    (flags.check)(&matches)?;
    Ok(Some(Arc::new(matches)))
}

/// The help of the whole program.
pub(crate) fn help(app: &App) -> String {
    let about = if app.about.is_empty() { String::new() } else { format!("{}\n\n", app.about.trim_end()) };
    let options = root(app).help_template("{options}").render_help();
    format!(
        "{about}Usage: {program} [OPTIONS] TASK [FLAGS] [TASK [FLAGS]]…\n\n{tasks}\n{options}\n\n\
         A name may be written with spaces: `infra nats up` is `infra:nats:up`.\n\
         `{program} TASK --help` shows the flags of a task.\n",
        program = app.program,
        tasks = list::text(app),
        options = options.to_string().trim_end(),
    )
}

/// The script that completes tasks and flags in `shell`.
pub(crate) fn completions(app: &App, shell: &str) -> Vec<u8> {
    let mut all = root(app).allow_external_subcommands(false).subcommands(below(app, ""));
    // The completed word is the program itself: an alias of cargo has no completions of its own.
    let name = app.program.rsplit(' ').next().unwrap_or_default().to_owned();
    let mut script = Vec::new();
    if let Ok(shell) = shell.parse::<clap_complete::Shell>() {
        clap_complete::generate(shell, &mut all, name.clone(), &mut script);
        if name != app.program {
            script.extend(shortcut(shell, &name, &app.program).into_bytes());
        }
    }
    script
}

/// The word that is completed, as another one for `program`.
fn shortcut(shell: clap_complete::Shell, name: &str, program: &str) -> String {
    use clap_complete::Shell;
    let function = match shell {
        Shell::Fish => format!("function {name}; {program} $argv; end"),
        Shell::PowerShell => format!("function {name} {{ {program} @args }}"),
        Shell::Elvish => format!("fn {name} {{|@all| {program} $@all }}"),
        _ => format!("{name}() {{ {program} \"$@\"; }}"),
    };
    format!("\n# The word that is completed.\n{function}\n")
}

/// The tasks whose names start with `prefix`, as commands inside commands: most
/// shells take a colon for the end of a word.
fn below(app: &App, prefix: &str) -> Vec<Command> {
    let visible = app.nodes.iter().filter(|node| !node.settings.hidden);
    let rests = visible.filter_map(|node| node.name.strip_prefix(prefix));
    let mut parts: Vec<&str> = rests.filter_map(|rest| rest.split(':').next()).collect();
    parts.sort_unstable();
    parts.dedup();
    let part = |part: &str| {
        let name = format!("{prefix}{part}");
        let own = app.names.get(name.as_str()).filter(|index| !app.nodes[**index as usize].settings.hidden);
        let command = match own {
            // The completions make up the full name themselves.
            Some(index) => command(app, *index).name(part.to_owned()).bin_name(Resettable::Reset),
            None => Command::new(part.to_owned()),
        };
        command.subcommands(below(app, &format!("{name}:")))
    };
    parts.into_iter().map(part).collect()
}

fn root(app: &App) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::SetTrue).help("Show this help");
    Command::new(app.program.clone())
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .allow_external_subcommands(true)
        .override_usage(format!("{} [OPTIONS] TASK [FLAGS]", app.program))
        .args(global_args().into_iter().map(|arg| arg.help_heading("Options")))
        .arg(help.help_heading("Options"))
}

/// The command of one task: its flags, the global ones, and room for more tasks.
fn command(app: &App, index: u32) -> Command {
    let node = &app.nodes[index as usize];
    let mut command = Command::new(node.name.to_string());
    if let Some(flags) = node.flags {
        command = (flags.augment)(command);
    }
    // A task with words of its own takes all that follow, so it comes last.
    let last = command.get_positionals().next().is_some() || command.has_subcommands();
    command = command
        .bin_name(format!("{} {}", app.program, node.name))
        .display_name(node.name.to_string())
        .about(node.about.clone())
        .no_binary_name(true)
        .disable_help_subcommand(true)
        .allow_external_subcommands(!last)
        .args(global_args());
    if last {
        command
    } else {
        command.override_usage(format!("{} {} [OPTIONS] [TASK]…", app.program, node.name))
    }
}

/// `--graph dot` is two words for people and one for clap, or `--graph build` could not be told from it.
fn joined(args: Vec<OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::with_capacity(args.len());
    for arg in args {
        match all.last_mut() {
            Some(last) if last == "--graph" && (arg == "dot" || arg == "text") => {
                last.push("=");
                last.push(arg);
            }
            _ => all.push(arg),
        }
    }
    all
}

/// The words that no flag took: the name of a task and what follows it.
fn following(matches: &ArgMatches) -> Vec<OsString> {
    let Some((name, rest)) = matches.subcommand() else { return Vec::new() };
    let mut words = vec![OsString::from(name)];
    words.extend(rest.get_many::<OsString>("").into_iter().flatten().cloned());
    words
}

/// The task named by the first words, and how many of them; the longest name wins.
fn resolve(app: &App, words: &[OsString]) -> Result<(u32, usize)> {
    let plain: Vec<&str> =
        words.iter().map_while(|word| word.to_str()).take_while(|word| !word.starts_with('-')).collect();
    for used in (1..=plain.len().min(8)).rev() {
        if let Some(index) = app.names.get(plain[..used].join(":").as_str()) {
            return Ok((*index, used));
        }
    }
    Err(unknown(app, &plain, &words[0].to_string_lossy()))
}

fn unknown(app: &App, plain: &[&str], first: &str) -> Error {
    let visible = || app.nodes.iter().filter(|node| !node.settings.hidden).map(|node| &*node.name);
    let below = |prefix: &str| {
        visible().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':')))
    };
    let group = (1..=plain.len()).rev().map(|used| plain[..used].join(":")).find(|prefix| below(prefix));
    let error = |what: String| Error::not_found(what).exit_with(exit::USAGE);
    match group {
        Some(group) if plain.len() == group.split(':').count() => {
            let all: Vec<&str> = visible().filter(|name| name.starts_with(&format!("{group}:"))).collect();
            error(format!("{} is a group of tasks", quoted(&group)))
                .hint(format!("name one of them: {}", all.join(", ")))
        }
        group => {
            let given = if group.is_some() { plain.join(":") } else { first.to_owned() };
            let error = error(format!("no task {}", quoted(&given)));
            match nearest(&given, visible()) {
                Some(name) => error.hint(format!("did you mean `{name}`?")),
                None => error.hint(format!("`{} --list` shows all tasks", app.program)),
            }
        }
    }
}

fn stop(error: &clap::Error) -> Stop {
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => Stop::Help(error.to_string()),
        _ => Stop::Usage(error.to_string()),
    }
}
