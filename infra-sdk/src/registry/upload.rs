//! Sending a blob: an upload is begun, gets the bytes, and is closed under their digest.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode, Url};

use crate::digest::Digest;
use crate::error::{ErrorKind, Result};
use crate::images::BlobSource;
use crate::registry::ask::{Ask, Sent};
use crate::registry::auth::Scope;
use crate::registry::client::OciRegistry;

/// The header by which a registry says what it keeps.
pub(super) const DIGEST: &str = "docker-content-digest";
/// What blobs are sent as.
pub(super) const BYTES: &str = "application/octet-stream";

impl OciRegistry {
    /// Sends a blob, as a whole or in pieces.
    pub(super) async fn upload(
        &self,
        repository: &str,
        digest: &Digest,
        content: BlobSource<'_>,
    ) -> Result<()> {
        let length = content.len()?;
        if length > self.pieces.above && self.in_pieces(repository, digest, content, length).await? {
            return Ok(());
        }
        let mut again = self.again();
        loop {
            match self.as_a_whole(repository, digest, content, length).await {
                Ok(()) => return Ok(()),
                Err(error) => again.after(error).await?,
            }
        }
    }

    async fn as_a_whole(
        &self,
        repository: &str,
        digest: &Digest,
        content: BlobSource<'_>,
        length: u64,
    ) -> Result<()> {
        let upload = self.begin(repository, digest).await?;
        self.close(repository, digest, upload, Sent::Blob { source: content, from: 0, length }).await
    }

    /// Begins an upload, or takes one that was begun in vain.
    pub(super) async fn begin(&self, repository: &str, digest: &Digest) -> Result<Url> {
        let begun = self.begun().remove(&(repository.to_owned(), digest.clone()));
        if let Some(begun) = begun {
            return Ok(begun);
        }
        let url = self.place.url(&format!("{repository}/blobs/uploads/"))?;
        let ask = self.ask(Method::POST, url.clone(), Scope::push(repository));
        let response = ask.attempt(&[StatusCode::ACCEPTED]).await?;
        ask.location(&url, &response)
    }

    /// Ends an upload with its last bytes, under the digest that all of them must have.
    pub(super) async fn close(
        &self,
        repository: &str,
        digest: &Digest,
        mut upload: Url,
        last: Sent<'_>,
    ) -> Result<()> {
        upload.query_pairs_mut().append_pair("digest", digest.as_str());
        let ask = self
            .ask(Method::PUT, upload, Scope::push(repository))
            .header(CONTENT_TYPE, BYTES)
            .send_with(last);
        let response = ask.attempt(&[StatusCode::CREATED, StatusCode::NO_CONTENT]).await?;
        check(&ask, response.headers(), digest)
    }

    /// Asks for a blob of the repository `from` to be one of `repository` too.
    pub(super) async fn mount(&self, repository: &str, digest: &Digest, from: &str) -> Result<bool> {
        let mut url = self.place.url(&format!("{repository}/blobs/uploads/"))?;
        url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
        let scope = Scope::mount(repository, from);
        let ask = self.ask(Method::POST, url.clone(), scope);
        let response = match ask.send(&[StatusCode::CREATED, StatusCode::ACCEPTED]).await {
            Ok(response) => response,
            // Not every registry mounts, and not everybody may read what is to be mounted. Sending will tell the rest.
            Err(error)
                if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if response.status() == StatusCode::CREATED {
            check(&ask, response.headers(), digest)?;
            return Ok(true);
        }
        // It cannot, and has begun an upload instead.
        if let Ok(upload) = ask.location(&url, &response) {
            self.begun().insert((repository.to_owned(), digest.clone()), upload);
        }
        Ok(false)
    }
}

/// Makes sure that the registry keeps what was sent, if it says what it keeps.
pub(super) fn check(ask: &Ask<'_>, headers: &HeaderMap, digest: &Digest) -> Result<()> {
    match headers.get(DIGEST).and_then(|value| value.to_str().ok()) {
        Some(kept) if kept != digest.as_str() => Err(ask
            .error(ErrorKind::Invalid, "keeps something else than what was sent")
            .with("sent", digest)
            .with("kept", crate::names::quoted(kept))
            .hint("look at what stands before the registry; nothing was tagged")),
        _ => Ok(()),
    }
}
