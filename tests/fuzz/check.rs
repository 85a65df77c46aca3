//! What has to be true of every plan, however broken.

use infra_sdk::plan::verdict::{Approval, ApprovalKey, Verdict, compare};
use infra_sdk::plan::{COMMENT_LIMIT, Page, Plan, Stack, Style, Summary, Veil};
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
        // Whoever tampers may put a secret into a name, too.
        if let Ok(veil) = Veil::of(&plan) {
            let covered = summary.without_secrets(&veil);
            no_secret("the summary", &covered.to_string(), &secrets)?;
            let json = serde_json::to_string(&covered).map_err(|error| error.to_string())?;
            no_secret("the summary", &json, &secrets)?;
        }
    }
    if let Ok(veil) = Veil::of(&plan)
        && tree.is_some()
    {
        let text = String::from_utf8_lossy(bytes);
        // All of the plan is more than anybody shows; variables are never shown and no part of it.
        no_secret("the veiled text", &veil.apply(&text), &marked_in_changes(tree.as_ref()))?;
    }
    if tree.is_some() {
        shown(&plan, &secrets)?;
    }
    secrets.extend(serde_json::from_slice(other).map(|tree| marks::secrets(&tree)).unwrap_or_default());
    let Ok(other) = Plan::parse(other) else { return Ok(()) };
    compared(&plan, &other, &secrets)?;
    compared(&other, &plan, &secrets)
}

/// Every renderer. What a broken value makes it refuse is told without a secret, too.
fn shown(plan: &Plan<'_>, secrets: &[String]) -> Result<(), String> {
    let page = match Page::of([Stack::new("shop/network", plan)], Veil::default()) {
        Ok(page) => page,
        Err(error) => return no_secret("an error", &error.report().to_string(), secrets),
    };
    for (what, text) in [
        ("the terminal", page.terminal(Style::Plain)),
        ("the coloured terminal", page.terminal(Style::Ansi)),
        ("the comment", page.markdown("shop", COMMENT_LIMIT)),
        ("a short comment", page.markdown("shop", 3000)),
        ("the step summary", page.step_summary()),
        ("the JSON", page.json()),
        ("the SARIF", page.sarif()),
    ] {
        match text {
            Ok(text) => {
                no_secret(what, &text, secrets)?;
                if what == "the comment" && text.len() > COMMENT_LIMIT {
                    return Err(format!("the comment has {} bytes", text.len()));
                }
                if matches!(what, "the JSON" | "the SARIF") {
                    serde_json::from_str::<Value>(&text).map_err(|error| format!("{what}: {error}"))?;
                }
            }
            Err(error) => no_secret(what, &error.report().to_string(), secrets)?,
        }
    }
    Ok(())
}

/// A comparison and a kept approval say the same, and a plan held against itself is equal.
fn compared(approved: &Plan<'_>, replan: &Plan<'_>, secrets: &[String]) -> Result<(), String> {
    let key = ApprovalKey::from_bytes([7; 32]);
    let told = |error: &infra_sdk::Error| error.report().to_string();
    let Ok(direct) = compare(approved, replan) else { return Ok(()) };
    // What is kept holds more than what these two had to be compared in: a value in it may be too deep.
    let Ok(approval) = Approval::of(approved, &key) else { return Ok(()) };
    let kept_json = serde_json::to_vec(&approval).map_err(|error| error.to_string())?;
    let kept = Approval::parse(&kept_json).map_err(|error| told(&error))?;
    let later = kept.compare(replan, &key).map_err(|error| told(&error))?;
    // Reasons name resources and attributes, which are masked where they are shown; no value stands in them.
    // Where the secrets cannot be told, nothing is shown at all.
    if let Ok(mut veil) = Veil::of(approved)
        && veil.learn(replan).is_ok()
    {
        no_secret("the comparison", &veil.apply(&direct.to_string()), secrets)?;
        let text = String::from_utf8_lossy(&kept_json).into_owned();
        no_secret("the approval", &veil.apply(&text), secrets)?;
    }
    if direct.verdict != later.verdict {
        return Err(format!("compared it is {:?}, and by what was kept {:?}", direct.verdict, later.verdict));
    }
    // A plan that ended with an error is only a part of one, and never what was approved.
    match compare(approved, approved) {
        Ok(same) if same.verdict != Verdict::Equal && approved.errored != Some(true) => {
            Err(format!("against itself it is:\n{same}"))
        }
        _ => Ok(()),
    }
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
