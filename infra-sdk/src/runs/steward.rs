//! Runs that nobody moves on: an agent that lives does it in the place of a coordinator that died or was sent home.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cancel::CancelToken;
use crate::names::EnvName;
use crate::runs::coordinator::{Led, lead};
use crate::runs::{FollowOptions, RunId, RunStore, Watcher};

/// How many of the newest runs are looked at.
const LOOKED_AT: usize = 20;

/// Looks, once every lease, for runs in an environment that nobody moves on, and does so until `cancel` is cancelled. A
/// store that does not answer is asked again at the next look.
pub async fn steward(
    store: &Arc<dyn RunStore>,
    env: &EnvName,
    options: &FollowOptions,
    watcher: &Arc<dyn Watcher>,
    cancel: &CancelToken,
) {
    let mut led = JoinSet::new();
    let mut mine: Vec<RunId> = Vec::new();
    loop {
        while let Some(ended) = led.try_join_next() {
            match ended {
                Ok(run) => mine.retain(|known| *known != run),
                // Nothing says which one it was: all that are still led hold their lease.
                Err(_) => mine.clear(),
            }
        }
        for run in store.recent(LOOKED_AT).await.unwrap_or_default() {
            if run.phase.is_closed() || run.env != *env || mine.contains(&run.id) {
                continue;
            }
            mine.push(run.id.clone());
            let (store, options) = (store.clone(), options.clone());
            let (watcher, cancel) = (watcher.clone(), cancel.clone());
            led.spawn(async move {
                match lead(&store, &run.id, &options, &*watcher, &cancel).await {
                    Ok(Led::Over(_) | Led::Another | Led::Lost) => {}
                    Err(_) if cancel.is_cancelled() => {}
                    Err(error) => watcher.notice(&format!("run {} was not moved on: {error}", run.id)),
                }
                run.id
            });
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep(options.lease) => {}
        }
    }
    // Each frees its lease as it ends.
    while led.join_next().await.is_some() {}
}
