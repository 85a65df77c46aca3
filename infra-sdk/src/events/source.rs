//! Who tells an event: a repository, written as `/acme/shop-api`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::names::{OrgName, RepoName, quoted};

/// The repository an event comes from, as a URI reference of its own.
///
/// ```
/// use infra_sdk::events::Source;
/// let source: Source = "/acme/shop-api".parse()?;
/// assert_eq!(source.repo().as_str(), "shop-api");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    org: OrgName,
    repo: RepoName,
}

impl Source {
    /// The repository `repo` of `org`.
    pub fn new(org: OrgName, repo: RepoName) -> Self {
        Source { org, repo }
    }

    /// The organisation.
    pub fn org(&self) -> &OrgName {
        &self.org
    }

    /// The repository in it.
    pub fn repo(&self) -> &RepoName {
        &self.repo
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("/{}/{}", self.org, self.repo))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for Source {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.strip_prefix('/').and_then(|inner| inner.split_once('/'));
        let Some((org, repo)) = parts else {
            return Err(Error::invalid(format!("{} is not the source of an event", quoted(text)))
                .hint("write it like `/acme/shop-api`"));
        };
        Ok(Source { org: OrgName::new(org)?, repo: RepoName::new(repo)? })
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_exactly_an_organisation_and_a_repository() {
        assert_eq!("/acme/shop.api".parse::<Source>().unwrap().to_string(), "/acme/shop.api");
        for bad in ["", "acme/shop", "/acme", "/acme/", "/acme/a/b", "/acme/..", "/a b/c"] {
            assert!(bad.parse::<Source>().is_err(), "{bad:?} was accepted");
        }
    }
}
