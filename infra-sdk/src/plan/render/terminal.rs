//! A page as text for the terminal.

use crate::error::Result;
use crate::plan::judge::Level;
use crate::plan::render::attribute::{Attribute, Details, words};
use crate::plan::render::entry::Entry;
use crate::plan::render::page::Page;
use crate::plan::render::reason::{Piece, sentence};
use crate::plan::render::style::{Style, Tint};
use crate::plan::render::text::{number_of, shortened, visible};
use crate::plan::render::view::View;

/// Longer values would fill the screen; the markdown and JSON have room for more.
const VALUE: usize = 160;
/// Changes whose values are looked into at once.
const BATCH: usize = 256;

impl Page<'_> {
    /// Text for the terminal: for each stack its counts, every change with its reason and attributes, what worst comes
    /// first, then outputs, drift, checks and notes, and the counts again at the end.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of), for the values that are looked into.
    pub fn terminal(&self, style: Style) -> Result<String> {
        let mut writer = Writer { text: String::new(), style };
        for (index, view) in self.stacks.iter().enumerate() {
            if index > 0 {
                writer.line(0, "");
            }
            writer.stack(self, view)?;
        }
        if self.stacks.len() > 1 {
            let all = format!("{} stacks: {}", self.stacks.len(), self.counts());
            writer.line(0, "");
            writer.line(0, &style.paint(Tint::Strong, &all));
        }
        Ok(writer.text)
    }
}

struct Writer {
    text: String,
    style: Style,
}

impl Writer {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.extend(std::iter::repeat_n(' ', if text.is_empty() { 0 } else { indent }));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn stack(&mut self, page: &Page<'_>, view: &View<'_>) -> Result<()> {
        let is_nothing = view.counts.is_nothing() && view.outputs.is_empty();
        let what = if is_nothing { "no changes".to_owned() } else { view.counts.to_string() };
        let counts = format!("{}: {what}", visible(&view.name));
        self.line(0, &self.style.paint(Tint::Strong, &counts));
        for warning in view.warnings() {
            self.line(2, &self.style.paint(Tint::Bad, warning));
        }
        self.findings(view, &view.loose, 2);
        for entries in view.entries.chunks(BATCH) {
            let details = page.details::<String>(view, entries.iter().filter(|entry| entry.has_details()))?;
            let mut details = details.into_iter();
            for entry in entries {
                self.entry(entry);
                if let Some(details) = entry.has_details().then(|| details.next()).flatten() {
                    self.details(&details, 8);
                }
                self.findings(view, &entry.findings, 6);
            }
        }
        self.rest(page, view)?;
        if !view.is_quiet() {
            self.line(0, &self.style.paint(Tint::Strong, &counts));
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let why = words_of(&sentence(entry));
        let sign = self.style.paint(Style::of_sign(entry.sign()), &format!("{:>5}", entry.sign()));
        let address = self.style.paint(Tint::Strong, &visible(&entry.address));
        self.line(0, &format!("{sign} {address}  {why}"));
    }

    fn details(&mut self, details: &Details<String>, indent: usize) {
        let width = details.attributes.iter().map(|attribute| visible(&attribute.path).chars().count());
        let width = width.filter(|width| *width <= 32).max().unwrap_or_default();
        for attribute in &details.attributes {
            self.attribute(attribute, width, indent);
        }
        if details.folded > 0 {
            let more = format!("{} known after the apply", number_of(details.folded, "more attribute"));
            self.line(indent, &self.style.paint(Tint::Quiet, &more));
        }
    }

