//! One child from its start to its end, watched by a thread of its own, so that it ends properly even when its
//! future is dropped.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::process::alive;
use crate::process::cmd::Cmd;
use crate::process::failure::{self, What};
use crate::process::group::Leader;
use crate::process::lines::Tail;
use crate::process::output::{Ended, Pump, Wanted, lock};
use crate::process::start::start;

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
    alive::add(&leader);
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
    alive::remove(&watch.leader);
    let status = watch.leader.reap().map_err(|error| {
        Error::new(ErrorKind::Io, "learn how a program ended").because(error).hint("run the command again")
    })?;
    let tail = lock(&tail).text();
    Ok(Ended { status, stopped: watch.stop, stdout, stderr, tail, whole: watch.open == 0 })
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
