//! Sending a large blob in pieces: after a broken connection it goes on from what has arrived.

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use crate::digest::Digest;
use crate::error::{ErrorKind, Result};
use crate::images::BlobSource;
use crate::registry::ask::{Ask, Sent};
use crate::registry::auth::Scope;
use crate::registry::client::OciRegistry;
use crate::registry::upload::BYTES;

/// An upload under way.
struct Session {
    url: Url,
    /// How many bytes have arrived.
    arrived: u64,
    /// A piece failed: nobody knows how much of it has arrived.
    in_doubt: bool,
}

impl OciRegistry {
    /// Sends a blob in pieces; `false` when the registry does not keep them, and wants it as a whole.
    pub(super) async fn in_pieces(
        &self,
        repository: &str,
        digest: &Digest,
        content: BlobSource<'_>,
        length: u64,
    ) -> Result<bool> {
        let (mut session, mut furthest) = (None, 0);
        let mut again = self.again();
        loop {
            let error = match self.go_on(repository, digest, content, length, &mut session).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let arrived = session.as_ref().map_or(0, |session: &Session| session.arrived);
            // What got further may fail as often again: it comes to an end.
            if arrived > furthest {
                (again, furthest) = (self.again(), arrived);
            }
            again.after(error).await?;
        }
    }

    /// Goes on with an upload, or begins one.
    async fn go_on(
        &self,
        repository: &str,
        digest: &Digest,
        content: BlobSource<'_>,
        length: u64,
        session: &mut Option<Session>,
    ) -> Result<bool> {
        if session.as_ref().is_some_and(|session| session.in_doubt) {
            *session = self.ask_how_far(repository, session.take()).await?;
        }
        if session.is_none() {
            let url = self.begin(repository, digest).await?;
            *session = Some(Session { url, arrived: 0, in_doubt: false });
        }
        let Some(current) = session else { return Ok(false) };
        while current.arrived < length {
            let size = self.pieces.size.min(length - current.arrived);
            let end = current.arrived + size;
            let ask = self
                .ask(Method::PATCH, current.url.clone(), Scope::push(repository))
                .header(CONTENT_TYPE, BYTES)
                .header(CONTENT_RANGE, format!("{}-{}", current.arrived, end - 1))
                .send_with(Sent::Blob { source: content, from: current.arrived, length: size });
            current.in_doubt = true;
            // ECR answers 201.
            let good = [StatusCode::ACCEPTED, StatusCode::CREATED, StatusCode::NO_CONTENT];
            let response = ask.attempt(&good).await?;
            current.url = next(&ask, &current.url, &response)?;
            if arrived(response.headers()).is_some_and(|arrived| arrived != end) {
                return Ok(false);
            }
            (current.arrived, current.in_doubt) = (end, false);
        }
        // Closing is not asked for twice: what became of it is not known, and a new upload is.
        let url = current.url.clone();
        let closed = self.close(repository, digest, url, Sent::Nothing).await;
        if closed.is_err() {
            *session = None;
        }
        closed.map(|()| true)
    }

    /// Asks how much of an upload has arrived; `None` when it is lost.
    async fn ask_how_far(&self, repository: &str, session: Option<Session>) -> Result<Option<Session>> {
        let Some(session) = session else { return Ok(None) };
        let ask = self.ask(Method::GET, session.url.clone(), Scope::push(repository));
        let response = match ask.attempt(&[StatusCode::NO_CONTENT, StatusCode::OK]).await {
            Ok(response) => response,
            Err(error) if error.kind() == ErrorKind::Denied => return Err(error),
            Err(_) => return Ok(None),
        };
        let url = next(&ask, &session.url, &response)?;
        // One byte and none are written alike: then it begins anew.
        Ok(arrived(response.headers()).filter(|arrived| *arrived > 1).map(|arrived| Session {
            url,
            arrived,
            in_doubt: false,
        }))
    }
}

/// Where an upload goes on: registries may move it with each answer.
fn next(ask: &Ask<'_>, at: &Url, response: &Response) -> Result<Url> {
    if response.headers().contains_key(LOCATION) { ask.location(at, response) } else { Ok(at.clone()) }
}

/// How many bytes have arrived: `0-LAST`.
fn arrived(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(RANGE)?.to_str().ok()?;
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    last.trim().parse::<u64>().ok()?.checked_add(1)
}
