//! The parts of the JSON document, as the schema names them.

use serde::Serialize;

use crate::plan::judge::Finding;
use crate::plan::model::{CheckStatus, Severity};
use crate::plan::render::attribute::{Attribute, Details};
use crate::plan::render::entry::Entry;
use crate::plan::render::json_value::JsonValue;
use crate::plan::render::page::Note;
use crate::plan::render::reason::sentence;
use crate::plan::render::terminal::words_of;
use crate::plan::render::view::{CheckView, View};
use crate::plan::summary::Counts;

/// What stands before the lists.
#[derive(Serialize)]
pub(super) struct Head<'v> {
    pub(super) version: u8,
    pub(super) counts: Counts,
    pub(super) errored: Option<bool>,
    pub(super) complete: Option<bool>,
    pub(super) applyable: Option<bool>,
    pub(super) stacks: Vec<JsonStack<'v>>,
}

#[derive(Serialize)]
pub(super) struct JsonStack<'v> {
    pub(super) name: &'v str,
    pub(super) file: Option<&'v str>,
    pub(super) counts: Counts,
    pub(super) errored: Option<bool>,
    pub(super) complete: Option<bool>,
    pub(super) applyable: Option<bool>,
    pub(super) checks_passed: usize,
    pub(super) action_invocations: usize,
    pub(super) terraform_version: Option<String>,
}

impl<'v> JsonStack<'v> {
    pub(super) fn of(view: &'v View<'_>) -> Self {
        let plan = view.plan;
        JsonStack {
            name: &view.name,
            file: view.file.as_deref(),
            counts: view.counts,
            errored: plan.errored,
            complete: plan.complete,
            applyable: plan.applyable,
            checks_passed: plan.checks.iter().filter(|check| check.status == CheckStatus::Pass).count(),
            action_invocations: plan.action_invocations,
            terraform_version: view.terraform_version.clone(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct JsonChange<'v> {
    pub(super) stack: &'v str,
    pub(super) address: &'v str,
    pub(super) deposed: Option<&'v str>,
    pub(super) actions: Vec<&'v str>,
    pub(super) reason: Option<&'v str>,
    pub(super) because: String,
    pub(super) replace_paths: &'v [String],
    pub(super) moved_from: Option<&'v str>,
    pub(super) import: bool,
    pub(super) import_id: Option<&'v str>,
    #[serde(rename = "type")]
    pub(super) kind: &'v str,
    pub(super) severity: Severity,
    pub(super) attributes: Vec<JsonAttribute>,
    pub(super) folded: usize,
}

impl<'v> JsonChange<'v> {
    pub(super) fn of(view: &'v View<'_>, entry: &'v Entry<'_>, details: Details<JsonValue>) -> Self {
        JsonChange {
            stack: &view.name,
            address: &entry.address,
            deposed: entry.deposed.as_deref(),
            actions: entry.actions(),
            reason: entry.reason.as_deref(),
            because: words_of(&sentence(entry)),
            replace_paths: &entry.replace_paths,
            moved_from: entry.moved_from.as_deref(),
            import: entry.source.importing().is_some(),
            import_id: entry.import_id.as_deref(),
            kind: &entry.kind,
            severity: entry.source.severity(),
            folded: details.folded,
            attributes: attributes(details),
        }
    }
}

#[derive(Serialize)]
pub(super) struct JsonAttribute {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) before: Option<JsonValue>,
    pub(super) after: Option<JsonValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<String>,
    pub(super) forces_replacement: bool,
}

pub(super) fn attributes(details: Details<JsonValue>) -> Vec<JsonAttribute> {
    let of = |attribute: Attribute<JsonValue>| JsonAttribute {
        path: attribute.path,
        kind: attribute.kind,
        before: attribute.before,
        after: attribute.after,
        lines: attribute.lines.into_iter().map(|(sign, line)| format!("{sign}{line}")).collect(),
        forces_replacement: attribute.forces_replacement,
    };
    details.attributes.into_iter().map(of).collect()
}

#[derive(Serialize)]
pub(super) struct JsonDeferred<'v> {
    pub(super) reason: &'v str,
    pub(super) change: JsonChange<'v>,
}

#[derive(Serialize)]
pub(super) struct JsonOutput<'v> {
    pub(super) stack: &'v str,
    pub(super) name: &'v str,
    pub(super) actions: Vec<&'v str>,
    pub(super) sensitive: bool,
    pub(super) attributes: Vec<JsonAttribute>,
}

#[derive(Serialize)]
pub(super) struct JsonCheck<'v> {
    pub(super) stack: &'v str,
    pub(super) name: &'v str,
    pub(super) status: CheckStatus,
    pub(super) problems: Vec<JsonProblem<'v>>,
}

#[derive(Serialize)]
pub(super) struct JsonProblem<'v> {
    pub(super) instance: &'v str,
    pub(super) message: &'v str,
}

impl<'v> JsonCheck<'v> {
    pub(super) fn of(view: &'v View<'_>, check: &'v CheckView) -> Self {
        let problems = check.problems.iter().map(|(instance, message)| JsonProblem { instance, message });
        JsonCheck { stack: &view.name, name: &check.name, status: check.status, problems: problems.collect() }
    }
}

#[derive(Serialize)]
pub(super) struct JsonFinding<'v> {
    pub(super) stack: &'v str,
    #[serde(flatten)]
    pub(super) finding: &'v Finding,
}

#[derive(Serialize)]
pub(super) struct JsonNote<'v> {
    pub(super) stack: &'v str,
    #[serde(flatten)]
    pub(super) note: &'v Note,
}
