//! Programs side by side until one of them ends: what it was, and all others ended, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::infra::dev_nats;
use crate::infra::dev_session::GRACE;
use crate::infra::host::Host;
use crate::local;
use crate::process::{Cmd, LineSink, Stream};
use crate::time::human;

/// How long a server may take to be there.
const READY: Duration = Duration::from_secs(20);

/// How often a server, or the health of an app, is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The name that the server's lines carry.
pub(super) const SERVER: &str = "nats";

/// Puts a name before each line.
pub(super) struct Named {
    pub(super) prefix: String,
    pub(super) lines: Arc<dyn LineSink>,
}

impl LineSink for Named {
    fn line(&self, stream: Stream, line: &str) {
        self.lines.line(stream, &format!("{} {line}", self.prefix));
    }
}

/// What runs now. The server has an end of its own, later than that of the apps which talk to it.
pub(super) struct Running<'a> {
    host: &'a Host,
    apps: JoinSet<(String, Result<()>)>,
    server: JoinSet<Result<()>>,
    end_apps: CancelToken,
    end_server: CancelToken,
}

impl<'a> Running<'a> {
    pub(super) fn new(host: &'a Host) -> Self {
        Running {
            host,
            apps: JoinSet::new(),
            server: JoinSet::new(),
            end_apps: host.cancel.child(),
            end_server: CancelToken::new(),
        }
    }

    /// Starts the server, and waits until it greets.
    ///
    /// # Errors
    /// `Failed` with its last lines when it ends instead, `TimedOut` when it does not greet, `Cancelled`.
    pub(super) async fn start_server(&mut self, cmd: Cmd, port: u16) -> Result<()> {
        let cmd = cmd.grace(GRACE).cancel(self.end_server.clone());
        self.server.spawn(cmd.run());
        let begun = Instant::now();
        loop {
            let look = tokio::task::spawn_blocking(move || dev_nats::greeting(port));
            tokio::select! {
                ended = self.server.join_next() => return Err(server_ended(ended)),
                () = self.host.cancel.cancelled() => return Err(stopped()),
                seen = look => if let Some(greeting) = seen.ok().flatten() {
                    if let Some(warning) = greeting.warning() {
                        self.host.tell(&format!("warning: {warning}"));
                    }
                    return Ok(());
                },
            }
            if begun.elapsed() > READY {
                return Err(Error::new(ErrorKind::TimedOut, "the NATS server does not answer")
                    .with("port", port)
                    .with("waited", human(READY))
                    .hint("read what it says above"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts an app.
    pub(super) fn start_app(&mut self, name: String, cmd: Cmd) {
        let cmd = cmd.grace(GRACE).cancel(self.end_apps.clone());
        self.apps.spawn(async move {
            let ended = cmd.run().await;
            (name, ended)
        });
    }

    /// Waits until something ends, or the run is cancelled. The name of the app that ended by itself.
    ///
    /// # Errors
    /// What a failing app failed with, which asks for its exit code; `Unavailable` when the server ended; `Cancelled`.
    pub(super) async fn until_one_ends(&mut self) -> Result<String> {
        tokio::select! {
            // An app that fails because its server is gone is not the cause.
            biased;
            () = self.host.cancel.cancelled() => Err(stopped()),
            Some(ended) = self.server.join_next() => Err(server_ended(Some(ended))),
            Some(ended) = self.apps.join_next() => match ended {
                Ok((name, Ok(()))) => Ok(name),
                Ok((name, Err(error))) => Err(error.with("program of [dev]", name)),
                Err(error) => Err(Error::new(ErrorKind::Bug, "a program could not be waited for").because(error)),
            },
        }
    }

    /// Ends the apps, then the server, each with its whole group.
    pub(super) async fn end(mut self) {
        self.end_apps.cancel();
        while self.apps.join_next().await.is_some() {}
        self.end_server.cancel();
        while self.server.join_next().await.is_some() {}
    }
}

fn server_ended(ended: Option<std::result::Result<Result<()>, tokio::task::JoinError>>) -> Error {
    let error = Error::new(ErrorKind::Unavailable, "the NATS server ended");
    match ended {
        // Its hints are told with it.
        Some(Ok(Err(cause))) => error.because(cause),
        _ => error.hint("read what it says above, and run the same command again"),
    }
}

/// Nothing to say beyond that: somebody asked for it.
fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "`infra:dev` was stopped")
}

/// Tells once when the app answers its health path, and once when that takes long. Never an error: what is worked on may be
/// compiling, or broken for now.
pub(super) async fn tell_health(host: Host, port: u16, path: String, patience: Duration) {
    let (begun, url) = (Instant::now(), format!("http://127.0.0.1:{port}"));
    let mut told = false;
    loop {
        let asked = path.clone();
        match tokio::task::spawn_blocking(move || local::probe(port, &asked)).await {
            Ok(Ok(())) => return host.tell(&format!("ready: {url}")),
            Ok(Err(why)) if !told && begun.elapsed() > patience => {
                told = true;
                host.tell(&format!(
                    "warning: not healthy after {}: {why}; `health` of `[deploy]` says what is asked",
                    human(patience)
                ));
            }
            Ok(Err(_)) => {}
            Err(_) => return,
        }
        tokio::time::sleep(LOOK).await;
    }
}
