//! Holding all of two plans against each other.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::plan::model::{Actions, Plan, ResourceChange, ResourceKey};
use crate::plan::verdict::code::{self, Code};
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::entry::{Entry, Values, counts};
use crate::plan::verdict::key::ApprovalKey;
use crate::plan::verdict::lost::is_old_half;
use crate::plan::verdict::outline::Outline;
use crate::plan::verdict::pair::{pair, unapproved};
use crate::plan::verdict::print::Seal;
use crate::plan::verdict::{Comparison, Weight, output};

/// So many addresses of a plan tell which stack it is of.
const SAMPLE: usize = 64;

/// Holds `replan` against `approved`: whether an approval of the one covers the other.
///
/// Entries that say the same byte for byte are not looked into. So two plans of many megabytes that differ in little take
/// hardly longer than reading them.
///
/// ```
/// use infra_sdk::plan::Plan;
/// use infra_sdk::plan::verdict::{Verdict, compare};
/// let approved = br#"{"format_version": "1.2", "resource_changes": [{"address": "aws_vpc.main", "change":
///     {"actions": ["update"], "before": {"size": 1}, "after": {"size": 2}}}]}"#;
/// let replan = br#"{"format_version": "1.2", "resource_changes": [{"address": "aws_vpc.main", "change":
///     {"actions": ["update"], "before": {"size": 1}, "after": {"size": 3}}}]}"#;
/// let comparison = compare(&Plan::parse(approved)?, &Plan::parse(replan)?)?;
/// assert_eq!(comparison.verdict, Verdict::Wider);
/// assert_eq!(comparison.reasons[0].what, "`size` becomes another value than approved");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
///
/// # Errors
/// As [`Value::of`](crate::plan::Value::of), for the entries that differ; `Invalid` when a plan has a resource twice or
/// a configuration that is not shaped like one;
/// `Unavailable` when the system has no random bytes to give.
pub fn compare(approved: &Plan<'_>, replan: &Plan<'_>) -> Result<Comparison> {
    // Digests of this call alone: nobody sees them.
    let key = ApprovalKey::generate()?;
    let mut reasons = Reasons::default();
    let changes: Vec<Approved<'_, '_>> =
        approved.resource_changes.iter().filter(|it| counts(it)).map(Approved::Plan).collect();
    let is_empty = approved.resource_changes.is_empty();
    if !resources(&key, &changes, || sample(approved), is_empty, replan, &mut reasons)? {
        return Ok(reasons.finish());
    }
    let outputs = output::outputs(approved, &key, Some(replan))?;
    output::compare(&key, &outputs, replan, Some(approved), &mut reasons)?;
    Outline::of(approved).compare(replan, &mut reasons);
    if !code::is_same_text(approved, replan) {
        Code::of(approved, &key)?.compare(&Code::of(replan, &key)?, &mut reasons);
    }
    Ok(reasons.finish())
}

/// An approved change: as its plan has it, or as it was kept.
pub(super) enum Approved<'p, 'a> {
    Plan(&'p ResourceChange<'a>),
    Kept(&'p Entry),
}

impl Approved<'_, '_> {
    fn key(&self) -> ResourceKey<'_> {
        match self {
            Approved::Plan(resource) => resource.key(),
            Approved::Kept(entry) => ResourceKey { address: &entry.address, deposed: &entry.deposed },
        }
    }

    fn from(&self) -> Option<&str> {
        match self {
            Approved::Plan(resource) => resource.previous_address(),
            Approved::Kept(entry) => entry.from.as_deref(),
        }
    }

    fn makes_before_it_destroys(&self) -> bool {
        let actions = match self {
            Approved::Plan(resource) => &resource.change.actions,
            Approved::Kept(entry) => &entry.actions,
        };
        *actions == Actions::CreateThenDelete
    }

    fn is_same_text(&self, now: &ResourceChange<'_>) -> bool {
        matches!(self, Approved::Plan(resource) if resource.is_same_text(now))
    }

    fn entry(&self, key: &ApprovalKey) -> Result<Cow<'_, Entry>> {
        Ok(match self {
            Approved::Plan(resource) => Cow::Owned(Entry::of(resource, key)?),
            Approved::Kept(entry) => Cow::Borrowed(entry),
        })
    }
}

