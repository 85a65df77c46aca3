//! A report as Nagios and its relatives read it.
//!
//! The form is that of the [plugin guidelines](https://nagios-plugins.org/doc/guidelines.html#PLUGOUTPUT): one line with
//! the state, a `|` and the measured values, then lines of detail.

use crate::health::{Health, State};

impl Health {
    /// One line for an alert, measured times behind a `|`, then a line for each probe. Goes with
    /// [`exit_code`](Health::exit_code).
    ///
    /// ```
    /// use infra_sdk::health::{Health, Probe, State};
    /// let mut health = Health::new("NATS", "nats://127.0.0.1:4222");
    /// health.probes.push(Probe::new("connect", State::Failed, "refused"));
    /// assert!(health.nagios().starts_with("NATS CRITICAL - connect: refused | connect=0s"));
    /// ```
    pub fn nagios(&self) -> String {
        let word = match self.state() {
            State::Ok => "OK",
            State::Degraded => "WARNING",
            State::Failed => "CRITICAL",
            State::NotPermitted => "UNKNOWN",
        };
        let worst: Vec<String> = self
            .probes
            .iter()
            .filter(|probe| self.state() > State::Ok && probe.counted() == self.state())
            .map(|probe| format!("{}: {}", probe.name, plain(&probe.saw)))
            .collect();
        let told = if worst.is_empty() {
            format!("{} probes", self.probes.len())
        } else {
            worst.join("; ")
        };
        let times: Vec<String> =
            self.probes.iter().map(|probe| format!("{}={}s", probe.name, probe.took.as_secs_f64())).collect();
        let mut text = format!("{} {word} - {told} | {}", self.service, times.join(" "));
        for probe in &self.probes {
            text += &format!("\n{}: {}: {}", probe.name, probe.state, plain(&probe.saw));
        }
        text
    }
}

/// A `|` begins the measured values, and a line break the detail.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Probe;

    #[test]
    fn what_was_seen_cannot_be_read_as_a_measured_value() {
        let mut health = Health::new("NATS", "here");
        health.probes.push(Probe::new("connect", State::Degraded, "slow | connect=1s\nOK"));
        let text = health.nagios();
        let first = text.lines().next().unwrap();
        assert_eq!(first, "NATS WARNING - connect: slow / connect=1s OK | connect=0s");
        assert_eq!(text.lines().count(), 2);
    }
}
