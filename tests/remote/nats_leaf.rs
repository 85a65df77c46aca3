//! Who is connected to a leaf and works in the JetStream of its hub: everything goes by the hub's domain.

use std::sync::Arc;
use std::time::Duration;

use infra_sdk::config;
use infra_sdk::health::State;
use infra_sdk::nats::{Nats, NatsBus, NatsLedger, NatsRuns};
use support::NatsServer;

use crate::nats_events::bootstrap;
use crate::nats_health::{check, probe, with};

/// NATS as the leaf gives it, by that domain.
fn through(leaf: &NatsServer, domain: &str) -> Nats {
    with(&config::Nats { url: Some(leaf.url()), domain: Some(domain.into()), ..config::Nats::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_at_the_hub_is_made_checked_and_used_from_a_leaf() {
    let (hub, leaf) = NatsServer::hub_and_leaf();
    let nats = through(&leaf, "hub");
    let before = check(&nats).await;
    assert!(probe(&before, "canary").state == State::Ok, "{before}");
    assert!(probe(&before, "assets").saw.starts_with("missing: "), "{before}");
    bootstrap(&nats).await;
    let health = check(&nats).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    assert!(probe(&health, "canary").saw.contains("acknowledged"), "{health}");
    // None of it came to lie on the leaf itself.
    for (server, streams) in [(&hub, 4), (&leaf, 0)] {
        assert_eq!(server.monitor("/jsz")["streams"], streams, "{}", server.log());
    }
    let redelivery = Duration::from_secs(2);
    let org = "acme".parse().expect("a name");
    let runs = NatsRuns::new(nats.clone(), &org).redelivery(redelivery);
    crate::runs::holds(Arc::new(runs), redelivery).await;
    crate::events::holds(Arc::new(NatsBus::new(nats.clone()))).await;
    crate::ledger::holds(&NatsLedger::new(nats, &org)).await;
}
