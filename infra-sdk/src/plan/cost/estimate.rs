//! Walking a plan and adding up what it costs.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::config::Decimal;
use crate::day::Day;
use crate::error::Result;
use crate::plan::cost::gap::{Gathered, Why};
use crate::plan::cost::price::{Parts, Side, parts};
use crate::plan::cost::region::Region;
use crate::plan::cost::report::{CostReport, ResourceCost, TypeCost};
use crate::plan::cost::table::Prices;
use crate::plan::cost::{PriceTable, Usage};
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Actions, Change, Mode, Plan, ResourceChange};
use crate::plan::veil::Veil;
use crate::time::Timestamp;

/// What a plan costs a month, before and after, as far as `table` and `usage` tell.
///
/// Every managed resource counts, also those nothing is done to: that is what the stack costs. A resource that Terraform
/// forgets goes on costing. A part of a price that is not known on one side of a change counts on neither, so that the
/// difference is never made of a gap; each such part is listed. `region` is where resources are whose plan does not say it:
/// their own `region` attribute comes first, then a region that all providers of the plan agree on.
///
/// ```
/// use infra_sdk::plan::{Plan, cost::{self, PriceTable, Usage}};
/// let json = br#"{"format_version": "1.2", "resource_changes": [{"address": "aws_kms_key.main", "mode": "managed",
///     "type": "aws_kms_key", "name": "main", "change": {"actions": ["create"], "before": null, "after": {}}}]}"#;
/// let table = PriceTable::parse(r#"
/// version = 1
/// date = "2026-11-01"
/// currency = "USD"
/// source = "a list"
/// price = [{ type = "aws_kms_key", unit = "month", amount = "1" }]
/// "#, "prices.toml")?;
/// let report = cost::estimate(&Plan::parse(json)?, &table, &Usage::default(), None)?;
/// assert_eq!(report.difference.to_string(), "1.00");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
///
/// # Errors
/// `Invalid` when `usage` names a use that no price of its type asks for, when an amount is larger than any bill, and as
/// [`Value::of`].
pub fn estimate(
    plan: &Plan<'_>,
    table: &PriceTable,
    usage: &Usage,
    region: Option<&str>,
) -> Result<CostReport> {
    estimate_at(plan, table, usage, region, Timestamp::now())
}

pub(super) fn estimate_at(
    plan: &Plan<'_>,
    table: &PriceTable,
    usage: &Usage,
    region: Option<&str>,
    now: Timestamp,
) -> Result<CostReport> {
    table.check_usage(usage)?;
    let mut sum =
        Sum { table, usage, region: Region::of(plan, region), types: BTreeMap::new(), changed: Vec::new() }
            .walk(plan)?;
    let veil = Veil::of(plan)?;
    let shown = sum.changed.len().min(CostReport::SHOWN);
    sum.changed.sort_by(|a, b| (b.size, a.address).cmp(&(a.size, b.address)));
    let mut changes: Vec<ResourceCost> = sum.changed[..shown].iter().map(Changed::cost).collect();
    let totals = sum.types.into_iter().map(|(kind, total)| total.cost(kind));
    let mut types: Vec<TypeCost> = totals.collect::<Result<_>>()?;
    let mut texts: Vec<&mut String> = changes.iter_mut().map(|changed| &mut changed.address).collect();
    texts.extend(types.iter_mut().map(|total| &mut total.kind));
    veil.cover(&mut texts);
    let [not_priced, unknown, needs_usage] = sum.found.gaps.into_gaps(&veil);
    let oldest = sum.found.oldest.unwrap_or(table.date).min(table.date);
    Ok(CostReport {
        currency: table.currency.clone(),
        before: sum.found.before,
        after: sum.found.after,
        difference: sum.found.after.minus(sum.found.before)?,
        changes,
        more_changes: sum.changed.len() - shown,
        types,
        free: sum.found.free,
        not_priced,
        unknown,
        needs_usage,
        assumed: sum.found.assumed,
        partial: plan.errored == Some(true)
            || plan.complete == Some(false)
            || !plan.deferred_changes.is_empty(),
        date: table.date,
        source: table.source.clone(),
        oldest,
        age_days: oldest.age(now).as_secs() / 86_400,
        stale: oldest.age(now) > table.stale_after.0,
        stale_after: table.stale_after,
    })
}

struct Sum<'p> {
    table: &'p PriceTable,
    usage: &'p Usage,
    region: Region,
    types: BTreeMap<&'p str, Total>,
    changed: Vec<Changed<'p>>,
}

/// What a walk found, beside sums by type.
#[derive(Default)]
struct Found {
    before: Decimal,
    after: Decimal,
    free: usize,
    gaps: Gathered,
    assumed: BTreeMap<String, Decimal>,
    oldest: Option<Day>,
}

struct Walked<'p> {
    types: BTreeMap<&'p str, Total>,
    changed: Vec<Changed<'p>>,
    found: Found,
}

#[derive(Default)]
struct Total {
    resources: usize,
    before: Decimal,
    after: Decimal,
}

impl Total {
    fn cost(self, kind: &str) -> Result<TypeCost> {
        let difference = self.after.minus(self.before)?;
        let Total { resources, before, after } = self;
        Ok(TypeCost { kind: kind.to_owned(), resources, before, after, difference })
    }
}

