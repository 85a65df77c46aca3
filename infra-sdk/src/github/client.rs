//! Who asks GitHub, and where GitHub is.

use std::time::Duration;

use crate::config::Visibility;
use crate::env::{Env, GH_TOKEN, GITHUB_API_URL, GITHUB_TOKEN};
use crate::error::{Error, ErrorKind, Result};
use crate::github::GithubSecrets;
use crate::github::organisation::Newcomers;
use crate::github::place::Place;
use crate::http::{Api, Auth};
use crate::secret::SecretValue;

/// Where GitHub's API is, unless `GITHUB_API_URL` says otherwise.
const PUBLIC: &str = "https://api.github.com";
/// The version of the REST API that the requests here are written for
/// (<https://docs.github.com/en/rest/about-the-rest-api/api-versions>).
const VERSION: &str = "2022-11-28";

/// GitHub's API with a token. Clones share their connections.
///
/// Each request is made once and takes at most a minute.
///
/// ```
/// use infra_sdk::{Env, github::Github, secrets::SecretStore};
/// # fn main() -> infra_sdk::Result<()> {
/// let github = Github::new(&Env::of([("GH_TOKEN", "ghp_example")], "."))?;
/// let store = github.environment_secrets("Acme/shop-api", "production")?;
/// assert_eq!(store.id(), "github:acme/shop-api/environments/production");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Github {
    pub(super) api: Api,
}

impl Github {
    /// GitHub as the environment says: the token of `GH_TOKEN` or `GITHUB_TOKEN`, the address of `GITHUB_API_URL`.
    ///
    /// # Errors
    /// `Denied` without a token; otherwise as [`at`](Github::at).
    pub fn new(env: &Env) -> Result<Self> {
        let token = env.get(GH_TOKEN).or_else(|| env.get(GITHUB_TOKEN)).ok_or_else(|| {
            Error::new(ErrorKind::Denied, "there is no token for GitHub")
                .hint(format!(
                    "set {GH_TOKEN} to a token that may write: `Secrets` for repositories and organisations, \
                     `Environments` for environments"
                ))
                .hint(format!(
                    "in a workflow, use a token of an app: its own {GITHUB_TOKEN} cannot write secrets"
                ))
        })?;
        Self::at(env.get(GITHUB_API_URL).unwrap_or(PUBLIC), SecretValue::new(token))
    }

    /// GitHub at `address`, such as `https://github.example.com/api/v3`.
    ///
    /// # Errors
    /// `Invalid` for an address that is neither encrypted nor on this machine, or for text that no token is;
    /// `Unavailable` when this machine has no certificates to trust.
    pub fn at(address: &str, token: SecretValue) -> Result<Self> {
        let headers = [("accept", "application/vnd.github+json"), ("x-github-api-version", VERSION)];
        Ok(Github { api: Api::new("GitHub", address, Auth::Bearer(token), &headers)? })
    }

    /// Gives each request this long in all, in place of a minute.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Github { api: self.api.timeout(timeout) }
    }

    /// The Actions secrets of a repository, `OWNER/NAME`.
    ///
    /// # Errors
    /// `Invalid` for another form of name.
    pub fn repository_secrets(&self, repository: &str) -> Result<GithubSecrets> {
        Ok(GithubSecrets::new(self.api.clone(), Place::repository(repository)?, None))
    }

    /// The Actions secrets of one environment of a repository; the environment has to exist.
    ///
    /// # Errors
    /// `Invalid` for another form of name.
    pub fn environment_secrets(&self, repository: &str, environment: &str) -> Result<GithubSecrets> {
        Ok(GithubSecrets::new(self.api.clone(), Place::environment(repository, environment)?, None))
    }

    /// The Actions secrets of an organisation. A secret that is there keeps who may use it; a new one gets
    /// `visibility`, by default [`Private`](Visibility::Private), and with [`Selected`](Visibility::Selected) is for
    /// `repositories`: names with or without the organisation in front.
    ///
    /// # Errors
    /// `Invalid` for another form of name, for `Selected` without repositories, and for repositories without `Selected`.
    pub fn organisation_secrets(
        &self,
        organisation: &str,
        visibility: Option<Visibility>,
        repositories: &[String],
    ) -> Result<GithubSecrets> {
        let newcomers = Newcomers::new(organisation, visibility, repositories)?;
        Ok(GithubSecrets::new(self.api.clone(), Place::organisation(organisation)?, Some(newcomers)))
    }

    pub(super) fn is_public(api: &Api) -> bool {
        PUBLIC.strip_prefix("https://") == Some(api.authority().as_str())
    }
}
