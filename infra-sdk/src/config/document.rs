//! Reading a TOML file into a tree whose every value knows its line and column.

use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::file;
use crate::tree::{Node, Origin, Problem, ProblemKind, Value, refused};

/// Settings larger than this are not settings.
pub(crate) const MAX_BYTES: u64 = 1_000_000;

/// Reads a TOML file; `None` when it is not there. `name` stands for the file in messages.
pub(crate) fn read(path: &Path, name: &str) -> Result<Option<Node>> {
    file::read_text(path, MAX_BYTES)?.map(|text| parse(&text, name)).transpose()
}

/// Reads TOML text; `name` stands for it in messages.
pub(crate) fn parse(text: &str, name: &str) -> Result<Node> {
    let mut source = Source::new(text, name);
    let (table, errors) = DeTable::parse_recoverable(text);
    // The first error in the text is the cause; those behind it are often its consequences.
    if let Some(error) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) {
        let origin = source.origin(error.span().map_or(0, |span| span.start));
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(Error::invalid(format!("{name} is not TOML"))
            .because(format!("{origin}: {message}"))
            .hint("correct the syntax at this place (https://toml.io shows it in one page)"));
    }
    let root = source.origin(0);
    let node = Node::new(source.table(table.get_ref(), ""), root);
    if source.problems.is_empty() {
        return Ok(node);
    }
    Err(refused(format!("{name} holds values that cannot be read"), &source.problems)
        .hint("write them as text in quotes"))
}

struct Source<'a> {
    name: Arc<str>,
    text: &'a str,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    problems: Vec<Problem>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, name: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Source { name: name.into(), text, lines, problems: Vec::new() }
    }

    fn origin(&self, offset: usize) -> Origin {
        let line = self.lines.partition_point(|start| *start <= offset);
        let before = self.text.get(self.lines[line - 1]..offset).unwrap_or_default();
        // A column counts characters; in a line that no person reads bytes do, which costs nothing.
        let column = if before.len() < 4096 { before.chars().count() } else { before.len() };
        Origin::file(self.name.clone(), line as u32, column as u32 + 1)
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Value {
        let entries = table.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            let path = crate::tree::child(path, name);
            let origin = self.origin(key.span().start);
            (name.to_owned(), self.node(value.get_ref(), origin, &path))
        });
        Value::Table(entries.collect())
    }

    fn node(&mut self, value: &DeValue<'_>, origin: Origin, path: &str) -> Node {
        let value = match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(yes) => Value::Boolean(*yes),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => self.refuse("the number is too large", &origin, path),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => self.refuse("is not a number", &origin, path),
            },
            DeValue::Datetime(_) => self.refuse("dates have no meaning here", &origin, path),
            DeValue::Array(items) => {
                let items = items.iter().enumerate().map(|(at, item)| {
                    let origin = self.origin(item.span().start);
                    self.node(item.get_ref(), origin, &crate::tree::item(path, at))
                });
                Value::List(items.collect())
            }
            DeValue::Table(table) => self.table(table, path),
        };
        Node::new(value, origin)
    }

    fn refuse(&mut self, why: &str, origin: &Origin, path: &str) -> Value {
        let kind = ProblemKind::Refused(why.to_owned());
        self.problems.push(Problem { origin: Some(origin.clone()), path: path.to_owned(), kind });
        Value::Boolean(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line_and_column() {
        let text = "# é\n[a.b]\nx = 1\n  y = [\"ü\", 2.5]\n[[c]]\nz = { q = true }\n";
        let shown: Vec<String> = parse(text, "t.toml")
            .unwrap()
            .leaves()
            .iter()
            .map(|(path, node)| format!("{path} {:?} {}", node.value, node.origin))
            .collect();
        assert_eq!(
            shown,
            [
                "a.b.x 1 t.toml:3:1",
                "a.b.y [Node { value: \"ü\", origin: t.toml:4:8 }, Node { value: 2.5, origin: t.toml:4:13 }] t.toml:4:3",
                "c[0].z.q true t.toml:6:7"
            ]
        );
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_place() {
        let report = |text: &str| parse(text, "infra.toml").unwrap_err().report().to_string();
        assert!(
            report("[project]\nname = \"a\nb\"\n").contains("infra.toml:2:"),
            "{}",
            report("[project]\nname = \"a\nb\"\n")
        );
        assert!(report("a = 1\na = 2\n").contains("infra.toml:2:1"));
        let dates = report("a = 2026-01-01\nb = [99999999999999999999]\n");
        assert!(dates.contains("infra.toml:1:1: `a`") && dates.contains("infra.toml:2:6: `b[0]`"), "{dates}");
    }
}
