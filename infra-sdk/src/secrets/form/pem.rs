//! PEM: blocks between `-----BEGIN X-----` and `-----END X-----`.

use super::check::Flaw;
use super::text::{base64_at, empty};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// A line and the byte it begins at.
type Line<'a> = (usize, &'a str);

/// RFC 7468 allows text before, between and behind the blocks, and OpenSSL writes it.
pub(super) fn flaw(value: &str) -> Option<Flaw> {
    let again = "take the whole file, from `-----BEGIN` to `-----END …-----`";
    if value.trim().is_empty() {
        return Some(empty());
    }
    if let Some(flaw) = one_line_flaw(value) {
        return Some(flaw);
    }
    let mut blocks = 0;
    let mut open: Option<(Line<'_>, Vec<Line<'_>>)> = None;
    for (at, line) in lines(value) {
        let begins = label(line, BEGIN).is_some();
        match (open.take(), label(line, END)) {
            (Some(((start, _), _)), _) if begins => {
                return Some(Flaw::new("the PEM block has no end", again).at(value, start));
            }
            (None, Some(_)) => return Some(Flaw::new("the PEM block has no beginning", again).at(value, at)),
            (Some(((start, kind), body)), Some(end)) => {
                if end != kind {
                    return Some(Flaw::new("the PEM block ends as another kind", again).at(value, at));
                }
                if let Some(flaw) = body_flaw(value, start, &body) {
                    return Some(flaw);
                }
                blocks += 1;
            }
            (Some((start, mut body)), None) => {
                body.push((at, line));
                open = Some((start, body));
            }
            (None, None) if begins => {
                open = label(line, BEGIN).map(|kind| ((at, kind), Vec::new()));
            }
            (None, None) => {}
        }
    }
    match open {
        Some(((start, _), _)) => Some(Flaw::new("the PEM block has no end", again).at(value, start)),
        None if blocks == 0 => Some(Flaw::new("no PEM block", again)),
        None => None,
    }
}

/// What becomes of a block on its way through places that hold one line.
fn one_line_flaw(value: &str) -> Option<Flaw> {
    if !value.contains(BEGIN) || value.trim().contains('\n') {
        return None;
    }
    let hint = "in `.env` put the value between quotes, with real line breaks";
    if let Some(at) = value.find("\\n") {
        return Some(Flaw::new("the line breaks are written as `\\n`", hint).at(value, at));
    }
    value.contains(END).then(|| {
        Flaw::new("the PEM block is on one line", hint).at(value, value.find(BEGIN).unwrap_or_default())
    })
}

fn lines(value: &str) -> impl Iterator<Item = Line<'_>> {
    let mut next = 0;
    value.split('\n').map(move |line| {
        let at = next;
        next += line.len() + 1;
        (at, line.trim_end())
    })
}

fn label<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.strip_prefix(mark)?.strip_suffix("-----")
}

fn body_flaw(value: &str, start: usize, body: &[Line<'_>]) -> Option<Flaw> {
    // RFC 1421 headers, as encrypted keys have them, end at an empty line.
    let headers = match body.first() {
        Some((at, first)) if first.contains(':') => match body.iter().position(|(_, line)| line.is_empty()) {
            Some(end) => end,
            None => {
                let hint = "take the whole file, with the empty line behind its headers";
                return Some(Flaw::new("the headers of the PEM block have no end", hint).at(value, *at));
            }
        },
        _ => 0,
    };
    let body = &body[headers..];
    let (Some((from, _)), Some((last, line))) = (body.first(), body.last()) else {
        return Some(Flaw::new("the PEM block is empty", "take the whole file").at(value, start));
    };
    // RFC 7468: padded, unlike base64 at large.
    let to = last + line.len();
    let digits = value[*from..to].bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
    base64_at(value, *from, to).or_else(|| {
        let cut = Flaw::new("the base64 is cut off", "take the whole file");
        (digits % 4 != 0).then(|| cut.at(value, to))
    })
}
