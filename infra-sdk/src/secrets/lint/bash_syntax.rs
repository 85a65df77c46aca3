//! The part of bash's grammar a `.env` can hold: words, quotes, expansions, lists of simple commands.

use super::reading::Note;

/// A piece of a word, before anything is put in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Letters without quotes.
    Plain(String),
    /// Letters between quotes or behind a backslash.
    Quoted(String),
    /// `$NAME`, or `${NAME…}` with what to do when it is set or not.
    Variable { name: String, otherwise: Option<(Otherwise, Vec<Piece>)> },
    /// `${#NAME}`.
    Length(String),
    /// `${NAME%…}` and its like: nothing where there is nothing to work on.
    Changed(String),
    /// A command whose output is put in.
    Command,
    /// What only a shell can tell, such as `$$` or `$((1 + 1))`.
    Told(Note),
    /// `${…}` that is no expansion: fails when it is met.
    Bad,
}

/// What `${NAME-word}` and its relatives do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Otherwise {
    /// One of `-`, `=`, `+`, `?`.
    pub(super) sign: char,
    /// With a `:`, an empty variable counts as not set.
    pub(super) colon: bool,
}

pub(super) type Word = Vec<Piece>;

/// `NAME=word`.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// `NAME+=word`.
    pub(super) append: bool,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Word(Word),
    /// `(a b)`: not handed on to programs.
    List(Vec<Word>),
}

/// Assignments, words, redirections.
#[derive(Clone, Debug, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<Assignment>,
    pub(super) words: Vec<Argument>,
    pub(super) targets: Vec<Word>,
}

/// A word of a command; one that looks like an assignment is one for `export`.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Word(Word),
    Assignment(Assignment),
}

/// What stands between two commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// `;` or a line end.
    Then,
    /// `&`.
    Background,
    And,
    Or,
}

/// One or more commands joined by `|`, and what follows.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) commands: Vec<Simple>,
    pub(super) link: Link,
}

/// Why reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// An error of syntax: this line and everything behind it is not run.
    Syntax,
    /// An error in a list: only this line is not run.
    Line,
    /// A loop, function or the like: from here on anything may happen.
    Program,
}

pub(super) type Parsed<T> = Result<T, Stop>;

/// Letters with a place.
pub(super) struct Source {
    letters: Vec<char>,
    at: usize,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        // NUL bytes are dropped while a file is read.
        Source { letters: text.chars().filter(|c| *c != '\0').collect(), at: 0 }
    }

    pub(super) fn ahead(&self, offset: usize) -> Option<char> {
        self.letters.get(self.at + offset).copied()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.ahead(offset) == Some(c))
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.starts_with(text);
        if there {
            self.at += text.chars().count();
        }
        there
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            taken.push(c);
            self.at += 1;
        }
        taken
    }

    /// A line without its end; `None` when there is no more.
    pub(super) fn line(&mut self) -> Option<String> {
        self.peek()?;
        let line = self.take_while(|c| c != '\n');
        self.take("\n");
        Some(line)
    }

    pub(super) fn place(&self) -> usize {
        self.at
    }

    pub(super) fn go_back(&mut self, place: usize) {
        self.at = place;
    }

    /// Blanks, and line ends behind a backslash.
    pub(super) fn skip_blanks(&mut self) {
        while self.take(" ") || self.take("\t") || self.take("\\\n") {}
    }
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && text.chars().all(in_name)
}

pub(super) fn in_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// Signs that end a word.
pub(super) fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
