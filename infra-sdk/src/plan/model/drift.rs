//! Which of the changes found outside of Terraform matter to this plan.

use std::collections::HashMap;

use crate::error::Result;
use crate::plan::json::Value;
use crate::plan::model::{Plan, ResourceChange};

impl<'a> Plan<'a> {
    /// The drift that may be a reason for a change: entries that differ in an attribute `relevant_attributes` names,
    /// as Terraform's own text shows them. A plan that was made only to look (`-refresh-only`) and one of a version that
    /// does not tell (before 1.2) show all.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn relevant_drift(&self) -> Result<Vec<&ResourceChange<'a>>> {
        let tells = !matches!(&*self.format_version, "0.1" | "0.2" | "1.0");
        if !tells || self.is_refresh_only() {
            return Ok(self.resource_drift.iter().collect());
        }
        // Often thousands of attributes are relevant and nothing has drifted: only names of what did are read.
        let mut relevant: HashMap<&str, Vec<Option<String>>> =
            self.resource_drift.iter().map(|drift| (&*drift.address, Vec::new())).collect();
        for attribute in &self.relevant_attributes {
            if let Some(names) = relevant.get_mut(&*attribute.resource) {
                names.push(attribute.name());
            }
        }
        let mut found = Vec::new();
        for drift in &self.resource_drift {
            if let Some(names) = relevant.get(&*drift.address)
                && touches(drift, names)?
            {
                found.push(drift);
            }
        }
        Ok(found)
    }
}

/// Whether one of the named attributes differs; no name means any.
fn touches(drift: &ResourceChange<'_>, names: &[Option<String>]) -> Result<bool> {
    let (before, after) = (Value::of_part(drift.change.before)?, Value::of_part(drift.change.after)?);
    if before.is_null() || after.is_null() {
        return Ok(true);
    }
    let differs = |name: &str| {
        let of = |value| Value::get(value, name).filter(|value| !value.is_null());
        of(&before) != of(&after)
    };
    Ok(names.iter().any(|name| name.as_deref().is_none_or(differs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_drift_that_can_be_a_reason_is_relevant() {
        let plan = |version: &str| {
            format!(
                r#"{{"format_version":"{version}","resource_changes":[{{"address":"x","change":{{"actions":["no-op"]}}}}],
                "resource_drift":[
                {{"address":"a","change":{{"actions":["update"],"before":{{"n":1,"m":1}},"after":{{"n":2,"m":1}}}}}},
                {{"address":"b","change":{{"actions":["update"],"before":{{"n":1,"m":1}},"after":{{"n":2,"m":1}}}}}},
                {{"address":"c","change":{{"actions":["delete"],"before":{{"n":1}},"after":null}}}},
                {{"address":"d","change":{{"actions":["update"],"before":{{}},"after":{{"n":2}}}}}}],
                "relevant_attributes":[{{"resource":"a","attribute":["n"]}},{{"resource":"b","attribute":["m",0]}},
                {{"resource":"c","attribute":["z"]}},{{"resource":"d","attribute":[]}}]}}"#
            )
        };
        let of = |text: &str| {
            let plan = Plan::parse(text.as_bytes()).unwrap();
            plan.relevant_drift().unwrap().iter().map(|drift| drift.address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&plan("1.2")), ["a", "c", "d"]);
        assert_eq!(of(&plan("1.0")), ["a", "b", "c", "d"]);
        let looked = plan("1.2").replace("\"resource_changes\"", "\"other\"");
        assert_eq!(of(&looked), ["a", "b", "c", "d"]);
    }
}
