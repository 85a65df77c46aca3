//! What tasks reported, and the one document that `--output json` makes of it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A report, or several of them.
#[derive(Debug)]
pub(crate) enum Reported {
    /// A report, its texts masked one by one.
    Tree(Value),
    /// JSON text that is written as it is: for numbers that no `Value` holds exactly, and for large documents.
    Text(Box<RawValue>),
    /// Several reports of one task.
    List(Vec<Reported>),
    /// Those of several tasks, by name.
    Map(Vec<(String, Reported)>),
}

impl Reported {
    /// The reports of one task, as one.
    pub(crate) fn of_task(mut reports: Vec<Reported>) -> Self {
        match reports.len() {
            0 => Reported::Tree(Value::Null),
            1 => reports.remove(0),
            _ => Reported::List(reports),
        }
    }

    /// Whether nothing was reported.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Reported::Tree(Value::Null))
    }
}

impl Serialize for Reported {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Reported::Tree(value) => value.serialize(serializer),
            Reported::Text(text) => text.serialize(serializer),
            Reported::List(reports) => reports.serialize(serializer),
            Reported::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, reported) in members {
                    map.serialize_entry(name, reported)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_it_is_and_several_reports_become_a_list() {
        let text = |json: &str| Reported::Text(RawValue::from_string(json.to_owned()).unwrap());
        let one = Reported::of_task(vec![text("{\"n\":12345678901234567890.5}")]);
        let two = Reported::of_task(vec![text("1"), Reported::Tree("x".into())]);
        let all = Reported::Map(vec![
            ("one".into(), one),
            ("two".into(), two),
            ("none".into(), Reported::of_task(vec![])),
        ]);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(json, r#"{"one":{"n":12345678901234567890.5},"two":[1,"x"],"none":null}"#);
    }
}
