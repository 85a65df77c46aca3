//! References for people who read them in Terraform: data sources, and typed locals over them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{Label, ParamPath};
use crate::refs::lookup::{Contracts, below};
use crate::refs::read::nothing_at;
use crate::refs::{FieldType, Parameter, ParameterStore, ParameterValue};

/// The references of a repo as Terraform code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hcl {
    /// The code, as `terraform fmt` writes it.
    pub code: String,
    /// How many references it has.
    pub references: usize,
    /// How many parameters they read.
    pub parameters: usize,
}

impl fmt::Display for Hcl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.trim_end())
    }
}

const HEAD: &str = "\
# What this repo reads of others. Written by `cargo xtask infra:refs:tf`: run that again instead of changing it here.
# The parameter `vpc-id` below the reference `network` is `local.network.vpc_id`. Secrets stay sensitive.
";

/// Writes a data source `aws_ssm_parameter` for each parameter of the references, and a local for each reference: an object
/// with the shape of the tree, in which numbers are numbers, lists are lists and only secrets are sensitive.
///
/// Types come from the contract of the tree; without one, everything that is no list is a text. `-` in names becomes `_`,
/// unless two names of one object would become one.
///
/// # Errors
/// `NotFound` for a reference that leads nowhere; what the store fails with.
pub async fn hcl(store: &dyn ParameterStore, refs: &BTreeMap<Label, ParamPath>) -> Result<Hcl> {
    if refs.is_empty() {
        return Err(Error::not_found("this repo reads no references")
            .hint("add `[refs]` to infra.toml, such as network = \"/infrastructure/network\""));
    }
    let contracts = Contracts::around(store, refs.values()).await?;
    let mut code = HEAD.to_owned();
    let (mut locals, mut taken, mut parameters) = (Vec::new(), BTreeSet::new(), 0);
    for (label, path) in refs {
        let (fields, promised) = match contracts.of(path)? {
            Some((contract, fields)) => (fields, format!("{path}, {contract}")),
            None => (fields_at(store, path).await?, path.to_string()),
        };
        parameters += fields.len();
        let mut tree = Item::Table(BTreeMap::new());
        for (at, kind) in fields {
            let below = at.below(path).unwrap_or_default();
            let source = unique(&mut taken, source_name(label, below));
            let _ = write!(code, "\ndata \"aws_ssm_parameter\" \"{source}\" {{\n  name = \"{at}\"\n}}\n");
            tree.insert(below, expression(&source, kind));
        }
        locals.push((promised, identifier(label.as_str()), tree));
    }
    code.push_str("\nlocals {\n");
    for (index, (promised, name, tree)) in locals.iter().enumerate() {
        let blank = if index == 0 { "" } else { "\n" };
        let _ = write!(code, "{blank}  # {}\n  {name} = ", comment(promised));
        tree.write(&mut code, 1);
        code.push('\n');
    }
    code.push_str("}\n");
    Ok(Hcl { code, references: refs.len(), parameters })
}

/// A text as it can stand behind `#`: whatever it says, on one line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// What stands at a path that no contract is about.
async fn fields_at(store: &dyn ParameterStore, path: &ParamPath) -> Result<BTreeMap<ParamPath, FieldType>> {
    let mut found: Vec<Parameter> = below(store, path).await?;
    if found.is_empty() {
        found.extend(store.get(std::slice::from_ref(path)).await?.into_values());
    }
    if found.is_empty() {
        return Err(nothing_at(store, path).await);
    }
    let kind = |value: &ParameterValue| match value {
        ParameterValue::Plain(_) => FieldType::Text,
        ParameterValue::List(_) => FieldType::Texts,
        ParameterValue::Secret(_) => FieldType::Secret,
    };
    Ok(found.into_iter().map(|parameter| (parameter.path, kind(&parameter.value))).collect())
}

/// The value of a data source as its type. The provider marks every value as sensitive.
fn expression(source: &str, kind: FieldType) -> String {
    let value = format!("data.aws_ssm_parameter.{source}.value");
    let plain = format!("nonsensitive({value})");
    // A list that is empty by now stands there as a lone comma.
    let list = format!("compact(split(\",\", {plain}))");
    match kind {
        FieldType::Secret => value,
        FieldType::Text => plain,
        FieldType::Integer | FieldType::Number => format!("tonumber({plain})"),
        FieldType::Boolean => format!("tobool({plain})"),
        FieldType::Texts | FieldType::Empty => list,
        FieldType::Integers | FieldType::Numbers => format!("[for item in {list} : tonumber(item)]"),
        FieldType::Booleans => format!("[for item in {list} : tobool(item)]"),
    }
}