    fn attribute(&mut self, attribute: &Attribute<String>, width: usize, indent: usize) {
        let value = |value: &String| shortened(&visible(value), VALUE).into_owned();
        let (sign, shown) = match (&attribute.before, &attribute.after) {
            (None, Some(after)) => ("+", value(after)),
            (Some(before), Some(after)) => ("~", format!("{} → {}", value(before), value(after))),
            (Some(before), None) if attribute.kind == "removed" => ("-", value(before)),
            (Some(before), None) => ("~", format!("{} → {}", value(before), words(attribute.kind))),
            (None, None) => (sign_of(attribute.kind), words(attribute.kind).to_owned()),
        };
        let path = visible(&attribute.path);
        let name = if path.is_empty() { String::new() } else { format!("{path:<width$}  ") };
        let forces = if attribute.forces_replacement {
            self.style.paint(Tint::Bad, "  (forces replacement)")
        } else {
            String::new()
        };
        let sign = self.style.paint(Style::of_sign(sign), sign);
        self.line(indent, format!("{sign} {name}{shown}{forces}").trim_end());
        for (sign, line) in &attribute.lines {
            let shown = match sign {
                '…' => format!("… {line} lines that stay"),
                sign => format!("{sign} {}", shortened(&visible(line), VALUE)),
            };
            let tint = match sign {
                '+' => Tint::Good,
                '-' => Tint::Bad,
                _ => Tint::Quiet,
            };
            self.line(indent + 4, &self.style.paint(tint, shown.trim_end()));
        }
    }

    fn findings(&mut self, view: &View<'_>, places: &[usize], indent: usize) {
        for place in places {
            let finding = &view.findings[*place];
            let tint = match finding.level {
                Level::Error => Tint::Bad,
                Level::Warning => Tint::Change,
                Level::Note => Tint::Quiet,
            };
            // A finding about a resource that does not change still says which.
            let about = match &finding.address {
                Some(address) if indent == 2 => format!("{}: ", visible(address)),
                _ => String::new(),
            };
            let level = self.style.paint(tint, &finding.level.to_string());
            self.line(
                indent,
                &format!("{level} {about}{}  [{}]", visible(&finding.message), visible(&finding.rule)),
            );
            if let Some(hint) = &finding.hint {
                self.line(indent + 2, &format!("next: {}", visible(hint)));
            }
        }
    }

    fn title(&mut self, title: &str) {
        self.line(2, &self.style.paint(Tint::Strong, title));
    }

    fn rest(&mut self, page: &Page<'_>, view: &View<'_>) -> Result<()> {
        if !view.outputs.is_empty() {
            self.title("Outputs");
            let details = page.output_details::<String>(view.outputs.iter().map(|(_, output)| *output))?;
            for details in details {
                self.details(&details, 4);
            }
        }
        if !view.drift.is_empty() {
            self.title("Changed outside of Terraform");
            let details = page.details::<String>(view, &view.drift)?;
            for (drift, details) in view.drift.iter().zip(details) {
                self.line(4, &format!("{} {}", drift.sign(), visible(&drift.address)));
                self.details(&details, 8);
            }
        }
        if !view.deferred.is_empty() {
            self.title("Not planned yet");
            for (reason, entry) in &view.deferred {
                self.line(4, &format!("{} {}  ({})", entry.sign(), visible(&entry.address), visible(reason)));
            }
        }
        if !view.checks.is_empty() {
            self.title("Checks that do not pass");
            for check in &view.checks {
                self.line(4, &format!("{} {}", check.status, visible(&check.name)));
                for (instance, message) in &check.problems {
                    let of = if *instance == check.name {
                        String::new()
                    } else {
                        format!("{}: ", visible(instance))
                    };
                    self.line(6, &format!("{of}{}", visible(message)));
                }
            }
        }
        for note in &view.notes {
            self.title(&visible(&note.title));
            note.lines.iter().for_each(|line| self.line(4, &visible(line)));
        }
        Ok(())
    }
}

fn sign_of(kind: &str) -> &'static str {
    match kind {
        "sensitive_added" => "+",
        "sensitive_removed" => "-",
        _ => "~",
    }
}

/// A sentence with what is out of the plan in backticks.
pub(super) fn words_of(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Words(words) => (*words).to_owned(),
            Piece::Code(code) => format!("`{}`", visible(code)),
        })
        .collect()
}
