//! How often one token may ask Cloudflare, counted for the whole process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Answer;
use crate::secret::SecretValue;
use crate::time::human;

/// Requests of a token in a [`WINDOW`], unless answers say otherwise; who asks more often is blocked for five minutes
/// (<https://developers.cloudflare.com/fundamentals/api/reference/limits/>).
const QUOTA: usize = 1200;
const WINDOW: Duration = Duration::from_secs(300);

/// A wait that nobody has to be told of.
const UNTOLD: Duration = Duration::from_secs(1);

/// How long a refusal holds that says not for how long.
const UNSAID: Duration = Duration::from_secs(10);

/// No answer is believed that wants to be left alone for longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// By the digest of address and token: the token itself is kept by who uses it.
static BUDGETS: LazyLock<Mutex<HashMap<Digest, Arc<Budget>>>> = LazyLock::new(Mutex::default);

/// What all clients with one token may ask together.
///
/// Whoever comes too early is told how long to wait, and does not ask: requests to a service that has blocked a token only
/// make it longer. Who runs the work waits, says so, and has a ceiling.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// When requests of the last window were made, the oldest first.
    made: VecDeque<Instant>,
    quota: usize,
    window: Duration,
    /// Until when Cloudflare wants to be left alone.
    hold: Instant,
}

impl Budget {
    /// The one budget of this token at this address.
    pub(super) fn of(address: &str, token: &SecretValue) -> Arc<Self> {
        let key = Digest::of(format!("{address}\n{}", token.expose()).as_bytes());
        let mut all = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_insert_with(|| Arc::new(Self::new())).clone()
    }

    fn new() -> Self {
        let (made, hold) = (VecDeque::new(), Instant::now());
        Budget(Mutex::new(Inner { made, quota: QUOTA, window: WINDOW, hold }))
    }

    /// Takes the place of one request.
    ///
    /// # Errors
    /// `Unavailable` with how long to wait, when that is longer than a second.
    pub(super) async fn turn(&self) -> Result<()> {
        loop {
            let Some(wait) = self.with(Inner::take) else { return Ok(()) };
            if wait > UNTOLD {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "Cloudflare wants fewer requests with this token",
                )
                .with("wait", human(wait))
                .hint("wait that long and do the same again")
                .throttled(Some(wait)));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Learns from an answer what is left: `Ratelimit` and `Ratelimit-Policy`.
    pub(super) fn heard(&self, answer: &Answer) {
        let header = |name| answer.header(name).unwrap_or_default();
        self.learn(header("ratelimit"), header("ratelimit-policy"));
    }

    fn learn(&self, left: &str, policy: &str) {
        self.with(|inner, now| {
            for item in items(left) {
                if let (Some(0), Some(seconds)) = (item.number("r"), item.number("t")) {
                    inner.hold(now, Duration::from_secs(seconds));
                }
            }
            // Others are about one endpoint, and not about the token.
            for item in items(policy).filter(|item| item.name == "default") {
                if let (Some(quota @ 1..=1_000_000), Some(seconds @ 1..=3600)) =
                    (item.number("q"), item.number("w"))
                {
                    inner.quota = usize::try_from(quota).unwrap_or(QUOTA);
                    inner.window = Duration::from_secs(seconds);
                }
            }
        });
    }

    /// Learns from a refusal when to ask again, and gives it back with that wait, for who can sleep it.
    pub(super) fn refused(&self, error: Error) -> Error {
        let Some(throttle) = error.throttle() else { return error };
        let after = throttle.after.unwrap_or(UNSAID);
        // A header of the same answer may have asked for longer.
        let after = self.with(|inner, now| {
            inner.hold(now, after);
            inner.hold.saturating_duration_since(now)
        });
        error.with("wait", human(after)).throttled(Some(after))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }
}

impl Inner {
    /// Notes a request made now, or says how long there is no place for one.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        while self.made.front().is_some_and(|made| now.duration_since(*made) >= self.window) {
            self.made.pop_front();
        }
        if now < self.hold {
            return Some(self.hold - now);
        }
        if let Some(nth) = self.made.len().checked_sub(self.quota) {
            return Some(self.made[nth] + self.window - now);
        }
        self.made.push_back(now);
        None
    }

    fn hold(&mut self, now: Instant, length: Duration) {
        self.hold = self.hold.max(now + length.min(LONGEST));
    }
}

