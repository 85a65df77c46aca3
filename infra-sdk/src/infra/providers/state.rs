//! Where Terraform keeps its state, and who may change things now, where their feature is compiled in.

use std::sync::Arc;

use crate::config::StateKind;
use crate::error::Result;
use crate::infra::absent::Absent;
use crate::infra::providers::ports::Choice;
use crate::local::{LocalLocks, LocalState};
use crate::state::{Locks, StateBackend};

/// The state of an environment.
pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn StateBackend>> {
    let Choice { config, home, .. } = choice;
    let absent = |wanted: &str, feature| -> Arc<dyn StateBackend> {
        Arc::new(Absent::new(wanted, feature, config.environment()))
    };
    Ok(match (config.section()?.state.as_ref().map(|state| state.backend), choice.remote()?) {
        (Some(StateKind::Local), _) | (None, None) => Arc::new(LocalState::new(home.state())),
        (Some(StateKind::S3), _) => absent("state backend = \"s3\"", "aws-s3"),
        (Some(StateKind::R2), _) => absent("state backend = \"r2\"", "aws-s3"),
        (None, Some((wanted, feature))) => absent(&format!("{wanted} for Terraform state"), feature),
    })
}

/// The locks of an environment.
pub(super) fn locks(choice: &Choice<'_>) -> Result<Arc<dyn Locks>> {
    Ok(Arc::new(LocalLocks::new(choice.home.locks())))
}
