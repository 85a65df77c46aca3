//! How bash reads a `.env` with `set -a; . ./.env`: as a program, line by line. Nothing is run here.

use std::collections::BTreeMap;

use super::bash_command;
use super::bash_expand::{Failure, Known, READ_ONLY, RESTLESS, tildes};
use super::bash_syntax::{
    Argument, Assignment, Link, Piece, Pipeline, Simple, Source, Stop, Value, Word, is_name,
};
use super::reading::{Note, Notes, Reading, Readings};

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

pub(super) struct Shell<'e> {
    pub(super) readings: Readings,
    pub(super) environment: &'e BTreeMap<String, String>,
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
        if exports {
            // What stands before `export` holds for this command alone, unless it is exported by it.
            for assignment in &command.assignments {
                self.readings.put(&assignment.name, Reading::Varies, [Note::Command].into());
            }
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