/// One item of a list of RFC 9651: `"default";r=50;t=30`.
struct Item<'a> {
    name: &'a str,
    parameters: &'a str,
}

fn items(header: &str) -> impl Iterator<Item = Item<'_>> {
    header.split(',').map(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        Item { name: name.trim().trim_matches('"'), parameters }
    })
}

impl Item<'_> {
    fn number(&self, key: &str) -> Option<u64> {
        let mut pairs = self.parameters.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| name.trim() == key)?.1.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn wait(budget: &Budget) -> u64 {
        match budget.turn().await {
            Ok(()) => 0,
            Err(error) => error.throttle().unwrap().after.unwrap().as_secs(),
        }
    }

    fn refuse(budget: &Budget, after: Option<Duration>) -> Error {
        budget.refused(Error::new(ErrorKind::Unavailable, "x").throttled(after))
    }

    #[tokio::test(start_paused = true)]
    async fn one_token_has_one_budget_whoever_asks_and_no_other_shares_it() {
        let token = SecretValue::new("canary-budget");
        let (one, same) = (Budget::of("a", &token), Budget::of("a", &token));
        let others = [Budget::of("b", &token), Budget::of("a", &SecretValue::new("other"))];
        one.learn("\"default\";r=0;t=30", "");
        assert_eq!((wait(&one).await, wait(&same).await), (30, 30));
        for other in &others {
            assert_eq!(wait(other).await, 0);
        }
        assert!(!format!("{BUDGETS:?}").contains("canary"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_documented_limit_holds_where_no_answer_tells_one() {
        let budget = Budget::new();
        for _ in 0..QUOTA {
            assert_eq!(wait(&budget).await, 0);
        }
        assert_eq!(wait(&budget).await, 300);
        tokio::time::advance(299 * SECOND + SECOND / 2).await;
        // What is left is waited for without a word.
        assert_eq!(wait(&budget).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_answer_says_is_left_and_the_policy_of_the_token_are_kept_to() {
        let budget = Budget::new();
        budget.learn("\"default\";r=1;t=9", "\"burst\";q=1;w=60, \"default\";q=3;w=10");
        for _ in 0..3 {
            assert_eq!(wait(&budget).await, 0);
        }
        assert_eq!(wait(&budget).await, 10);
        budget.learn("default; r=0; t=45", "");
        tokio::time::advance(20 * SECOND).await;
        assert_eq!(wait(&budget).await, 25);
        tokio::time::advance(25 * SECOND).await;
        assert_eq!(wait(&budget).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_everybody_back_for_as_long_as_it_says_and_not_longer_than_can_be_meant() {
        let budget = Budget::new();
        refuse(&budget, Some(7 * SECOND));
        refuse(&budget, Some(3 * SECOND));
        assert_eq!(wait(&budget).await, 7);
        let error = budget.turn().await.unwrap_err();
        assert!(error.to_string().contains("wait: 7.0 s") && !error.hints().is_empty(), "{error}");
        refuse(&budget, Some(Duration::MAX));
        assert_eq!(wait(&budget).await, 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_names_no_time_holds_everybody_back_for_ten_seconds_and_says_so() {
        let budget = Budget::new();
        assert_eq!(refuse(&budget, None).throttle().unwrap().after, Some(10 * SECOND));
        assert_eq!(wait(&budget).await, 10);
        tokio::time::advance(10 * SECOND).await;
        let other = budget.refused(Error::new(ErrorKind::Unavailable, "down").retryable());
        assert!(other.throttle().is_none() && wait(&budget).await == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_says_nothing_sensible_changes_nothing() {
        let budget = Budget::new();
        for header in
            ["", "x", "\"default\"", "\"default\";r=;t=", "r=0", "\"d\";r=-1;t=9", "\"d\";r=0;t=x", ",,;;"]
        {
            budget.learn(header, header);
        }
        budget.learn("", "\"default\";q=0;w=300");
        budget.learn("", "\"default\";q=9;w=0");
        assert_eq!(wait(&budget).await, 0);
        assert_eq!(budget.with(|inner, _| (inner.quota, inner.window)), (QUOTA, WINDOW));
    }
}
