//! Points in time, in UTC, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// A point in time, written as RFC 3339 with milliseconds: `2026-11-20T10:44:00.123Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// Now, by the system's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// How long ago this was; zero if it lies ahead.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed().unwrap_or_default()
    }

    /// How long until `later`; zero if that is past.
    pub fn until(self, later: Timestamp) -> Duration {
        later.0.duration_since(self.0).unwrap_or_default()
    }

    /// The point `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Timestamp(self.0.checked_add(duration).unwrap_or(self.0))
    }

    /// The same point for std.
    pub fn system_time(self) -> SystemTime {
        self.0
    }
}

/// The last millisecond of the year 9999.
const LAST: u64 = 253_402_300_799_999;

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // RFC 3339 has four digits for the year.
        let millis = u64::try_from(since.as_millis()).unwrap_or(LAST).min(LAST);
        Timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&humantime::format_rfc3339_millis(self.0).to_string())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let time = humantime::parse_rfc3339(text).map_err(|error| {
            Error::invalid(format!("{} is not a time", crate::names::quoted(text)))
                .because(error)
                .hint("write it like `2026-11-20T10:44:00Z`")
        })?;
        Ok(time.into())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Shows a duration as people say it: `0.4 s`, `12.3 s`, `2 min 5 s`, `3 h 20 min`.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_later_than_can_be_written_is_the_last_that_can() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000_000);
        assert_eq!(Timestamp::from(far).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_time_survives_being_written_and_read() {
        let now = Timestamp::now();
        assert_eq!(now.to_string().parse::<Timestamp>().unwrap(), now);
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let shown: Vec<String> =
            [0.41, 59.0, 125.0, 12_000.0, 900_000.0].map(|s| human(Duration::from_secs_f64(s))).into();
        assert_eq!(shown, ["0.4 s", "59.0 s", "2 min 5 s", "3 h 20 min", "10 days"]);
    }
}
