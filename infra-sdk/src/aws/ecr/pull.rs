//! Who else may pull: one statement of ours in a repository's policy, beside those of others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The name of our statement; the others are nobody's business here.
const SID: &str = "InfraSdkPull";

/// What pulling needs
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html>).
const ACTIONS: [&str; 3] =
    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// A policy with our statement as wanted and those of others as they are; `None` when no statement is left.
pub(super) fn with_pull(policy: Option<&Value>, accounts: &[String], region: &str) -> Option<Value> {
    let mut policy = policy.cloned().unwrap_or_else(|| json!({ "Version": "2012-10-17" }));
    let mut statements = others(&policy);
    if !accounts.is_empty() {
        let partition = partition(region);
        let principals: Vec<String> =
            accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
        statements.push(json!({
            "Sid": SID,
            "Effect": "Allow",
            "Principal": { "AWS": principals },
            "Action": ACTIONS,
        }));
    }
    if statements.is_empty() {
        return None;
    }
    policy["Statement"] = Value::Array(statements);
    Some(policy)
}

/// How many statements of others there are.
pub(super) fn count_others(policy: Option<&Value>) -> usize {
    policy.map_or(0, |policy| others(policy).len())
}

/// Whether our statement lets exactly these accounts pull, and nothing else.
pub(super) fn allows(policy: Option<&Value>, accounts: &[String]) -> bool {
    let statements = policy.map(statements).unwrap_or_default();
    let ours: Vec<&Value> = statements.into_iter().filter(|statement| is_ours(statement)).collect();
    match ours.as_slice() {
        [] => accounts.is_empty(),
        [ours] => {
            let wanted: BTreeSet<String> = accounts.iter().cloned().collect();
            let actions: BTreeSet<String> = ACTIONS.iter().map(ToString::to_string).collect();
            let known = ["Sid", "Effect", "Principal", "Action"];
            let more = ours
                .as_object()
                .is_none_or(|members| members.keys().any(|key| !known.contains(&key.as_str())));
            let principals = ours["Principal"].as_object();
            let only_accounts = principals.is_some_and(|kinds| kinds.len() == 1);
            !more
                && !wanted.is_empty()
                && ours["Effect"] == "Allow"
                && only_accounts
                && texts(&ours["Principal"]["AWS"])
                    .map(|names| names.iter().map(|name| account(name)).collect())
                    == Some(wanted)
                && texts(&ours["Action"]) == Some(actions)
        }
        _ => false,
    }
}

/// AWS gives a list of one back as its only member.
fn statements(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        lone => vec![lone],
    }
}

fn others(policy: &Value) -> Vec<Value> {
    statements(policy).into_iter().filter(|statement| !is_ours(statement)).cloned().collect()
}

fn is_ours(statement: &Value) -> bool {
    statement["Sid"] == SID
}

fn texts(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::String(text) => Some([text.clone()].into()),
        Value::Array(list) => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// An account is named by its digits, or as its root; AWS gives back either.
fn account(principal: &str) -> String {
    let digits =
        principal.strip_suffix(":root").and_then(|arn| arn.rsplit_once("iam::")).map(|(_, account)| account);
    digits.unwrap_or(principal).to_owned()
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("eusc") => "aws-eusc",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: &str = "eu-central-1";

    fn accounts(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_policy_means_the_same_however_aws_writes_it() {
        let wanted = accounts(&["210987654321", "111122223333"]);
        let ours = with_pull(None, &wanted, REGION).unwrap();
        assert!(allows(Some(&ours), &wanted));
        let mut rewritten = ours.clone();
        rewritten["Statement"][0]["Principal"]["AWS"] =
            json!(["111122223333", "arn:aws:iam::210987654321:root"]);
        rewritten["Statement"][0]["Action"].as_array_mut().unwrap().reverse();
        rewritten["Statement"] = rewritten["Statement"][0].take();
        assert!(allows(Some(&rewritten), &wanted));
        assert!(!allows(Some(&rewritten), &wanted[..1]) && !allows(Some(&rewritten), &[]));
        assert!(allows(None, &[]) && !allows(None, &wanted));
    }

    #[test]
    fn what_was_widened_by_hand_is_not_what_is_wanted() {
        let wanted = accounts(&["210987654321"]);
        let widened = |key: &str, value: Value| {
            let mut policy = with_pull(None, &wanted, REGION).unwrap();
            policy["Statement"][0][key] = value;
            allows(Some(&policy), &wanted)
        };
        assert!(!widened("Principal", json!("*")));
        assert!(!widened("Principal", json!({ "AWS": "arn:aws:iam::210987654321:root", "Service": "x" })));
        assert!(!widened("Action", json!("ecr:*")));
        assert!(!widened("Condition", json!({})));
        assert!(!widened("Effect", json!("Deny")));
    }

    #[test]
    fn statements_of_others_stay_as_they_are() {
        let theirs = json!({ "Sid": "Lambda", "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "ecr:BatchGetImage" });
        let policy = json!({ "Version": "2008-10-17", "Statement": theirs });
        let wanted = accounts(&["210987654321"]);
        let both = with_pull(Some(&policy), &wanted, "cn-north-1").unwrap();
        assert_eq!(
            (both["Statement"][0].clone(), both["Version"].clone()),
            (theirs.clone(), json!("2008-10-17"))
        );
        assert_eq!(both["Statement"][1]["Principal"]["AWS"][0], "arn:aws-cn:iam::210987654321:root");
        assert_eq!(count_others(Some(&both)), 1);
        let back = with_pull(Some(&both), &[], REGION).unwrap();
        assert_eq!(back["Statement"], json!([theirs]));
        assert_eq!(with_pull(with_pull(None, &wanted, REGION).as_ref(), &[], REGION), None);
    }
}
