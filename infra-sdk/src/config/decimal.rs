//! Exact decimal numbers: prices, quantities and limits, never a float.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::names::quoted;

/// How many of the smallest parts make one: twelve places behind the point.
const ONE: i128 = 1_000_000_000_000;
const PLACES: usize = 12;
/// What may stand before the point, so that a product of two still fits.
const WHOLE_DIGITS: usize = 12;

/// A number with up to 12 digits before and 12 behind the point, kept exactly.
///
/// Sums are exact. A product or a quotient is rounded once, half away from zero, at the twelfth place. `Display` rounds
/// to cents the same way, and nothing is reckoned with what is shown; [`exact`](Decimal::exact) and serde write all
/// places.
///
/// ```
/// use infra_sdk::config::Decimal;
/// let hour: Decimal = "0.0104".parse()?;
/// let month = hour.times(Decimal::from(730))?;
/// assert_eq!((month.exact(), month.to_string()), ("7.592".to_owned(), "7.59".to_owned()));
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    /// Nothing.
    pub const ZERO: Decimal = Decimal(0);

    /// A whole number.
    pub fn whole(number: i64) -> Self {
        Decimal(i128::from(number) * ONE)
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The same without its sign.
    #[must_use]
    pub fn magnitude(self) -> Self {
        Decimal(self.0.saturating_abs())
    }

    /// The sum.
    ///
    /// # Errors
    /// `Invalid` when it is larger than any bill.
    pub fn plus(self, other: Decimal) -> Result<Self> {
        self.0.checked_add(other.0).ok_or_else(too_large).and_then(Self::bounded)
    }

    /// The difference.
    ///
    /// # Errors
    /// `Invalid` when it is larger than any bill.
    pub fn minus(self, other: Decimal) -> Result<Self> {
        self.0.checked_sub(other.0).ok_or_else(too_large).and_then(Self::bounded)
    }

    /// The product, rounded at the twelfth place.
    ///
    /// # Errors
    /// `Invalid` when it is larger than any bill.
    pub fn times(self, other: Decimal) -> Result<Self> {
        // Both parts of the product stay below 2^127, for no number has more than 24 digits.
        let whole = (self.0 / ONE).checked_mul(other.0).ok_or_else(too_large)?;
        let rest = (self.0 % ONE).checked_mul(other.0).ok_or_else(too_large)?;
        whole.checked_add(rounded(rest, ONE)).ok_or_else(too_large).and_then(Self::bounded)
    }

    /// The quotient by a whole number above nothing, rounded at the twelfth place.
    #[must_use]
    pub fn per(self, parts: u32) -> Self {
        Decimal(rounded(self.0, i128::from(parts.max(1))))
    }

    fn bounded(parts: i128) -> Result<Self> {
        match parts.unsigned_abs() < ONE.unsigned_abs() * ONE.unsigned_abs() {
            true => Ok(Decimal(parts)),
            false => Err(too_large()),
        }
    }

    /// All places, without zeros at the end: `0.0104`.
    pub fn exact(self) -> String {
        let parts = self.0.unsigned_abs();
        let one = ONE.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:0PLACES$}", parts % one);
        match fraction.trim_end_matches('0') {
            "" => format!("{sign}{}", parts / one),
            fraction => format!("{sign}{}.{fraction}", parts / one),
        }
    }

    /// As `Display`, with a sign also for what is added: `+12.00`.
    pub fn signed(self) -> String {
        let shown = self.to_string();
        if self.0 > 0 && shown != "0.00" { format!("+{shown}") } else { shown }
    }
}

/// Divides, half away from zero.
fn rounded(parts: i128, by: i128) -> i128 {
    let rest = parts % by;
    parts / by + if rest.abs() * 2 >= by { rest.signum() } else { 0 }
}

fn too_large() -> Error {
    Error::invalid("an amount is larger than 999,999,999,999")
        .hint("check the price table and the usage assumptions: no bill is that large")
}

