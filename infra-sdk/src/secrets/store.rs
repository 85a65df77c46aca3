//! The ports to stores of secrets: all can be written to, some give values back.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::change::{SecretChange, WriteReport};
use crate::time::Timestamp;

/// A store of secrets that can be listed and written to; many never give a value back.
///
/// # Contract
/// 1. A store nobody has written to lists nothing.
/// 2. `look` gives each secret once, sorted by name as [`key`](SecretStore::key) shows it, without its value; names that
///    cannot be a [`SecretName`] are somebody else's and are left out. Given the mark of an earlier look it may answer
///    `Unchanged` if nothing was written since, by anybody; a mark it does not know is ignored.
/// 3. After a put the secret is listed; a second put of the same name replaces it.
/// 4. Where a store has stamps, a put changes the stamp of its name, also when the value stays the same, unless the store
///    sees that it does and leaves everything as it is; `look` shows the stamp that the put reported. Stamps that are times tell puts apart only a tick of that clock after each other, and
///    those that count may start again once a name was deleted.
/// 5. A delete removes the secret; deleting one that is not there succeeds and is reported as written.
/// 6. A batch may be empty, and may be larger than what one request of the store can carry.
/// 7. A batch that names a secret twice, puts an empty value or one with a NUL byte, or holds a name or value this store
///    cannot take, fails with `Invalid` before anything is written: what `check` refuses, `write` refuses.
/// 8. Each change is made whole or not at all. The batch as a whole is not promised to be: when the store fails in the
///    middle, [`WriteReport::written`] lists what was done and [`WriteReport::failure`] says why the rest was not. A change
///    that is not listed may still have been made if the failure is retryable; making it again does no harm.
/// 9. The report lists each change that was made once, in any order.
/// 10. Secrets that the batch does not name stay as they are.
/// 11. No error, report or list holds a value.
/// 12. Each request is made once: the caller decides about doing it again. A request that may succeed later fails with an
///     error that says so; where the service asked for a slower pace, with one that carries
///     [its wish](Error::throttle).
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// How messages call this store, such as `the GitHub secrets of acme/shop-api`.
    fn name(&self) -> &str;

    /// What tells this place from every other, such as `github:acme/shop-api`; the same in every run and on every
    /// machine, for fingerprints are bound to it.
    fn id(&self) -> &str;

    /// What requests cost here.
    fn costs(&self) -> Costs;

    /// The name as the store keeps it; two names with the same key are one secret there.
    fn key(&self, name: &SecretName) -> String;

    /// Refuses, without any request, a change that this store could not take: its name, its value's size and form.
    ///
    /// # Errors
    /// `Invalid`, naming the secret and the rule, never the value.
    fn check(&self, change: &SecretChange) -> Result<()>;

    /// All secrets in the store, without their values, unless nothing changed since an earlier look.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn look(&self, since: Option<&Mark>) -> Result<Listing>;

    /// Makes changes, with as few requests as the store allows.
    ///
    /// # Errors
    /// When nothing was written: `Invalid` for a batch the store cannot take; `Denied`, `Unavailable` or `Io`.
    /// What fails later stands in the report: see [`WriteReport::complete`].
    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport>;

    /// All secrets in the store, without their values.
    ///
    /// # Errors
    /// As [`look`](SecretStore::look).
    async fn list(&self) -> Result<Vec<StoredSecret>> {
        match self.look(None).await? {
            Listing::Now { secrets, .. } => Ok(secrets),
            Listing::Unchanged => {
                Err(Error::new(ErrorKind::Bug, "a store answered `unchanged` without a mark")
                    .with("store", self.name())
                    .hint("please report this"))
            }
        }
    }
}

/// What a store answers to a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Nothing changed since the mark that was given.
    Unchanged,
    /// What is there now.
    Now {
        /// Each secret once, sorted by name.
        secrets: Vec<StoredSecret>,
        /// What to give to the next look, where the store has marks.
        mark: Option<Mark>,
    },
}

/// What a store gives to recognise an unchanged list, such as an `ETag`. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

impl Mark {
    /// A mark as the store gave it.
    pub fn new(mark: impl Into<String>) -> Self {
        Mark(mark.into())
    }

    /// The mark as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What requests cost at a store: how much one carries, and how often one may be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Puts that one request carries.
    pub puts: usize,
    /// Deletes that one request carries.
    pub deletes: usize,
    /// Whether puts and deletes may share a request.
    pub mixed: bool,
    /// Secrets that one request of a look gives.
    pub page: usize,
    /// Requests that are needed once before the first put, such as for a public key.
    pub opening: usize,
    /// How stamps become known.
    pub stamps: Stamps,
    /// Write requests a second to start with, as the service documents; `None` for no limit.
    pub pace: Option<f64>,
    /// How many secrets it holds, where that is few.
    pub capacity: Option<usize>,
    /// How far a look may be behind the writes.
    pub lag: Duration,
}

/// One change a request, a hundred names a look, no stamps and no limits.
impl Default for Costs {
    fn default() -> Self {
        Costs {
            puts: 1,
            deletes: 1,
            mixed: false,
            page: 100,
            opening: 0,
            stamps: Stamps::None,
            pace: None,
            capacity: None,
            lag: Duration::ZERO,
        }
    }
}

/// How the [`Stamp`] of a write becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// The store has none: what others change is not noticed, what they delete is.
    None,
    /// Each put reports it.
    OnWrite,
    /// The next look shows it.
    OnLook,
}

/// A store that gives values back.
///
/// # Contract
/// 1. `get` gives the value of the last put exactly, or `None` if there is none.
/// 2. `get_all` gives every secret that `get` gives.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// How messages call this store.
    fn name(&self) -> &str;

    /// One value; `None` when it is not there.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>>;

    /// All values.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>>;
}

/// What a store tells to recognise one write of a secret: a version, a time, a number. Opaque, compared for equality only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(String);

impl Stamp {
    /// A stamp as the store gave it.
    pub fn new(stamp: impl Into<String>) -> Self {
        Stamp(stamp.into())
    }

    /// The stamp as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret in a store, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredSecret {
    /// Its name.
    pub name: SecretName,
    /// Which write it comes from, where the store tells.
    pub stamp: Option<Stamp>,
    /// When it was written, where the store tells.
    pub updated: Option<Timestamp>,
}
