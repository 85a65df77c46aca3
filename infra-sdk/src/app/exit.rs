//! Exit codes: what the process ends with, so that scripts can tell failures apart.
//!
//! A failing program that a task started passes its own code on, whatever it
//! is; the codes below are what the runtime itself ends with.
//!
//! A task whose work is to find something tells what it found by codes of its own, which its help names, as
//! `terraform plan -detailed-exitcode` and `diff` do: 2 and 3 are then no mistake of the command line.

use crate::error::{Error, ErrorKind};

/// Everything asked for was done.
pub const OK: u8 = 0;
/// A task failed, in a way that has no code of its own here.
pub const FAILED: u8 = 1;
/// The command line was wrong: an unknown task or flag.
pub const USAGE: u8 = 2;
/// A dangerous task was not confirmed, or an account may not do what was asked.
pub const DENIED: u8 = 3;
/// A name, a file or a setting is wrong.
pub const INVALID: u8 = 4;
/// Something that was named is not there, such as an environment or a file.
pub const NOT_FOUND: u8 = 5;
/// Somebody else holds the lock.
pub const LOCKED: u8 = 6;
/// Somebody else changed the thing in between.
pub const CONFLICT: u8 = 7;
/// A program or service did not answer, or is not there.
pub const UNAVAILABLE: u8 = 8;
/// A backend was asked for that is not compiled in.
pub const NOT_BUILT: u8 = 9;
/// A judge refused a plan: there is a finding of the level `error`.
pub const REFUSED: u8 = 10;
/// A mistake in the tasks or in this crate: a panic, a cycle, a name used twice.
pub const BUG: u8 = 70;
/// A deadline passed.
pub const TIMED_OUT: u8 = 124;
/// Cancelled, by Ctrl-C or a signal.
pub const CANCELLED: u8 = 130;

/// The code the process ends with after `error`: its own opinion, such as the
/// code of a failing child, before that of its kind.
///
/// ```
/// use infra_sdk::app::exit;
/// use infra_sdk::{Error, ErrorKind};
/// assert_eq!(exit::code_of(&Error::new(ErrorKind::TimedOut, "wait")), exit::TIMED_OUT);
/// assert_eq!(exit::code_of(&Error::new(ErrorKind::Failed, "run tests").exit_with(7)), 7);
/// ```
pub fn code_of(error: &Error) -> u8 {
    // An error is never a success, whatever it says.
    if let Some(code) = error.exit_code().filter(|code| *code != OK) {
        return code;
    }
    match error.kind() {
        ErrorKind::Denied => DENIED,
        ErrorKind::Invalid => INVALID,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::Locked => LOCKED,
        ErrorKind::Conflict => CONFLICT,
        ErrorKind::Unavailable => UNAVAILABLE,
        ErrorKind::NotBuilt => NOT_BUILT,
        ErrorKind::TimedOut => TIMED_OUT,
        ErrorKind::Cancelled => CANCELLED,
        ErrorKind::Bug => BUG,
        ErrorKind::Failed | ErrorKind::Io => FAILED,
    }
}
