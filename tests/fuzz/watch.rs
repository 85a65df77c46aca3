//! Runs cases on a thread of their own, so that one that never ends is told and not waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

type Outcome = Result<(), String>;

/// The text of a plan, and of the one it is held against.
type Case = (Vec<u8>, Vec<u8>);

/// The thread that runs cases.
pub(crate) struct Watch {
    longest: Duration,
    ends: Mutex<(Sender<Case>, Receiver<Outcome>)>,
    kept: PathBuf,
}

impl Watch {
    /// Starts it; `check` may take `longest` for a case.
    pub(crate) fn new(longest: Duration, check: impl Fn(Case) -> Outcome + Send + 'static) -> Self {
        let (cases, inbox) = channel();
        let (outcomes, outbox) = channel();
        // The stack of a thread that nobody asked to be larger: what recurses too deep is found.
        thread::Builder::new()
            .name("fuzz".into())
            .stack_size(2 << 20)
            .spawn(move || {
                for case in inbox {
                    let outcome = catch_unwind(AssertUnwindSafe(|| check(case)));
                    let outcome =
                        outcome.unwrap_or_else(|panic| Err(format!("it panics: {}", words(&*panic))));
                    if outcomes.send(outcome).is_err() {
                        return;
                    }
                }
            })
            .expect("a thread starts");
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}.json", std::process::id()));
        Watch { longest, ends: Mutex::new((cases, outbox)), kept }
    }

    /// Runs one case. The plan is kept in a file until the next: what ends the whole process leaves it behind.
    pub(crate) fn run(&self, case: Case) -> Outcome {
        std::fs::write(&self.kept, &case.0).map_err(|error| error.to_string())?;
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.0.send(case).map_err(|_| "the thread of the cases is gone".to_owned())?;
        ends.1.recv_timeout(self.longest).map_err(|_| format!("it takes longer than {:?}", self.longest))?
    }

    /// Where the plan of the last case is.
    pub(crate) fn kept(&self) -> &Path {
        &self.kept
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
