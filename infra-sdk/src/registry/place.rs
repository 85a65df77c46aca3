//! Where a registry is: a host, and what stands before the names of its images.

use reqwest::Url;

use crate::error::{Error, Result};
use crate::http::base::{Base, is_loopback};
use crate::names::{ImageName, quoted};

/// A checked place such as `ghcr.io/acme`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    base: Base,
    /// As people and container engines write it.
    host: String,
    prefix: Option<ImageName>,
}

impl Place {
    /// `HOST[:PORT][/PREFIX]`, as infra.toml has it; also with `https://` before it, or with `http://` on this machine.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::invalid(format!("registry {} {why}", quoted(text)))
                .hint("write `registry` in infra.toml like `ghcr.io/acme`")
        };
        if text.contains('@') {
            // Not shown: it may hold a password.
            return Err(Error::invalid("the address of the registry holds a user or a password")
                .hint("log in with `docker login`, and give the address without them"));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let rest = rest.trim_end_matches('/');
        let (host, prefix) = rest.split_once('/').map_or((rest, None), |(host, prefix)| (host, Some(prefix)));
        let prefix = prefix
            .map(ImageName::new)
            .transpose()
            .map_err(|error| refuse("has a wrong path").because(error))?;
        // Docker's own registry is reached under another name than the one it is called by.
        let reached = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let url = |scheme: &str| Url::parse(&format!("{scheme}://{reached}/"));
        let local = url("http").is_ok_and(|url| is_loopback(&url));
        let scheme = scheme.unwrap_or(if local { "http" } else { "https" });
        let url = url(scheme).map_err(|error| refuse("is not a host").because(error))?;
        if host.is_empty() || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("is not a host and a path"));
        }
        Ok(Place { base: Base::parse("the registry", url.as_str())?, host: host.to_owned(), prefix })
    }

    /// As messages have it.
    pub(super) fn name(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{}/{prefix}", self.host),
            None => self.host.clone(),
        }
    }

    /// The name of an image in the whole registry.
    pub(super) fn repository(&self, image: &ImageName) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{image}"),
            // Docker's own images have a folder that nobody writes.
            None if self.host == "docker.io" && !image.as_str().contains('/') => format!("library/{image}"),
            None => image.to_string(),
        }
    }

    /// As container engines write an image.
    pub(super) fn address(&self, image: &ImageName) -> String {
        format!("{}/{}", self.host, self.repository(image))
    }

    /// The repository at an address of this registry; `None` when it is another's.
    pub(super) fn repository_at<'a>(&self, address: &'a str) -> Option<&'a str> {
        address.strip_prefix(&self.host)?.strip_prefix('/')
    }

    /// The address of `path` in the registry's interface.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        self.base.below(&format!("v2/{path}"), "").ok_or_else(|| {
            Error::invalid("the registry cannot be asked this")
                .with("path", quoted(path))
                .hint("correct the image's name")
        })
    }

    /// Host, and the port where it is not the usual one.
    pub(super) fn authority(&self) -> String {
        self.base.authority()
    }

    /// Whether requests stay on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.base.is_local()
    }

    /// Whether an address is the registry itself, which may see who asks.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.url().origin()
    }

    /// Whether an address the registry named may be used: encrypted, or on this machine like the registry.
    pub(super) fn may_use(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.is_local() && is_loopback(url),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_what_stands_before_names() {
        let image: ImageName = "shop-api/app".parse().unwrap();
        for (text, name, address, url) in [
            ("ghcr.io/acme", "ghcr.io/acme", "ghcr.io/acme/shop-api/app", "https://ghcr.io/v2/x"),
            ("localhost:5000", "localhost:5000", "localhost:5000/shop-api/app", "http://localhost:5000/v2/x"),
            (
                "127.0.0.1:5000/a/b/",
                "127.0.0.1:5000/a/b",
                "127.0.0.1:5000/a/b/shop-api/app",
                "http://127.0.0.1:5000/v2/x",
            ),
            (
                "https://localhost:5000",
                "localhost:5000",
                "localhost:5000/shop-api/app",
                "https://localhost:5000/v2/x",
            ),
            (
                "docker.io/acme",
                "docker.io/acme",
                "docker.io/acme/shop-api/app",
                "https://registry-1.docker.io/v2/x",
            ),
        ] {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.name().as_str(), place.address(&image).as_str()), (name, address));
            assert_eq!(place.url("x").unwrap().as_str(), url);
            assert_eq!(place.repository_at(address), Some(&address[address.find('/').unwrap() + 1..]));
            assert_eq!(place.repository_at("elsewhere.example.com/app"), None);
        }
        let docker = Place::parse("docker.io").unwrap();
        assert_eq!(docker.repository(&"alpine".parse().unwrap()), "library/alpine");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for bad in [
            "",
            "/",
            "http://ghcr.io",
            "ftp://localhost",
            "ghcr.io/A",
            "ghcr.io/../x",
            "a b",
            "x?y",
            "me:canary@x",
        ] {
            let error = Place::parse(bad).unwrap_err();
            assert!(
                !error.hints().is_empty() && !format!("{error:?}").contains("canary"),
                "{bad}: {error:?}"
            );
        }
    }

    #[test]
    fn an_address_of_the_registrys_is_used_if_it_is_as_safe() {
        let may = |place: &str, url: &str| Place::parse(place).unwrap().may_use(&Url::parse(url).unwrap());
        assert!(may("ghcr.io", "https://storage.example.com/x"));
        assert!(!may("ghcr.io", "http://ghcr.io/x") && !may("ghcr.io", "http://127.0.0.1/x"));
        assert!(may("localhost:1", "http://127.0.0.1:2/x") && !may("localhost:1", "http://example.com/x"));
    }
}
