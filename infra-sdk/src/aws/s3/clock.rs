//! What time it is at the store: locks are judged by one clock, whatever the machines around it believe.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;

use crate::time::Timestamp;

/// How far the store's clock is from this machine's, as its last answer told.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// In seconds; an answer tells whole ones.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// Now, by the store's clock, to a second; by this machine's before the first answer.
    pub(super) fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let distance = Duration::from_secs(ahead.unsigned_abs());
        let now = SystemTime::now();
        let there = if ahead < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
        there.unwrap_or(now).into()
    }

    fn learn(&self, date: &str) {
        let Ok(there) = DateTime::from_str(date, DateTimeFormat::HttpDate) else { return };
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.ahead.store(there.secs().saturating_sub_unsigned(here), Ordering::Relaxed);
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.learn(date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_whose_clock_differs_tells_the_time() {
        let clock = Clock::default();
        let off = |clock: &Clock| {
            let (here, there) = (Timestamp::now(), clock.now());
            (here.until(there).as_secs(), there.until(here).as_secs())
        };
        assert_eq!(off(&clock), (0, 0));
        clock.learn("not a date");
        assert_eq!(off(&clock), (0, 0));
        clock.learn("Sat, 28 Nov 2099 03:10:20 GMT");
        assert!(off(&clock).0 > 1_000_000);
        clock.learn("Sat, 28 Nov 2009 03:10:20 GMT");
        assert!(off(&clock).1 > 1_000_000);
    }
}
