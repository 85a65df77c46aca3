//! The address a service is reached at: encrypted, or on this machine.

use crate::error::{Error, Result};
use crate::names::quoted;

/// A checked address that ends with a slash.
#[derive(Clone, Debug)]
pub(crate) struct Base(reqwest::Url);

impl Base {
    /// Checks `text`: `https`, or `http` to this machine; no user, query or fragment.
    pub(crate) fn parse(service: &str, text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::invalid(format!("the address of {service} {why}"))
                .with("address", quoted(text))
                .hint("write it like `https://api.example.com/v1`; plain `http` reaches this machine only"))
        };
        let Ok(mut url) = reqwest::Url::parse(text) else { return refuse("is not a URL") };
        if !url.username().is_empty() || url.password().is_some() {
            // Not shown: it may hold a password.
            return Err(Error::invalid(format!("the address of {service} holds a user or a password"))
                .hint("give the token by its variable, and the address without it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("has a query or a fragment");
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return refuse("is not encrypted"),
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Base(url))
    }

    /// Whether requests stay on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The address itself.
    pub(crate) fn url(&self) -> &reqwest::Url {
        &self.0
    }

    /// Host, and the port where it is not the usual one.
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The address of `path` below this one; `None` if it would lie elsewhere.
    pub(crate) fn below(&self, path: &str, query: &str) -> Option<reqwest::Url> {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path()));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        url.path().strip_prefix(self.0.path()).is_some_and(|kept| kept == path).then_some(url)
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.is_ok_and(|address| address.is_loopback()) || host == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_or_local_and_ends_with_a_slash() {
        let below = |base: &str| Base::parse("X", base).unwrap().below("a/b%2Fc", "").unwrap().to_string();
        assert_eq!(below("https://api.example.com"), "https://api.example.com/a/b%2Fc");
        assert_eq!(below("https://ghe.example.com/api/v3"), "https://ghe.example.com/api/v3/a/b%2Fc");
        assert_eq!(below("http://127.0.0.1:8080/x/"), "http://127.0.0.1:8080/x/a/b%2Fc");
        assert!(Base::parse("X", "http://[::1]:1").unwrap().is_local());
        assert_eq!(Base::parse("X", "http://localhost:81/x").unwrap().authority(), "localhost:81");
        let secret = "https://me:canary@example.com";
        for bad in ["", "api.example.com", "http://example.com", "ftp://127.0.0.1", "https://x/?a", secret] {
            let error = Base::parse("X", bad).unwrap_err();
            assert!(!error.hints().is_empty() && !format!("{error:?}").contains("canary"), "{bad}");
        }
        for away in ["../up", "a/../..", "%2e%2e/up"] {
            assert!(Base::parse("X", "https://x/v1").unwrap().below(away, "").is_none(), "{away}");
        }
    }
}
