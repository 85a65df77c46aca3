//! What a plan would do, in numbers and names, counted as Terraform counts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The counts and changes of one plan; holds addresses, never values.
///
/// A replacement counts as one `add` and one `destroy`, as in Terraform's own line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanSummary {
    /// Resources that are created, replaced ones included.
    pub add: usize,
    /// Resources that are changed in place.
    pub change: usize,
    /// Resources that are destroyed, replaced ones included.
    pub destroy: usize,
    /// Resources that are destroyed and created again.
    pub replace: usize,
    /// Resources that exist and are taken into the state.
    pub import: usize,
    /// Resources that are kept but no longer managed.
    pub forget: usize,
    /// Every resource with a change, in the plan's order.
    pub changes: Vec<PlannedChange>,
    /// The names of outputs whose value changes.
    pub outputs: Vec<String>,
}

/// One resource with a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The resource, as Terraform names it.
    pub address: String,
    /// What is done to it, in order: `create`, `read`, `update`, `delete`, `forget`, or `no-op` for a mere move or import.
    pub actions: Vec<String>,
    /// Its address before, when it is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
    /// Whether it is taken into the state.
    #[serde(default)]
    pub import: bool,
}

impl PlanSummary {
    /// Reads what `terraform show -json` says of a plan.
    ///
    /// # Errors
    /// `Invalid` when this is not the plan format this crate knows.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let shown: Shown = serde_json::from_slice(json).map_err(|error| {
            Error::invalid("read the plan that Terraform shows")
                .because(error)
                .hint("check the version of Terraform with `cargo xtask infra:tools:check`")
        })?;
        let major = shown.format_version.split('.').next().unwrap_or_default();
        if !matches!(major, "0" | "1") {
            return Err(Error::invalid("the plan has a format that is newer than this program")
                .with("format", crate::names::quoted(&shown.format_version))
                .hint("upgrade infra-sdk, or pin an older Terraform in infra.toml"));
        }
        let mut summary = PlanSummary::default();
        for resource in shown.resource_changes {
            summary.take(resource);
        }
        let changed = |(_, change): &(String, ShownChange)| !change.is_no_op();
        summary.outputs = shown.output_changes.into_iter().filter(changed).map(|(name, _)| name).collect();
        Ok(summary)
    }

    fn take(&mut self, resource: ShownResource) {
        let ShownResource { address, previous_address, change } = resource;
        let import = change.importing.is_some();
        if change.is_no_op() && previous_address.is_none() && !import {
            return;
        }
        let does = |action: &str| change.actions.iter().any(|a| a == action);
        self.add += usize::from(does("create"));
        self.destroy += usize::from(does("delete"));
        self.change += usize::from(does("update"));
        self.replace += usize::from(does("create") && does("delete"));
        self.forget += usize::from(does("forget"));
        self.import += usize::from(import);
        self.changes.push(PlannedChange {
            address,
            actions: change.actions,
            moved_from: previous_address,
            import,
        });
    }

    /// Whether something is destroyed.
    pub fn destroys(&self) -> bool {
        self.destroy > 0
    }
}

impl fmt::Display for PlanSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.import > 0 {
            write!(f, "{} to import, ", self.import)?;
        }
        write!(f, "{} to add, {} to change, {} to destroy", self.add, self.change, self.destroy)?;
        match self.replace {
            0 => {}
            1 => write!(f, " (1 is replaced)")?,
            more => write!(f, " ({more} are replaced)")?,
        }
        if self.forget > 0 {
            write!(f, ", {} no longer managed", self.forget)?;
        }
        for change in &self.changes {
            write!(f, "\n{change}")?;
        }
        if !self.outputs.is_empty() {
            write!(f, "\n  outputs that change: {}", self.outputs.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        let sign = match actions.as_slice() {
            ["create"] => "+",
            ["delete"] => "-",
            ["update"] => "~",
            ["read"] => "<=",
            ["delete", "create"] => "-/+",
            ["create", "delete"] => "+/-",
            ["forget"] => "forget",
            ["no-op"] if self.import => "import",
            ["no-op"] => "move",
            _ => "?",
        };
        // Keys in an address are free text and must not break out of their line.
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        write!(f, "  {sign:>3} {}", plain(&self.address))?;
        if sign == "?" {
            write!(f, " ({})", actions.join(", "))?;
        }
        match &self.moved_from {
            Some(from) => write!(f, " (was {})", plain(from)),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Shown {
    format_version: String,
    #[serde(default)]
    resource_changes: Vec<ShownResource>,
    #[serde(default)]
    output_changes: BTreeMap<String, ShownChange>,
}

#[derive(Deserialize)]
struct ShownResource {
    address: String,
    previous_address: Option<String>,
    change: ShownChange,
}

#[derive(Deserialize)]
struct ShownChange {
    actions: Vec<String>,
    importing: Option<serde::de::IgnoredAny>,
}

impl ShownChange {
    fn is_no_op(&self) -> bool {
        self.actions.iter().all(|action| action == "no-op")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_shown_as_terraform_does() {
        let json = br#"{"format_version":"1.2","future":{"x":1},"resource_changes":[
            {"address":"a.new","change":{"actions":["create"],"after":{"n":1e400}}},
            {"address":"a.same","change":{"actions":["no-op"]}},
            {"address":"a.moved","previous_address":"a.old","change":{"actions":["no-op"]}},
            {"address":"a.here","change":{"actions":["no-op"],"importing":{"id":"i"}}},
            {"address":"a[\"x\ny\"]","change":{"actions":["delete","create"]}},
            {"address":"a.gone","change":{"actions":["delete"]}},
            {"address":"a.left","change":{"actions":["forget"]}},
            {"address":"a.odd","change":{"actions":["create","forget"]}}],
            "output_changes":{"o":{"actions":["update"]},"p":{"actions":["no-op"]}}}"#;
        let summary = PlanSummary::from_json(json).unwrap();
        assert_eq!((summary.add, summary.change, summary.destroy, summary.replace), (3, 0, 2, 1));
        let text = summary.to_string();
        assert!(
            text.starts_with("1 to import, 3 to add, 0 to change, 2 to destroy (1 is replaced), 2 no longer")
        );
        assert!(text.contains("\n  -/+ a[\"x\u{fffd}y\"]\n    - a.gone\n"), "{text}");
        assert!(text.contains("move a.moved (was a.old)") && text.contains("? a.odd (create, forget)"));
        assert!(text.ends_with("outputs that change: o") && !text.contains("a.same"));
    }

    #[test]
    fn an_unknown_major_format_and_what_is_no_plan_are_refused() {
        assert!(
            PlanSummary::from_json(br#"{"format_version":"2.0"}"#).unwrap_err().to_string().contains("newer")
        );
        assert!(PlanSummary::from_json(b"{}").is_err());
        assert_eq!(PlanSummary::from_json(br#"{"format_version":"0.1"}"#).unwrap(), PlanSummary::default());
    }
}
