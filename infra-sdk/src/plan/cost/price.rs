//! The price of one resource as it is, or as it will be.

use std::collections::BTreeMap;

use crate::config::Decimal;
use crate::day::Day;
use crate::error::Result;
use crate::plan::cost::Usage;
use crate::plan::cost::gap::Why;
use crate::plan::cost::table::{Price, Prices, Rate, Wanted};
use crate::plan::json::{Mark, Value};
use crate::plan::model::ResourceChange;

/// The values of a resource on one side of a change.
pub(super) struct Side<'v> {
    pub(super) values: &'v Value<'v>,
    pub(super) unknown: Mark<'v>,
    pub(super) sensitive: Mark<'v>,
    pub(super) region: Option<String>,
}

/// What one component costs a month, or why it is not known.
pub(super) type Parts<'t> = BTreeMap<&'t str, std::result::Result<Priced, Why>>;

/// A known price, and what it rests on.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    pub(super) monthly: Decimal,
    /// The day of the price; none for what is free.
    pub(super) date: Option<Day>,
    /// The assumption it rests on.
    pub(super) assumed: Option<(String, Decimal)>,
}

/// What the components cost of a resource with these values.
pub(super) fn parts<'t>(
    prices: &'t Prices,
    resource: &ResourceChange<'_>,
    side: &Side<'_>,
    usage: &Usage,
) -> Result<Parts<'t>> {
    let mut parts = BTreeMap::new();
    for (component, prices) in &prices.components {
        let part = match choose(prices, side) {
            Ok(price) => match &price.rate {
                Some(rate) => monthly(rate, price.date, resource, side, usage)?,
                None => Ok(Priced { monthly: Decimal::ZERO, date: None, assumed: None }),
            },
            Err(why) => Err(why),
        };
        parts.insert(component.as_str(), part);
    }
    Ok(parts)
}

/// The price that says the most about this resource. One that says as much or more and can not be judged yet stands in its
/// way: the right one is not known.
fn choose<'t>(prices: &'t [Price], side: &Side<'_>) -> std::result::Result<&'t Price, Why> {
    let rank = |price: &Price| (price.when.len(), price.region.is_some());
    let elsewhere = |price: &&Price| price.region.is_some() && price.region != side.region;
    let (mut best, mut twice, mut unsure) = (None::<&Price>, false, None::<(&Price, Why)>);
    for price in prices.iter().filter(|price| !elsewhere(price)) {
        match fits(price, side) {
            Fit::Yes => match best.map(|best| rank(best).cmp(&rank(price))) {
                Some(std::cmp::Ordering::Greater) => {}
                Some(std::cmp::Ordering::Equal) => twice = true,
                _ => (best, twice) = (Some(price), false),
            },
            Fit::Unsure(why) if unsure.as_ref().is_none_or(|(other, _)| rank(other) < rank(price)) => {
                unsure = Some((price, why));
            }
            Fit::Unsure(_) | Fit::No => {}
        }
    }
    match (best, unsure) {
        (best, Some((price, why))) if best.is_none_or(|best| rank(best) <= rank(price)) => Err(why),
        (Some(_), _) if twice => Err(Why::NotPriced("two prices of the table fit it".into())),
        (Some(best), _) => Ok(best),
        (None, _) => Err(Why::NotPriced(no_price(prices, side))),
    }
}

