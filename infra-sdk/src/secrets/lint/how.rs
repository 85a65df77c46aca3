//! Saying how a reading differs, without a byte of the value.

use super::reading::{Entry, Note, Reader, Reading};

/// What stands in the file: the value as we read it, and as it is written.
pub(super) struct Ours<'a> {
    pub(super) value: &'a str,
    pub(super) written: &'a str,
}

pub(super) fn how(reader: Reader, ours: &Ours<'_>, entry: &Entry) -> String {
    let noted = |note: Note| entry.notes.contains(&note);
    let text = match &entry.reading {
        Reading::Value(theirs) => return other_value(ours, theirs.expose(), entry),
        Reading::Runs if noted(Note::Substitution) && ours.written.contains("$(") => {
            "runs the command in `$(…)`"
        }
        Reading::Runs if noted(Note::Substitution) && ours.written.contains('`') => {
            "runs the command between backticks"
        }
        Reading::Runs if noted(Note::Substitution) => "runs a command that stands in the value",
        Reading::Runs if noted(Note::Own) => "takes the line for a command and runs it",
        Reading::Runs => "takes a part of the value for a command and runs it",
        Reading::Error if noted(Note::Own) => "fails on it: the name is one of its own",
        Reading::Error if noted(Note::Variable) => "fails on the `${…}` in it",
        Reading::Error if reader == Reader::Bash => "fails on it, and reads nothing behind it",
        Reading::Error => "fails on it, and reads nothing of the file",
        Reading::Missing if noted(Note::List) => "takes it for a list, which programs do not get",
        Reading::Missing if noted(Note::Operator) => "takes `&` or `|` for an operator, and does not set it",
        Reading::Missing if reader == Reader::Python => "drops the line",
        Reading::Missing => "does not set it",
        Reading::Varies if noted(Note::Home) => "puts a home folder in for `~`",
        Reading::Varies if noted(Note::Own) => "gives the name a value of its own",
        Reading::Varies if noted(Note::Command) => "takes a part of the file for a program",
        Reading::Varies if noted(Note::Redirection) => "takes `<` or `>` for a redirection",
        Reading::Varies => "puts something else in for `$…`",
    };
    text.to_owned()
}

fn other_value(ours: &Ours<'_>, theirs: &str, entry: &Entry) -> String {
    let noted = |note: Note| entry.notes.contains(&note);
    let (mine, other) = (ours.value.chars().count(), theirs.chars().count());
    let early = |what: &str| format!("{what}: {other} of {mine} characters");
    let without_returns = |text: &str| text.replace('\r', "");
    if noted(Note::Variable) {
        "reads `$…` as a variable".into()
    } else if noted(Note::Redirection) {
        early("takes `<` or `>` for a redirection")
    } else if theirs != ours.value && without_returns(theirs) == without_returns(ours.value) {
        if other > mine { "keeps the carriage returns".into() } else { "drops the carriage returns".into() }
    } else if ours.value.starts_with(theirs) && other < mine {
        match ours.value[theirs.len()..].trim_start().chars().next() {
            Some('#') => early("ends the value at the `#`"),
            Some(sign @ (';' | '&' | '|')) => early(&format!("ends the value at the `{sign}`")),
            _ => early("ends the value early"),
        }
    } else if theirs.trim() == ours.value.trim() {
        "reads the blanks around the value differently".into()
    } else if theirs.starts_with(ours.value) && theirs[ours.value.len()..].trim_start().starts_with('#') {
        "takes the comment for a part of the value".into()
    } else if ours.written.contains('\\') {
        format!("reads the backslashes differently: {other} characters instead of {mine}")
    } else if noted(Note::Quotes) && ours.value.contains(['"', '\'', '`']) {
        format!("takes the quotes away: {other} characters instead of {mine}")
    } else {
        format!("reads another value: {other} characters instead of {mine}")
    }
}
