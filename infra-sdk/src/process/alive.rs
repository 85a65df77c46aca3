//! Every child that is alive, for the moment when a person wants all of them gone at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::group::Leader;

static ALIVE: Mutex<Vec<Leader>> = Mutex::new(Vec::new());

/// Kills every program this process started, with its group, without any grace:
/// for the second Ctrl-C, right before the process ends. Detached programs live on.
pub fn kill_all() {
    alive().iter().for_each(Leader::kill);
}

/// Remembers a child that was just started.
pub(super) fn add(leader: &Leader) {
    alive().push(leader.clone());
}

/// Forgets a child that is about to be reaped: its number may be another's after that.
pub(super) fn remove(leader: &Leader) {
    alive().retain(|other| other.pid() != leader.pid());
}

fn alive() -> MutexGuard<'static, Vec<Leader>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
