//! What a plan costs and how far it reaches, by this repo's settings.

use std::fmt;

use serde::Serialize;

use crate::config::Decimal;
use crate::error::{Error, ErrorKind, Result};
use crate::infra::applies::REFUSED;
use crate::infra::open::Infra;
use crate::names::Label;
use crate::plan::Plan;
use crate::plan::cost::{self, CostReport, PriceTable, Usage};
use crate::plan::impact::{self, Impact, Readers};
use crate::plan::judge::{Finding, Level};
use crate::plan::plain::plain;

/// What one or more plans cost together, held against the limit of `[costs]`.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedCosts {
    /// The plans by name, each with its report.
    pub plans: Vec<(String, CostReport)>,
    /// What they add a month, all together.
    pub difference: Decimal,
    /// How much they may add; none for any amount.
    pub limit: Option<Decimal>,
    /// By how much they add more; none when they do not.
    pub above: Option<Decimal>,
    /// The currency of these.
    pub currency: String,
}

impl CheckedCosts {
    /// Sums up `plans`, of which there is at least one, and compares exactly.
    ///
    /// # Errors
    /// `Invalid` when the sum is larger than any bill, or the reports are not of one currency.
    pub fn new(plans: Vec<(String, CostReport)>, limit: Option<Decimal>) -> Result<Self> {
        let currency = plans.first().map(|(_, report)| report.currency.clone()).unwrap_or_default();
        let mut difference = Decimal::ZERO;
        for (_, report) in &plans {
            if report.currency != currency {
                return Err(Error::invalid("costs in two currencies have no sum")
                    .with("one", &currency)
                    .with("other", &report.currency)
                    .hint("price all plans from one table"));
            }
            difference = difference.plus(report.difference)?;
        }
        let above = match limit {
            Some(limit) => Some(difference.minus(limit)?).filter(|above| *above > Decimal::ZERO),
            None => None,
        };
        Ok(CheckedCosts { plans, difference, limit, above, currency })
    }

    /// Whether the plans stay within the limit.
    ///
    /// # Errors
    /// `Failed`, which ends a process with code 10, saying by how much they do not.
    pub fn require_within(&self) -> Result<()> {
        let (Some(limit), Some(above)) = (self.limit, self.above) else { return Ok(()) };
        let money = |amount: Decimal| format!("{} {}", amount.exact(), self.currency);
        Err(Error::new(ErrorKind::Failed, "the plan adds more a month than `costs.limit` allows")
            .with("adds", money(self.difference))
            .with("limit", money(limit))
            .with("above", money(above))
            .hint("make it cheaper, or raise `costs.limit` in infra.toml in a change that is reviewed")
            .exit_with(REFUSED))
    }
}

impl fmt::Display for CheckedCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, report) in &self.plans {
            if self.plans.len() > 1 {
                writeln!(f, "{}:", plain(name))?;
            }
            writeln!(f, "{report}")?;
        }
        if self.plans.len() > 1 {
            writeln!(f, "all together: {} {} a month", self.difference.signed(), self.currency)?;
        }
        match (self.limit, self.above) {
            (None, _) => f.write_str("no limit is set (costs.limit)"),
            (Some(limit), None) => write!(f, "within the limit of {limit} {}", self.currency),
            (Some(limit), Some(above)) => {
                write!(f, "{} {} above the limit of {limit} {}", above.exact(), self.currency, self.currency)
            }
        }
    }
}

impl Infra {
    /// What a plan costs a month, by the price table and the assumptions of `[costs]`.
    ///
    /// # Errors
    /// `Invalid` when the table has a mistake or another currency than `costs.currency`, or an assumption fits no price;
    /// `NotFound` when there is no such table; as [`Config::price_table`](crate::config::Config::price_table).
    pub async fn costs(&self, plan: &Plan<'_>) -> Result<CostReport> {
        let costs = &self.settings().costs;
        let table = match self.config().price_table(self.env()).await? {
            Some(file) => PriceTable::parse(&file.text, &file.name)?,
            None => PriceTable::starter()?,
        };
        table.require_currency(costs.currency.as_deref())?;
        let region = self.config().section()?.region.as_deref();
        cost::estimate(plan, &table, &Usage::of(costs), region)
    }

