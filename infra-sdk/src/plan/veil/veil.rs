//! The secrets of one or more plans, taken out of every text that is shown.

use std::borrow::Cow;

use crate::error::Result;
use crate::mask::Masks;
use crate::plan::model::Plan;
use crate::plan::veil::learn;
use crate::secret::SecretValue;

/// Knows the sensitive values of a plan and hides them in texts.
///
/// The plan's own marks are not enough: what went in as a sensitive input comes back as an unmarked output, and
/// variables and error messages carry no marks at all. So each sensitive value is hidden wherever it stands, also
/// inside JSON, base64 and URLs.
#[derive(Clone, Debug, Default)]
pub struct Veil {
    masks: Masks,
}

impl Veil {
    /// Learns the sensitive values of `plan`.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of).
    pub fn of(plan: &Plan<'_>) -> Result<Self> {
        let mut veil = Veil::default();
        veil.learn(plan)?;
        Ok(veil)
    }

    /// Learns those of one more plan: what one of two plans marks, the other may show.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of).
    pub fn learn(&mut self, plan: &Plan<'_>) -> Result<()> {
        for secret in learn::secrets(plan)? {
            self.masks.add(&secret);
        }
        Ok(())
    }

    /// Hides one more value.
    pub fn add(&mut self, secret: &SecretValue) {
        self.masks.add(secret);
    }

    /// `text` without a secret in it.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.masks.apply(text)
    }
}
