//! Reading one line of bash: simple commands and what joins them.

use super::bash_syntax::{
    Argument, Assignment, Link, Parsed, Piece, Pipeline, Simple, Source, Stop, Value, Word, ends_word,
    in_name, is_name,
};
use super::bash_word::{bracket, word};

/// Words that belong to a construct only another word can begin.
const STRAY: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}"];

/// Words that begin a construct.
const CONSTRUCT: &[&str] =
    &["if", "for", "while", "until", "case", "select", "function", "time", "coproc", "{", "!", "[["];

/// Commands whose arguments are read as assignments.
const DECLARING: &[&str] = &["alias", "declare", "eval", "export", "let", "local", "readonly", "typeset"];

/// A here-document whose text follows the line.
struct Here {
    end: String,
    strip_tabs: bool,
}

/// One line, or more where quotes or operators reach over its end. Empty for an empty line.
pub(super) fn line(source: &mut Source) -> Parsed<Vec<Pipeline>> {
    let mut heres = Vec::new();
    let list = list(source, None, &mut heres);
    if list.is_ok() {
        skip_heres(source, &heres);
    }
    list
}

/// The commands in `$(…)`, up to its end; whether there are none.
pub(super) fn list_until_parenthesis(source: &mut Source) -> Parsed<bool> {
    let mut empty = true;
    let mut heres = Vec::new();
    loop {
        let list = list(source, Some(')'), &mut heres)?;
        empty &= list.iter().flat_map(|p| &p.commands).all(|c| {
            let pure = |a: &Assignment| matches!(&a.value, Value::Word(w) if w.iter().all(|p| matches!(p, Piece::Plain(_) | Piece::Quoted(_))));
            c.words.is_empty() && c.targets.is_empty() && c.assignments.iter().all(pure)
        });
        skip_heres(source, &heres);
        heres.clear();
        if source.take(")") {
            return Ok(empty);
        }
        if source.peek().is_none() {
            return Err(Stop::Syntax);
        }
    }
}

fn skip_heres(source: &mut Source, heres: &[Here]) {
    for here in heres {
        while let Some(line) = source.line() {
            let line = if here.strip_tabs { line.trim_start_matches('\t') } else { &line };
            if line == here.end {
                break;
            }
        }
    }
}

/// Steps over blanks and a comment.
fn skip_ignored(source: &mut Source) {
    source.skip_blanks();
    if source.starts_with("#") {
        source.take_while(|c| c != '\n');
    }
}

fn skip_line_ends(source: &mut Source, heres: &mut Vec<Here>) {
    loop {
        skip_ignored(source);
        if !source.take("\n") {
            return;
        }
        skip_heres(source, heres);
        heres.clear();
    }
}

/// Commands up to a line end, or to `end`, which is left standing.
fn list(source: &mut Source, end: Option<char>, heres: &mut Vec<Here>) -> Parsed<Vec<Pipeline>> {
    let mut pipelines: Vec<Pipeline> = Vec::new();
    loop {
        skip_ignored(source);
        let ended = source.peek() == end && end.is_some();
        let must_follow = pipelines.last().is_some_and(|p| matches!(p.link, Link::And | Link::Or));
        if ended || source.peek().is_none() || (source.peek() == Some('\n') && !must_follow) {
            if must_follow {
                return Err(Stop::Syntax);
            }
            if !ended {
                source.take("\n");
            }
            return Ok(pipelines);
        }
        let mut commands = vec![simple(source, heres)?];
        loop {
            source.skip_blanks();
            if source.starts_with("||") || !(source.take("|&") || source.take("|")) {
                break;
            }
            skip_line_ends(source, heres);
            commands.push(simple(source, heres)?);
        }
        let link = link(source)?;
        if matches!(link, Link::And | Link::Or) {
            skip_line_ends(source, heres);
        }
        pipelines.push(Pipeline { commands, link });
    }
}

fn link(source: &mut Source) -> Parsed<Link> {
    if source.take("&&") {
        return Ok(Link::And);
    }
    if source.take("||") {
        return Ok(Link::Or);
    }
    if source.starts_with(";;") || source.starts_with(";&") {
        return Err(Stop::Syntax);
    }
    Ok(if source.take(";") {
        Link::Then
    } else if source.take("&") {
        Link::Background
    } else {
        Link::Then
    })
}

