//! Reading a tree of parameters into a type.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::names::ParamPath;
use crate::refs::lookup::{self, Found};
use crate::refs::nearest::{nearest, nearest_in};
use crate::refs::{Parameter, ParameterStore, ParameterValue};
use crate::tree::{self, Node, Origin, ProblemKind, ReadOptions, Unknown, Value};

/// Reads what stands at and below `path` into a type.
///
/// The field `vpc_id` reads the parameter `vpc-id`; a nested struct or map reads the level below; a list reads
/// one list parameter, or the levels `0`, `1` and so on; an `Option` may be missing; numbers, switches and
/// enums are read from text; a [`SecretValue`](crate::SecretValue) is the only type that reads a secret
/// parameter. Parameters that no field reads are passed over, so that an exporter may add some. Where the tree has a
/// [`Contract`](crate::refs::Contract), the parameters it names are read, and the whole tree only if those do not do.
///
/// ```
/// # use infra_sdk::{Result, SecretValue, refs::{self, ParameterStore}};
/// #[derive(serde::Deserialize)]
/// struct Network {
///     vpc_id: String,
///     subnet_ids: Vec<String>,
///     log_key: Option<SecretValue>,
/// }
///
/// # async fn example(store: &dyn ParameterStore) -> Result<()> {
/// let network: Network = refs::read(store, &"/infrastructure/network".parse()?).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// `NotFound` when nothing stands there, with the nearest path that exists; `Invalid` with every missing and
/// wrong value at once; what the store fails with otherwise.
pub async fn read<T: DeserializeOwned>(store: &dyn ParameterStore, path: &ParamPath) -> Result<T> {
    let Found { mut parameters, by_contract } = lookup::tree(store, path).await?;
    if parameters.is_empty() {
        return Err(nothing_at(store, path).await);
    }
    let options = ReadOptions { unknown: Unknown::Ignore, ..ReadOptions::default() };
    let mut read = tree::read(&tree_of(path, &leaves(&parameters)), options);
    if by_contract && read.is_err() {
        // Somebody may have put more there than the contract knows.
        parameters = store.get(std::slice::from_ref(path)).await?.into_values().collect();
        parameters.extend(lookup::below(store, path).await?);
        read = tree::read(&tree_of(path, &leaves(&parameters)), options);
    }
    read.map_err(|problems| refuse(path, &parameters, &problems))
}

/// The error for a path at which nothing stands.
pub(crate) async fn nothing_at(store: &dyn ParameterStore, path: &ParamPath) -> Error {
    let error = Error::not_found(format!("nothing is published at `{path}`"));
    match nearest_in(store, path).await {
        Some(near) => error.hint(format!("did you mean `{near}`? That is the nearest path that exists")),
        None => error.hint("run `cargo xtask infra:refs:publish` in the repo that exports it"),
    }
}

fn refuse(path: &ParamPath, parameters: &[Parameter], problems: &[tree::Problem]) -> Error {
    let known: Vec<&ParamPath> = parameters.iter().map(|parameter| &parameter.path).collect();
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = place(path, &problem.path);
            match &problem.kind {
                ProblemKind::Missing => {
                    let near = place.parse().ok().and_then(|place| nearest(&place, known.iter().copied()));
                    let near = near.map(|near| format!("; the nearest path that exists is `{near}`"));
                    format!("`{place}` is missing{}", near.unwrap_or_default())
                }
                ProblemKind::WrongType { wanted, found } => {
                    format!("`{place}` must be {wanted}, not {found}")
                }
                ProblemKind::Refused(why) => format!("`{place}`: {why}"),
                // Not met: keys that no field reads are passed over.
                kind => format!("`{place}`: {kind:?}"),
            }
        })
        .collect();
    let count = if lines.len() == 1 { "1 value".into() } else { format!("{} values", lines.len()) };
    Error::invalid(format!("what stands under `{path}` does not fit: {count} missing or wrong"))
        .because(lines.join("\n"))
        .hint(
            "publish again from the repo that exports it, or use the version of its types that was published",
        )
}

/// The parameter path of a problem's path: `zones[0].cidr-block` below `/a` is `/a/zones/0/cidr-block`.
pub(crate) fn place(root: &ParamPath, below: &str) -> String {
    let mut place = root.to_string();
    let mut quoted = false;
    for (at, c) in below.char_indices() {
        if at == 0 {
            place.push('/');
        }
        match c {
            '"' => quoted = !quoted,
            '.' | '[' if !quoted => place.push('/'),
            ']' if !quoted => {}
            c => place.push(c),
        }
    }
    place
}

/// The values at their paths, as a tree.
pub(crate) fn tree_of(root: &ParamPath, values: &BTreeMap<ParamPath, Value>) -> Node {
    let mut tree = node(root.as_str(), Value::Table(BTreeMap::new()));
    // What stands at the root itself counts only if nothing stands below it.
    if let (Some(value), 1) = (values.get(root), values.len()) {
        return node(root.as_str(), value.clone());
    }
    for (path, value) in values {
        if let Some(below) = path.below(root) {
            insert(&mut tree, root, below, node(path.as_str(), value.clone()));
        }
    }
    tree
}

pub(crate) fn leaves<'a>(parameters: impl IntoIterator<Item = &'a Parameter>) -> BTreeMap<ParamPath, Value> {
    parameters.into_iter().map(|parameter| (parameter.path.clone(), leaf(parameter))).collect()
}

fn insert(tree: &mut Node, parent: &ParamPath, below: &str, leaf: Node) {
    let (name, rest) = below.split_once('/').map_or((below, None), |(name, rest)| (name, Some(rest)));
    // A path with a value of its own and values below it is read as the latter, which hold more.
    if tree.entries().is_none() {
        tree.value = Value::Table(BTreeMap::new());
    }
    let Value::Table(entries) = &mut tree.value else { return };
    match rest {
        None => drop(entries.entry(name.to_owned()).or_insert(leaf)),
        Some(rest) => {
            let Ok(path) = parent.join(name) else { return };
            let next = entries
                .entry(name.to_owned())
                .or_insert_with(|| node(path.as_str(), Value::Table(BTreeMap::new())));
            insert(next, &path, rest, leaf);
        }
    }
}

fn leaf(parameter: &Parameter) -> Value {
    match &parameter.value {
        ParameterValue::Plain(text) => Value::Loose(text.clone()),
        ParameterValue::Secret(secret) => Value::Secret(secret.clone()),
        // Nothing tells an empty list from an empty table; the type that reads it does.
        ParameterValue::List(items) if items.is_empty() => Value::Loose(String::new()),
        ParameterValue::List(items) => {
            let item = |item: &String| node(parameter.path.as_str(), Value::Loose(item.clone()));
            Value::List(items.iter().map(item).collect())
        }
    }
}

fn node(path: &str, value: Value) -> Node {
    Node::new(value, Origin::named(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_placed_at_the_path_of_its_parameter() {
        let root = "/a".parse().unwrap();
        assert_eq!(place(&root, "zones[0].cidr-block"), "/a/zones/0/cidr-block");
        assert_eq!(place(&root, "by-host.\"shop.example\".port"), "/a/by-host/shop.example/port");
        assert_eq!(place(&root, ""), "/a");
    }
}
