//! What is assumed about use: how many requests, how many gigabytes a month.

use std::collections::BTreeMap;

use crate::config::{Costs, Decimal};
use crate::plan::model::ResourceChange;

/// Quantities that no plan tells, each under `TYPE.USAGE` or `ADDRESS.USAGE`; the longer says more and wins.
///
/// An address may be that of an instance (`aws_sqs_queue.jobs["a"].requests`) or of all instances of a block
/// (`aws_sqs_queue.jobs.requests`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(BTreeMap<String, Decimal>);

impl Usage {
    /// The assumptions of `[costs.usage]`.
    pub fn of(costs: &Costs) -> Self {
        Usage(costs.usage.clone())
    }

    /// The keys and quantities.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Decimal)> {
        self.0.iter().map(|(key, quantity)| (key.as_str(), *quantity))
    }

    /// The assumption about one use of a resource, with the key it stands under.
    pub(super) fn find(&self, resource: &ResourceChange<'_>, name: &str) -> Option<(&str, Decimal)> {
        if self.0.is_empty() {
            return None;
        }
        let module =
            resource.module_address.as_deref().map(|module| format!("{module}.")).unwrap_or_default();
        let keys = [
            format!("{}.{name}", resource.address),
            format!("{module}{}.{}.{name}", resource.kind, resource.name),
            format!("{}.{name}", resource.kind),
        ];
        let found = keys.iter().find_map(|key| self.0.get_key_value(key.as_str()));
        found.map(|(key, quantity)| (key.as_str(), *quantity))
    }
}

impl<K: Into<String>> FromIterator<(K, Decimal)> for Usage {
    fn from_iter<I: IntoIterator<Item = (K, Decimal)>>(entries: I) -> Self {
        Usage(entries.into_iter().map(|(key, quantity)| (key.into(), quantity)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn what_is_said_of_one_resource_wins_over_its_type() {
        let json = br#"{"format_version":"1.2","resource_changes":[{"address":"module.m.aws_sqs_queue.q[\"a.b\"]",
            "module_address":"module.m","type":"aws_sqs_queue","name":"q","change":{"actions":["create"]}}]}"#;
        let plan = Plan::parse(json).unwrap();
        let mut usage = Usage::default();
        let mut found = |key: &str, quantity: u32| {
            usage.0.insert(key.into(), Decimal::from(quantity));
            usage.find(&plan.resource_changes[0], "requests").map(|(_, quantity)| quantity)
        };
        assert_eq!(found("aws_sqs_queue.request", 1), None);
        assert_eq!(found("aws_sqs_queue.requests", 2), Some(Decimal::from(2)));
        assert_eq!(found("module.m.aws_sqs_queue.q.requests", 3), Some(Decimal::from(3)));
        assert_eq!(found("module.m.aws_sqs_queue.q[\"a.b\"].requests", 4), Some(Decimal::from(4)));
    }
}
