//! What has to be true of every plan, however broken.

use infra_sdk::plan::{Plan, Summary, Veil};
use serde_json::Value;

use crate::marks;

/// Reads, summarises and shows `bytes`, and what stands against `other`.
pub(crate) fn plans(bytes: &[u8], other: &[u8]) -> Result<(), String> {
    let tree: Option<Value> = serde_json::from_slice(bytes).ok();
    let mut secrets = tree.as_ref().map(marks::secrets).unwrap_or_default();
    let plan = match Plan::parse(bytes) {
        Ok(plan) => plan,
        Err(error) => return no_secret("an error", &error.report().to_string(), &secrets),
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(strip_mark(bytes)).is_err() {
        return Err("what is no JSON was taken for a plan".to_owned());
    }
    let summary = match Summary::of(&plan) {
        Ok(summary) => summary,
        Err(error) => return no_secret("an error", &error.report().to_string(), &secrets),
    };
    if let Some(tree) = &tree {
        counts(&summary, tree)?;
        let named = |secret: &String| names(tree).iter().any(|name| name.contains(secret.as_str()));
        let unnamed: Vec<String> = secrets.iter().filter(|secret| !named(secret)).cloned().collect();
        no_secret("the summary", &summary.to_string(), &unnamed)?;
        no_secret(
            "the summary",
            &serde_json::to_string(&summary).map_err(|error| error.to_string())?,
            &unnamed,
        )?;
    }
    if let Ok(veil) = Veil::of(&plan)
        && tree.is_some()
    {
        let text = String::from_utf8_lossy(bytes);
        // All of the plan is more than anybody shows; variables are never shown and no part of it.
        no_secret("the veiled text", &veil.apply(&text), &marked_in_changes(tree.as_ref()))?;
    }
    secrets.extend(serde_json::from_slice(other).map(|tree| marks::secrets(&tree)).unwrap_or_default());
    let Ok(_other) = Plan::parse(other) else { return Ok(()) };
    Ok(())
}

/// Whether a text is free of them all.
pub(crate) fn no_secret(what: &str, text: &str, secrets: &[String]) -> Result<(), String> {
    match secrets.iter().find(|secret| text.contains(secret.as_str())) {
        None => Ok(()),
        Some(secret) => Err(format!("{what} holds the secret {secret}")),
    }
}

/// A mark before the text is taken away by the engine too.
fn strip_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The secrets of resources and outputs alone.
fn marked_in_changes(tree: Option<&Value>) -> Vec<String> {
    let mut tree = tree.cloned().unwrap_or_default();
    if let Some(members) = tree.as_object_mut() {
        members.remove("configuration");
    }
    marks::secrets(&tree)
}

/// Counts the entries once more, the simple way.
fn counts(summary: &Summary, tree: &Value) -> Result<(), String> {
    let entries = tree["resource_changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let does = |action: &str| {
        let has = |entry: &&Value| {
            let actions = entry["change"]["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
            // What is only read and leaves the code is no news.
            let data = entry["mode"] == "data" && actions.iter().any(|name| name == "delete");
            !data && actions.iter().any(|name| name == action)
        };
        entries.iter().filter(has).count()
    };
    let counts = summary.counts;
    for (what, found, expected) in [
        ("add", counts.add, does("create")),
        ("change", counts.change, does("update")),
        ("destroy", counts.destroy, does("delete")),
        ("forget", counts.forget, does("forget")),
    ] {
        if found != expected {
            return Err(format!("{what}: counted {found}, and there are {expected}"));
        }
    }
    let mut sums = [0; 3];
    for counts in summary.by_module.values() {
        sums[0] += counts.add;
        sums[1] += counts.change;
        sums[2] += counts.destroy;
    }
    if sums != [counts.add, counts.change, counts.destroy] {
        return Err(format!("the modules together have {sums:?}"));
    }
    Ok(())
}

/// Every text outside of values: names are shown as they are, and whoever tampers may put a secret there.
fn names(tree: &Value) -> Vec<String> {
    let mut tree = tree.clone();
    for key in ["resource_changes", "resource_drift"] {
        for entry in tree[key].as_array_mut().into_iter().flatten() {
            if let Some(change) = entry.get_mut("change").and_then(Value::as_object_mut) {
                change.remove("before");
                change.remove("after");
            }
        }
    }
    ["resource_changes", "resource_drift", "deferred_changes", "checks"]
        .map(|key| tree[key].to_string())
        .into_iter()
        .chain(tree["output_changes"].as_object().into_iter().flat_map(|outputs| outputs.keys().cloned()))
        .chain(tree["terraform_version"].as_str().map(str::to_owned))
        .collect()
}
