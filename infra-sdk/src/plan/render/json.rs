//! A page as JSON for programs, written change by change.

use std::io::Write;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::judge::Finding;
use crate::plan::model::{CheckStatus, Severity};
use crate::plan::render::attribute::{Attribute, Details};
use crate::plan::render::entry::Entry;
use crate::plan::render::json_value::JsonValue;
use crate::plan::render::page::{CheckView, Note, Page, View};
use crate::plan::render::reason::sentence;
use crate::plan::render::terminal::words_of;
use crate::plan::summary::Counts;

/// The [JSON schema](https://json-schema.org/draft/2020-12) of the document that [`Page::json`] writes. Keys are added to
/// version 1, and none of them is taken away or gets another meaning.
pub const SCHEMA: &str = include_str!("../../../schemas/plan.v1.json");

/// Changes whose values are in memory at once.
const BATCH: usize = 256;

impl Page<'_> {
    /// The document that [`SCHEMA`] describes, for programs: every change with its attributes. Values are JSON again, with
    /// `***` where a secret stood.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of), for the values that are looked into.
    pub fn json(&self) -> Result<String> {
        let mut bytes = Vec::new();
        self.write_json(&mut bytes)?;
        String::from_utf8(bytes)
            .map_err(|error| Error::new(ErrorKind::Bug, "write a plan as JSON").because(error))
    }

    /// Writes what [`json`](Page::json) gives, without ever holding all of it.
    ///
    /// # Errors
    /// `Io` when it cannot be written; as [`Value::of`](crate::plan::Value::of), for the values that are looked into.
    pub fn write_json(&self, out: &mut dyn Write) -> Result<()> {
        let mut document = Document { out, is_first: true };
        document.start(self)?;
        document.list("changes", |list| self.stacks.iter().try_for_each(|view| changes(self, view, list)))?;
        document.list("outputs", |list| self.stacks.iter().try_for_each(|view| outputs(self, view, list)))?;
        document.list("drift", |list| {
            self.stacks.iter().try_for_each(|view| entries(self, view, &view.drift, list))
        })?;
        document
            .list("deferred", |list| self.stacks.iter().try_for_each(|view| deferred(self, view, list)))?;
        document.list("checks", |list| {
            let checks =
                self.stacks.iter().flat_map(|view| view.checks.iter().map(move |check| (view, check)));
            checks.into_iter().try_for_each(|(view, check)| list.item(&JsonCheck::of(view, check)))
        })?;
        document.list("findings", |list| {
            let all =
                self.stacks.iter().flat_map(|view| view.findings.iter().map(move |finding| (view, finding)));
            all.into_iter()
                .try_for_each(|(view, finding)| list.item(&JsonFinding { stack: &view.name, finding }))
        })?;
        document.list("notes", |list| {
            let all = self.stacks.iter().flat_map(|view| view.notes.iter().map(move |note| (view, note)));
            all.into_iter().try_for_each(|(view, note)| list.item(&JsonNote { stack: &view.name, note }))
        })?;
        document.raw("\n}\n")
    }
}

/// Writes the members of the document one after the other.
struct Document<'o> {
    out: &'o mut dyn Write,
    is_first: bool,
}

impl Document<'_> {
    fn raw(&mut self, text: &str) -> Result<()> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    fn start(&mut self, page: &Page<'_>) -> Result<()> {
        let any = |of: fn(&View<'_>) -> Option<bool>, wanted: bool| {
            let told: Vec<bool> = page.stacks.iter().filter_map(of).collect();
            if told.contains(&wanted) { Some(wanted) } else { told.first().copied() }
        };
        let head = Head {
            version: 1,
            counts: page.counts(),
            errored: any(|view| view.plan.errored, true),
            complete: any(|view| view.plan.complete, false),
            applyable: any(|view| view.plan.applyable, true),
            stacks: page.stacks.iter().map(JsonStack::of).collect(),
        };
        let head = text_of(&head)?;
        // The lists follow inside the same object.
        self.raw(head.strip_suffix('}').unwrap_or(&head))
    }

    fn list(&mut self, name: &str, fill: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.raw(&format!(",\n\"{name}\":["))?;
        self.is_first = true;
        fill(self)?;
        self.raw("]")
    }

    fn item(&mut self, item: &impl Serialize) -> Result<()> {
        let separator = if std::mem::take(&mut self.is_first) { "\n" } else { ",\n" };
        let text = text_of(item)?;
        self.raw(separator)?;
        self.raw(&text)
    }
}

