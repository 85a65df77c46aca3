//! How bash reads a `.env` with `set -a; . ./.env`: as a program, line by line. Nothing is run here.

use std::collections::BTreeMap;

use super::bash_command;
use super::bash_syntax::{
    Argument, Assignment, Link, Piece, Pipeline, Simple, Source, Stop, Value, Word, is_name,
};
use super::reading::{Note, Notes, Reading, Readings};

/// Names bash does not let anyone set.
const READ_ONLY: &[&str] = &["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"];

/// Names bash gives values of its own.
const OWN: &[&str] = &[
    "_",
    "BASH",
    "BASHPID",
    "BASH_ALIASES",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_ARGV0",
    "BASH_CMDS",
    "BASH_COMMAND",
    "BASH_LINENO",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSION",
    "COMP_WORDBREAKS",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "HOME",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "LINENO",
    "MACHTYPE",
    "OLDPWD",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PATH",
    "PIPESTATUS",
    "PS4",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELL",
    "SHLVL",
    "SRANDOM",
    "TERM",
];

/// Of these, the ones that do not keep what they are given.
const RESTLESS: &[&str] = &[
    "_",
    "BASHPID",
    "BASH_ARGV0",
    "BASH_COMMAND",
    "BASH_SUBSHELL",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "PIPESTATUS",
    "RANDOM",
    "SECONDS",
    "SRANDOM",
];

pub(super) fn read(text: &str, environment: &BTreeMap<String, String>) -> Readings {
    let mut source = Source::new(text);
    let mut shell = Shell { readings: Readings::new(), environment };
    while source.peek().is_some() {
        let outcome = bash_command::line(&mut source).and_then(|line| shell.run(&line));
        match outcome {
            Ok(()) => {}
            Err(Stop::Line) => {
                source.line();
            }
            Err(Stop::Syntax) => {
                shell.readings.set_rest(Reading::Error, Notes::new());
                break;
            }
            Err(Stop::Program) => {
                shell.readings.set_rest(Reading::Varies, [Note::Command].into());
                break;
            }
        }
    }
    shell.readings
}

struct Shell<'e> {
    readings: Readings,
    environment: &'e BTreeMap<String, String>,
}

/// What putting in everything makes of a word.
#[derive(Default)]
struct Expanded {
    text: String,
    runs: bool,
    varies: bool,
    notes: Notes,
}

/// An expansion that fails.
enum Failure {
    /// The rest of the line is not run.
    Line(Notes),
    /// The shell ends.
    Shell(Notes),
}

/// What is known of how a command ended.
type Status = Option<bool>;

