//! Reading a price table: every problem at once, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::{Decimal, Span, is_currency, parse_toml};
use crate::day::Day;
use crate::error::Result;
use crate::names::quoted;
use crate::plan::cost::table::{Price, Prices, Rate, Wanted};
use crate::plan::cost::{PriceTable, Unit};
use crate::time::Timestamp;
use crate::tree::{Node, Problem, ProblemKind, ReadOptions, Value, child, item, read, refused};

/// Half a year: AWS and Cloudflare seldom change a price, and tell when they do.
const STALE_AFTER: Duration = Duration::from_secs(180 * 86_400);

/// As much as anybody prices; more is another file by mistake.
const MOST: usize = 50_000;

#[derive(Deserialize)]
struct WireTable {
    version: u32,
    date: Day,
    currency: String,
    source: String,
    stale_after: Option<Span>,
    #[serde(default)]
    price: Vec<WirePrice>,
}

#[derive(Deserialize)]
struct WirePrice {
    #[serde(rename = "type")]
    kind: String,
    region: Option<String>,
    component: Option<String>,
    #[serde(default)]
    when: BTreeMap<String, AnyOf>,
    #[serde(default)]
    free: bool,
    unit: Option<Unit>,
    amount: Option<Decimal>,
    per: Option<WirePer>,
    date: Option<Day>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct WirePer {
    attribute: Option<String>,
    usage: Option<String>,
}

pub(super) fn table(text: &str, name: &str, now: Timestamp) -> Result<PriceTable> {
    let tree = parse_toml(text, name)?;
    let refuse = |problems: &[Problem]| {
        let what = match problems.len() {
            1 => format!("the price table {} has a problem", quoted(name)),
            count => format!("the price table {} has {count} problems", quoted(name)),
        };
        refused(what, problems).hint("correct every place named above: no price is guessed")
    };
    let wire: WireTable = read(&tree, ReadOptions::default()).map_err(|problems| refuse(&problems))?;
    let mut check = Check { tree: &tree, now, problems: Vec::new() };
    let table = check.table(wire);
    if check.problems.is_empty() { Ok(table) } else { Err(refuse(&check.problems)) }
}

struct Check<'a> {
    tree: &'a Node,
    now: Timestamp,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn table(&mut self, wire: WireTable) -> PriceTable {
        if wire.version != 1 {
            self.refuse(None, "version", "must be 1, the only version there is");
        }
        if !is_currency(&wire.currency) {
            self.refuse(None, "currency", "must be the three letters of a currency, such as `USD`");
        }
        self.source(None, &wire.source);
        self.day(None, wire.date);
        if wire.price.len() > MOST {
            self.refuse(None, "price", &format!("has more than {MOST} prices"));
        }
        let mut table = PriceTable {
            date: wire.date,
            currency: wire.currency,
            source: wire.source,
            stale_after: wire.stale_after.unwrap_or(Span(STALE_AFTER)),
            types: BTreeMap::new(),
            families: Vec::new(),
        };
        let mut families: BTreeMap<String, Prices> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (at, wire) in wire.price.into_iter().enumerate().take(MOST) {
            let component = wire.component.clone().unwrap_or_default();
            let kind = wire.kind.clone();
            let price = self.price(at, wire, table.date);
            if !seen.insert((kind.clone(), component.clone(), price.region.clone(), price.when.clone())) {
                self.refuse(
                    Some(at),
                    "type",
                    "this price stands there twice: same type, region, component and `when`",
                );
            }
            let prices = match kind.strip_suffix('*') {
                Some(family) => families.entry(family.to_owned()).or_default(),
                None => table.types.entry(kind).or_default(),
            };
            prices.components.entry(component).or_default().push(price);
        }
        table.families = families.into_iter().collect();
        table.families.sort_by_key(|(family, _)| std::cmp::Reverse(family.len()));
        table
    }

