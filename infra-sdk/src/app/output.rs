//! The one writer of a run: every line of every task goes through it, masked and cleaned.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::app::github::{self, Groups};
use crate::app::lane::Lane;
use crate::app::layout::Layout;
use crate::app::sink::Sink;
use crate::app::text::clean;
use crate::env::{CI, Env, NO_COLOR};
use crate::error::{Error, ErrorKind, Result};
use crate::mask::Masks;
use crate::process::Stream;

/// Writes lines, one at a time, to standard output and standard error.
pub(crate) struct Output {
    pub(crate) masks: Masks,
    pub(crate) json: bool,
    pub(crate) github: bool,
    /// Whether a line at the bottom of the terminal is redrawn for progress.
    pub(crate) redraws: bool,
    out_colour: bool,
    err_colour: bool,
    state: Mutex<State>,
}

struct State {
    out: Sink,
    err: Sink,
    layout: Layout,
    groups: Groups,
    heading: Option<u32>,
    progress: Option<(u32, String)>,
}

/// Which of the two streams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Out,
    Err,
}

impl Output {
    pub(crate) fn new(env: &Env, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, json: bool) -> Self {
        let colour = env.get(NO_COLOR).is_none() && env.get("TERM") != Some("dumb");
        let sink = Sink::new;
        Output {
            masks: Masks::new(),
            json,
            github: github::is_runner(env),
            redraws: env.stderr_is_terminal() && env.get("TERM") != Some("dumb") && !env.flag(CI),
            out_colour: colour && env.stdout_is_terminal(),
            err_colour: colour && env.stderr_is_terminal(),
            state: Mutex::new(State {
                out: sink(out),
                err: sink(err),
                layout: Layout::Single,
                groups: Groups::default(),
                heading: None,
                progress: None,
            }),
        }
    }

    pub(crate) fn set_layout(&self, layout: Layout) {
        self.lock().layout = layout;
    }

    pub(crate) fn is_single(&self) -> bool {
        self.lock().layout == Layout::Single
    }

    /// A line, or several, of a task: what its programs print and what it says.
    pub(crate) fn line(&self, lane: &Lane, stream: Stream, text: &str) {
        // In GitHub Actions all lines take one stream, or groups would come apart.
        let to = if stream == Stream::Out && !self.json && !self.github { To::Out } else { To::Err };
        for part in text.split('\n') {
            let cleaned = clean(part, self.colour(to));
            let shown = self.masks.apply(&cleaned);
            let mut state = self.lock();
            if self.github {
                let lines = state.groups.line(lane.index, &lane.name, github::disarmed(&shown).into_owned());
                lines.iter().for_each(|line| state.write(To::Err, line));
                continue;
            }
            match state.layout {
                Layout::Single => state.write(to, &shown),
                Layout::Headings => {
                    if state.heading.replace(lane.index) != Some(lane.index) {
                        let heading = self.painted(To::Err, "1", &format!("── {}", lane.name));
                        state.write(To::Err, &heading);
                    }
                    state.write(to, &shown);
                }
                Layout::Prefixed(width) => {
                    let colour = ["36", "33", "35", "34", "32", "31"][lane.index as usize % 6];
                    let prefix = self.painted(to, colour, &format!("{:<width$} │", lane.name));
                    state.write(to, &format!("{prefix} {shown}"));
                }
            }
        }
    }