impl From<u32> for Decimal {
    fn from(whole: u32) -> Self {
        Decimal::whole(i64::from(whole))
    }
}

impl FromStr for Decimal {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::invalid(format!("{} {why}", quoted(text))).hint(
                "write an exact number such as `0.0104`, with at most 12 digits on each side of the point",
            ))
        };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return refuse("is not a decimal number");
        }
        if whole.len() > WHOLE_DIGITS || fraction.len() > PLACES {
            return refuse("has too many digits");
        }
        let Ok(parts) = format!("{whole}{fraction:0<PLACES$}").parse::<i128>() else {
            return refuse("is not a decimal number");
        };
        Ok(Decimal(if negative { -parts } else { parts }))
    }
}

/// In cents, rounded half away from zero: `7.59`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = rounded(self.0, ONE / 100);
        let sign = if cents < 0 { "-" } else { "" };
        let cents = cents.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", cents / 100, cents % 100))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exact())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.exact())
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exact number as text")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(|error: Error| E::custom(format_args!("{error:#}")))
            }
            fn visit_i64<E: de::Error>(self, whole: i64) -> Result<Decimal, E> {
                self.visit_str(&whole.to_string())
            }
            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Decimal, E> {
                self.visit_str(&whole.to_string())
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Decimal, E> {
                // 0.1 is no float: what was written is lost before it can be read exactly.
                Err(E::custom("is a number with a fraction; write it as text in quotes, such as \"0.0104\""))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn what_no_float_can_hold_is_kept_exactly() {
        let tenth = decimal("0.1");
        let sum = (0..3).try_fold(Decimal::ZERO, |sum, _| sum.plus(tenth)).unwrap();
        assert_eq!(sum, decimal("0.3"));
        assert_eq!(decimal("0.0000166667").times(Decimal::from(3_000_000)).unwrap().exact(), "50.0001");
        assert_eq!(decimal("999999999999.999999999999").exact(), "999999999999.999999999999");
        assert_eq!(decimal("-0.50").exact(), "-0.5");
        assert_eq!(decimal("0.20").times(decimal("1")).unwrap().per(1_000_000).exact(), "0.0000002");
    }

    #[test]
    fn halves_are_rounded_away_from_zero_and_only_when_shown() {
        for (exact, shown) in
            [("0.005", "0.01"), ("-0.005", "-0.01"), ("0.0049", "0.00"), ("-0.0049", "0.00")]
        {
            assert_eq!(decimal(exact).to_string(), shown, "{exact}");
        }
        let twice = decimal("0.005").plus(decimal("0.005")).unwrap();
        assert_eq!(twice.to_string(), "0.01");
        assert_eq!((decimal("3").signed(), decimal("-3").signed()), ("+3.00".into(), "-3.00".into()));
        assert_eq!(decimal("0.001").signed(), "0.00");
        assert_eq!(decimal("0.000000000001").times(decimal("0.5")).unwrap().exact(), "0.000000000001");
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for bad in ["", "-", ".", "1.", ".5", "1e3", "1,5", "+1", " 1", "0x1", "NaN", "--1", "1.2.3", "٣"] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad:?} was accepted");
        }
        assert!("1234567890123".parse::<Decimal>().is_err() && "0.1234567890123".parse::<Decimal>().is_err());
        let float = serde_json::from_str::<Decimal>("0.1").unwrap_err().to_string();
        assert!(float.contains("as text in quotes"), "{float}");
        assert_eq!(serde_json::from_str::<Decimal>("7").unwrap(), Decimal::from(7));
    }

    #[test]
    fn an_amount_beyond_all_bills_is_an_error_and_not_a_wrong_number() {
        let most = decimal("999999999999");
        assert!(most.times(most).is_err() && most.plus(most).is_err());
        assert!(decimal("-999999999999").minus(most).is_err());
    }
}
