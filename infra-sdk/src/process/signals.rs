//! The signals by which a person or the system asks this process to end.

use crate::error::{Error, ErrorKind, Result};

/// One request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndSignal {
    /// Ctrl-C.
    Interrupt,
    /// `TERM`: the system or another program.
    Terminate,
    /// `HUP`: the terminal is gone.
    Hangup,
    /// Ctrl-\.
    Quit,
}

impl EndSignal {
    /// What happened, for people.
    pub fn told(self) -> &'static str {
        match self {
            EndSignal::Interrupt => "interrupted",
            EndSignal::Terminate => "terminated",
            EndSignal::Hangup => "hung up",
            EndSignal::Quit => "told to quit",
        }
    }
}

/// From now on these signals do not end this process but call `act`, one after the other, on a thread of its own: work
/// that blocks every other thread can still be ended.
///
/// # Errors
/// `Unavailable` when the system has no room for another thread.
pub fn on_end_signal(act: impl FnMut(EndSignal) + Send + 'static) -> Result<()> {
    listen(act).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "listen for Ctrl-C")
            .because(error)
            .hint("the system may be out of threads or memory")
    })
}

#[cfg(unix)]
fn listen(mut act: impl FnMut(EndSignal) + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    let body = move || {
        for signal in signals.forever() {
            act(match signal {
                SIGTERM => EndSignal::Terminate,
                SIGHUP => EndSignal::Hangup,
                SIGQUIT => EndSignal::Quit,
                _ => EndSignal::Interrupt,
            });
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(body).map(drop)
}

#[cfg(not(unix))]
fn listen(mut act: impl FnMut(EndSignal) + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || {
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            act(EndSignal::Interrupt);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(body).map(drop)
}
