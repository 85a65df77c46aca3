//! The status of all secrets an environment needs, as a table by name.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::names::SecretName;
use crate::secrets::spec::Needs;
use crate::secrets::status::due::{Due, length};
use crate::secrets::status::target::{KnownState, TargetState};
use crate::secrets::store::StoredSecret;
use crate::secrets::values::{IgnoredValue, ValueOrigin, Values};
use crate::time::Timestamp;

/// What is where, how old it is, and what is next; holds names, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretsStatus {
    /// Each secret that is needed, and each old value of a rotation that is under way, by name.
    pub secrets: Vec<SecretStatus>,
    /// Values that are there and not used.
    pub ignored: Vec<IgnoredValue>,
    /// When this was true.
    pub time: Timestamp,
}

/// The status of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretStatus {
    /// Its name.
    pub name: SecretName,
    /// Where its value comes from; `None` when it has none.
    pub origin: Option<ValueOrigin>,
    /// Whether the project works without it.
    pub optional: bool,
    /// Since when it has this value, where that is known: the time the store was last given it.
    pub since: Option<Timestamp>,
    /// When it must be rotated next.
    #[serde(flatten)]
    pub due: Due,
    /// Whether a rotation is under way.
    pub rotating: bool,
    /// For the old value of a rotation: the secret that is being rotated.
    pub previous_of: Option<SecretName>,
    /// The places it is synced to, as they were given.
    pub targets: Vec<TargetStatus>,
}

/// What is known of a secret at one place it is synced to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetStatus {
    /// How people call the place.
    pub target: String,
    /// How it compares.
    pub state: KnownState,
    /// When it was last written there.
    pub time: Option<Timestamp>,
    /// By whom.
    pub by: Option<String>,
}

/// Puts together what is known.
///
/// `values` are the environment's, `stored` what its store lists, `targets` what is known of the places values are synced
/// to, `now` the time that ages count to.
pub fn status(
    needs: &Needs,
    values: &Values,
    stored: &[StoredSecret],
    targets: &[TargetState],
    now: Timestamp,
) -> SecretsStatus {
    let updated: BTreeMap<&SecretName, Timestamp> =
        stored.iter().filter_map(|secret| Some((&secret.name, secret.updated?))).collect();
    let of = |name: &SecretName| SecretStatus {
        name: name.clone(),
        origin: values.origin(name).cloned(),
        optional: false,
        // Another value's age would be a false one.
        since: updated.get(name).copied().filter(|_| values.is_stored(name)),
        due: Due::NoSchedule,
        rotating: false,
        previous_of: values.previous_of(name).cloned(),
        targets: at(targets, name),
    };
    let mut secrets: Vec<SecretStatus> = needs
        .iter()
        .map(|(name, spec)| {
            let mut secret = of(name);
            secret.optional = spec.optional;
            // What has no value has none that is too old.
            let schedule = spec.rotate.filter(|_| secret.origin.is_some());
            secret.due = Due::of(schedule, secret.since, now);
            secret
        })
        .collect();
    let old = values.iter().map(|(name, _)| of(name)).filter(|secret| secret.previous_of.is_some());
    let old: Vec<SecretStatus> = old.collect();
    for secret in &mut secrets {
        secret.rotating = old.iter().any(|old| old.previous_of.as_ref() == Some(&secret.name));
    }
    secrets.extend(old);
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    SecretsStatus { secrets, ignored: values.ignored().to_vec(), time: now }
}

fn at(targets: &[TargetState], name: &SecretName) -> Vec<TargetStatus> {
    let known = targets.iter().filter_map(|target| Some((target, target.secrets.get(name)?)));
    known
        .map(|(target, known)| TargetStatus {
            target: target.label.clone(),
            state: known.state,
            time: known.time,
            by: known.by.clone(),
        })
        .collect()
}

