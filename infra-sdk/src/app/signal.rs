//! Ctrl-C and its relatives: the first one cancels the run, the second one kills it.

use std::sync::Arc;

use crate::app::exit;
use crate::app::output::Output;
use crate::cancel::CancelToken;

/// Cancels `run` on the first signal; on the second one kills all programs and ends the process.
pub(crate) async fn listen(run: CancelToken, output: Arc<Output>) {
    let Ok(mut signals) = Signals::open() else { return };
    let name = signals.next().await;
    output.note(&format!("{name}: stopping; once more to kill at once"));
    run.cancel();
    let name = signals.next().await;
    output.finish();
    output.note(&format!("{name} again: killed"));
    crate::process::kill_all();
    std::process::exit(exit::CANCELLED.into());
}

#[cfg(unix)]
struct Signals([(tokio::signal::unix::Signal, &'static str); 3]);

#[cfg(unix)]
impl Signals {
    fn open() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals([
            (signal(SignalKind::interrupt())?, "interrupted"),
            (signal(SignalKind::terminate())?, "terminated"),
            (signal(SignalKind::hangup())?, "hung up"),
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let [(interrupt, a), (terminate, b), (hangup, c)] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => a,
            _ = terminate.recv() => b,
            _ = hangup.recv() => c,
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
