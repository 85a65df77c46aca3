//! A lease held while work runs: renewed in the background, freed at the end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::renewal;
use crate::runs::{Lease, LeaseRequest, RunStore};

/// A lease that this process holds. [`free`](Kept::free) it; a process that dies instead leaves a lease that ends by
/// itself.
pub(super) struct Kept {
    store: Arc<dyn RunStore>,
    lease: Arc<Mutex<Lease>>,
    lost: CancelToken,
    why: Arc<Mutex<Option<String>>>,
    renewing: JoinHandle<()>,
}

/// Takes a name and keeps it, renewing it each third of its length.
///
/// # Errors
/// `Locked` when another holds it; what the store fails with otherwise.
pub(super) async fn keep(store: &Arc<dyn RunStore>, request: &LeaseRequest) -> Result<Kept> {
    let asked = Instant::now();
    let lease = Arc::new(Mutex::new(store.hold(request).await?));
    let (lost, why) = (CancelToken::new(), Arc::default());
    let renewing = tokio::spawn(renew(store.clone(), lease.clone(), asked, lost.clone(), Arc::clone(&why)));
    Ok(Kept { store: store.clone(), lease, lost, why, renewing })
}

async fn renew(
    store: Arc<dyn RunStore>,
    lease: Arc<Mutex<Lease>>,
    asked: Instant,
    lost: CancelToken,
    why: Arc<Mutex<Option<String>>>,
) {
    let once = || async {
        let renewed = store.renew(&now(&lease)).await;
        *why.lock().unwrap_or_else(PoisonError::into_inner) = renewed.as_ref().err().map(Error::line);
        *lease.lock().unwrap_or_else(PoisonError::into_inner) = renewed?;
        Ok(())
    };
    let is_lost = |error: &Error| error.kind() == ErrorKind::Conflict;
    renewal::until_lost(now(&lease).length, asked, once, is_lost).await;
    lost.cancel();
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

    /// Why it could not be renewed the last time, if it could not, in a form that follows other words.
    pub(super) fn why(&self) -> String {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
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
