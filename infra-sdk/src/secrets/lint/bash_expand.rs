//! What bash puts in for the pieces of a word, as far as that can be told without a shell.

use super::bash::Shell;
use super::bash_syntax::{Otherwise, Piece, Word, is_name};
use super::reading::{Note, Notes, Reading};

/// Names bash does not let anyone set.
pub(super) const READ_ONLY: &[&str] = &["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"];

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
pub(super) const RESTLESS: &[&str] = &[
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

/// What putting in everything makes of a word.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) text: String,
    pub(super) runs: bool,
    pub(super) varies: bool,
    pub(super) notes: Notes,
}

/// An expansion that fails.
pub(super) enum Failure {
    /// The rest of the line is not run.
    Line(Notes),
    /// The shell ends.
    Shell(Notes),
}

/// What is known of a variable.
pub(super) enum Known<'a> {
    Unset,
    Value(&'a str),
    Varies,
}

impl<'a> Known<'a> {
    pub(super) fn text(&self) -> &'a str {
        match self {
            Known::Value(value) => value,
            _ => "",
        }
    }
}

impl Shell<'_> {
    pub(super) fn lookup(&self, name: &str) -> Known<'_> {
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

    pub(super) fn expand(&mut self, word: &Word) -> Result<Expanded, Failure> {
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
        otherwise: Option<(Otherwise, &Word)>,
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

/// Marks each `~` that stands for a home folder: at the start of a value, and behind a `:`.
pub(super) fn tildes(word: &Word) -> Word {
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
