//! One task from its start to its end: panics, attempts, its deadline, and the grace after a cancellation.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use clap::ArgMatches;

use crate::app::cx::Cx;
use crate::app::hint::aimed;
use crate::app::needs::Output;
use crate::app::node::{Job, Settings};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::time::human;

/// A body gets this much longer than its programs, to tell how they ended.
pub(crate) const AFTER_GRACE: Duration = Duration::from_secs(2);

/// A task that is about to run.
pub(crate) struct Work {
    pub(crate) job: Job,
    pub(crate) flags: Option<Arc<ArgMatches>>,
    pub(crate) inputs: Vec<Output>,
    pub(crate) settings: Settings,
    pub(crate) cx: Cx,
    pub(crate) token: CancelToken,
}

enum Stop {
    Cancelled,
    Deadline(Duration),
}

/// Runs a task to its end. Once it should stop, its body has the grace to end and is then dropped.
pub(crate) async fn run(work: Work) -> Result<Output> {
    let environment = work.cx.environment().clone();
    to_the_end(work).await.map_err(|error| error.map_hints(|hint| aimed(hint, &environment)))
}

async fn to_the_end(work: Work) -> Result<Output> {
    let (token, settings, cx) = (work.token.clone(), work.settings.clone(), work.cx.clone());
    let mut attempts = pin!(async {
        match settings.deadline {
            // On its own, so that a body which blocks its thread does not block the clock.
            Some(_) => Spawned(tokio::spawn(attempts(work))).await,
            None => attempts(work).await,
        }
    });
    let stop = tokio::select! {
        biased;
        result = &mut attempts => return result,
        () = token.cancelled() => Stop::Cancelled,
        limit = over(settings.deadline) => Stop::Deadline(limit),
    };
    token.cancel();
    // Read now: the body may have asked for more while it ran.
    let grace = cx.grace();
    let ended = tokio::time::timeout(grace.saturating_add(AFTER_GRACE), &mut attempts).await;
    match (stop, ended) {
        (Stop::Deadline(limit), ended) => {
            let error =
                Error::new(ErrorKind::TimedOut, format!("the task took longer than {}", human(limit)))
                    .hint("raise its deadline where it is registered, or see above what it waited for");
            Err(match ended {
                Ok(Err(cause)) if cause.kind() != ErrorKind::Cancelled => error.because(cause),
                _ => error,
            })
        }
        (Stop::Cancelled, Ok(result)) => result,
        (Stop::Cancelled, Err(_)) => {
            let grace = human(grace);
            Err(Error::new(
                ErrorKind::Cancelled,
                format!("the task did not stop within {grace} and was dropped"),
            )
            .hint("what it was doing may be half done: look, then run the same command again"))
        }
    }
}

/// A future on the runtime that ends with whoever waits for it.
struct Spawned(tokio::task::JoinHandle<Result<Output>>);

impl Future for Spawned {
    type Output = Result<Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|ended| {
            // Panics of bodies were caught inside.
            ended.unwrap_or_else(|error| Err(Error::new(ErrorKind::Bug, "a task got lost").because(error)))
        })
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn over(deadline: Option<Duration>) -> Duration {
    match deadline {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

async fn attempts(work: Work) -> Result<Output> {
    let mut pauses = work.settings.retry.into_iter().flat_map(|retry| retry.delays());
    let mut number = 1;
    loop {
        // Reports of an attempt that failed are not the task's.
        work.cx.forget_reports();
        let error = match once(&work).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let pause = pauses.next().filter(|_| error.is_retryable() && !work.token.is_cancelled());
        let Some(pause) = pause else {
            return Err(if number > 1 { error.with("attempts", number) } else { error });
        };
        number += 1;
        work.cx.warn(format!("{error}; attempt {number} in {}", human(pause)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = work.token.cancelled() => return Err(error),
        }
    }
}

async fn once(work: &Work) -> Result<Output> {
    let start = || (work.job)(work.cx.clone(), work.flags.as_deref(), &work.inputs);
    let running = guarded(work.cx.task(), start)??;
    Guarded { task: work.cx.task(), running }.await
}

/// A body that turns its panics into errors.
struct Guarded<'a> {
    task: &'a str,
    running: Pin<Box<dyn Future<Output = Result<Output>> + Send>>,
}

impl Future for Guarded<'_> {
    type Output = Result<Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match guarded(this.task, || this.running.as_mut().poll(context)) {
            Ok(poll) => poll,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

thread_local! {
    static IN_BODY: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<(String, Option<String>)>> = const { RefCell::new(None) };
}

/// Calls a part of a body; a panic becomes a `Bug`.
fn guarded<T>(task: &str, part: impl FnOnce() -> T) -> Result<T> {
    keep_panics_quiet();
    let outer = IN_BODY.replace(true);
    // A body that panicked is never polled again, so nobody sees what it left behind.
    let result = catch_unwind(AssertUnwindSafe(part));
    IN_BODY.set(outer);
    result.map_err(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        let mut error = Error::new(ErrorKind::Bug, format!("the task `{task}` panicked: {message}"));
        if let Some((place, trace)) = PANICKED_AT.take() {
            error = error.with("at", place);
            if let Some(trace) = trace {
                return error.because(trace).hint("this is a mistake in the task's code");
            }
        }
        error.hint(
            "this is a mistake in the task's code; run it again with RUST_BACKTRACE=1 to see the way there",
        )
    })
}

/// A panic in a body is told as the task's failure, masked; the usual message
/// would go to the terminal around the writer. Other panics are told as before.
fn keep_panics_quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IN_BODY.get() {
                return usual(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let trace = std::backtrace::Backtrace::capture();
            let traced = trace.status() == std::backtrace::BacktraceStatus::Captured;
            PANICKED_AT.set(Some((place, traced.then(|| trimmed(&trace.to_string())))));
        }));
    });
}

/// The frames of a backtrace between the panic itself and this crate, which starts every body.
fn trimmed(trace: &str) -> String {
    let lines: Vec<&str> = trace.lines().collect();
    let first = lines.iter().position(|line| line.contains("core::panicking::panic")).map_or(0, |at| at + 2);
    let last =
        lines.iter().position(|line| line.contains("infra_sdk::app::body::Body")).unwrap_or(lines.len());
    let frames = lines.get(first..last).filter(|frames| !frames.is_empty()).unwrap_or(&lines);
    format!("backtrace\n{}", frames.join("\n"))
}
