//! The changes of one stack in markdown: what hurts most first, in a given room.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::plan::model::Severity;
use crate::plan::render::block::{block, inline};
use crate::plan::render::entry::Entry;
use crate::plan::render::escape::{code, sentence as escaped};
use crate::plan::render::group::groups;
use crate::plan::render::page::{Page, View};
use crate::plan::render::reason::sentence;
use crate::plan::render::section::finding;
use crate::plan::render::text::{shortened, visible};

/// Changes whose values are looked into at once.
const BATCH: usize = 16;
const TITLE: &str = "\n**Changes**\n\n";

/// The changes in at most `room` bytes, which must hold at least [`omission`] of all.
///
/// Lines come first, for they say what happens to whom; attributes take the rest, from the top.
pub(super) fn changes(page: &Page<'_>, view: &View<'_>, room: usize) -> Result<String> {
    let units = groups(&view.entries);
    let everything = omission(view.entries.iter());
    if units.is_empty() || everything.len() + TITLE.len() > room {
        return Ok(everything);
    }
    let mut left = room - everything.len() - TITLE.len();
    let mut lines: Vec<Line> = Vec::new();
    // All of them, if that leaves something for attributes.
    let (most, usual) = (left - left / 8, left - left * 2 / 5);
    let (mut taken, mut usual_lines) = (0, 0);
    for unit in &units {
        let line = Line::of(view, unit);
        if taken + line.len() > most {
            lines.truncate(usual_lines);
            break;
        }
        taken += line.len();
        lines.push(line);
        usual_lines += usize::from(taken <= usual);
    }
    taken = lines.iter().map(Line::len).sum();
    left -= taken;
    attributes(page, view, &units, &mut lines, &mut left)?;
    for unit in &units[lines.len()..] {
        let line = Line::of(view, unit);
        if line.len() > left {
            break;
        }
        left -= line.len();
        lines.push(line);
    }
    let rest = units[lines.len()..].iter().flatten().map(|place| &view.entries[*place]);
    let mut text = if lines.is_empty() { String::new() } else { TITLE.to_owned() };
    lines.iter().for_each(|line| line.write(&mut text));
    text.push_str(&omission(rest));
    Ok(text)
}

/// Adds attributes to lines while there is room.
fn attributes(
    page: &Page<'_>,
    view: &View<'_>,
    units: &[Vec<usize>],
    lines: &mut [Line],
    left: &mut usize,
) -> Result<()> {
    let most = (*left / 8).max(3000);
    let telling: Vec<usize> =
        (0..lines.len()).filter(|line| view.entries[units[*line][0]].has_details()).collect();
    for batch in telling.chunks(BATCH) {
        let entries = batch.iter().map(|line| &view.entries[units[*line][0]]);
        for (line, details) in batch.iter().zip(page.details::<String>(view, entries)?) {
            let short = inline(&details, 1);
            if units[*line].len() == 1
                && details.attributes.len() == 1
                && details.folded == 0
                && short.len() <= 200
                && !short.contains("lines)")
            {
                if short.len() <= *left {
                    *left -= short.len();
                    lines[*line].inline = short;
                }
                continue;
            }
            let resources: Vec<&str> =
                units[*line].iter().map(|place| view.entries[*place].address.as_str()).collect();
            let Some(block) = block(&details, &resources, most.min(*left)) else { continue };
            *left -= block.len();
            lines[*line].block = block;
            if units[*line].len() > 1 && short.len() <= (*left).min(300) {
                *left -= short.len();
                lines[*line].inline = short;
            }
        }
        if *left < 300 {
            break;
        }
    }
    Ok(())
}

/// One change, or one that many resources share.
struct Line {
    main: String,
    inline: String,
    findings: String,
    block: String,
}

impl Line {
    fn of(view: &View<'_>, unit: &[usize]) -> Self {
        let first = &view.entries[unit[0]];
        let what = match unit.len() {
            1 => code(&shortened(&visible(&first.address), 300)),
            count => format!("**{count} ×** {}", code(&shortened(&visible(&first.kind), 100))),
        };
        let sign = code(first.sign().trim());
        let main = format!("- {sign} {what} {}", escaped(&sentence(first)));
        let findings =
            first.findings.iter().map(|place| format!("  - {}", finding(&view.findings[*place], false)));
        Line { main, inline: String::new(), findings: findings.collect(), block: String::new() }
    }

    fn len(&self) -> usize {
        self.main.len() + 1 + self.findings.len()
    }

    fn write(&self, text: &mut String) {
        text.extend([&self.main, &self.inline, "\n", &self.findings]);
        if !self.block.is_empty() {
            text.push_str(&self.block);
        }
    }
}

/// `and 412 more updates, 3 more creates`; nothing for no entries. Never longer for fewer of the same.
pub(super) fn omission<'e, 'p: 'e>(entries: impl Iterator<Item = &'e Entry<'p>>) -> String {
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, (usize, (&str, &str))> = BTreeMap::new();
    for entry in entries {
        let severity = match entry.source.severity() {
            Severity::ReplaceCreatingFirst => Severity::ReplaceDeletingFirst,
            other => other,
        };
        counts.entry(std::cmp::Reverse(severity)).or_insert((0, entry.class())).0 += 1;
    }
    if counts.is_empty() {
        return String::new();
    }
    let parts = counts
        .into_values()
        .map(|(count, (one, many))| format!("{count} more {}", if count == 1 { one } else { many }));
    format!("\nand {}\n", parts.collect::<Vec<_>>().join(", "))
}
