//! Publishing what Terraform put out, without a type of our own.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::names::ParamPath;
use crate::refs::PublishPlan;
use crate::refs::publish::plan;
use crate::refs::serialize::{kebab, node};
use crate::secret::SecretValue;
use crate::tree::{Node, Value};

/// One output of a Terraform stack.
#[derive(Clone)]
pub struct Output {
    /// Its value.
    pub value: Json,
    /// Whether Terraform hides it; then every text in it is published as a secret.
    pub sensitive: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Output");
        match self.sensitive {
            true => debug.field("value", &"[secret]"),
            false => debug.field("value", &self.value),
        };
        debug.field("sensitive", &self.sensitive).finish()
    }
}

/// Plans to make the tree at `path` say exactly what these outputs say, an output a name: `vpc_id` is published
/// as `vpc-id`. Names within objects stay as they are, for they may be keys of a map. An output that is null has
/// no parameter.
///
/// # Errors
/// `Invalid` with every output that cannot be kept, before anything is written; what the store fails with
/// otherwise.
pub async fn publish_outputs_plan(
    store: &dyn crate::refs::ParameterStore,
    path: &ParamPath,
    outputs: &BTreeMap<String, Output>,
) -> Result<PublishPlan> {
    let mut entries = BTreeMap::new();
    for (name, output) in outputs {
        let Some(value) = value(name, &output.value, output.sensitive)? else { continue };
        if entries.insert(kebab(name), value).is_some() {
            return Err(Error::invalid(format!("two outputs would be published as `{}`", kebab(name)))
                .hint("rename one of them: `_` and `-` are the same in a published name"));
        }
    }
    if entries.is_empty() {
        return Err(Error::invalid(format!(
            "there is nothing to publish at `{path}`: the stack has no outputs"
        ))
        .hint("apply the stack first, or add an `output` block to it"));
    }
    plan(store, path, Value::Table(entries)).await
}

fn value(output: &str, json: &Json, sensitive: bool) -> Result<Option<Node>> {
    let text = |text: String| match sensitive {
        true => Value::Secret(SecretValue::new(text)),
        false => Value::Text(text),
    };
    let value = match json {
        Json::Null => return Ok(None),
        Json::Bool(yes) if !sensitive => Value::Boolean(*yes),
        Json::Bool(yes) => text(yes.to_string()),
        Json::Number(number) if !sensitive => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, Some(fraction)) if number.is_f64() => Value::Float(fraction),
            _ => Value::Text(number.to_string()),
        },
        Json::Number(number) => text(number.to_string()),
        Json::String(string) => text(string.clone()),
        Json::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                // Left out, it would move all elements after it.
                list.push(value(output, item, sensitive)?.ok_or_else(|| {
                    Error::invalid(format!("the output `{output}` holds a list with a null element"))
                        .hint("drop such elements in Terraform, with `compact` or an `if` in a `for`")
                })?);
            }
            Value::List(list)
        }
        Json::Object(entries) => {
            let mut table = BTreeMap::new();
            for (key, json) in entries {
                table.extend(value(output, json, sensitive)?.map(|node| (key.clone(), node)));
            }
            Value::Table(table)
        }
    };
    Ok(Some(node(value)))
}
