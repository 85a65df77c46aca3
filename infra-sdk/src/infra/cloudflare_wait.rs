//! Waiting where a service asks for fewer requests: said, and with a ceiling.

use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::infra::host::Host;
use crate::time::human;

/// The longest single wait: a token that Cloudflare blocks is blocked for five minutes.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// How often something is waited for.
const TIMES: u32 = 3;
/// How long where the service does not say.
const UNSAID: Duration = Duration::from_secs(10);

/// Does again what a service refused for coming too often, once the time that it asked for is over.
///
/// # Errors
/// What `ask` fails with; the refusal itself where its wait is longer than five minutes, and after three waits; `Cancelled`.
pub(super) async fn patiently<T, F, A>(host: &Host, ask: F) -> Result<T>
where
    F: Fn() -> A,
    A: Future<Output = Result<T>>,
{
    let mut waits = 0;
    loop {
        let error = match ask().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(throttle) = error.throttle() else { return Err(error) };
        let wait = throttle.after.unwrap_or(UNSAID);
        if wait > LONGEST || waits == TIMES {
            return Err(error);
        }
        waits += 1;
        host.tell(&format!("{}: going on in {}", error.operation(), human(wait)));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = host.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "waiting was cancelled").because(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;

    use super::*;
    use crate::process::{LineSink, Stream};

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl LineSink for Kept {
        fn line(&self, _: Stream, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    fn busy(after: Option<u64>) -> Error {
        Error::new(ErrorKind::Unavailable, "Cloudflare asks for fewer requests")
            .throttled(after.map(Duration::from_secs))
    }

    async fn ask(after: Option<u64>, refusals: u32) -> (Result<u32>, Duration, Vec<String>) {
        let (lines, asked, begin) = (Arc::new(Kept::default()), Cell::new(0), Instant::now());
        let host = Host { lines: lines.clone(), ..Host::silent() };
        let done = patiently(&host, async || {
            asked.set(asked.get() + 1);
            if asked.get() > refusals { Ok(asked.get()) } else { Err(busy(after)) }
        })
        .await;
        let told = lines.0.lock().unwrap().clone();
        (done, begin.elapsed(), told)
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_as_long_as_it_was_asked_to_and_says_so() {
        let (done, took, told) = ask(Some(12), 1).await;
        assert_eq!((done.unwrap(), took.as_secs()), (2, 12));
        assert_eq!(told, ["Cloudflare asks for fewer requests: going on in 12.0 s"]);
        assert_eq!(ask(None, 2).await.1, 2 * UNSAID);
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_neither_for_long_nor_often_nor_for_what_will_not_go_away() {
        let (done, took, told) = ask(Some(301), 1).await;
        assert!(done.unwrap_err().throttle().is_some() && took.is_zero() && told.is_empty());
        let (done, took, told) = ask(Some(300), 9).await;
        assert!(done.is_err() && took == 3 * LONGEST && told.len() == 3);
        let host = Host::silent();
        let error = patiently(&host, async || Err::<(), _>(Error::invalid("no"))).await.unwrap_err();
        assert_eq!(error.operation(), "no");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_cancelled_waits_no_more() {
        let host = Host::silent();
        host.cancel.cancel();
        let error = patiently(&host, async || Err::<(), _>(busy(Some(200)))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
