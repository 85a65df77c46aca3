//! Where repos publish and read, where its feature is compiled in.

use std::sync::Arc;

use crate::error::Result;
use crate::infra::absent::Absent;
use crate::infra::providers::ports::Choice;
use crate::local::LocalParameters;
use crate::refs::ParameterStore;

/// The parameters of an environment.
pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn ParameterStore>> {
    let Choice { config, home, .. } = choice;
    Ok(match choice.remote()? {
        None => Arc::new(LocalParameters::new(home.params())),
        Some((wanted, feature)) => {
            Arc::new(Absent::new(format!("{wanted} for references"), feature, config.environment()))
        }
    })
}
