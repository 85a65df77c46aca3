//! Reading `${…}` of bash.

use super::bash_command;
use super::bash_syntax::{Otherwise, Parsed, Piece, Source, Stop, Word, in_name, is_name};
use super::bash_word::{Builder, double, in_double, piece, quoted_part};
use super::reading::Note;

/// `${…}`, behind the opening brace.
pub(super) fn braces(source: &mut Source, in_double: bool) -> Parsed<Piece> {
    let sharp =
        source.starts_with("#") && source.ahead(1).is_some_and(|c| c != '}' && !"-=?+:%/^,#".contains(c));
    let bang = !sharp && source.starts_with("!") && source.ahead(1).is_some_and(in_name);
    if sharp || bang {
        source.next();
    }
    let name = parameter(source);
    if sharp || bang {
        let whole = source.starts_with("}") && !name.is_empty();
        let subscript = source.starts_with("[");
        skip_braces(source, in_double)?;
        return Ok(match (sharp, is_name(&name)) {
            (true, true) if whole => Piece::Length(name),
            (true, false) if !whole => Piece::Bad,
            _ if whole || subscript || bang => Piece::Told(Note::Variable),
            _ => Piece::Bad,
        });
    }
    if name.is_empty() {
        skip_braces(source, in_double)?;
        return Ok(Piece::Bad);
    }
    let told = matches!(name.as_str(), "?" | "-" | "$" | "!" | "0");
    let piece = operation(source, name, in_double)?;
    Ok(if told && piece != Piece::Bad && piece != Piece::Command {
        Piece::Told(Note::Variable)
    } else {
        piece
    })
}

/// The name of what is asked for: a name, a number or one sign.
fn parameter(source: &mut Source) -> String {
    match source.peek() {
        Some(c) if c.is_ascii_digit() => source.take_while(|c| c.is_ascii_digit()),
        Some(c) if in_name(c) => source.take_while(in_name),
        // `${${…` opens another one.
        Some('$') if source.ahead(1).is_some_and(|c| "{([`'\"".contains(c)) => String::new(),
        Some(c) if "@*#?-$!".contains(c) => {
            source.next();
            c.into()
        }
        _ => String::new(),
    }
}

fn operation(source: &mut Source, name: String, in_double: bool) -> Parsed<Piece> {
    if source.take("}") {
        return Ok(Piece::Variable { name, otherwise: None });
    }
    let colon = source.starts_with(":");
    let sign = source.ahead(usize::from(colon)).unwrap_or('}');
    if "-=+?".contains(sign) {
        source.next();
        if colon {
            source.next();
        }
        let word = brace_word(source, in_double)?;
        return Ok(Piece::Variable { name, otherwise: Some((Otherwise { sign, colon }, word)) });
    }
    let first = source.peek();
    let runs = skip_braces(source, in_double && !matches!(first, Some('#' | '%' | '/' | '^' | ',')))?;
    Ok(match first {
        Some('#' | '%' | '/' | '^' | ',') if !runs => Piece::Changed(name),
        Some('#' | '%' | '/' | '^' | ',' | '[' | '@' | ':') => Piece::Told(Note::Variable),
        _ => Piece::Bad,
    })
}

/// The word behind an operator, up to the closing brace.
fn brace_word(source: &mut Source, in_double: bool) -> Parsed<Word> {
    let mut word = Builder::default();
    loop {
        match source.peek().ok_or(Stop::Syntax)? {
            '}' => {
                source.next();
                return Ok(word.0);
            }
            '"' => {
                source.next();
                double(source, &mut word)?;
            }
            c if in_double => {
                source.next();
                in_double_braces(source, &mut word, c)?;
            }
            '<' | '>' if source.ahead(1) == Some('(') => {
                source.next();
                source.next();
                bash_command::list_until_parenthesis(source)?;
                word.0.push(Piece::Command);
            }
            _ => piece(source, &mut word)?,
        }
    }
}

fn in_double_braces(source: &mut Source, word: &mut Builder, c: char) -> Parsed<()> {
    in_double(source, word, c, "$`\"\\}")
}

/// Steps over the rest of `${…}`; whether anything in it is put in by itself.
fn skip_braces(source: &mut Source, in_double: bool) -> Parsed<bool> {
    let mut puts_in = false;
    loop {
        match source.next().ok_or(Stop::Syntax)? {
            '}' => return Ok(puts_in),
            '\'' if in_double => {}
            c => {
                puts_in |= matches!(c, '$' | '`' | '<' | '>');
                quoted_part(source, c)?;
            }
        }
    }
}
