//! Which attributes of a resource others depend on.

use std::collections::{BTreeSet, HashMap};

use crate::plan::model::{Mode, Plan, ResourceChange};

/// The attributes that the plan's `relevant_attributes` name: changes of other resources come from them, so that it
/// matters when one of them becomes unknown.
///
/// ```
/// use infra_sdk::plan::{Plan, diff};
/// # let text = br#"{"format_version":"1.2"}"#;
/// let plan = Plan::parse(text)?;
/// let relevant = diff::Relevant::of(&plan);
/// for resource in plan.news() {
///     let diff = diff::resource_with(resource, &relevant)?;
/// }
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Relevant {
    names: HashMap<String, BTreeSet<String>>,
}

impl Relevant {
    /// What a plan names; nothing for one of before Terraform 1.2.
    pub fn of(plan: &Plan<'_>) -> Self {
        let mut names: HashMap<String, BTreeSet<String>> = HashMap::new();
        for attribute in &plan.relevant_attributes {
            // Without a name it is all of the resource, which tells nothing about one attribute.
            if let Some(name) = attribute.name() {
                names.entry(attribute.resource.to_string()).or_default().insert(name);
            }
        }
        Relevant { names }
    }

    /// The names for one instance, also those that are meant for all instances of its resource.
    pub(super) fn names(&self, resource: &ResourceChange<'_>) -> Vec<String> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let mut block =
            resource.module_address.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
        if resource.mode == Mode::Data {
            block.push_str("data.");
        }
        block.push_str(&format!("{}.{}", resource.kind, resource.name));
        let addresses = [&*resource.address, &*block];
        let names: BTreeSet<&String> =
            addresses.iter().filter_map(|address| self.names.get(*address)).flatten().collect();
        names.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_instance_is_meant_for_all_of_them() {
        let text = r#"{"format_version":"1.2","resource_changes":[
            {"address":"module.a[\"x.y\"].t.n[0]","module_address":"module.a[\"x.y\"]","type":"t","name":"n","index":0,
             "change":{"actions":["update"]}}],
            "relevant_attributes":[{"resource":"module.a[\"x.y\"].t.n","attribute":["id"]},
            {"resource":"module.a[\"x.y\"].t.n[0]","attribute":["arn",0]},
            {"resource":"module.a[\"x.y\"].t.n[0]","attribute":["arn",1]},{"resource":"module.a[\"x.y\"].t.n","attribute":["arn"]},{"resource":"t.n","attribute":["other"]},
            {"resource":"module.a[\"x.y\"].t.n","attribute":[]}]}"#;
        let plan = Plan::parse(text.as_bytes()).unwrap();
        assert_eq!(Relevant::of(&plan).names(&plan.resource_changes[0]), ["arn", "id"]);
    }
}
