//! Why a program did not do what it should, in words that say what to do next.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::process::cmd::Cmd;
use crate::process::output::{Ended, signal};
use crate::process::run::Stop;

/// The parts of a command that errors show.
pub(super) struct What {
    program: String,
    line: String,
    deadline: String,
}

impl What {
    pub(super) fn of(cmd: &Cmd) -> Self {
        let mut line = word(&cmd.program.to_string_lossy());
        for arg in &cmd.args {
            line.push(' ');
            line.push_str(&word(&arg.to_string_lossy()));
        }
        // Nobody should put a secret there; if somebody does, it is not ours to spread.
        let line = cmd.masks.apply(&line);
        let mut shown: String = line.chars().take(400).collect();
        if shown.len() < line.len() {
            shown.push('…');
        }
        What {
            program: cmd.program.to_string_lossy().into_owned(),
            line: shown,
            deadline: cmd.deadline.map(crate::time::human).unwrap_or_default(),
        }
    }

    pub(super) fn error(&self, kind: ErrorKind, operation: impl Into<String>) -> Error {
        Error::new(kind, operation).with("command", &self.line)
    }
}

/// A word as a shell would need it, on one line.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let escaped: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect();
    format!("'{}'", escaped.replace('\'', r"'\''"))
}

/// Refuses an end that is not a success.
pub(super) fn check(what: &What, ended: &Ended) -> Result<()> {
    check_stopped(what, ended)?;
    if ended.status.success() {
        return Ok(());
    }
    let error = what.error(ErrorKind::Failed, "program failed");
    let error = match (ended.status.code(), signal(ended.status)) {
        (Some(code), _) => error.with("exit code", code).exit_with(u8::try_from(code).unwrap_or(1)),
        (None, Some(signal)) => {
            error.with("signal", signal).exit_with(u8::try_from(128 + signal).unwrap_or(255))
        }
        (None, None) => error.exit_with(1),
    };
    Err(with_tail(error, ended)
        .hint(format!("read what `{}` says, and run the command by hand to see more", what.program)))
}

/// Refuses the end of a program that was stopped from outside.
pub(super) fn check_stopped(what: &What, ended: &Ended) -> Result<()> {
    Err(match ended.stopped {
        None => return Ok(()),
        Some(Stop::Deadline) => {
            let error =
                what.error(ErrorKind::TimedOut, "program took too long").with("deadline", &what.deadline);
            with_tail(error, ended)
                .exit_with(124)
                .hint("find out what it waits for, or give it a longer deadline")
        }
        Some(Stop::Cancelled | Stop::Dropped) => cancelled(what),
        Some(Stop::TooMuch) => what
            .error(ErrorKind::Invalid, "program printed more than can be captured")
            .hint("let it print less, or let it write to a file"),
    })
}

pub(super) fn cancelled(what: &What) -> Error {
    what.error(ErrorKind::Cancelled, "program was stopped because the run was cancelled")
        .exit_with(130)
        .hint("start the run again; what failed first stands above")
}

fn with_tail(error: Error, ended: &Ended) -> Error {
    if ended.tail.is_empty() { error } else { error.because(format!("it printed last\n{}", ended.tail)) }
}

/// Refuses a working folder that is none; the system would blame the program.
pub(super) fn check_dir(what: &What, dir: &Path) -> Result<()> {
    let refused = |kind, operation: &str| what.error(kind, operation).with("folder", dir.display());
    match dir.metadata() {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(refused(ErrorKind::Invalid, "working folder is a file")
            .hint("name the folder the program should start in")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(refused(ErrorKind::NotFound, "working folder is not there")
                .hint("create the folder, or start the program in another one"))
        }
        Err(error) => Err(refused(Error::from(error).kind(), "look at the working folder")
            .hint("check who may enter the folder")),
    }
}

/// Explains why a program could not be started.
pub(super) fn not_started(what: &What, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let program = &what.program;
    let by_path = program.chars().any(std::path::is_separator);
    match error.kind() {
        Io::NotFound if by_path && Path::new(program).exists() => what
            .error(ErrorKind::NotFound, format!("what `{program}` is run with is not there"))
            .hint(format!("check the first line of `{program}`, or get it for this platform"))
            .because(error),
        Io::NotFound if by_path => what
            .error(ErrorKind::NotFound, format!("program `{program}` is not there"))
            .hint("check the path"),
        Io::NotFound => what
            .error(ErrorKind::NotFound, format!("program `{program}` is not there"))
            .hint(format!("install `{program}` or put it on PATH")),
        Io::PermissionDenied => what
            .error(ErrorKind::Denied, format!("program `{program}` may not be executed"))
            .hint(format!(
                "make it executable with `chmod +x {program}`, and check that its folder can be entered"
            ))
            .because(error),
        Io::ArgumentListTooLong => what
            .error(ErrorKind::Invalid, format!("too many arguments for `{program}`"))
            .hint("pass them in a file or by standard input")
            .because(error),
        Io::WouldBlock | Io::OutOfMemory => no_room(error),
        _ => what
            .error(ErrorKind::Invalid, format!("program `{program}` cannot be executed"))
            .hint("check that it is a program for this platform")
            .because(error),
    }
}

fn no_room(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the system has no room for another program")
        .hint("run fewer tasks at the same time with `--jobs`")
        .retryable()
        .because(error)
}

/// Starts a thread for one program.
pub(super) fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(format!("cmd-{name}")).spawn(body).map(drop).map_err(no_room)
}

/// A pipe to or from a program.
pub(super) fn pipe() -> Result<(os_pipe::PipeReader, os_pipe::PipeWriter)> {
    os_pipe::pipe().map_err(no_room)
}
