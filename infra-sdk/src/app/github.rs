//! GitHub Actions: groups, annotations, masks, the step summary, and disarming what children print.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

use crate::app::summary::{Outcome, Summary};
use crate::env::{Env, GITHUB_ACTIONS, GITHUB_STEP_SUMMARY};
use crate::secret::SecretValue;
use crate::time::human;

/// Whether this is a job of GitHub Actions. Its commands carry secrets to the
/// runner, which takes them out again; on a terminal nobody would.
pub(crate) fn is_runner(env: &Env) -> bool {
    env.flag(GITHUB_ACTIONS) && !env.stderr_is_terminal()
}

/// The text of a workflow command.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// The annotation of a failure.
pub(crate) fn error(title: &str, message: &str) -> String {
    format!("::error title={}::{}", property(title), escaped(message))
}

/// The commands that mask a value, one for each of its lines.
pub(crate) fn add_mask(value: &SecretValue) -> Vec<String> {
    let lines = value.expose().lines().map(str::trim);
    // What is shorter would tear holes into every line.
    lines
        .filter(|line| line.chars().count() >= 4)
        .map(|line| format!("::add-mask::{}", escaped(line)))
        .collect()
}

/// A line that the runner does not take for a command, in the new form
/// (`::name::`, at the start) or the old one (`##[name]`, anywhere).
pub(crate) fn disarmed(line: &str) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    if line.trim_start().starts_with("::") {
        line = line.replacen("::", ": :", 1).into();
    }
    if line.contains("##[") {
        line = line.replace("##[", "## [").into();
    }
    line
}

/// Keeps the lines of each task together: one task at a time writes its group as
/// it runs, the others wait for their end or their turn.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    live: Option<u32>,
    waiting: BTreeMap<u32, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    name: String,
    lines: Vec<String>,
    ended: bool,
}

impl Groups {
    /// A line of a task; gives what is to be written now.
    pub(crate) fn line(&mut self, task: u32, name: &str, line: String) -> Vec<String> {
        match self.live {
            Some(live) if live == task => vec![line],
            None => {
                self.live = Some(task);
                vec![format!("::group::{}", escaped(name)), line]
            }
            Some(_) => {
                let new = || Waiting { name: name.to_owned(), lines: Vec::new(), ended: false };
                self.waiting.entry(task).or_insert_with(new).lines.push(line);
                Vec::new()
            }
        }
    }

    /// The end of a task; gives what is to be written now.
    pub(crate) fn end(&mut self, task: u32) -> Vec<String> {
        if self.live != Some(task) {
            if let Some(waiting) = self.waiting.get_mut(&task) {
                waiting.ended = true;
            }
            return Vec::new();
        }
        self.live = None;
        let mut lines = vec!["::endgroup::".to_owned()];
        self.waiting.retain(|_, waiting| {
            if waiting.ended {
                lines.extend(waiting.take());
                lines.push("::endgroup::".into());
            }
            !waiting.ended
        });
        if let Some((next, mut waiting)) = self.waiting.pop_first() {
            self.live = Some(next);
            lines.extend(waiting.take());
        }
        lines
    }

    /// Everything that is still waiting, at the end of the run.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(live) = self.live {
            lines.extend(self.end(live));
        }
        lines
    }
}

impl Waiting {
    fn take(&mut self) -> Vec<String> {
        let mut lines = vec![format!("::group::{}", escaped(&self.name))];
        lines.append(&mut self.lines);
        lines
    }
}

/// The summary of a run as a table for the page of the step.
pub(crate) fn summary(run: &Summary) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let mut text = format!("### {}\n\n| task | result | time |\n| --- | --- | ---: |\n", run.title());
    for Outcome { name, state, took, .. } in run.outcomes.iter().filter(|outcome| !outcome.hidden) {
        text.push_str(&format!("| `{}` | {state} | {} |\n", cell(name), human(*took)));
    }
    if let Some(failure) = run.failures.first() {
        let report = failure.error.report().to_string().replace("```", "'''");
        text.push_str(&format!("\n**{}** failed:\n\n```text\n{report}\n```\n", failure.task));
    }
    text.push('\n');
    text
}

/// Appends to the step's page; `false` when it cannot be written, which is no reason to fail.
pub(crate) fn append_summary(env: &Env, text: &str) -> bool {
    let Some(path) = env.path(GITHUB_STEP_SUMMARY) else { return true };
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_command_cannot_end_it() {
        assert_eq!(error("a:b,c", "50%\r\nmore::"), "::error title=a%3Ab%2Cc::50%25%0D%0Amore::");
    }

    #[test]
    fn a_line_of_a_child_is_never_a_command() {
        for (line, shown) in [
            ("::stop-commands::x", ": :stop-commands::x"),
            ("  ::add-mask::x", "  : :add-mask::x"),
            ("x ##[set-env name=A]b", "x ## [set-env name=A]b"),
            ("a::b", "a::b"),
        ] {
            assert_eq!(disarmed(line), shown);
        }
    }

    #[test]
    fn each_line_of_a_secret_is_masked() {
        let lines = add_mask(&SecretValue::new("first line\nab\n100%sure"));
        assert_eq!(lines, ["::add-mask::first line", "::add-mask::100%25sure"]);
    }

    #[test]
    fn lines_of_tasks_at_the_same_time_do_not_mix() {
        let mut groups = Groups::default();
        let mut seen = groups.line(1, "one", "1a".into());
        seen.extend(groups.line(2, "two", "2a".into()));
        seen.extend(groups.line(3, "three", "3a".into()));
        seen.extend(groups.line(1, "one", "1b".into()));
        seen.extend(groups.end(3));
        seen.extend(groups.end(1));
        seen.extend(groups.line(2, "two", "2b".into()));
        seen.extend(groups.finish());
        let whole =
            "::group::one 1a 1b ::endgroup:: ::group::three 3a ::endgroup:: ::group::two 2a 2b ::endgroup::";
        assert_eq!(seen.join(" "), whole);
    }
}
