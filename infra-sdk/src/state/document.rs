//! A state file: what is in it by name, and never by value.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The format that every Terraform since 0.12 and OpenTofu write.
const FORMAT: u64 = 4;

/// A state file of format 4. It borrows from the file, and holds secrets: only [`shown`](StateDocument::shown) is for people.
///
/// ```
/// use infra_sdk::state::StateDocument;
/// let bytes = br#"{"version": 4, "serial": 7, "lineage": "l", "outputs": {"vpc_id": {"value": "vpc-1"}}}"#;
/// let shown = StateDocument::parse(bytes)?.shown();
/// assert_eq!((shown.serial, shown.outputs), (7, vec!["vpc_id".to_owned()]));
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct StateDocument<'a> {
    /// Counts the writes of this state.
    pub serial: u64,
    /// Tells histories of a state apart.
    pub lineage: String,
    /// The version of the program that wrote it.
    pub terraform_version: String,
    /// The names of its outputs.
    pub outputs: Vec<String>,
    pub(super) instances: BTreeMap<String, Option<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    version: Option<u64>,
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    lineage: String,
    #[serde(default)]
    terraform_version: String,
    #[serde(borrow)]
    outputs: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(borrow)]
    resources: Option<Vec<WireResource<'a>>>,
}

#[derive(Deserialize)]
struct WireResource<'a> {
    module: Option<String>,
    #[serde(default)]
    mode: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(borrow)]
    instances: Option<Vec<WireInstance<'a>>>,
}

#[derive(Deserialize)]
struct WireInstance<'a> {
    #[serde(borrow)]
    index_key: Option<&'a RawValue>,
    deposed: Option<String>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

impl<'a> StateDocument<'a> {
    /// Reads a state file.
    ///
    /// # Errors
    /// `Invalid`, saying whether it is cut off, no state at all, or of a format that is too old or too new. Nothing of it
    /// stands in the error.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let elsewhere = "`cargo xtask infra:state:history STACK` shows the copies, and `infra:state:restore STACK` puts one back";
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Error::invalid("the state is empty").hint(elsewhere));
        }
        let wire: Wire<'a> = serde_json::from_slice(bytes).map_err(|error| {
            let what = if error.is_eof() { "the state is cut off" } else { "the state can not be read" };
            Error::invalid(what).with("line", error.line()).with("column", error.column()).hint(elsewhere)
        })?;
        match wire.version {
            Some(FORMAT) => {}
            Some(version) if version > FORMAT => {
                return Err(Error::invalid("the state was written by a newer Terraform")
                    .with("format", version)
                    .with("known", FORMAT)
                    .hint("use a newer infra-sdk and the Terraform that wrote it, or choose an older copy"));
            }
            Some(version) => {
                return Err(Error::invalid("the state was written by a Terraform before 0.12")
                    .with("format", version)
                    .hint("let `terraform apply` of version 0.12 or 0.13 write it once"));
            }
            None => return Err(Error::invalid("this is no state of Terraform").hint(elsewhere)),
        }
        let mut instances = BTreeMap::new();
        for resource in wire.resources.unwrap_or_default() {
            let mode = if resource.mode == "data" { "data." } else { "" };
            let module = resource.module.map(|module| format!("{module}.")).unwrap_or_default();
            let base = format!("{module}{mode}{}.{}", resource.kind, resource.name);
            for instance in resource.instances.unwrap_or_default() {
                let index = instance.index_key.map(|key| format!("[{}]", key.get())).unwrap_or_default();
                let deposed = instance.deposed.map(|id| format!(" (deposed {id})")).unwrap_or_default();
                instances.insert(format!("{base}{index}{deposed}"), instance.attributes);
            }
        }
        Ok(StateDocument {
            serial: wire.serial,
            lineage: wire.lineage,
            terraform_version: wire.terraform_version,
            outputs: wire.outputs.unwrap_or_default().into_keys().collect(),
            instances,
        })
    }

    /// What people may see.
    pub fn shown(&self) -> ShownState {
        ShownState {
            serial: self.serial,
            lineage: self.lineage.clone(),
            terraform_version: self.terraform_version.clone(),
            resources: self.instances.keys().cloned().collect(),
            outputs: self.outputs.clone(),
        }
    }
}

/// A state as people may see it: names and numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownState {
    /// Counts the writes of this state.
    pub serial: u64,
    /// Tells histories of a state apart.
    pub lineage: String,
    /// The version of the program that wrote it.
    pub terraform_version: String,
    /// The addresses of all instances, data included.
    pub resources: Vec<String>,
    /// The names of its outputs.
    pub outputs: Vec<String>,
}

impl fmt::Display for ShownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        write!(
            f,
            "serial {}, lineage {}, written by {}\n{} resources, {} outputs",
            self.serial,
            plain(&self.lineage),
            plain(&self.terraform_version),
            self.resources.len(),
            self.outputs.len()
        )?;
        self.resources.iter().try_for_each(|address| write!(f, "\n  {}", plain(address)))?;
        self.outputs.iter().try_for_each(|name| write!(f, "\n  output {}", plain(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_shown_by_names_alone() {
        let bytes = br#"{"version":4,"terraform_version":"1.11.4","serial":7,"lineage":"l","outputs":{"vpc":{"value":"canary"}},
            "resources":[{"mode":"managed","type":"a","name":"n","instances":[{"index_key":0,"attributes":{"x":"canary"}},
            {"index_key":"eu","deposed":"d1"}]},{"module":"module.m","mode":"data","type":"d","name":"d","instances":[{}]}]}"#;
        let shown = StateDocument::parse(bytes).unwrap().shown();
        assert_eq!(shown.resources, ["a.n[\"eu\"] (deposed d1)", "a.n[0]", "module.m.data.d.d"]);
        let text = format!("{shown}{}", serde_json::to_string(&shown).unwrap());
        assert!(
            !text.contains("canary") && text.contains("serial 7, lineage l, written by 1.11.4"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_whole_state_is_told_apart_and_not_shown() {
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"{\"version\":4,\"lineage\":\"canary", "cut off"),
            (b"{\"version\":4,\"resources\":[{\"type\":\"canary\"", "cut off"),
            (b"\xff\xfe", "can not be read"),
            (b"{\"version\":4,\"resources\":\"canary\"}", "can not be read"),
            (b"{}", "no state of Terraform"),
            (b"{\"version\":5,\"x\":\"canary\"}", "newer Terraform"),
            (b"{\"version\":3}", "before 0.12"),
        ] {
            let error = StateDocument::parse(bytes).unwrap_err();
            let report = error.report().to_string();
            assert!(
                report.contains(says) && report.contains("next:") && !report.contains("canary"),
                "{report}"
            );
        }
    }
}
