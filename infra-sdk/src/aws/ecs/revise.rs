//! The next revision: the running one with another image, other variables, and everything else as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::aws::ecs::definition::Definition;
use crate::deploy::{ReleaseSpec, ValueFrom};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::names::quoted;

/// The container's label with the names of the variables that a release set: those, and no others, are taken away again
/// when a later one does not set them.
const VARIABLES: &str = "infra-sdk.variables";

/// The container's label with a digest over the versions of what is read from other places, so that a rotated secret makes
/// another revision and reaches the tasks.
const VERSIONS: &str = "infra-sdk.versions";

impl Definition {
    /// What to register for `spec`, whose image is called `image`.
    pub(super) fn revised(
        &self,
        spec: &ReleaseSpec,
        image: &str,
        container: Option<&str>,
    ) -> Result<Map<String, Value>> {
        let at = self.container_at(container, spec.project.as_str())?;
        let mut fields = self.own_fields();
        let Some(container) = fields["containerDefinitions"][at].as_object_mut() else { return Ok(fields) };
        container.insert("image".into(), image.into());
        set_variables(container, spec, port(container, spec)?);
        Ok(fields)
    }

    /// Whether this revision is `fields` already. AWS gives variables back in an order of its own.
    pub(super) fn is(&self, fields: &Map<String, Value>) -> bool {
        in_order(self.own_fields()) == in_order(fields.clone())
    }

    /// The container that is named, or the only one, or the one called like the project.
    fn container_at(&self, wanted: Option<&str>, project: &str) -> Result<usize> {
        let containers = self.containers();
        let names: Vec<&str> = containers.iter().filter_map(|container| container["name"].as_str()).collect();
        let named = |name: &str| names.iter().position(|known| *known == name);
        let found = match wanted {
            Some(wanted) => named(wanted),
            None if containers.len() == 1 => Some(0),
            None => named(project),
        };
        found.filter(|at| *at < containers.len()).ok_or_else(|| {
            Error::not_found(match wanted {
                Some(wanted) => format!("the task has no container {}", quoted(wanted)),
                None => "the task has several containers, and it is not said which one gets the image".into(),
            })
            .with("task definition", &self.id)
            .with("containers", names.join(", "))
            .hint("name one of them as `container` under `[deploy]`")
        })
    }
}

/// The port a container is told to listen on: the one that is wanted, which its definition must open, or the only one that
/// this opens. A definition that sets `PORT` by itself knows better.
fn port(container: &Map<String, Value>, spec: &ReleaseSpec) -> Result<Option<u16>> {
    let opened: Vec<u64> = list(container, "portMappings")
        .iter()
        .filter_map(|mapping| mapping["containerPort"].as_u64())
        .collect();
    if let Some(port) = spec.port {
        if !opened.is_empty() && !opened.contains(&u64::from(port)) {
            let opened: Vec<String> = opened.iter().map(u64::to_string).collect();
            return Err(Error::invalid(format!("the task definition does not open the port {port}"))
                .with("open", opened.join(", "))
                .hint("write that port as `port` under `[deploy]`, or leave it out; the port of a task is opened in Terraform"));
        }
        return Ok(Some(port));
    }
    let own = names_of_release(container);
    let sets = |field: &str| {
        list(container, field).iter().any(|variable| variable["name"] == "PORT" && !own.contains("PORT"))
    };
    match opened.as_slice() {
        [port] if !sets("environment") && !sets("secrets") => Ok(u16::try_from(*port).ok()),
        _ => Ok(None),
    }
}

fn set_variables(container: &mut Map<String, Value>, spec: &ReleaseSpec, port: Option<u16>) {
    let mut plain = spec.env.clone();
    if let Some(port) = port {
        plain.insert("PORT".into(), port.to_string());
    }
    let set: BTreeSet<String> = plain.keys().chain(spec.from.keys()).cloned().collect();
    let before = names_of_release(container);
    let ours = |variable: &Value| {
        variable["name"].as_str().is_some_and(|name| set.contains(name) || before.contains(name))
    };
    let mut environment = list(container, "environment");
    environment.retain(|variable| !ours(variable));
    environment.extend(plain.iter().map(|(name, value)| json!({ "name": name, "value": value })));
    let mut secrets = list(container, "secrets");
    secrets.retain(|variable| !ours(variable));
    secrets.extend(spec.from.iter().map(|(name, from)| json!({ "name": name, "valueFrom": from.place })));
    put(container, "environment", environment);
    put(container, "secrets", secrets);
    let mut labels = container.get("dockerLabels").and_then(Value::as_object).cloned().unwrap_or_default();
    let names: Vec<String> = set.into_iter().collect();
    labels.insert(VARIABLES.into(), names.join(" ").into());
    labels.remove(VERSIONS);
    if !spec.from.is_empty() {
        labels.insert(VERSIONS.into(), versions(&spec.from).into());
    }
    container.insert("dockerLabels".into(), labels.into());
}

fn names_of_release(container: &Map<String, Value>) -> BTreeSet<String> {
    let label = container.get("dockerLabels").and_then(|labels| labels[VARIABLES].as_str());
    label.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn versions(from: &BTreeMap<String, ValueFrom>) -> String {
    let line = |(name, from): (&String, &ValueFrom)| {
        format!("{name} {} {}\n", from.place, from.version.as_deref().unwrap_or("?"))
    };
    let lines: String = from.iter().map(line).collect();
    Digest::of(lines.as_bytes()).to_string()
}

fn list(container: &Map<String, Value>, field: &str) -> Vec<Value> {
    container.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// A list that is there stays, also when it is empty: leaving it out would be another change.
fn put(container: &mut Map<String, Value>, field: &str, items: Vec<Value>) {
    if !items.is_empty() || container.contains_key(field) {
        container.insert(field.into(), items.into());
    }
}

/// The same definition with its variables sorted, without lists that are empty.
fn in_order(mut fields: Map<String, Value>) -> Map<String, Value> {
    for container in
        fields.get_mut("containerDefinitions").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let Some(container) = container.as_object_mut() else { continue };
        for field in ["environment", "secrets"] {
            if let Some(items) = container.get_mut(field).and_then(Value::as_array_mut) {
                items.sort_by_cached_key(ToString::to_string);
            }
        }
    }
    fields.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    fields
}