fn simple(source: &mut Source, heres: &mut Vec<Here>) -> Parsed<Simple> {
    let mut command = Simple::default();
    let mut first = true;
    loop {
        skip_ignored(source);
        match source.peek() {
            None | Some('\n' | ')' | ';' | '|') => break,
            Some('&') if !source.starts_with("&>") => break,
            Some('(') if first => return Err(Stop::Program),
            Some('(') => return Err(Stop::Syntax),
            _ => {}
        }
        if redirection(source, &mut command, heres)? {
            first = false;
            continue;
        }
        let before_words = command.words.is_empty();
        match assignment(source, before_words || declares(&command))? {
            Some(assignment) if before_words => command.assignments.push(assignment),
            Some(assignment) => command.words.push(Argument::Assignment(assignment)),
            None => {
                let word = word(source)?;
                if first {
                    refuse_construct(source, &word)?;
                }
                command.words.push(Argument::Word(word));
            }
        }
        first = false;
    }
    if first { Err(Stop::Syntax) } else { Ok(command) }
}

/// Whether the command is one whose arguments are read as assignments.
fn declares(command: &Simple) -> bool {
    let Some(Argument::Word(word)) = command.words.first() else { return false };
    matches!(word.as_slice(), [Piece::Plain(text)] if DECLARING.contains(&text.as_str()))
}

fn refuse_construct(source: &mut Source, word: &Word) -> Parsed<()> {
    if let [Piece::Plain(text)] = word.as_slice() {
        if STRAY.contains(&text.as_str()) {
            return Err(Stop::Syntax);
        }
        if CONSTRUCT.contains(&text.as_str()) {
            return Err(Stop::Program);
        }
    }
    let place = source.place();
    source.skip_blanks();
    let function = source.take("(") && {
        source.skip_blanks();
        source.starts_with(")")
    };
    source.go_back(place);
    if function { Err(Stop::Program) } else { Ok(()) }
}

/// `NAME=word`, `NAME+=word`, and with `lists` also `NAME=(words)` and `NAME[place]=word`.
fn assignment(source: &mut Source, lists: bool) -> Parsed<Option<Assignment>> {
    let place = source.place();
    let mut name = String::new();
    loop {
        name.push_str(&source.take_while(in_name));
        if !source.take("\\\n") {
            break;
        }
    }
    let element = lists && is_name(&name) && source.take("[");
    if element {
        bracket(source)?;
    }
    let append = source.take("+");
    if element && !source.starts_with("=") {
        // The start of a command's name, which is read on from here.
        return Ok(None);
    }
    if !is_name(&name) || !source.take("=") {
        source.go_back(place);
        return Ok(None);
    }
    if element {
        return Ok(Some(Assignment { name, append, value: Value::List(vec![word(source)?]) }));
    }
    if !lists || !source.take("(") {
        return Ok(Some(Assignment { name, append, value: Value::Word(word(source)?) }));
    }
    let mut words = Vec::new();
    loop {
        skip_ignored(source);
        if source.take("\n") {
            continue;
        }
        if source.take(")") {
            break;
        }
        let word = word(source)?;
        if word.is_empty() {
            return Err(if source.peek().is_none() { Stop::Syntax } else { Stop::Line });
        }
        words.push(word);
    }
    // What stands directly behind the list belongs to it, and makes something else of it.
    if source.peek().is_some_and(|c| !ends_word(c)) {
        Err(Stop::Program)
    } else {
        Ok(Some(Assignment { name, append, value: Value::List(words) }))
    }
}

/// Reads one redirection, with the number before it.
fn redirection(source: &mut Source, command: &mut Simple, heres: &mut Vec<Here>) -> Parsed<bool> {
    let place = source.place();
    source.take_while(|c| c.is_ascii_digit());
    let numbered = source.place() > place;
    if source.starts_with("<(") || source.starts_with(">(") {
        source.go_back(place);
        return Ok(false);
    }
    let operators = ["<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">", "&>>", "&>"];
    let Some(operator) = operators
        .iter()
        .find(|operator| !(numbered && operator.starts_with('&')) && source.starts_with(operator))
    else {
        source.go_back(place);
        return Ok(false);
    };
    source.take(operator);
    source.skip_blanks();
    let start = source.place();
    if source.starts_with("#") {
        // A comment, so nothing to lead to.
        return Err(Stop::Syntax);
    }
    let target = word(source)?;
    let number =
        matches!(target.as_slice(), [Piece::Plain(text)] if text.bytes().all(|b| b.is_ascii_digit()));
    // A number directly before the next operator belongs to that one.
    if source.place() == start || (number && matches!(source.peek(), Some('<' | '>'))) {
        return Err(Stop::Syntax);
    }
    if matches!(*operator, "<<" | "<<-") {
        let end = target.iter().map(literal).collect();
        heres.push(Here { end, strip_tabs: *operator == "<<-" });
        command.targets.push(Word::new());
    } else {
        command.targets.push(target);
    }
    Ok(true)
}

/// A piece as it stands; the end of a here-document is never expanded.
fn literal(piece: &Piece) -> String {
    match piece {
        Piece::Plain(text) | Piece::Quoted(text) => text.clone(),
        Piece::Variable { name, otherwise: None } => format!("${name}"),
        _ => String::from("\u{0}"),
    }
}
