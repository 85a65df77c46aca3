//! The three places GitHub keeps secrets in, and what differs between them.

use crate::error::{Error, Result};
use crate::http::Path;
use crate::names::quoted;

/// A place with secrets.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `the GitHub secrets of …`.
    pub(super) name: String,
    /// What stands in the id, percent-encoded, in lower case: GitHub does not tell these names apart by case.
    pub(super) id: String,
    /// Where the list is; the key and each secret lie below.
    pub(super) list: Path,
    /// How many secrets it holds.
    pub(super) most: usize,
    /// What to do if it is not there.
    pub(super) missing: String,
}

impl Place {
    /// A repository: at most 100 secrets
    /// (<https://docs.github.com/en/actions/reference/security/secrets#limits-for-secrets>).
    pub(super) fn repository(repository: &str) -> Result<Self> {
        let (owner, name) = split(repository)?;
        Ok(Place {
            name: format!("the GitHub secrets of {owner}/{name}"),
            id: Path::of(&[owner, name])?.as_str().to_lowercase(),
            list: Path::of(&["repos", owner, name, "actions", "secrets"])?,
            most: 100,
            missing: format!(
                "correct `repo` of the store in infra.toml, or give the token access to {owner}/{name}"
            ),
        })
    }

    /// An environment of a repository: at most 100 secrets.
    pub(super) fn environment(repository: &str, environment: &str) -> Result<Self> {
        let (owner, name) = split(repository)?;
        Ok(Place {
            name: format!("the GitHub secrets of environment {} of {owner}/{name}", quoted(environment)),
            id: Path::of(&[owner, name, "environments", environment])?.as_str().to_lowercase(),
            list: Path::of(&["repos", owner, name, "environments", environment, "secrets"])?,
            most: 100,
            missing: format!(
                "create the environment {} in the settings of {owner}/{name}, or correct `environment` of the store \
                 in infra.toml",
                quoted(environment)
            ),
        })
    }

    /// An organisation: at most 1,000 secrets.
    pub(super) fn organisation(organisation: &str) -> Result<Self> {
        Ok(Place {
            name: format!("the GitHub secrets of the organisation {organisation}"),
            id: Path::of(&["orgs", organisation])?.as_str().to_lowercase(),
            list: Path::of(&["orgs", organisation, "actions", "secrets"])?,
            most: 1000,
            missing:
                "correct `org` of the store in infra.toml, or use a token of an owner of the organisation"
                    .into(),
        })
    }

    /// Where the public key is.
    pub(super) fn key(&self) -> Result<Path> {
        self.list.join(&["public-key"])
    }

    /// Where one secret is.
    pub(super) fn secret(&self, key: &str) -> Result<Path> {
        self.list.join(&[key])
    }

    /// Adds to an error of `NotFound` what may be missing.
    pub(super) fn explain(&self, error: Error) -> Error {
        if error.kind() == crate::error::ErrorKind::NotFound {
            return error.hint(self.missing.clone());
        }
        error
    }
}

/// Owner and name of `OWNER/NAME`.
fn split(repository: &str) -> Result<(&str, &str)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match repository.split_once('/') {
        Some((owner, name))
            if [owner, name].iter().all(|part| !part.is_empty() && part.chars().all(allowed)) =>
        {
            Ok((owner, name))
        }
        _ => Err(Error::invalid(format!("{} is not the name of a repository", quoted(repository)))
            .hint("write it like `acme/shop-api`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_case_are_one_place_and_cannot_change_the_endpoint() {
        let place = Place::environment("Acme/Shop", "EU west/1").unwrap();
        assert_eq!(place.id, "acme/shop/environments/eu%20west%2f1");
        assert_eq!(
            place.secret("A").unwrap().as_str(),
            "repos/Acme/Shop/environments/EU%20west%2F1/secrets/A"
        );
        assert_eq!(Place::organisation("ACME").unwrap().id, "orgs/acme");
        for bad in ["", "acme", "acme/", "/shop", "a/b/c", "a b/c", "a/b?c", "../x", "a/.."] {
            assert!(Place::repository(bad).is_err(), "{bad:?}");
        }
        assert!(Place::environment("a/b", "..").is_err() && Place::organisation("").is_err());
    }
}
