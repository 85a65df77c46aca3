//! A Terraform state as far as the way back needs it: which resources there are, and their attributes as raw slices.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::plan::json::{Text, Value};

/// A state file of format 4, which every Terraform since 0.12 and OpenTofu write. It borrows from the file.
#[derive(Debug)]
pub struct StateJson<'a> {
    /// Counts the writes of this state.
    pub serial: u64,
    /// Tells histories of a state apart.
    pub lineage: Text<'a>,
    pub(super) instances: BTreeMap<String, Instance<'a>>,
}

/// One instance of a managed resource.
#[derive(Debug)]
pub(super) struct Instance<'a> {
    pub(super) kind: Text<'a>,
    pub(super) attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    serial: u64,
    #[serde(borrow, default)]
    lineage: Text<'a>,
    #[serde(borrow)]
    resources: Option<Vec<WireResource<'a>>>,
}

#[derive(Deserialize)]
struct WireResource<'a> {
    #[serde(borrow)]
    module: Option<Text<'a>>,
    #[serde(borrow, default)]
    mode: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow)]
    instances: Option<Vec<WireInstance<'a>>>,
}

#[derive(Deserialize)]
struct WireInstance<'a> {
    #[serde(borrow)]
    index_key: Option<&'a RawValue>,
    #[serde(borrow)]
    deposed: Option<Text<'a>>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

impl<'a> StateJson<'a> {
    /// Reads a state file.
    ///
    /// # Errors
    /// `Invalid` when it is no state of format 4. Nothing of it stands in the error.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let refuse = |what: &str| {
            Error::invalid(what.to_owned())
                .hint("choose a copy that Terraform wrote, with `cargo xtask infra:state:rollback`")
        };
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("the state is not UTF-8"))?;
        let wire: Wire<'a> = serde_json::from_str(text).map_err(|error| {
            refuse("the state cannot be read").with("line", error.line()).with("column", error.column())
        })?;
        if wire.version != 4 {
            return Err(refuse("the state has another format than 4").with("format", wire.version));
        }
        let mut instances = BTreeMap::new();
        for resource in wire.resources.unwrap_or_default() {
            // What is only read needs no way back, and an old object that waits to be destroyed has none.
            if &*resource.mode == "data" {
                continue;
            }
            let base = match resource.module.as_deref() {
                Some(module) => format!("{module}.{}.{}", resource.kind, resource.name),
                None => format!("{}.{}", resource.kind, resource.name),
            };
            for instance in resource.instances.unwrap_or_default() {
                if instance.deposed.is_some() {
                    continue;
                }
                let address = format!("{base}{}", index(instance.index_key)?);
                let kind = resource.kind.clone();
                instances.insert(address, Instance { kind, attributes: instance.attributes });
            }
        }
        Ok(StateJson { serial: wire.serial, lineage: wire.lineage, instances })
    }
}

/// The key of an instance, as an address has it.
fn index(key: Option<&RawValue>) -> Result<String> {
    Ok(match Value::of_part(key)? {
        Value::Null => String::new(),
        // HCL would read these as the start of a template.
        Value::String(key) => {
            format!("[{}]", Value::String(key.replace("${", "$${").replace("%{", "%%{").into()))
        }
        other => format!("[{other}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_found_under_the_addresses_that_plans_use() {
        let state = br#"{"version":4,"serial":7,"lineage":"l","resources":[
            {"mode":"managed","type":"a","name":"one","instances":[{"attributes":{}}]},
            {"mode":"managed","type":"a","name":"n","instances":[{"index_key":0},{"index_key":1,"deposed":"x"}]},
            {"module":"module.net[\"eu\"]","mode":"managed","type":"a","name":"k","instances":[{"index_key":"we\"ird/key"}]},
            {"mode":"data","type":"d","name":"d","instances":[{}]}]}"#;
        let state = StateJson::parse(state).unwrap();
        let addresses: Vec<&str> = state.instances.keys().map(String::as_str).collect();
        assert_eq!(addresses, ["a.n[0]", "a.one", r#"module.net["eu"].a.k["we\"ird/key"]"#]);
        assert_eq!(state.serial, 7);
    }

    #[test]
    fn what_is_no_state_is_refused_without_showing_it() {
        for bytes in
            [&b""[..], b"{}", b"{\"version\":3}", b"\xff", b"{\"version\":4,\"resources\":\"canary\"}"]
        {
            let report = StateJson::parse(bytes).unwrap_err().report().to_string();
            assert!(!report.contains("canary") && report.contains("next:"), "{report}");
        }
    }
}
