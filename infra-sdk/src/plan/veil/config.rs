//! Which variables the code declares as sensitive, read from a configuration without a tree of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::plan::json::Text;

/// What a configuration says of sensitive variables.
#[derive(Default)]
pub(super) struct Declared<'a> {
    /// The sensitive variables of the root module, whose values stand in the plan's `variables`.
    pub(super) root: Vec<Text<'a>>,
    /// What sensitive variables of any module hold when nobody sets them.
    pub(super) defaults: Vec<&'a RawValue>,
}

impl<'a> Declared<'a> {
    /// Looks into a configuration; not at all when the word does not stand in it.
    ///
    /// # Errors
    /// `Invalid` when it is not shaped like a configuration: then nobody knows which variables are secret.
    pub(super) fn of(configuration: Option<&'a RawValue>) -> Result<Self> {
        let mut declared = Declared::default();
        let Some(text) = configuration.map(RawValue::get).filter(|text| text.contains("\"sensitive\""))
        else {
            return Ok(declared);
        };
        // Serde passes over all the rest without keeping it, and refuses more than 128 levels on the way to a module.
        let read: WireConfig<'a> = serde_json::from_str(text).map_err(|_| {
            Error::invalid("the plan's configuration does not tell which variables are sensitive").hint(
                "make the plan again with `terraform show -json`; its modules may nest thirty levels deep",
            )
        })?;
        if let Some(root) = read.root_module {
            let names = root.variables.iter().flatten().filter(|(_, variable)| variable.is_secret());
            declared.root = names.map(|(name, _)| name.clone()).collect();
            declared.module(root);
        }
        Ok(declared)
    }

    fn module(&mut self, module: WireModule<'a>) {
        let secret = module.variables.unwrap_or_default().into_values().filter(WireVariable::is_secret);
        self.defaults.extend(secret.filter_map(|variable| variable.default));
        for call in module.module_calls.unwrap_or_default().into_values() {
            if let Some(module) = call.module {
                self.module(module);
            }
        }
    }
}

#[derive(Deserialize)]
struct WireConfig<'a> {
    #[serde(borrow)]
    root_module: Option<WireModule<'a>>,
}

#[derive(Deserialize)]
struct WireModule<'a> {
    #[serde(borrow)]
    variables: Option<BTreeMap<Text<'a>, WireVariable<'a>>>,
    #[serde(borrow)]
    module_calls: Option<BTreeMap<Text<'a>, WireCall<'a>>>,
}

#[derive(Deserialize)]
struct WireVariable<'a> {
    #[serde(borrow)]
    default: Option<&'a RawValue>,
    sensitive: Option<bool>,
}

impl WireVariable<'_> {
    fn is_secret(&self) -> bool {
        self.sensitive == Some(true)
    }
}

#[derive(Deserialize)]
struct WireCall<'a> {
    #[serde(borrow)]
    module: Option<WireModule<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn sensitive_variables_of_all_modules_are_found_among_everything_else() {
        let text = r#"{"provider_config":{"aws":{"expressions":{}}},"root_module":{
            "resources":[{"address":"x","sensitive":true}],
            "variables":{"pw":{"default":"one","sensitive":true},"env":{"default":"two"},"bare":{"sensitive":true}},
            "module_calls":{"db":{"source":"./db","module":{"variables":{"key":{"default":{"a":"three"},"sensitive":true}},
                "module_calls":{"in":{"module":{"variables":{"k":{"default":4444,"sensitive":true},"l":{"sensitive":false,"default":5}}}}}}}}}}"#;
        let declared = Declared::of(Some(raw(text))).unwrap();
        let names: Vec<&str> = declared.root.iter().map(|name| &**name).collect();
        assert_eq!(names, ["bare", "pw"]);
        let defaults: Vec<&str> = declared.defaults.iter().map(|raw| raw.get()).collect();
        assert_eq!(defaults, [r#""one""#, r#"{"a":"three"}"#, "4444"]);
    }

    #[test]
    fn a_configuration_that_cannot_be_understood_is_refused_and_one_without_the_word_not_looked_into() {
        assert!(Declared::of(Some(raw(r#"{"root_module":{"variables":["sensitive"]}}"#))).is_err());
        assert!(Declared::of(Some(raw(r#"{"root_module":7}"#))).unwrap().root.is_empty());
        let deep = format!(
            "{}{}{}",
            "{\"root_module\":{\"module_calls\":{\"a\":{\"module\":",
            "{\"module_calls\":{\"a\":{\"module\":".repeat(5000),
            "{\"sensitive\":1}"
        );
        let deep = format!("{deep}{}", "}}}".repeat(5000) + "}}}}");
        assert!(Declared::of(Some(raw(&deep))).is_err());
    }
}
