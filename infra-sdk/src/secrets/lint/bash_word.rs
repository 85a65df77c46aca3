//! Reading one word of bash: quotes, `$…`, commands whose output is put in.

use super::bash_command;
use super::bash_syntax::{Otherwise, Parsed, Piece, Source, Stop, Word, ends_word, is_name};
use super::reading::Note;

/// Reads letters into a word, joining neighbours.
#[derive(Default)]
struct Builder(Word);

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
fn piece(source: &mut Source, word: &mut Builder) -> Parsed<()> {
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
fn double(source: &mut Source, word: &mut Builder) -> Parsed<()> {
    word.quoted("");
    loop {
        match source.next().ok_or(Stop::Syntax)? {
            '"' => return Ok(()),
            c => in_double(source, word, c, "$`\"\\")?,
        }
    }
}

/// One piece between double quotes, where a backslash escapes only some letters.
fn in_double(source: &mut Source, word: &mut Builder, c: char, escapable: &str) -> Parsed<()> {
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

fn in_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
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
fn quoted_part(source: &mut Source, c: char) -> Parsed<()> {
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

/// `${…}`, behind the opening brace.
fn braces(source: &mut Source, in_double: bool) -> Parsed<Piece> {
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

/// The rest of `$'…'`.
fn ansi_c(source: &mut Source) -> Parsed<String> {
    let mut text = String::new();
    let mut ended = false;
    loop {
        let put = match source.next().ok_or(Stop::Syntax)? {
            '\'' => return Ok(text),
            '\\' => escape(source)?,
            c => c.to_string(),
        };
        // A NUL ends the text; what follows is still read.
        ended |= put.starts_with('\0');
        if !ended {
            text.push_str(&put);
        }
    }
}

fn escape(source: &mut Source) -> Parsed<String> {
    let c = source.next().ok_or(Stop::Syntax)?;
    let letter = match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' | 'E' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '\'' | '"' | '?' => c,
        '0'..='7' => {
            let more = digits(source, 8, 2);
            char::from(
                u8::try_from(u32::from_str_radix(&format!("{c}{more}"), 8).unwrap_or(0) & 0xff).unwrap_or(0),
            )
        }
        'x' | 'u' | 'U' => {
            let most = match c {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let number = digits(source, 16, most);
            if number.is_empty() {
                return Ok(format!("\\{c}"));
            }
            u32::from_str_radix(&number, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
        }
        'c' => {
            let control = source.next().ok_or(Stop::Syntax)?;
            char::from(u8::try_from(u32::from(control) & 0x1f).unwrap_or(0))
        }
        _ => return Ok(format!("\\{c}")),
    };
    Ok(letter.into())
}

fn digits(source: &mut Source, radix: u32, most: usize) -> String {
    let mut digits = String::new();
    while let Some(c) = source.peek().filter(|c| c.is_digit(radix) && digits.len() < most) {
        digits.push(c);
        source.next();
    }
    digits
}
