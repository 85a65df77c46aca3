//! What a repo needs of Cloudflare, with what needs it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cloudflare::permissions::Permission;
use crate::cloudflare::worker::{WorkerPlace, WorkerUses};
use crate::config::{Jurisdiction, Location};

/// What a repo needs of Cloudflare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CloudflareNeeds {
    /// Zones, by name.
    pub zones: Vec<String>,
    /// Buckets of R2.
    pub buckets: Vec<BucketNeed>,
    /// Workers.
    pub workers: Vec<WorkerNeed>,
}

/// A bucket that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BucketNeed {
    /// The account.
    pub account: String,
    /// The bucket.
    pub name: String,
    /// Its jurisdiction.
    pub jurisdiction: Option<Jurisdiction>,
    /// Where it is to lie.
    pub location: Option<Location>,
    /// What needs it, in words.
    pub why: String,
    /// Whether its objects are reached with keys of this token, and not with others.
    pub by_token: bool,
}

/// A Worker that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerNeed {
    /// The account; `None` for the one that is meant where none is named.
    pub account: Option<String>,
    /// Its name.
    pub script: String,
    /// What needs it, in words.
    pub why: String,
    /// What releases of it are made from, if it is what they run as: the first of them makes it.
    pub releases: Option<WorkerPlace>,
}

impl WorkerNeed {
    /// What it uses beside its script; nothing where wrangler's settings cannot be read, which is told with the Worker.
    pub(super) fn uses(&self) -> WorkerUses {
        self.releases.as_ref().and_then(|place| place.uses().ok()).unwrap_or_default()
    }
}

/// A permission for an account, and all that needs it; without an account it is for zones.
pub(super) type NeededPermissions = BTreeMap<(Permission, Option<String>), Vec<String>>;

impl CloudflareNeeds {
    /// The accounts that are named for something that the token is used for, each once.
    pub(super) fn accounts(&self) -> Vec<&str> {
        let named = self.workers.iter().filter_map(|worker| worker.account.as_deref());
        let buckets = self.buckets.iter().filter(|bucket| bucket.by_token);
        let mut accounts: Vec<&str> = buckets.map(|bucket| bucket.account.as_str()).chain(named).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Whether something is to be looked for in the account that nobody names, or nothing anywhere.
    pub(super) fn wants_own_account(&self) -> bool {
        let nothing = self.accounts().is_empty() && self.buckets.is_empty();
        nothing || self.workers.iter().any(|worker| worker.account.is_none())
    }

    /// What works in an account that nobody names.
    pub(super) fn unnamed(&self) -> Vec<&str> {
        let unnamed = self.workers.iter().filter(|worker| worker.account.is_none());
        unnamed.map(|worker| worker.why.as_str()).collect()
    }

    /// The permissions that all of it takes; `own` is the account where none is named.
    pub(super) fn permissions(&self, own: Option<&str>) -> NeededPermissions {
        let mut needed = NeededPermissions::new();
        let mut need = |permission, account: Option<&str>, why: &str| {
            needed.entry((permission, account.map(str::to_owned))).or_default().push(why.to_owned());
        };
        for bucket in self.buckets.iter().filter(|bucket| bucket.by_token) {
            need(Permission::R2, Some(&bucket.account), &bucket.why);
        }
        for worker in &self.workers {
            let account = worker.account.as_deref().or(own);
            need(Permission::SCRIPTS, account, &worker.why);
            if worker.uses().containers {
                need(Permission::CONTAINERS, account, &format!("the containers of {}", worker.script));
            }
        }
        for zone in &self.zones {
            need(Permission::ZONE, None, &format!("the zone {zone}"));
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_is_needed_once_with_all_that_needs_it() {
        let worker = |account: Option<&str>, why: &str| WorkerNeed {
            account: account.map(str::to_owned),
            script: "shop".into(),
            why: why.into(),
            releases: None,
        };
        let needs = CloudflareNeeds {
            workers: vec![worker(None, "the store `worker`"), worker(Some("a1"), "releases")],
            ..CloudflareNeeds::default()
        };
        assert_eq!(needs.accounts(), ["a1"]);
        assert!(needs.wants_own_account() && CloudflareNeeds::default().wants_own_account());
        let permissions = needs.permissions(Some("a1"));
        let whys = &permissions[&(Permission::SCRIPTS, Some("a1".into()))];
        assert_eq!((permissions.len(), whys.join(", ").as_str()), (1, "the store `worker`, releases"));
    }

    #[test]
    fn the_account_of_a_bucket_with_keys_of_its_own_is_none_of_the_tokens() {
        let bucket = |by_token| BucketNeed {
            account: "a1".into(),
            name: "state".into(),
            jurisdiction: None,
            location: None,
            why: "Terraform state".into(),
            by_token,
        };
        let needs =
            |by_token| CloudflareNeeds { buckets: vec![bucket(by_token)], ..CloudflareNeeds::default() };
        assert_eq!(needs(true).accounts(), ["a1"]);
        assert_eq!(needs(false).accounts(), [""; 0]);
        // Nothing is asked of an account that nothing is needed of.
        assert!(!needs(false).wants_own_account() && needs(false).permissions(None).is_empty());
    }
}
