//! The port of everything that can be asked whether it is well.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::health::Health;

/// A service that a repo's tasks depend on.
///
/// # Contract
/// - A service that is down, slow or refuses is a report with a [`Failed`](crate::health::State::Failed) or
///   [`NotPermitted`](crate::health::State::NotPermitted) probe, and no error.
/// - Probes come in the order they were made; one that rests on a failed one is listed as skipped, and why.
/// - A check ends within its budget, whatever the service does.
/// - It leaves nothing behind but what it says it keeps for its next run.
/// - No secret appears in evidence, hints or errors.
#[async_trait]
pub trait HealthCheck: Send + Sync {
    /// Probes the service, for a run that will take about `planned`: a credential that ends before it does is no good one.
    ///
    /// # Errors
    /// `Invalid` for settings that cannot be meant; `NotBuilt` for a service that is not compiled in.
    async fn check(&self, planned: Duration) -> Result<Health>;
}
