//! Every value with where it came from, as `infra:config:show` prints it.

use std::fmt;

use serde::Serialize;

use crate::tree::{Node, Value};

/// The sections in the order in which a person reads a file.
const SECTIONS: [&str; 16] = [
    "extends",
    "project",
    "env",
    "secrets",
    "vault",
    "refs",
    "exports",
    "stack",
    "policy",
    "costs",
    "image",
    "deploy",
    "repos",
    "dev",
    "nats-server",
    "tools",
];

/// Every value of the settings with its origin; no setting is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The environment the settings are for.
    pub environment: String,
    /// The values, section by section.
    pub values: Vec<ShownValue>,
}

/// One value of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownValue {
    /// Its path, such as `deploy.port`.
    pub path: String,
    /// The value as TOML writes it.
    pub value: String,
    /// Where it was set last: `infra.toml:12:1`, a variable, a flag, `SDK default`.
    pub origin: String,
}

impl Shown {
    pub(crate) fn of(tree: &Node, environment: &str) -> Self {
        let mut values: Vec<ShownValue> = tree
            .leaves()
            .into_iter()
            .filter(|(path, _)| !path.is_empty())
            .map(|(path, node)| ShownValue { path, value: shown(node), origin: node.origin.to_string() })
            .collect();
        let rank = |value: &ShownValue| {
            let at = SECTIONS.iter().position(|section| value.path.split('.').next() == Some(section));
            at.unwrap_or(SECTIONS.len())
        };
        values.sort_by_key(rank);
        Shown { environment: environment.to_owned(), values }
    }
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Loose(text) if text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok() => text.clone(),
        Value::Text(text) | Value::Loose(text) => toml::Value::String(text.clone()).to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Table(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, node)| format!("{key} = {}", shown(node))).collect();
            if entries.is_empty() { "{}".into() } else { format!("{{ {} }}", entries.join(", ")) }
        }
        Value::Secret(_) => "[secret]".into(),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&ShownValue) -> &str, most: usize| {
            self.values.iter().map(|value| text(value).chars().count()).max().unwrap_or(0).min(most)
        };
        let (paths, values) = (width(|value| &value.path, 60), width(|value| &value.value, 60));
        let mut section = None;
        write!(f, "# environment {}", self.environment)?;
        for ShownValue { path, value, origin } in &self.values {
            let this = path.split('.').next();
            if section.is_some() && section != Some(this) {
                writeln!(f)?;
            }
            section = Some(this);
            write!(f, "\n{path:paths$} = {value:values$}  # {origin}")?;
        }
        Ok(())
    }
}
