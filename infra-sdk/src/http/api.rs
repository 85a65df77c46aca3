//! One service: where it is, who asks, and what every request carries.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use crate::error::{Error, ErrorKind, Result};
use crate::http::base::Base;
use crate::http::tls::install_tls;
use crate::http::{Call, Method, Path};
use crate::mask::Masks;
use crate::secret::SecretValue;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take in all, unless said otherwise.
const WHOLE: Duration = Duration::from_secs(60);

/// How a service knows who asks.
#[derive(Debug)]
pub(crate) enum Auth {
    /// `Authorization: Bearer TOKEN`.
    Bearer(SecretValue),
    /// It does not: nothing is told.
    Nobody,
}

/// One JSON service, such as `GitHub`. Clones share their connections.
///
/// It never repeats a request, follows no redirect, and gives up after a minute.
#[derive(Clone)]
pub(crate) struct Api {
    pub(super) service: &'static str,
    pub(super) base: Base,
    pub(super) client: reqwest::Client,
    pub(super) timeout: Duration,
    /// What an answer must not show when it stands in an error.
    pub(super) masks: Masks,
}

impl Api {
    /// The service at `base`, with headers that every request carries; `service` is how messages call it.
    ///
    /// # Errors
    /// `Invalid` for a base that is neither encrypted nor local, or a token that no header can carry; `Unavailable`
    /// when this machine has no certificates to trust.
    pub(crate) fn new(
        service: &'static str,
        base: &str,
        auth: Auth,
        headers: &[(&'static str, &str)],
    ) -> Result<Self> {
        install_tls();
        let base = Base::parse(service, base)?;
        let masks = Masks::new();
        if let Auth::Bearer(token) = &auth {
            masks.add(token);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(default_headers(service, &auth, headers)?)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false);
        if base.is_local() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("prepare connections to {service}"))
                .because(error)
                .hint("install the system's CA certificates (package `ca-certificates`)")
        })?;
        Ok(Api { service, base, client, timeout: WHOLE, masks })
    }

    /// Gives each request this long in all.
    #[must_use]
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Host, and the port where it is not the usual one.
    pub(crate) fn authority(&self) -> String {
        self.base.authority()
    }

    /// A request, not yet made.
    pub(crate) fn call(&self, method: Method, path: &Path) -> Call<'_> {
        Call::new(self, method, path)
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("service", &self.service).field("base", &self.base.authority()).finish()
    }
}

/// Whether a text can be one: not nothing, and without blanks.
fn is_token(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

fn default_headers(service: &str, auth: &Auth, headers: &[(&'static str, &str)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    if let Auth::Bearer(token) = auth {
        let bearer = format!("Bearer {}", token.expose());
        let mut bearer =
            HeaderValue::from_str(&bearer).ok().filter(|_| is_token(token.expose())).ok_or_else(|| {
                // The cause would be a position in the token: nothing to act on.
                Error::invalid(format!(
                    "the token for {service} is empty or has characters that no token has"
                ))
                .hint("set it again, as one line without blanks around it")
            })?;
        bearer.set_sensitive(true);
        map.insert(AUTHORIZATION, bearer);
    }
    map.insert(USER_AGENT, HeaderValue::from_static(concat!("infra-sdk/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).map_err(|error| {
            Error::invalid(format!("a header of {service} cannot be sent"))
                .with("header", name)
                .because(error)
                .hint("leave out line breaks and control characters")
        })?;
        map.insert(HeaderName::from_static(name), value);
    }
    Ok(map)
}
