//! The port to leases: names that one holds for as long as it shows itself, and that are free soon after.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;

/// The shortest lease that is worth to be asked for: stores make a shorter one as long as this.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);

/// Keeps leases: who is there, by the store's own clock.
///
/// # Contract
/// - Of several that ask for one name at once, exactly one gets it; the others get the error of [`held_by`].
///   Different names do not touch each other.
/// - A lease that is not renewed is gone once its length has passed since it was given or last renewed: not before, and
///   at most two seconds later. What counts is the store's clock, or one that everybody who uses the store shares; never
///   a time that a caller names. A length below a second counts as a second. Where a server that was killed brings back a
///   lease that had ended, it may stand for twice its length and no longer.
/// - A lease may be gone earlier only when the process that holds it is proved to be gone.
/// - `renew` gives the lease its whole length again. It fails with `Conflict` when the lease is gone, whether
///   or not another holds the name now; it never takes a name again.
/// - A renewal whose answer was lost does no harm to the next: a lease is renewed by its id, also when its token is of before.
/// - `release` frees a lease that this id holds and says whether it did; another's is never touched.
/// - `leases` gives those that are held now whose names begin with `prefix`, with holder and note as they were given.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a name that nobody holds.
    ///
    /// # Errors
    /// `Locked` when another holds it; `Unavailable`, `Denied` or `Io`.
    async fn hold(&self, request: &LeaseRequest) -> Result<Lease>;

    /// Keeps the lease for its length from now on, and gives it back as it is kept now.
    ///
    /// # Errors
    /// `Conflict` when it is gone; `Unavailable`, `Denied` or `Io`, after which it may or may not have been renewed.
    async fn renew(&self, lease: &Lease) -> Result<Lease>;

    /// Frees the lease.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn release(&self, lease: &Lease) -> Result<bool>;

    /// Who holds a name that begins with `prefix`, in no order.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn leases(&self, prefix: &str) -> Result<Vec<Lease>>;
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The name: parts of `a-z 0-9 - _`, joined by `/`, such as `agents/4f2a9c` and `coordinator/20261129-231502-4f2a9c`.
    pub name: String,
    /// Who asks, for people.
    pub holder: String,
    /// What others may want to know of the holder: text of up to 500 kB.
    pub note: String,
    /// How long it lasts unless renewed.
    pub length: Duration,
}

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The name.
    pub name: String,
    /// Unique to this holding of it: another holding, also by the same process, has another one. Kept by renewing.
    pub id: String,
    /// Who holds it, for people.
    pub holder: String,
    /// What they noted.
    pub note: String,
    /// How long it lasts unless renewed.
    pub length: Duration,
    /// What the store tells this renewal of the lease by; for the store alone.
    pub token: String,
}

impl Lease {
    /// The lease that a request asks for, with an id of its own, before a store gives it a token.
    ///
    /// # Errors
    /// `Invalid` for a name that no lease can have; `Unavailable` when the system gives no randomness for the id.
    pub(crate) fn asked(request: &LeaseRequest) -> Result<Self> {
        check_name(&request.name)?;
        Ok(Lease {
            name: request.name.clone(),
            id: crate::id::unique()?,
            holder: request.holder.clone(),
            note: request.note.clone(),
            length: request.length.max(SHORTEST),
            token: String::new(),
        })
    }

    /// The error of a lease that its holder has no more.
    pub(crate) fn gone(&self) -> Error {
        Error::new(ErrorKind::Conflict, format!("the lease {} is gone", quoted(&self.name)))
            .hint("stop what was done under it: another may have begun")
    }
}

/// Whether a lease can have this name: parts of it are folders of one store and tokens of another's keys.
///
/// # Errors
/// `Invalid` when it cannot.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
    if name.len() > 200 || !name.split('/').all(plain) {
        return Err(Error::invalid(format!("{} is not the name of a lease", quoted(name))).hint(
            "use parts of lower-case letters, digits, `-` and `_`, joined by `/`, at most 200 in all",
        ));
    }
    Ok(())
}

/// A lease as stores write it down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LeaseRecord {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) holder: String,
    note: String,
    length_ms: u64,
}

impl From<&Lease> for LeaseRecord {
    fn from(lease: &Lease) -> Self {
        LeaseRecord {
            name: lease.name.clone(),
            id: lease.id.clone(),
            holder: lease.holder.clone(),
            note: lease.note.clone(),
            length_ms: u64::try_from(lease.length.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl LeaseRecord {
    /// How long it lasts unless renewed.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(self.length_ms)
    }

    /// The lease, with the token that its store has for it.
    pub(crate) fn into_lease(self, token: String) -> Lease {
        let length = self.length();
        Lease { name: self.name, id: self.id, holder: self.holder, note: self.note, length, token }
    }
}

/// The error of a name that another holds.
pub fn held_by(name: &str, holder: &str) -> Error {
    Error::new(ErrorKind::Locked, format!("{} is held by {}", quoted(name), holder.escape_debug()))
        .hint("wait for it to end; if its holder is gone, the lease ends by itself")
        .retryable()
}
