//! What a reviewer wants to know of something that goes away: its plain attributes, and not too many.

use crate::error::Result;
use crate::plan::diff::ResourceDiff;
use crate::plan::diff::members::Members;
use crate::plan::diff::place::Place;
use crate::plan::diff::rules::Rules;
use crate::plan::diff::walk::{Node, Walk};
use crate::plan::json::{Mark, Value};

/// More attributes of something that goes away are a list nobody reads.
const MOST: usize = 20;

/// A longer text is a document, and tells nothing that the name does not.
const LONGEST: usize = 200;

/// Attributes that tell which one it is, wherever in the alphabet they stand.
const FIRST: [&str; 12] = [
    "arn",
    "bucket",
    "cidr_block",
    "description",
    "domain_name",
    "engine",
    "function_name",
    "id",
    "identifier",
    "instance_type",
    "name",
    "type",
];

/// The plain attributes of the top level: no lists, objects, long or empty texts, and nothing sensitive.
pub(super) fn removed<'a>(before: &Members<'a>, was: Mark<'_>, rules: &Rules) -> Result<ResourceDiff<'a>> {
    let tells = |key: &&str| {
        let raw = before.get(key).map_or("[", |raw| raw.get());
        let is_short = raw.len() <= LONGEST && !raw.starts_with(['[', '{']) && raw != "\"\"";
        is_short && !raw.contains("\\n") && !was.key(key).is_any()
    };
    let (mut keys, others): (Vec<&str>, Vec<&str>) =
        before.keys().filter(tells).partition(|key| FIRST.contains(key));
    keys.extend(others);
    keys.truncate(MOST);
    keys.sort_unstable();

    let mut walk = Walk::new(rules, String::new());
    for key in keys {
        let old = Value::of_part(before.get(key))?;
        walk.member(key, Node::new(Some(&old), None, [Mark::NONE; 3]), Place::Plain);
    }
    Ok(walk.end())
}
