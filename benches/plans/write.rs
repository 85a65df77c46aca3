//! The text of a made plan, in the order in which Terraform writes it.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::marks;
use crate::recipe::{Recipe, Shape, Variant};
use crate::resource::{Deed, IN_MODULE, KINDS, Resource, module};
use crate::tokens::{escaped, secret};

const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

pub(crate) fn plan(recipe: &Recipe, out: &mut impl Write) -> io::Result<()> {
    let password = text(&json!(secret(recipe.seed, 0, 99)));
    write!(out, "{{\"format_version\":\"1.2\",\"terraform_version\":\"1.11.4\",")?;
    write!(
        out,
        "\"variables\":{{\"db_password\":{{\"value\":{password}}},\"env\":{{\"value\":\"prod\"}}}},"
    )?;
    write!(out, "\"planned_values\":{{\"outputs\":{{\"url\":{{\"sensitive\":false}}}},\"root_module\":")?;
    state(recipe, out, |resource| &resource.after)?;
    write!(out, "}},\"resource_drift\":[")?;
    let drifted = |at: &usize| at % 400 == 3 && Resource::of(recipe, *at).deed == Deed::Update;
    each(out, (0..recipe.resources).filter(drifted), |out, at| {
        let resource = Resource::of(recipe, at);
        let mut was = resource.before.clone();
        was["description"] = json!("before somebody changed it by hand");
        let drift = Resource { after: resource.before.clone(), before: was, unknown: json!({}), ..resource };
        change(&drift, out)
    })?;
    write!(out, "],\"resource_changes\":[")?;
    each(out, 0..recipe.resources, |out, at| change(&Resource::of(recipe, at), out))?;
    write!(
        out,
        "],\"output_changes\":{{\"url\":{{\"actions\":[\"update\"],\"before\":\"https://a.example\","
    )?;
    write!(out, "\"after_unknown\":true,\"before_sensitive\":false,\"after_sensitive\":false}}}},")?;
    write!(out, "\"prior_state\":{{\"format_version\":\"1.0\",\"terraform_version\":\"1.11.4\",\"values\":")?;
    write!(out, "{{\"outputs\":{{\"url\":{{\"sensitive\":false,\"value\":\"https://a.example\",")?;
    write!(out, "\"type\":\"string\"}}}},\"root_module\":")?;
    state(recipe, out, |resource| &resource.before)?;
    write!(out, "}}}},\"configuration\":")?;
    configuration(recipe, out)?;
    write!(out, ",\"relevant_attributes\":[")?;
    // Terraform writes them in any order.
    let is_again = recipe.variant != Variant::Approved;
    let relevant = |at: usize| if is_again { recipe.resources - 1 - at } else { at };
    each(out, (0..recipe.resources).map(relevant).filter(|at| at % 4 == 3), |out, at| {
        let (resource, attribute) = (format!("{}.{}", module(at / IN_MODULE), kind(at)), "description");
        write!(out, "{}", text(&json!({"resource": resource, "attribute": [attribute]})))
    })?;
    write!(out, "],\"checks\":[{{\"address\":{{\"kind\":\"check\",\"name\":\"health\",\"to_display\":")?;
    write!(out, "\"check.health\"}},\"status\":\"pass\",\"instances\":[{{\"address\":")?;
    write!(out, "{{\"to_display\":\"check.health\"}},\"status\":\"pass\"}}]}}],")?;
    let hour = if is_again { 10 } else { 9 };
    write!(out, "\"timestamp\":\"2026-03-14T{hour:02}:26:53Z\",\"applyable\":true,\"complete\":true,")?;
    writeln!(out, "\"errored\":false}}")
}

fn kind(at: usize) -> String {
    let (kind, name) = KINDS[at % IN_MODULE];
    format!("{kind}.{name}")
}

fn text(value: &Value) -> String {
    escaped(&value.to_string())
}

/// Items with commas between them.
fn each<W: Write>(
    out: &mut W,
    items: impl Iterator<Item = usize>,
    mut write: impl FnMut(&mut W, usize) -> io::Result<()>,
) -> io::Result<()> {
    for (count, item) in items.enumerate() {
        if count > 0 {
            out.write_all(b",")?;
        }
        write(out, item)?;
    }
    Ok(())
}

