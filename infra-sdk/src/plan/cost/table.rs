//! A versioned price table, checked when it is read.

use std::collections::BTreeMap;

use crate::config::{Decimal, Span};
use crate::day::Day;
use crate::error::{Error, Result};
use crate::names::{nearest, quoted};
use crate::plan::cost::{Unit, Usage, read};
use crate::time::Timestamp;

/// The table that is used where `[costs]` names none.
const STARTER: &str = include_str!("../../../prices/starter.toml");

/// Prices by resource type, with the day they are from and where they come from.
///
/// ```
/// use infra_sdk::plan::cost::PriceTable;
/// let text = r#"
/// version = 1
/// date = "2026-11-01"
/// currency = "USD"
/// source = "the provider's price list"
///
/// [[price]]
/// type = "aws_nat_gateway"
/// region = "eu-central-1"
/// unit = "hour"
/// amount = "0.052"
/// "#;
/// let table = PriceTable::parse(text, "prices.toml")?;
/// assert_eq!(table.date().to_string(), "2026-11-01");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PriceTable {
    pub(super) date: Day,
    pub(super) currency: String,
    pub(super) source: String,
    pub(super) stale_after: Span,
    pub(super) types: BTreeMap<String, Prices>,
    /// For families of types, by what their names begin with; the longest first.
    pub(super) families: Vec<(String, Prices)>,
}

/// The prices of one type, by component.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    pub(super) components: BTreeMap<String, Vec<Price>>,
}

/// One price, and when it holds.
#[derive(Clone, Debug)]
pub(super) struct Price {
    /// The region; none for all.
    pub(super) region: Option<String>,
    /// Attributes, and the values one of which they must have.
    pub(super) when: Vec<(String, Vec<Wanted>)>,
    /// What it costs; none for nothing.
    pub(super) rate: Option<Rate>,
    /// The day it is from.
    pub(super) date: Day,
}

/// So much for a unit, times a quantity.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    pub(super) unit: Unit,
    pub(super) amount: Decimal,
    pub(super) attribute: Option<String>,
    pub(super) usage: Option<String>,
}

/// A value that an attribute must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    Text(String),
    Bool(bool),
    Whole(i64),
}

impl PriceTable {
    /// The table that comes with this crate. It has what could be sourced, no more; the file says where from.
    ///
    /// # Errors
    /// None as long as this crate's own tests pass.
    pub fn starter() -> Result<Self> {
        Self::parse(STARTER, "starter.toml")
    }

    /// Reads a table; `name` stands for the file in messages.
    ///
    /// # Errors
    /// `Invalid` with everything that is wrong, each with line and column: keys nobody knows, amounts that are negative or
    /// no exact decimals, a missing or unknown unit, a price that stands there twice, a day in the future.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        read::table(text, name, Timestamp::now())
    }

    /// The day the table is from.
    pub fn date(&self) -> Day {
        self.date
    }

    /// Where its prices come from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The currency of its amounts, as ISO 4217 writes it.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Checks that limits in `currency` can be compared with it; none fits any.
    ///
    /// # Errors
    /// `Invalid` when it is another currency.
    pub fn require_currency(&self, currency: Option<&str>) -> Result<()> {
        match currency.filter(|currency| *currency != self.currency) {
            Some(wanted) => Err(Error::invalid("the price table is in another currency")
                .with("table", &self.currency)
                .with("costs.currency", wanted)
                .hint("use a price table in that currency, or change `costs.currency` and `costs.limit`")),
            None => Ok(()),
        }
    }

    /// The prices of a type: its own before those of its family.
    pub(super) fn prices(&self, kind: &str) -> Option<&Prices> {
        let family = || self.families.iter().find(|(family, _)| kind.starts_with(family.as_str()));
        self.types.get(kind).or_else(|| family().map(|(_, prices)| prices))
    }

    /// Refuses an assumption about a use that no price of its type asks for: it would be passed over in silence.
    pub(super) fn check_usage(&self, usage: &Usage) -> Result<()> {
        for (key, _) in usage.iter() {
            let Some((kind, name)) = key.rsplit_once('.') else { continue };
            let Some(prices) = self.types.get(kind) else { continue };
            let rates = prices.components.values().flatten().filter_map(|price| price.rate.as_ref());
            let known: Vec<&str> = rates.filter_map(|rate| rate.usage.as_deref()).collect();
            if !known.contains(&name) {
                let error = Error::invalid(format!("no price of `{kind}` asks for {}", quoted(name)))
                    .with("costs.usage", quoted(key));
                return Err(match nearest(name, known.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{kind}.{near}`?")),
                    None if known.is_empty() => error.hint("take the assumption out: its prices need none"),
                    None => error.hint(format!("its prices ask for {}", known.join(", "))),
                });
            }
        }
        Ok(())
    }
}

impl Prices {
    /// Whether it costs nothing wherever and however it is, which needs no look at its values.
    pub(super) fn is_free(&self) -> bool {
        self.components.values().flatten().all(|price| price.rate.is_none() && price.region.is_none())
            && self.components.values().all(|prices| prices.iter().any(|price| price.when.is_empty()))
    }
}
