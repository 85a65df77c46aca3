//! What can go wrong, when, and how often.

use serde_json::json;

use crate::service::Reply;

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 403 for too many writes in a short time; the seconds of `retry-after`, where it is sent.
    Secondary(Option<u64>),
    /// 403 because the hour's budget is used up; it comes back in so many seconds.
    Primary(u64),
    /// 429; the seconds of `retry-after`, where it is sent.
    TooMany(Option<u64>),
    /// 500 with a message.
    Error,
    /// 502 with a page of HTML.
    Html,
    /// 200 with a page of HTML.
    HtmlFine,
    /// The connection ends in the middle of an answer; a write was made.
    Half,
    /// No answer at all; nothing was written.
    Hang,
    /// The connection ends without an answer; nothing was written.
    Refused,
    /// The connection ends without an answer; the write was made.
    Lost,
    /// 403 for a token that may not do this.
    Denied,
    /// 401 for a token that is none.
    Unknown,
}

impl Fault {
    /// Whether a write is made before it fails.
    pub(super) fn writes(self) -> bool {
        matches!(self, Fault::Half | Fault::Lost)
    }

    pub(super) fn reply(self) -> Reply {
        let told = |status: u16, message: &str| Reply::json(status, &json!({ "message": message }));
        let wait = |reply: Reply, after: Option<u64>| match after {
            Some(seconds) => reply.header("retry-after", seconds.to_string()),
            None => reply,
        };
        let page = || b"<html><h1>Unicorn!</h1></html>".to_vec();
        let html = vec![("content-type".to_owned(), "text/html".to_owned())];
        match self {
            Fault::Secondary(after) => {
                wait(told(403, "You have exceeded a secondary rate limit. Please wait a few minutes."), after)
            }
            Fault::Primary(seconds) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let reset = now.expect("after 1970").as_secs() + seconds;
                told(403, "API rate limit exceeded for user ID 1.")
                    .header("x-ratelimit-remaining", "0")
                    .header("x-ratelimit-reset", reset.to_string())
            }
            Fault::TooMany(after) => wait(told(429, "Too many requests"), after),
            Fault::Error => told(500, "Server Error"),
            Fault::Html => Reply::Answer(502, html, page()),
            Fault::HtmlFine => Reply::Answer(200, html, page()),
            Fault::Half => Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"total".to_vec()),
            Fault::Hang => Reply::Hang,
            Fault::Refused | Fault::Lost => Reply::Drop,
            Fault::Denied => told(403, "Resource not accessible by personal access token")
                .header("x-accepted-github-permissions", "secrets=write"),
            Fault::Unknown => told(401, "Bad credentials"),
        }
    }
}

/// Which requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Puts and deletes.
    Writes,
    /// Everything else.
    Reads,
    /// All.
    All,
}

/// A fault with its moment: `Trouble::new(Fault::TooMany(Some(1))).after(30).times(2)`.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    fault: Fault,
    on: On,
    after: usize,
    times: usize,
}

impl Trouble {
    /// Fails every write from now on.
    pub fn new(fault: Fault) -> Trouble {
        Trouble { fault, on: On::Writes, after: 0, times: usize::MAX }
    }

    /// Fails these requests.
    #[must_use]
    pub fn on(mut self, on: On) -> Trouble {
        self.on = on;
        self
    }

    /// Lets so many of them pass first.
    #[must_use]
    pub fn after(mut self, count: usize) -> Trouble {
        self.after = count;
        self
    }

    /// Ends after so many failures.
    #[must_use]
    pub fn times(mut self, count: usize) -> Trouble {
        self.times = count;
        self
    }

    /// Counts one request; the fault, if it is its turn.
    pub(super) fn strikes(&mut self, is_write: bool) -> Option<Fault> {
        let concerned = match self.on {
            On::Writes => is_write,
            On::Reads => !is_write,
            On::All => true,
        };
        if !concerned {
            return None;
        }
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.fault)
    }
}