/// Why no price fits, without a value in it but a region: whoever shows it takes secrets out.
fn no_price(prices: &[Price], side: &Side<'_>) -> String {
    if prices.iter().all(|price| price.region.is_some() && price.region != side.region) {
        return match &side.region {
            Some(region) => format!("no price in {region}"),
            None => "its region is not known".into(),
        };
    }
    let mut names: Vec<&str> =
        prices.iter().flat_map(|price| &price.when).map(|(path, _)| path.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    format!("no price for its {}", names.join(", "))
}

enum Fit {
    Yes,
    No,
    Unsure(Why),
}

fn fits(price: &Price, side: &Side<'_>) -> Fit {
    let mut unsure = None;
    for (path, any) in &price.when {
        match look(path, side) {
            // One attribute that has another value decides, whatever the others will be.
            Look::Value(value) if !any.iter().any(|wanted| is(value, wanted)) => return Fit::No,
            Look::Value(_) => {}
            Look::Missing => return Fit::No,
            Look::Hidden(why) => unsure = unsure.or(Some(why)),
        }
    }
    unsure.map_or(Fit::Yes, Fit::Unsure)
}

fn is(value: &Value<'_>, wanted: &Wanted) -> bool {
    match (value, wanted) {
        (Value::String(text), Wanted::Text(wanted)) => text == wanted,
        (Value::Bool(value), Wanted::Bool(wanted)) => value == wanted,
        // A number may be written as text by one provider and not by another; 1 and 1.0 are the same.
        (Value::Number(number), Wanted::Whole(wanted)) => {
            number.as_str().parse::<Decimal>().is_ok_and(|number| number == Decimal::whole(*wanted))
        }
        (Value::String(text), Wanted::Whole(wanted)) => **text == wanted.to_string(),
        _ => false,
    }
}

enum Look<'v> {
    Value(&'v Value<'v>),
    Missing,
    Hidden(Why),
}

/// The value at a path such as `root_block_device.0.volume_size`.
fn look<'v>(path: &str, side: &Side<'v>) -> Look<'v> {
    let (mut value, mut unknown, mut sensitive) = (Some(side.values), side.unknown, side.sensitive);
    for step in path.split('.') {
        let index = step.parse::<usize>().ok();
        let at = |mark: Mark<'v>| index.map_or_else(|| mark.key(step), |index| mark.index(index));
        (unknown, sensitive) = (at(unknown), at(sensitive));
        value = value.and_then(|value| match (index, value.as_array()) {
            (Some(index), Some(items)) => items.get(index),
            _ => value.get(step),
        });
    }
    if unknown.is_any() {
        return Look::Hidden(Why::Unknown(format!("{path} is known only after the apply")));
    }
    if sensitive.is_any() {
        return Look::Hidden(Why::Unknown(format!("{path} is sensitive, and no price is made of a secret")));
    }
    value.filter(|value| !value.is_null()).map_or(Look::Missing, Look::Value)
}

/// Amount times quantity; a quantity that is not there is a gap and not one.
fn monthly(
    rate: &Rate,
    date: Day,
    resource: &ResourceChange<'_>,
    side: &Side<'_>,
    usage: &Usage,
) -> Result<std::result::Result<Priced, Why>> {
    let mut quantity = Decimal::from(1);
    if let Some(path) = &rate.attribute {
        let number = match look(path, side) {
            Look::Hidden(why) => return Ok(Err(why)),
            Look::Missing => return Ok(Err(Why::NotPriced(format!("{path} is not set")))),
            Look::Value(Value::Number(number)) => number.as_str().parse::<Decimal>().ok(),
            Look::Value(Value::String(text)) => text.parse().ok(),
            Look::Value(_) => None,
        };
        match number.filter(|number| !number.is_negative()) {
            Some(number) => quantity = quantity.times(number)?,
            None => return Ok(Err(Why::NotPriced(format!("{path} is no number to multiply with")))),
        }
    }
    let mut assumed = None;
    if let Some(name) = &rate.usage {
        let Some((key, number)) = usage.find(resource, name) else {
            let counted = rate.unit.counted();
            return Ok(Err(Why::NeedsUsage(format!("{name}, {counted}"))));
        };
        quantity = quantity.times(number)?;
        assumed = Some((key.to_owned(), number));
    }
    Ok(Ok(Priced { monthly: rate.unit.monthly(rate.amount, quantity)?, date: Some(date), assumed }))
}
