//! One walk of serde over a tree, and what is kept between walks: problems and stand-ins.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de;

use crate::tree::node::{child, parent};
use crate::tree::{Keys, Node, Origin, Problem, ProblemKind, ReadOptions, Unknown};

/// Deeper than any settings; shallow enough for the stack of a thread.
pub(crate) const MAX_DEPTH: usize = 64;

/// Texts to stand in for one that is missing or wrong: the first that the type accepts is used, so that the walk
/// can go on behind a validated type such as a name, a path, a length of time, a digest, a time or an address.
pub(crate) const TEXTS: [&str; 13] = [
    "",
    "x",
    "/x",
    "1",
    "1s",
    "1.0.0",
    "random:32",
    "2000-01-01T00:00:00Z",
    "https://x.example",
    "127.0.0.1",
    "127.0.0.1:80",
    "00000000-0000-0000-0000-000000000000",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
];

/// The level at which no stand-in was accepted: the value is left out, and then its parent.
pub(crate) const LEFT_OUT: usize = TEXTS.len();

const ENOUGH: usize = 200;

/// What is known after some walks.
pub(crate) struct Walk {
    options: ReadOptions,
    problems: RefCell<BTreeSet<Problem>>,
    stand_ins: RefCell<BTreeMap<String, usize>>,
}

impl Walk {
    pub(crate) fn new(options: ReadOptions) -> Self {
        Walk { options, problems: RefCell::default(), stand_ins: RefCell::default() }
    }

    pub(crate) fn refuses_unknown(&self) -> bool {
        self.options.unknown == Unknown::Refuse
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The problems by place. A walk that ended without any still did not pass.
    pub(crate) fn into_problems(self, root: &Node) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.problems.into_inner().into_iter().collect();
        if problems.is_empty() {
            problems.push(Problem {
                origin: Some(root.origin.clone()),
                path: String::new(),
                kind: ProblemKind::Refused("cannot be read".into()),
            });
        }
        problems
    }

    /// Whether there are more problems than anybody corrects in one go; those found so far are enough to work on.
    pub(crate) fn is_enough(&self) -> bool {
        self.problems.borrow().len() >= ENOUGH
    }

    /// Makes room for the next walk after one stopped; false when nothing is left to try.
    pub(crate) fn go_on_after(&self, stop: Stop, root: &Node) -> bool {
        let place = stop.place.unwrap_or_else(|| Place { path: String::new(), origin: root.origin.clone() });
        match stop.why {
            Why::TooDeep => {
                self.record(
                    &place,
                    ProblemKind::Refused(format!("is nested deeper than {MAX_DEPTH} levels")),
                );
                false
            }
            Why::Missing(field) => {
                let path = child(&place.path, &self.shown(field));
                if self.stand_in(&path).is_some() {
                    return self.leave_out(path);
                }
                let missing = Place { path: path.clone(), origin: place.origin };
                self.record(&missing, ProblemKind::Missing);
                self.replace(path, 0)
            }
            Why::Key(kind) => {
                self.record(&place, kind);
                self.leave_out(place.path)
            }
            Why::Problem(kind) => {
                self.record(&place, kind);
                match self.stand_in(&place.path).map_or(0, |level| level + 1) {
                    LEFT_OUT.. => self.leave_out(place.path),
                    next => self.replace(place.path, next),
                }
            }
        }
    }

    /// Leaves out a value for which there is no stand-in; where that was tried already, what holds it.
    fn leave_out(&self, mut path: String) -> bool {
        while !path.is_empty() {
            if self.replace(path.clone(), LEFT_OUT) {
                return true;
            }
            path.truncate(parent(&path).len());
        }
        false
    }

    /// Notes a problem, unless it may be the consequence of a stand-in at, above or below its place.
    fn record(&self, place: &Place, kind: ProblemKind) {
        let related = |other: &String| {
            let (short, long) =
                if other.len() < place.path.len() { (other, &place.path) } else { (&place.path, other) };
            long.strip_prefix(short.as_str())
                .is_some_and(|rest| short.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if !self.stand_ins.borrow().keys().any(related) {
            self.note(place, kind);
        }
    }

    pub(crate) fn note(&self, place: &Place, kind: ProblemKind) {
        if self.is_enough() {
            return;
        }
        let problem = Problem { path: place.path.clone(), origin: Some(place.origin.clone()), kind };
        self.problems.borrow_mut().insert(problem);
    }

    pub(crate) fn stand_in(&self, path: &str) -> Option<usize> {
        self.stand_ins.borrow().get(path).copied()
    }

    /// True when this changes something, so that another walk can end differently.
    pub(crate) fn replace(&self, path: String, level: usize) -> bool {
        self.stand_ins.borrow_mut().insert(path, level) != Some(level)
    }

    pub(crate) fn is_left_out(&self, path: &str) -> bool {
        self.stand_in(path) == Some(LEFT_OUT)
    }

    /// A field's name as the tree spells it.
    pub(crate) fn shown(&self, field: &str) -> String {
        match self.options.keys {
            Keys::Kebab => field.replace('_', "-"),
            Keys::Exact => field.to_owned(),
        }
    }

    pub(crate) fn matches(&self, field: &str, key: &str) -> bool {
        field == key || (self.options.keys == Keys::Kebab && field.replace('_', "-") == key)
    }
}

#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) origin: Origin,
}

/// Why a walk stopped, and where.
pub(crate) struct Stop {
    place: Option<Place>,
    why: Why,
}

enum Why {
    Missing(&'static str),
    TooDeep,
    Key(ProblemKind),
    Problem(ProblemKind),
}

impl Stop {
    fn new(why: Why) -> Self {
        Stop { place: None, why }
    }

    /// For a value that is nested too deep to go on.
    pub(crate) fn too_deep() -> Self {
        Stop::new(Why::TooDeep)
    }

    /// Keeps the innermost place; `hide` takes out of the message what may not be shown of the value there.
    // Not generic: every type that is read has its own closure, and would have its own copy of this.
    pub(crate) fn at(mut self, place: &Place, hide: &dyn Fn(&mut String)) -> Self {
        if self.place.is_none() {
            self.place = Some(place.clone());
            if let Why::Problem(ProblemKind::Refused(message)) = &mut self.why {
                hide(message);
            }
        }
        self
    }

    /// For a key that its type refuses: no other value makes it right, so that the entry is left out at once.
    pub(crate) fn at_key(self, place: &Place) -> Self {
        let why = match self.why {
            Why::Problem(kind) => Why::Key(kind),
            why => why,
        };
        Stop { place: self.place.or_else(|| Some(place.clone())), why }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tree cannot be read")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // The long form of this crate's errors tells what to do next as well.
        let message: String = format!("{message:#}").split_whitespace().collect::<Vec<_>>().join(" ");
        Stop::new(Why::Problem(ProblemKind::Refused(message)))
    }

    fn missing_field(field: &'static str) -> Self {
        Stop::new(Why::Missing(field))
    }

    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        use de::Unexpected as U;
        let found = match found {
            U::Bool(_) => "true or false",
            U::Unsigned(_) | U::Signed(_) => "a whole number",
            U::Float(_) => "a number",
            U::Str(_) | U::Char(_) | U::Bytes(_) => "a text",
            U::Seq => "a list",
            U::Map => "a table",
            _ => "something else",
        };
        Stop::new(Why::Problem(ProblemKind::WrongType { wanted: wanted.to_string(), found: found.into() }))
    }

    fn invalid_value(_: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Stop::new(Why::Problem(ProblemKind::Refused(format!("must be {wanted}"))))
    }
}
