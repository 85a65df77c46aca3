//! The name of a run: when it was started, and a few letters that tell two of one second apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::{Label, quoted};
use crate::time::Timestamp;

/// A run of a deploy over many repos, written as `20261129-231502-4f2a9c`: 1 to 63 of `a-z 0-9 - _`.
///
/// The time in it is that of the machine which started the run, for people; nothing is decided by it.
///
/// ```
/// use infra_sdk::runs::RunId;
/// let run: RunId = "20261129-231502-4f2a9c".parse()?;
/// assert_eq!(run.as_str(), "20261129-231502-4f2a9c");
/// assert!("../x".parse::<RunId>().is_err());
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Label);

impl RunId {
    /// A new name, for a run that starts now.
    ///
    /// # Errors
    /// `Unavailable` when the system gives no randomness.
    pub fn new() -> Result<Self> {
        let time = Timestamp::now().to_string();
        let digits: String = time.chars().filter(char::is_ascii_digit).take(14).collect();
        let (day, clock) = digits.split_at_checked(8).unwrap_or((&digits, ""));
        format!("{day}-{clock}-{}", crate::id::hex(&crate::id::random::<3>()?)).parse()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl FromStr for RunId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let label = Label::new(text).map_err(|error| {
            Error::invalid(format!("{} is not the name of a run", quoted(text)))
                .because(error)
                .hint("write it as `infra:deploy:all` printed it, like `20261129-231502-4f2a9c`")
        })?;
        Ok(RunId(label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_begins_with_the_time_and_two_of_one_second_differ() {
        let (one, two) = (RunId::new().unwrap(), RunId::new().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), "20261129-231502-4f2a9c".len());
        assert_eq!(one.to_string().parse::<RunId>().unwrap(), one);
    }

    #[test]
    fn what_is_no_name_of_a_run_says_how_to_write_one() {
        for bad in ["", "a b", "../x", "A", "a.b", "last one"] {
            let error = bad.parse::<RunId>().unwrap_err();
            assert!(error.hints()[0].contains("infra:deploy:all"), "{error:?}");
        }
    }
}