    fn price(&mut self, at: usize, wire: WirePrice, table: Day) -> Price {
        let word = |text: &str| {
            (1..=100).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        };
        let here = Some(at);
        if !word(wire.kind.strip_suffix('*').unwrap_or(&wire.kind)) {
            self.refuse(
                here,
                "type",
                "must be a resource type such as `aws_instance`, or a family such as `random_*`",
            );
        }
        let region = wire.region.filter(|region| region != "*");
        if region.as_deref().is_some_and(|region| !word(region)) {
            self.refuse(here, "region", "must be a region such as `eu-central-1`, or `*` for all");
        }
        if wire.component.as_deref().is_some_and(|component| !word(component)) {
            self.refuse(here, "component", "must be a word in lower case such as `storage`");
        }
        for (path, any) in &wire.when {
            if path.is_empty() || path.len() > 200 || path.contains(char::is_control) {
                self.refuse(here, "when", "must name attributes, such as `instance_type`");
            }
            if any.0.is_empty() {
                self.refuse(here, "when", &format!("must give {} a value", quoted(path)));
            }
        }
        if let Some(source) = &wire.source {
            self.source(here, source);
        }
        if let Some(day) = wire.date {
            self.day(here, day);
        }
        let rate = match wire.free {
            true => {
                if wire.unit.is_some() || wire.amount.is_some() || wire.per.is_some() {
                    self.refuse(
                        here,
                        "free",
                        "must stand alone: what is free has no `unit`, `amount` or `per`",
                    );
                }
                None
            }
            false => self.rate(at, wire.unit, wire.amount, wire.per),
        };
        let when = wire.when.into_iter().map(|(path, any)| (path, any.0)).collect();
        Price { region, when, rate, date: wire.date.unwrap_or(table) }
    }

    fn rate(
        &mut self,
        at: usize,
        unit: Option<Unit>,
        amount: Option<Decimal>,
        per: Option<WirePer>,
    ) -> Option<Rate> {
        let here = Some(at);
        for (key, missing) in [("unit", unit.is_none()), ("amount", amount.is_none())] {
            if missing {
                self.problem(here, key, ProblemKind::Missing);
            }
        }
        if amount.is_some_and(Decimal::is_negative) {
            self.refuse(here, "amount", "must not be negative");
        }
        let (attribute, usage) = match per {
            Some(per) => (per.attribute, per.usage),
            None => (None, None),
        };
        if [&attribute, &usage].into_iter().flatten().any(|name| name.is_empty() || name.len() > 200) {
            self.refuse(here, "per", "must have a name for what it counts");
        }
        if usage.as_deref().is_some_and(|usage| usage.contains('.') || usage.contains(char::is_control)) {
            self.refuse(here, "per", "must name a use in one word, such as `requests`");
        }
        let (unit, amount) = (unit?, amount?);
        if unit.needs_quantity() && attribute.is_none() && usage.is_none() {
            let message = format!(
                "must say by `attribute` or `usage` how much: a price for a {unit} says nothing alone"
            );
            self.refuse(here, "per", &message);
        }
        Some(Rate { unit, amount, attribute, usage })
    }

    fn source(&mut self, at: Option<usize>, source: &str) {
        if source.trim().is_empty() || source.len() > 1000 || source.contains(char::is_control) {
            self.refuse(at, "source", "must say in one line where the prices come from");
        }
    }

    fn day(&mut self, at: Option<usize>, day: Day) {
        if day.is_future(self.now) {
            self.refuse(at, "date", "lies in the future: a price is from a day that has been");
        }
    }

    fn refuse(&mut self, at: Option<usize>, key: &str, message: &str) {
        self.problem(at, key, ProblemKind::Refused(message.to_owned()));
    }

    /// Notes a problem of the table, or of one of its prices, at the deepest place that is there.
    fn problem(&mut self, at: Option<usize>, key: &str, kind: ProblemKind) {
        let (node, path) = match at {
            None => (self.tree, String::new()),
            Some(at) => {
                let items = self.tree.get("price").map(|node| &node.value);
                let node = if let Some(Value::List(items)) = items { items.get(at) } else { None };
                (node.unwrap_or(self.tree), item("price", at))
            }
        };
        let origin = node.get(key).unwrap_or(node).origin.clone();
        self.problems.push(Problem { origin: Some(origin), path: child(&path, key), kind });
    }
}

/// One value, or a list of those that are as good.
struct AnyOf(Vec<Wanted>);

