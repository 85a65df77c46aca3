//! Terraform's own words as an error: what it says, what it means, what to do next.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind};
use crate::plan::Veil;
use crate::process::{LineSink, Stream};
use crate::state::BackendSettings;
use crate::terraform::moved::Moved;

/// Keeps what Terraform prints on standard error while it also goes to the task.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Arc<Mutex<Vec<String>>>);

/// More than this many lines are for the log, not for an error.
const KEPT: usize = 2_000;
const SHOWN: usize = 60;

impl LineSink for Words {
    fn line(&self, stream: Stream, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where both outputs come as one, what it says of its failure begins with this word.
        let of_a_failure = stream == Stream::Err || line.starts_with("Error: ") || !lines.is_empty();
        if of_a_failure && lines.len() < KEPT {
            lines.push(line.to_owned());
        }
    }
}

impl Words {
    /// Takes secrets out of what was kept.
    pub(super) fn hide(&self, veil: &Veil) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        veil.cover(&mut lines.iter_mut().collect::<Vec<_>>());
    }

    /// From the first `Error:` on; everything when there is none. Without frames and blank lines around it.
    pub(super) fn diagnostics(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let plain: Vec<&str> = lines
            .iter()
            .map(|line| line.trim_start_matches(['│', '╷', '╵']).trim_end())
            .map(|line| line.strip_prefix(' ').filter(|rest| rest.starts_with("Error:")).unwrap_or(line))
            .collect();
        let start = plain.iter().position(|line| line.starts_with("Error:")).unwrap_or(0);
        let shown = plain.get(start..).unwrap_or_default();
        let mut text = shown[..shown.len().min(SHOWN)].join("\n").trim().to_owned();
        if shown.len() > SHOWN {
            text.push_str("\n…");
        }
        text
    }
}

/// What a failed command was about.
pub(super) struct Attempt<'a> {
    pub(super) tool: &'a str,
    pub(super) verb: &'a str,
    pub(super) stack: &'a str,
    /// Whether its state is where locks outlive the process that took them.
    pub(super) shared: bool,
    /// A command line that works on this stack by hand, to be completed.
    pub(super) by_hand: &'a str,
    /// Where its state is to be kept.
    pub(super) backend: &'a BackendSettings,
    /// Where the initialised backend is remembered.
    pub(super) memory: &'a std::path::Path,
}

/// Turns the failure of a command into an error with Terraform's words.
pub(super) fn explain(attempt: &Attempt<'_>, failure: Error, words: &Words) -> Error {
    if failure.kind() != ErrorKind::Failed {
        return failure.with("stack", attempt.stack);
    }
    let Attempt { tool, verb, stack, .. } = attempt;
    let text = words.diagnostics();
    let signal = failure.context().find(|(key, _)| *key == "signal").map(|(_, value)| value.to_owned());
    let code = failure.exit_code().unwrap_or(1);
    let error = if let Some(signal) = signal {
        let again = if *verb == "apply" { "what it had done by then stands in the state; " } else { "" };
        Error::new(ErrorKind::Failed, format!("{tool} {verb} was killed"))
            .with("stack", stack)
            .with("signal", signal)
            .hint(format!(
                "{again}run the same task again; if the state is locked then, the error names the lock"
            ))
    } else if text.contains("Error acquiring the state lock") {
        locked(attempt, &text)
    } else if ["Saved plan is stale", "Saved plan does not match the given state"]
        .iter()
        .any(|said| text.contains(said))
    {
        Error::new(ErrorKind::Conflict, "the plan is stale: the state was changed after it was made")
            .with("stack", stack)
            .hint("plan again, look at the new plan, then apply that one")
    } else if text.contains("NoSuchBucket") {
        Error::new(ErrorKind::NotFound, "the bucket for Terraform state is not there")
            .with("stack", stack)
            .hint("make it with `cargo xtask infra:state:setup`, or correct `state` of this environment in infra.toml")
    } else if text.contains("Backend configuration changed") {
        let Moved { from, to, differing } = Moved::of(attempt.memory, attempt.backend);
        let error = Error::new(ErrorKind::Conflict, "the state of a stack is kept elsewhere than before")
            .with("stack", stack)
            .with("from", from.as_deref().unwrap_or("unknown"))
            .with("to", to);
        let error = if differing.is_empty() { error } else { error.with("differing", differing.join(", ")) };
        error.hint(format!(
            "copy the state to the new place first if it must live on, then remove {}",
            attempt.memory.display()
        ))
    } else {
        Error::new(ErrorKind::Failed, format!("{tool} {verb} failed"))
            .with("stack", stack)
            .hint(next_step(verb))
    };
    // What is understood has a code of its own, whoever noticed it: a lock is one thing to a script.
    let error = if error.kind() == ErrorKind::Failed { error.exit_with(code) } else { error };
    if text.is_empty() { error.because(failure) } else { error.because(text) }
}

