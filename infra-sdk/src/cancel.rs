//! Cancellation that runs down a tree: a whole run, one task, one child process.

use std::sync::{Arc, Mutex, Weak};

use tokio::sync::watch;

/// Tells work that it should stop. Clones share one signal; [`child`](CancelToken::child)
/// makes one that also hears its parent.
///
/// ```
/// use infra_sdk::CancelToken;
/// let run = CancelToken::new();
/// let task = run.child();
/// run.cancel();
/// assert!(task.is_cancelled());
/// ```
#[derive(Clone, Debug)]
pub struct CancelToken(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    signal: watch::Sender<bool>,
    children: Mutex<Vec<Weak<Inner>>>,
    // Keeps the parent's list alive for as long as someone may cancel through it.
    _parent: Option<Arc<Inner>>,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    #[expect(clippy::new_without_default, reason = "a token is made on purpose, not by default")]
    pub fn new() -> Self {
        Self::with_parent(None, false)
    }

    fn with_parent(parent: Option<Arc<Inner>>, cancelled: bool) -> Self {
        CancelToken(Arc::new(Inner {
            signal: watch::Sender::new(cancelled),
            children: Mutex::default(),
            _parent: parent,
        }))
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let mut children = lock(&self.0.children);
        let child = Self::with_parent(Some(self.0.clone()), self.is_cancelled());
        if children.len() == children.capacity() {
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(Arc::downgrade(&child.0));
        child
    }

    /// Cancels this token and all below it.
    pub fn cancel(&self) {
        let children = {
            let mut children = lock(&self.0.children);
            self.0.signal.send_replace(true);
            std::mem::take(&mut *children)
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            CancelToken(child).cancel();
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.0.signal.borrow()
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        let mut seen = self.0.signal.subscribe();
        // The sender lives in `self`, so waiting can only end by the value.
        let _ = seen.wait_for(|cancelled| *cancelled).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_hears_its_parent_but_not_its_sister() {
        let run = CancelToken::new();
        let (one, two) = (run.child(), run.child());
        one.cancel();
        assert!(one.is_cancelled() && !two.is_cancelled() && !run.is_cancelled());
        run.cancel();
        assert!(two.is_cancelled() && run.child().is_cancelled());
    }

    #[tokio::test]
    async fn waiting_ends_when_it_is_cancelled() {
        let run = CancelToken::new();
        let task = run.child();
        let waiting = tokio::spawn(async move { task.cancelled().await });
        run.cancel();
        waiting.await.unwrap();
    }
}
