//! The attributes of a change as they are shown: secrets taken out, each text owned.

use crate::error::Result;
use crate::plan::diff::{self, Difference, LineChange, ResourceDiff, SensitiveChange};
use crate::plan::model::OutputChange;
use crate::plan::render::entry::Entry;
use crate::plan::render::page::Page;
use crate::plan::render::pieces::Pieces;
use crate::plan::render::view::View;

/// How a renderer wants values: made of pieces that hold no secret any more.
pub(super) trait Shown {
    fn of(pieces: &Pieces) -> Self;
    /// What is looked at once more as a whole, if it may be.
    fn text(&mut self) -> Option<&mut String>;
}

/// As compact JSON, for people.
impl Shown for String {
    fn of(pieces: &Pieces) -> Self {
        pieces.to_string()
    }

    // A secret may be a document, of which single texts say nothing.
    fn text(&mut self) -> Option<&mut String> {
        Some(self)
    }
}

/// What changes inside one resource or output.
pub(super) struct Details<V> {
    pub(super) attributes: Vec<Attribute<V>>,
    /// How many more are only computed anew.
    pub(super) folded: usize,
}

/// One attribute that changes.
pub(super) struct Attribute<V> {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) before: Option<V>,
    pub(super) after: Option<V>,
    /// Lines of a text: `+`, `-`, a blank for one that stays, `…` for some that are left out.
    pub(super) lines: Vec<(char, String)>,
    pub(super) forces_replacement: bool,
}

impl Details<Pieces> {
    fn of(diff: ResourceDiff<'_>) -> Self {
        let attributes = diff.attributes.into_iter().map(|change| {
            let mut shown = Attribute {
                path: change.path,
                kind: kind(&change.difference),
                before: None,
                after: None,
                lines: Vec::new(),
                forces_replacement: change.forces_replacement,
            };
            match &change.difference {
                Difference::Added(value) => shown.after = Some(Pieces::of(value)),
                Difference::Removed(value) => shown.before = Some(Pieces::of(value)),
                Difference::Changed { before, after } => {
                    shown.before = Some(Pieces::of(before));
                    shown.after = Some(Pieces::of(after));
                }
                Difference::Unknown { before } if !before.is_null() => {
                    shown.before = Some(Pieces::of(before))
                }
                Difference::Lines(lines) => shown.lines = lines.iter().map(line).collect(),
                _ => {}
            }
            shown
        });
        Details { attributes: attributes.collect(), folded: diff.folded }
    }

    fn texts<'t>(&'t mut self, texts: &mut Vec<&'t mut String>) {
        for attribute in &mut self.attributes {
            texts.push(&mut attribute.path);
            attribute.before.iter_mut().chain(&mut attribute.after).for_each(|value| value.texts(texts));
            texts.extend(attribute.lines.iter_mut().map(|(_, line)| line));
        }
    }

    fn shown<V: Shown>(self) -> Details<V> {
        let shown = |attribute: Attribute<Pieces>| Attribute {
            path: attribute.path,
            kind: attribute.kind,
            before: attribute.before.as_ref().map(V::of),
            after: attribute.after.as_ref().map(V::of),
            lines: attribute.lines,
            forces_replacement: attribute.forces_replacement,
        };
        Details { attributes: self.attributes.into_iter().map(shown).collect(), folded: self.folded }
    }
}

/// A name for each kind of difference; they stand in the JSON document and never change there.
fn kind(difference: &Difference<'_>) -> &'static str {
    match difference {
        Difference::Added(_) => "added",
        Difference::Removed(_) => "removed",
        Difference::Changed { .. } => "changed",
        Difference::Unknown { .. } => "unknown",
        Difference::Sensitive(SensitiveChange::Added) => "sensitive_added",
        Difference::Sensitive(SensitiveChange::Removed) => "sensitive_removed",
        Difference::Sensitive(SensitiveChange::Changed) => "sensitive_changed",
        Difference::Sensitive(SensitiveChange::Unknown) => "sensitive_unknown",
        Difference::Sensitive(SensitiveChange::Marked) => "sensitive_marked",
        Difference::Sensitive(SensitiveChange::Unmarked) => "sensitive_unmarked",
        Difference::Lines(_) => "lines",
        Difference::Reordered => "reordered",
        Difference::Reformatted => "reformatted",
    }
}

/// What there is to say of a kind that shows no values.
pub(super) fn words(kind: &str) -> &'static str {
    match kind {
        "unknown" => "(known after the apply)",
        "sensitive_added" => "(sensitive, is added)",
        "sensitive_removed" => "(sensitive, is removed)",
        "sensitive_changed" => "(sensitive, changes)",
        "sensitive_unknown" => "(sensitive, known after the apply)",
        "sensitive_marked" => "(stays, is sensitive from now on)",
        "sensitive_unmarked" => "(stays, is not sensitive from now on)",
        "reordered" => "(the same members in another order)",
        "reformatted" => "(the same meaning, written differently)",
        _ => "",
    }
}

fn line(change: &LineChange) -> (char, String) {
    match change {
        LineChange::Same(text) => (' ', text.clone()),
        LineChange::Added(text) => ('+', text.clone()),
        LineChange::Removed(text) => ('-', text.clone()),
        LineChange::Skipped(count) => ('…', count.to_string()),
    }
}

impl Page<'_> {
    /// The details of changes of one stack: they are freed of secrets together.
    pub(super) fn details<'e, V: Shown>(
        &self,
        view: &View<'_>,
        entries: impl IntoIterator<Item = &'e Entry<'e>>,
    ) -> Result<Vec<Details<V>>> {
        let of = |entry: &'e Entry<'e>| diff::resource_with(entry.source, &view.relevant).map(Details::of);
        Ok(self.cleared(entries.into_iter().map(of).collect::<Result<_>>()?))
    }

    /// The details of outputs.
    pub(super) fn output_details<'r, V: Shown>(
        &self,
        outputs: impl IntoIterator<Item = &'r OutputChange<'r>>,
    ) -> Result<Vec<Details<V>>> {
        let diffs = outputs.into_iter().map(|output| diff::output(output).map(Details::of));
        Ok(self.cleared(diffs.collect::<Result<_>>()?))
    }

    fn cleared<V: Shown>(&self, mut all: Vec<Details<Pieces>>) -> Vec<Details<V>> {
        let mut texts = Vec::new();
        all.iter_mut().for_each(|details| details.texts(&mut texts));
        self.clear(&mut texts);
        let mut all: Vec<Details<V>> = all.into_iter().map(Details::shown).collect();
        let attributes = all.iter_mut().flat_map(|details| &mut details.attributes);
        let values = attributes.flat_map(|attribute| attribute.before.iter_mut().chain(&mut attribute.after));
        let mut wholes: Vec<&mut String> = values.filter_map(Shown::text).collect();
        self.clear(&mut wholes);
        for attribute in all.iter_mut().flat_map(|details| &mut details.attributes) {
            // As many masked lines as a secret has would tell how long it is.
            attribute.lines.dedup_by(|a, b| a == b && a.1.trim() == "***");
        }
        all
    }
}