impl SecretsStatus {
    /// The secrets whose value is older than it may get, and whose rotation has not begun.
    pub fn overdue(&self) -> Vec<&SecretName> {
        let late = |secret: &&SecretStatus| matches!(secret.due, Due::Overdue { .. }) && !secret.rotating;
        self.secrets.iter().filter(late).map(|secret| &secret.name).collect()
    }

    /// The required secrets without a value.
    pub fn missing(&self) -> Vec<&SecretName> {
        self.secrets.iter().filter(|secret| secret.is_missing()).map(|secret| &secret.name).collect()
    }

    fn summary(&self) -> String {
        let needed = self.secrets.iter().filter(|secret| secret.previous_of.is_none());
        let behind = |secret: &SecretStatus| secret.targets.iter().any(|at| at.state != KnownState::InSync);
        let counts = [
            (self.missing().len(), "missing"),
            (self.overdue().len(), "overdue"),
            (self.secrets.iter().filter(|secret| secret.rotating).count(), "being rotated"),
            (self.secrets.iter().filter(|secret| behind(secret)).count(), "not in sync"),
        ];
        let mut text = format!("{} secrets", needed.count());
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!(", {count} {what}"));
        }
        text
    }
}

impl SecretStatus {
    fn is_missing(&self) -> bool {
        self.origin.is_none() && !self.optional
    }

    /// The cells of its row, then those of a row for each place.
    fn rows(&self, now: Timestamp) -> Vec<[String; 4]> {
        let value = match (&self.origin, self.optional) {
            (Some(origin), _) => origin.to_string(),
            (None, false) => "missing".into(),
            (None, true) => "not set".into(),
        };
        let next = match (&self.previous_of, self.rotating, &self.due) {
            (Some(name), ..) => format!("old value of {name}"),
            (None, true, _) => "rotation under way".into(),
            (None, false, Due::NoSchedule) => String::new(),
            (None, false, due) => due.to_string(),
        };
        let age = |since: Option<Timestamp>| since.map(|since| length(since.until(now))).unwrap_or_default();
        let mut rows = vec![[self.name.to_string(), value, age(self.since), next]];
        for at in &self.targets {
            let by = at.by.as_ref().map(|by| format!("by {by}")).unwrap_or_default();
            rows.push([format!("  {}", at.target), at.state.to_string(), age(at.time), by]);
        }
        rows
    }
}

