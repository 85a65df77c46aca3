//! Which region a resource is in, as far as the plan says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::plan::json::{Mark, Value};
use crate::plan::model::Plan;

/// The region of resources that have none of their own.
pub(super) struct Region {
    default: Option<String>,
}

#[derive(Deserialize)]
struct Configuration<'a> {
    #[serde(borrow)]
    provider_config: Option<BTreeMap<String, &'a RawValue>>,
}

impl Region {
    /// The one region that the providers of the plan agree on; else `given`, unless they are set to several.
    pub(super) fn of(plan: &Plan<'_>, given: Option<&str>) -> Self {
        let configuration =
            plan.configuration.and_then(|raw| serde_json::from_str::<Configuration<'_>>(raw.get()).ok());
        let providers =
            configuration.and_then(|configuration| configuration.provider_config).unwrap_or_default();
        let (mut constant, mut other) = (BTreeSet::new(), false);
        for raw in providers.values() {
            let Ok(provider) = Value::of(raw) else { continue };
            if provider.get("name").and_then(Value::as_str) != Some("aws") {
                continue;
            }
            let region = provider.get("expressions").and_then(|expressions| expressions.get("region"));
            match region.and_then(|region| region.get("constant_value")).and_then(Value::as_str) {
                Some(region) if is_word(region) => drop(constant.insert(region.to_owned())),
                // From a variable or the environment: what the caller says about it counts.
                _ => other = true,
            }
        }
        if other || constant.is_empty() {
            constant.extend(given.filter(|given| is_word(given)).map(str::to_owned));
        }
        let several = constant.len() > 1;
        Region { default: constant.into_iter().next().filter(|_| !several) }
    }

    /// The region of one resource: its own attribute before that of its provider.
    pub(super) fn of_resource(
        &self,
        values: &Value<'_>,
        unknown: Mark<'_>,
        sensitive: Mark<'_>,
    ) -> Option<String> {
        if unknown.key("region").is_any() || sensitive.key("region").is_any() {
            return None;
        }
        match values.get("region").and_then(Value::as_str) {
            Some(own) => is_word(own).then(|| own.to_owned()),
            None => self.default.clone(),
        }
    }
}

fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(providers: &str, given: Option<&str>) -> Option<String> {
        let text = format!(
            r#"{{"format_version":"1.2","resource_changes":[],"configuration":{{"provider_config":{providers},"root_module":{{}}}}}}"#
        );
        Region::of(&Plan::parse(text.as_bytes()).unwrap(), given).default
    }

    #[test]
    fn providers_that_agree_say_the_region_and_others_leave_it_to_the_caller() {
        let aws = |region: &str| format!(r#"{{"name":"aws","expressions":{{"region":{region}}}}}"#);
        let fixed = |region: &str| aws(&format!(r#"{{"constant_value":"{region}"}}"#));
        let variable = aws(r#"{"references":["var.region"]}"#);
        let eu = fixed("eu-central-1");
        assert_eq!(region(&format!(r#"{{"aws":{eu}}}"#), Some("us-east-1")).as_deref(), Some("eu-central-1"));
        let two = format!(r#"{{"aws":{eu},"aws.us":{}}}"#, fixed("us-east-1"));
        assert_eq!(region(&two, Some("eu-central-1")), None);
        let mixed = format!(r#"{{"aws":{eu},"aws.us":{variable}}}"#);
        assert_eq!(region(&mixed, Some("us-east-1")), None);
        assert_eq!(
            region(&format!(r#"{{"aws":{variable}}}"#), Some("us-east-1")).as_deref(),
            Some("us-east-1")
        );
        assert_eq!(region(r#"{"null":{"name":"null"}}"#, Some("us-east-1")).as_deref(), Some("us-east-1"));
        assert_eq!(region("[1]", None), None);
        assert_eq!(region(&format!(r#"{{"aws":{}}}"#, fixed("`x`\\n")), None), None);
    }
}
