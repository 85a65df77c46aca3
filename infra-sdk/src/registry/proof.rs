//! What an answer proves: whatever stands before a registry, or in its place, says 200 as well.

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::digest::Digest;
use crate::registry::upload::DIGEST;

/// The largest size of a blob: what [OCI calls an int64](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#properties).
const LARGEST: u64 = i64::MAX as u64;

/// What the registry says the digest is.
pub(super) fn told(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DIGEST)?.to_str().ok()?.parse().ok()
}

/// Whether a good answer to HEAD is about the blob `digest`. Registries need not name the digest, but tell the length.
pub(super) fn is_blob(headers: &HeaderMap, digest: &Digest) -> bool {
    if let Some(named) = headers.get(DIGEST) {
        return named == digest.as_str();
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let is_page = text(CONTENT_TYPE).to_ascii_lowercase().starts_with("text/html");
    !is_page && text(CONTENT_LENGTH).parse::<u64>().is_ok_and(|length| length > 0)
}

/// A size in a manifest or an index that no blob can have. What is no manifest has none: who reads it will say so.
pub(super) fn impossible_size(content: &[u8]) -> Option<u64> {
    let read: Value = serde_json::from_slice(content).ok()?;
    let lists = ["layers", "manifests"].into_iter().filter_map(|list| read.get(list)?.as_array());
    let mut named = lists.flatten().chain(read.get("config"));
    named.find_map(|named| named.get("size")?.as_u64().filter(|size| *size > LARGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_no_blob() {
        let (digest, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let is_blob = |lines: &[(&'static str, &str)]| {
            let headers = lines.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), value.parse().unwrap())
            });
            is_blob(&HeaderMap::from_iter(headers), &digest)
        };
        let (html, bytes) =
            (("content-type", "Text/HTML; charset=utf-8"), ("content-type", "application/gzip"));
        assert!(is_blob(&[(DIGEST, digest.as_str())]) && is_blob(&[(DIGEST, digest.as_str()), html]));
        assert!(is_blob(&[("content-length", "7")]) && is_blob(&[("content-length", "7"), bytes]));
        assert!(!is_blob(&[(DIGEST, other.as_str()), ("content-length", "7"), bytes]));
        assert!(!is_blob(&[("content-length", "7"), html]));
        assert!(!is_blob(&[]) && !is_blob(&[bytes]));
        assert!(!is_blob(&[("content-length", "0")]) && !is_blob(&[("content-length", "-7")]));
    }

    #[test]
    fn sizes_that_nothing_has_are_found_wherever_they_stand() {
        let size = |size: u64| format!("{{\"size\": {size}}}");
        for (good, large) in [(true, LARGEST), (false, LARGEST + 1), (false, u64::MAX)] {
            let large = size(large);
            for text in [
                format!("{{\"config\": {large}, \"layers\": []}}"),
                format!("{{\"config\": {}, \"layers\": [{}, {large}]}}", size(1), size(2)),
                format!("{{\"manifests\": [{}, {large}]}}", size(1)),
            ] {
                assert_eq!(impossible_size(text.as_bytes()).is_none(), good, "{text}");
            }
        }
        for text in ["", "<html>", "[]", "{}", "{\"layers\": 7, \"config\": {\"size\": -1}}"] {
            assert_eq!(impossible_size(text.as_bytes()), None, "{text}");
        }
    }
}
