//! Documents of AWS IAM: statements that let everybody in, or somebody do everything.

use crate::error::Result;
use crate::plan::json::Value;
use crate::plan::judge::check::finding;
use crate::plan::judge::exposure::Exposure;
use crate::plan::judge::{Finding, Level};
use crate::plan::model::ResourceChange;

/// Resource types that say what somebody may do, and the attribute the document stands in.
const DOCUMENTS: [(&str, &str); 6] = [
    ("aws_iam_policy", "policy"),
    ("aws_iam_role_policy", "policy"),
    ("aws_iam_user_policy", "policy"),
    ("aws_iam_group_policy", "policy"),
    ("aws_ssoadmin_permission_set_inline_policy", "inline_policy"),
    ("aws_iam_role", "inline_policy"),
];

/// Resource types that give somebody a policy that stands elsewhere.
const ATTACHMENTS: [&str; 5] = [
    "aws_iam_role_policy_attachment",
    "aws_iam_user_policy_attachment",
    "aws_iam_group_policy_attachment",
    "aws_iam_policy_attachment",
    "aws_ssoadmin_managed_policy_attachment",
];

/// Conditions that say how somebody comes, and not who.
const NOT_WHO: [&str; 3] = ["aws:securetransport", "s3:tlsversion", "aws:viaawsservice"];

/// The statements of a document that let everybody in without a condition.
pub(super) fn open_statements(document: &str) -> Vec<Exposure> {
    statements(document, |statement| {
        let who = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(principal), _) if is_everybody(principal) => "everybody",
            (None, Some(_)) => "everybody but a few",
            _ => return None,
        };
        if !allows(statement) || is_limited(statement) {
            return None;
        }
        let message = format!("its policy lets {who} in (`Principal`) without a condition on who it is");
        Some(Exposure { key: statement.to_string(), message, level: Level::Error })
    })
}

/// The rule `admin`: refuses what lets somebody do everything to everything, where that is new.
pub(super) fn admin(resource: &ResourceChange<'_>) -> Result<Vec<Finding>> {
    let kind = &*resource.kind;
    let change = &resource.change;
    let attribute = DOCUMENTS.iter().find(|(known, _)| *known == kind).map(|(_, attribute)| *attribute);
    let known = attribute.is_some() || ATTACHMENTS.contains(&kind);
    if !known || !(change.actions.creates() || change.actions.updates()) {
        return Ok(Vec::new());
    }
    let everything = |value: &Value<'_>| -> Vec<Exposure> {
        let arns =
            ["policy_arn", "managed_policy_arn"].into_iter().filter_map(|key| value.get(key)?.as_str());
        let mut found: Vec<Exposure> = arns
            .filter(|arn| arn.ends_with(":iam::aws:policy/AdministratorAccess"))
            .map(|_| Exposure::new("it gives `AdministratorAccess`, every action on every resource"))
            .collect();
        for document in attribute.and_then(|attribute| value.get(attribute)).into_iter().flat_map(texts) {
            found.extend(statements(document, |statement| {
                let open =
                    allows(statement) && has(statement, "Action", "*") && has(statement, "Resource", "*");
                let message = "it allows every action on every resource".to_owned();
                open.then(|| Exposure { key: statement.to_string(), message, level: Level::Error })
            }));
        }
        found
    };
    let (before, after) = (Value::of_part(change.before)?, Value::of_part(change.after)?);
    let were = everything(&before);
    let new = everything(&after).into_iter().filter(|found| !were.iter().any(|was| was.key == found.key));
    let hint = "name the actions and the resources that are needed";
    Ok(new.map(|found| finding(resource, "admin", found.level, found.message, hint)).collect())
}

/// The documents in an attribute: one text, or a list of blocks that each hold one as `policy`.
fn texts<'v>(value: &'v Value<'_>) -> Vec<&'v str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(blocks) => blocks.iter().filter_map(|block| block.get("policy")?.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// What `ask` says of each statement of a document. What is no document has none: the cloud refuses it.
fn statements<T>(document: &str, ask: impl Fn(&Value<'_>) -> Option<T>) -> Vec<T> {
    let Ok(document) = Value::parse(document) else { return Vec::new() };
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().filter_map(ask).collect(),
        Some(statement) => ask(statement).into_iter().collect(),
        None => Vec::new(),
    }
}

fn allows(statement: &Value<'_>) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
}

/// Whether a member, a text or a list of texts, has `wanted`, however many stars it is written with: `*:*` is `*`.
fn has(statement: &Value<'_>, key: &str, wanted: &str) -> bool {
    let is = |value: &Value<'_>| {
        value.as_str().is_some_and(|text| {
            text == wanted || !text.is_empty() && text.chars().all(|c| matches!(c, '*' | ':'))
        })
    };
    match statement.get(key) {
        Some(Value::Array(items)) => items.iter().any(is),
        Some(value) => is(value),
        None => false,
    }
}

fn is_everybody(principal: &Value<'_>) -> bool {
    match principal {
        Value::String(text) => text == "*",
        Value::Array(items) => items.iter().any(is_everybody),
        Value::Object(kinds) => {
            kinds.get("AWS").is_some_and(is_everybody) || kinds.get("*").is_some_and(is_everybody)
        }
        _ => false,
    }
}

/// Whether a condition says who it must be.
fn is_limited(statement: &Value<'_>) -> bool {
    let operators = statement.get("Condition").and_then(Value::as_object);
    operators.into_iter().flat_map(|operators| operators.iter()).any(|(_, tests)| {
        let keys = tests.as_object().into_iter().flat_map(|tests| tests.iter());
        keys.map(|(key, _)| key.to_ascii_lowercase()).any(|key| !NOT_WHO.contains(&key.as_str()))
    })
}
