//! Ctrl-C and its relatives: the first one cancels the run, the second one kills it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::exit;
use crate::app::output::Output;
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::process::{EndSignal, kill_all, on_end_signal};

/// From now on the first signal cancels `run`; the second one kills all programs and ends the process.
///
/// # Errors
/// As [`on_end_signal`].
pub(crate) fn listen(run: &CancelToken, output: &Arc<Output>) -> Result<()> {
    let (run, output) = (run.clone(), output.clone());
    let mut asked_before = false;
    on_end_signal(move |signal| {
        // Acted on before it is told: a terminal that takes no more output must not hold up the end.
        if asked_before {
            kill_all();
            end(signal, &output);
        }
        asked_before = true;
        run.cancel();
        let output = output.clone();
        std::thread::spawn(move || {
            output.note(&format!("{}: stopping; once more to kill at once", signal.told()))
        });
    })
}

/// Ends the process, after a moment for the last words.
fn end(signal: EndSignal, output: &Arc<Output>) -> ! {
    let output = output.clone();
    let told = std::thread::spawn(move || {
        output.finish();
        output.note(&format!("{} again: killed", signal.told()));
    });
    let begun = Instant::now();
    while !told.is_finished() && begun.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::process::exit(exit::CANCELLED.into())
}
