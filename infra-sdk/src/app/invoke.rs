//! One invocation: command line, environment, plan, confirmation, run, and what is told at the end.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::app::app::App;
use crate::app::cli::{self, Request, Stop};
use crate::app::confirm;
use crate::app::console::Console;
use crate::app::cx::Shared;
use crate::app::environment;
use crate::app::exit;
use crate::app::failed;
use crate::app::github;
use crate::app::graph::Plan;
use crate::app::graph_view;
use crate::app::layout::Layout;
use crate::app::list::{self, TaskList};
use crate::app::output::Output;
use crate::app::plan_view::{self, DryRun};
use crate::app::runner::Runner;
use crate::app::signal;
use crate::app::summary::Summary;
use crate::cancel::CancelToken;
use crate::env::{Env, INFRA_JOBS};
use crate::error::{Error, ErrorKind, Result};
use crate::names::{nearest, quoted};

impl App {
    /// Does what the command line asks for, on the terminal of this process.
    ///
    /// `args` come without the name of the program: `std::env::args_os().skip(1)`.
    /// Ctrl-C, `TERM` and `HUP` cancel the run; a second one kills it. See
    /// [`exit`](crate::app::exit) for the codes.
    pub fn run<A: Into<OsString>>(&self, env: &Env, args: impl IntoIterator<Item = A>) -> ExitCode {
        ExitCode::from(self.run_with(Console::of_process(env), args))
    }

    /// The same on a console of your own; gives the exit code.
    ///
    /// The app can be run again: nothing of a run stays in it. It starts an async
    /// runtime of its own and blocks until the run has ended.
    pub fn run_with<A: Into<OsString>>(&self, console: Console, args: impl IntoIterator<Item = A>) -> u8 {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        // Also for a command line that is wrong: who reads documents reads that as one, too.
        let said = cli::says_json(&args);
        let parsed = self.check_own().map_err(Stop::Wrong).and_then(|()| cli::parse(self, args));
        let json = parsed.as_ref().map_or(said, |request| request.globals.json);
        let Console { env, out, err, asker, cancel, of_process } = console;
        let output = Arc::new(Output::new(&env, out, err, json));
        let invocation = Invocation { app: self, env, output, asker, cancel, of_process };
        let served = parsed.and_then(|request| invocation.serve(request).map_err(Stop::Wrong));
        let served = served.and_then(|code| invocation.output.check().map(|()| code).map_err(Stop::Wrong));
        match served {
            Ok(code) => code,
            Err(Stop::Help(text)) => {
                invocation.output.result(&text);
                exit::OK
            }
            Err(Stop::Usage(text)) => {
                let first = text.lines().next().unwrap_or_default();
                let error = Error::invalid(first.strip_prefix("error: ").unwrap_or(first));
                invocation.document_of(&error.exit_with(exit::USAGE));
                invocation.output.note(&text);
                exit::USAGE
            }
            Err(Stop::Wrong(error)) => {
                invocation.document_of(&error);
                invocation.fail(None, &error.report().to_string());
                exit::code_of(&error)
            }
        }
    }
}

struct Invocation<'a> {
    app: &'a App,
    env: Env,
    output: Arc<Output>,
    asker: crate::app::ask::Asker,
    cancel: CancelToken,
    of_process: bool,
}

