//! What a check of NATS is to find out, and how long it may take.

use std::time::Duration;

use crate::events::Source;

/// What a check of NATS is to find out, and how long it may take.
///
/// ```
/// use infra_sdk::nats::HealthSpec;
/// use std::time::Duration;
/// let spec = HealthSpec { planned: Duration::from_secs(3600), ..HealthSpec::default() };
/// assert_eq!(spec.budget, Duration::from_secs(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// How long the run will take that wants to use NATS: credentials that end before it does are no good ones; default:
    /// half an hour.
    pub planned: Duration,
    /// How long everything but the canary may take together; default: 2 seconds. To this and to the canary's time come the
    /// round trips to the server, once it is known how long they are.
    pub budget: Duration,
    /// How long the canary may take; default: 2 seconds.
    pub canary: Duration,
    /// Where a server tells of itself over HTTP, `http://host:8222`: a second source about the cluster.
    pub monitor: Option<String>,
    /// Whose events are published: credentials that may write nothing else are tried on them.
    pub source: Option<Source>,
    /// How many servers are to keep each message; default: 3 in a cluster, else 1.
    pub replicas: Option<u8>,
    /// Whether the ledger is kept in NATS, too.
    pub ledger: bool,
}

impl Default for HealthSpec {
    fn default() -> Self {
        HealthSpec {
            planned: Duration::from_secs(1800),
            budget: Duration::from_secs(2),
            canary: Duration::from_secs(2),
            monitor: None,
            source: None,
            replicas: None,
            ledger: false,
        }
    }
}