impl<'de> Deserialize<'de> for AnyOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = AnyOf;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true, false, or a list of these")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AnyOf, E> {
                Ok(AnyOf(vec![Wanted::Text(text.to_owned())]))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<AnyOf, E> {
                Ok(AnyOf(vec![Wanted::Bool(value)]))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<AnyOf, E> {
                Ok(AnyOf(vec![Wanted::Whole(value)]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AnyOf, A::Error> {
                let mut any = Vec::new();
                while let Some(AnyOf(more)) = items.next_element()? {
                    any.extend(more);
                }
                Ok(AnyOf(any))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "version = 1\ndate = \"2026-11-01\"\ncurrency = \"USD\"\nsource = \"a list\"\n";

    fn report(text: &str) -> String {
        let now = "2026-11-20T00:00:00Z".parse().unwrap();
        table(text, "prices.toml", now).unwrap_err().report().to_string()
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_with_line_and_column() {
        let report = report(concat!(
            "version = 2\ndate = \"2026-12-24\"\ncurrency = \"usd\"\nsource = \" \"\n",
            "[[price]]\ntype = \"aws_instance\"\nunit = \"hour\"\namount = \"-0.1\"\n",
            "[[price]]\ntype = \"aws_nat_gateway\"\namount = \"1\"\n",
            "[[price]]\ntype = \"aws_kms_key\"\nunit = \"month\"\namount = \"1\"\n",
            "[[price]]\ntype = \"aws_kms_key\"\nregion = \"*\"\nunit = \"month\"\namount = \"2\"\n",
            "[[price]]\ntype = \"aws_s3_bucket\"\nunit = \"gb-month\"\namount = \"1\"\n",
            "[[price]]\ntype = \"null_resource\"\nfree = true\namount = \"1\"\n",
            "[[price]]\ntype = \"Bad Type\"\nregion = \"EU\"\nfree = true\ndate = \"2027-01-01\"\n",
        ));
        for expected in [
            "prices.toml:1:1: `version`: must be 1",
            "prices.toml:2:1: `date`: lies in the future",
            "prices.toml:3:1: `currency`: must be the three letters",
            "prices.toml:4:1: `source`: must say in one line",
            "prices.toml:8:1: `price[0].amount`: must not be negative",
            "`price[1].unit` is missing",
            "prices.toml:17:1: `price[3].type`: this price stands there twice",
            "`price[4].per`: must say by `attribute` or `usage` how much: a price for a gb-month says nothing",
            "prices.toml:27:1: `price[5].free`: must stand alone",
            "prices.toml:30:1: `price[6].type`: must be a resource type",
            "prices.toml:31:1: `price[6].region`: must be a region",
            "prices.toml:33:1: `price[6].date`: lies in the future",
        ] {
            assert!(report.contains(expected), "{expected}\n{report}");
        }
    }

    #[test]
    fn what_no_reader_knows_is_refused_with_the_nearest() {
        for (price, expected) in [
            ("unit = \"hours\"\namount = \"1\"\n", "`price[0].unit`: `hours` is none of"),
            (
                "unit = \"hour\"\namount = 0.5\n",
                "prices.toml:8:1: `price[0].amount`: is a number with a fraction",
            ),
            ("unit = \"hour\"\namount = \"a lot\"\n", "`price[0].amount`: `a lot` is not a decimal number"),
            (
                "unit = \"hour\"\namuont = \"1\"\n",
                "prices.toml:8:1: `price[0].amuont` is not a known key; did you mean `amount`?",
            ),
            ("unit = \"hour\"\namount = \"1\"\ndate = 2026-01-01\n", "prices.toml:9:1: `price[0].date`"),
            ("unit = \"hour\"\namount = \"1\"\nwhen = { a = 0.5 }\n", "prices.toml:9:10: `price[0].when.a`"),
            ("unit = \"hour\"\namount = \"1\"\nper = { usgae = \"x\" }\n", "did you mean `usage`?"),
        ] {
            let report =
                report(&format!("{HEAD}\n[[price]]\ntype = \"x\"\n{price}").replacen("\n\n", "\n", 1));
            assert!(report.contains(expected), "{expected}\n{report}");
        }
        for key in ["version", "date", "currency", "source"] {
            let without: String =
                HEAD.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
            let report = report(&without);
            assert!(report.contains(&format!("`{key}` is missing")), "{report}");
        }
        assert!(report("version = ").contains("prices.toml:1:"));
    }

    #[test]
    fn the_starter_table_is_in_order_and_says_for_each_price_where_it_is_from() {
        let table = PriceTable::starter().unwrap();
        assert!(
            table.prices("terraform_data").unwrap().is_free()
                && table.prices("random_pet").unwrap().is_free()
        );
        assert!(table.prices("aws_nat_gateway").is_some_and(|prices| !prices.is_free()));
        for prices in table.types.values() {
            for price in prices.components.values().flatten().filter(|price| price.rate.is_some()) {
                assert!(price.date <= table.date, "no price is younger than its table");
            }
        }
    }
}