/// Compares the resources; `false` when the plans have none in common, which is all there is to say then.
pub(super) fn resources(
    key: &ApprovalKey,
    approved: &[Approved<'_, '_>],
    sample: impl FnOnce() -> BTreeSet<u64>,
    is_empty: bool,
    replan: &Plan<'_>,
    reasons: &mut Reasons,
) -> Result<bool> {
    let index = Index::of(replan)?;
    if !is_empty && !replan.resource_changes.is_empty() && !index.shares(approved, sample) {
        let what = "it has no resource in common with the approved one: it is the plan of another stack";
        reasons.add(Weight::Unrelated, "", what);
        return Ok(false);
    }
    let mut met = HashSet::new();
    let mut by_key = HashMap::with_capacity(approved.len());
    for change in approved {
        if by_key.insert(change.key(), change).is_some() {
            return Err(twice(change.key().address));
        }
        let now = index.counterpart(change);
        if let Some(at) = now {
            met.insert(at);
        }
        let now = now.map(|at| &replan.resource_changes[at]);
        if !now.is_some_and(|now| change.is_same_text(now)) {
            pair(key, &*change.entry(key)?, now, reasons)?;
        }
    }
    for (at, now) in replan.resource_changes.iter().enumerate() {
        if met.contains(&at) || !counts(now) {
            continue;
        }
        let current = by_key.get(&ResourceKey { address: &now.address, deposed: "" });
        if let Some(current) = current.filter(|current| current.makes_before_it_destroys())
            && now.deposed().is_some()
            && now.change.actions == Actions::Delete
        {
            let (entry, values) = (current.entry(key)?, Values::of(&now.change)?);
            if is_old_half(Seal { key, address: &entry.address }, &entry, &values) {
                let what = "only the old one is left to be destroyed: the new one is there already";
                reasons.add(Weight::Narrower, &now.address, what);
                continue;
            }
        }
        reasons.add(Weight::Wider, &now.address, unapproved(now));
    }
    Ok(true)
}

/// Finds the entries of a plan.
struct Index<'p> {
    by_key: HashMap<ResourceKey<'p>, usize>,
    by_previous: HashMap<&'p str, usize>,
}

impl<'p> Index<'p> {
    fn of(plan: &'p Plan<'_>) -> Result<Self> {
        let mut index = Index {
            by_key: HashMap::with_capacity(plan.resource_changes.len()),
            by_previous: HashMap::new(),
        };
        for (at, resource) in plan.resource_changes.iter().enumerate() {
            if index.by_key.insert(resource.key(), at).is_some() {
                return Err(twice(&resource.address));
            }
            if let Some(previous) = resource.previous_address() {
                index.by_previous.insert(previous, at);
            }
        }
        Ok(index)
    }

    /// The entry of the same resource: under its address, or moved there from it, or not moved there yet.
    fn counterpart(&self, approved: &Approved<'_, '_>) -> Option<usize> {
        let key = approved.key();
        if let Some(at) = self.by_key.get(&key) {
            return Some(*at);
        }
        if !key.deposed.is_empty() {
            return None;
        }
        let moved = self.by_previous.get(key.address);
        let unmoved =
            || approved.from().and_then(|address| self.by_key.get(&ResourceKey { address, deposed: "" }));
        moved.or_else(unmoved).copied()
    }

    /// Whether the plans have a resource in common. Beside what changes, a sample stands for what is only there.
    fn shares(&self, approved: &[Approved<'_, '_>], sample: impl FnOnce() -> BTreeSet<u64>) -> bool {
        let addresses: HashSet<&str> =
            self.by_key.keys().map(|key| key.address).chain(self.by_previous.keys().copied()).collect();
        let is_there = |address: &str| addresses.contains(address);
        if approved.iter().any(|it| is_there(it.key().address) || it.from().is_some_and(is_there)) {
            return true;
        }
        let sample = sample();
        addresses.iter().any(|address| sample.contains(&short(address)))
    }
}

/// The smallest digests of all addresses: the same whatever the order, and for any key.
pub(super) fn sample(plan: &Plan<'_>) -> BTreeSet<u64> {
    let mut sample = BTreeSet::new();
    for resource in &plan.resource_changes {
        sample.insert(short(&resource.address));
        if sample.len() > SAMPLE {
            sample.pop_last();
        }
    }
    sample
}

fn short(address: &str) -> u64 {
    let hash = hmac_sha256::Hash::hash(address.as_bytes());
    u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
}

fn twice(address: &str) -> Error {
    Error::invalid("a resource stands in the plan twice")
        .with("address", quoted(address))
        .hint("make the plan again with `terraform show -json`: nobody can say which of the two counts")
}
