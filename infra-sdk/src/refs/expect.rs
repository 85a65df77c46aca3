//! Comparing what a consumer's type reads with what a tree's contract promises, without reading a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::names::{ParamPath, nearest};
use crate::refs::lookup::{Contracts, below};
use crate::refs::read::{leaves, nothing_at, place, tree_of};
use crate::refs::{ContractCheck, FieldType, Mismatch, MismatchKind, ParameterStore};
use crate::tree::{self, A_LIST, Problem, ProblemKind, ReadOptions, Value};

/// Compares a type with the contract of the tree that `path` is, or is part of.
///
/// The type is read from samples, one of each promised type; so a secret needs no permission to decrypt it. Where a sample
/// is not accepted, as that of a text is not by an address, the value that stands there decides, unless it is secret. A
/// tree without a contract is read itself.
///
/// ```
/// # use infra_sdk::{Result, refs::{self, ParameterStore}};
/// #[derive(serde::Deserialize)]
/// struct Network {
///     vpc_id: String,
///     subnet_ids: Vec<String>,
/// }
///
/// # async fn example(store: &dyn ParameterStore) -> Result<()> {
/// let check = refs::check_contract::<Network>(store, &"/infrastructure/network".parse()?).await?;
/// println!("{}", check.into_result()?);
/// # Ok(()) }
/// ```
///
/// # Errors
/// `NotFound` when nothing is published there; what the store fails with. What does not fit is no error here, see
/// [`ContractCheck::into_result`].
pub async fn check_contract<T: DeserializeOwned>(
    store: &dyn ParameterStore,
    path: &ParamPath,
) -> Result<ContractCheck> {
    let contracts = Contracts::around(store, [path]).await?;
    contracts.require_readable(path)?;
    let promised = contracts.of(path)?;
    let Some((contract, fields)) = promised else {
        let mut parameters = below(store, path).await?;
        parameters.extend(store.get(std::slice::from_ref(path)).await?.into_values());
        if parameters.is_empty() {
            return Err(nothing_at(store, path).await);
        }
        let values = leaves(&parameters);
        let compared = Compared { root: path, fields: &BTreeMap::new(), values };
        return Ok(compared.told::<T>(ContractCheck::new(path, None)));
    };
    let samples = fields.iter().map(|(at, kind)| (at.clone(), kind.sample(at))).collect();
    let mut compared = Compared { root: path, fields: &fields, values: samples };
    let doubtful = compared.doubtful::<T>();
    if !doubtful.is_empty() {
        compared.values.extend(leaves(store.get(&doubtful).await?.values()));
    }
    Ok(compared.told::<T>(ContractCheck::new(path, Some(contract))))
}

/// A type that a repo reads a reference as, to be compared with what is promised there.
#[derive(Clone)]
pub struct Expectation {
    reference: String,
    check: for<'a> fn(&'a dyn ParameterStore, &'a ParamPath) -> Checking<'a>,
}

type Checking<'a> = Pin<Box<dyn Future<Output = Result<ContractCheck>> + Send + 'a>>;

impl Expectation {
    /// That a reference, a name of `[refs]` or a path, is read as `T`.
    pub fn new<T: DeserializeOwned + 'static>(reference: impl Into<String>) -> Self {
        Expectation {
            reference: reference.into(),
            check: |store, path| Box::pin(check_contract::<T>(store, path)),
        }
    }

    /// The reference.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Compares the type with what is promised at `path`.
    ///
    /// # Errors
    /// As [`check_contract`].
    pub async fn check(&self, store: &dyn ParameterStore, path: &ParamPath) -> Result<ContractCheck> {
        (self.check)(store, path).await
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectation").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// What is promised, and the values a type is tried with.
struct Compared<'a> {
    root: &'a ParamPath,
    fields: &'a BTreeMap<ParamPath, FieldType>,
    values: BTreeMap<ParamPath, Value>,
}

