//! A task definition as AWS gives it, with its tags.

use serde_json::{Map, Value};

use crate::deploy::ReleaseId;
use crate::error::{Error, ErrorKind, Result};

/// What AWS adds to a definition and does not take back.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html>
const ADDED_BY_AWS: [&str; 9] = [
    "compatibilities",
    "deleteRequestedAt",
    "deregisteredAt",
    "registeredAt",
    "registeredBy",
    "requiresAttributes",
    "revision",
    "status",
    "taskDefinitionArn",
];

/// One revision of a task definition. Its fields are kept as JSON, for there is no list of them that stays true.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) id: ReleaseId,
    pub(super) arn: String,
    /// What stands under `taskDefinition` in AWS's answers.
    pub(super) fields: Map<String, Value>,
    pub(super) tags: Vec<(String, String)>,
}

impl Definition {
    /// Reads the answer of `DescribeTaskDefinition` or `RegisterTaskDefinition`.
    pub(super) fn of_answer(mut answer: Value) -> Result<Self> {
        let odd = || {
            Error::new(ErrorKind::Unavailable, "AWS answered without a task definition")
                .hint("check that AWS_ENDPOINT_URL names a service that answers as AWS does")
        };
        let tags = answer["tags"].take();
        let Value::Object(fields) = answer["taskDefinition"].take() else { return Err(odd()) };
        let arn = fields.get("taskDefinitionArn").and_then(Value::as_str).ok_or_else(odd)?.to_owned();
        let tag = |tag: &Value| Some((tag["key"].as_str()?.to_owned(), tag["value"].as_str()?.to_owned()));
        let tags = tags.as_array().map(|tags| tags.iter().filter_map(tag).collect()).unwrap_or_default();
        Ok(Definition { id: revision_of(&arn).ok_or_else(odd)?, arn, fields, tags })
    }

    /// Whether a service can be set to it; a revision that was deregistered stays to be looked at.
    pub(super) fn is_active(&self) -> bool {
        self.text("status").is_none_or(|status| status == "ACTIVE")
    }

    /// Its fields as they were registered.
    pub(super) fn own_fields(&self) -> Map<String, Value> {
        let mut fields = self.fields.clone();
        fields.retain(|name, _| !ADDED_BY_AWS.contains(&name.as_str()));
        fields
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn containers(&self) -> &[Value] {
        self.fields.get("containerDefinitions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

impl Definition {
    /// Where the containers' lines go: one sentence each.
    pub(super) fn log_places(&self, region: &str) -> Vec<String> {
        let place = |container: &Value| {
            let (name, log) = (container["name"].as_str()?, container.get("logConfiguration")?);
            let driver = log["logDriver"].as_str()?;
            let options = &log["options"];
            let Some(group) = options["awslogs-group"].as_str().filter(|_| driver == "awslogs") else {
                return Some(format!("{name} prints to the log driver {driver}"));
            };
            let region = options["awslogs-region"].as_str().unwrap_or(region);
            let stream = options["awslogs-stream-prefix"]
                .as_str()
                .map(|prefix| format!(" --log-stream-name-prefix {prefix}/{name}/"));
            let stream = stream.unwrap_or_default();
            Some(format!("{name} prints to CloudWatch: aws logs tail {group} --region {region}{stream}"))
        };
        self.containers().iter().filter_map(place).collect()
    }
}

/// `family:revision`, out of that or of an ARN that ends so.
pub(super) fn revision_of(text: &str) -> Option<ReleaseId> {
    let name = text.rsplit('/').next()?;
    let (family, revision) = name.rsplit_once(':')?;
    let counted = !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit());
    if family.is_empty() || !counted { None } else { name.parse().ok() }
}

/// The family of a revision.
pub(super) fn family(id: &ReleaseId) -> &str {
    id.as_str().rsplit_once(':').map_or(id.as_str(), |(family, _)| family)
}

/// The number of a revision, which its family counts up; 0 where there is none.
pub(super) fn number(id: &ReleaseId) -> u64 {
    id.as_str().rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_from_its_name_and_from_its_arn() {
        let arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/shop-api:12";
        assert_eq!(revision_of(arn).unwrap().as_str(), "shop-api:12");
        let id = revision_of("shop-api:12").unwrap();
        assert_eq!((family(&id), number(&id)), ("shop-api", 12));
        for odd in ["", "shop-api", "shop-api:", ":1", "shop-api:x", "arn:aws:ecs:1:task-definition/shop-api"]
        {
            assert_eq!(revision_of(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_answer_without_a_definition_is_an_error() {
        for answer in [serde_json::json!({}), serde_json::json!({ "taskDefinition": { "family": "a" } })] {
            assert!(!Definition::of_answer(answer).unwrap_err().hints().is_empty());
        }
    }
}
