//! Ctrl-C and its relatives: the first one cancels the run, the second one kills it.

use std::sync::Arc;

use crate::app::exit;
use crate::app::output::Output;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

/// From now on the first signal cancels `run`; the second one kills all programs and ends the process.
///
/// It listens on a thread of its own, so that tasks which block every worker can still be ended.
///
/// # Errors
/// `Unavailable` when the system has no room for another thread.
pub(crate) fn listen(run: &CancelToken, output: &Arc<Output>) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "listen for Ctrl-C")
            .because(error)
            .hint("the system may be out of threads or memory")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::open().map_err(failed)?
    };
    let (run, output) = (run.clone(), output.clone());
    let body = move || {
        let name = runtime.block_on(signals.next());
        // Acted on before it is told: a terminal that takes no more output must not hold up the end.
        run.cancel();
        let told = output.clone();
        std::thread::spawn(move || told.note(&format!("{name}: stopping; once more to kill at once")));
        let name = runtime.block_on(signals.next());
        crate::process::kill_all();
        let told = std::thread::spawn(move || {
            output.finish();
            output.note(&format!("{name} again: killed"));
        });
        let since = std::time::Instant::now();
        while !told.is_finished() && since.elapsed() < std::time::Duration::from_millis(500) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::process::exit(exit::CANCELLED.into());
    };
    std::thread::Builder::new().name("signals".into()).spawn(body).map(drop).map_err(failed)
}

#[cfg(unix)]
struct Signals([(tokio::signal::unix::Signal, &'static str); 4]);

#[cfg(unix)]
impl Signals {
    fn open() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals([
            (signal(SignalKind::interrupt())?, "interrupted"),
            (signal(SignalKind::terminate())?, "terminated"),
            (signal(SignalKind::hangup())?, "hung up"),
            (signal(SignalKind::quit())?, "told to quit"),
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let [(interrupt, a), (terminate, b), (hangup, c), (quit, d)] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => a,
            _ = terminate.recv() => b,
            _ = hangup.recv() => c,
            _ = quit.recv() => d,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn open() -> std::io::Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "interrupted"
    }
}
