//! `[costs]`: which prices count, what is assumed about use, and how much a plan may add.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::values;
use crate::config::{Config, Decimal};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::names::quoted;

/// A price table is larger than settings; one of this size has all of AWS in a region.
const MAX_TABLE: u64 = 4_000_000;

/// `[costs]`: what a plan costs a month.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Costs {
    /// The price table, a file of the repo that says so: this one, or the one in `extends`; default: the starter table
    /// of this crate.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub table: Option<String>,
    /// How much a plan may add a month before `infra:costs:check` fails; default: any amount.
    #[serde(default, deserialize_with = "limit")]
    pub limit: Option<Decimal>,
    /// The currency of `limit`; a table in another one is refused.
    #[serde(default, deserialize_with = "currency")]
    pub currency: Option<String>,
    /// How much is used a month, by `TYPE.USAGE` such as `aws_lambda_function.requests`, or `ADDRESS.USAGE` for one
    /// resource.
    #[serde(default, deserialize_with = "usage")]
    pub usage: BTreeMap<String, Decimal>,
}

/// The text of a price table, and what to call it in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFile {
    /// The file, with its tag where it stands in the repo of `extends`.
    pub name: String,
    /// The text, TOML.
    pub text: String,
}

impl Config {
    /// The price table that `[costs]` names; `None` when it names none. The path belongs to the file that says it: one in
    /// the organisation's file is read in the repo that `extends` pins.
    ///
    /// # Errors
    /// `NotFound` when there is no such file, `Invalid` when it is larger than 4 MB or not UTF-8; for one in `extends` as
    /// [`file_beside_extends`](Config::file_beside_extends).
    pub async fn price_table(&self, env: &Env) -> Result<Option<TableFile>> {
        let Some(path) = &self.settings().costs.table else { return Ok(None) };
        if let Some(extends) =
            self.settings().extends.as_ref().filter(|_| self.is_extended(&["costs", "table"]))
        {
            let text = self.file_beside_extends(env, path).await?;
            return Ok(Some(TableFile { name: format!("{path}@{}", extends.tag), text }));
        }
        let text = crate::file::read_text(&self.root().join(path), MAX_TABLE)?;
        let missing = || {
            Error::not_found(format!("there is no price table {}", quoted(path)))
                .hint("correct `costs.table` in infra.toml, or leave it out for the starter table")
        };
        text.map(|text| TableFile { name: path.clone(), text }).ok_or_else(missing).map(Some)
    }
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let limit = Option::<Decimal>::deserialize(deserializer)?;
    refuse_negative(limit.iter())?;
    Ok(limit)
}

fn usage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Decimal>, D::Error> {
    let usage = BTreeMap::<String, Decimal>::deserialize(deserializer)?;
    refuse_negative(usage.values())?;
    let unnamed =
        |key: &&String| key.rsplit_once('.').is_none_or(|(of, name)| of.is_empty() || name.is_empty());
    if let Some(key) = usage.keys().find(unnamed) {
        return Err(serde::de::Error::custom(format!(
            "{} names no use; write it like \"aws_lambda_function.requests\", in quotes",
            quoted(key)
        )));
    }
    Ok(usage)
}

fn refuse_negative<'a, E: serde::de::Error>(mut amounts: impl Iterator<Item = &'a Decimal>) -> Result<(), E> {
    match amounts.find(|amount| amount.is_negative()) {
        Some(amount) => Err(E::custom(format!("`{}` is less than nothing", amount.exact()))),
        None => Ok(()),
    }
}

fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match &text {
        Some(code) if !is_currency(code) => Err(serde::de::Error::custom(format!(
            "{} is not a currency; write its three letters, such as `USD`",
            quoted(code)
        ))),
        _ => Ok(text),
    }
}

/// Whether a text is a currency as ISO 4217 writes them.
pub(crate) fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";

    fn config(text: &str) -> Result<Config> {
        Config::of_text(&format!("{PROJECT}{text}"), "/srv", "local")
    }

    #[test]
    fn limits_and_usage_are_read_exactly() {
        let config = config(
            "[costs]\nlimit = \"200.50\"\ncurrency = \"USD\"\n[costs.usage]\n\"aws_lambda_function.requests\" = 3000000\n\
             \"module.a.aws_sqs_queue.q[\\\"x.y\\\"].requests\" = \"0.5\"\n",
        );
        let costs = config.unwrap().settings().costs.clone();
        assert_eq!(costs.limit, Some("200.5".parse().unwrap()));
        assert_eq!(costs.usage["aws_lambda_function.requests"], Decimal::from(3_000_000));
        assert_eq!(costs.usage.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            (
                "[costs]\nlimti = \"1\"\n",
                "infra.toml:6:1: `costs.limti` is not a known key; did you mean `limit`?",
            ),
            ("[costs]\nlimit = 1.5\n", "infra.toml:6:1: `costs.limit`: is a number with a fraction"),
            ("[costs]\nlimit = \"-1\"\n", "infra.toml:6:1: `costs.limit`: `-1` is less than nothing"),
            ("[costs]\ncurrency = \"usd\"\n", "infra.toml:6:1: `costs.currency`: `usd` is not a currency"),
            (
                "[costs]\ntable = \"../prices.toml\"\n",
                "infra.toml:6:1: `costs.table`: path `../prices.toml` leaves",
            ),
            ("[costs.usage]\nx = 1\n", "`costs.usage`: `x` names no use"),
            ("[costs.usage]\n\"a.b\" = -1\n", "`costs.usage`: `-1` is less than nothing"),
        ] {
            let report = config(text).unwrap_err().report().to_string();
            assert!(report.contains(expected), "{expected}\n{report}");
        }
    }

    #[test]
    fn an_environment_may_have_a_limit_of_its_own() {
        let text = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[costs]\nlimit = \"9\"\n\
                    [env.staging.costs]\nlimit = \"5\"\n";
        let limit = |env| Config::of_text(text, "/srv", env).unwrap().settings().costs.limit;
        assert_eq!((limit("local"), limit("staging")), (Some(Decimal::from(9)), Some(Decimal::from(5))));
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_said_with_the_way_out() {
        let missing = config("[costs]\ntable = \"nowhere.toml\"\n").unwrap();
        let env = Env::of([("X", "x")], "/srv");
        let error = missing.price_table(&env).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::NotFound);
        assert!(config("").unwrap().price_table(&env).await.unwrap().is_none());
    }
}