fn text_of(item: &impl Serialize) -> Result<String> {
    serde_json::to_string(item)
        .map_err(|error| Error::new(ErrorKind::Bug, "write a plan as JSON").because(error))
}

fn changes(page: &Page<'_>, view: &View<'_>, list: &mut Document<'_>) -> Result<()> {
    entries(page, view, &view.entries, list)
}

fn entries(page: &Page<'_>, view: &View<'_>, entries: &[Entry<'_>], list: &mut Document<'_>) -> Result<()> {
    for batch in entries.chunks(BATCH) {
        let details = page.details::<JsonValue>(view, batch)?;
        for (entry, details) in batch.iter().zip(details) {
            list.item(&JsonChange::of(view, entry, details))?;
        }
    }
    Ok(())
}

fn outputs(page: &Page<'_>, view: &View<'_>, list: &mut Document<'_>) -> Result<()> {
    let details = page.output_details::<JsonValue>(view.outputs.iter().map(|(_, output)| *output))?;
    for ((name, output), details) in view.outputs.iter().zip(details) {
        let (actions, sensitive) = (output.change.actions.names(), output.is_sensitive()?);
        list.item(&JsonOutput {
            stack: &view.name,
            name,
            actions,
            sensitive,
            attributes: attributes(details),
        })?;
    }
    Ok(())
}

fn deferred(page: &Page<'_>, view: &View<'_>, list: &mut Document<'_>) -> Result<()> {
    let details = page.details::<JsonValue>(view, view.deferred.iter().map(|(_, entry)| entry))?;
    for ((reason, entry), details) in view.deferred.iter().zip(details) {
        list.item(&JsonDeferred { deferred_because: reason, change: JsonChange::of(view, entry, details) })?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Head<'v> {
    version: u8,
    counts: Counts,
    errored: Option<bool>,
    complete: Option<bool>,
    applyable: Option<bool>,
    stacks: Vec<JsonStack<'v>>,
}

#[derive(Serialize)]
struct JsonStack<'v> {
    name: &'v str,
    file: Option<&'v str>,
    counts: Counts,
    errored: Option<bool>,
    complete: Option<bool>,
    applyable: Option<bool>,
    checks_passed: usize,
    action_invocations: usize,
    terraform_version: Option<String>,
}

impl<'v> JsonStack<'v> {
    fn of(view: &'v View<'_>) -> Self {
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
struct JsonChange<'v> {
    stack: &'v str,
    address: &'v str,
    deposed: Option<&'v str>,
    actions: Vec<&'v str>,
    reason: Option<&'v str>,
    because: String,
    replace_paths: &'v [String],
    moved_from: Option<&'v str>,
    import: bool,
    import_id: Option<&'v str>,
    #[serde(rename = "type")]
    kind: &'v str,
    severity: Severity,
    attributes: Vec<JsonAttribute>,
    folded: usize,
}

impl<'v> JsonChange<'v> {
    fn of(view: &'v View<'_>, entry: &'v Entry<'_>, details: Details<JsonValue>) -> Self {
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
struct JsonAttribute {
    path: String,
    kind: &'static str,
    before: Option<JsonValue>,
    after: Option<JsonValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
    forces_replacement: bool,
}

fn attributes(details: Details<JsonValue>) -> Vec<JsonAttribute> {
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
struct JsonDeferred<'v> {
    deferred_because: &'v str,
    #[serde(flatten)]
    change: JsonChange<'v>,
}

#[derive(Serialize)]
struct JsonOutput<'v> {
    stack: &'v str,
    name: &'v str,
    actions: Vec<&'v str>,
    sensitive: bool,
    attributes: Vec<JsonAttribute>,
}

#[derive(Serialize)]
struct JsonCheck<'v> {
    stack: &'v str,
    name: &'v str,
    status: CheckStatus,
    problems: Vec<JsonProblem<'v>>,
}

#[derive(Serialize)]
struct JsonProblem<'v> {
    instance: &'v str,
    message: &'v str,
}

impl<'v> JsonCheck<'v> {
    fn of(view: &'v View<'_>, check: &'v CheckView) -> Self {
        let problems = check.problems.iter().map(|(instance, message)| JsonProblem { instance, message });
        JsonCheck { stack: &view.name, name: &check.name, status: check.status, problems: problems.collect() }
    }
}

#[derive(Serialize)]
struct JsonFinding<'v> {
    stack: &'v str,
    #[serde(flatten)]
    finding: &'v Finding,
}

#[derive(Serialize)]
struct JsonNote<'v> {
    stack: &'v str,
    #[serde(flatten)]
    note: &'v Note,
}
