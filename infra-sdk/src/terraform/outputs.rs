//! Outputs of a stack, raw or as the caller's own struct.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::secret::SecretValue;
use crate::tree::{self, Node, Origin, Problem, ProblemKind, ReadOptions, Unknown};

/// One output of a stack.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Output {
    /// Its value.
    pub value: Value,
    /// Whether the code marks it as sensitive; then it must not be shown.
    #[serde(default)]
    pub sensitive: bool,
}

/// Shows a sensitive value as `[secret]`.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive { f.write_str("[secret]") } else { fmt::Debug::fmt(&self.value, f) }
    }
}

/// Reads what `terraform output -json` prints.
pub(super) fn parse(json: &str) -> Result<BTreeMap<String, Output>> {
    serde_json::from_str(json).map_err(|error| {
        // The cause could quote a value, so only its place is told.
        Error::invalid("read the outputs that Terraform prints")
            .with("line", error.line())
            .hint("check the version of Terraform with `cargo xtask infra:tools:check`")
    })
}

/// Reads outputs into a struct; all that is missing or of another type at once.
pub(super) fn read<T: DeserializeOwned>(stack: &str, outputs: &BTreeMap<String, Output>) -> Result<T> {
    let mut problems = Vec::new();
    let entries: Vec<(&str, Node)> = outputs
        .iter()
        .filter_map(|(name, output)| {
            let mut reading =
                Reading { origin: Origin::named(format!("output {name}")), name, problems: &mut problems };
            Some((name.as_str(), reading.node(&output.value, output.sensitive)?))
        })
        .collect();
    let table = Node::table(entries, Origin::named(format!("stack {stack}")));
    // A stack may well have outputs that this caller has no use for.
    let options = ReadOptions { unknown: Unknown::Ignore, ..ReadOptions::default() };
    let read = tree::read(&table, options);
    match read {
        Ok(value) if problems.is_empty() => Ok(value),
        Ok(_) => Err(refused(stack, outputs, &problems)),
        Err(more) => {
            problems.extend(more);
            Err(refused(stack, outputs, &problems))
        }
    }
}

fn refused(stack: &str, outputs: &BTreeMap<String, Output>, problems: &[Problem]) -> Error {
    let error =
        tree::refused("the outputs of a stack are not what is read here", problems).with("stack", stack);
    if outputs.is_empty() {
        return error.hint("it has no outputs yet: apply the stack first");
    }
    let names: Vec<&str> = outputs.keys().map(String::as_str).collect();
    error.hint(format!(
        "correct the code of the stack and apply it, or the struct it is read into; the outputs are {}",
        names.join(", ")
    ))
}

struct Reading<'a> {
    origin: Origin,
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reading<'_> {
    /// The value as a tree, `None` when it is null, which counts as not there. Nothing inside a sensitive output is
    /// readable but by a [`SecretValue`].
    fn node(&mut self, value: &Value, sensitive: bool) -> Option<Node> {
        let secret = |text: String| tree::Value::Secret(SecretValue::new(text));
        let value = match value {
            Value::Null => return None,
            Value::Bool(yes) if sensitive => secret(yes.to_string()),
            Value::Number(number) if sensitive => secret(number.to_string()),
            Value::String(text) if sensitive => secret(text.clone()),
            Value::Bool(yes) => tree::Value::Boolean(*yes),
            Value::String(text) => tree::Value::Text(text.clone()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => tree::Value::Integer(whole),
                (None, Some(float)) if number.is_f64() => tree::Value::Float(float),
                // Too large for the tree's own numbers, but not for every type it is read into.
                _ => tree::Value::Loose(number.to_string()),
            },
            Value::Array(items) => tree::Value::List(self.list(items, sensitive)),
            Value::Object(map) => {
                let entries =
                    map.iter().filter_map(|(key, value)| Some((key.clone(), self.node(value, sensitive)?)));
                tree::Value::Table(entries.collect())
            }
        };
        Some(Node::new(value, self.origin.clone()))
    }

    fn list(&mut self, items: &[Value], sensitive: bool) -> Vec<Node> {
        let nodes: Vec<Node> = items.iter().filter_map(|item| self.node(item, sensitive)).collect();
        if nodes.len() < items.len() {
            // Leaving it out would shift the others.
            self.problems.push(Problem {
                origin: Some(self.origin.clone()),
                path: self.name.to_owned(),
                kind: ProblemKind::Refused(
                    "has a null in a list; leave such entries out with `compact`".into(),
                ),
            });
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Network {
        vpc_id: String,
        subnet_ids: Vec<String>,
        port: u16,
        token: SecretValue,
        login: Login,
        note: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Login {
        password: SecretValue,
    }

    fn outputs(json: &str) -> BTreeMap<String, Output> {
        parse(json).unwrap()
    }

    #[test]
    fn outputs_are_read_into_a_struct_whichever_way_names_are_written() {
        let outputs = outputs(
            r#"{"vpc_id":{"value":"vpc-1","type":"string","sensitive":false},"more":{"value":{"a":1}},
               "subnet-ids":{"value":["a","b"]},"port":{"value":443},"note":{"value":null},
               "token":{"value":"canary","sensitive":true},"login":{"value":{"password":"canary"},"sensitive":true}}"#,
        );
        let network: Network = read("net", &outputs).unwrap();
        assert_eq!((network.vpc_id.as_str(), network.port, network.note), ("vpc-1", 443, None));
        assert_eq!(network.subnet_ids, ["a", "b"]);
        assert_eq!((network.token.expose(), network.login.password.expose()), ("canary", "canary"));
        assert!(!format!("{outputs:?}").contains("canary"));
    }

    #[test]
    fn everything_missing_or_of_another_type_is_named_at_once_without_a_secret() {
        let outputs = outputs(
            r#"{"vpc_id":{"value":"canary","sensitive":true},"port":{"value":70000},"subnet_ids":{"value":["a",null]}}"#,
        );
        let report = read::<Network>("net", &outputs).unwrap_err().report().to_string();
        for part in [
            "`token` is missing",
            "`login` is missing",
            "output port",
            "output vpc_id",
            "null in a list",
            "outputs are port",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
        assert!(!report.contains("canary"), "{report}");
        let none = read::<Network>("net", &BTreeMap::new()).unwrap_err();
        assert!(none.hints()[0].contains("apply the stack first"));
    }
}
