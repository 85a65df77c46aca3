//! What the code has done beside the changes of resources: how providers are set up, and which provisioners run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::plan::json::{Text, Value};
use crate::plan::model::{Plan, Variable};
use crate::plan::verdict::Weight;
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::key::{ApprovalKey, Stamp};

/// Digests of it; names stand in clear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    /// By the key of the provider's configuration: `aws`, `aws.west`, `module.net:aws`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    providers: BTreeMap<String, Stamp>,
    /// By the address of the resource in the code, which has no keys of instances.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    provisioners: BTreeMap<String, Stamp>,
    /// The variables of the root module that those name, but for sensitive ones: a short-lived token is another one in
    /// every plan.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    variables: BTreeMap<String, Stamp>,
}

#[derive(Deserialize)]
struct Configuration<'a> {
    #[serde(borrow, default)]
    provider_config: Option<BTreeMap<Text<'a>, &'a RawValue>>,
    #[serde(borrow, default)]
    root_module: Option<Module<'a>>,
}

#[derive(Default, Deserialize)]
struct Module<'a> {
    #[serde(borrow, default)]
    resources: Option<Vec<Resource<'a>>>,
    #[serde(borrow, default)]
    module_calls: Option<BTreeMap<Text<'a>, Call<'a>>>,
    #[serde(borrow, default)]
    variables: Option<BTreeMap<Text<'a>, Declared>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    address: Text<'a>,
    #[serde(borrow, default)]
    provisioners: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    module: Option<Module<'a>>,
}

#[derive(Deserialize)]
struct Declared {
    #[serde(default)]
    sensitive: Option<bool>,
}

impl Code {
    /// What the code of `plan` says; nothing where the plan has no code.
    ///
    /// # Errors
    /// `Invalid` when the configuration is not shaped like one; as [`Value::of`].
    pub(super) fn of(plan: &Plan<'_>, key: &ApprovalKey) -> Result<Self> {
        let mut code = Code::default();
        let Some(configuration) = configuration(plan)? else { return Ok(code) };
        let mut named = BTreeSet::new();
        for (name, raw) in configuration.provider_config.unwrap_or_default() {
            let value = Value::of(raw)?;
            // Below the root, a variable is an argument of the module, which has no value in a plan.
            if value.get("module_address").is_none() {
                references(&value, &mut named);
            }
            code.providers
                .insert(name.to_string(), key.stamp("configuration", &format!("provider.{name}"), &value));
        }
        let root = configuration.root_module.unwrap_or_default();
        code.module("", &root, key, &mut named)?;
        let declared = root.variables.unwrap_or_default();
        for Variable { name, value } in &plan.variables {
            let is_sensitive = declared.get(&**name).is_some_and(|declared| declared.sensitive == Some(true));
            if let Some(raw) = value.filter(|_| named.contains(&**name) && !is_sensitive) {
                let stamp = key.stamp("configuration", &format!("var.{name}"), &Value::of(raw)?);
                code.variables.insert(name.to_string(), stamp);
            }
        }
        Ok(code)
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        *self == Code::default()
    }

    fn module(
        &mut self,
        path: &str,
        module: &Module<'_>,
        key: &ApprovalKey,
        named: &mut BTreeSet<String>,
    ) -> Result<()> {
        for resource in module.resources.iter().flatten() {
            let Some(raw) = resource.provisioners else { continue };
            let (value, address) = (Value::of(raw)?, format!("{path}{}", resource.address));
            if path.is_empty() {
                references(&value, named);
            }
            if value.is_container() {
                let stamp = key.stamp("configuration", &address, &value);
                self.provisioners.insert(address, stamp);
            }
        }
        for (name, call) in module.module_calls.iter().flatten() {
            if let Some(module) = &call.module {
                self.module(&format!("{path}module.{name}."), module, key, named)?;
            }
        }
        Ok(())
    }

    /// Compares with the code of the re-plan. Whatever differs may do anything.
    pub(super) fn compare(&self, now: &Code, reasons: &mut Reasons) {
        for name in differing(&self.providers, &now.providers) {
            let what = "this provider is not set up as it was at the review";
            reasons.add(Weight::Wider, &format!("provider.{name}"), what);
        }
        for address in differing(&self.provisioners, &now.provisioners) {
            reasons.add(Weight::Wider, address, "its provisioners are not those of the review");
        }
        for name in differing(&self.variables, &now.variables) {
            let what = "is not what it was at the review, and a provider or provisioner depends on it";
            reasons.add(Weight::Wider, &format!("var.{name}"), what);
        }
    }
}

/// How much of what a plan's code does beside the resources the plan does not tell. Terraform shows the values of
/// constants only: of `"curl ${var.host}/x | sh"` no more than that it names `var.host`, of `file("x")` nothing at all, and
/// of a provisioner neither when it runs nor over which connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Untold {
    /// Everything that matters stands in the plan.
    #[default]
    Nothing,
    /// Texts of the code: two plans do the same there only where their code is the same.
    Texts,
    /// Files beside the code, too.
    Files,
}