impl Compared<'_> {
    fn problems<T: DeserializeOwned>(&self, values: &BTreeMap<ParamPath, Value>) -> Vec<Problem> {
        // Keys that no field reads are told, too: what a missing field is called now is among them.
        tree::read::<T>(&tree_of(self.root, values), ReadOptions::default()).err().unwrap_or_default()
    }

    /// The fields, none of them secret, whose sample is not accepted.
    fn doubtful<T: DeserializeOwned>(&self) -> Vec<ParamPath> {
        let mut doubtful = Vec::new();
        for problem in self.problems::<T>(&self.values) {
            match &problem.kind {
                ProblemKind::Missing | ProblemKind::Unknown { .. } => continue,
                // Any single text can be read as a list, also one that is promised to be none.
                ProblemKind::WrongType { wanted, .. } if wanted == A_LIST => continue,
                _ => {}
            }
            let at = place(self.root, &problem.path);
            let near = |field: &ParamPath| is_within(field.as_str(), &at) || is_within(&at, field.as_str());
            let fields =
                self.fields.iter().filter(|(field, kind)| **kind != FieldType::Secret && near(field));
            doubtful.extend(fields.map(|(field, _)| field.clone()));
        }
        doubtful.sort();
        doubtful.dedup();
        doubtful
    }

    /// Everything that does not fit.
    fn told<T: DeserializeOwned>(&self, mut check: ContractCheck) -> ContractCheck {
        let problems = self.problems::<T>(&self.values);
        let unread: Vec<String> = problems
            .iter()
            .filter(|problem| matches!(problem.kind, ProblemKind::Unknown { .. }))
            .map(|problem| place(self.root, &problem.path))
            .collect();
        let missing: Vec<String> = problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Missing)
            .map(|problem| place(self.root, &problem.path))
            .collect();
        let mut renamed = self.renamed::<T>(&missing, &unread);
        for Problem { path, kind, .. } in problems {
            let at = place(self.root, &path);
            let kind = match kind {
                ProblemKind::Unknown { .. } => continue,
                ProblemKind::Missing => match renamed.remove(&at) {
                    Some(to) => MismatchKind::Renamed { to },
                    None => MismatchKind::Missing,
                },
                ProblemKind::WrongType { wanted, found } => {
                    MismatchKind::Retyped { wanted, promised: self.promised(&at).unwrap_or(found) }
                }
                ProblemKind::Refused(why) => MismatchKind::Refused { why },
            };
            check.mismatches.push(Mismatch { path: at, kind });
        }
        check.unread = unread;
        check
    }

    fn promised(&self, at: &str) -> Option<String> {
        self.fields.iter().find(|(field, _)| field.as_str() == at).map(|(_, kind)| kind.to_string())
    }

    /// What missing fields are called now: of what nobody reads, each that with the nearest name which the field can read.
    fn renamed<T: DeserializeOwned>(
        &self,
        missing: &[String],
        unread: &[String],
    ) -> BTreeMap<String, String> {
        let mut renamed = BTreeMap::new();
        let mut free: Vec<&str> = unread.iter().map(String::as_str).collect();
        // Below the root: what all names begin with makes none of them alike.
        let name = |path: &str| path[self.root.as_str().len()..].to_owned();
        for field in missing {
            let mut near: BTreeMap<String, &str> = free.iter().map(|path| (name(path), *path)).collect();
            while let Some(best) = nearest(&name(field), near.keys().map(String::as_str)).map(str::to_owned) {
                match near.remove(&best) {
                    Some(found) if self.reads::<T>(field, found) => {
                        free.retain(|other| *other != found);
                        renamed.insert(field.clone(), found.to_owned());
                        break;
                    }
                    _ => {}
                }
            }
        }
        // With nothing else to choose from, a name that is nothing alike is a good guess, too.
        let above = |path: &str| path.rsplit_once('/').map(|(above, _)| above.to_owned());
        let left: Vec<&String> = missing.iter().filter(|field| !renamed.contains_key(*field)).collect();
        for field in &left {
            let beside = |path: &&str| above(path) == above(field);
            let alone = left.iter().filter(|other| beside(&other.as_str())).count() == 1;
            let mut found = free.iter().filter(|path| beside(path));
            if let (true, Some(only), None) = (alone, found.next(), found.next())
                && self.reads::<T>(field, only)
            {
                renamed.insert((*field).clone(), (*only).to_owned());
            }
        }
        renamed
    }

    /// Whether what stands at and below `found` is what is missing at `missing`.
    fn reads<T: DeserializeOwned>(&self, missing: &str, found: &str) -> bool {
        let mut moved = self.values.clone();
        for (path, value) in &self.values {
            if let Some(rest) = path.as_str().strip_prefix(found).filter(|_| is_within(path.as_str(), found))
                && let Ok(path) = ParamPath::new(format!("{missing}{rest}"))
            {
                moved.insert(path, value.clone());
            }
        }
        let is_about = |problem: &Problem| {
            !matches!(problem.kind, ProblemKind::Unknown { .. })
                && is_within(&place(self.root, &problem.path), missing)
        };
        moved.len() > self.values.len() && !self.problems::<T>(&moved).iter().any(is_about)
    }
}