    /// Lines of the runtime itself, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.runtime_lines(To::Err, text);
    }

    /// How a task ended; in GitHub Actions inside its own group.
    pub(crate) fn ended(&self, lane: &Lane, mark: &str, colour: &str, text: &str) {
        if self.github {
            self.line(lane, Stream::Err, &format!("{mark} {text}"));
        } else {
            self.marked(mark, colour, text);
        }
    }

    /// Lines of the runtime with a coloured mark in front.
    pub(crate) fn marked(&self, mark: &str, colour: &str, text: &str) {
        let mark = self.painted(To::Err, colour, mark);
        self.runtime_lines(To::Err, &format!("{mark} {text}"));
    }

    /// Results, on standard output.
    pub(crate) fn result(&self, text: &str) {
        self.runtime_lines(To::Out, text);
    }

    /// A JSON document on standard output, as it is: its texts were masked one by one.
    pub(crate) fn document<T: serde::Serialize>(&self, value: &T) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Error::new(ErrorKind::Bug, "write a document as JSON").because(error))?;
        self.lock().write(To::Out, &text);
        Ok(())
    }

    fn runtime_lines(&self, to: To, text: &str) {
        let masked = self.masks.apply(text.trim_end_matches('\n'));
        let lines: Vec<String> = masked
            .split('\n')
            .map(|part| {
                let cleaned = clean(part, self.colour(to));
                if self.github { github::disarmed(&cleaned).into_owned() } else { cleaned.into_owned() }
            })
            .collect();
        // Written at once: a system call a line is what a long list would wait for.
        self.lock().write(to, &lines.join("\n"));
    }

    /// A workflow command, neither cleaned nor, when it tells a mask, masked.
    pub(crate) fn command(&self, line: &str, masked: bool) {
        let shown = if masked { self.masks.apply(line) } else { line.into() };
        self.lock().write(To::Err, &shown);
    }

    /// A question, without an end of line.
    pub(crate) fn prompt(&self, text: &str) {
        let shown = self.masks.apply(text).into_owned();
        let mut state = self.lock();
        state.wipe();
        state.err.write(&format!("{} ", clean(&shown, false)));
    }

    /// Redraws the lines at the bottom, or takes them away.
    pub(crate) fn progress(&self, lane: u32, text: Option<&str>) {
        // A line that is wider than the terminal, or one above its first row, could not be taken away again.
        let (columns, rows) = terminal_size();
        let line =
            |line: &str| self.masks.apply(&clean(line, false)).chars().take(columns - 1).collect::<String>();
        let shown = text.map(|text| text.split('\n').take(rows - 1).map(line).collect::<Vec<_>>().join("\n"));
        let mut state = self.lock();
        match shown {
            None if state.progress.as_ref().is_none_or(|(owner, _)| *owner != lane) => {}
            shown => {
                state.wipe();
                state.progress = shown.map(|shown| (lane, shown));
                state.draw();
            }
        }
    }

    /// The end of a task's lines.
    pub(crate) fn end(&self, lane: &Lane) {
        if self.redraws {
            self.progress(lane.index, None);
        }
        if self.github {
            let mut state = self.lock();
            let lines = state.groups.end(lane.index);
            lines.iter().for_each(|line| state.write(To::Err, line));
        }
    }

    /// The end of all tasks: writes what still waits for its turn.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.wipe();
        state.progress = None;
        let lines = state.groups.finish();
        lines.iter().for_each(|line| state.write(To::Err, line));
    }

    /// Why results were lost, if they were.
    ///
    /// # Errors
    /// `Io` when standard output could not be written.
    pub(crate) fn check(&self) -> Result<()> {
        self.lock().out.check()
    }

    fn colour(&self, to: To) -> bool {
        match to {
            To::Out => self.out_colour,
            To::Err => self.err_colour,
        }
    }

    fn painted(&self, to: To, colour: &str, text: &str) -> String {
        if self.colour(to) { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The columns and rows of the terminal that standard error is; what most have where nobody says.
fn terminal_size() -> (usize, usize) {
    const USUAL: (usize, usize) = (79, 24);
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr())
        && size.ws_col > 1
        && size.ws_row > 1
    {
        return (usize::from(size.ws_col), usize::from(size.ws_row));
    }
    USUAL
}

impl State {
    fn write(&mut self, to: To, line: &str) {
        self.wipe();
        let sink = match to {
            To::Out => &mut self.out,
            To::Err => &mut self.err,
        };
        sink.write(&format!("{line}\n"));
        self.draw();
    }

    fn wipe(&mut self) {
        if let Some((_, text)) = &self.progress {
            let above = "\u{1b}[1A\u{1b}[2K".repeat(text.matches('\n').count());
            self.err.write(&format!("\r\u{1b}[2K{above}"));
        }
    }

    fn draw(&mut self) {
        if let Some((_, text)) = &self.progress {
            self.err.write(text);
        }
    }
}
