//! Reading `$'…'` of bash: the escapes of C.

use super::bash_syntax::{Parsed, Source, Stop};

/// The rest of `$'…'`.
pub(super) fn ansi_c(source: &mut Source) -> Parsed<String> {
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