/// One entry of `resource_changes` or `resource_drift`.
fn change(resource: &Resource, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{{\"address\":{},", text(&json!(resource.address())))?;
    write!(out, "\"module_address\":{},\"mode\":\"managed\",", text(&json!(resource.module)))?;
    write!(out, "\"type\":\"{}\",\"name\":\"{}\",", resource.kind, resource.name)?;
    if let Some(index) = &resource.index {
        write!(out, "\"index\":{},", text(index))?;
    }
    let actions = match resource.deed {
        Deed::Nothing => "\"no-op\"",
        Deed::Create => "\"create\"",
        Deed::Update => "\"update\"",
        Deed::Delete => "\"delete\"",
        Deed::Replace => "\"delete\",\"create\"",
    };
    write!(out, "\"provider_name\":\"{PROVIDER}\",\"change\":{{\"actions\":[{actions}],")?;
    write!(out, "\"before\":{},\"after\":{},", text(&resource.before), text(&resource.after))?;
    let mark = |value: &Value| if value.is_null() { json!(false) } else { marks::sensitive(value) };
    let (before, after) = (mark(&resource.before), mark(&resource.after));
    write!(out, "\"after_unknown\":{},", text(&resource.unknown))?;
    write!(out, "\"before_sensitive\":{},\"after_sensitive\":{}", text(&before), text(&after))?;
    match resource.deed {
        Deed::Replace if resource.at.is_multiple_of(3) => {
            write!(out, "}},\"action_reason\":\"replace_because_tainted\"}}")
        }
        Deed::Replace => {
            write!(
                out,
                ",\"replace_paths\":[[\"name\"]]}},\"action_reason\":\"replace_because_cannot_update\"}}"
            )
        }
        Deed::Delete => write!(out, "}},\"action_reason\":\"delete_because_no_resource_config\"}}"),
        Deed::Nothing | Deed::Create | Deed::Update => write!(out, "}}}}"),
    }
}

/// `planned_values` or `prior_state`: the values of each instance once more, by module.
fn state<W: Write>(recipe: &Recipe, out: &mut W, of: impl Fn(&Resource) -> &Value) -> io::Result<()> {
    write!(out, "{{\"child_modules\":[")?;
    each(out, 0..recipe.resources.div_ceil(IN_MODULE), |out, at| {
        write!(out, "{{\"resources\":[")?;
        let all = (at * IN_MODULE)..recipe.resources.min((at + 1) * IN_MODULE);
        let there = all.map(|at| Resource::of(recipe, at)).filter(|resource| !of(resource).is_null());
        for (count, resource) in there.enumerate() {
            if count > 0 {
                out.write_all(b",")?;
            }
            write!(out, "{{\"address\":{},\"mode\":\"managed\",", text(&json!(resource.address())))?;
            write!(out, "\"type\":\"{}\",\"name\":\"{}\",", resource.kind, resource.name)?;
            if let Some(index) = &resource.index {
                write!(out, "\"index\":{},", text(index))?;
            }
            write!(out, "\"provider_name\":\"{PROVIDER}\",\"schema_version\":0,")?;
            let sensitive = marks::sensitive(of(&resource));
            write!(out, "\"values\":{},\"sensitive_values\":{}}}", text(of(&resource)), text(&sensitive))?;
        }
        write!(out, "],\"address\":{}}}", text(&json!(module(at))))
    })?;
    write!(out, "]}}")
}

/// The code. Modules called with `for_each` stand there once; a stack of modules repeats each, with all its variables.
fn configuration<W: Write>(recipe: &Recipe, out: &mut W) -> io::Result<()> {
    let (calls, variables) = match recipe.shape {
        Shape::ModuleHeavy => (recipe.resources.div_ceil(IN_MODULE), 100),
        Shape::BigState | Shape::SecretHeavy | Shape::AllChanged => (1, 12),
    };
    write!(out, "{{\"provider_config\":{{\"aws\":{{\"name\":\"aws\",\"full_name\":\"{PROVIDER}\"}}}},")?;
    write!(out, "\"root_module\":{{\"outputs\":{{\"url\":{{\"expression\":")?;
    write!(out, "{{\"references\":[\"module.svc\"]}}}}}},\"module_calls\":{{")?;
    each(out, 0..calls, |out, call| {
        write!(out, "\"svc_{call:05}\":{{\"source\":\"./svc\",\"expressions\":{{\"name\":")?;
        write!(out, "{{\"references\":[\"each.key\"]}}}},\"module\":{{\"resources\":[")?;
        each(out, 0..IN_MODULE, |out, at| {
            let (kind, name) = KINDS[at];
            let expressions = json!({
                "name": {"references": ["var.name"]}, "description": {"constant_value": "made by numbers"},
                "tags": {"references": ["var.tags", "local.tags", "var.name"]},
            });
            write!(out, "{{\"address\":\"{kind}.{name}\",\"mode\":\"managed\",\"type\":\"{kind}\",")?;
            write!(out, "\"name\":\"{name}\",\"provider_config_key\":\"aws\",")?;
            write!(out, "\"expressions\":{},\"schema_version\":0}}", text(&expressions))
        })?;
        write!(out, "],\"variables\":{{")?;
        each(out, 0..variables, |out, at| {
            let told = json!({
                "default": {"enabled": false, "name": "", "ports": [80, 443]},
                "description": format!("Switch {at} of the module, passed on as it is. A map with `enabled`, `name` \
                    & `ports`; leave it out and the module's own choice <default> is taken for each of them."),
            });
            write!(out, "\"option_{at:03}\":{}", text(&told))
        })?;
        write!(out, "}}}}}}")
    })?;
    write!(
        out,
        "}},\"variables\":{{\"db_password\":{{\"sensitive\":true}},\"env\":{{\"default\":\"dev\"}}}}}}}}"
    )
}
