//! Turning a tree of values into parameters, a leaf each.

use crate::names::ParamPath;
use crate::refs::{ParameterValue, ParameterWrite};
use crate::tree::{Node, Problem, ProblemKind, Value};

/// The parameters of a tree below `root`, in the order of their paths; or everything that is wrong with it.
///
/// A list of plain values is one parameter. Other lists have a level for each element, counted from 0. What is
/// empty, a list or a table, is an empty list, so that it is not taken for missing.
pub(crate) fn flatten(root: &ParamPath, value: Value) -> Result<Vec<ParameterWrite>, Vec<Problem>> {
    let mut flat = Flat { writes: Vec::new(), problems: Vec::new() };
    flat.add(root, value);
    flat.writes.sort_by(|a, b| a.path.cmp(&b.path));
    if flat.problems.is_empty() { Ok(flat.writes) } else { Err(flat.problems) }
}

struct Flat {
    writes: Vec<ParameterWrite>,
    problems: Vec<Problem>,
}

impl Flat {
    fn add(&mut self, path: &ParamPath, value: Value) {
        match value {
            Value::Table(entries) if !entries.is_empty() => {
                for (name, node) in entries {
                    self.below(path, &name, node);
                }
            }
            Value::List(items) if items.iter().all(|item| plain(&item.value).is_some()) => {
                let texts = items.iter().filter_map(|item| plain(&item.value)).collect();
                self.write(path, ParameterValue::List(texts));
            }
            Value::List(items) => {
                for (at, node) in items.into_iter().enumerate() {
                    self.below(path, &at.to_string(), node);
                }
            }
            Value::Secret(secret) => self.write(path, ParameterValue::Secret(secret)),
            value => match plain(&value) {
                Some(text) => self.write(path, ParameterValue::Plain(text)),
                None => self.write(path, ParameterValue::List(Vec::new())),
            },
        }
    }

    fn below(&mut self, parent: &ParamPath, name: &str, node: Node) {
        // A slash in a name would silently become two levels.
        let joined = if name.contains('/') {
            Err(format!("the name {} contains '/'", crate::names::quoted(name)))
        } else {
            parent.join(name).map_err(|error| error.operation().to_owned())
        };
        match joined {
            Ok(path) => self.add(&path, node.value),
            Err(why) => self.refuse(parent, why),
        }
    }

    fn write(&mut self, path: &ParamPath, value: ParameterValue) {
        let write = ParameterWrite { path: path.clone(), value };
        match write.fault() {
            None => self.writes.push(write),
            Some((fault, way_out)) => self.refuse(path, format!("{fault}; {way_out}")),
        }
    }

    fn refuse(&mut self, path: &ParamPath, why: String) {
        let kind = ProblemKind::Refused(why);
        self.problems.push(Problem { origin: None, path: path.to_string(), kind });
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Loose(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        Value::List(_) | Value::Table(_) | Value::Secret(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refs::serialize::{node, tree};

    fn root() -> ParamPath {
        "/infrastructure/network".parse().unwrap()
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let value =
            serde_json::json!({"a b": "x", "ok": "x", "empty": "", "list": ["a,b"], "x/y": "x", "..": "x"});
        let problems = flatten(&root(), tree(&value).unwrap().unwrap()).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 5, "{shown:#?}");
    }

    #[test]
    fn empty_lists_and_tables_are_kept_and_secrets_in_lists_stay_secret() {
        let secret = |text: &str| node(Value::Secret(crate::secret::SecretValue::new(text)));
        let value = Value::Table(
            [
                ("none", node(Value::List(Vec::new()))),
                ("bare", node(Value::Table(Default::default()))),
                ("keys", node(Value::List(vec![secret("a"), secret("b")]))),
            ]
            .map(|(name, node)| (name.to_owned(), node))
            .into(),
        );
        let writes = flatten(&root(), value).unwrap();
        let paths: Vec<&str> = writes.iter().filter_map(|write| write.path.below(&root())).collect();
        assert_eq!(paths, ["bare", "keys/0", "keys/1", "none"]);
        assert_eq!(writes[0].value, ParameterValue::List(Vec::new()));
        assert!(matches!(writes[1].value, ParameterValue::Secret(_)));
    }
}
