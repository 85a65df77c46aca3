//! What a publisher promises of its tree: fields and types, kept beside the values.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{OrgName, ParamPath, RepoName};
use crate::refs::FieldType;

/// What was published at a path: every field with its type, and by whom.
///
/// It stands beside the tree and not in it: that of `/infrastructure/network` is `/infrastructure/network.contract`, a
/// text parameter that holds one JSON document:
///
/// ```json
/// {"format":1,"version":3,"repo":"acme/infrastructure","commit":"4f1c…","fields":{"vpc-id":"text","db/key":"secret"}}
/// ```
///
/// Fields are named by their path below the tree; a value at the path itself is the field with the empty name. Types are
/// the words of [`FieldType`]. What does not fit one parameter of 4,096 bytes goes on in `….contract.2`, `….contract.3`
/// and so on: each part is such a document with `format`, `version` and `fields`, and the first says in `parts` how many
/// there are. Parts of different versions are no contract: somebody is writing it just now, or was cut off.
///
/// A contract is written again when fields or types changed, and when another repo publishes: so `commit` is the commit at
/// which this shape was published first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Counts the shapes of this tree, from 1.
    pub version: u64,
    /// The repo that publishes, as `organisation/project`; `None` where that was not told.
    pub repo: Option<String>,
    /// The commit that was checked out when this shape was published first; `-dirty` at its end when files differed from
    /// it; `None` outside of git.
    pub commit: Option<String>,
    /// Every field, by its path below the tree.
    pub fields: BTreeMap<String, FieldType>,
}

/// Who publishes, for the [`Contract`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    repo: String,
    commit: Option<String>,
}

/// What follows a tree's path in that of its contract.
const ENDING: &str = ".contract";

impl Publisher {
    /// The repo of a project, and the commit that is checked out.
    ///
    /// # Errors
    /// `Invalid` for a commit that cannot be one: it has more than 80 characters, or others than `a-z 0-9 -`.
    pub fn new(org: &OrgName, project: &RepoName, commit: Option<String>) -> Result<Self> {
        if commit.as_ref().is_some_and(|commit| !is_commit(commit)) {
            return Err(Error::invalid("what was given as a commit cannot be one")
                .hint("give the id that `git rev-parse HEAD` prints"));
        }
        Ok(Publisher { repo: format!("{org}/{project}"), commit })
    }

    /// The repo, as `organisation/project`.
    pub(crate) fn repo(&self) -> &str {
        &self.repo
    }
}

impl Contract {
    /// The only format so far.
    pub(crate) const FORMAT: u32 = 1;

    /// Where the contract of the tree at `root` stands.
    ///
    /// ```
    /// use infra_sdk::refs::Contract;
    /// let path = Contract::path(&"/infrastructure/network".parse()?)?;
    /// assert_eq!(path.as_str(), "/infrastructure/network.contract");
    /// # Ok::<(), infra_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when the path is too long to have one.
    pub fn path(root: &ParamPath) -> Result<ParamPath> {
        part_path(root, 1)
    }

    /// The tree whose contract, or part of one, stands at `path`; `None` for every other path.
    pub fn tree_of(path: &ParamPath) -> Option<ParamPath> {
        let (root, rest) = path.as_str().rsplit_once(ENDING)?;
        let number = rest
            .strip_prefix('.')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        if rest.is_empty() || number { ParamPath::new(root).ok() } else { None }
    }

    /// Whether a text is `organisation/project`.
    pub(crate) fn is_repo(text: &str) -> bool {
        let names = text.split_once('/');
        names.is_some_and(|(org, repo)| OrgName::new(org).is_ok() && RepoName::new(repo).is_ok())
    }

    /// Where a field of the tree at `root` stands; `None` for what no value is published as.
    pub(crate) fn field_path(root: &ParamPath, name: &str) -> Option<ParamPath> {
        let at = if name.is_empty() { root.clone() } else { root.join(name).ok()? };
        Contract::tree_of(&at).is_none().then_some(at)
    }

    /// The same shape, whoever promised it.
    pub(crate) fn is_shape(&self, fields: &BTreeMap<String, FieldType>) -> bool {
        self.fields == *fields
    }

    /// Names the publisher.
    pub(crate) fn by(self, publisher: Option<&Publisher>) -> Self {
        match publisher {
            None => self,
            Some(Publisher { repo, commit }) => {
                Contract { repo: Some(repo.clone()), commit: commit.clone(), ..self }
            }
        }
    }

    /// Whether this contract names another repo than the publisher's.
    pub(crate) fn is_of_another(&self, publisher: Option<&Publisher>) -> bool {
        publisher.is_some_and(|publisher| self.repo.as_ref() != Some(&publisher.repo))
    }

    /// The fields at and below `path`, with their paths, when this is the contract of the tree at `root`.
    pub(crate) fn at(&self, root: &ParamPath, path: &ParamPath) -> Result<BTreeMap<ParamPath, FieldType>> {
        let mut fields = BTreeMap::new();
        for (name, kind) in &self.fields {
            let at = if name.is_empty() { root.clone() } else { root.join(name)? };
            if at == *path || at.below(path).is_some() {
                fields.insert(at, *kind);
            }
        }
        Ok(fields)
    }
}

pub(super) fn part_path(root: &ParamPath, number: usize) -> Result<ParamPath> {
    let number = if number == 1 { String::new() } else { format!(".{number}") };
    ParamPath::new(format!("{root}{ENDING}{number}"))
}

pub(super) fn is_commit(text: &str) -> bool {
    text.len() <= 80 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        if let Some(repo) = &self.repo {
            write!(f, " of {repo}")?;
        }
        match &self.commit {
            Some(commit) => write!(f, " at {}", commit.get(..12).unwrap_or(commit)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_contract_is_taken_for_one() {
        let tree = |path: &str| Contract::tree_of(&path.parse().unwrap()).map(|tree| tree.to_string());
        assert_eq!(tree("/a/b.contract").as_deref(), Some("/a/b"));
        assert_eq!(tree("/a/b.contract.12").as_deref(), Some("/a/b"));
        for other in
            ["/a/b", "/a/contract", "/a/b.contracts", "/a/b.contract.x", "/a/b.contract/c", "/a/.contract"]
        {
            assert_eq!(tree(other), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_a_commit_is_refused() {
        let by = |commit: &str| {
            Publisher::new(&"acme".parse().unwrap(), &"shop-api".parse().unwrap(), Some(commit.into()))
        };
        assert!(by(&format!("{}-dirty", "a".repeat(64))).is_ok());
        assert!(by("a b").is_err() && by(&"a".repeat(81)).is_err());
    }
}
