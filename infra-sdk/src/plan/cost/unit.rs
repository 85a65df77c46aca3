//! What a price is for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Decimal;
use crate::error::Result;

/// The hours of a month: 365 days of 24 hours by twelve, as AWS reckons in its own calculator and most tools with it.
pub(super) const HOURS: u32 = 730;

/// What a price is for: a length of time, an amount of data, a number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// An hour; there are 730 in a month.
    Hour,
    /// A month.
    Month,
    /// A gigabyte kept for a month.
    GbMonth,
    /// A gigabyte moved or taken in.
    Gb,
    /// A gigabyte of memory for a second.
    GbSecond,
    /// A request.
    Request,
    /// A thousand requests.
    ThousandRequests,
    /// Ten thousand requests.
    TenThousandRequests,
    /// A million requests.
    MillionRequests,
}

impl Unit {
    /// What `quantity` costs a month: of things that run or are kept as they are, of others as many as are used a month.
    ///
    /// # Errors
    /// `Invalid` when it is larger than any bill.
    pub fn monthly(self, amount: Decimal, quantity: Decimal) -> Result<Decimal> {
        let times = match self {
            Unit::Hour => HOURS,
            _ => 1,
        };
        let parts = match self {
            Unit::ThousandRequests => 1_000,
            Unit::TenThousandRequests => 10_000,
            Unit::MillionRequests => 1_000_000,
            _ => 1,
        };
        // Divided last, so that it is rounded once.
        Ok(amount.times(quantity)?.times(Decimal::from(times))?.per(parts))
    }

    /// Whether a price for it says nothing without a quantity.
    pub fn needs_quantity(self) -> bool {
        !matches!(self, Unit::Hour | Unit::Month)
    }

    /// In what a quantity of it is counted, for people who write an assumption down.
    pub fn counted(self) -> &'static str {
        match self {
            Unit::Hour => "running all month",
            Unit::Month => "a month",
            Unit::GbMonth => "GB kept",
            Unit::Gb => "GB a month",
            Unit::GbSecond => "GB-seconds a month",
            Unit::Request | Unit::ThousandRequests | Unit::TenThousandRequests | Unit::MillionRequests => {
                "requests a month"
            }
        }
    }

    /// The unit as a price table writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Hour => "hour",
            Unit::Month => "month",
            Unit::GbMonth => "gb-month",
            Unit::Gb => "gb",
            Unit::GbSecond => "gb-second",
            Unit::Request => "request",
            Unit::ThousandRequests => "thousand-requests",
            Unit::TenThousandRequests => "ten-thousand-requests",
            Unit::MillionRequests => "million-requests",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_730_hours_and_requests_are_counted_one_by_one() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        let month =
            |unit: Unit, amount, quantity| unit.monthly(decimal(amount), decimal(quantity)).unwrap().exact();
        assert_eq!(month(Unit::Hour, "0.045", "1"), "32.85");
        assert_eq!(month(Unit::GbMonth, "0.115", "20"), "2.3");
        assert_eq!(month(Unit::MillionRequests, "0.20", "1500000"), "0.3");
        assert_eq!(month(Unit::TenThousandRequests, "0.03", "1"), "0.000003");
        assert_eq!(month(Unit::GbSecond, "0.0000166667", "400000"), "6.66668");
    }

    #[test]
    fn a_unit_is_written_as_a_table_has_it() {
        for unit in [Unit::Hour, Unit::GbMonth, Unit::TenThousandRequests, Unit::MillionRequests] {
            assert_eq!(serde_json::to_string(&unit).unwrap(), format!("\"{unit}\""));
        }
    }
}
