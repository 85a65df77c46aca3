//! The tags that everything has which can have tags.

use crate::error::Result;
use crate::plan::json::{Mark, Value};
use crate::plan::judge::check::finding;
use crate::plan::judge::{Finding, Level, Rules};
use crate::plan::model::ResourceChange;

/// Refuses an AWS resource that is made or changed without a required tag.
///
/// `tags_all` has the provider's default tags as well. It is unknown when a tag is, which is then nobody's fault, but
/// also when there is no tag at all: `tags` tells the two apart.
pub(super) fn required(resource: &ResourceChange<'_>, rules: &Rules) -> Result<Option<Finding>> {
    let change = &resource.change;
    let touched = change.actions.creates() || change.actions.updates();
    if rules.required_tags.is_empty() || !touched || !resource.kind.starts_with("aws_") {
        return Ok(None);
    }
    let (after, unknown) = (Value::of_part(change.after)?, Value::of_part(change.after_unknown)?);
    let mark = Mark::of(&unknown);
    let all = after.get("tags_all").filter(|_| !mark.key("tags_all").is_whole());
    let has = |key: &str| after.get(key).is_some() || mark.key(key).is_any();
    let (tags, mark) = match all {
        Some(tags) => (tags, mark.key("tags_all")),
        None if has("tags") && !mark.key("tags").is_any() => {
            (after.get("tags").unwrap_or(&Value::Null), mark.key("tags"))
        }
        None => return Ok(None),
    };
    // Lists of tags are those of other things than a resource.
    if !matches!(tags, Value::Object(_) | Value::Null) {
        return Ok(None);
    }
    let set = |tag: &str| match tags.get(tag) {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(value) => !value.is_null(),
        None => mark.key(tag).is_any(),
    };
    let missing: Vec<String> =
        rules.required_tags.iter().filter(|tag| !set(tag)).map(|tag| format!("`{tag}`")).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let noun = if missing.len() == 1 { "tag" } else { "tags" };
    let message = format!(
        "the {noun} {} {} missing",
        missing.join(", "),
        if missing.len() == 1 { "is" } else { "are" }
    );
    let hint = "set it in `tags` of the resource, or once in `default_tags` of the provider";
    Ok(Some(finding(resource, "required-tags", Level::Error, message, hint)))
}
