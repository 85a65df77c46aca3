//! How a registry keeps the images of one name: the port to registries that have settings for it.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::names::ImageName;

/// How the images of one name should be kept. Tags cannot be moved, and what is pushed is scanned, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositorySpec {
    /// The images' name.
    pub name: ImageName,
    /// How many tagged images are kept.
    pub keep: u16,
    /// After how many days an image without a tag goes.
    pub keep_untagged: u64,
    /// Other accounts that may pull, as 12 digits each.
    pub pull_accounts: Vec<String>,
    /// The key that encrypts; default: the registry's own.
    pub key: Option<String>,
}

/// A registry whose repositories are made and set up before anything is pushed.
///
/// # Contract
/// 1. `plan` changes nothing, and after `apply` the same plan has no change left.
/// 2. What stands in a repository beside the settings of [`RepositorySpec`], such as permissions that others gave, stays.
/// 3. What cannot be changed any more stands in the plan's `fixed`; nothing is deleted to change it all the same.
#[async_trait]
pub trait Repositories: Send + Sync {
    /// How messages call this registry.
    fn name(&self) -> &str;

    /// Compares a repository with what is wanted.
    ///
    /// # Errors
    /// `Invalid` for what the registry could not do; `Denied`, `Unavailable` or `TimedOut`.
    async fn plan(&self, wanted: &RepositorySpec) -> Result<RepositoryPlan>;

    /// Makes the changes of a plan.
    ///
    /// # Errors
    /// `Conflict` when somebody else made the repository meanwhile; `Denied`, `Unavailable` or `TimedOut`. What was
    /// changed before that stays, and the next plan goes on from there.
    async fn apply(&self, plan: &RepositoryPlan) -> Result<()>;
}

/// What setting up one repository would change.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryPlan {
    /// The registry.
    pub registry: String,
    /// The repository's name there.
    pub repository: String,
    /// What would change, in this order.
    pub changes: Vec<RepositoryChange>,
    /// What is not as wanted, and can only be chosen when a repository is made.
    pub fixed: Vec<String>,
    /// What it was planned for.
    #[serde(skip)]
    pub wanted: RepositorySpec,
}

/// One change of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum RepositoryChange {
    /// It is made, with tags that cannot be moved, a scan on every push, and this encryption.
    Create {
        /// Such as `AES256`, or `KMS` with its key.
        encryption: String,
    },
    /// Tags cannot be moved any more.
    Tags {
        /// What the registry said of them before.
        was: String,
    },
    /// What is pushed is scanned.
    Scan,
    /// Old images go.
    Lifecycle {
        /// How many tagged images are kept.
        keep: u16,
        /// After how many days an image without a tag goes.
        keep_untagged: u64,
        /// How many rules that stood there are replaced.
        replaces: usize,
    },
    /// Other accounts may pull, or may no longer.
    Pull {
        /// The accounts that may.
        accounts: Vec<String>,
        /// How many permissions of others stay.
        others: usize,
    },
}

impl fmt::Display for RepositoryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepositoryChange::Create { encryption } => {
                write!(f, "make it: tags cannot be moved, scanned on push, encrypted with {encryption}")
            }
            RepositoryChange::Tags { was } => write!(f, "tags cannot be moved any more (now {was})"),
            RepositoryChange::Scan => f.write_str("scan what is pushed"),
            RepositoryChange::Lifecycle { keep, keep_untagged, replaces } => {
                write!(f, "keep {keep} tagged images, and those without a tag for {keep_untagged} days")?;
                if *replaces > 0 { write!(f, " (in place of {replaces} rules)") } else { Ok(()) }
            }
            RepositoryChange::Pull { accounts, others } => {
                match accounts.as_slice() {
                    [] => f.write_str("no other account may pull any more")?,
                    accounts => write!(f, "let {} pull", accounts.join(", "))?,
                }
                if *others > 0 { write!(f, " ({others} permissions of others stay)") } else { Ok(()) }
            }
        }
    }
}

impl RepositoryPlan {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for RepositoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.repository, self.registry)?;
        if self.is_empty() {
            f.write_str(": nothing to change")?;
        }
        self.changes.iter().try_for_each(|change| write!(f, "\n  {change}"))?;
        self.fixed.iter().try_for_each(|fixed| write!(f, "\n  cannot be changed: {fixed}"))
    }
}

/// The set-up of all repositories of a repo.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoriesReport {
    /// Each of them, in each registry.
    pub repositories: Vec<RepositoryPlan>,
    /// Whether the changes were made, or only planned.
    pub done: bool,
}

impl RepositoriesReport {
    /// How many changes there are.
    pub fn changes(&self) -> usize {
        self.repositories.iter().map(|plan| plan.changes.len()).sum()
    }

    /// Refuses what is not as wanted and cannot be changed.
    ///
    /// # Errors
    /// `Conflict`, naming the repositories.
    pub fn complete(&self) -> Result<()> {
        let fixed: Vec<&RepositoryPlan> =
            self.repositories.iter().filter(|plan| !plan.fixed.is_empty()).collect();
        let Some(first) = fixed.first() else { return Ok(()) };
        let names: Vec<&str> = fixed.iter().map(|plan| plan.repository.as_str()).collect();
        Err(Error::new(
            ErrorKind::Conflict,
            "a repository is not as wanted, and this cannot be changed any more",
        )
        .with("repositories", names.join(", "))
        .with("why", &first.fixed[0])
        .hint("set `kms_key` of `[ecr]` to what the repository has")
        .hint(
            "or give the image another name, push there, and delete the old repository when nothing uses it",
        ))
    }
}

impl fmt::Display for RepositoriesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for plan in &self.repositories {
            writeln!(f, "{plan}")?;
        }
        match (self.changes(), self.done) {
            (0, _) => f.write_str("nothing to change"),
            (count, true) => write!(f, "{count} changes made"),
            (count, false) => write!(f, "{count} changes to make"),
        }
    }
}