impl Shell<'_> {
    fn run(&mut self, line: &[Pipeline]) -> Result<(), Stop> {
        let names = assigned(line);
        let mut before = (Link::Then, Some(true));
        let mut ran = Notes::new();
        for pipeline in line {
            let wanted = match before {
                (Link::And, status) => status,
                (Link::Or, status) => status.map(|ok| !ok),
                _ => Some(true),
            };
            let status = match wanted {
                Some(false) => before.1,
                None => {
                    ran.insert(Note::Command);
                    None
                }
                Some(true) => match self.pipeline(pipeline, &mut ran) {
                    Ok(status) => status,
                    Err(Failure::Line(notes)) => {
                        self.fail(&names, &notes);
                        break;
                    }
                    Err(Failure::Shell(notes)) => {
                        self.fail(&names, &notes);
                        return Err(Stop::Syntax);
                    }
                },
            };
            before = (pipeline.link, status);
        }
        // Whatever else the line does: it runs something.
        if !ran.is_empty() {
            for name in names {
                self.readings.put(name, Reading::Runs, ran.clone());
            }
        }
        Ok(())
    }

    /// Names of the line that have no value yet.
    fn fail(&mut self, names: &[String], notes: &Notes) {
        for name in names {
            if !self.readings.has(name) {
                self.readings.put(name, Reading::Error, notes.clone());
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, ran: &mut Notes) -> Result<Status, Failure> {
        if let ([command], false) = (pipeline.commands.as_slice(), pipeline.link == Link::Background) {
            return self.simple(command, ran);
        }
        // Each in a shell of its own, which takes its variables with it.
        for command in &pipeline.commands {
            let mut own = Shell { readings: self.readings.clone(), environment: self.environment };
            let _ = own.simple(command, ran);
            for assignment in &command.assignments {
                if !self.readings.has(&assignment.name) {
                    self.readings.put(&assignment.name, Reading::Missing, [Note::Operator].into());
                }
            }
        }
        Ok(if pipeline.link == Link::Background { Some(true) } else { None })
    }

    fn simple(&mut self, command: &Simple, ran: &mut Notes) -> Result<Status, Failure> {
        let notes: Notes = if command.targets.is_empty() { Notes::new() } else { [Note::Redirection].into() };
        let Some(first) = command.words.first() else {
            let mut status = Some(true);
            for assignment in &command.assignments {
                status = self.assign(assignment, &notes, ran)?.and(status);
            }
            self.targets(command, ran)?;
            return Ok(status.filter(|_| command.targets.is_empty()));
        };
        self.targets(command, ran)?;
        let exports = matches!(first, Argument::Word(word) if literal(word).as_deref() == Some("export"));
        if exports && command.assignments.is_empty() {
            return self.export(&command.words[1..], &notes, ran);
        }
        ran.insert(if command.assignments.is_empty() { Note::Own } else { Note::Command });
        ran.insert(Note::Command);
        Ok(None)
    }

    /// What redirections lead to.
    fn targets(&mut self, command: &Simple, ran: &mut Notes) -> Result<(), Failure> {
        for target in &command.targets {
            let mut expanded = self.expand(target)?;
            if expanded.runs {
                ran.append(&mut expanded.notes);
            }
        }
        Ok(())
    }

    fn export(&mut self, arguments: &[Argument], notes: &Notes, ran: &mut Notes) -> Result<Status, Failure> {
        let mut status = Some(true);
        for argument in arguments {
            match argument {
                // A redirection that fails keeps a builtin from running, and that is for the machine to tell.
                Argument::Assignment(Assignment { name, .. }) if !notes.is_empty() => {
                    self.readings.put(name, Reading::Varies, notes.clone());
                    status = None;
                }
                Argument::Assignment(assignment) => {
                    status = self.assign(assignment, notes, ran)?.and(status);
                }
                Argument::Word(word) => {
                    let mut expanded = self.expand(word)?;
                    if expanded.runs || expanded.text.starts_with('-') {
                        ran.append(&mut expanded.notes);
                        ran.insert(Note::Command);
                    } else if let Some((name, value)) =
                        expanded.text.split_once('=').filter(|(n, _)| is_name(n))
                    {
                        self.readings.set(name, value, notes.clone());
                    } else if !is_name(&expanded.text) {
                        status = Some(false);
                    }
                }
            }
        }
        Ok(status)
    }

    fn assign(&mut self, assignment: &Assignment, notes: &Notes, ran: &mut Notes) -> Result<Status, Failure> {
        let Assignment { name, append, value } = assignment;
        let word = match value {
            Value::Word(word) => word,
            Value::List(words) => {
                for word in words {
                    let mut expanded = self.expand(word)?;
                    if expanded.runs {
                        ran.append(&mut expanded.notes);
                    }
                }
                self.readings.put(name, Reading::Missing, [Note::List].into());
                return Ok(Some(true));
            }
        };
        let mut expanded = self.expand(&tildes(word))?;
        expanded.notes.extend(notes);
        if READ_ONLY.contains(&name.as_str()) {
            return Err(Failure::Line([Note::Own].into()));
        }
        if expanded.runs {
            ran.append(&mut expanded.notes.clone());
            self.readings.put(name, Reading::Runs, expanded.notes);
            return Ok(None);
        }
        if RESTLESS.contains(&name.as_str()) {
            expanded.varies = true;
            expanded.notes.insert(Note::Own);
        }
        if *append {
            let before = self.lookup(name);
            expanded.varies |= matches!(before, Known::Varies);
            expanded.text = before.text().to_owned() + &expanded.text;
        }
        if expanded.varies {
            self.readings.put(name, Reading::Varies, expanded.notes);
        } else {
            self.readings.set(name, expanded.text, expanded.notes);
        }
        Ok(Some(true))
    }

    fn lookup(&self, name: &str) -> Known<'_> {
        if self.readings.has(name) {
            return match &self.readings.entry(name).reading {
                Reading::Value(value) => Known::Value(value.expose()),
                Reading::Missing | Reading::Error => Known::Unset,
                Reading::Runs | Reading::Varies => Known::Varies,
            };
        }
        if name == "#" {
            return Known::Value("0");
        }
        if OWN.contains(&name) || READ_ONLY.contains(&name) {
            return Known::Varies;
        }
        self.environment.get(name).map_or(Known::Unset, |value| Known::Value(value))
    }

    fn expand(&mut self, word: &Word) -> Result<Expanded, Failure> {
        let mut all = Expanded::default();
        for piece in word {
            match piece {
                Piece::Plain(text) => all.text.push_str(text),
                Piece::Quoted(text) => {
                    all.notes.insert(Note::Quotes);
                    all.text.push_str(text);
                }
                Piece::Command => {
                    all.notes.insert(Note::Substitution);
                    all.runs = true;
                }
                Piece::Told(note) => {
                    all.notes.insert(*note);
                    all.varies = true;
                }
                Piece::Bad => return Err(Failure::Line([Note::Variable].into())),
                Piece::Length(name) => {
                    all.notes.insert(Note::Variable);
                    let known = self.lookup(name);
                    all.varies |= matches!(known, Known::Varies);
                    let length = known.text().chars().count();
                    all.text.push_str(&length.to_string());
                }
                Piece::Changed(name) => {
                    all.notes.insert(Note::Variable);
                    let known = self.lookup(name);
                    all.varies |= matches!(known, Known::Varies) || !known.text().is_empty();
                }
                Piece::Variable { name, otherwise } => {
                    all.notes.insert(Note::Variable);
                    let otherwise = otherwise.as_ref().map(|(how, word)| (*how, word));
                    self.variable(name, otherwise, &mut all)?;
                }
            }
        }
        Ok(all)
    }

    fn variable(
        &mut self,
        name: &str,
        otherwise: Option<(super::bash_syntax::Otherwise, &Word)>,
        all: &mut Expanded,
    ) -> Result<(), Failure> {
        let known = self.lookup(name);
        if matches!(known, Known::Varies) {
            all.varies = true;
            return Ok(());
        }
        let Some((how, word)) = otherwise else {
            all.text.push_str(known.text());
            return Ok(());
        };
        let set = matches!(known, Known::Value(value) if !(how.colon && value.is_empty()));
        if set != (how.sign == '+') {
            if how.sign != '+' {
                all.text.push_str(known.text());
            }
            return Ok(());
        }
        let inner = self.expand(word)?;
        if how.sign == '?' {
            return Err(Failure::Shell([Note::Variable].into()));
        }
        if how.sign == '=' {
            if !is_name(name) {
                return Err(Failure::Line([Note::Variable].into()));
            }
            self.readings.set(name, inner.text.as_str(), inner.notes.clone());
        }
        all.text.push_str(&inner.text);
        all.runs |= inner.runs;
        all.varies |= inner.varies;
        all.notes.extend(inner.notes);
        Ok(())
    }
}