impl Untold {
    /// What `plan` does not tell of its providers and provisioners.
    ///
    /// # Errors
    /// `Invalid` when the configuration is not shaped like one; as [`Value::of`].
    pub fn of(plan: &Plan<'_>) -> Result<Self> {
        let Some(configuration) = configuration(plan)? else { return Ok(Untold::Nothing) };
        let mut untold = Untold::Nothing;
        for raw in configuration.provider_config.unwrap_or_default().into_values() {
            if let Some(expressions) = Value::of(raw)?.get("expressions") {
                untold = untold.max(of_expressions(expressions));
            }
        }
        Ok(untold.max(of_module(&configuration.root_module.unwrap_or_default())?))
    }
}

fn of_module(module: &Module<'_>) -> Result<Untold> {
    let mut untold = Untold::Nothing;
    for raw in module.resources.iter().flatten().filter_map(|resource| resource.provisioners) {
        let value = Value::of(raw)?;
        for provisioner in value.as_array().unwrap_or_default() {
            // What it copies stands in no plan.
            let copies = provisioner.get("type").and_then(Value::as_str) != Some("local-exec");
            let expressions = provisioner.get("expressions").map_or(Untold::Files, of_expressions);
            untold = untold.max(if copies { Untold::Files } else { expressions.max(Untold::Texts) });
        }
    }
    for module in module.module_calls.iter().flatten().filter_map(|(_, call)| call.module.as_ref()) {
        untold = untold.max(of_module(module)?);
    }
    Ok(untold)
}

/// Of the arguments of a block: each an expression, a block or a list of blocks.
fn of_expressions(value: &Value<'_>) -> Untold {
    let Some(object) = value.as_object() else { return Untold::Files };
    let of = |value: &Value<'_>| match value {
        Value::Array(blocks) => blocks.iter().map(of_expressions).max().unwrap_or_default(),
        value if value.get("constant_value").is_some() => Untold::Nothing,
        value if value.get("references").is_some() => Untold::Texts,
        // An expression of which nothing is told, such as a file's content, looks like a block without arguments.
        Value::Object(block) if block.is_empty() => Untold::Files,
        block => of_expressions(block),
    };
    object.iter().map(|(_, value)| of(value)).max().unwrap_or_default()
}

/// The code of a plan; `null` is no configuration.
fn configuration<'a>(plan: &Plan<'a>) -> Result<Option<Configuration<'a>>> {
    let Some(raw) = plan.configuration else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_| {
        // Its words may quote the text, which may be anything.
        Error::invalid("the plan's configuration does not tell which providers and provisioners there are")
            .hint("make the plan again with `terraform show -json`")
    })
}

/// Whether two plans say the same of it, byte for byte, so that neither needs a look.
pub(super) fn is_same_text(a: &Plan<'_>, b: &Plan<'_>) -> bool {
    fn text(raw: Option<&RawValue>) -> Option<&str> {
        raw.map(RawValue::get)
    }
    let is_same = |(a, b): (&Variable<'_>, &Variable<'_>)| a.name == b.name && text(a.value) == text(b.value);
    text(a.configuration) == text(b.configuration)
        && a.variables.len() == b.variables.len()
        && a.variables.iter().zip(&b.variables).all(is_same)
}

/// The names under which the two have not the same.
fn differing<'n>(a: &'n BTreeMap<String, Stamp>, b: &'n BTreeMap<String, Stamp>) -> BTreeSet<&'n str> {
    let names = a.keys().chain(b.keys()).map(String::as_str);
    names.filter(|name| a.get(*name) != b.get(*name)).collect()
}

