//! What a page of markdown says of one stack, in a given room.

use crate::error::Result;
use crate::plan::judge::Finding;
use crate::plan::render::block::inline;
use crate::plan::render::changes::{changes, omission};
use crate::plan::render::escape::{code, prose};
use crate::plan::render::page::Page;
use crate::plan::render::text::{shortened, visible};
use crate::plan::render::view::View;

/// How many outputs or drifted resources are looked into: a page has no room for more.
const LOOKED_INTO: usize = 200;

/// How much there is to say of a stack, roughly.
pub(super) fn weight(view: &View<'_>) -> usize {
    view.entries.len() + view.findings.len() + view.outputs.len() + view.drift.len() + view.checks.len()
}

/// All of a stack in at most `room` bytes; `None` when not even the numbers of what is left out fit.
pub(super) fn body(page: &Page<'_>, view: &View<'_>, room: usize) -> Result<Option<String>> {
    let mut head = format!("\n#### {}\n", code(&shortened(&visible(&view.name), 80)));
    for warning in view.warnings() {
        head.push_str(&format!("\n**{warning}**\n"));
    }
    let (before, after) = (lists_before(view), lists_after(page, view)?);
    let smallest: usize = before.iter().chain(&after).map(|list| list.smallest().len()).sum();
    let everything = omission(view.entries.iter());
    let needed = head.len() + smallest + everything.len();
    if needed > room {
        return Ok(None);
    }
    // What a list may take beside its smallest form; what is left belongs to the changes.
    let spare = room - needed;
    let mut left = spare;
    let mut fill = |list: &List| {
        let smallest = list.smallest().len();
        let text = list.within(smallest + left.min(spare / list.share));
        left -= text.len() - smallest.min(text.len());
        text
    };
    let before: String = before.iter().map(&mut fill).collect();
    let after: String = after.iter().map(&mut fill).collect();
    let changes = changes(page, view, room - head.len() - before.len() - after.len())?;
    Ok(Some(format!("{head}{before}{changes}{after}")))
}

/// Lines under a title.
struct List {
    title: String,
    lines: Vec<String>,
    /// How many there are in all; not all of them have a line.
    total: usize,
    /// Which part of the room it may take: one in so many.
    share: usize,
}

impl List {
    fn smallest(&self) -> String {
        format!("\n**{}**: {} not shown here\n", self.title, self.total)
    }

    /// As many lines as fit, and the number of the others.
    fn within(&self, room: usize) -> String {
        let more = |count: usize| if count == 0 { String::new() } else { format!("- and {count} more\n") };
        let mut text = format!("\n**{}**\n\n", self.title);
        let mut shown = 0;
        for line in &self.lines {
            if text.len() + line.len() + more(self.total - shown - 1).len() > room {
                break;
            }
            text.push_str(line);
            shown += 1;
        }
        if shown == 0 {
            return self.smallest();
        }
        text + &more(self.total - shown)
    }
}

/// What a reader should know before the changes.
fn lists_before(view: &View<'_>) -> Vec<List> {
    let mut lists = Vec::new();
    let mut add = |title: String, lines: Vec<String>, share| {
        if !lines.is_empty() {
            lists.push(List { title, total: lines.len(), lines, share });
        }
    };
    let loose = view.loose.iter().map(|place| format!("- {}", finding(&view.findings[*place], true)));
    add("Findings".to_owned(), loose.collect(), 4);
    let checks = view.checks.iter().map(|check| {
        let mut line = format!("- **{}** {}\n", check.status, code(&shortened(&visible(&check.name), 200)));
        for (instance, message) in check.problems.iter().take(5) {
            let of = if *instance == check.name {
                String::new()
            } else {
                format!("{}: ", code(&shortened(&visible(instance), 200)))
            };
            line.push_str(&format!("  - {of}{}\n", prose(&shortened(message, 500))));
        }
        if check.problems.len() > 5 {
            line.push_str(&format!("  - and {} more\n", check.problems.len() - 5));
        }
        line
    });
    add("Checks that do not pass".to_owned(), checks.collect(), 6);
    for note in &view.notes {
        let lines =
            note.lines.iter().map(|line| format!("- {}\n", prose(&shortened(line.trim_start(), 500))));
        add(prose(&shortened(&note.title, 80)), lines.collect(), 6);
    }
    lists
}

/// What stands below the changes.
fn lists_after(page: &Page<'_>, view: &View<'_>) -> Result<Vec<List>> {
    let mut lists = Vec::new();
    if !view.outputs.is_empty() {
        let looked_into = &view.outputs[..view.outputs.len().min(LOOKED_INTO)];
        let details = page.output_details::<String>(looked_into.iter().map(|(_, output)| *output))?;
        // The paths of an output begin with its name.
        let lines = looked_into.iter().zip(details).map(|((name, output), details)| {
            let sign = code(output.change.actions.sign().trim());
            match inline(&details, 3).strip_prefix(": ") {
                Some(shown) => format!("- {sign} {shown}\n"),
                None => format!("- {sign} {}\n", code(&shortened(&visible(name), 200))),
            }
        });
        lists.push(List {
            title: "Outputs".to_owned(),
            lines: lines.collect(),
            total: view.outputs.len(),
            share: 6,
        });
    }
    if !view.drift.is_empty() {
        let looked_into = &view.drift[..view.drift.len().min(LOOKED_INTO)];
        let details = page.details::<String>(view, looked_into)?;
        let lines = looked_into.iter().zip(details).map(|(drift, details)| {
            let address = code(&shortened(&visible(&drift.address), 300));
            format!("- `{}` {address}{}\n", drift.sign(), inline(&details, 3))
        });
        let title = "Changed outside of Terraform".to_owned();
        lists.push(List { title, lines: lines.collect(), total: view.drift.len(), share: 6 });
    }
    if !view.deferred.is_empty() {
        let lines = view.deferred.iter().map(|(reason, entry)| {
            let address = code(&shortened(&visible(&entry.address), 300));
            format!("- `{}` {address}: {}\n", entry.sign(), code(&shortened(&visible(reason), 80)))
        });
        let title = "Not planned yet".to_owned();
        lists.push(List { title, lines: lines.collect(), total: view.deferred.len(), share: 6 });
    }
    Ok(lists)
}

/// A finding on one line, with the resource where it does not stand beside it.
pub(super) fn finding(finding: &Finding, with_address: bool) -> String {
    let about = match &finding.address {
        Some(address) if with_address => format!(" {}", code(&shortened(&visible(address), 300))),
        _ => String::new(),
    };
    let hint = finding
        .hint
        .as_ref()
        .map_or(String::new(), |hint| format!(" Next: {}", prose(&shortened(hint, 500))));
    let (message, rule) =
        (prose(&shortened(&finding.message, 500)), code(&shortened(&visible(&finding.rule), 80)));
    format!("**{}**{about}: {message} ({rule}){hint}\n", finding.level)
}