/// Whether a path is another one, or below it.
fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::tree::{Node, Origin};

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Network {
        vpc_name: String,
        subnets: Vec<String>,
        gateway: std::net::Ipv4Addr,
        db: Database,
        log_key: Option<String>,
        max: u8,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Database {
        key: crate::SecretValue,
        port: u16,
    }

    fn told(fields: &[(&str, FieldType)]) -> Vec<String> {
        let root: ParamPath = "/a".parse().unwrap();
        let fields: BTreeMap<ParamPath, FieldType> =
            fields.iter().map(|(name, kind)| (root.join(name).unwrap(), *kind)).collect();
        let values = fields.iter().map(|(at, kind)| (at.clone(), kind.sample(at))).collect();
        let mut compared = Compared { root: &root, fields: &fields, values };
        // In place of what the store would say.
        for field in compared.doubtful::<Network>() {
            let text = if field.as_str().ends_with("gateway") { "10.0.0.1" } else { "x" };
            let value = match (&compared.values[&field], Value::Loose(text.into())) {
                (Value::List(_), text) => Value::List(vec![Node::new(text, Origin::named(""))]),
                (_, text) => text,
            };
            compared.values.insert(field, value);
        }
        let check = compared.told::<Network>(ContractCheck::new(&root, None));
        check.mismatches.iter().map(ToString::to_string).collect()
    }

    const GOOD: [(&str, FieldType); 6] = [
        ("vpc-name", FieldType::Text),
        ("subnets", FieldType::Texts),
        ("gateway", FieldType::Text),
        ("db/key", FieldType::Secret),
        ("db/port", FieldType::Integer),
        ("max", FieldType::Integer),
    ];

    fn changed(change: impl Fn(&mut Vec<(&'static str, FieldType)>)) -> Vec<String> {
        let mut fields = GOOD.to_vec();
        change(&mut fields);
        told(&fields)
    }

    #[test]
    fn what_fits_is_silent_whatever_else_is_promised() {
        assert_eq!(told(&GOOD), [""; 0]);
        assert_eq!(changed(|fields| fields.push(("more", FieldType::Secret))), [""; 0]);
        assert_eq!(changed(|fields| fields[1].1 = FieldType::Empty), [""; 0]);
    }

    #[test]
    fn a_renamed_field_is_told_with_its_new_name_if_it_is_of_the_type() {
        let vpc = "`/a/vpc-name` is missing";
        let to = |name: &str| format!("{vpc}; it seems to be `/a/{name}` now");
        assert_eq!(changed(|fields| fields[0].0 = "vpc-title"), [to("vpc-title")]);
        assert_eq!(changed(|fields| fields[0].0 = "zzz"), [to("zzz")], "there is no other");
        assert_eq!(changed(|fields| fields[0] = ("vpc-names", FieldType::Texts)), [vpc], "of another type");
        assert_eq!(changed(|fields| fields.retain(|field| field.0 != "vpc-name")), [vpc]);
        let nearest = changed(|fields| {
            fields[0].0 = "vpc-title";
            fields.push(("vpc-name2", FieldType::Texts));
        });
        assert_eq!(nearest, [to("vpc-title")], "the nearest one that can be read");
        let table = changed(|fields| {
            fields[3].0 = "database/key";
            fields[4].0 = "database/port";
        });
        assert_eq!(table, ["`/a/db` is missing; it seems to be `/a/database` now"]);
    }

    #[test]
    fn a_single_value_where_a_list_is_read_is_told_though_any_text_can_be_read_as_one() {
        for (kind, word) in [(FieldType::Text, "a text"), (FieldType::Integer, "a whole number")] {
            let line = format!("`/a/subnets` is read as a list, and published as {word}");
            assert_eq!(changed(|fields| fields[1].1 = kind), [line]);
        }
    }

    #[test]
    fn every_retyped_field_is_told_with_both_types() {
        let all = changed(|fields| {
            fields[0].1 = FieldType::Texts;
            fields[3].1 = FieldType::Text;
            fields[4].1 = FieldType::Secret;
            fields[5].1 = FieldType::Boolean;
            fields.push(("log-key", FieldType::Secret));
        });
        let secret = "is secret: read it into a SecretValue";
        assert_eq!(
            all,
            [
                format!("`/a/db/port`: {secret}"),
                format!("`/a/log-key`: {secret}"),
                "`/a/max` is read as a whole number, and published as true or false".into(),
                "`/a/vpc-name` is read as a text, and published as a list of texts".into(),
            ],
            "a secret reads any text"
        );
    }
}
