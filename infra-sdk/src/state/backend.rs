//! The port to wherever Terraform keeps its state.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::names::OrgName;
use crate::secret::SecretValue;
use crate::state::StateKey;
use crate::time::Timestamp;

/// Keeps Terraform state, one whole file a [`StateKey`]. Terraform itself reads and writes it; this port
/// tells it where, and looks.
///
/// # Contract
/// - `settings` always gives the same for the same key, and different places for different keys. Their values hold no
///   credentials. Once they were given, Terraform can write there without further preparation.
/// - `read` gives the bytes Terraform wrote last, or `None` when there is no state.
/// - `list` gives the keys of one organisation that have a state, in order, and no other's.
/// - `snapshot` keeps a copy of the present state that later changes do not touch; `None` when there is no
///   state, or an empty one, which Terraform takes for none. An unchanged state gets no second copy: the id of the newest
///   is given again.
/// - `snapshots` lists the copies of one key, oldest first; `read_snapshot` gives the bytes of one, or `None`
///   when there is no such copy.
/// - `replace` writes a state where what was seen still lies there, `None` being nothing, and leaves it alone otherwise.
#[async_trait]
pub trait StateBackend: Send + Sync {
    /// Which backend Terraform is to use for this key, and its settings.
    ///
    /// # Errors
    /// `Denied` or `Io` when the place cannot be made ready.
    async fn settings(&self, key: &StateKey) -> Result<BackendSettings>;

    /// The present state. It may hold secrets: never print it.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>>;

    /// The keys of an organisation that have a state.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn list(&self, owner: &OrgName) -> Result<Vec<StateKey>>;

    /// Keeps a copy of the present state, as is done before and after each apply.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn snapshot(&self, key: &StateKey) -> Result<Option<SnapshotId>>;

    /// The copies of one state.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn snapshots(&self, key: &StateKey) -> Result<Vec<Snapshot>>;

    /// The bytes of one copy. They may hold secrets: never print them.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn read_snapshot(&self, key: &StateKey, id: &SnapshotId) -> Result<Option<Vec<u8>>>;

    /// Puts `content` in the place of what was seen there. `false` when something else lies there by now. Whoever calls it
    /// holds the lock of the state, see [`StateLocks`](crate::state::StateLocks).
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn replace(&self, key: &StateKey, seen: Option<&[u8]>, content: &[u8]) -> Result<bool>;
}

/// Which backend Terraform is to use: what stands in a generated `terraform { backend "…" { … } }`, and what only its
/// process is told. Credentials are told the process alone, so that no file and no saved plan ever holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendSettings {
    /// The backend's type: `local`, `s3`.
    pub kind: String,
    /// Its settings by name; never credentials.
    pub values: BTreeMap<String, Setting>,
    /// Variables of Terraform's process; an empty one stands for none.
    pub env: BTreeMap<String, String>,
    /// Credentials, by the variables that Terraform's process gets them in; hidden in all it prints.
    #[serde(skip)]
    pub credentials: BTreeMap<String, SecretValue>,
}

impl BackendSettings {
    /// Settings that need no variables.
    pub fn new(kind: impl Into<String>, values: BTreeMap<String, Setting>) -> Self {
        BackendSettings { kind: kind.into(), values, env: BTreeMap::new(), credentials: BTreeMap::new() }
    }
}

/// One setting of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Setting {
    /// A text.
    Text(String),
    /// A switch.
    Flag(bool),
    /// Texts by name.
    Map(BTreeMap<String, String>),
}

/// One copy of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// What to ask for it by.
    pub id: SnapshotId,
    /// When it was made.
    pub time: Timestamp,
    /// Its size in bytes.
    pub size: u64,
}

/// The name of one copy, unique within its key; only the backend that gave it can read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// For providers, and for an id that was noted earlier.
    pub fn new(text: impl Into<String>) -> Self {
        SnapshotId(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