fn source_name(label: &Label, below: &str) -> String {
    let mut name: String = label
        .as_str()
        .chars()
        .chain(if below.is_empty() { "" } else { "_" }.chars())
        .chain(below.chars())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

fn unique(taken: &mut BTreeSet<String>, name: String) -> String {
    let mut free = name.clone();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}

/// A name with `_` for `-`; what Terraform takes for no name of its own is put in quotes by [`key`].
fn identifier(name: &str) -> String {
    let name = name.replace('-', "_");
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// The key of an object: a name where it can be one.
fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { format!("\"{name}\"") }
}

/// A part of a local: an expression, or what stands below a name.
enum Item {
    Expression(String),
    Table(BTreeMap<String, Item>),
}

impl Item {
    fn insert(&mut self, below: &str, expression: String) {
        let Item::Table(entries) = self else { return };
        let (name, rest) = below.split_once('/').map_or((below, None), |(name, rest)| (name, Some(rest)));
        match rest {
            None if name.is_empty() => *self = Item::Expression(expression),
            None => drop(entries.entry(name.to_owned()).or_insert(Item::Expression(expression))),
            Some(rest) => {
                let next = entries.entry(name.to_owned()).or_insert_with(|| Item::Table(BTreeMap::new()));
                // As when it is read: what stands below counts more than a value beside it.
                if matches!(next, Item::Expression(_)) {
                    *next = Item::Table(BTreeMap::new());
                }
                next.insert(rest, expression);
            }
        }
    }

    fn write(&self, code: &mut String, depth: usize) {
        let inside = "  ".repeat(depth + 1);
        let outside = "  ".repeat(depth);
        match self {
            Item::Expression(text) => code.push_str(text),
            Item::Table(entries) => {
                if let Some(items) = numbered(entries) {
                    code.push_str("[\n");
                    for item in items {
                        code.push_str(&inside);
                        item.write(code, depth + 1);
                        code.push_str(",\n");
                    }
                    let _ = write!(code, "{outside}]");
                    return;
                }
                code.push_str("{\n");
                for (name, width, item) in aligned(entries) {
                    let _ = write!(code, "{inside}{name:<width$} = ");
                    item.write(code, depth + 1);
                    code.push('\n');
                }
                let _ = write!(code, "{outside}}}");
            }
        }
    }
}

/// The elements of a list whose elements have levels of their own.
fn numbered(entries: &BTreeMap<String, Item>) -> Option<Vec<&Item>> {
    let items = (0..entries.len()).map(|at| entries.get(&at.to_string())).collect::<Option<Vec<_>>>()?;
    (!items.is_empty()).then_some(items)
}

/// The entries under their keys, each with the width that `terraform fmt` gives it: neighbours on lines of their own are
/// aligned, and what goes over several lines is none.
fn aligned(entries: &BTreeMap<String, Item>) -> Vec<(String, usize, &Item)> {
    let short: Vec<String> = entries.keys().map(|name| name.replace('-', "_")).collect();
    let alone: BTreeSet<&String> = short.iter().collect();
    let keys: Vec<String> = match alone.len() == short.len() {
        true => short.iter().map(|name| key(name)).collect(),
        false => entries.keys().map(|name| key(name)).collect(),
    };
    let items: Vec<(String, &Item)> = keys.into_iter().zip(entries.values()).collect();
    let mut all = Vec::new();
    for group in items.chunk_by(|a, b| matches!((a.1, b.1), (Item::Expression(_), Item::Expression(_)))) {
        let width = group.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        all.extend(group.iter().map(|(name, item)| (name.clone(), width, *item)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_terraform_takes_for_names() {
        let label: Label = "2nd-net".parse().unwrap();
        assert_eq!(source_name(&label, "zones/0/cidr-block"), "_2nd_net_zones_0_cidr_block");
        assert_eq!(identifier("2nd-net"), "_2nd_net");
        assert_eq!(
            (key("vpc_id"), key("shop.example"), key("0a")),
            ("vpc_id".into(), "\"shop.example\"".into(), "\"0a\"".into())
        );
        let mut taken = BTreeSet::new();
        assert_eq!([unique(&mut taken, "a".into()), unique(&mut taken, "a".into())], ["a", "a_2"]);
    }

    #[test]
    fn a_comment_stays_on_its_line_whatever_it_says() {
        assert_eq!(
            comment("/a, version 1 of acme/shop-api at 4f1c"),
            "/a, version 1 of acme/shop-api at 4f1c"
        );
        assert_eq!(comment("x\n}\r\u{2028}\u{85}\u{1b}[2J"), "x?}????[2J");
    }

    #[test]
    fn two_names_that_would_be_one_stay_as_they_are() {
        let item = || Item::Expression("x".into());
        let entries = BTreeMap::from([("a-b".to_owned(), item()), ("a_b".to_owned(), item())]);
        let keys: Vec<String> = aligned(&entries).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(keys, ["\"a-b\"", "a_b"]);
    }
}
