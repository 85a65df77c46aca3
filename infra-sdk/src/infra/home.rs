//! Where the local provider keeps what, below `INFRA_HOME`.

use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::error::Result;
use crate::names::{EnvName, Label, OrgName, RepoName};

/// The folders of one project in one environment.
///
/// ```text
/// INFRA_HOME/
///   tools/                          programs fetched by infra:tools:install
///   cache/                          pinned organisation files
///   snapshots/                      the SDK itself, where a new repo could not pin a release
///   ORG/ledger.jsonl                every change of the organisation
///   ORG/registry/ build/            its images, as OCI layouts
///   ORG/runs/                       deploys over many repos
///   ORG/ENV/params/ events.jsonl    what repos tell each other
///   ORG/ENV/state/ locks/           Terraform state, deploy locks
///   ORG/ENV/secrets/PROJECT/        values, readable by their owner only
///   ORG/ENV/terraform/PROJECT/      working copies of stacks
///   ORG/ENV/plans/PROJECT/          saved plans, encrypted
///   ORG/ENV/deploy/PROJECT/         releases
///   ORG/ENV/dev/PROJECT/            what infra:dev runs: the store of its NATS server
/// ```
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    org: OrgName,
    env: EnvName,
    project: RepoName,
}

impl Home {
    /// The folders below `INFRA_HOME` of `env`; nothing is made yet.
    ///
    /// # Errors
    /// As [`Env::infra_home`].
    pub fn new(env: &Env, org: OrgName, environment: EnvName, project: RepoName) -> Result<Self> {
        Ok(Home { root: env.infra_home()?, org, env: environment, project })
    }

    /// `INFRA_HOME` itself; tools and caches are shared by all organisations.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The organisation's ledger.
    pub fn ledger(&self) -> PathBuf {
        self.org().join("ledger.jsonl")
    }

    /// How far each ledger went when this machine last saw it.
    pub fn ledger_heads(&self) -> PathBuf {
        self.org().join("ledger-heads")
    }

    /// The organisation's deploys over many repos.
    pub fn runs(&self) -> PathBuf {
        self.org().join("runs")
    }

    /// The organisation's images.
    pub fn registry(&self) -> PathBuf {
        self.org().join("registry")
    }

    /// Where this project's images are built.
    pub fn build(&self, image: &Label) -> PathBuf {
        self.org().join("build").join(self.project.as_str()).join(image.as_str())
    }

    /// What repos tell each other in this environment.
    pub fn params(&self) -> PathBuf {
        self.environment().join("params")
    }

    /// The events of this environment.
    pub fn events(&self) -> PathBuf {
        self.environment().join("events.jsonl")
    }

    /// The Terraform state of this environment.
    pub fn state(&self) -> PathBuf {
        self.environment().join("state")
    }

    /// The locks of this environment.
    pub fn locks(&self) -> PathBuf {
        self.environment().join("locks")
    }

    /// This project's secrets in this environment.
    pub fn secrets(&self) -> PathBuf {
        self.environment().join("secrets").join(self.project.as_str())
    }

    /// The working copy of one stack in this environment.
    pub fn terraform(&self, stack: &Label) -> PathBuf {
        self.environment().join("terraform").join(self.project.as_str()).join(stack.as_str())
    }

    /// This project's saved plans in this environment, encrypted.
    pub fn plans(&self) -> PathBuf {
        self.environment().join("plans").join(self.project.as_str())
    }

    /// This project's releases in this environment.
    pub fn deploy(&self) -> PathBuf {
        self.environment().join("deploy").join(self.project.as_str())
    }

    /// What runs while somebody works on this project.
    pub fn dev(&self) -> PathBuf {
        self.environment().join("dev").join(self.project.as_str())
    }

    fn org(&self) -> PathBuf {
        self.root.join(self.org.as_str())
    }

    fn environment(&self) -> PathBuf {
        self.org().join(self.env.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_repos_of_one_organisation_share_what_they_should_and_nothing_else() {
        let env = Env::of([("INFRA_HOME", "/h")], "/");
        let home = |project: &str, environment: &str| {
            let parse = |text: &str| OrgName::new(text).unwrap();
            Home::new(&env, parse("acme"), environment.parse().unwrap(), project.parse().unwrap()).unwrap()
        };
        let (api, web) = (home("api", "local"), home("web", "local"));
        assert_eq!((api.params(), api.ledger()), (web.params(), web.ledger()));
        assert_ne!(api.secrets(), web.secrets());
        assert_ne!(api.deploy(), web.deploy());
        assert_ne!(api.params(), home("api", "staging").params());
        assert_eq!(api.secrets(), Path::new("/h/acme/local/secrets/api"));
    }
}
