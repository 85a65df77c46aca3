//! When a secret must be rotated next.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::config::Span;
use crate::time::Timestamp;

/// When a secret must be rotated next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "due", rename_all = "kebab-case")]
pub enum Due {
    /// infra.toml sets no `rotate`.
    NoSchedule,
    /// The age of the value is not known.
    Unknown,
    /// In time.
    In {
        /// How long it still has, in seconds.
        seconds: u64,
    },
    /// The value is older than it may get.
    Overdue {
        /// For how long, in seconds.
        seconds: u64,
    },
}

impl Due {
    pub(super) fn of(schedule: Option<Span>, since: Option<Timestamp>, now: Timestamp) -> Self {
        match (schedule, since) {
            (None, _) => Due::NoSchedule,
            (Some(_), None) => Due::Unknown,
            (Some(Span(length)), Some(since)) => {
                let end = since.plus(length);
                match end.until(now).as_secs() {
                    0 => Due::In { seconds: now.until(end).as_secs() },
                    seconds => Due::Overdue { seconds },
                }
            }
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Due::NoSchedule => "no schedule".to_owned(),
            Due::Unknown => "unknown".to_owned(),
            Due::In { seconds } => format!("due in {}", length(Duration::from_secs(*seconds))),
            Due::Overdue { seconds } => format!("overdue by {}", length(Duration::from_secs(*seconds))),
        })
    }
}

/// A length of time in its largest unit, as wide as a column can be: `3 d`, `5 h`, `20 min`.
pub(super) fn length(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_counts_from_the_last_write() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let days = |days: u64| Some(Span(Duration::from_secs(days * 86_400)));
        let since = |text: &str| Some(text.parse().unwrap());
        let shown = |schedule, since| Due::of(schedule, since, now).to_string();
        assert_eq!(shown(days(90), since("2026-09-03T12:00:00Z")), "due in 12 d");
        assert_eq!(shown(days(90), since("2026-08-19T11:00:00Z")), "overdue by 3 d");
        assert_eq!(shown(days(1), since("2026-11-19T11:59:00Z")), "overdue by 1 min");
        assert_eq!(shown(days(1), since("2026-11-19T13:30:00Z")), "due in 1 h");
        assert_eq!(shown(days(1), since("2026-11-19T12:00:30Z")), "due in 30 s");
        assert_eq!(shown(days(1), None), "unknown");
        assert_eq!(shown(None, since("2020-01-01T00:00:00Z")), "no schedule");
        // A clock that runs ahead makes nothing overdue.
        assert_eq!(shown(days(1), since("2026-11-21T12:00:00Z")), "due in 2 d");
    }
}
