//! Reading a tree into a type, reporting every problem at once.

use serde::de::DeserializeOwned;

use crate::tree::reader::Reader;
use crate::tree::walk::Walk;
use crate::tree::{Node, Problem};

/// How [`read`] treats keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// What happens to a key that no field reads.
    pub unknown: Unknown,
    /// How keys are matched with fields.
    pub keys: Keys,
}

/// What happens to a key that no field reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It is a problem, with the nearest known key.
    #[default]
    Refuse,
    /// It is passed over.
    Ignore,
}

/// How the keys of a table are matched with the fields of a struct, or a text with the variants of an enum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// The field `vpc_id` reads `vpc-id` or `vpc_id`; problems show the first.
    #[default]
    Kebab,
    /// The field `vpc_id` reads `vpc_id`.
    Exact,
}

/// More walks than this are needed only for a tree where nearly everything is wrong.
const MAX_RUNS: usize = 400;

/// Reads a tree into a type.
///
/// Structs with `#[serde(default)]`, `Option`, nested structs, maps, lists, tuples, newtypes, enums and
/// [`SecretValue`](crate::SecretValue) work as in other formats. A table with the keys `0`, `1` and so on also reads
/// as a list, and an empty [`Loose`](crate::tree::Value::Loose) text as an empty list or table.
/// Numbers must fit their type. A value that a type
/// refuses is a problem with the type's own message.
///
/// Deserialising stops at the first error by nature. To find the next one, the value that was refused is replaced
/// by a stand-in of its type and the tree is walked again, until a walk passes or no stand-in helps; what is wrong
/// with a stand-in, or because of one, is not reported.
///
/// # Errors
/// Everything that is wrong, in the order of the places; after two hundred problems it stops looking for more.
pub fn read<T: DeserializeOwned>(node: &Node, options: ReadOptions) -> Result<T, Vec<Problem>> {
    let walk = Walk::new(options);
    for _ in 0..MAX_RUNS {
        match T::deserialize(Reader::root(node, &walk)) {
            Ok(value) if walk.is_clean() => return Ok(value),
            Ok(_) => break,
            Err(stop) => {
                if walk.is_enough() || !walk.go_on_after(stop, node) {
                    break;
                }
            }
        }
    }
    Err(walk.into_problems(node))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::names::{EnvName, RepoName};
    use crate::secret::SecretValue;
    use crate::tree::{Origin, Value};

    fn node(json: serde_json::Value, path: &str) -> Node {
        use serde_json::Value as J;
        let value = match json {
            J::String(text) => match text.split_once(':') {
                Some(("loose", text)) => Value::Loose(text.into()),
                Some(("secret", text)) => Value::Secret(SecretValue::new(text)),
                _ => Value::Text(text),
            },
            J::Number(number) => {
                number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Integer)
            }
            J::Bool(yes) => Value::Boolean(yes),
            J::Array(items) => Value::List(items.into_iter().map(|item| node(item, path)).collect()),
            J::Object(map) => Value::Table(
                map.into_iter()
                    .map(|(key, value)| {
                        let value = node(value, &format!("{path}/{key}"));
                        (key, value)
                    })
                    .collect(),
            ),
            J::Null => unreachable!(),
        };
        Node::new(value, Origin::named(path))
    }

    fn read_json<T: DeserializeOwned>(json: serde_json::Value) -> Result<T, Vec<String>> {
        read(&node(json, ""), ReadOptions::default())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn problems<T: DeserializeOwned>(json: serde_json::Value) -> Vec<String> {
        match read_json::<T>(json) {
            Ok(_) => Vec::new(),
            Err(problems) => problems,
        }
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Big { factor: u8 },
        Custom(String),
    }

    #[derive(Deserialize, Debug)]
    struct Zone {
        name: RepoName,
        cidr_block: String,
        weight: u8,
        #[serde(default)]
        public: bool,
    }

    #[derive(Deserialize, Debug)]
    struct Network {
        vpc_id: String,
        zones: Vec<Zone>,
        #[serde(default)]
        size: Option<Size>,
        token: Option<SecretValue>,
        ratio: Option<f64>,
        pair: Option<(u8, String)>,
        #[serde(default)]
        by_env: BTreeMap<EnvName, u16>,
    }

    #[test]
    fn every_shape_reads_back() {
        let network: Network = read_json(serde_json::json!({
            "vpc-id": "vpc-1",
            "zones": [{"name": "a", "cidr_block": "10.0.0.0/8", "weight": "loose:7", "public": "loose:true"}],
            "size": {"big": {"factor": 2}},
            "token": "secret:hunter2",
            "ratio": 2,
            "pair": "loose:3, x",
            "by-env": {"local": 1},
        }))
        .unwrap();
        assert_eq!(
            (network.vpc_id.as_str(), network.zones[0].weight, network.zones[0].public),
            ("vpc-1", 7, true)
        );
        assert_eq!(
            (network.zones[0].name.as_str(), network.zones[0].cidr_block.as_str()),
            ("a", "10.0.0.0/8")
        );
        assert_eq!((network.size, network.ratio), (Some(Size::Big { factor: 2 }), Some(2.0)));
        assert_eq!((network.token.unwrap().expose(), network.pair.unwrap()), ("hunter2", (3, "x".into())));
        assert_eq!(network.by_env[&EnvName::local()], 1);
        assert_eq!(read_json::<Size>(serde_json::json!("small")), Ok(Size::Small));
        assert_eq!(read_json::<Size>(serde_json::json!({"custom": "x"})), Ok(Size::Custom("x".into())));
    }

    #[test]
    fn every_problem_is_reported_at_once_and_no_consequence_of_another() {
        let found = problems::<Network>(serde_json::json!({
            "vpcid": "vpc-1",
            "zones": [
                {"name": "No Good", "weight": 300, "public": "yes"},
                {"name": 5, "cidr-block": "x", "weight": -1, "colour": "red"},
                7,
            ],
            "size": "smal",
            "pair": [1],
            "by-env": {"No": 1, "staging": 70000, "local": 2},
        }));
        let name = "use lower-case letters, digits, `-`, `_` and `.`, at most 63";
        let env = "use lower-case letters, digits and `-`, at most 32, starting with a letter";
        assert_eq!(
            found,
            [
                ": `vpc-id` is missing",
                &format!("/by-env/No: `by-env.No`: environment `No` starts with 'N'; {env}"),
                "/by-env/staging: `by-env.staging`: must be a number from 0 to 65535",
                "/pair: `pair`: must have 2 entries, not 1",
                "/size: `size`: `smal` is none of `small`, `big`, `custom`; did you mean `small`?",
                "/vpcid: `vpcid` is not a known key; did you mean `vpc-id`?",
                "/zones: `zones[0].cidr-block` is missing",
                "/zones: `zones[2]` must be a table, not a whole number",
                "/zones/colour: `zones[1].colour` is not a known key",
                &format!("/zones/name: `zones[0].name`: project `No Good` starts with 'N'; {name}"),
                "/zones/name: `zones[1].name` must be a text, not a whole number",
                "/zones/public: `zones[0].public` must be true or false, not a text",
                "/zones/weight: `zones[0].weight`: must be a number from 0 to 255",
                "/zones/weight: `zones[1].weight`: must be a number from 0 to 255",
            ]
        );
    }

    #[test]
    fn several_missing_fields_of_validated_types_are_all_named() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only read")]
        struct All {
            zone: Zone,
            a: RepoName,
            b: crate::names::ParamPath,
            c: crate::Digest,
            d: crate::time::Timestamp,
            e: Size,
        }
        let found = problems::<All>(serde_json::json!({}));
        let missing = ["a", "b", "c", "d", "e", "zone"].map(|name| format!(": `{name}` is missing"));
        assert_eq!(found, missing);
    }

    #[test]
    fn a_secret_is_read_by_a_secret_field_only_and_no_problem_shows_a_private_value() {
        let found = problems::<BTreeMap<String, String>>(serde_json::json!({"a": "secret:canary"}));
        assert_eq!(found, ["/a: `a`: is secret: read it into a SecretValue"]);
        for private in ["loose:Canary Text", "secret:Canary Text"] {
            for shown in [
                problems::<BTreeMap<String, RepoName>>(serde_json::json!({"a": private})),
                problems::<BTreeMap<String, u8>>(serde_json::json!({"a": private})),
                problems::<BTreeMap<String, Size>>(serde_json::json!({"a": private})),
                problems::<BTreeMap<String, bool>>(serde_json::json!({"a": private})),
                problems::<serde_json::Map<String, serde_json::Value>>(
                    serde_json::json!({"a": "secret:Canary"}),
                ),
            ] {
                assert!(shown.len() == 1 && !shown[0].contains("Canary"), "{shown:?}");
            }
        }
    }

    #[test]
    fn unknown_keys_may_be_passed_over_and_keys_matched_exactly() {
        let tree = node(serde_json::json!({"vpc_id": "a", "zones": [], "more": 1}), "");
        let options = ReadOptions { unknown: Unknown::Ignore, keys: Keys::Exact };
        assert!(read::<Network>(&tree, options).is_ok());
        let tree = node(serde_json::json!({"vpc-id": "a", "zones": []}), "");
        assert_eq!(read::<Network>(&tree, options).unwrap_err()[0].path, "vpc_id");
        let twice = problems::<Network>(serde_json::json!({"vpc-id": "a", "vpc_id": "b", "zones": []}));
        assert!(twice[0].contains("given twice"), "{twice:?}");
    }

    #[test]
    fn a_tree_or_a_type_without_end_is_refused_without_overflowing_the_stack() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only read")]
        struct Chain {
            next: Box<Chain>,
        }
        assert_eq!(problems::<Chain>(serde_json::json!({})), [": `next` is missing"]);
        let deep = (0..200).fold(serde_json::json!("x"), |inner, _| serde_json::json!([inner]));
        assert!(problems::<serde_json::Value>(deep)[0].contains("deeper than 64"));
    }

    #[test]
    fn a_numbered_table_is_a_list_in_the_order_of_its_numbers() {
        let numbered: serde_json::Map<String, serde_json::Value> =
            (0..12).map(|n| (n.to_string(), n.into())).collect();
        assert_eq!(read_json::<Vec<u8>>(numbered.into()), Ok((0..12).collect()));
        assert_eq!(read_json::<(u8, u8)>(serde_json::json!({"0": 7, "1": 8})), Ok((7, 8)));
        assert_eq!(
            problems::<Vec<u8>>(serde_json::json!({"0": 7, "2": 8})),
            [": `the whole` must be a list, not a table"]
        );
        assert_eq!(problems::<Vec<u8>>(serde_json::json!({"0": 7, "1": "x"})).len(), 1);
        assert_eq!(read_json::<BTreeMap<String, u8>>("loose:".into()), Ok(BTreeMap::new()));
        assert_eq!(read_json::<Vec<u8>>("loose:".into()), Ok(Vec::new()));
    }

    #[test]
    fn a_type_that_refuses_every_stand_in_hides_no_other_problem() {
        #[derive(Debug)]
        struct Never;
        impl<'de> Deserialize<'de> for Never {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?;
                Err(serde::de::Error::custom("never right"))
            }
        }
        #[derive(Deserialize, Debug)]
        #[serde(rename_all = "lowercase")]
        enum Choice {
            One(Never),
        }
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only read")]
        struct All {
            a: Choice,
            b: Vec<(Never, u8)>,
            c: u8,
        }
        let found =
            problems::<All>(serde_json::json!({"a": {"one": "x"}, "b": [["x", 1], ["y", 300]], "c": 300}));
        assert_eq!(
            found,
            [
                "/a/one: `a.one`: never right",
                "/b: `b[0][0]`: never right",
                "/b: `b[1][0]`: never right",
                "/c: `c`: must be a number from 0 to 255",
            ]
        );
    }

    #[test]
    fn many_problems_come_to_an_end() {
        let many: serde_json::Map<String, serde_json::Value> =
            (0..500).map(|n| (format!("k{n}"), "No".into())).collect();
        assert!(problems::<BTreeMap<String, RepoName>>(many.into()).len() >= 90);
    }
}
