//! `infra_sdk::main`: the whole `main` of a repo's `xtask`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::app::{App, Console, Environment, exit};
use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::infra::Infra;
use crate::names::EnvName;
use crate::tasks::guard::{self, Entered};
use crate::tasks::handles::InfraTasks;
use crate::tasks::services::Services;

/// Registers the inherited tasks and those of `tasks`, and does what the command line asks for.
///
/// ```no_run
/// use infra_sdk::{App, Cx, InfraTasks, Result};
///
/// fn main() -> std::process::ExitCode {
///     infra_sdk::main(tasks)
/// }
///
/// fn tasks(app: &mut App, infra: &InfraTasks) {
///     app.task("setup").about("Make this checkout ready to work").after(infra.dev.setup).run(setup);
/// }
///
/// async fn setup(cx: Cx) -> Result<()> {
///     cx.say("ready");
///     Ok(())
/// }
/// ```
pub fn main(tasks: impl FnOnce(&mut App, &InfraTasks)) -> ExitCode {
    if let Some(code) = Infra::supervise_if_asked().or_else(Infra::evaluate_if_asked) {
        return code;
    }
    let env = match Env::of_process() {
        Ok(env) => env,
        Err(error) => {
            let nowhere = Env::of::<OsString, OsString>([], "/");
            Console::of_process(&nowhere).complain(&error);
            return ExitCode::from(exit::code_of(&error));
        }
    };
    let mut console = Console::of_process(&env);
    let mut attempt = match guard::enter(&env, |line| console.note(line)) {
        Ok(Entered::ByHand) => None,
        Ok(Entered::Attempt(attempt)) => Some(attempt),
        Ok(Entered::AlreadyDeployed) => return ExitCode::SUCCESS,
        Err(error) => {
            console.complain(&error);
            return ExitCode::from(exit::code_of(&error));
        }
    };
    if let Some(attempt) = &attempt {
        console = console.cancelled_by(attempt.alone());
    }
    let code = app(&env, tasks).run_with(console, std::env::args_os().skip(1));
    if let Some(attempt) = attempt.as_mut().filter(|_| code == 0) {
        attempt.ended_well();
    }
    ExitCode::from(code)
}

/// The same for a program that brings its own console and arguments (without the program's name); gives the exit code.
pub fn run<A: Into<OsString>>(
    env: &Env,
    console: Console,
    args: impl IntoIterator<Item = A>,
    tasks: impl FnOnce(&mut App, &InfraTasks),
) -> u8 {
    app(env, tasks).run_with(console, args)
}

/// Whether the tasks fit together: names, handles, order. For a test in the repo's `xtask`.
///
/// # Errors
/// `Bug`, listing everything that does not.
pub fn check(tasks: impl FnOnce(&mut App, &InfraTasks)) -> Result<()> {
    app(&Env::of::<OsString, OsString>([], "."), tasks).check()
}

/// What `infra.toml` and the file it extends know, for a runtime that has not started: on a thread of its own, because
/// the caller may be inside another one.
fn environments(env: &Env) -> Result<Vec<(EnvName, bool)>> {
    let ask = || -> Result<Vec<(EnvName, bool)>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(Config::environments_of(env))
    };
    std::thread::scope(|scope| scope.spawn(ask).join())
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "reading the environments panicked")))
}

fn app(env: &Env, tasks: impl FnOnce(&mut App, &InfraTasks)) -> App {
    let mut app = App::new();
    app.root(Config::root_around(env.cwd()));
    let infra = InfraTasks::register(&mut app);
    let expected = infra.refs.clone();
    app.provide(move |_| Ok(Services::expecting(expected.expected())));
    app.environments_from(|env, _| {
        // A repo without settings still has tasks; those that need settings say so.
        let has_settings = Config::root_around(env.cwd()).join("infra.toml").exists();
        let known = if has_settings { environments(env)? } else { Vec::new() };
        known
            .into_iter()
            .map(|(name, protected)| {
                let environment = Environment::new(name.as_str())?;
                Ok(if protected { environment.protected() } else { environment })
            })
            .collect()
    });
    tasks(&mut app, &infra);
    app
}