impl fmt::Display for SecretsStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["SECRET", "VALUE FROM", "AGE", "ROTATION"].map(String::from)];
        rows.extend(self.secrets.iter().flat_map(|secret| secret.rows(self.time)));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        for row in rows.iter().filter(|_| !self.secrets.is_empty()) {
            let [a, b, c] = widths;
            let line = format!("{:a$}  {:b$}  {:>c$}  {}", row[0], row[1], row[2], row[3]);
            writeln!(f, "{}", line.trim_end())?;
        }
        for ignored in &self.ignored {
            writeln!(f, "warning: {ignored}")?;
        }
        f.write_str(&self.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SecretSpec, Shared, Span};
    use crate::env::Env;
    use crate::names::EnvName;
    use crate::secret::SecretValue;
    use crate::secrets::dotenv::Dotenv;
    use crate::secrets::status::target::Known;
    use crate::secrets::values::{Given, collect};

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    fn time(text: &str) -> Timestamp {
        format!("2026-11-{text}:00:00Z").parse().unwrap()
    }

    fn needs() -> Needs {
        let every = |days: u64| SecretSpec {
            rotate: Some(Span(std::time::Duration::from_secs(days * 86_400))),
            ..SecretSpec::default()
        };
        let declared = [
            ("API_KEY", every(5)),
            ("FILE_KEY", every(5)),
            ("LATE", every(3)),
            ("GONE", every(1)),
            ("MAYBE", SecretSpec { optional: true, ..SecretSpec::default() }),
            ("SHARED", SecretSpec { shared: Some(Shared::Org), ..every(9) }),
            ("SOON", every(30)),
        ];
        Needs::of(&declared.map(|(n, spec)| (name(n), spec)).into(), &EnvName::local())
    }

    fn sample() -> SecretsStatus {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<SecretName, SecretValue> {
            pairs.iter().map(|(n, v)| (name(n), SecretValue::new(*v))).collect()
        };
        let held = [("API_KEY", "canary-n"), ("API_KEY_PREVIOUS", "canary-o"), ("FILE_KEY", "canary-s")];
        let stored = map(&[&held[..], &[("LATE", "canary-l"), ("SOON", "canary-x")]].concat());
        let dotenv = Dotenv::parse("FILE_KEY=canary-f\nSOON=canary-x\n", ".env").unwrap();
        let (env, organisation) = (Env::of([("", ""); 0], "/"), map(&[("SHARED", "canary-org")]));
        let given = Given {
            env: &env,
            ci: false,
            dotenv: Some(&dotenv),
            store: "the vault",
            stored: &stored,
            tag: "v2.0.0",
            organisation: &organisation,
        };
        let listed = |n: &str, at: &str| StoredSecret { name: name(n), stamp: None, updated: Some(time(at)) };
        let list = [
            listed("API_KEY", "01T00"),
            listed("API_KEY_PREVIOUS", "20T09"),
            listed("FILE_KEY", "01T00"),
            listed("LATE", "14T00"),
            listed("SOON", "10T12"),
        ];
        let known = |state, at: Option<&str>, by: Option<&str>| Known {
            state,
            time: at.map(time),
            by: by.map(String::from),
        };
        let github = TargetState {
            label: "github".into(),
            secrets: [
                (name("API_KEY"), known(KnownState::ChangedLocally, Some("19T10"), Some("octocat"))),
                (name("SOON"), known(KnownState::InSync, Some("20T11"), Some("deploy-bot"))),
            ]
            .into(),
        };
        let ssm = TargetState {
            label: "ssm".into(),
            secrets: [(name("API_KEY"), known(KnownState::NeverWritten, None, None))].into(),
        };
        let values = collect(&needs(), given);
        status(&needs(), &values, &list, &[github, ssm], time("20T12"))
    }

    #[test]
    fn the_table_says_what_is_where_how_old_it_is_and_what_is_next() {
        let wanted = "\
SECRET            VALUE FROM                   AGE  ROTATION
API_KEY           the vault                   19 d  rotation under way
  github          changed locally              1 d  by octocat
  ssm             never written
API_KEY_PREVIOUS  the vault                    3 h  old value of API_KEY
FILE_KEY          .env:1                            unknown
GONE              missing
LATE              the vault                    6 d  overdue by 3 d
MAYBE             not set
SHARED            the organisation at v2.0.0        unknown
SOON              .env:2                      10 d  due in 20 d
  github          in sync                      1 h  by deploy-bot
7 secrets, 1 missing, 1 overdue, 1 being rotated, 1 not in sync";
        assert_eq!(sample().to_string(), wanted);
    }

    #[test]
    fn what_is_being_rotated_is_not_overdue_and_no_value_is_shown() {
        let status = sample();
        assert!(matches!(status.secrets[0].due, Due::Overdue { .. }));
        assert_eq!(status.overdue(), [&name("LATE")]);
        assert_eq!(status.missing(), [&name("GONE")]);
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["secrets"][0]["due"], "overdue");
        assert_eq!(json["secrets"][0]["targets"][0]["state"], "changed-locally");
        assert!(!format!("{status}{status:?}{json}").contains("canary"));
    }

    #[test]
    fn nothing_needed_is_one_line() {
        let none = Needs::of(&BTreeMap::new(), &EnvName::local());
        let status = status(&none, &Values::default(), &[], &[], time("20T12"));
        assert_eq!(status.to_string(), "0 secrets");
    }
}
