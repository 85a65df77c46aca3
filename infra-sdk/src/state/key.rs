//! The key under which one stack's state is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::names::{EnvName, Label, OrgName, RepoName, quoted};

const FILE: &str = "terraform.tfstate";

/// One stack of one repository in one environment: `acme/shop-api/staging/network/terraform.tfstate`.
///
/// ```
/// use infra_sdk::state::StateKey;
/// let key: StateKey = "acme/shop-api/staging/network/terraform.tfstate".parse()?;
/// assert_eq!(key.stack.as_str(), "network");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey {
    /// The organisation that owns the repository.
    pub owner: OrgName,
    /// The repository.
    pub repo: RepoName,
    /// The environment.
    pub env: EnvName,
    /// The stack.
    pub stack: Label,
}

impl StateKey {
    /// The folder of the key, without the file's name: `acme/shop-api/staging/network`.
    pub fn folder(&self) -> String {
        format!("{}/{}/{}/{}", self.owner, self.repo, self.env, self.stack)
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{FILE}", self.folder()))
    }
}

impl FromStr for StateKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [owner, repo, env, stack, FILE] = parts[..] else {
            return Err(Error::invalid(format!("{} is not the key of a Terraform state", quoted(text)))
                .hint("write it like `acme/shop-api/staging/network/terraform.tfstate`"));
        };
        Ok(StateKey { owner: owner.parse()?, repo: repo.parse()?, env: env.parse()?, stack: stack.parse()? })
    }
}

impl Serialize for StateKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_it_was_written_and_nothing_else_is_one() {
        let text = "acme/shop.api/staging/ecs-service/terraform.tfstate";
        assert_eq!(text.parse::<StateKey>().unwrap().to_string(), text);
        for bad in ["", "a/b/c/d", "a/b/c/d/e", "a/../c/d/terraform.tfstate", "/a/b/c/d/terraform.tfstate"] {
            assert!(bad.parse::<StateKey>().is_err(), "{bad:?} was accepted");
        }
    }
}
