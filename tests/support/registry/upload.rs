//! Uploads: begun by POST, filled by PATCH, closed by PUT, and where they stand.

use infra_sdk::Digest;

use super::state::{State, answer, refused};
use super::wire::{Answer, Request};

/// An upload under way.
pub(super) struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// How many pieces came.
    pieces: usize,
}

impl State {
    pub(super) fn upload(&mut self, request: &Request, repository: &str, id: &str) -> Answer {
        if request.method == "POST" && id.is_empty() {
            return self.begin(request, repository);
        }
        if self.uploads.get(id).is_none_or(|upload| upload.repository != repository) {
            return refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        }
        if request.field("state") != Some("a b") {
            return self.wrong(request, "the query of the location is gone");
        }
        match request.method.as_str() {
            "GET" => {
                let arrived = self.uploads.get(id).map_or(0, |upload| upload.bytes.len());
                self.stands(204, repository, id, arrived)
            }
            "PATCH" => self.patch(request, repository, id),
            "PUT" => self.close(request, repository, id),
            _ => self.wrong(request, "uploads are asked, patched and closed"),
        }
    }

    fn begin(&mut self, request: &Request, repository: &str) -> Answer {
        if let (Some(digest), Some(from)) = (request.field("mount"), request.field("from")) {
            let source = self.blobs.get(&(from.to_owned(), digest.to_owned())).cloned();
            if let Some(blob) = source.filter(|_| !self.rules.never_mounts) {
                self.blobs.insert((repository.to_owned(), digest.to_owned()), blob);
                return answer(201)
                    .header("location", format!("/v2/{repository}/blobs/{digest}"))
                    .header("docker-content-digest", self.told(digest));
            }
        }
        self.count += 1;
        let id = format!("upload-{}", self.count);
        let upload = Upload { repository: repository.to_owned(), bytes: Vec::new(), pieces: 0 };
        self.uploads.insert(id.clone(), upload);
        self.stands(202, repository, &id, 0)
    }

    fn patch(&mut self, request: &Request, repository: &str, id: &str) -> Answer {
        let first_only = self.rules.keeps_first_piece_only;
        let Some(upload) = self.uploads.get_mut(id) else { return answer(404) };
        let range = request.header("content-range").and_then(|range| {
            let (first, last) = range.split_once('-')?;
            Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
        });
        let Some((first, last)) = range else {
            return self.wrong(request, "a piece that does not say where it belongs");
        };
        if last + 1 - first != request.body.len() {
            return self.wrong(request, "a piece of another length than it says");
        }
        if first != upload.bytes.len() {
            return refused(416, "RANGE_INVALID", "out of order");
        }
        upload.pieces += 1;
        if first_only && upload.pieces > 1 {
            let arrived = upload.bytes.len();
            return self.stands(201, repository, id, arrived);
        }
        upload.bytes.extend(&request.body);
        let arrived = upload.bytes.len();
        self.stands(202, repository, id, arrived)
    }

    fn close(&mut self, request: &Request, repository: &str, id: &str) -> Answer {
        let Some(digest) = request.field("digest").map(str::to_owned) else {
            return self.wrong(request, "an upload is closed without a digest");
        };
        let Some(upload) = self.uploads.remove(id) else { return answer(404) };
        let bytes = [upload.bytes, request.body.clone()].concat();
        if Digest::of(&bytes).as_str() != digest {
            return refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
        answer(201)
            .header("location", format!("/v2/{repository}/blobs/{digest}"))
            .header("docker-content-digest", self.told(&digest))
    }

    /// Where an upload stands.
    fn stands(&self, status: u16, repository: &str, id: &str, arrived: usize) -> Answer {
        let path = format!("/v2/{repository}/blobs/uploads/{id}?state=a%20b");
        let at = match &self.rules.uploads_at {
            Some(elsewhere) => format!("{elsewhere}{path}"),
            None if self.rules.relative_locations => path,
            None => format!("http://{}{path}", self.address),
        };
        answer(status).header("location", at).header("range", format!("0-{}", arrived.saturating_sub(1)))
    }

    /// A connection broke in the middle of a body: what came of a piece stays.
    pub(super) fn broken(&mut self, request: &Request) {
        let id = request.path.rsplit('/').next().unwrap_or_default();
        let Some(upload) = self.uploads.get_mut(id) else { return };
        if request.method == "PATCH" {
            upload.bytes.extend(&request.body);
        }
    }
}
