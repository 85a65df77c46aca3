//! One child from its start to its end, watched by a thread of its own, so that it ends properly even when its
//! future is dropped.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::process::cmd::{Cmd, EnvChange, Stdin};
use crate::process::failure::{self, What};
use crate::process::group::Leader;
use crate::process::lines::{Stream, Tail};
use crate::process::output::{Ended, Pump, Target, Wanted, lock};

/// How long output is read on after the child ended, for grandchildren that hold its pipes.
const DRAIN: Duration = Duration::from_secs(1);
/// How often a group is counted that has lost its leader.
const COUNT: Duration = Duration::from_millis(50);

/// What the watching thread hears of.
pub(super) enum Event {
    /// The child ended; it is not reaped yet.
    Exited,
    /// One output reached its end.
    Closed,
    /// It should end.
    Stop(Stop),
}

/// Why a child should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    Deadline,
    Dropped,
    TooMuch,
}

/// Runs a child to its end. Dropping the future stops the child in the background.
pub(super) async fn supervised(cmd: Cmd, wanted: Wanted) -> Result<Ended> {
    let cancel = cmd.cancel.clone();
    if cancel.as_ref().is_some_and(crate::cancel::CancelToken::is_cancelled) {
        return Err(failure::cancelled(&What::of(&cmd)));
    }
    let (events, heard) = channel();
    let (done, mut end) = oneshot::channel();
    let dropped = StopOnDrop(events.clone());
    failure::thread("watch", move || {
        let _ = done.send(watch(&cmd, wanted, &events, heard));
    })?;
    let cancelled = async {
        match &cancel {
            Some(cancel) => cancel.cancelled().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = &mut end => ended,
        () = cancelled => {
            let _ = dropped.0.send(Event::Stop(Stop::Cancelled));
            end.await
        }
    };
    ended.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Bug, "the thread that watched a program is gone")
            .hint("report this with the output above"))
    })
}

struct StopOnDrop(Sender<Event>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // After a normal end nobody listens any more.
        let _ = self.0.send(Event::Stop(Stop::Dropped));
    }
}

/// Starts the child and stays with it until it is reaped.
fn watch(cmd: &Cmd, wanted: Wanted, events: &Sender<Event>, heard: Receiver<Event>) -> Result<Ended> {
    let tail = Arc::new(Mutex::new(Tail::default()));
    let (leader, pumps) = start(cmd, wanted, events, &tail)?;
    let until = cmd.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
    let mut watch = Watch { heard, leader, open: pumps.len(), exited: false, stop: None };
    watch.until_exit(until);
    if watch.stop.is_none() {
        watch.drain();
    }
    if watch.stop.is_some() {
        watch.end(cmd.grace);
        watch.drain();
    }
    let mut outputs = pumps.iter().map(Pump::take);
    let (stdout, stderr) = (outputs.next().unwrap_or_default(), outputs.next().unwrap_or_default());
    let status = watch.leader.reap().map_err(|error| {
        Error::new(ErrorKind::Io, "learn how a program ended").because(error).hint("run the command again")
    })?;
    let tail = lock(&tail).text();
    Ok(Ended { status, stopped: watch.stop, stdout, stderr, tail })
}

