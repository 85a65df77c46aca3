//! Turning a tree of values into parameters, a leaf each.

use std::collections::BTreeMap;

use crate::names::ParamPath;
use crate::refs::{Contract, FieldType, ParameterValue, ParameterWrite};
use crate::tree::{Node, Problem, ProblemKind, Value};

/// A tree as parameters.
pub(crate) struct Flattened {
    /// The parameters, in the order of their paths.
    pub(crate) writes: Vec<ParameterWrite>,
    /// What each holds, by its path below the tree.
    pub(crate) fields: BTreeMap<String, FieldType>,
}

/// The parameters of a tree below `root`, in the order of their paths; or everything that is wrong with it.
///
/// A list of plain values is one parameter. Other lists have a level for each element, counted from 0. What is
/// empty, a list or a table, is an empty list, so that it is not taken for missing.
pub(crate) fn flatten(root: &ParamPath, value: Value) -> Result<Flattened, Vec<Problem>> {
    let (writes, fields, problems) = (Vec::new(), BTreeMap::new(), Vec::new());
    let mut flat = Flat { root, writes, fields, problems };
    flat.add(root, value);
    flat.writes.sort_by(|a, b| a.path.cmp(&b.path));
    let Flat { writes, fields, problems, .. } = flat;
    if problems.is_empty() { Ok(Flattened { writes, fields }) } else { Err(problems) }
}

struct Flat<'a> {
    root: &'a ParamPath,
    writes: Vec<ParameterWrite>,
    fields: BTreeMap<String, FieldType>,
    problems: Vec<Problem>,
}

impl Flat<'_> {
    fn add(&mut self, path: &ParamPath, value: Value) {
        match value {
            Value::Table(entries) if !entries.is_empty() => {
                for (name, node) in entries {
                    self.below(path, &name, node);
                }
            }
            Value::List(items) if items.iter().all(|item| plain(&item.value).is_some()) => {
                let texts = items.iter().filter_map(|item| plain(&item.value)).collect();
                self.write(path, ParameterValue::List(texts), FieldType::of_list(&items));
            }
            Value::List(items) => {
                for (at, node) in items.into_iter().enumerate() {
                    self.below(path, &at.to_string(), node);
                }
            }
            Value::Secret(secret) => self.write(path, ParameterValue::Secret(secret), FieldType::Secret),
            value => match (plain(&value), FieldType::of(&value)) {
                (Some(text), Some(kind)) => self.write(path, ParameterValue::Plain(text), kind),
                _ => self.write(path, ParameterValue::List(Vec::new()), FieldType::Empty),
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
            // Read as a field, a contract would be one more value; written as one, it would be lost.
            Ok(path) if Contract::tree_of(&path).is_some() => {
                self.refuse(
                    &path,
                    "is where the contract of another value stands; give it another name".into(),
                );
            }
            Ok(path) => self.add(&path, node.value),
            Err(why) => self.refuse(parent, why),
        }
    }

    fn write(&mut self, path: &ParamPath, value: ParameterValue, kind: FieldType) {
        let write = ParameterWrite::new(path.clone(), value);
        match write.fault() {
            None => {
                self.fields.insert(path.below(self.root).unwrap_or_default().to_owned(), kind);
                self.writes.push(write);
            }
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
        let value = serde_json::json!({"a b": "x", "ok": "x", "empty": "", "list": ["a,b"], "x/y": "x", "..": "x", "a.contract": "x"});
        let Err(problems) = flatten(&root(), tree(&value).unwrap().unwrap()) else {
            panic!("it was accepted")
        };
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 6, "{shown:#?}");
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
        let Ok(Flattened { writes, fields }) = flatten(&root(), value) else { panic!("it was refused") };
        let paths: Vec<&str> = writes.iter().filter_map(|write| write.path.below(&root())).collect();
        assert_eq!(paths, ["bare", "keys/0", "keys/1", "none"]);
        assert_eq!(writes[0].value, ParameterValue::List(Vec::new()));
        assert!(matches!(writes[1].value, ParameterValue::Secret(_)));
        let types: Vec<&str> = fields.values().map(|kind| kind.word()).collect();
        assert_eq!(types, ["empty", "secret", "secret", "empty"]);
    }
}
