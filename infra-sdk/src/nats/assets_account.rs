//! What an account allows, as far as making streams goes.

use serde_json::Value;

use crate::events::Obstacle;
use crate::nats::assets::Asset;

/// Who is in the way where an account has no room.
pub(super) const ACCOUNT: &str = "the account";

/// What an account allows.
#[derive(Default)]
pub(super) struct Account {
    /// How many streams may be added; `None` without a limit.
    free_streams: Option<u64>,
    /// How many bytes no stream has claimed yet; `None` without a limit.
    free_bytes: Option<u64>,
    /// Whether a stream has to say how large it may become.
    wants_size: bool,
}

impl Account {
    /// From the answer to `INFO`; accounts with tiers have a set of limits for each number of replicas.
    pub(super) fn of(info: &Value) -> Self {
        let tiers = info["tiers"].as_object().filter(|tiers| !tiers.is_empty());
        let sets: Vec<&Value> = tiers.map_or_else(|| vec![info], |tiers| tiers.values().collect());
        // The roomiest tier decides: which one counts is known to the server alone.
        let free = |limit: &str, used: &dyn Fn(&Value) -> u64| {
            let free = sets.iter().map(|set| {
                let most = set["limits"][limit].as_i64().and_then(|most| u64::try_from(most).ok())?;
                Some(most.saturating_sub(used(set)))
            });
            free.reduce(|a, b| Some(a?.max(b?))).flatten()
        };
        let number = |set: &Value, name: &str| set[name].as_u64().unwrap_or_default();
        Account {
            free_streams: free("max_streams", &|set| number(set, "streams")),
            free_bytes: free("max_storage", &|set| {
                number(set, "reserved_storage").max(number(set, "storage"))
            }),
            wants_size: sets.iter().any(|set| set["limits"]["max_bytes_required"] == Value::Bool(true)),
        }
    }

    /// How large a stream says that it may become, in bytes, where the account wants to know.
    pub(super) fn size_of(&self, asset: &Asset) -> Option<u64> {
        self.wants_size.then_some(asset.size)
    }

    /// Why these streams cannot all be made.
    pub(super) fn obstacles(&self, missing: &[&Asset]) -> Vec<Obstacle> {
        let count = missing.len() as u64;
        let streams = self.free_streams.filter(|free| *free < count).map(|free| Obstacle {
            asset: ACCOUNT.into(),
            what: format!("{count} streams are to be made, and its limit leaves room for {free}"),
            next: "raise the limit of streams, or delete those that nobody needs".into(),
        });
        // Each copy counts in some accounts: what is told is the least.
        let bytes: u64 = missing.iter().filter_map(|asset| self.size_of(asset)).sum();
        let storage = self.free_bytes.filter(|free| *free < bytes).map(|free| Obstacle {
            asset: ACCOUNT.into(),
            what: format!(
                "the streams that are to be made take {bytes} bytes, and its limit of storage leaves {free}"
            ),
            next: "raise the limit of storage, or lower the `max_bytes` of streams that are there".into(),
        });
        streams.into_iter().chain(storage).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::nats::assets::{Wishes, wanted};

    #[test]
    fn limits_of_an_account_are_read_with_and_without_tiers() {
        let plain = json!({ "streams": 9, "limits": { "max_streams": 10, "max_bytes_required": true } });
        let account = Account::of(&plain);
        assert_eq!((account.free_streams, account.wants_size), (Some(1), true));
        let tiers = json!({ "streams": 0, "limits": {}, "tiers": {
            "R1": { "streams": 2, "limits": { "max_streams": 2 } },
            "R3": { "streams": 0, "limits": { "max_streams": 5 } },
        }});
        assert_eq!(Account::of(&tiers).free_streams, Some(5));
        let none = json!({ "streams": 3, "limits": { "max_streams": -1 } });
        assert_eq!(Account::of(&none).free_streams, None);
    }

    #[test]
    fn streams_that_find_no_room_are_an_obstacle_where_they_have_to_claim_it() {
        let assets = wanted(Wishes { replicas: None, ledger: false }, false);
        let missing: Vec<&Asset> = assets.iter().collect();
        let bytes: u64 = assets.iter().map(|asset| asset.size).sum();
        let of = |wants: bool, most: u64| {
            let limits = json!({ "max_streams": -1, "max_storage": most, "max_bytes_required": wants });
            Account::of(&json!({ "storage": 100, "reserved_storage": 1000, "limits": limits }))
        };
        assert_eq!(of(true, bytes + 1000).obstacles(&missing), []);
        assert_eq!(of(false, 2000).obstacles(&missing), [], "they take what they need");
        let told = of(true, 2000).obstacles(&missing);
        assert!(
            told[0].what.contains(&format!("take {bytes} bytes")) && told[0].what.ends_with("leaves 1000")
        );
    }
}
