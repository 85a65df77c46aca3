//! Runs that nobody moves on: an agent that lives does it in the place of a coordinator that died or was sent home.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cancel::CancelToken;
use crate::names::EnvName;
use crate::runs::coordinator::{Led, lead};
use crate::runs::patience::Patience;
use crate::runs::{FollowOptions, RunId, RunStore, Unfinished, Watcher};

/// Looks, once every lease, for runs in an environment that nobody moves on, and does so until `cancel` is cancelled. A
/// store that does not answer is asked again at the next look; that, and what cannot be read, is said once.
pub async fn steward(
    store: &Arc<dyn RunStore>,
    env: &EnvName,
    options: &FollowOptions,
    watcher: &Arc<dyn Watcher>,
    cancel: &CancelToken,
) {
    let mut led: JoinSet<(RunId, Option<String>)> = JoinSet::new();
    let mut mine: Vec<RunId> = Vec::new();
    let (mut away, mut said) = (false, HashSet::<String>::new());
    loop {
        while let Some(ended) = led.try_join_next() {
            match ended {
                Ok((run, failed)) => {
                    mine.retain(|known| *known != run);
                    if let Some(line) = failed.filter(|line| said.insert(line.clone())) {
                        watcher.notice(&line);
                    }
                }
                // Nothing says which one it was: all that are still led hold their lease.
                Err(_) => mine.clear(),
            }
        }
        let found = match store.unfinished(env).await {
            Ok(found) => {
                away = false;
                found
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    watcher.notice(&format!(
                        "it cannot be seen whether a run needs somebody to move it on, looking again: {error}"
                    ));
                }
                Unfinished::default()
            }
        };
        for error in found.unreadable {
            let line = format!("a run cannot be read, and is not moved on from here: {error}");
            if said.insert(line.clone()) {
                watcher.notice(&line);
            }
        }
        for run in found.runs {
            if mine.contains(&run) {
                continue;
            }
            mine.push(run.clone());
            let (store, options) = (store.clone(), options.clone());
            let (watcher, cancel) = (watcher.clone(), cancel.clone());
            led.spawn(async move {
                // Whoever is let down looks again at the next look: there is no patience to be kept.
                let led = lead(&store, &run, &options, &*watcher, &cancel, &mut Patience::default()).await;
                let failed = match led {
                    Ok(Led::Over(_) | Led::Another | Led::Lost) => None,
                    Err(_) if cancel.is_cancelled() => None,
                    Err(error) => Some(format!("run {run} was not moved on: {error}")),
                };
                (run, failed)
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
