//! One place of a tree as a walk reads it: the value there, or a stand-in for it.

use std::collections::BTreeMap;

use crate::names::{nearest, quoted};
use crate::tree::access::{Elements, Entries, Variant};
use crate::tree::node::{child, item};
use crate::tree::walk::{LEFT_OUT, MAX_DEPTH, Place, Stop, TEXTS, Walk};
use crate::tree::{Node, Origin, ProblemKind, Value};

/// What a problem calls a list that is wanted.
pub(crate) const A_LIST: &str = "a list";

/// A value of the tree at its place, in one of the walks.
pub(crate) struct Reader<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) place: Place,
    pub(crate) walk: &'a Walk,
    pub(crate) depth: usize,
}

#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Tree(&'a Value),
    Loose(&'a str),
    /// The number chooses among the stand-ins of a type.
    StandIn(usize),
}

impl<'a> From<&'a Node> for Source<'a> {
    fn from(node: &'a Node) -> Self {
        match &node.value {
            Value::Loose(text) => Source::Loose(text),
            value => Source::Tree(value),
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn root(node: &'a Node, walk: &'a Walk) -> Self {
        let place = Place { path: String::new(), origin: node.origin.clone() };
        Reader { source: node.into(), place, walk, depth: 0 }.or_stand_in()
    }

    pub(crate) fn below(&self, source: Source<'a>, path: String, origin: &Origin) -> Self {
        let place = Place { path, origin: origin.clone() };
        Reader { source, place, walk: self.walk, depth: self.depth + 1 }.or_stand_in()
    }

    fn or_stand_in(mut self) -> Self {
        if let Some(level) = self.walk.stand_in(&self.place.path) {
            self.source = Source::StandIn(level.min(LEFT_OUT - 1));
        }
        self
    }

    /// Runs `read` with this reader, and gives an error of the type itself this place.
    pub(crate) fn located<T>(self, read: impl FnOnce(Self) -> Result<T, Stop>) -> Result<T, Stop> {
        if self.depth > MAX_DEPTH {
            return Err(Stop::too_deep().at(&self.place, &|_| ()));
        }
        let (place, source) = (self.place.clone(), self.source);
        read(self).map_err(|stop| stop.at(&place, &|message| hide_private(message, source)))
    }

    /// Notes a problem with the value here and puts a stand-in in its place.
    fn refuse(&mut self, kind: ProblemKind) -> usize {
        self.walk.note(&self.place, kind);
        self.walk.replace(self.place.path.clone(), 0);
        self.source = Source::StandIn(0);
        0
    }

    pub(crate) fn wrong_type(&mut self, wanted: &str) -> usize {
        let found = match self.source {
            Source::Tree(Value::Secret(_)) => {
                return self.refuse(ProblemKind::Refused("is secret: read it into a SecretValue".into()));
            }
            Source::Tree(value) => value.kind(),
            Source::Loose(_) => "another text",
            Source::StandIn(level) => return level,
        };
        self.refuse(ProblemKind::WrongType { wanted: wanted.into(), found: found.into() })
    }

    /// What `pick` makes of the value here, or the number of its stand-in.
    fn pick<T>(&mut self, wanted: &str, pick: impl FnOnce(Source<'a>) -> Option<T>) -> Result<T, usize> {
        match self.source {
            Source::StandIn(level) => Err(level),
            source => pick(source).ok_or_else(|| self.wrong_type(wanted)),
        }
    }

    pub(crate) fn text(&mut self, wanted: &str) -> &'a str {
        let text = self.pick(wanted, |source| match source {
            Source::Tree(Value::Text(text)) => Some(text.as_str()),
            Source::Loose(text) => Some(text),
            _ => None,
        });
        text.unwrap_or_else(|level| TEXTS[level])
    }

    pub(crate) fn secret_text(&mut self) -> &'a str {
        match self.source {
            Source::Tree(Value::Secret(secret)) => secret.expose(),
            _ => self.text("a text"),
        }
    }

    pub(crate) fn integer(&mut self, low: i128, high: i128) -> i128 {
        let number = self.pick("a whole number", |source| match source {
            Source::Tree(Value::Integer(number)) => Some(i128::from(*number)),
            Source::Loose(text) => text.trim().parse().ok(),
            _ => None,
        });
        match number {
            Ok(number) if (low..=high).contains(&number) => number,
            Ok(_) => {
                self.refuse(ProblemKind::Refused(format!("must be a number from {low} to {high}")));
                0
            }
            Err(level) => level as i128,
        }
    }

    pub(crate) fn float(&mut self) -> f64 {
        let number = self.pick("a number", |source| match source {
            Source::Tree(Value::Float(number)) => Some(*number),
            // A whole number is also a number; those beyond 2^53 are rounded as everywhere.
            Source::Tree(Value::Integer(number)) => Some(*number as f64),
            Source::Loose(text) => text.trim().parse().ok(),
            _ => None,
        });
        number.unwrap_or_else(|level| level as f64)
    }

    pub(crate) fn boolean(&mut self) -> bool {
        let yes = self.pick("true or false", |source| match source {
            Source::Tree(Value::Boolean(yes)) => Some(*yes),
            Source::Loose(text) => text.trim().parse().ok(),
            _ => None,
        });
        yes.unwrap_or_else(|level| level % 2 == 1)
    }

    /// The elements of a list; a stand-in has `length` of them.
    fn all_items(&mut self, length: usize) -> Vec<Reader<'a>> {
        let origin = self.place.origin.clone();
        let items = self.pick(A_LIST, |source| match source {
            Source::Tree(Value::List(items)) => {
                Some(items.iter().map(|node| (Source::from(node), node.origin.clone())).collect())
            }
            Source::Tree(Value::Table(entries)) => {
                let items = numbered(entries)?;
                Some(items.into_iter().map(|node| (Source::from(node), node.origin.clone())).collect())
            }
            Source::Loose(text) if text.trim().is_empty() => Some(Vec::new()),
            Source::Loose(text) => {
                Some(text.split(',').map(|part| (Source::Loose(part.trim()), origin.clone())).collect())
            }
            _ => None,
        });
        let items = items.unwrap_or_else(|level| vec![(Source::StandIn(level), origin.clone()); length]);
        let below = |(at, (source, origin)): (usize, &(Source<'a>, Origin))| {
            self.below(*source, item(&self.place.path, at), origin)
        };
        items.iter().enumerate().map(below).collect()
    }

    pub(crate) fn items(&mut self) -> Elements<'a> {
        let mut items = self.all_items(0);
        items.retain(|reader| !self.walk.is_left_out(&reader.place.path));
        Elements(items.into_iter())
    }

    /// The elements of a tuple; none is left out, or those behind it would be read as another type.
    pub(crate) fn fixed_items(mut self, length: usize) -> Elements<'a> {
        let found = match self.source {
            Source::Tree(Value::List(items)) => items.len(),
            Source::Tree(Value::Table(entries)) => numbered(entries).map_or(length, |items| items.len()),
            Source::Loose(text) => text.split(',').count(),
            _ => length,
        };
        if found != length {
            self.refuse(ProblemKind::Refused(format!("must have {length} entries, not {found}")));
        }
        Elements(self.all_items(length).into_iter())
    }

    fn table(&mut self) -> Vec<(&'a str, &'a Node)> {
        let entries = self.pick("a table", |source| match source {
            Source::Tree(Value::Table(entries)) => {
                Some(entries.iter().map(|(key, node)| (key.as_str(), node)).collect())
            }
            // Stores of single texts write nothing else for a table without entries.
            Source::Loose("") => Some(Vec::new()),
            _ => None,
        });
        entries.unwrap_or_default()
    }

    /// The entries of a table as they stand.
    pub(crate) fn entries(mut self) -> Entries<'a> {
        let table = self.table();
        let readers = table
            .into_iter()
            .map(|(key, node)| (key, self.entry(key, node)))
            .filter(|(_, reader)| !self.walk.is_left_out(&reader.place.path));
        Entries { rest: readers.collect::<Vec<_>>().into_iter(), value: None }
    }

    fn entry(&self, key: &str, node: &'a Node) -> Reader<'a> {
        self.below(node.into(), child(&self.place.path, key), &node.origin)
    }

    /// The entries of a table under the names of a struct's fields, and stand-ins for those found missing.
    pub(crate) fn fields(mut self, fields: &'static [&'static str]) -> Entries<'a> {
        let mut found: Vec<(&'a str, Reader<'a>)> = Vec::new();
        for (key, node) in self.table() {
            let Some(field) = fields.iter().find(|field| self.walk.matches(field, key)) else {
                self.unknown(key, node, fields);
                continue;
            };
            let reader = self.entry(&self.walk.shown(field), node);
            if found.iter().any(|(other, _)| other == field) {
                let message = format!("is given twice, as `{field}` and as `{}`", self.walk.shown(field));
                self.walk.note(&reader.place, ProblemKind::Refused(message));
                continue;
            }
            found.push((field, reader));
        }
        for field in fields {
            let path = child(&self.place.path, &self.walk.shown(field));
            if self.walk.stand_in(&path).is_some() && !found.iter().any(|(other, _)| other == field) {
                found.push((field, self.below(Source::StandIn(0), path, &self.place.origin)));
            }
        }
        found.retain(|(_, reader)| !self.walk.is_left_out(&reader.place.path));
        Entries { rest: found.into_iter(), value: None }
    }

    fn unknown(&self, key: &str, node: &Node, fields: &[&str]) {
        if self.walk.refuses_unknown() && !self.walk.is_enough() {
            let shown: Vec<String> = fields.iter().map(|field| self.walk.shown(field)).collect();
            let nearest = nearest(key, shown.iter().map(String::as_str)).map(str::to_owned);
            let place = Place { path: child(&self.place.path, key), origin: node.origin.clone() };
            self.walk.note(&place, ProblemKind::Unknown { nearest });
        }
    }

    /// The variant of an enum, and its content where it has one.
    pub(crate) fn variant(mut self, variants: &'static [&'static str]) -> Variant<'a> {
        let given = self.pick("a text or a table with one key", |source| match source {
            Source::Tree(Value::Text(text)) => Some((text.as_str(), None)),
            Source::Loose(text) => Some((text, None)),
            Source::Tree(Value::Table(entries)) if entries.len() == 1 => {
                entries.iter().next().map(|(name, node)| (name.as_str(), Some(node)))
            }
            _ => None,
        });
        let level = match given {
            Err(level) => level,
            Ok((name, content)) => match variants.iter().find(|variant| self.walk.matches(variant, name)) {
                Some(name) => return Variant { name, content, reader: self },
                None => self.unknown_variant(name, variants),
            },
        };
        let name = variants.get(level % variants.len().max(1)).copied().unwrap_or_default();
        Variant { name, content: None, reader: self }
    }

    fn unknown_variant(&mut self, name: &str, variants: &[&str]) -> usize {
        let shown: Vec<String> = variants.iter().map(|name| quoted(&self.walk.shown(name))).collect();
        let what = match self.source {
            Source::Loose(_) => "the value".to_owned(),
            _ => quoted(name),
        };
        let mut message = format!("{what} is none of {}", shown.join(", "));
        if let Some(near) = nearest(name, variants.iter().copied()) {
            message.push_str(&format!("; did you mean `{}`?", self.walk.shown(near)));
        }
        self.refuse(ProblemKind::Refused(message))
    }
}

/// The elements of a list that stands as a table with the keys `0`, `1` and so on, as in variables and parameter
/// stores, which have no other way to write a list of tables.
fn numbered(entries: &BTreeMap<String, Node>) -> Option<Vec<&Node>> {
    let items = (0..entries.len()).map(|at| entries.get(&at.to_string())).collect::<Option<Vec<_>>>()?;
    (!items.is_empty()).then_some(items)
}

/// Messages of validated types quote what they refuse: fine for what stands in a file, not for the rest.
fn hide_private(message: &mut String, source: Source<'_>) {
    match source {
        Source::Loose(text) => {
            *message = message.replace(&quoted(text), "the value");
            if !text.is_empty() && message.contains(text) {
                *message = "the value is not accepted here".into();
            }
        }
        Source::Tree(Value::Secret(secret)) => {
            if secret.is_empty() || message.contains(secret.expose()) {
                *message = "the value is not accepted here".into();
            }
        }
        Source::Tree(Value::List(items)) => items.iter().for_each(|node| hide_private(message, node.into())),
        Source::Tree(Value::Table(entries)) => {
            entries.values().for_each(|node| hide_private(message, node.into()));
        }
        Source::Tree(_) | Source::StandIn(_) => {}
    }
}
