//! A lease held while work runs: renewed in the background, freed at the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result};
use crate::runs::{Lease, LeaseRequest, RunStore};

/// A lease that this process holds. [`free`](Kept::free) it; a process that dies instead leaves a lease that ends by
/// itself.
pub(super) struct Kept {
    store: Arc<dyn RunStore>,
    lease: Arc<Mutex<Lease>>,
    lost: CancelToken,
    renewing: JoinHandle<()>,
}

/// Takes a name and keeps it, renewing it each third of its length.
///
/// # Errors
/// `Locked` when another holds it; what the store fails with otherwise.
pub(super) async fn keep(store: &Arc<dyn RunStore>, request: &LeaseRequest) -> Result<Kept> {
    let asked = Instant::now();
    let lease = Arc::new(Mutex::new(store.hold(request).await?));
    let lost = CancelToken::new();
    let renewing = tokio::spawn(renew(store.clone(), lease.clone(), asked, lost.clone()));
    Ok(Kept { store: store.clone(), lease, lost, renewing })
}

/// Renews until it is lost. Whether it is, is told by a clock that nobody sets, and that no other machine knows.
async fn renew(store: Arc<dyn RunStore>, lease: Arc<Mutex<Lease>>, mut renewed: Instant, lost: CancelToken) {
    let length = now(&lease).length;
    // Given up a little before others may take it; it counts from before a renewal is asked.
    let mine = length - length / 10;
    // A lease of no length at all must not keep the process busy.
    let pause = (length / 3).max(Duration::from_millis(10));
    let mut wait = pause;
    loop {
        tokio::time::sleep(wait.min(mine.saturating_sub(renewed.elapsed()))).await;
        let asked = Instant::now();
        let left = mine.saturating_sub(renewed.elapsed());
        let known = now(&lease);
        match tokio::time::timeout(left, store.renew(&known)).await {
            Ok(Ok(next)) => {
                *lease.lock().unwrap_or_else(PoisonError::into_inner) = next;
                (renewed, wait) = (asked, pause);
            }
            // A store that does not answer for a moment costs nothing while the lease still runs.
            Ok(Err(error)) if error.kind() != ErrorKind::Conflict && renewed.elapsed() < mine => {
                wait = pause.min(Duration::from_millis(250));
            }
            Ok(Err(_)) | Err(_) => return lost.cancel(),
        }
    }
}

fn now(lease: &Mutex<Lease>) -> Lease {
    lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Kept {
    /// The id that stands for this holding of the name.
    pub(super) fn id(&self) -> String {
        now(&self.lease).id
    }

    /// Cancelled when the lease could not be kept: stop then, another may have started.
    pub(super) fn lost(&self) -> &CancelToken {
        &self.lost
    }

    /// Frees the name. One that cannot be freed ends by itself.
    pub(super) async fn free(self) {
        self.renewing.abort();
        let lease = now(&self.lease);
        let _ = tokio::time::timeout(lease.length, self.store.release(&lease)).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
