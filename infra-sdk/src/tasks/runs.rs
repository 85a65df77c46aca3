//! `infra:deploy:all|agent|resume|cancel`: one deploy over many repos.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::config::Span;
use crate::error::{Error, ErrorKind, Result};
use crate::infra::{Agent, Checkout, Follow, Infra, checkouts};
use crate::names::RepoName;
use crate::runs::{RunId, RunReport, SHORTEST, env_flag};
use crate::tasks::runs_board::Board;

/// The handles of deploys over many repos.
#[derive(Clone, Copy, Debug)]
pub struct RunTasks {
    /// Deploys many repos in order, each once.
    pub all: TaskRef<()>,
    /// Deploys what runs ask for, from the checkouts of this machine.
    pub agent: TaskRef<()>,
    /// Goes on with a run.
    pub resume: TaskRef<()>,
    /// Ends a run.
    pub cancel: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> RunTasks {
    RunTasks {
        all: pack
            .task("deploy:all")
            .about("Deploy many repos, in the order they declare, each exactly once")
            .args::<AllFlags>()
            .danger_unless_local()
            .plans()
            .run(all),
        agent: pack
            .task("deploy:agent")
            .about("Deploy what infra:deploy:all asks for, from this checkout or those below a folder")
            .args::<AgentFlags>()
            .danger_unless_local()
            .run(agent),
        resume: pack
            .task("deploy:resume")
            .about("Go on with a deploy over many repos that nobody follows any more")
            .args::<ResumeFlags>()
            .danger_unless_local()
            .run(resume),
        cancel: pack
            .task("deploy:cancel")
            .about("End a deploy over many repos: nothing more begins, what runs stops in good order")
            .args::<CancelFlags>()
            .danger_unless_local()
            .run(cancel),
    }
}

/// The longest lease: who died holds on to what it had for as long.
const LONGEST: Duration = Duration::from_secs(3600);

fn length(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("TIME").value_parser(value_parser!(String)).help(help)
}

/// The lease of the flag: a shorter one than a second would ask the store all the time.
fn lease_of(matches: &ArgMatches) -> Result<Option<Duration>> {
    match span(matches, "lease")? {
        Some(lease) if lease < SHORTEST => Err(Error::invalid("`--lease` is shorter than a second")
            .hint("give a second or more, such as `--lease 5s`; without it, 15 seconds")),
        Some(lease) if lease > LONGEST => Err(Error::invalid("`--lease` is longer than an hour").hint(
            "what a dead agent or command holds is free only after its lease; without the flag, 15 seconds",
        )),
        lease => Ok(lease),
    }
}

fn span(matches: &ArgMatches, name: &str) -> Result<Option<Duration>> {
    matches.get_one::<String>(name).map(|text| text.parse::<Span>().map(|span| span.0)).transpose()
}

/// How long others wait for a sign of life: shorter means to go on sooner, and more questions to the store.
fn lease() -> Arg {
    length("lease", "How long a silent one is waited for before others go on, such as `5s`; default 15s")
}

fn wait() -> Arg {
    length("wait", "How long a repo may wait for an agent that serves it, such as `30m`; default 10m")
}

fn run() -> Arg {
    Arg::new("run").value_name("RUN").required(true).value_parser(value_parser!(String))
}

struct AllFlags {
    repos: Vec<RepoName>,
    lease: Option<Duration>,
    wait: Option<Duration>,
}

impl TaskArgs for AllFlags {
    fn augment(command: Command) -> Command {
        let repos = Arg::new("repos").long("repos").value_name("REPO,…").action(ArgAction::Append);
        command
            .arg(repos.value_delimiter(',').help("Which repos; default: all of [repos]"))
            .arg(wait())
            .arg(lease())
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let repos = matches.get_many::<String>("repos").into_iter().flatten();
        let repos = repos.map(|name| match name.trim() {
            "" => Err(Error::invalid("`--repos` names a repo without a name")
                .hint("write the names with commas between them: `--repos api,web`; without the flag, all of [repos]")),
            name => name.parse(),
        });
        let repos = repos.collect::<Result<_>>()?;
        Ok(AllFlags { repos, lease: lease_of(matches)?, wait: span(matches, "wait")? })
    }
}

struct AgentFlags {
    checkouts: Vec<PathBuf>,
    slots: usize,
    once: bool,
    lease: Option<Duration>,
}

impl TaskArgs for AgentFlags {
    fn augment(command: Command) -> Command {
        let checkouts = Arg::new("checkouts").long("checkouts").value_name("DIR").action(ArgAction::Append);
        let slots = Arg::new("slots").long("slots").value_name("N").default_value("1");
        let once = Arg::new("once").long("once").action(ArgAction::SetTrue);
        command
            .arg(checkouts.help("Serve every checkout below DIR that has an infra.toml, and not this one"))
            .arg(slots.value_parser(value_parser!(u16).range(1..)).help("How many repos at the same time"))
            .arg(once.help("End after one repo"))
            .arg(lease())
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let folders = matches.get_many::<String>("checkouts").into_iter().flatten();
        Ok(AgentFlags {
            checkouts: folders.map(PathBuf::from).collect(),
            slots: matches.get_one::<u16>("slots").copied().unwrap_or(1).into(),
            once: matches.get_flag("once"),
            lease: lease_of(matches)?,
        })
    }
}

struct ResumeFlags {
    run: String,
    lease: Option<Duration>,
    wait: Option<Duration>,
}

impl TaskArgs for ResumeFlags {
    fn augment(command: Command) -> Command {
        command.arg(run().help("The run, as infra:deploy:all printed it, or `last`")).arg(wait()).arg(lease())
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let run = matches.get_one::<String>("run").cloned().unwrap_or_default();
        Ok(ResumeFlags { run, lease: lease_of(matches)?, wait: span(matches, "wait")? })
    }
}

struct CancelFlags {
    run: RunId,
    lease: Option<Duration>,
}

impl TaskArgs for CancelFlags {
    fn augment(command: Command) -> Command {
        // The last one may be another by the time this is read.
        command.arg(run().help("The run, as infra:deploy:all printed it")).arg(lease())
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let run = matches.get_one::<String>("run").cloned().unwrap_or_default();
        if run == "last" {
            return Err(Error::invalid("`last` may be another run by the time this is read")
                .hint("see it with `cargo xtask infra:deploy:status last`, with the same `--env`, and cancel it by its name"));
        }
        Ok(CancelFlags { run: run.parse()?, lease: lease_of(matches)? })
    }
}

async fn all(cx: Cx, flags: AllFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let planned = infra.plan_run(&flags.repos, flags.wait)?;
    if cx.is_dry_run() {
        cx.report(&planned);
        return Ok(());
    }
    infra.start_run(&planned).await?;
    let run = &planned.0.id;
    let place = infra.ports().runs.place();
    let repos = match planned.0.repos.len() {
        1 => "1 repo".to_owned(),
        count => format!("{count} repos"),
    };
    cx.say(format!("run {run}: {repos} into {}, kept in {place}", planned.0.env));
    // How long repos wait stands in the run, for whoever moves it on.
    follow(&cx, &infra, run, Follow { lease: flags.lease, ..Follow::default() }).await
}

async fn resume(cx: Cx, flags: ResumeFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let run = infra.run_named(&flags.run).await?;
    follow(&cx, &infra, &run, Follow { lease: flags.lease, wait: flags.wait, ..Follow::default() }).await
}

/// Follows a run to its end. Whoever interrupts that leaves the run as it is.
async fn follow(cx: &Cx, infra: &Infra, run: &RunId, follow: Follow) -> Result<()> {
    let report = watch(cx, infra, run, follow).await.inspect_err(|error| {
        let goes_on = [ErrorKind::Cancelled, ErrorKind::Unavailable, ErrorKind::Denied, ErrorKind::Io];
        if goes_on.contains(&error.kind()) {
            let env = env_flag(infra.environment());
            cx.say(format!("run {run} is left as it is; its agents go on with it"));
            for (what, task) in [("look", "status"), ("follow it again", "resume"), ("end it", "cancel")] {
                cx.say(format!("  {what}: cargo xtask infra:deploy:{task} {run}{env}"));
            }
        }
    })?;
    cx.report(&report);
    report.require_done()
}

async fn watch(cx: &Cx, infra: &Infra, run: &RunId, follow: Follow) -> Result<RunReport> {
    let board = Arc::new(Board::new(cx));
    let shown = board.clone();
    let followed =
        infra.follow_run(run, &Follow { on_change: Arc::new(move |view| shown.show(view)), ..follow }).await;
    board.clear();
    followed
}

async fn cancel(cx: Cx, flags: CancelFlags) -> Result<()> {
    let infra = cx.infra().await?;
    infra.cancel_run(&flags.run).await?;
    // It is cancelled: that its repos cannot be listed just now is no failure.
    let report = infra.run_report(&flags.run).await;
    let running = report.map(|report| report.running().join(", ")).unwrap_or_default();
    cx.say(match running.is_empty() {
        true => format!("run {} is being cancelled", flags.run),
        false => format!(
            "run {} is being cancelled; waiting for what runs to stop in good order: {running}",
            flags.run
        ),
    });
    let report = watch(&cx, &infra, &flags.run, Follow { lease: flags.lease, ..Follow::default() }).await?;
    cx.report(&report);
    Ok(())
}

async fn agent(cx: Cx, flags: AgentFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let served = if flags.checkouts.is_empty() {
        let (repo, folder) = (infra.settings().project.name.clone(), infra.config().root().to_owned());
        vec![Checkout { repo, folder }]
    } else {
        let folders: Vec<PathBuf> =
            flags.checkouts.iter().map(|folder| cx.env().cwd().join(folder)).collect();
        let (found, broken) = checkouts(&infra.settings().project.org, &folders)?;
        for error in broken {
            cx.warn(format!("not served: {error}"));
        }
        found
    };
    let names: Vec<&str> = served.iter().map(|checkout| checkout.repo.as_str()).collect();
    let place = infra.ports().runs.place();
    cx.say(format!("serving {} into {}, for runs kept in {place}", names.join(", "), infra.environment()));
    let agent = Agent { checkouts: served, slots: flags.slots, once: flags.once, lease: flags.lease };
    let served = infra.serve_runs(&agent).await?;
    cx.report(&served);
    if agent.once && served.deployed == 0 && !infra.host().cancel.is_cancelled() {
        let env = env_flag(infra.environment());
        return Err(Error::new(ErrorKind::Failed, "the deploy that this agent took did not end well").hint(
            format!("what went wrong stands above, and in `cargo xtask infra:deploy:status last{env}`"),
        ));
    }
    Ok(())
}
