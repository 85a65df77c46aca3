//! The policy of a bucket: one statement of ours among those of others.

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// By this our statement is known again.
const SID: &str = "InfraSdkRequireTls";

/// A policy as it is, or none.
pub(super) struct Policy {
    document: Value,
    bucket: String,
    partition: &'static str,
}

impl Policy {
    /// Reads what S3 gives.
    ///
    /// # Errors
    /// `Invalid` for what is no policy: nothing of others may be lost.
    pub(super) fn parse(text: Option<&str>, bucket: &str, region: &str) -> Result<Self> {
        let none = || json!({ "Version": "2012-10-17", "Statement": [] });
        let document: Value = match text.filter(|text| !text.trim().is_empty()) {
            None => none(),
            Some(text) => serde_json::from_str(text).map_err(|error| unreadable(bucket).because(error))?,
        };
        let is_policy = document.get("Statement").is_some_and(|list| list.is_array() || list.is_object());
        if !is_policy {
            return Err(unreadable(bucket));
        }
        let partition = match region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Ok(Policy { document, bucket: bucket.to_owned(), partition })
    }

    /// Denies everything that comes unencrypted
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html>).
    fn ours(&self) -> Value {
        let arn = format!("arn:{}:s3:::{}", self.partition, self.bucket);
        json!({
            "Sid": SID,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        })
    }

    fn statements(&self) -> Vec<Value> {
        match &self.document["Statement"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        }
    }

    /// Whether a statement does what ours would, whatever it is called.
    pub(super) fn requires_tls(&self) -> bool {
        let ours = meaning(&self.ours());
        self.statements().iter().any(|statement| meaning(statement) == ours)
    }

    /// The policy with our statement; those of others stay as they are.
    pub(super) fn with_tls(&self) -> String {
        let mut statements = self.statements();
        statements.retain(|statement| statement["Sid"] != SID);
        statements.push(self.ours());
        let mut document = self.document.clone();
        document["Statement"] = Value::Array(statements);
        document.to_string()
    }
}

fn unreadable(bucket: &str) -> Error {
    Error::invalid("the policy of the bucket can not be read, so nothing is put into it")
        .with("bucket", bucket)
        .hint("look at it with `aws s3api get-bucket-policy`")
}

/// A statement without its name, and with what IAM takes for the same written in one way.
fn meaning(statement: &Value) -> Value {
    let mut statement = statement.clone();
    if let Some(fields) = statement.as_object_mut() {
        fields.remove("Sid");
        if let Some(principal) = fields.get_mut("Principal")
            && principal.get("AWS").is_some_and(|who| single(who) == "*")
        {
            *principal = Value::from("*");
        }
        for name in ["Action", "Resource"] {
            let Some(field) = fields.get_mut(name) else { continue };
            let mut list = match field.take() {
                Value::Array(list) => list,
                one => vec![one],
            };
            list.sort_by_key(Value::to_string);
            *field = Value::Array(list);
        }
        if let Some(switch) = fields.get_mut("Condition").and_then(|test| test.get_mut("Bool"))
            && let Some(value) = switch.get_mut("aws:SecureTransport")
        {
            *value = match single(value) {
                Value::Bool(on) => Value::from(on.to_string()),
                other => other,
            };
        }
    }
    statement
}

/// What a list of one holds.
fn single(value: &Value) -> Value {
    match value {
        Value::Array(list) if list.len() == 1 => list[0].clone(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: Option<&str>) -> Policy {
        Policy::parse(text, "acme-state", "eu-central-1").unwrap()
    }

    #[test]
    fn a_policy_gets_one_statement_and_keeps_those_of_others() {
        let theirs = r#"{"Version":"2012-10-17","Id":"x","Statement":{"Sid":"Theirs","Effect":"Allow"}}"#;
        let first = policy(Some(theirs));
        assert!(!first.requires_tls() && !policy(None).requires_tls());
        let text = first.with_tls();
        let second = policy(Some(&text));
        assert!(second.requires_tls());
        assert_eq!(second.statements().len(), 2);
        assert_eq!((&second.statements()[0]["Sid"], &second.document["Id"]), (&"Theirs".into(), &"x".into()));
        assert_eq!(policy(Some(&second.with_tls())).statements().len(), 2, "ours is replaced, not repeated");
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        let other = r#"{"Statement":[{"Sid":"Other","Effect":"Deny","Principal":{"AWS":["*"]},"Action":["s3:*"],
            "Resource":["arn:aws:s3:::acme-state/*","arn:aws:s3:::acme-state"],
            "Condition":{"Bool":{"aws:SecureTransport":["false"]}}}]}"#;
        assert!(policy(Some(other)).requires_tls());
        let weaker = other.replace("\"arn:aws:s3:::acme-state\"", "\"arn:aws:s3:::acme-state/x\"");
        assert!(!policy(Some(&weaker)).requires_tls());
        assert!(!policy(Some(&other.replace("Deny", "Allow"))).requires_tls());
        let china = Policy::parse(None, "acme-state", "cn-north-1").unwrap();
        assert!(china.with_tls().contains("arn:aws-cn:s3:::acme-state"));
    }

    #[test]
    fn what_is_no_policy_is_not_overwritten() {
        for bad in ["nonsense", "{}", "[]", "{\"Statement\":3}"] {
            let error = Policy::parse(Some(bad), "acme-state", "eu-central-1").err().unwrap();
            assert!(!error.hints().is_empty(), "{bad}");
        }
    }
}
