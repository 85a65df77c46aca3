//! The attributes of a change in markdown: on the line of the change, or folded below it.

use crate::plan::render::attribute::{Attribute, Details, words};
use crate::plan::render::escape::{code, fence};
use crate::plan::render::text::{number_of, shortened, visible};

/// Longer values are shortened; the JSON has them whole.
const VALUE: usize = 400;

/// The first attributes as `: path: before → after`, for a line.
pub(super) fn inline(details: &Details<String>, most: usize) -> String {
    let shown: Vec<String> = details.attributes.iter().take(most).map(attribute).collect();
    if shown.is_empty() {
        return String::new();
    }
    let left = details.attributes.len().saturating_sub(most);
    let more = if left > 0 { format!(" and {}", number_of(left, "more attribute")) } else { String::new() };
    format!(": {}{more}", shown.join(", "))
}

fn attribute(attribute: &Attribute<String>) -> String {
    let short = |text: &String| code(&shortened(&visible(text), 100));
    let path = if attribute.path.is_empty() { String::new() } else { format!("{} ", short(&attribute.path)) };
    let forces = if attribute.forces_replacement { " **(forces replacement)**" } else { "" };
    let shown = match (&attribute.before, &attribute.after) {
        (None, Some(after)) => format!("set to {}", short(after)),
        (Some(before), Some(after)) => format!("{} → {}", short(before), short(after)),
        (Some(before), None) if attribute.kind == "removed" => format!("was {}", short(before)),
        (Some(before), None) => format!("{} → {}", short(before), words(attribute.kind)),
        (None, None) if attribute.kind == "lines" => {
            let count = |of: char| attribute.lines.iter().filter(|(sign, _)| *sign == of).count();
            format!("(+{} and -{} lines)", count('+'), count('-'))
        }
        (None, None) => words(attribute.kind).to_owned(),
    };
    format!("{path}{shown}{forces}")
}

/// All attributes, folded, in at most `room` bytes; `None` when nothing of them fits. Below stand the resources that
/// share the change, if there is more than one.
pub(super) fn block(details: &Details<String>, resources: &[&str], room: usize) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    // Fences, tags and the line about what is left out; the fence may grow with what is in it.
    let mut bytes = 260;
    let mut shown = 0;
    for attribute in &details.attributes {
        let more = attribute_lines(attribute);
        let size: usize = more.iter().map(|line| line.len() + 4).sum();
        if bytes + size > room {
            break;
        }
        bytes += size;
        shown += 1;
        lines.extend(more);
    }
    let left = details.attributes.len() - shown;
    if left > 0 {
        if shown == 0 {
            return None;
        }
        lines.push(format!("  and {}", number_of(left, "more attribute")));
    }
    if details.folded > 0 {
        lines.push(format!("  and {} known after the apply", number_of(details.folded, "more attribute")));
    }
    let mut summary = number_of(details.attributes.len() + details.folded, "attribute");
    if resources.len() > 1 {
        summary.push_str(&format!(" of {}", number_of(resources.len(), "resource")));
        let mut named = 0;
        for address in resources.iter().take(20) {
            let line = format!("  {}", shortened(&visible(address), 200));
            if bytes + line.len() + 4 > room {
                break;
            }
            bytes += line.len() + 4;
            if named == 0 {
                lines.push(String::new());
            }
            lines.push(line);
            named += 1;
        }
        if named < resources.len() {
            lines.push(format!("  and {}", number_of(resources.len() - named, "more resource")));
        }
    }
    if lines.is_empty() {
        return None;
    }
    let fence = fence(lines.iter().map(String::as_str));
    let mut text = format!("  <details><summary>{summary}</summary>\n\n  {fence}diff\n");
    for line in &lines {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!("  {fence}\n\n  </details>\n\n"));
    (text.len() <= room).then_some(text)
}

fn attribute_lines(attribute: &Attribute<String>) -> Vec<String> {
    let forces = if attribute.forces_replacement { "  (forces replacement)" } else { "" };
    let path = shortened(&visible(&attribute.path), 200).into_owned();
    let name = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let value = |text: &String| shortened(&visible(text), VALUE).into_owned();
    let mut lines = Vec::new();
    match (&attribute.before, &attribute.after) {
        (None, None) => lines.push(format!("! {name}{}{forces}", words(attribute.kind))),
        (before, after) => {
            lines.extend(before.iter().map(|before| format!("- {name}{}", value(before))));
            match after {
                Some(after) => lines.push(format!("+ {name}{}{forces}", value(after))),
                None if attribute.kind != "removed" => {
                    lines.push(format!("+ {name}{}{forces}", words(attribute.kind)))
                }
                None => {}
            }
        }
    }
    for (sign, line) in &attribute.lines {
        lines.push(match sign {
            '…' => format!("  … {line} lines that stay"),
            sign => format!("{sign}   {}", value(line)),
        });
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}
