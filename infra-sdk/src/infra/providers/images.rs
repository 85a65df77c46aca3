//! Where images are kept, where its feature is compiled in.

use std::sync::Arc;

use crate::error::Result;
use crate::images::ImageRegistry;
use crate::infra::absent::Absent;
use crate::infra::providers::ports::Choice;
use crate::local::LocalRegistry;

/// The images of an environment.
pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn ImageRegistry>> {
    let Choice { config, home, .. } = choice;
    Ok(match choice.remote()? {
        None => Arc::new(LocalRegistry::new(home.registry())),
        Some((wanted, feature)) => {
            Arc::new(Absent::new(format!("{wanted} for images"), feature, config.environment()))
        }
    })
}
