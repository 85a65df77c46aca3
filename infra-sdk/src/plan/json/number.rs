//! A number as it was written, compared by its value.

use std::borrow::Cow;
use std::fmt;

/// A JSON number. Terraform computes with 512 bits and writes whole numbers in full, so it is kept as text: as an `f64`
/// 12345678901234567890 would become another number.
///
/// ```
/// use infra_sdk::plan::Value;
/// let equal = |a, b| Value::parse(a).unwrap() == Value::parse(b).unwrap();
/// assert!(equal("1e3", "1000.0"));
/// assert!(!equal("12345678901234567890", "12345678901234567891"));
/// ```
#[derive(Clone)]
pub struct Number<'a>(Cow<'a, str>);

impl<'a> Number<'a> {
    /// `text` is a number in JSON's grammar.
    pub(super) fn new(text: &'a str) -> Self {
        Number(Cow::Borrowed(text))
    }

    /// As the file has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_owned(self) -> Number<'static> {
        Number(Cow::Owned(self.0.into_owned()))
    }

    /// The nearest `f64`, for reckoning with it.
    pub fn to_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }

    /// Sign, digits without zeros at either end, and the power of ten they are times. Equal numbers have equal parts.
    /// `None` when the power fits no `i64`: such a number is equal to its own text alone.
    fn parts(&self) -> Option<(bool, String, i64)> {
        let (negative, rest) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, &*self.0),
        };
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().ok()?;
        let digits = format!("{whole}{fraction}");
        let shown = digits.trim_end_matches('0');
        let dropped = digits.len() - shown.len();
        let shown = shown.trim_start_matches('0');
        if shown.is_empty() {
            return Some((false, String::new(), 0));
        }
        let power = exponent.checked_sub(fraction.len() as i64)?.checked_add(dropped as i64)?;
        Some((negative, shown.to_owned(), power))
    }

    /// The same text for all ways to write one number.
    pub(super) fn canonical(&self) -> String {
        let Some((negative, digits, power)) = self.parts() else {
            // No other number's text begins with this sign.
            return format!("={}", self.0);
        };
        format!("{}{digits}e{power}", if negative { "-" } else { "" })
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.parts().is_some_and(|parts| other.parts() == Some(parts))
    }
}

impl Eq for Number<'_> {}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value_however_they_are_written() {
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0.50", "5e-1"), ("-0", "0"), ("1E+2", "100.00")] {
            assert_eq!(Number::new(a), Number::new(b));
            assert_eq!(Number::new(a).canonical(), Number::new(b).canonical());
        }
        for (a, b) in
            [("1", "-1"), ("12345678901234567890", "12345678901234567891"), ("1", "10"), ("0", "1e-9")]
        {
            assert_ne!(Number::new(a), Number::new(b));
            assert_ne!(Number::new(a).canonical(), Number::new(b).canonical());
        }
    }

    #[test]
    fn exponents_beyond_all_reason_do_not_overflow() {
        assert_eq!(Number::new("1e99999999999999999999"), Number::new("1e99999999999999999999"));
        assert_ne!(Number::new("1e99999999999999999999"), Number::new("2e99999999999999999999"));
        for (a, b) in [
            ("1e9223372036854775807", "1e-9223372036854775808"),
            ("1e99999999999999999999", "1e-99999999999999999999"),
            ("1e99999999999999999999", "1e99999999999999999998"),
            ("1.5e-9223372036854775808", "15e-9223372036854775808"),
            ("10e9223372036854775807", "1e9223372036854775807"),
        ] {
            assert_ne!(Number::new(a), Number::new(b));
            assert_ne!(Number::new(a).canonical(), Number::new(b).canonical());
        }
    }
}