impl Invocation<'_> {
    fn serve(&self, request: Request) -> Result<u8> {
        let (app, globals, output) = (self.app, &request.globals, &self.output);
        if let Some(shell) = &globals.completions {
            output.result(&String::from_utf8_lossy(&cli::completions(app, shell)));
        } else if globals.list {
            if globals.json {
                output.document(&TaskList::of(app))?;
            } else {
                output.result(&list::text(app));
            }
        } else if let Some(format) = &globals.graph {
            let view = if format == "dot" { graph_view::dot } else { graph_view::tree };
            output.result(&view(app, &request.tasks));
        } else if globals.help || request.tasks.is_empty() {
            output.result(&cli::help(app));
        } else {
            return self.tasks(request);
        }
        Ok(exit::OK)
    }

    fn tasks(&self, mut request: Request) -> Result<u8> {
        let (app, globals) = (self.app, &request.globals);
        for name in &globals.yes {
            known(app, name)?;
        }
        let given = self.jobs(globals.jobs)?;
        let root = app.root.clone().unwrap_or_else(|| self.env.cwd().to_owned());
        let environments = (app.environments)(&self.env, &root)?;
        let environment = environment::choose(globals.env.as_deref(), &self.env, environments)?;
        let plan = Plan::new(&app.nodes, &request.tasks);
        let jobs = given.unwrap_or_else(|| most_at_once(plan.order.len()));
        for &index in &plan.order {
            if !request.flags.contains_key(&index)
                && let Some(matches) = cli::defaults(app, index)?
            {
                request.flags.insert(index, matches);
            }
        }
        let dry_run = globals.dry_run;
        let mut planned = None;
        if !dry_run {
            confirm::confirm(app, &plan, &environment, globals, &self.asker, &self.output)?;
        } else if globals.json {
            planned = Some(DryRun::new(app, &plan, &environment));
        } else {
            plan_view::dry_run(app, &plan, &environment, &self.output);
        }
        let visible = plan.order.iter().map(|index| &app.nodes[*index as usize]);
        let names: Vec<&str> = visible.filter(|node| !node.settings.hidden).map(|node| &*node.name).collect();
        self.output.set_layout(Layout::of(names.into_iter(), jobs));
        let shared = Shared {
            root,
            env: self.env.clone(),
            environment,
            dry_run,
            output: self.output.clone(),
            asker: self.asker.clone(),
            asking: tokio::sync::Mutex::new(()),
            services: app.services.open(),
            longest_grace: Default::default(),
        };
        let runner = Runner {
            nodes: &app.nodes,
            plan: &plan,
            shared: Arc::new(shared),
            flags: request.flags,
            jobs,
            keep_going: globals.keep_going,
            cancel: self.cancel.clone(),
        };
        let mut summary = self.block_on(jobs.min(plan.order.len()), runner)?;
        if let Some(planned) = planned {
            let reports = summary.reports(&plan, &self.output.masks);
            self.output.document(&planned.with(reports))?;
        } else if self.output.json {
            let document = summary.document(&plan, &self.output.masks);
            self.output.document(&document)?;
        }
        Ok(self.tell(&summary, dry_run))
    }

    /// Runs on a runtime of its own; on a thread of its own if the caller is inside one already.
    fn block_on(&self, workers: usize, runner: Runner<'_>) -> Result<Summary> {
        let failed = |error| Error::new(ErrorKind::Unavailable, "start the async runtime").because(error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // Bodies may block their threads: one more is left to look after time and the others.
            .worker_threads(workers.clamp(1, 16) + 1)
            // The clock; and sockets, where a feature with a network is compiled in.
            .enable_all()
            .build()
            .map_err(|error: std::io::Error| {
                failed(error).hint("the system may be out of threads or memory")
            })?;
        if self.of_process {
            signal::listen(&self.cancel, &self.output)?;
        }
        let run = || runtime.block_on(runner.run());
        let summary = if tokio::runtime::Handle::try_current().is_ok() {
            std::thread::scope(|scope| scope.spawn(run).join()).map_err(|_| {
                Error::new(ErrorKind::Bug, "the task runner panicked").hint("please report this")
            })?
        } else {
            run()
        };
        if self.of_process && summary.cancelled.is_some() {
            // A body that was dropped may have left a program that did not listen.
            crate::process::kill_all();
        }
        // A read from the terminal cannot be taken back, so it is not waited for.
        runtime.shutdown_background();
        Ok(summary)
    }

    /// How many tasks may run at the same time, if somebody said so.
    fn jobs(&self, flag: Option<u32>) -> Result<Option<usize>> {
        match (flag, self.env.get(INFRA_JOBS)) {
            (Some(jobs), _) => Ok(Some(jobs as usize)),
            (None, Some(text)) => {
                let jobs = text.parse().ok().filter(|jobs| *jobs > 0).ok_or_else(|| {
                    Error::invalid(format!("INFRA_JOBS is {}, not a number from 1", quoted(text)))
                        .hint("set it to the number of tasks that may run at the same time, or unset it")
                })?;
                Ok(Some(jobs))
            }
            (None, None) => Ok(None),
        }
    }

    /// Tells how it went and gives the exit code.
    fn tell(&self, summary: &Summary, dry_run: bool) -> u8 {
        if !dry_run {
            if let Some(timings) = summary.timings() {
                self.output.note(&timings);
            }
            if self.output.github {
                let text = self.output.masks.apply(&github::summary(summary)).into_owned();
                if !github::append_summary(&self.env, &text) {
                    self.output.note("warning: the step summary could not be written");
                }
            }
        }
        // With --keep-going there may be several; the first one, which is told last, decides.
        for failure in summary.failures.iter().skip(1) {
            self.output.marked(
                "also failed:",
                "31",
                &format!("{}: {}", failure.task, failure.error.report()),
            );
        }
        if let Some((task, error)) = summary.root_failure() {
            self.fail(task, &error.report().to_string());
        }
        summary.exit_code()
    }

    /// What failed before anything was run, for who reads documents. Why it cannot be written is told as the same failure.
    fn document_of(&self, error: &Error) {
        if self.output.json {
            let _ = self.output.document(&failed::as_json(None, error, &self.output.masks));
        }
    }

    fn fail(&self, task: Option<&str>, report: &str) {
        let told = match task {
            Some(task) => format!("{task}: {report}"),
            None => report.to_owned(),
        };
        if self.output.github {
            let masked = self.output.masks.apply(report);
            self.output.command(&github::error(task.unwrap_or(&self.app.program), &masked), true);
        } else {
            self.output.marked("error:", "31", &told);
        }
    }
}

/// One task has the machine for itself, however large that is.
fn most_at_once(tasks: usize) -> usize {
    if tasks == 1 { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

fn known(app: &App, name: &str) -> Result<()> {
    if app.names.contains_key(name) {
        return Ok(());
    }
    let error = Error::not_found(format!("--yes names no task: {}", quoted(name))).exit_with(exit::USAGE);
    Err(match nearest(name, app.nodes.iter().map(|node| &*node.name)) {
        Some(name) => error.hint(format!("did you mean `--yes={name}`?")),
        None => error.hint("name the dangerous task as the list shows it"),
    })
}
