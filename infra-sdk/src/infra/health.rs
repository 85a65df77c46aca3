//! Whether the services that tasks depend on can be used.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::health::{Health, HealthCheck};
use crate::infra::Infra;

impl Infra {
    /// Probes NATS, or the file that events are in where the environment is on this machine, for a run that will take about
    /// `planned`. `monitor` names where a server tells of itself over HTTP, `http://host:8222`.
    ///
    /// # Errors
    /// `NotFound` where the environment names no NATS; `NotBuilt` where it is not compiled in; what is wrong with its
    /// settings. A server that is down is a report.
    pub async fn check_nats(&self, planned: Duration, monitor: Option<&str>) -> Result<Health> {
        self.nats_health(monitor).check(planned).await
    }

    fn nats_health(&self, monitor: Option<&str>) -> Arc<dyn HealthCheck> {
        self.providers().nats_health(self.env(), self.config(), self.home(), monitor)
    }
}