/// Starts the child and the threads that feed it and take its output in.
fn start(
    cmd: &Cmd,
    wanted: Wanted,
    events: &Sender<Event>,
    tail: &Arc<Mutex<Tail>>,
) -> Result<(Leader, Vec<Pump>)> {
    let mut expression = expression(cmd);
    let input = match cmd.stdin {
        Stdin::Null if cmd.interactive => None,
        Stdin::Null => {
            expression = expression.stdin_null();
            None
        }
        Stdin::Bytes(_) | Stdin::Secret(_) => {
            let (reader, writer) = failure::pipe()?;
            expression = expression.stdin_file(reader);
            Some(writer)
        }
    };
    let mut outputs = Vec::new();
    if !cmd.interactive {
        for stream in [Stream::Out, Stream::Err] {
            let (reader, writer) = failure::pipe()?;
            let captured = match wanted {
                Wanted::Lines => false,
                Wanted::Stdout => stream == Stream::Out,
                Wanted::Both => true,
            };
            let target = if captured {
                Target::Capture { bytes: Vec::new(), limit: cmd.capture_limit }
            } else {
                Target::lines(stream, cmd.sink.clone(), &cmd.masks, tail)
            };
            expression = match stream {
                Stream::Out => expression.stdout_file(writer),
                Stream::Err => expression.stderr_file(writer),
            };
            outputs.push((reader, target));
        }
    }
    let leader = spawn(cmd, expression)?;
    let threads = || -> Result<Vec<Pump>> {
        let pumps = outputs
            .into_iter()
            .map(|(reader, target)| Pump::start(reader, target, events.clone()))
            .collect::<Result<_>>()?;
        if let Some(mut pipe) = input {
            let stdin = cmd.stdin.clone();
            failure::thread("input", move || {
                let bytes = match &stdin {
                    Stdin::Null => &[],
                    Stdin::Bytes(bytes) => bytes.as_slice(),
                    Stdin::Secret(value) => value.expose().as_bytes(),
                };
                // A child may close its input before it has read all of it.
                let _ = std::io::Write::write_all(&mut pipe, bytes);
            })?;
        }
        let (exited, waiting) = (events.clone(), leader.clone());
        failure::thread("wait", move || {
            waiting.wait();
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

/// The program with its arguments, folder, environment and group.
pub(super) fn expression(cmd: &Cmd) -> duct::Expression {
    let mut expression = duct::cmd(&cmd.program, &cmd.args).unchecked();
    if let Some(dir) = &cmd.dir {
        expression = expression.dir(dir);
    }
    let (changes, own_group) = (cmd.env.clone(), !cmd.interactive);
    expression.before_spawn(move |command| {
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
            Ok(child) => return Ok(Leader::new(child, !cmd.interactive)),
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

struct Watch {
    heard: Receiver<Event>,
    leader: Leader,
    // Outputs that have not ended.
    open: usize,
    exited: bool,
    stop: Option<Stop>,
}

impl Watch {
    /// Takes in one event; `false` when `until` came first.
    fn hear(&mut self, until: Option<Instant>) -> bool {
        let event = match until {
            None => self.heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => self.heard.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match event {
            Ok(Event::Exited) => self.exited = true,
            Ok(Event::Closed) => self.open = self.open.saturating_sub(1),
            // The first reason is the one that is told.
            Ok(Event::Stop(stop)) => self.stop = self.stop.or(Some(stop)),
            Err(RecvTimeoutError::Timeout) => return false,
            // The waiting thread is gone, so there is nothing left to wait for.
            Err(RecvTimeoutError::Disconnected) => self.exited = true,
        }
        true
    }

    /// Until the child ended or should.
    fn until_exit(&mut self, deadline: Option<Instant>) {
        while !self.exited && self.stop.is_none() {
            if !self.hear(deadline) {
                self.stop = Some(Stop::Deadline);
            }
        }
    }

    /// Until both outputs ended, but not for long.
    fn drain(&mut self) {
        let (until, before) = (Instant::now() + DRAIN, self.stop);
        while self.open > 0 && self.stop == before && self.hear(Some(until)) {}
    }

    /// Ends the whole group: asks, gives it the grace, kills. Members that outlive the leader get
    /// the same grace, because a shell dies at once and leaves the real work to end.
    fn end(&mut self, grace: Duration) {
        self.leader.ask_to_end();
        let now = Instant::now();
        let until = now.checked_add(grace).unwrap_or(now + Duration::from_secs(86_400));
        while Instant::now() < until && !(self.exited && self.leader.is_alone()) {
            let next = if self.exited { (Instant::now() + COUNT).min(until) } else { until };
            self.hear(Some(next));
        }
        self.leader.kill();
        while !self.exited {
            self.hear(None);
        }
        // Nobody refuses this signal, but it takes the kernel a moment.
        let until = Instant::now() + DRAIN;
        while Instant::now() < until && !self.leader.is_alone() {
            self.hear(Some(Instant::now() + COUNT));
        }
    }
}