/// What is known of a variable.
enum Known<'a> {
    Unset,
    Value(&'a str),
    Varies,
}

impl<'a> Known<'a> {
    fn text(&self) -> &'a str {
        match self {
            Known::Value(value) => value,
            _ => "",
        }
    }
}

/// The names a line sets, or a command it starts by a name.
fn assigned(line: &[Pipeline]) -> Vec<String> {
    let mut names = Vec::new();
    for command in line.iter().flat_map(|pipeline| &pipeline.commands) {
        names.extend(command.assignments.iter().map(|assignment| assignment.name.clone()));
        for word in &command.words {
            match word {
                Argument::Assignment(assignment) => names.push(assignment.name.clone()),
                Argument::Word(word) => names.extend(literal(word).filter(|text| is_name(text))),
            }
        }
    }
    names
}

fn literal(word: &Word) -> Option<String> {
    match word.as_slice() {
        [Piece::Plain(text)] => Some(text.clone()),
        _ => None,
    }
}

/// Marks each `~` that stands for a home folder: at the start of a value, and behind a `:`.
fn tildes(word: &Word) -> Word {
    let mut marked = Word::new();
    let mut begins = true;
    for (at, piece) in word.iter().enumerate() {
        let Piece::Plain(text) = piece else {
            marked.push(piece.clone());
            begins = false;
            continue;
        };
        let parts: Vec<&str> = text.split_inclusive(':').collect();
        for (index, part) in parts.iter().enumerate() {
            // A quote or a variable in the name of the user makes it stand for itself.
            let cut_off = index + 1 == parts.len() && !part.contains([':', '/']) && at + 1 < word.len();
            if begins && part.starts_with('~') && !cut_off {
                marked.push(Piece::Told(Note::Home));
            }
            marked.push(Piece::Plain((*part).to_owned()));
            begins = part.ends_with(':');
        }
    }
    marked
}