/// Borrowed, for a plan may change 100,000 resources and a few are shown.
struct Changed<'p> {
    size: Decimal,
    address: &'p str,
    actions: &'p Actions,
    before: Decimal,
    after: Decimal,
    difference: Decimal,
}

impl Changed<'_> {
    fn cost(&self) -> ResourceCost {
        ResourceCost {
            address: self.address.to_owned(),
            actions: self.actions.clone(),
            before: self.before,
            after: self.after,
            difference: self.difference,
        }
    }
}

impl<'p> Sum<'p> {
    fn walk(mut self, plan: &'p Plan<'_>) -> Result<Walked<'p>> {
        let mut found = Found::default();
        for resource in plan.resource_changes.iter().filter(|resource| resource.mode == Mode::Managed) {
            let (was, is) = sides(&resource.change);
            if !was && !is {
                continue;
            }
            match self.table.prices(&resource.kind) {
                None => {
                    let why = Why::NotPriced("no price for this type".into());
                    found.gaps.add(&resource.kind, "", why, &resource.address);
                }
                Some(prices) if prices.is_free() => found.free += 1,
                Some(prices) => self.add(resource, prices, (was, is), &mut found)?,
            }
        }
        Ok(Walked { types: self.types, changed: self.changed, found })
    }

    fn add(
        &mut self,
        resource: &'p ResourceChange<'_>,
        prices: &'p Prices,
        (was, is): (bool, bool),
        found: &mut Found,
    ) -> Result<()> {
        let change = &resource.change;
        let before = if was {
            Some(self.parts(resource, prices, change.before, None, change.before_sensitive)?)
        } else {
            None
        };
        let after = match is {
            // The text is the same, so the price is: most resources of a plan stay as they are.
            true if was && same(change) => before.clone(),
            true => Some(self.parts(
                resource,
                prices,
                change.after,
                change.after_unknown,
                change.after_sensitive,
            )?),
            false => None,
        };
        let (mut old, mut new) = (Decimal::ZERO, Decimal::ZERO);
        for component in prices.components.keys() {
            let side = |parts: &Option<Parts<'_>>| {
                parts.as_ref().and_then(|parts| parts.get(component.as_str()).cloned())
            };
            let (before, after) = (side(&before), side(&after));
            // What comes is said before what was.
            let why = [&after, &before].into_iter().flatten().find_map(|part| part.as_ref().err());
            if let Some(why) = why {
                found.gaps.add(&resource.kind, component, why.clone(), &resource.address);
                continue;
            }
            for (part, sum) in [(before, &mut old), (after, &mut new)] {
                let Some(Ok(priced)) = part else { continue };
                *sum = sum.plus(priced.monthly)?;
                found.oldest = [found.oldest, priced.date].into_iter().flatten().min();
                found.assumed.extend(priced.assumed);
            }
        }
        if matches!(change.actions, Actions::Forget) || matches!(change.actions, Actions::CreateThenForget) {
            // It stays where it is and on the bill; only Terraform no longer looks after it.
            new = new.plus(old)?;
        }
        found.before = found.before.plus(old)?;
        found.after = found.after.plus(new)?;
        let total = self.types.entry(&*resource.kind).or_default();
        total.resources += 1;
        total.before = total.before.plus(old)?;
        total.after = total.after.plus(new)?;
        let difference = new.minus(old)?;
        if !difference.is_zero() {
            let (address, actions) = (&*resource.address, &change.actions);
            self.changed.push(Changed {
                size: difference.magnitude(),
                address,
                actions,
                before: old,
                after: new,
                difference,
            });
        }
        Ok(())
    }

    fn parts(
        &self,
        resource: &ResourceChange<'_>,
        prices: &'p Prices,
        values: Option<&RawValue>,
        unknown: Option<&RawValue>,
        sensitive: Option<&RawValue>,
    ) -> Result<Parts<'p>> {
        let (values, unknown, sensitive) =
            (Value::of_part(values)?, Value::of_part(unknown)?, Value::of_part(sensitive)?);
        let (unknown, sensitive) = (Mark::of(&unknown), Mark::of(&sensitive));
        let region = self.region.of_resource(&values, unknown, sensitive);
        parts(prices, resource, &Side { values: &values, unknown, sensitive, region }, self.usage)
    }
}

/// Whether it is there before, and after.
fn sides(change: &Change<'_>) -> (bool, bool) {
    let there = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "null");
    let actions = &change.actions;
    let was = there(change.before) && *actions != Actions::Create;
    // Of what is made, everything may be unknown still.
    let is =
        (there(change.after) || actions.creates()) && !matches!(actions, Actions::Delete | Actions::Forget);
    match actions {
        Actions::Read => (false, false),
        Actions::Other(_) if actions.deletes() && !actions.creates() => (was, false),
        _ => (was, is),
    }
}

fn same(change: &Change<'_>) -> bool {
    let (before, after) = (change.before.map(RawValue::get), change.after.map(RawValue::get));
    let known = change.after_unknown.is_none_or(|unknown| !unknown.get().contains("true"));
    before == after && known
}
