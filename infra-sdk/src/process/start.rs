//! The start of a child: its environment and group, its pipes, and the threads at their other ends.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::env::INFRA_RUN_GUARD;
use crate::error::Result;
use crate::file::{self, Access};
use crate::process::cmd::{Cmd, EnvChange, Stdin};
use crate::process::failure::{self, What};
use crate::process::group::Leader;
use crate::process::lines::{Stream, Tail};
use crate::process::output::{Pump, Target, Wanted};
use crate::process::run::Event;

/// Starts the child and the threads that feed it and take its output in.
pub(super) fn start(
    cmd: &Cmd,
    wanted: Wanted,
    events: &Sender<Event>,
    tail: &Arc<Mutex<Tail>>,
) -> Result<(Leader, Vec<Pump>)> {
    let mut expression = expression(cmd);
    let input = match cmd.stdin {
        Stdin::Null if cmd.interactive => None,
        Stdin::Inherited => None,
        Stdin::Null => {
            expression = expression.stdin_null();
            None
        }
        Stdin::Bytes(_) | Stdin::Secret(_) | Stdin::Beats(_) => {
            let (reader, writer) = failure::pipe()?;
            expression = expression.stdin_file(reader);
            Some(writer)
        }
    };
    let mut outputs: Vec<(Box<dyn Read + Send>, Target)> = Vec::new();
    let ended = Arc::new(AtomicBool::new(false));
    if let Some(path) = &cmd.through_file {
        let (written, reader) = followed(path, &ended)?;
        let other =
            written.try_clone().map_err(|error| file::failed("open a file for output", path, error))?;
        expression = expression.stdout_file(written).stderr_file(other);
        outputs.push((Box::new(reader), Target::lines(Stream::Out, cmd.sink.clone(), &cmd.masks, tail)));
    } else if !cmd.interactive {
        for stream in [Stream::Out, Stream::Err] {
            let (reader, writer) = failure::pipe()?;
            let captured = match wanted {
                Wanted::Lines => false,
                Wanted::Stdout => stream == Stream::Out,
                Wanted::Both => true,
            };
            let target = match &cmd.taker {
                Some(taker) if stream == Stream::Out => Target::Taken(taker.clone()),
                _ if captured => Target::Capture { bytes: Vec::new(), limit: cmd.capture_limit },
                _ => Target::lines(stream, cmd.sink.clone(), &cmd.masks, tail),
            };
            expression = match stream {
                Stream::Out => expression.stdout_file(writer),
                Stream::Err => expression.stderr_file(writer),
            };
            outputs.push((Box::new(reader), target));
        }
    }
    let leader = spawn(cmd, expression)?;
    let threads = || -> Result<Vec<Pump>> {
        let pumps = outputs
            .into_iter()
            .map(|(reader, target)| Pump::start(reader, target, events.clone()))
            .collect::<Result<_>>()?;
        if let Some(mut pipe) = input {
            let (stdin, ended) = (cmd.stdin.clone(), ended.clone());
            failure::thread("input", move || {
                let bytes = match &stdin {
                    Stdin::Null | Stdin::Inherited => &[],
                    Stdin::Bytes(bytes) => bytes.as_slice(),
                    Stdin::Secret(value) => value.expose().as_bytes(),
                    Stdin::Beats(every) => return beat(&mut pipe, *every, &ended),
                };
                // A child may close its input before it has read all of it.
                let _ = std::io::Write::write_all(&mut pipe, bytes);
            })?;
        }
        let (exited, waiting) = (events.clone(), leader.clone());
        failure::thread("wait", move || {
            waiting.wait();
            ended.store(true, Ordering::Release);
            let _ = exited.send(Event::Exited);
        })?;
        Ok(pumps)
    };
    let pumps = threads().inspect_err(|_| {
        leader.kill();
        let _ = leader.reap();
    })?;
    Ok((leader, pumps))
}

/// Shows that this process lives and runs until the program has ended or reads no more.
fn beat(pipe: &mut impl std::io::Write, every: Duration, ended: &AtomicBool) {
    // One that does not read yet, such as a compiler before it, holds this up once the pipe is full, and nothing else.
    while !ended.load(Ordering::Acquire) && pipe.write_all(&[0]).is_ok() {
        std::thread::sleep(every);
    }
}

/// A file that a program writes into, and the end at which it is read while it grows.
fn followed(path: &Path, ended: &Arc<AtomicBool>) -> Result<(File, Followed)> {
    let failed = |error| file::failed("open a file for output", path, error);
    let written = file::open_append(path, Access::Private)?;
    let read = File::open(path).map_err(failed)?;
    Ok((written, Followed { file: read, ended: ended.clone() }))
}

/// Reads a growing file until the program that writes it has ended.
struct Followed {
    file: File,
    ended: Arc<AtomicBool>,
}

impl Read for Followed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            // Asked before reading: what was written up to the end is then still read.
            let ended = self.ended.load(Ordering::Acquire);
            let length = self.file.read(buffer)?;
            if length > 0 || ended {
                return Ok(length);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What `cargo run` tells a program about its own package
/// (<https://doc.rust-lang.org/cargo/reference/environment-variables.html>).
const CARGO_RUN: [&str; 16] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// The program with its arguments, folder, environment and group.
pub(super) fn expression(cmd: &Cmd) -> duct::Expression {
    let mut expression = duct::cmd(&cmd.program, &cmd.args).unchecked();
    if let Some(dir) = &cmd.dir {
        expression = expression.dir(dir);
    }
    let (changes, own_group) = (cmd.env.clone(), !cmd.interactive);
    expression.before_spawn(move |command| {
        // It means one process: a program of that one's own would wait for the lock that it holds itself.
        command.env_remove(INFRA_RUN_GUARD);
        // About this program, and nobody else: another cargo would take them for a change, and build again what asks for them.
        for name in CARGO_RUN {
            command.env_remove(name);
        }
        for change in &changes {
            match change {
                EnvChange::Clear => command.env_clear(),
                EnvChange::Remove(name) => command.env_remove(name),
                EnvChange::Set(name, value) => command.env(name, value),
                EnvChange::SetSecret(name, value) => command.env(name, value.expose()),
            };
        }
        #[cfg(unix)]
        if own_group {
            std::os::unix::process::CommandExt::process_group(command, 0);
        }
        #[cfg(not(unix))]
        let _ = own_group;
        Ok(())
    })
}

/// Starts an expression, whose files of ours are then closed.
pub(super) fn spawn(cmd: &Cmd, expression: duct::Expression) -> Result<Leader> {
    let what = What::of(cmd);
    if let Some(dir) = &cmd.dir {
        failure::check_dir(&what, dir)?;
    }
    let mut attempts = 0;
    loop {
        match expression.start() {
            Ok(child) => return Ok(Leader::new(child, !cmd.interactive, cmd.end_by_interrupt)),
            // A program that was just written stays busy for as long as a child that another thread is starting
            // at this moment holds the file open: some milliseconds.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy && attempts < 20 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(failure::not_started(&what, error)),
        }
    }
}
