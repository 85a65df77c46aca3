//! Where everything of runs stands: keys of the bucket, subjects of the queue.

use crate::error::Result;
use crate::names::{EnvName, OrgName, RepoName};
use crate::nats::assets::WORK_SUBJECTS;
use crate::nats::subject::{text, token};
use crate::runs::{Offer, RunId};

/// What stands before a key in the subjects of the bucket's stream.
pub(super) const PREFIX: &str = "$KV.infra-runs.";

/// The keys of one organisation, which all begin with its name:
///
/// ```text
/// ORG.run.RUN.what         what a run is to do; written first, never changed
/// ORG.run.RUN.repo.REPO    how far a repo is
/// ORG.run.RUN.phase        how far the run is; written last, so that a run without one is not there yet
/// ORG.busy.ENV.REPO        which run has a repo
/// ORG.lease.NAME           who holds a name
/// ```
#[derive(Clone, Debug)]
pub(super) struct Keys {
    org: String,
}

impl Keys {
    pub(super) fn of(org: &OrgName) -> Self {
        Keys { org: token(org.as_str()) }
    }

    pub(super) fn what(&self, run: &RunId) -> String {
        format!("{}.run.{}.what", self.org, token(run.as_str()))
    }

    pub(super) fn phase(&self, run: &RunId) -> String {
        format!("{}.run.{}.phase", self.org, token(run.as_str()))
    }

    pub(super) fn repo(&self, run: &RunId, repo: &RepoName) -> String {
        format!("{}.run.{}.repo.{}", self.org, token(run.as_str()), token(repo.as_str()))
    }

    /// Everything of a run.
    pub(super) fn run(&self, run: &RunId) -> String {
        format!("{}.run.{}.>", self.org, token(run.as_str()))
    }

    /// The phases of all runs.
    pub(super) fn phases(&self) -> String {
        format!("{}.run.*.phase", self.org)
    }

    pub(super) fn busy(&self, env: &EnvName, repo: &RepoName) -> String {
        format!("{}.busy.{}.{}", self.org, token(env.as_str()), token(repo.as_str()))
    }

    /// The key of a lease: each part of its name is a token.
    pub(super) fn lease(&self, name: &str) -> String {
        let parts: Vec<String> = name.split('/').map(token).collect();
        format!("{}.lease.{}", self.org, parts.join("."))
    }

    /// The keys of the leases whose names begin with `prefix`, and some more.
    pub(super) fn leases(&self, prefix: &str) -> String {
        match prefix.rsplit_once('/') {
            None => format!("{}.lease.>", self.org),
            Some((whole, _)) => format!("{}.>", self.lease(whole)),
        }
    }

    /// The subject of the offers for a repo.
    pub(super) fn work(&self, env: &EnvName, repo: &RepoName) -> String {
        format!("{WORK_SUBJECTS}.{}.{}.{}", self.org, token(repo.as_str()), token(env.as_str()))
    }

    /// The subject of all offers in an environment.
    pub(super) fn work_in(&self, env: &EnvName) -> String {
        format!("{WORK_SUBJECTS}.{}.*.{}", self.org, token(env.as_str()))
    }

    /// The consumer that gives the offers for a repo. No token holds two `=` in a row.
    pub(super) fn consumer(&self, env: &EnvName, repo: &RepoName) -> String {
        format!("{}=={}=={}", self.org, token(repo.as_str()), token(env.as_str()))
    }

    /// What an offer is told apart from others by.
    pub(super) fn offer(&self, offer: &Offer) -> String {
        let Offer { run, repo, attempt, again, .. } = offer;
        format!("{}.{}.{}.{attempt}.{again}", self.org, token(run.as_str()), token(repo.as_str()))
    }
}

/// The last token of a key, as the text it stands for.
///
/// # Errors
/// `Invalid` for what no key of ours ends with.
pub(super) fn last(key: &str) -> Result<String> {
    text(key.rsplit('.').next().unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::of(&"acme".parse().unwrap())
    }

    #[test]
    fn a_dot_in_a_name_makes_no_other_token() {
        let (env, repo) = ("staging".parse().unwrap(), "shop.web-1_x".parse().unwrap());
        let run = "20261129-231502-4f2a9c".parse().unwrap();
        assert_eq!(keys().work(&env, &repo), "infra.v1.work.acme.shop=2Eweb-1_x.staging");
        assert_eq!(keys().repo(&run, &repo), "acme.run.20261129-231502-4f2a9c.repo.shop=2Eweb-1_x");
        assert_eq!(last(&keys().repo(&run, &repo)).unwrap(), "shop.web-1_x");
        assert_eq!(keys().consumer(&env, &repo), "acme==shop=2Eweb-1_x==staging");
    }

    #[test]
    fn leases_are_found_by_the_whole_parts_of_a_prefix() {
        assert_eq!(keys().lease("agents/4f2a9c"), "acme.lease.agents.4f2a9c");
        assert_eq!(keys().leases("agents/"), "acme.lease.agents.>");
        assert_eq!(keys().leases("agents/4f"), "acme.lease.agents.>");
        assert_eq!(keys().leases("ag"), "acme.lease.>");
    }
}
