//! Probe 3: a connection, step by step, so that the step which fails can be told.

use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::connection::State as Link;
use tokio::time::{sleep, timeout_at};

use crate::error::Error;
use crate::health::{Probe, State};
use crate::nats::Nats;
use crate::nats::reach::{self, Reached};
use crate::nats::setting::Origin;

const NAME: &str = "connect";
/// What is left of the time for TLS and for being let in, once the servers were looked for.
const SESSION: Duration = Duration::from_millis(800);
/// How often a connection that broke is looked at again.
const GLANCE: Duration = Duration::from_millis(10);

/// Makes the connection of this process, or looks whether it still stands. The servers that answer are asked first: one
/// that drops packets costs nothing but a line.
pub(super) async fn probe(nats: &Nats, until: Instant) -> (Probe, Option<&Client>) {
    if let Some(client) = nats.made().filter(|client| client.connection_state() == Link::Connected) {
        return (Probe::new(NAME, State::Ok, "connected since before"), Some(client));
    }
    let left = until.saturating_duration_since(Instant::now());
    let (target, given) = (nats.target(), &nats.target().servers.origin);
    let reached = reach::all(target, left.saturating_sub(SESSION)).await;
    let (good, bad): (Vec<&Reached>, Vec<&Reached>) =
        reached.iter().partition(|reached| reached.result.is_ok());
    let Some(first) = good.first() else { return (unreachable(&bad, given), None) };
    let order: Vec<String> = good.iter().chain(&bad).map(|reached| reached.server.clone()).collect();
    let began = Instant::now();
    let connected = timeout_at(until.into(), connected(nats, &order)).await;
    let probe = match connected {
        Ok(Ok(client)) => {
            let state = if bad.is_empty() { State::Ok } else { State::Degraded };
            let saw = match bad.len() {
                0 => "connected".to_owned(),
                down => format!("connected; {down} of {} servers cannot be reached", reached.len()),
            };
            let probe = told(Probe::new(NAME, state, saw), first).with("session", ms(began.elapsed()));
            let probe = match bad.is_empty() {
                true => probe,
                false => hinted(probe.with("unreachable", each(&bad)), &bad, given),
            };
            return (probe, Some(client));
        }
        Ok(Err(error)) => refused(&error),
        Err(_) => {
            let said = nats.denials().since(began).join("; ");
            let saw =
                format!("a server of NATS answers, and does not let us in within {}", ms(began.elapsed()));
            let probe = if said.is_empty() {
                Probe::new(NAME, State::Failed, saw)
            } else {
                Probe::new(NAME, State::Failed, saw).with("said", said)
            };
            probe.hint("look at the server's log; for a server that begins with TLS set `tls_first = true`")
        }
    };
    (told(probe, first), None)
}

async fn connected<'a>(nats: &'a Nats, order: &[String]) -> Result<&'a Client, Error> {
    let client = nats.client_by(order).await?;
    // One that broke is made again by itself, with pauses between.
    while client.connection_state() != Link::Connected {
        sleep(GLANCE).await;
    }
    Ok(client)
}

fn unreachable(bad: &[&Reached], given: &Origin) -> Probe {
    let probe = hinted(Probe::new(NAME, State::Failed, each(bad)), bad, given);
    match bad {
        [only] => told(probe, only),
        _ => probe,
    }
}

fn each(bad: &[&Reached]) -> String {
    let told = bad.iter().filter_map(|bad| Some(format!("{}: {}", bad.server, bad.result.as_ref().err()?)));
    told.collect::<Vec<_>>().join("; ")
}

fn hinted(mut probe: Probe, bad: &[&Reached], given: &Origin) -> Probe {
    for why in bad.iter().filter_map(|bad| bad.result.as_ref().err()) {
        let hint = why.hint(given);
        if !probe.hints.contains(&hint) {
            probe = probe.hint(hint);
        }
    }
    probe
}

/// What the library ended with after a server had greeted us.
fn refused(error: &Error) -> Probe {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let mut probe = Probe::new(NAME, State::Failed, format!("{}{cause}", error.operation()));
    for (name, value) in error.context().filter(|(name, _)| *name != "at") {
        probe = probe.with(name, value);
    }
    error.hints().iter().fold(probe, |probe, hint| probe.hint(hint))
}

fn told(probe: Probe, reached: &Reached) -> Probe {
    let mut probe = probe;
    let steps = [("dns", reached.dns), ("tcp", reached.tcp), ("greeting", reached.greeting)];
    for (name, time) in steps.into_iter().filter(|(_, time)| !time.is_zero()) {
        probe = probe.with(name, ms(time));
    }
    probe
}

/// Milliseconds, as everything here is counted in.
pub(super) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
