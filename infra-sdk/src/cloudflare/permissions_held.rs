//! What a token may do, as far as it may read that of itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::permissions::Permission;
use crate::cloudflare::verify::TokenStatus;
use crate::config::Jurisdiction;
use crate::error::Result;
use crate::http::Method;

/// What stands before an account, and a bucket, in the names of resources
/// (<https://developers.cloudflare.com/fundamentals/api/how-to/create-via-api/>,
/// <https://developers.cloudflare.com/r2/api/tokens/#access-policy>).
const ACCOUNT: &str = "com.cloudflare.api.account.";
const BUCKET: &str = "com.cloudflare.edge.r2.bucket.";

/// The group that is enough for the objects of one bucket, and for nothing else of R2.
const OBJECTS: &str = "Workers R2 Storage Bucket Item Write";

/// The policies of a token.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Held {
    policies: Vec<Policy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Policy {
    effect: String,
    permission_groups: Vec<Group>,
    resources: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Group {
    name: String,
}

impl Cloudflare {
    /// The policies of the token itself.
    ///
    /// # Errors
    /// `Denied` naming the permission for a token that may not read them.
    pub(super) async fn held(&self, status: &TokenStatus) -> Result<Held> {
        let (path, needed) = match &status.account {
            None => (vec!["user", "tokens", &status.id], Permission::USER_TOKENS),
            Some(account) => (vec!["accounts", account, "tokens", &status.id], Permission::ACCOUNT_TOKENS),
        };
        Ok(self.permitted(self.call(Method::Get, &path)?, needed).await?.0)
    }
}

impl Held {
    /// Whether the token has a permission for an account.
    pub(super) fn allows(&self, needed: Permission, account: &str) -> bool {
        let covers = |resource: &str| {
            resource.strip_prefix(ACCOUNT).is_some_and(|which| which == "*" || which == account)
        };
        self.decides(|group| needed.is_in(group), covers)
    }

    /// Whether it has it for anything at all, whatever else is denied: which zones it is for is told by what it sees.
    pub(super) fn allows_some(&self, needed: Permission) -> bool {
        self.says("allow", &|group| needed.is_in(group), &|_| true)
    }

    /// Whether it may use the objects of a bucket.
    pub(super) fn allows_objects(
        &self,
        account: &str,
        jurisdiction: Option<Jurisdiction>,
        name: &str,
    ) -> bool {
        let within = jurisdiction.map_or("default", Jurisdiction::as_str);
        let bucket = format!("{BUCKET}{account}_{within}_{name}");
        self.allows(Permission::R2, account)
            || self.decides(|group| group == OBJECTS, |resource| resource == bucket)
    }

    /// A policy that denies goes before all that allow.
    fn decides(&self, group: impl Fn(&str) -> bool, covers: impl Fn(&str) -> bool) -> bool {
        self.says("allow", &group, &covers) && !self.says("deny", &group, &covers)
    }

    /// Whether a policy with this effect is about such a group and such a resource.
    fn says(&self, effect: &str, group: &dyn Fn(&str) -> bool, covers: &dyn Fn(&str) -> bool) -> bool {
        self.policies.iter().any(|policy| {
            policy.effect == effect
                && policy.permission_groups.iter().any(|known| group(&known.name))
                && policy.resources.keys().any(|resource| covers(resource))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(policies: Value) -> Held {
        serde_json::from_value(json!({"id": "x", "name": "ci", "policies": policies})).unwrap()
    }

    fn policy(effect: &str, group: &str, resource: &str) -> Value {
        json!({"effect": effect, "permission_groups": [{"id": "1", "name": group}], "resources": {resource: "*"}})
    }

    #[test]
    fn a_permission_is_for_the_account_it_names_or_for_all() {
        for (resource, mine, theirs) in
            [("com.cloudflare.api.account.a1", true, false), ("com.cloudflare.api.account.*", true, true)]
        {
            let held = held(json!([policy("allow", "Workers Scripts Write", resource)]));
            assert_eq!(held.allows(Permission::SCRIPTS, "a1"), mine);
            assert_eq!(held.allows(Permission::SCRIPTS, "b2"), theirs);
            assert!(!held.allows(Permission::R2, "a1"));
        }
        let zone = "com.cloudflare.api.account.zone.z1";
        let zones = held(json!([policy("allow", "Zone Read", zone)]));
        assert!(zones.allows_some(Permission::ZONE) && !zones.allows(Permission::SCRIPTS, "zone.z1"));
    }

    #[test]
    fn what_is_denied_is_not_allowed_by_another_policy() {
        let all = "com.cloudflare.api.account.*";
        let both = json!([
            policy("allow", "Workers Scripts Write", all),
            policy("deny", "Workers Scripts Write", "com.cloudflare.api.account.a1"),
        ]);
        let held = held(both);
        assert!(!held.allows(Permission::SCRIPTS, "a1") && held.allows(Permission::SCRIPTS, "b2"));
    }

    #[test]
    fn a_zone_that_is_denied_does_not_take_the_permission_for_all_others() {
        let zone = |effect: &str, which: &str| {
            policy(effect, "Zone Read", &format!("com.cloudflare.api.account.zone.{which}"))
        };
        assert!(held(json!([zone("allow", "*"), zone("deny", "z1")])).allows_some(Permission::ZONE));
        assert!(!held(json!([zone("deny", "z1")])).allows_some(Permission::ZONE));
    }

    #[test]
    fn the_objects_of_one_bucket_may_be_all_of_r2_that_is_allowed() {
        let eu = "com.cloudflare.edge.r2.bucket.a1_eu_state";
        let held = held(json!([policy("allow", "Workers R2 Storage Bucket Item Write", eu)]));
        assert!(held.allows_objects("a1", Some(Jurisdiction::Eu), "state"));
        assert!(!held.allows_objects("a1", None, "state") && !held.allows(Permission::R2, "a1"));
    }
}
