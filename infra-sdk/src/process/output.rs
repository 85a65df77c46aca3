//! What a program printed and how it ended, and the threads that take its output in.

use std::fmt;
use std::io::Read;
use std::process::ExitStatus;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::mask::{MaskStream, Masks};
use crate::process::cmd::Taker;
use crate::process::failure;
use crate::process::lines::{LineSink, Splitter, Stream, Tail};
use crate::process::run::{Event, Stop};

/// How a program ended and all it printed, not masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output, with `�` for what is not UTF-8.
    pub stdout: String,
    /// Its standard error, with `�` for what is not UTF-8.
    pub stderr: String,
}

impl Finished {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    pub(super) fn of(ended: Ended) -> Self {
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        Finished {
            code: ended.status.code(),
            signal: signal(ended.status),
            stdout: text(ended.stdout),
            stderr: text(ended.stderr),
        }
    }
}

/// Shows how much was printed, not what: it is not masked.
impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("code", &self.code)
            .field("signal", &self.signal)
            .field("stdout", &format_args!("{} bytes", self.stdout.len()))
            .field("stderr", &format_args!("{} bytes", self.stderr.len()))
            .finish()
    }
}

/// The end of a program, before it is judged.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stopped: Option<Stop>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) tail: String,
    /// Whether its outputs were read to their ends.
    pub(super) whole: bool,
}

/// Which outputs are captured; the others go to the sink.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Lines,
    Stdout,
    Both,
}

#[cfg(unix)]
pub(super) fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
pub(super) fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// What becomes of one output.
pub(super) enum Target {
    Lines {
        stream: Stream,
        sink: Option<Arc<dyn LineSink>>,
        masks: MaskStream,
        lines: Splitter,
        tail: Arc<Mutex<Tail>>,
    },
    Capture {
        bytes: Vec<u8>,
        limit: usize,
    },
    Taken(Taker),
}

impl Target {
    pub(super) fn lines(
        stream: Stream,
        sink: Option<Arc<dyn LineSink>>,
        masks: &Masks,
        tail: &Arc<Mutex<Tail>>,
    ) -> Self {
        Target::Lines { stream, sink, masks: masks.stream(), lines: Splitter::default(), tail: tail.clone() }
    }

    /// Takes bytes; `false` when there is no room for them.
    fn push(&mut self, piece: &[u8]) -> bool {
        match self {
            Target::Lines { stream, sink, masks, lines, tail } => {
                lines.push(&masks.push(piece), |line| give(*stream, sink.as_deref(), tail, line));
                true
            }
            Target::Capture { bytes, limit } => {
                let fits = bytes.len() + piece.len() <= *limit;
                if fits {
                    bytes.extend_from_slice(piece);
                }
                fits
            }
            Target::Taken(taker) => {
                (lock(taker))(piece);
                true
            }
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Target::Lines { stream, sink, mut masks, mut lines, tail } => {
                let mut give = |line: &str| give(stream, sink.as_deref(), &tail, line);
                lines.push(&masks.finish(), &mut give);
                lines.finish(give);
                Vec::new()
            }
            Target::Capture { bytes, .. } => bytes,
            Target::Taken(_) => Vec::new(),
        }
    }
}

fn give(stream: Stream, sink: Option<&dyn LineSink>, tail: &Mutex<Tail>, line: &str) {
    lock(tail).push(line);
    if let Some(sink) = sink {
        sink.line(stream, line);
    }
}

/// Takes in one output on a thread of its own.
///
/// A process that inherited the pipe can keep it open for ever. So the target
/// can be taken away at any time; the thread then reads on into nothing, because
/// closing the pipe would kill a daemon that only wants to print.
pub(super) struct Pump(Arc<Mutex<Option<Target>>>);

impl Pump {
    pub(super) fn start(
        mut pipe: Box<dyn Read + Send>,
        target: Target,
        events: Sender<Event>,
    ) -> Result<Self> {
        let shared = Arc::new(Mutex::new(Some(target)));
        let pump = Pump(shared.clone());
        failure::thread("output", move || {
            let _closed = Closed(events.clone());
            let mut buffer = [0; 16 * 1024];
            loop {
                let length = match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(_) => break,
                };
                let mut target = lock(&shared);
                if target.as_mut().is_some_and(|target| !target.push(&buffer[..length])) {
                    *target = None;
                    let _ = events.send(Event::Stop(Stop::TooMuch));
                }
            }
        })?;
        Ok(pump)
    }

    /// Ends taking in; what was captured so far.
    pub(super) fn take(&self) -> Vec<u8> {
        let target = lock(&self.0).take();
        target.map(Target::finish).unwrap_or_default()
    }
}

/// Reports the end of the stream, also when a sink panicked.
struct Closed(Sender<Event>);

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Closed);
    }
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
