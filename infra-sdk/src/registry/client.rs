//! A registry somewhere, and how it is spoken to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, USER_AGENT};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::http::tls::install_tls;
use crate::registry::auth::Auth;
use crate::registry::credentials::Credentials;
use crate::registry::place::Place;
use crate::retry::Retry;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may move before a request counts as dead.
const STALL: Duration = Duration::from_secs(60);
/// Larger blobs are sent in pieces, which can be taken up again after a broken connection.
const LARGE: u64 = 256 << 20;
/// The size of such pieces.
const PIECE: u64 = 64 << 20;

/// Images in a registry that speaks OCI's distribution protocol, such as GitHub's, Docker's or one on this machine.
///
/// Requests that may work the second time are made again, a few times. Who asks is told to the registry's own host alone,
/// and to the place that gives tokens for it.
///
/// ```
/// use std::sync::Arc;
/// use infra_sdk::images::ImageRegistry;
/// use infra_sdk::registry::{Anonymous, OciRegistry};
/// # fn main() -> infra_sdk::Result<()> {
/// let registry = OciRegistry::new("ghcr.io/acme", Arc::new(Anonymous))?;
/// assert_eq!(registry.address(&"shop-api/app".parse()?), "ghcr.io/acme/shop-api/app");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OciRegistry {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) client: reqwest::Client,
    pub(super) auth: Arc<Auth>,
    pub(super) retry: Retry,
    pub(super) stall: Duration,
    pub(super) pieces: Pieces,
    /// Uploads that the registry began when it was asked to mount a blob it could not mount.
    pub(super) begun: Arc<Mutex<BTreeMap<(String, Digest), reqwest::Url>>>,
}

/// When a blob is sent in pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces {
    /// Above this many bytes.
    pub(super) above: u64,
    /// Of this many bytes.
    pub(super) size: u64,
}

impl OciRegistry {
    /// The registry at `place`: `HOST[:PORT][/PREFIX]`, such as `ghcr.io/acme`. The prefix stands before the name of each
    /// image. It is spoken to over TLS, unless it is on this machine.
    ///
    /// # Errors
    /// `Invalid` for a place that is none; `Unavailable` when this machine has no certificates to trust.
    pub fn new(place: &str, credentials: Arc<dyn Credentials>) -> Result<Self> {
        install_tls();
        let place = Place::parse(place)?;
        let agent = HeaderValue::from_static(concat!("infra-sdk/", env!("CARGO_PKG_VERSION")));
        let mut builder = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(USER_AGENT, agent)]))
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false);
        if place.is_local() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("prepare connections to {}", place.name()))
                .because(error)
                .hint("install the system's CA certificates (package `ca-certificates`)")
        })?;
        let name = place.name();
        let auth = Arc::new(Auth::new(name.clone(), client.clone(), credentials));
        let pieces = Pieces { above: LARGE, size: PIECE };
        Ok(OciRegistry {
            place,
            name,
            client,
            auth,
            retry: Retry::default(),
            stall: STALL,
            pieces,
            begun: Arc::default(),
        })
    }

    /// Makes requests again as `retry` says; three times in all at first.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Gives a request up when nothing moves for this long; a minute at first.
    #[must_use]
    pub fn stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Sends blobs above `above` bytes in pieces of `size` bytes: 256 MiB and 64 MiB at first. A registry that keeps the first
    /// piece only, [as ECR does](https://github.com/aws/containers-roadmap/issues/2831), gets the blob as a whole all the same.
    #[must_use]
    pub fn pieces(mut self, above: u64, size: u64) -> Self {
        self.pieces = Pieces { above, size: size.max(1) };
        self
    }

    /// Sends every blob as a whole.
    #[must_use]
    pub fn whole_blobs(self) -> Self {
        self.pieces(u64::MAX, PIECE)
    }

    pub(super) fn begun(&self) -> MutexGuard<'_, BTreeMap<(String, Digest), reqwest::Url>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OciRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OciRegistry").field("place", &self.name).finish_non_exhaustive()
    }
}
