//! Checking an app before anything runs: all mistakes of its registration at once.

use std::fmt;

use clap::{Arg, Command};

use crate::app::app::App;
use crate::app::flags::global_args;
use crate::app::graph;
use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;

/// The longest name of a task.
const LONGEST: usize = 64;

impl App {
    /// Checks everything that the compiler cannot: names that are wrong, used
    /// twice or carry a reserved prefix, handles of another `App`, cycles made by
    /// a replacement, a missing `about`, flags that clash with the global ones.
    ///
    /// A run does it first, except for inherited tasks as they came, which are their maker's to test; a test of your
    /// own finds the mistake earlier.
    ///
    /// # Errors
    /// `Bug`, with all mistakes in one message.
    pub fn check(&self) -> Result<()> {
        self.check_those(|_| true)
    }

    /// The same before a run, which people wait for: without what is right on every machine or on none.
    pub(crate) fn check_own(&self) -> Result<()> {
        self.check_those(|index| self.is_own(index))
    }

    fn check_those(&self, looked_at: impl Fn(u32) -> bool) -> Result<()> {
        let mut mistakes = self.mistakes.clone();
        for pack in &self.packs {
            if pack.contains(':') || !is_name(pack) {
                mistakes.push(format!("the prefix {} is not a name", quoted(pack)));
            }
        }
        let globals = global_args();
        for (_, node) in (0..).zip(&self.nodes).filter(|(index, _)| looked_at(*index)) {
            // Every run comes through here, so what only a mistake needs is made only for one.
            let name = Name(&node.name);
            if !is_name(&node.name) {
                mistakes.push(format!("{name} is not a name: use a-z, 0-9, `-`, `_` and `:` between parts"));
            }
            if node.pack.is_none() {
                let first = node.name.split(':').next().unwrap_or_default();
                if self.packs.iter().any(|pack| &**pack == first) {
                    mistakes
                        .push(format!("{name} has the prefix `{first}`, which is kept for inherited tasks"));
                }
            }
            if node.about.trim().is_empty() && !node.settings.hidden {
                mistakes.push(format!("{name} has no `about` line"));
            }
            if let Some(flags) = node.flags {
                for flag in clashes(&globals, &(flags.augment)(Command::new("task"))) {
                    mistakes.push(format!("{name} has a flag {flag}, which every task already has"));
                }
            }
        }
        if let Some(cycle) = graph::cycle(&self.nodes) {
            let names = cycle.iter().chain(&cycle[..1]).map(|index| &*self.nodes[*index as usize].name);
            mistakes.push(format!("a cycle: `{}`", names.collect::<Vec<_>>().join("` waits for `")));
        }
        if mistakes.is_empty() {
            return Ok(());
        }
        let count =
            if mistakes.len() == 1 { "a mistake".into() } else { format!("{} mistakes", mistakes.len()) };
        Err(Error::new(ErrorKind::Bug, format!("{count} in the registered tasks: {}", mistakes.join("; ")))
            .hint("correct it where the tasks are registered, in the `main.rs` of this program"))
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.len() <= LONGEST
        && text.split(':').all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.chars().all(allowed)
        })
}

/// A task's name, quoted when it is shown.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.0))
    }
}

fn clashes(globals: &[Arg], command: &Command) -> Vec<String> {
    let taken_long: Vec<&str> = globals.iter().filter_map(|arg| arg.get_long()).chain(["help"]).collect();
    let taken_short: Vec<char> = globals.iter().filter_map(|arg| arg.get_short()).chain(['h']).collect();
    let mut found = Vec::new();
    for arg in command.get_arguments() {
        let longs = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
        found.extend(longs.filter(|long| taken_long.contains(long)).map(|long| format!("--{long}")));
        found.extend(
            arg.get_short().filter(|short| taken_short.contains(short)).map(|short| format!("-{short}")),
        );
    }
    found
}
