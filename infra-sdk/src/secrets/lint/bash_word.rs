//! Reading one word of bash: quotes, `$…`, commands whose output is put in.

use super::bash_ansi::ansi_c;
use super::bash_braces::braces;
use super::bash_command;
use super::bash_syntax::{Parsed, Piece, Source, Stop, Word, ends_word, in_name};
use super::reading::Note;

/// Reads letters into a word, joining neighbours.
#[derive(Default)]
pub(super) struct Builder(pub(super) Word);

impl Builder {
    fn plain(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Piece::Plain(text)) => text.push(c),
            _ => self.0.push(Piece::Plain(c.into())),
        }
    }

    fn quoted(&mut self, text: impl Into<String>) {
        self.0.push(Piece::Quoted(text.into()));
    }
}

/// A word up to a blank or an operator. Empty when none begins here.
pub(super) fn word(source: &mut Source) -> Parsed<Word> {
    let mut word = Builder::default();
    while let Some(c) = source.peek() {
        if source.starts_with("<(") || source.starts_with(">(") {
            source.take("<");
            source.take(">");
            source.take("(");
            bash_command::list_until_parenthesis(source)?;
            word.0.push(Piece::Command);
        } else if ends_word(c) {
            break;
        } else {
            piece(source, &mut word)?;
        }
    }
    Ok(word.0)
}

/// One piece outside of double quotes.
pub(super) fn piece(source: &mut Source, word: &mut Builder) -> Parsed<()> {
    match source.next() {
        Some('\\') => match source.next() {
            Some('\n') => {}
            Some(c) => word.quoted(c),
            None => word.plain('\\'),
        },
        Some('\'') => word.quoted(until(source, '\'')?),
        Some('"') => double(source, word)?,
        Some('`') => word.0.push(backticks(source)?),
        Some('$') => match dollar(source, false)? {
            Some(mut pieces) => word.0.append(&mut pieces),
            None => word.plain('$'),
        },
        Some(c) => word.plain(c),
        None => {}
    }
    Ok(())
}

fn until(source: &mut Source, end: char) -> Parsed<String> {
    let text = source.take_while(|c| c != end);
    source.next().ok_or(Stop::Syntax)?;
    Ok(text)
}

/// The rest of a double quote.
pub(super) fn double(source: &mut Source, word: &mut Builder) -> Parsed<()> {
    word.quoted("");
    loop {
        match source.next().ok_or(Stop::Syntax)? {
            '"' => return Ok(()),
            c => in_double(source, word, c, "$`\"\\")?,
        }
    }
}

/// One piece between double quotes, where a backslash escapes only some letters.
pub(super) fn in_double(source: &mut Source, word: &mut Builder, c: char, escapable: &str) -> Parsed<()> {
    match c {
        '\\' => match source.peek() {
            Some('\n') => {
                source.next();
            }
            Some(next) if escapable.contains(next) => {
                source.next();
                word.quoted(next);
            }
            _ => word.quoted('\\'),
        },
        '`' => word.0.push(backticks(source)?),
        '$' => match dollar(source, true)? {
            Some(mut pieces) => word.0.append(&mut pieces),
            None => word.quoted('$'),
        },
        c => word.quoted(c),
    }
    Ok(())
}

fn backticks(source: &mut Source) -> Parsed<Piece> {
    let mut empty = true;
    loop {
        match source.next().ok_or(Stop::Syntax)? {
            '`' => break,
            '\\' => {
                source.next().ok_or(Stop::Syntax)?;
                empty = false;
            }
            c => empty &= matches!(c, ' ' | '\t' | '\n'),
        }
    }
    Ok(if empty { Piece::Quoted(String::new()) } else { Piece::Command })
}

/// What stands behind a `$`; `None` when the `$` stands for itself.
fn dollar(source: &mut Source, in_double: bool) -> Parsed<Option<Word>> {
    while source.take("\\\n") {}
    let Some(c) = source.peek() else { return Ok(None) };
    let piece = match c {
        '(' => parenthesis(source)?,
        '{' => {
            source.next();
            braces(source, in_double)?
        }
        '[' => {
            source.next();
            bracket(source)?;
            Piece::Told(Note::Variable)
        }
        '\'' if !in_double => {
            source.next();
            Piece::Quoted(ansi_c(source)?)
        }
        '"' if !in_double => {
            source.next();
            let mut word = Builder::default();
            double(source, &mut word)?;
            return Ok(Some(word.0));
        }
        '?' | '-' | '$' | '!' => {
            source.next();
            Piece::Told(Note::Variable)
        }
        '@' | '*' | '#' | '0'..='9' => {
            source.next();
            special(c)
        }
        _ => {
            let mut name = source.take_while(in_name);
            while !name.is_empty() && source.take("\\\n") {
                name.push_str(&source.take_while(in_name));
            }
            if name.is_empty() {
                return Ok(None);
            }
            Piece::Variable { name, otherwise: None }
        }
    };
    Ok(Some(vec![piece]))
}

/// A shell that reads a file has no arguments of its own.
fn special(c: char) -> Piece {
    match c {
        '0' => Piece::Told(Note::Variable),
        '#' => Piece::Variable { name: "#".into(), otherwise: None },
        _ => Piece::Variable { name: "1".into(), otherwise: None },
    }
}

fn parenthesis(source: &mut Source) -> Parsed<Piece> {
    let place = source.place();
    if source.take("((") && arithmetic(source).is_ok() {
        return Ok(Piece::Told(Note::Variable));
    }
    source.go_back(place);
    source.take("(");
    let empty = bash_command::list_until_parenthesis(source)?;
    Ok(if empty { Piece::Quoted(String::new()) } else { Piece::Command })
}

/// Up to the `))` that closes it.
fn arithmetic(source: &mut Source) -> Parsed<()> {
    let mut open = 0_usize;
    loop {
        match source.next().ok_or(Stop::Syntax)? {
            '(' => open += 1,
            ')' if open > 0 => open -= 1,
            ')' => return if source.take(")") { Ok(()) } else { Err(Stop::Syntax) },
            c => quoted_part(source, c)?,
        }
    }
}

/// Up to the `]` that closes it.
pub(super) fn bracket(source: &mut Source) -> Parsed<()> {
    let mut open = 0_usize;
    loop {
        match source.next().ok_or(Stop::Syntax)? {
            '[' => open += 1,
            ']' if open > 0 => open -= 1,
            ']' => return Ok(()),
            c => quoted_part(source, c)?,
        }
    }
}

/// Steps over what `c` opens, where only the end counts.
pub(super) fn quoted_part(source: &mut Source, c: char) -> Parsed<()> {
    let mut ignored = Builder::default();
    match c {
        '\\' => {
            source.next();
        }
        '\'' => {
            until(source, '\'')?;
        }
        '"' => double(source, &mut ignored)?,
        '`' => {
            backticks(source)?;
        }
        '$' => {
            dollar(source, false)?;
        }
        _ => {}
    }
    Ok(())
}
