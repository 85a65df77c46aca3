//! References as environment variables, for a service that reads no parameters itself.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::names::{Label, ParamPath};
use crate::refs::lookup::{below, promised};
use crate::refs::{Parameter, ParameterStore, ParameterValue};
use crate::secret::SecretValue;

/// The values a repo reads of others, by the names of environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Those anyone may see.
    pub plain: BTreeMap<String, String>,
    /// Those nobody may see.
    pub secret: BTreeMap<String, SecretValue>,
}

/// Reads everything at and below the paths of `[refs]`.
///
/// The parameter `vpc-id` below the reference `network` becomes `NETWORK_VPC_ID`, a value at the path of the
/// reference itself `NETWORK`, and then what stands below is not read; a list becomes its elements with commas between.
/// Of a tree with a [`Contract`](crate::refs::Contract), what that names is read. A reference that leads nowhere gives
/// nothing: [`check`](crate::refs::check) tells.
///
/// # Errors
/// `Invalid` when two values would get the same name; what the store fails with otherwise.
pub async fn variables(store: &dyn ParameterStore, refs: &BTreeMap<Label, ParamPath>) -> Result<Variables> {
    let mut variables = Variables::default();
    for (name, parameter) in by_variable(store, refs).await? {
        match parameter.value {
            ParameterValue::Plain(text) => drop(variables.plain.insert(name, text)),
            ParameterValue::List(items) => drop(variables.plain.insert(name, items.join(","))),
            ParameterValue::Secret(secret) => drop(variables.secret.insert(name, secret)),
        }
    }
    Ok(variables)
}

/// The same parameters with their paths and versions, for a service whose variables are read from there when it starts.
///
/// # Errors
/// As [`variables`].
pub async fn by_variable(
    store: &dyn ParameterStore,
    refs: &BTreeMap<Label, ParamPath>,
) -> Result<BTreeMap<String, Parameter>> {
    let mut named: BTreeMap<String, Parameter> = BTreeMap::new();
    if refs.is_empty() {
        // An environment without a place for parameters is good enough for who reads none.
        return Ok(named);
    }
    for (label, path, parameters) in resolve(store, refs).await? {
        for parameter in parameters {
            let name = match parameter.path.below(path) {
                Some(below) => variable(&format!("{label}_{below}")),
                None => variable(label.as_str()),
            };
            if let Some(other) = named.get(&name) {
                return Err(Error::invalid(format!("two references would both be the variable {name}"))
                    .with("one", &other.path)
                    .with("other", &parameter.path)
                    .hint("give one of them another name in `[refs]` of infra.toml"));
            }
            named.insert(name, parameter);
        }
    }
    Ok(named)
}

/// What each reference leads to. All single values are one read by name; so are all trees with a contract, after one for
/// the contracts.
async fn resolve<'a>(
    store: &dyn ParameterStore,
    refs: &'a BTreeMap<Label, ParamPath>,
) -> Result<Vec<(&'a Label, &'a ParamPath, Vec<Parameter>)>> {
    let own = store.get(&refs.values().cloned().collect::<Vec<_>>()).await?;
    let promised = promised(store, refs.values().filter(|path| !own.contains_key(path))).await?;
    let values = store
        .get(&promised.values().flat_map(|promised| promised.fields.keys()).cloned().collect::<Vec<_>>())
        .await?;
    let mut resolved = Vec::new();
    for (label, path) in refs {
        let parameters = match (own.get(path), promised.get(path)) {
            (Some(own), _) => vec![own.clone()],
            (None, Some(promised)) => {
                promised.fields.keys().filter_map(|field| values.get(field)).cloned().collect()
            }
            (None, None) => below(store, path).await?,
        };
        resolved.push((label, path, parameters));
    }
    Ok(resolved)
}

fn variable(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    // A variable may not start with a digit, a reference may.
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_always_one_a_shell_accepts() {
        assert_eq!(variable("network_zones/0/cidr-block"), "NETWORK_ZONES_0_CIDR_BLOCK");
        assert_eq!(variable("2nd_host.name"), "_2ND_HOST_NAME");
    }
}
