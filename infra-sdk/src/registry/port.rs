//! The port to a registry of images, in the words of OCI's distribution protocol.

use std::io::Write;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LINK, RANGE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::{BlobSource, ImageRegistry, Reference, StoredManifest, oci};
use crate::names::{ImageName, Tag, quoted};
use crate::registry::ask::Sent;
use crate::registry::auth::Scope;
use crate::registry::client::OciRegistry;
use crate::registry::proof::{impossible_size, is_blob, told};
use crate::registry::upload::check;

/// The largest manifest that is read, as registries limit it too.
const MANIFEST: u64 = 4 << 20;
/// The largest page of tags that is read.
const PAGE: u64 = 4 << 20;
/// A list of tags with more pages has no end.
const PAGES: usize = 10_000;

#[async_trait]
impl ImageRegistry for OciRegistry {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self, image: &ImageName) -> String {
        self.place.address(image)
    }

    async fn has_blob(&self, image: &ImageName, digest: &Digest) -> Result<bool> {
        let repository = self.place.repository(image);
        let url = self.place.url(&format!("{repository}/blobs/{digest}"))?;
        let ask = self.ask(Method::HEAD, url, Scope::pull(&repository));
        let response = ask.send(&[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
        // What is elsewhere may be a page to log in at. To send a blob once more costs less than an image without it.
        Ok(response.status() == StatusCode::OK
            && !ask.is_elsewhere(&response)
            && is_blob(response.headers(), digest))
    }

    async fn put_blob(&self, image: &ImageName, digest: &Digest, content: BlobSource<'_>) -> Result<()> {
        self.upload(&self.place.repository(image), digest, content).await
    }

    async fn mount_blob(&self, image: &ImageName, digest: &Digest, from: &str) -> Result<bool> {
        let repository = self.place.repository(image);
        match self.place.repository_at(from) {
            Some(from) if from != repository => self.mount(&repository, digest, from).await,
            _ => Ok(false),
        }
    }

    async fn get_blob(
        &self,
        image: &ImageName,
        digest: &Digest,
        to: &mut (dyn Write + Send),
    ) -> Result<bool> {
        let repository = self.place.repository(image);
        let url = self.place.url(&format!("{repository}/blobs/{digest}"))?;
        let (mut written, mut again) = (0_u64, self.again());
        loop {
            let mut ask = self.ask(Method::GET, url.clone(), Scope::pull(&repository));
            if written > 0 {
                ask = ask.header(RANGE, format!("bytes={written}-"));
            }
            let part = async {
                let good = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_FOUND];
                let mut response = ask.attempt(&good).await?;
                if response.status() == StatusCode::NOT_FOUND {
                    return Ok(false);
                }
                // A registry that does not know parts begins at the start again.
                let mut known = if response.status() == StatusCode::OK { written } else { 0 };
                while let Some(piece) = ask.piece(&mut response).await? {
                    let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(piece.len());
                    known -= skipped as u64;
                    to.write_all(&piece[skipped..])?;
                    written += (piece.len() - skipped) as u64;
                }
                Ok(true)
            };
            match part.await {
                Ok(true) => return Ok(true),
                Ok(false) if written == 0 => return Ok(false),
                Ok(false) => return Err(gone(self, digest)),
                Err(error) => again.after(error).await?,
            }
        }
    }

    async fn put_manifest(
        &self,
        image: &ImageName,
        content: &[u8],
        media_type: &str,
        tag: Option<&Tag>,
    ) -> Result<Digest> {
        let repository = self.place.repository(image);
        let digest = Digest::of(content);
        let at = tag.cloned().map_or_else(|| Reference::from(digest.clone()), Reference::from);
        let url = self.place.url(&format!("{repository}/manifests/{at}"))?;
        let ask = self
            .ask(Method::PUT, url, Scope::push(&repository))
            .header(CONTENT_TYPE, media_type)
            .send_with(Sent::Bytes(content));
        let response = match ask.send(&[StatusCode::CREATED]).await {
            // The first of two attempts may have set the tag, and only its answer was lost.
            Err(error) if error.kind() == ErrorKind::Conflict && tag.is_some() => {
                let found = self.head_manifest(image, &at).await;
                return if matches!(found, Ok(Some(found)) if found == digest) {
                    Ok(digest)
                } else {
                    Err(error)
                };
            }
            other => other?,
        };
        check(&ask, response.headers(), &digest)?;
        // Whoever does not say what it keeps is asked for it.
        if told(response.headers()).is_none() {
            let kept = self.get_manifest(image, &at).await?;
            if kept.is_none_or(|kept| kept.content != content) {
                return Err(ask
                    .error(ErrorKind::Invalid, "took a manifest and does not have it")
                    .with("sent", &digest)
                    .hint("check the address of the registry, and look at what stands before it"));
            }
        }
        Ok(digest)
    }

    async fn get_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<StoredManifest>> {
        let repository = self.place.repository(image);
        let url = self.place.url(&format!("{repository}/manifests/{at}"))?;
        let ask = self.ask(Method::GET, url, Scope::pull(&repository)).header(ACCEPT, accepted());
        let answer = ask.fetch(&[StatusCode::OK, StatusCode::NOT_FOUND], MANIFEST).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let found = Digest::of(&answer.body);
        let expected = match at {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(_) => told(&answer.headers),
        };
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ask
                .error(ErrorKind::Invalid, "gives something else than what its digest says")
                .with("expected", expected)
                .with("found", found)
                .hint("look at what stands before the registry, then push the image again"));
        }
        if let Some(size) = impossible_size(&answer.body) {
            return Err(ask
                .error(ErrorKind::Invalid, "has a manifest that names a size no blob can have")
                .with("size", format_args!("{size} bytes"))
                .hint("do not use this image; push one that was built by this crate or an OCI tool"));
        }
        let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        Ok(Some(StoredManifest { media_type: media_type.to_owned(), content: answer.body }))
    }

    async fn head_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<Digest>> {
        let repository = self.place.repository(image);
        let url = self.place.url(&format!("{repository}/manifests/{at}"))?;
        let ask = self.ask(Method::HEAD, url, Scope::pull(&repository)).header(ACCEPT, accepted());
        let response = ask.send(&[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        match (at, told(response.headers()).filter(|_| !ask.is_elsewhere(&response))) {
            (Reference::Digest(digest), Some(found)) if *digest != found => Err(ask
                .error(ErrorKind::Invalid, "has something else under a digest than it says")
                .with("expected", digest)
                .with("found", found)
                .hint("look at what stands before the registry, then push the image again")),
            (_, Some(found)) => Ok(Some(found)),
            // Old registries do not say it, and what is no registry does not either: the bytes tell.
            (_, None) => Ok(self.get_manifest(image, at).await?.map(|found| found.digest())),
        }
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>> {
        let repository = self.place.repository(image);
        let mut url = self.place.url(&format!("{repository}/tags/list"))?;
        url.set_query(Some("n=1000"));
        let mut tags: Vec<Tag> = Vec::new();
        for _ in 0..PAGES {
            let ask = self.ask(Method::GET, url.clone(), Scope::pull(&repository));
            let answer = ask.fetch(&[StatusCode::OK, StatusCode::NOT_FOUND], PAGE).await?;
            if answer.status == StatusCode::NOT_FOUND {
                break;
            }
            let page: Page = serde_json::from_slice(&answer.body).map_err(|error| {
                ask.error(ErrorKind::Invalid, "gives a list of tags that is none")
                    .because(error)
                    .hint("check the address of the registry")
            })?;
            // Tags of others may be wider than what is a tag here.
            tags.extend(page.tags.unwrap_or_default().into_iter().filter_map(|tag| tag.parse().ok()));
            let Some(next) = next_page(&answer.headers) else { break };
            let next = answer.url.join(next).ok().filter(|next| self.place.is_own(next) && *next != url);
            let Some(next) = next else {
                return Err(ask
                    .error(ErrorKind::Invalid, "continues its list of tags elsewhere")
                    .hint("check the address of the registry"));
            };
            url = next;
        }
        tags.sort();
        tags.dedup();
        Ok(tags)
    }
}

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

/// What [`LINK`](https://www.rfc-editor.org/rfc/rfc8288) calls `next`.
fn next_page(headers: &HeaderMap) -> Option<&str> {
    let links = headers.get(LINK)?.to_str().ok()?;
    links.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |part: &str| matches!(part.trim(), "rel=\"next\"" | "rel=next");
        parameters.split(';').any(is_next).then_some(target)
    })
}

fn accepted() -> String {
    [oci::MANIFEST, oci::INDEX, oci::DOCKER_MANIFEST, oci::DOCKER_LIST].join(", ")
}

fn gone(registry: &OciRegistry, digest: &Digest) -> Error {
    Error::not_found(format!("a blob is gone from registry {} while it is fetched", registry.name))
        .with("blob", quoted(digest.as_str()))
        .hint("push the image again")
}