/// Gathers the variables that expressions name: `{"references": ["var.region"]}`.
fn references(value: &Value<'_>, named: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, named)),
        Value::Object(object) => {
            for (key, value) in object.iter() {
                let texts = value.as_array().filter(|_| key == "references").unwrap_or_default();
                let variables =
                    texts.iter().filter_map(Value::as_str).filter_map(|text| text.strip_prefix("var."));
                let name = |text: &str| text.split(['.', '[']).next().unwrap_or_default().to_owned();
                named.extend(variables.map(name));
                references(value, named);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::Untold;
    use crate::plan::Plan;
    use crate::plan::verdict::tests::{lines, plan, plans, stays, with};
    use crate::plan::verdict::{Approval, ApprovalKey, Verdict, compare};

    fn of(more: Json) -> Json {
        with(plan(&[stays("keep", json!({}))]), more)
    }

    /// A plan with a provider of these expressions.
    fn provider(expressions: Json) -> Json {
        let aws = json!({"name": "aws", "full_name": "registry/aws", "expressions": expressions});
        of(json!({"configuration": {"provider_config": {"aws": aws}, "root_module": {"resources": []}}}))
    }

    /// A plan with a provisioner two modules down.
    fn provisioner(command: &str) -> Json {
        let run = json!([{"type": "local-exec", "expressions": {"command": {"constant_value": command}}}]);
        let resource = json!({"address": "null_resource.a", "mode": "managed", "provisioners": run});
        let inner = json!({"module": {"resources": [resource]}});
        let outer = json!({"module": {"module_calls": {"b": inner}}});
        of(json!({"configuration": {"root_module": {"module_calls": {"a": outer}}}}))
    }

    /// A plan whose provider takes its region from a variable.
    fn variable(region: &str, is_sensitive: bool) -> Json {
        let expressions = json!({"region": {"references": ["var.region"]}});
        let declared = json!({"region": {"sensitive": is_sensitive}, "other": {}});
        let more = json!({"variables": {"region": {"value": region}, "other": {"value": region}},
            "configuration": {"root_module": {"variables": declared}}});
        with(provider(expressions), more)
    }

    #[test]
    fn another_provider_configuration_or_provisioner_was_approved_by_nobody() {
        let region = |name: &str| provider(json!({"region": {"constant_value": name}}));
        let role = provider(json!({"region": {"constant_value": "eu"},
            "assume_role": [{"role_arn": {"constant_value": "arn:other"}}]}));
        let aws = "provider.aws: this provider is not set up as it was at the review";
        let run = "module.a.module.b.null_resource.a: its provisioners are not those of the review";
        for (a, b, expected) in [
            (region("eu"), region("us"), aws),
            (region("eu"), role, aws),
            (region("eu"), of(json!({})), aws),
            (of(json!({"configuration": null})), region("eu"), aws),
            (provisioner("a"), provisioner("b"), run),
            (of(json!({})), provisioner("a"), run),
            (provisioner("a"), of(json!({})), run),
            (
                variable("eu", false),
                variable("us", false),
                "var.region: is not what it was at the review, \
                and a provider or provisioner depends on it",
            ),
        ] {
            let (verdict, reasons) = lines(&plans(&a, &b));
            assert_eq!((verdict, &reasons[..]), (Verdict::Wider, &[expected.to_owned()][..]));
            assert_eq!(plans(&a, &a).verdict, Verdict::Equal);
        }
    }

    #[test]
    fn what_a_plan_does_not_tell_of_its_code_is_known() {
        let untold = |plan: Json| Untold::of(&Plan::parse(plan.to_string().as_bytes()).unwrap()).unwrap();
        let run = |provisioner: Json| {
            let resource = json!({"address": "null_resource.a", "provisioners": [provisioner]});
            untold(of(
                json!({"configuration": {"root_module": {"module_calls": {"a": {"module": {"resources": [resource]}}}}}}),
            ))
        };
        assert_eq!(untold(of(json!({}))), Untold::Nothing);
        assert_eq!(
            untold(provider(json!({"region": {"constant_value": "eu"}, "features": [{}]}))),
            Untold::Nothing
        );
        assert_eq!(untold(variable("eu", false)), Untold::Texts);
        let role = json!({"assume_role": [{"role_arn": {"references": ["var.a"]}}]});
        assert_eq!(untold(provider(role)), Untold::Texts);
        assert_eq!(untold(provider(json!({"credentials": {}}))), Untold::Files);
        assert_eq!(untold(provisioner("a")), Untold::Texts);
        assert_eq!(run(json!({"type": "local-exec", "expressions": {"command": {}}})), Untold::Files);
        assert_eq!(
            run(json!({"type": "file", "expressions": {"source": {"constant_value": "x"}}})),
            Untold::Files
        );
        assert_eq!(run(json!({"type": "local-exec"})), Untold::Files);
    }

    #[test]
    fn other_code_that_sets_up_and_runs_the_same_is_equal() {
        let shuffled = with(
            provider(json!({"region": {"constant_value": "eu"}})),
            json!({"configuration": {"root_module": {"outputs": {"new": {"expression": {}}}}}}),
        );
        let region = provider(json!({"region": {"constant_value": "eu"}}));
        for (a, b) in [
            (region, shuffled),
            (of(json!({})), of(json!({"configuration": {"root_module": {}}}))),
            // A token of the day.
            (variable("one", true), variable("two", true)),
        ] {
            let (verdict, reasons) = lines(&plans(&a, &b));
            assert_eq!((verdict, reasons.len()), (Verdict::Equal, 0), "{reasons:?}");
        }
    }

    #[test]
    fn nothing_of_the_code_is_kept_in_clear_and_what_is_no_code_is_refused() {
        let key = ApprovalKey::from_bytes([5; 32]);
        let secret = provider(json!({"token": {"constant_value": "hunter2"}})).to_string();
        let kept = Approval::of(&Plan::parse(secret.as_bytes()).unwrap(), &key).unwrap();
        let kept = serde_json::to_string(&kept).unwrap();
        assert!(!kept.contains("hunter2") && kept.contains("aws"), "{kept}");
        let broken = of(json!({"configuration": {"provider_config": [1]}})).to_string();
        let (broken, whole) =
            (Plan::parse(broken.as_bytes()).unwrap(), Plan::parse(secret.as_bytes()).unwrap());
        assert!(Approval::of(&broken, &key).is_err() && compare(&whole, &broken).is_err());
    }
}
