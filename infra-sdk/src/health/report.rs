//! What all probes of a service say together.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::error::{Error, ErrorKind, Result};
use crate::health::{Probe, State};
use crate::time::human;

/// A service, probed once.
///
/// Serialised as `{service, address, state, probes: [{name, state, saw, evidence, hints, needed, took_ms}],
/// skipped: [{name, because}]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The service: `NATS`.
    pub service: &'static str,
    /// Where it was looked for.
    pub address: String,
    /// What was asked, in order.
    pub probes: Vec<Probe>,
    /// What was not asked, because it rests on what failed.
    pub skipped: Vec<Skipped>,
}

/// A probe that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub name: &'static str,
    /// The probe it rests on, or another reason.
    pub because: String,
}

impl Health {
    /// A report without probes.
    pub fn new(service: &'static str, address: impl Into<String>) -> Self {
        Health { service, address: address.into(), probes: Vec::new(), skipped: Vec::new() }
    }

    /// The worst state of what tasks need.
    ///
    /// ```
    /// use infra_sdk::health::{Health, Probe, State};
    /// let mut health = Health::new("NATS", "nats://127.0.0.1:4222");
    /// health.probes.push(Probe::new("connect", State::Ok, "connected"));
    /// health.probes.push(Probe::new("quorum", State::NotPermitted, "no system account").not_needed());
    /// assert_eq!(health.state(), State::Ok);
    /// ```
    pub fn state(&self) -> State {
        self.probes.iter().map(Probe::counted).max().unwrap_or(State::Ok)
    }

    /// How long all probes took together.
    pub fn took(&self) -> Duration {
        self.probes.iter().map(|probe| probe.took).sum()
    }

    /// A probe by its name.
    pub fn probe(&self, name: &str) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.name == name)
    }

    /// Passes a service that can be used, also a degraded one.
    ///
    /// # Errors
    /// `Unavailable` when something that is needed failed, `Denied` when it is not permitted; with the hints of the probe.
    pub fn require(&self) -> Result<()> {
        let kind = match self.state() {
            State::Ok | State::Degraded => return Ok(()),
            State::NotPermitted => ErrorKind::Denied,
            State::Failed => ErrorKind::Unavailable,
        };
        let worst = self.probes.iter().filter(|probe| probe.counted() == self.state());
        let mut error =
            Error::new(kind, format!("{} cannot be used", self.service)).with("at", &self.address);
        let mut told = Vec::new();
        for probe in worst {
            told.push(format!("{}: {}", probe.name, probe.saw));
            error = probe.hints.iter().fold(error, |error, hint| error.hint(hint));
        }
        Err(error.because(told.join("; ")))
    }

    /// The exit code of a check for Nagios: 0 ok, 1 warning, 2 critical, 3 unknown, which is what is not permitted.
    pub fn exit_code(&self) -> u8 {
        match self.state() {
            State::Ok => 0,
            State::Degraded => 1,
            State::Failed => 2,
            State::NotPermitted => 3,
        }
    }
}

impl Serialize for Health {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Health", 5)?;
        object.serialize_field("service", self.service)?;
        object.serialize_field("address", &self.address)?;
        object.serialize_field("state", &self.state())?;
        object.serialize_field("probes", &self.probes)?;
        object.serialize_field("skipped", &self.skipped)?;
        object.end()
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (service, address) = (self.service, &self.address);
        write!(f, "{service} at {address}: {}, took {}", self.state(), human(self.took()))?;
        let names = self.probes.iter().map(|probe| probe.name);
        let width = names.chain(self.skipped.iter().map(|skipped| skipped.name)).map(str::len).max();
        let width = width.unwrap_or(0);
        for probe in &self.probes {
            write!(
                f,
                "\n  {:width$}  {:13}  {:>8}  {}",
                probe.name,
                probe.state,
                short(probe.took),
                probe.saw
            )?;
            if !probe.needed && probe.state > State::Degraded {
                f.write_str(" (not needed)")?;
            }
            for (name, value) in &probe.evidence {
                write!(f, "\n  {:width$}  {:13}  {:8}  {name}: {value}", "", "", "")?;
            }
            for hint in &probe.hints {
                write!(f, "\n  {:width$}  {:13}  {:8}  hint: {hint}", "", "", "")?;
            }
        }
        for Skipped { name, because } in &self.skipped {
            write!(f, "\n  {name:width$}  {:13}  {:8}  {because}", "skipped", "")?;
        }
        Ok(())
    }
}

/// A time in a column: `1.2 ms`, and from a second on `2.0 s`.
fn short(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        let mut health = Health::new("NATS", "nats://127.0.0.1:4222");
        health.probes.push(Probe::new("connect", State::Ok, "connected").with("address", "127.0.0.1:4222"));
        health.probes.push(Probe::new("quorum", State::NotPermitted, "no system account").not_needed());
        health
    }

    #[test]
    fn what_is_not_needed_is_shown_and_does_not_count() {
        let mut health = health();
        assert_eq!((health.state(), health.exit_code()), (State::Ok, 0));
        assert!(health.require().is_ok());
        health.probes[0].took = Duration::from_micros(1_234);
        health.probes[1].took = Duration::from_millis(2_040);
        let told = health.to_string();
        assert!(told.contains("connect  ok               1.2 ms  connected"), "{told}");
        assert!(told.contains("quorum   not permitted     2.0 s  no system account (not needed)"), "{told}");
        assert!(told.contains(&format!("\n{:36}address: 127.0.0.1:4222", "")), "{told}");
        health.probes.push(Probe::new("server", State::Degraded, "2.11 is old"));
        assert_eq!((health.state(), health.exit_code()), (State::Degraded, 1));
        assert!(health.require().is_ok());
    }

    #[test]
    fn the_error_names_every_probe_of_the_worst_state_with_its_way_out() {
        let mut health = health();
        health.probes.push(Probe::new("jetstream", State::NotPermitted, "no answer").hint("allow $JS.API.>"));
        assert_eq!((health.require().unwrap_err().kind(), health.exit_code()), (ErrorKind::Denied, 3));
        health.probes.push(Probe::new("canary", State::Failed, "no quorum").hint("start a second server"));
        health.probes.push(Probe::new("assets", State::Failed, "none").hint("run infra:nats:bootstrap"));
        let error = health.require().unwrap_err();
        assert_eq!((error.kind(), health.exit_code()), (ErrorKind::Unavailable, 2));
        assert_eq!(error.hints(), ["start a second server", "run infra:nats:bootstrap"]);
        assert!(error.report().to_string().contains("canary: no quorum; assets: none"), "{}", error.report());
    }

    #[test]
    fn machines_read_states_evidence_and_what_was_skipped() {
        let mut health = health();
        health.probes[0].took = Duration::from_micros(1_234);
        health.skipped.push(Skipped { name: "canary", because: "jetstream failed".into() });
        let json = serde_json::to_value(&health).unwrap();
        assert_eq!(json["state"], "ok");
        assert_eq!(json["probes"][0]["evidence"]["address"], "127.0.0.1:4222");
        assert_eq!(json["probes"][0]["took_ms"], 1.234);
        assert_eq!(json["probes"][1]["state"], "not_permitted");
        assert_eq!(json["skipped"][0]["because"], "jetstream failed");
    }
}
