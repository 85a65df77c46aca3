//! A plan packed to be carried elsewhere: what Terraform saved, and what it shows of it, in one piece.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::plan::PlanJson;
use crate::state::{BackendSettings, StateKey};
use crate::terraform::plan_file::PlanFile;
use crate::time::Timestamp;

/// The first line of a package.
const MAGIC: &[u8] = b"infra-sdk plan 2\n";

/// A plan that another process can apply exactly as it is, on another machine too.
///
/// It holds secrets in clear, and whatever the backend was told: encrypt its [bytes](PlanPackage::to_bytes).
pub struct PlanPackage {
    /// The state it is for.
    pub key: String,
    /// A digest of where that state is kept, as infra.toml had it.
    pub place: Digest,
    /// When it was made.
    pub time: Timestamp,
    /// The commit of the code, where it is known.
    pub commit: Option<String>,
    pub(super) saved: Vec<u8>,
    pub(super) json: Arc<PlanJson>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    key: String,
    place: Digest,
    time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// How many bytes of Terraform's file follow; the rest is the JSON, compressed.
    saved: usize,
}

impl PlanPackage {
    /// Packs a plan of the state `key`, which is kept where `backend` says.
    ///
    /// # Errors
    /// `Io` when the saved plan cannot be read.
    pub fn of(
        plan: &PlanFile,
        key: &StateKey,
        backend: &BackendSettings,
        commit: Option<String>,
    ) -> Result<Self> {
        let saved = std::fs::read(plan.path()).context("read a saved plan")?;
        let (key, place, json) = (key.to_string(), place_of(backend)?, plan.json());
        Ok(PlanPackage { key, place, time: Timestamp::now(), commit, saved, json })
    }

    /// Whether the state it is for is kept where `backend` says: Terraform applies a plan to the place it was made for,
    /// whatever is set now.
    ///
    /// # Errors
    /// `Bug` when the settings cannot be written.
    pub fn is_for(&self, backend: &BackendSettings) -> Result<bool> {
        Ok(self.place == place_of(backend)?)
    }

    /// What the plan does.
    pub fn into_json(self) -> Arc<PlanJson> {
        self.json
    }

    /// Everything, for a file; in clear.
    ///
    /// # Errors
    /// `Bug` when it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let head = Head {
            key: self.key.clone(),
            place: self.place.clone(),
            time: self.time,
            commit: self.commit.clone(),
            saved: self.saved.len(),
        };
        let bug = |_| Error::new(ErrorKind::Bug, "pack a plan").hint("please report this");
        let mut bytes = MAGIC.to_vec();
        bytes.extend(serde_json::to_vec(&head).map_err(bug)?);
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.saved);
        let mut packed = DeflateEncoder::new(bytes, Compression::fast());
        packed.write_all(self.json.as_bytes()).and_then(|()| packed.finish()).context("pack a plan")
    }

    /// Reads what [`to_bytes`](PlanPackage::to_bytes) wrote.
    ///
    /// # Errors
    /// `Invalid` when it is something else, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let foreign = || {
            Error::invalid("this is not a saved plan of infra-sdk")
                .hint("make one with `cargo xtask infra:plan --save`, and apply it with the same version")
        };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(foreign)?;
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(foreign)?;
        let head: Head = serde_json::from_slice(&rest[..end]).map_err(|_| foreign())?;
        let body = &rest[end + 1..];
        if head.saved > body.len() {
            return Err(foreign());
        }
        let (saved, packed) = body.split_at(head.saved);
        let mut json = Vec::new();
        // A plan larger than is read anywhere else is refused before it fills the memory.
        DeflateDecoder::new(packed).take((1 << 30) + 1).read_to_end(&mut json).map_err(|_| foreign())?;
        let json = Arc::new(PlanJson::new(json)?);
        let Head { key, place, time, commit, .. } = head;
        Ok(PlanPackage { key, place, time, commit, saved: saved.to_vec(), json })
    }
}

fn place_of(backend: &BackendSettings) -> Result<Digest> {
    let bug = |_| Error::new(ErrorKind::Bug, "pack a plan").hint("please report this");
    Ok(Digest::of(&serde_json::to_vec(backend).map_err(bug)?))
}

impl std::fmt::Debug for PlanPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlanPackage")
            .field("key", &self.key)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> PlanPackage {
        PlanPackage {
            key: "acme/shop/local/network/terraform.tfstate".into(),
            place: Digest::of(b"a place"),
            time: Timestamp::now(),
            commit: Some("1f0e140".into()),
            saved: b"PK\x03\x04\nsaved".to_vec(),
            json: Arc::new(PlanJson::new(&br#"{"format_version":"1.2"}"#[..]).unwrap()),
        }
    }

    #[test]
    fn a_package_comes_back_as_it_was() {
        let bytes = package().to_bytes().unwrap();
        let back = PlanPackage::from_bytes(&bytes).unwrap();
        assert_eq!((back.key, back.commit, back.saved), (package().key, package().commit, package().saved));
        assert_eq!(back.json.as_bytes(), package().json.as_bytes());
    }

    #[test]
    fn what_is_cut_or_something_else_is_refused() {
        let bytes = package().to_bytes().unwrap();
        for end in [0, 5, MAGIC.len(), MAGIC.len() + 9, bytes.len() - 20] {
            assert!(PlanPackage::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(PlanPackage::from_bytes(b"PK\x03\x04").unwrap_err().to_string().contains("not a saved plan"));
    }
}
