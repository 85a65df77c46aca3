//! What an estimate says, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::{Decimal, Span};
use crate::day::Day;
use crate::plan::cost::Gaps;
use crate::plan::cost::unit::HOURS;
use crate::plan::model::Actions;
use crate::plan::plain::plain;

/// What a plan costs a month. It holds addresses, types and names of attributes, and of the plan's values only what they
/// cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostReport {
    /// The currency of all amounts.
    pub currency: String,
    /// What the resources cost now.
    pub before: Decimal,
    /// What they will cost.
    pub after: Decimal,
    /// How much more that is; negative for less.
    pub difference: Decimal,
    /// The resources whose cost changes, the largest change first; at most 100.
    pub changes: Vec<ResourceCost>,
    /// How many more there are.
    pub more_changes: usize,
    /// The sums of each type that has a price.
    pub types: Vec<TypeCost>,
    /// How many resources cost nothing, by the table.
    pub free: usize,
    /// What the table has no price for.
    pub not_priced: Gaps,
    /// What can be told only after the apply.
    pub unknown: Gaps,
    /// What nobody said how much it is used.
    pub needs_usage: Gaps,
    /// The assumptions that the sums rest on.
    pub assumed: BTreeMap<String, Decimal>,
    /// Whether the plan leaves something out: it failed, was targeted, or deferred changes.
    pub partial: bool,
    /// The day the table is from.
    pub date: Day,
    /// Where its prices come from.
    pub source: String,
    /// The day of the oldest price that was used.
    pub oldest: Day,
    /// How old that is.
    pub age_days: u64,
    /// Whether that is older than the table allows.
    pub stale: bool,
    #[serde(skip)]
    pub(super) stale_after: Span,
}

/// What one resource costs a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceCost {
    /// Its address.
    pub address: String,
    /// What is done to it.
    pub actions: Actions,
    /// What it costs now.
    pub before: Decimal,
    /// What it will cost.
    pub after: Decimal,
    /// How much more that is.
    pub difference: Decimal,
}

/// What all resources of a type cost a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeCost {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many there are, before and after together.
    pub resources: usize,
    /// What they cost now.
    pub before: Decimal,
    /// What they will cost.
    pub after: Decimal,
    /// How much more that is.
    pub difference: Decimal,
}

impl CostReport {
    /// How many changed resources are named.
    pub(super) const SHOWN: usize = 100;

    /// Whether there is anything to tell: money before or after, or a gap.
    pub fn has_something(&self) -> bool {
        let gaps = [&self.not_priced, &self.unknown, &self.needs_usage];
        !self.before.is_zero() || !self.after.is_zero() || gaps.iter().any(|gaps| !gaps.is_empty())
    }

    /// The report as plain lines, for a page: no line holds a control character. Two spaces begin a line that belongs to
    /// the one before.
    pub fn note_lines(&self) -> Vec<String> {
        let currency = &self.currency;
        let mut lines = vec![format!(
            "{} {currency} a month: {} before, {} after",
            self.difference.signed(),
            self.before,
            self.after
        )];
        self.changed(&mut lines);
        self.sums(&mut lines);
        gaps(&mut lines, "not priced, and in no sum:", &self.not_priced);
        gaps(&mut lines, "known only after the apply, and in no sum:", &self.unknown);
        gaps(&mut lines, "needs an assumption in [costs.usage], and is in no sum:", &self.needs_usage);
        if !self.assumed.is_empty() {
            lines.push("assumed:".into());
            lines.extend(
                self.assumed.iter().map(|(key, used)| format!("  {} = {}", plain(key), used.exact())),
            );
        }
        if self.partial {
            lines.push("the plan is only a part: what it leaves out is in no sum".into());
        }
        lines.push(format!(
            "prices of {}, {HOURS} hours a month; source: {}",
            self.date,
            plain(&self.source)
        ));
        if self.oldest < self.date {
            lines.push(format!("the oldest price used is of {}", self.oldest));
        }
        if self.stale {
            lines.push(format!(
                "warning: a price is {} days old, and the table counts as stale after {}: check it and date it anew",
                self.age_days, self.stale_after
            ));
        }
        lines
    }

    fn changed(&self, lines: &mut Vec<String>) {
        let width = |text: &str| text.chars().count();
        let rows: Vec<(String, String)> = self
            .changes
            .iter()
            .map(|row| (plain(&row.address).into_owned(), row.difference.signed()))
            .collect();
        // One address of enormous length must not push all amounts off the page.
        let name = rows.iter().map(|(address, _)| width(address)).max().unwrap_or(0).min(60);
        let amount = rows.iter().map(|(_, amount)| amount.len()).max().unwrap_or(0);
        for (row, (address, difference)) in self.changes.iter().zip(&rows) {
            let sign = row.actions.sign();
            lines.push(format!("  {sign:<3} {address:<name$}  {difference:>amount$}"));
        }
        if self.more_changes > 0 {
            lines.push(format!("  and {} more", self.more_changes));
        }
    }

    fn sums(&self, lines: &mut Vec<String>) {
        let mut types: Vec<&TypeCost> =
            self.types.iter().filter(|cost| !cost.before.is_zero() || !cost.after.is_zero()).collect();
        // Where the only type is the only change, its sum says nothing new.
        if types.is_empty() || types.len() == 1 && self.changes.len() == 1 && types[0].resources == 1 {
            return;
        }
        types.sort_by(|a, b| {
            b.difference.magnitude().cmp(&a.difference.magnitude()).then(a.kind.cmp(&b.kind))
        });
        lines.push("by type:".into());
        let column =
            |text: fn(&TypeCost) -> String| types.iter().map(|cost| text(cost).len()).max().unwrap_or(0);
        let kind = column(|cost| cost.kind.clone());
        let count = column(|cost| cost.resources.to_string());
        let (before, after) = (column(|cost| cost.before.to_string()), column(|cost| cost.after.to_string()));
        let difference = column(|cost| cost.difference.signed());
        for cost in types {
            lines.push(format!(
                "  {:>count$} {:<kind$}  {:>before$} -> {:>after$}  {:>difference$}",
                cost.resources,
                plain(&cost.kind),
                cost.before.to_string(),
                cost.after.to_string(),
                cost.difference.signed()
            ));
        }
    }
}

fn gaps(lines: &mut Vec<String>, title: &str, gaps: &Gaps) {
    if gaps.is_empty() {
        return;
    }
    lines.push(title.into());
    for gap in gaps.iter() {
        let component =
            if gap.component.is_empty() { String::new() } else { format!(" ({})", gap.component) };
        let addresses: Vec<_> = gap.addresses.iter().map(|address| plain(address)).collect();
        let more = gap.count - gap.addresses.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (count, kind, reason) = (gap.count, plain(&gap.kind), plain(&gap.reason));
        lines.push(format!("  {count} {kind}{component}: {reason}: {}{more}", addresses.join(", ")));
    }
}

impl fmt::Display for CostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note_lines().join("\n"))
    }
}