    /// What a plan that adds more than `costs.limit` is refused for.
    pub(super) fn too_expensive(&self, costs: &CostReport) -> Option<Finding> {
        let limit = self.settings().costs.limit?;
        let above = costs.difference.minus(limit).ok().filter(|above| *above > Decimal::ZERO)?;
        let money = |amount: Decimal| format!("{} {}", amount.exact(), costs.currency);
        Some(Finding {
            address: None,
            rule: "costs.limit".into(),
            level: Level::Error,
            message: format!(
                "adds {} a month, {} more than the limit",
                money(costs.difference),
                money(above)
            ),
            hint: Some(
                "make it cheaper, or raise `costs.limit` in infra.toml in a change that is reviewed".into(),
            ),
        })
    }

    /// Prices plans together and holds them against `costs.limit`.
    ///
    /// # Errors
    /// As [`costs`](Infra::costs), and `Invalid` when the sum is larger than any bill. A sum above the limit is none: ask
    /// [`CheckedCosts::require_within`].
    pub async fn check_costs(&self, plans: &[(String, Plan<'_>)]) -> Result<CheckedCosts> {
        let mut reports = Vec::new();
        for (name, plan) in plans {
            reports.push((name.clone(), self.costs(plan).await?));
        }
        CheckedCosts::new(reports, self.settings().costs.limit)
    }

    /// Which exported values a plan changes and who reads them in this environment, by an index of readers. `stack` is the
    /// stack that the plan is of: its outputs count where `[exports]` publishes them.
    ///
    /// # Errors
    /// As [`impact::of`].
    pub fn impact(
        &self,
        plan: &Plan<'_>,
        stack: Option<&Label>,
        readers: Option<&Readers>,
    ) -> Result<Impact> {
        let here = readers.map(|readers| readers.in_env(self.environment()));
        impact::of(plan, &self.settings().exports, stack, here.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(currency: &str, plan: &str) -> CostReport {
        let table = format!(
            "version = 1\ndate = \"2026-11-01\"\ncurrency = \"{currency}\"\nsource = \"a list\"\n\
             [[price]]\ntype = \"key\"\nunit = \"month\"\namount = \"0.005\"\n"
        );
        let table = PriceTable::parse(&table, "prices.toml").unwrap();
        cost::estimate(&Plan::parse(plan.as_bytes()).unwrap(), &table, &Usage::default(), None).unwrap()
    }

    const PLAN: &str = r#"{"format_version":"1.2","resource_changes":[{"address":"key.a","mode":"managed","type":"key",
        "name":"a","change":{"actions":["create"],"before":null,"after":{}}}]}"#;

    #[test]
    fn a_sum_above_the_limit_is_an_error_that_says_the_exact_amount() {
        let plans = || vec![("a".to_owned(), report("USD", PLAN)), ("b\n".to_owned(), report("USD", PLAN))];
        let within = CheckedCosts::new(plans(), Some("0.01".parse().unwrap())).unwrap();
        assert!(within.require_within().is_ok() && within.above.is_none());
        let above = CheckedCosts::new(plans(), Some("0.0099".parse().unwrap())).unwrap();
        let error = above.require_within().unwrap_err();
        assert_eq!(error.exit_code(), Some(REFUSED));
        assert!(error.to_string().contains("above: 0.0001 USD"), "{error}");
        assert!(above.to_string().contains("b\u{fffd}:\n"), "{above}");
        assert!(CheckedCosts::new(plans(), None).unwrap().require_within().is_ok());
    }

    #[test]
    fn two_currencies_have_no_sum() {
        let plans = vec![("a".to_owned(), report("USD", PLAN)), ("b".to_owned(), report("EUR", PLAN))];
        assert!(CheckedCosts::new(plans, None).unwrap_err().to_string().contains("two currencies"));
    }
}
