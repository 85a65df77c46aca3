//! The rules by which ECR removes old images: ours as JSON, and whether others mean the same.

use serde_json::{Value, json};

/// Our rules: images without a tag go after some days, and of the tagged ones the newest stay.
///
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>
pub(super) fn wanted(keep: u16, keep_untagged: u64) -> Value {
    json!({ "rules": [
        {
            "rulePriority": 1,
            "description": format!("Images without a tag go after {keep_untagged} days"),
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": keep_untagged,
            },
            "action": { "type": "expire" },
        },
        {
            "rulePriority": 2,
            "description": format!("The newest {keep} tagged images stay"),
            "selection": {
                "tagStatus": "tagged",
                "tagPatternList": ["*"],
                "countType": "imageCountMoreThan",
                "countNumber": keep,
            },
            "action": { "type": "expire" },
        },
    ] })
}

/// Whether two sets of rules do the same: descriptions do nothing, and rules go by their priority.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (meaning(one), meaning(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// How many rules a text of ECR's has; one that is not understood counts as one.
pub(super) fn count(rules: &Value) -> usize {
    rules["rules"].as_array().map_or(1, Vec::len)
}

fn meaning(rules: &Value) -> Option<Vec<Value>> {
    let mut rules: Vec<Value> = rules.get("rules")?.as_array()?.clone();
    for rule in &mut rules {
        rule.as_object_mut()?.remove("description");
        for list in ["tagPatternList", "tagPrefixList"] {
            if let Some(Value::Array(tags)) = rule["selection"].get_mut(list) {
                tags.sort_by_key(ToString::to_string);
            }
        }
    }
    rules.sort_by_key(|rule| rule["rulePriority"].as_u64());
    Some(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_rules_and_their_descriptions_mean_nothing() {
        let ours = wanted(100, 14);
        let mut theirs = ours.clone();
        theirs["rules"].as_array_mut().unwrap().reverse();
        theirs["rules"][0]["description"] = "other words".into();
        assert!(same(&ours, &theirs));
        assert!(!same(&ours, &wanted(99, 14)) && !same(&ours, &wanted(100, 15)));
        theirs["rules"].as_array_mut().unwrap().pop();
        assert!(!same(&ours, &theirs));
        for broken in [json!(null), json!({}), json!({ "rules": [1] })] {
            assert!(!same(&ours, &broken));
        }
        assert_eq!((count(&ours), count(&json!(null))), (2, 1));
    }
}
