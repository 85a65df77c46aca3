//! Whether events can be written where they are files on this machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::error::Result;
use crate::file::{self, Access};
use crate::health::{Health, HealthCheck, Probe, State};

/// The check of events that are one file: there is no server, and what can fail is the folder.
#[derive(Clone, Debug)]
pub struct LocalHealth {
    folder: PathBuf,
}

impl LocalHealth {
    /// For events whose file lies, or will lie, in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        LocalHealth { folder: folder.into() }
    }
}

#[async_trait]
impl HealthCheck for LocalHealth {
    async fn check(&self, _: Duration) -> Result<Health> {
        let began = Instant::now();
        let tried = file::make_dir(&self.folder, Access::Private)
            .and_then(|()| file::Temporary::beside(&self.folder.join("health"), Access::Private));
        let probe = match tried {
            // The file goes with its value.
            Ok(_) => {
                Probe::new("events", State::Ok, "events are a file on this machine, which can be written")
            }
            Err(error) => {
                let probe = Probe::new(
                    "events",
                    State::Failed,
                    format!("events cannot be written: {}", error.report()),
                );
                let probe = error.hints().iter().fold(probe, |probe, hint| probe.hint(hint));
                probe.hint("set INFRA_HOME to a folder that you may write to")
            }
        };
        let mut health = Health::new("NATS", self.folder.display().to_string());
        health.probes.push(probe.took(began.elapsed()));
        Ok(health)
    }
}
