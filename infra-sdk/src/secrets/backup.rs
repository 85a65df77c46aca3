//! Encrypted copies of values and state, and the way back.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{self, Access};
use crate::names::{EnvName, OrgName, RepoName, SecretName};
use crate::secret::{SecretValue, exposing};
use crate::secrets::fingerprint::FingerprintKey;
use crate::secrets::keep::{Sealer, SecretBytes};
use crate::time::Timestamp;

/// Everything that is needed to have one environment's secrets again.
#[derive(Clone)]
pub struct Backup {
    /// The organisation it is from.
    pub org: OrgName,
    /// The project it is from.
    pub project: RepoName,
    /// The environment it is from.
    pub env: EnvName,
    /// When it was made.
    pub time: Timestamp,
    /// The values, by name.
    pub values: BTreeMap<SecretName, BackupValue>,
    /// The key that the state was made with.
    pub fingerprint_key: Option<FingerprintKey>,
    /// The state file of syncs, byte for byte.
    pub state: Option<Vec<u8>>,
}

/// One value in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupValue {
    /// The value.
    pub value: SecretValue,
    /// Since when it is the same, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What is sealed, as JSON.
#[derive(Serialize, Deserialize)]
struct Content {
    format: String,
    version: u32,
    org: OrgName,
    project: RepoName,
    env: EnvName,
    time: Timestamp,
    secrets: BTreeMap<SecretName, BackupValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint_key: Option<SecretValue>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

const FORMAT: &str = "infra-sdk backup";
const VERSION: u32 = 1;
const LIMIT: u64 = 256_000_000;

impl Backup {
    fn to_bytes(&self) -> Result<SecretBytes> {
        let content = Content {
            format: FORMAT.to_owned(),
            version: VERSION,
            org: self.org.clone(),
            project: self.project.clone(),
            env: self.env.clone(),
            time: self.time,
            secrets: self.values.clone(),
            fingerprint_key: self.fingerprint_key.as_ref().map(FingerprintKey::to_hex),
            state: self.state.as_ref().map(|state| STANDARD.encode(state)),
        };
        let bytes = exposing(|| serde_json::to_vec(&content))
            .map_err(|_| Error::new(ErrorKind::Bug, "write a backup as JSON").hint("please report this"))?;
        Ok(SecretBytes::new(bytes))
    }

    fn from_bytes(bytes: &SecretBytes) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        // The parser's own messages may show what it read.
        let head: Head = serde_json::from_slice(bytes.expose()).map_err(|_| foreign())?;
        if head.format != FORMAT {
            return Err(foreign());
        }
        if head.version != VERSION {
            return Err(Error::invalid("the backup was written by another version of this crate")
                .with("version", head.version)
                .hint("use the version of infra-sdk that wrote it"));
        }
        let damaged = || {
            Error::invalid("the backup does not hold what it should")
                .hint("use another backup, or the version of infra-sdk that wrote it")
        };
        let content: Content = serde_json::from_slice(bytes.expose()).map_err(|_| damaged())?;
        let state = content.state.map(|state| STANDARD.decode(state)).transpose().map_err(|_| damaged())?;
        Ok(Backup {
            org: content.org,
            project: content.project,
            env: content.env,
            time: content.time,
            values: content.secrets,
            fingerprint_key: content.fingerprint_key.as_ref().map(FingerprintKey::from_hex).transpose()?,
            state,
        })
    }

    /// What it holds, without values.
    fn report(&self, path: &Path) -> BackupReport {
        BackupReport {
            path: path.to_owned(),
            from: format!("{}/{}/{}", self.org, self.project, self.env),
            secrets: self.values.keys().cloned().collect(),
            fingerprint_key: self.fingerprint_key.is_some(),
            state: self.state.is_some(),
        }
    }
}

fn foreign() -> Error {
    Error::invalid("this is not a backup of infra-sdk").hint("name a file that `infra:secrets:backup` wrote")
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("from", &format_args!("{}/{}/{}", self.org, self.project, self.env))
            .field("time", &self.time)
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

/// A backup that was written, and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// The file.
    pub path: PathBuf,
    /// `ORG/PROJECT/ENV`.
    pub from: String,
    /// The secrets in it.
    pub secrets: Vec<SecretName>,
    /// Whether it holds the key of fingerprints.
    pub fingerprint_key: bool,
    /// Whether it holds the state of syncs.
    pub state: bool,
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} secrets of {}", self.path.display(), self.secrets.len(), self.from)?;
        if self.fingerprint_key {
            f.write_str(", the key of fingerprints")?;
        }
        if self.state {
            f.write_str(", the state of syncs")?;
        }
        f.write_str("; encrypted, read back and compared")
    }
}

/// Encrypts a backup into a new file that only its owner can read, reads it back, decrypts it and compares everything.
///
/// # Errors
/// `Conflict` when a file stands there: it is never replaced. What the sealer fails with, also when it cannot decrypt:
/// then nothing is written. `Io` when the file cannot be written or came back changed; then it is removed again.
pub fn seal_backup(backup: &Backup, sealer: &dyn Sealer, path: &Path) -> Result<BackupReport> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorKind::Conflict, "a file stands where the backup should be")
            .with("path", path.display())
            .hint("name another file: a backup is never replaced"));
    }
    let plain = backup.to_bytes()?;
    let sealed = sealer.seal(plain.expose()).context("encrypt the backup")?;
    let same = |sealed: &[u8]| Ok::<_, Error>(sealer.unseal(sealed)?.expose() == plain.expose());
    // Whoever makes a backup has to be able to open it, or nobody knows whether it is one.
    let opens = same(&sealed).context("decrypt the backup again, to check it")?;
    if !opens || Backup::from_bytes(&plain)?.to_bytes()?.expose() != plain.expose() {
        return Err(Error::new(ErrorKind::Bug, "what was encrypted is not what comes back")
            .hint("please report this; nothing was written"));
    }
    file::write_new(path, &sealed, Access::Private).context("write the backup")?;
    let read = file::read(path, LIMIT).and_then(|read| match read {
        Some(read) => same(&read),
        None => Ok(false),
    });
    match read {
        Ok(true) => Ok(backup.report(path)),
        other => {
            let _ = std::fs::remove_file(path);
            let error = Error::new(ErrorKind::Io, "the backup came back from the disk changed")
                .with("path", path.display())
                .hint("write it to another disk");
            Err(match other {
                Err(cause) => error.because(cause),
                Ok(_) => error,
            })
        }
    }
}

/// Reads and decrypts a backup.
///
/// # Errors
/// `NotFound` when there is no such file; `Denied` or `NotFound` when the key at hand cannot open it; `Invalid` when it is
/// not a backup, was cut or changed, or is of another version.
pub fn open_backup(path: &Path, sealer: &dyn Sealer) -> Result<Backup> {
    let sealed = file::read(path, LIMIT)?.ok_or_else(|| {
        Error::not_found("there is no such backup")
            .with("path", path.display())
            .hint("name a file that `infra:secrets:backup` wrote")
    })?;
    let open = || Backup::from_bytes(&sealer.unseal(&sealed)?);
    open().context(format!("open the backup {}", path.display()))
}
