//! Confirming dangerous tasks: once, before anything runs, with the whole plan in view.

use crate::app::app::App;
use crate::app::ask::Asker;
use crate::app::environment::Environment;
use crate::app::flags::GlobalFlags;
use crate::app::graph::Plan;
use crate::app::output::Output;
use crate::app::plan_view;
use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;

/// Lets a plan through if nothing in it is dangerous, or if all that is was confirmed.
///
/// # Errors
/// `Denied`, naming the flags to pass where there is nobody to ask.
pub(crate) fn confirm(
    app: &App,
    plan: &Plan,
    environment: &Environment,
    flags: &GlobalFlags,
    asker: &Asker,
    output: &Output,
) -> Result<()> {
    let name = environment.name();
    if let Some(given) = flags.confirm_env.as_deref().filter(|given| *given != name.as_str()) {
        let what = format!("--confirm-env is {}, but the environment is `{name}`", quoted(given));
        return Err(Error::new(ErrorKind::Denied, what)
            .hint("check which environment you mean, then make `--env` and `--confirm-env` the same"));
    }
    let dangerous: Vec<&str> = plan
        .order
        .iter()
        .map(|index| &app.nodes[*index as usize])
        .filter(|node| node.is_dangerous_in(name))
        .map(|node| &*node.name)
        .collect();
    let open: Vec<&str> =
        dangerous.iter().copied().filter(|task| !flags.yes.iter().any(|yes| yes == task)).collect();
    let must_type = !dangerous.is_empty() && environment.is_protected() && flags.confirm_env.is_none();
    if open.is_empty() && !must_type {
        return Ok(());
    }
    if !asker.can_ask() {
        return Err(missing(&open, must_type, name.as_str()));
    }
    output.note(&format!("{}\n", plan_view::text(app, plan, environment)));
    // What a dry run runs of a dangerous task is its plan.
    let nodes = plan.order.iter().map(|index| &app.nodes[*index as usize]);
    if nodes.clone().any(|node| node.settings.read_only && node.is_dangerous_in(name)) {
        output.note("`--dry-run` shows what they would change\n");
    }
    let denied = |why: &str| {
        Err(Error::new(ErrorKind::Denied, why.to_owned())
            .hint("nothing was run; start it again when you are sure"))
    };
    if environment.is_protected() {
        output.prompt(&format!("`{name}` is protected. Type its name to run this:"));
        if asker.line()?.trim() != name.as_str() {
            return denied("the name of the environment was not typed");
        }
    } else {
        output.prompt("Run this? [y/N]");
        if !matches!(asker.line()?.trim().to_lowercase().as_str(), "y" | "yes") {
            return denied("the dangerous tasks were not confirmed");
        }
    }
    Ok(())
}

fn missing(open: &[&str], must_type: bool, environment: &str) -> Error {
    let mut flags: Vec<String> = open.iter().map(|task| format!("--yes={task}")).collect();
    if must_type {
        flags.push(format!("--confirm-env {environment}"));
    }
    let what = match open {
        [] => format!("the protected environment `{environment}` has to be confirmed"),
        tasks => format!("dangerous tasks have to be confirmed: {}", tasks.join(", ")),
    };
    Error::new(ErrorKind::Denied, format!("{what}, and there is no terminal to ask on"))
        .with("environment", environment)
        .hint(format!("nothing was run; to confirm, add `{}`", flags.join(" ")))
}
