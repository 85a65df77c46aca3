//! What the tasks that ask a service whether it is well have in common: their flags, and how they tell and end.

use std::fmt;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Arg, ArgMatches, Command, ValueEnum, value_parser};
use serde::Serialize;

use crate::app::{Cx, TaskArgs};
use crate::config::Span;
use crate::env::INFRA_RUN;
use crate::error::{Error, ErrorKind, Result};
use crate::health::{Health, State};
use crate::time::human;

/// What Nagios calls unknown.
const UNKNOWN: u8 = 3;

/// Flags of a task that asks a service whether it is well.
#[derive(Clone, Debug)]
pub(super) struct HealthFlags {
    format: Format,
    /// As it was written: what is wrong with it is told in the words of the format.
    planned: String,
}

/// How the report is written where it is not asked for as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people.
    Text,
    /// Prometheus's text format.
    Prometheus,
    /// The output of a Nagios plug-in, which also says how the task ends.
    Nagios,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Format::Text, Format::Prometheus, Format::Nagios]
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Format::Text => "text",
            Format::Prometheus => "prometheus",
            Format::Nagios => "nagios",
        }))
    }
}

impl TaskArgs for HealthFlags {
    fn augment(command: Command) -> Command {
        let format = Arg::new("format").long("format").value_name("FORMAT").default_value("text");
        let planned = Arg::new("planned").long("planned").value_name("TIME").default_value("30m");
        command
            .arg(format.value_parser(value_parser!(Format)).help(
                "How to write the report. `nagios` ends with 0 ok, 1 degraded, 2 failed, 3 not permitted",
            ))
            .arg(planned.help("How long the run will take: a credential that ends before it does is not ok"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let planned = matches.get_one::<String>("planned").map_or("30m", String::as_str).to_owned();
        Ok(HealthFlags { format: matches.get_one("format").copied().unwrap_or(Format::Text), planned })
    }
}

impl HealthFlags {
    /// How long the run will take that wants to use the service.
    ///
    /// # Errors
    /// `Invalid` for what is no time.
    pub(super) fn planned(&self) -> Result<Duration> {
        Ok(self.planned.parse::<Span>()?.0)
    }

    /// Tells what a check found, and ends as its state says: well with a service that can be used, also a degraded one;
    /// for Nagios with the code that it knows the state by, also where the check itself could not be made. A task that only
    /// waits for a service which is well gets one line.
    ///
    /// # Errors
    /// What the check failed with; as [`Health::require`].
    pub(super) fn tell(self, cx: &Cx, checked: Result<Health>) -> Result<()> {
        let nagios = self.format == Format::Nagios;
        let health = match checked {
            Ok(health) => health,
            Err(error) if nagios => {
                cx.say(format!("UNKNOWN - {}", error.to_string().replace('|', "/")));
                return Err(error.exit_with(UNKNOWN));
            }
            Err(error) => return Err(error),
        };
        let text = match self.format {
            Format::Text if !cx.is_requested() && health.state() == State::Ok => in_brief(&health),
            Format::Text => health.to_string(),
            Format::Prometheus => health.prometheus(),
            Format::Nagios => health.nagios(),
        };
        cx.report(&Told { health: &health, text });
        match health.require() {
            Err(error) if nagios => Err(error.exit_with(health.exit_code())),
            Ok(()) if nagios && health.state() == State::Degraded => {
                let error = Error::new(ErrorKind::Failed, format!("{} is degraded", health.service));
                let error = error.hint("do what the probes above say is next");
                Err(error.exit_with(health.exit_code()))
            }
            ended => ended,
        }
    }
}

/// The pauses before a check that failed is made again, where a task waits for it within a run of many repos: what comes
/// back in a moment fails no repo of it.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// The probes whose failure passes by itself where a server comes back, or a cluster elects.
const PASSING: [&str; 4] = ["connect", "server", "canary", "quorum"];

/// The check, made again while it fails and a run of many repos waits for it.
///
/// # Errors
/// What the check itself fails with.
pub(super) async fn settled<Checked>(cx: &Cx, check: impl Fn() -> Checked) -> Result<Health>
where
    Checked: Future<Output = Result<Health>>,
{
    let mut health = check().await?;
    if cx.is_requested() || cx.env().get(INFRA_RUN).is_none() {
        return Ok(health);
    }
    let may_pass = |health: &Health| {
        let mut failed = health.probes.iter().filter(|probe| probe.needed && probe.state == State::Failed);
        health.state() == State::Failed && failed.any(|probe| PASSING.contains(&probe.name))
    };
    for pause in AGAIN {
        if !may_pass(&health) {
            break;
        }
        cx.say(format!("{} is not well, looking again in {}", health.service, human(pause)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cx.cancel_token().cancelled() => break,
        }
        health = tokio::select! {
            checked = check() => checked?,
            () = cx.cancel_token().cancelled() => break,
        };
    }
    Ok(health)
}

/// A service that is well, in one line.
fn in_brief(health: &Health) -> String {
    let Health { service, address, probes, .. } = health;
    let (state, took) = (health.state(), human(health.took()));
    let probes = match probes.len() {
        1 => "1 probe".to_owned(),
        many => format!("{many} probes"),
    };
    format!("{service} at {address}: {state}, {probes}, took {took}")
}

/// A report in the form that was asked for; JSON is always the same.
#[derive(Serialize)]
#[serde(transparent)]
struct Told<'a> {
    health: &'a Health,
    #[serde(skip)]
    text: String,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end_matches('\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{App, Console};
    use crate::env::Env;
    use crate::health::Probe;

    fn flags(args: &[&str]) -> Result<HealthFlags> {
        let command = HealthFlags::augment(Command::new("x").no_binary_name(true));
        HealthFlags::from_matches(&command.try_get_matches_from(args).unwrap())
    }

    fn health(state: State) -> Health {
        let mut health = Health::new("NATS", "here");
        health.probes.push(Probe::new("connect", state, "it | was"));
        health
    }

    fn told(format: &str, state: State) -> (String, Result<()>) {
        let (cx, seen) = Cx::test("/tmp").build();
        let ended = flags(&["--format", format]).unwrap().tell(&cx, Ok(health(state)));
        (seen.stdout(), ended)
    }

    #[test]
    fn the_planned_run_is_half_an_hour_unless_said_otherwise() {
        assert_eq!(flags(&[]).unwrap().planned().unwrap(), Duration::from_secs(1800));
        assert_eq!(flags(&["--planned", "2h"]).unwrap().planned().unwrap(), Duration::from_secs(7200));
        assert!(!flags(&["--planned", "soon"]).unwrap().planned().unwrap_err().hints().is_empty());
    }

    #[test]
    fn only_nagios_minds_a_degraded_service_and_knows_each_state_by_its_code() {
        for (state, code) in [(State::Degraded, 1), (State::Failed, 2), (State::NotPermitted, 3)] {
            let (text, ended) = told("nagios", state);
            assert_eq!(ended.unwrap_err().exit_code(), Some(code));
            assert!(text.starts_with("NATS ") && text.contains("it / was"), "{text}");
        }
        assert!(told("nagios", State::Ok).1.is_ok() && told("text", State::Degraded).1.is_ok());
        let failed = told("prometheus", State::Failed);
        assert!(failed.0.contains("infra_health_up{service=\"NATS\"} 0\n"), "{}", failed.0);
        assert_eq!(failed.1.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_service_that_is_well_takes_one_line_of_a_task_that_only_waits_for_it() {
        let printed = |state: State, line: &str| {
            let mut app = App::new();
            let check = move |cx: Cx, flags: HealthFlags| async move { flags.tell(&cx, Ok(health(state))) };
            let check = app.task("check").about("Check").args::<HealthFlags>().run(check);
            app.task("deploy").about("Ship").after(check).run(|_: Cx| async { Ok::<_, Error>(()) });
            let (console, seen) = Console::captured(Env::of([("HOME", "/")], "/"));
            app.run_with(console, line.split(' '));
            seen.stdout()
        };
        assert_eq!(printed(State::Ok, "deploy -j 1"), "NATS at here: ok, 1 probe, took 0.0 s\n");
        // Who asks, and who has to know, reads everything.
        for (state, line) in [
            (State::Ok, "check"),
            (State::Ok, "deploy check -j 1"),
            (State::Degraded, "deploy -j 1"),
            (State::Failed, "deploy -j 1"),
        ] {
            let text = printed(state, line);
            assert!(text.contains("it | was"), "{line}: {text}");
        }
        let json = printed(State::Ok, "check --output json");
        assert!(json.contains("\"saw\": \"it | was\""), "{json}");
    }

    #[test]
    fn a_check_that_could_not_be_made_is_unknown_to_nagios() {
        let (cx, seen) = Cx::test("/tmp").build();
        let error = || Error::invalid("no address").hint("set one");
        let ended = flags(&["--format", "nagios"]).unwrap().tell(&cx, Err(error())).unwrap_err();
        assert_eq!((ended.exit_code(), seen.stdout().as_str()), (Some(3), "UNKNOWN - no address\n"));
        assert_eq!(flags(&[]).unwrap().tell(&cx, Err(error())).unwrap_err().exit_code(), None);
    }
}