fn next_step(verb: &str) -> &'static str {
    match verb {
        "init" => "correct what it says; providers and modules come from the network unless they are cached",
        "apply" => {
            "correct what it says and run the same task again: what was applied before stands in the state"
        }
        _ => "correct what it says and run the same task again",
    }
}

fn locked(attempt: &Attempt<'_>, text: &str) -> Error {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
            .filter(|value| !value.is_empty())
    };
    let mut error =
        Error::new(ErrorKind::Locked, "the state of a stack is locked").with("stack", attempt.stack);
    for (key, name) in [
        ("holder", "Who"),
        ("since", "Created"),
        ("operation", "Operation"),
        ("info", "Info"),
        ("lock", "ID"),
    ] {
        if let Some(value) = field(name) {
            error = error.with(key, value);
        }
    }
    let error = error.hint("wait until the holder is done and run the same task again").retryable();
    match field("ID") {
        Some(id) if attempt.shared && is_plain(id) => error.hint(format!(
            "if that run is dead for certain, remove its lock: `cargo xtask infra:state:unlock {} --id {id} --force --yes=infra:state:unlock`",
            attempt.stack
        )),
        Some(id) if is_plain(id) => error.hint(format!(
            "if that run is dead for certain, remove its lock: `{} force-unlock {id}`",
            attempt.by_hand
        )),
        _ if text.contains("failed to unmarshal") && attempt.shared => error.hint(format!(
            "the lock does not say who holds it: if no run is at work for certain, remove it with \
             `cargo xtask infra:state:unlock {} --force --yes=infra:state:unlock`",
            attempt.stack
        )),
        // Terraform itself cannot remove such a lock either.
        _ if text.contains("failed to unmarshal") => error.hint(
            "the lock does not say who holds it: if no run is at work for certain, remove the object whose name is the state's with `.tflock` at its end",
        ),
        _ => error,
    }
}

/// Whether an id can stand in a command as it is.
fn is_plain(id: &str) -> bool {
    id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(verb: &str, said: &str) -> Error {
        explained_where(verb, said, false)
    }

    fn explained_where(verb: &str, said: &str, shared: bool) -> Error {
        let words = Words::default();
        said.lines().for_each(|line| words.line(Stream::Err, line));
        let attempt = Attempt {
            tool: "terraform",
            verb,
            stack: "network",
            shared,
            by_hand: "terraform -chdir=/x",
            backend: &BackendSettings::new("local", Default::default()),
            memory: std::path::Path::new("/x"),
        };
        explain(&attempt, Error::new(ErrorKind::Failed, "program failed").exit_with(1), &words)
    }

    #[test]
    fn a_lock_names_its_holder_and_how_to_remove_it() {
        let error = explained(
            "plan",
            "Error: Error acquiring the state lock\n\nError message: 412\nLock Info:\n  ID:        46c0-d1\n  \
             Operation: OperationTypeApply\n  Who:       ci@runner\n  Created:   2026-11-20 09:34\n  Info:      \n",
        );
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Locked, None), "the code of a lock");
        assert!(error.to_string().contains("holder: ci@runner, since: 2026-11-20 09:34"), "{error}");
        assert!(error.hints()[1].contains("terraform -chdir=/x force-unlock 46c0-d1"));
        assert!(!error.to_string().contains("info:"));
        let said = "Error: Error acquiring the state lock\n\n412\nfailed to unmarshal JSON data\n";
        assert!(explained("plan", said).hints()[1].contains(".tflock"));
        let shared = explained_where("plan", said, true);
        assert!(shared.hints()[1].contains("infra:state:unlock network --force"), "{shared:?}");
        let said = "Error: Error acquiring the state lock\n\nLock Info:\n  ID: 46c0-d1\n  Who: ci@runner\n";
        let shared = explained_where("plan", said, true);
        assert!(shared.hints()[1].contains("infra:state:unlock network --id 46c0-d1 --force"), "{shared:?}");
    }

    #[test]
    fn a_stale_plan_is_a_conflict_and_other_failures_keep_terraforms_words() {
        assert_eq!(explained("apply", "\nError: Saved plan is stale\n\nx").kind(), ErrorKind::Conflict);
        let error =
            explained("plan", "Warning: w\n\n╷\n│ Error: Missing thing\n│ \n│   on main.tf line 3\n╵\n");
        let report = error.report().to_string();
        assert!(
            report.contains("because: Error: Missing thing") && report.contains("main.tf line 3"),
            "{report}"
        );
        assert!(!report.contains("Warning") && report.contains("next: "), "{report}");
        assert_eq!(error.exit_code(), Some(1));
    }
}
