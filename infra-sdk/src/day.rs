//! Days, in UTC, for dates that people write.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::time::Timestamp;

/// A day in UTC, written as `2026-11-01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Timestamp);

impl Day {
    /// How long ago it began; zero for a day that is still to come.
    pub fn age(self, now: Timestamp) -> Duration {
        self.0.until(now)
    }

    /// Whether it has not begun anywhere on earth: the first time zone is 14 hours ahead of UTC.
    pub fn is_future(self, now: Timestamp) -> bool {
        now.until(self.0) > Duration::from_secs(14 * 3600)
    }

    /// Whether it is over.
    pub fn is_past(self, now: Timestamp) -> bool {
        self.0.plus(Duration::from_secs(24 * 3600)) <= now
    }

    /// The day of a point in time.
    pub fn of(time: Timestamp) -> Self {
        let text = time.to_string();
        // A time is written as RFC 3339, whose first ten characters are its day.
        text.get(..10).and_then(|day| day.parse().ok()).unwrap_or(Day(time))
    }
}

impl FromStr for Day {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let time =
            (text.len() == 10).then(|| format!("{text}T00:00:00Z").parse::<Timestamp>().ok()).flatten();
        time.map(Day).ok_or_else(|| {
            Error::invalid(format!("{} is not a day", quoted(text)))
                .hint("write it like \"2026-11-01\", in quotes")
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.pad(text.get(..10).unwrap_or(&text))
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(format_args!("{error:#}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        let day: Day = "2026-11-01".parse().unwrap();
        let now: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
        assert_eq!((day.to_string(), day.age(now).as_secs()), ("2026-11-01".into(), 60 * 3600));
        assert_eq!(Day::of(now).to_string(), "2026-11-03");
        for bad in ["", "2026-13-01", "2026-02-30", "01.11.2026", "2026-11-1", "2026-11-01T", "yesterday!"] {
            assert!(bad.parse::<Day>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_day_is_past_when_the_next_one_has_begun() {
        let day: Day = "2027-03-31".parse().unwrap();
        let past = |now: &str| day.is_past(now.parse().unwrap());
        assert!(!past("2027-03-31T23:59:59Z") && past("2027-04-01T00:00:00Z"));
    }

    #[test]
    fn tomorrow_may_have_begun_elsewhere_and_next_week_has_not() {
        let now: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
        let future = |text: &str| text.parse::<Day>().unwrap().is_future(now);
        assert!(!future("2026-11-03") && !future("2026-11-04") && future("2026-11-05"));
    }
}
