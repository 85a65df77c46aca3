//! A report as Prometheus reads it.
//!
//! The form is the [text-based exposition format](https://prometheus.io/docs/instrumenting/exposition_formats/), version 0.0.4.

use std::fmt::Write as _;

use crate::health::{Health, Probe, State};

const STATES: [State; 4] = [State::Ok, State::Degraded, State::NotPermitted, State::Failed];

impl Health {
    /// `infra_health_state` is 1 for the state a probe is in and 0 for the others, `infra_health_seconds` the time it took,
    /// `infra_health_up` 1 when tasks can use the service. Labels: `service`, `probe`, `state`.
    ///
    /// ```
    /// use infra_sdk::health::{Health, Probe, State};
    /// let mut health = Health::new("NATS", "nats://127.0.0.1:4222");
    /// health.probes.push(Probe::new("connect", State::Ok, "connected"));
    /// let text = health.prometheus();
    /// assert!(text.contains(r#"infra_health_up{service="NATS"} 1"#));
    /// assert!(text.contains(r#"infra_health_state{service="NATS",probe="connect",state="ok"} 1"#));
    /// ```
    pub fn prometheus(&self) -> String {
        let service = self.service;
        let mut text = String::new();
        let mut family = |name: &str, help: &str, lines: &mut dyn FnMut(&mut String)| {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
            lines(&mut text);
        };
        family("infra_health_up", "Whether tasks can use the service.", &mut |text| {
            let up = u8::from(self.state() <= State::Degraded);
            let _ = writeln!(text, "infra_health_up{{service=\"{service}\"}} {up}");
        });
        family("infra_health_state", "The state of each probe.", &mut |text| {
            for Probe { name, state, .. } in &self.probes {
                for each in STATES {
                    let (word, is) = (each.as_str().replace(' ', "_"), u8::from(each == *state));
                    let labels = format!("service=\"{service}\",probe=\"{name}\",state=\"{word}\"");
                    let _ = writeln!(text, "infra_health_state{{{labels}}} {is}");
                }
            }
        });
        family("infra_health_seconds", "How long each probe took.", &mut |text| {
            for Probe { name, took, .. } in &self.probes {
                let took = took.as_secs_f64();
                let _ =
                    writeln!(text, "infra_health_seconds{{service=\"{service}\",probe=\"{name}\"}} {took}");
            }
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_in_exactly_one_state_and_every_family_is_told_once() {
        let mut health = Health::new("NATS", "here");
        health.probes.push(Probe::new("connect", State::Ok, "connected"));
        health.probes.push(Probe::new("jetstream", State::NotPermitted, "no"));
        let text = health.prometheus();
        let state = |line: &&str| line.starts_with("infra_health_state{") && line.ends_with(" 1");
        assert_eq!(text.lines().filter(state).count(), 2);
        assert!(text.contains(r#"probe="jetstream",state="not_permitted"} 1"#), "{text}");
        assert!(text.contains(r#"infra_health_up{service="NATS"} 0"#), "{text}");
        assert_eq!(text.matches("# TYPE").count(), 3);
    }
}
