//! The meaning of an IAM policy: what is a set in it, and which names know no upper case.

use std::borrow::Cow;

// In a policy, too, what the grammar does not know may mean something as it is written.
use crate::plan::json::{Value, canonical_document as canonical};

/// Whether a document is an IAM policy: nothing beside `Version`, `Id` and `Statement`, and every statement allows or
/// denies. Anything less sure is compared as plain JSON, where the order of lists counts.
pub(in crate::plan) fn is_policy(document: &Value<'_>) -> bool {
    let Some(members) = document.as_object() else { return false };
    let Some(statements) = members.get("Statement") else { return false };
    let allows_or_denies = |statement: &Value<'_>| {
        matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"))
    };
    members.iter().all(|(key, _)| matches!(key, "Version" | "Id" | "Statement"))
        && (statements.as_object().is_some() || statements.as_array().is_some_and(|list| !list.is_empty()))
        && as_list(statements).iter().all(allows_or_denies)
}

/// A value as a list: what is none is a list of one.
pub(in crate::plan) fn as_list<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    match value {
        Value::Array(items) => items,
        lone => std::slice::from_ref(lone),
    }
}

/// The canonical text of a policy; `None` when `document` is none.
pub(super) fn canonical_policy(document: &Value<'_>) -> Option<String> {
    if !is_policy(document) {
        return None;
    }
    // No document of another kind has a text that starts so.
    let mut text = "policy".to_owned();
    for (key, value) in document.as_object()?.iter().filter(|(_, value)| !value.is_null()) {
        let value = if key == "Statement" { set(as_list(value), statement) } else { canonical(value) };
        text.push_str(&member(key, &value));
    }
    Some(text)
}

fn statement(statement: &Value<'_>) -> String {
    let members = statement.as_object().into_iter().flat_map(|members| members.iter());
    // An empty Sid is what older providers write for none.
    let is_empty_sid = |key: &str, value: &Value<'_>| key == "Sid" && value.as_str() == Some("");
    let tells = |(key, value): &(&str, &Value<'_>)| !(value.is_null() || is_empty_sid(key, value));
    members.filter(tells).map(|(key, value)| member(key, &element(key, value))).collect()
}

/// An element of a statement. A form that the grammar does not have keeps its plain text.
fn element(key: &str, value: &Value<'_>) -> String {
    match key {
        "Action" | "NotAction" if is_texts(value) => set(as_list(value), action),
        "Resource" | "NotResource" if is_texts(value) => set(as_list(value), canonical),
        "Principal" | "NotPrincipal" => principal(value),
        "Condition" => condition(value),
        _ => canonical(value),
    }
}

/// The name of an action, which is the same in upper and lower case, says the reference of the element.
pub(in crate::plan) fn action(value: &Value<'_>) -> String {
    match value.as_str() {
        Some(text) => canonical(&Value::String(Cow::Owned(text.to_ascii_lowercase()))),
        None => canonical(value),
    }
}

/// Who may, or may not.
pub(in crate::plan) fn principal(value: &Value<'_>) -> String {
    // Everybody: `"*"` and `{"AWS": "*"}` are the same, says the reference of the element.
    if value.as_str() == Some("*") {
        return member("AWS", &set(std::slice::from_ref(value), canonical));
    }
    let Some(kinds) = value.as_object() else { return canonical(value) };
    let of_kind = |(kind, value): (&str, &Value<'_>)| match kind {
        "AWS" if is_texts(value) => member(kind, &set(as_list(value), account)),
        _ if is_texts(value) => member(kind, &set(as_list(value), canonical)),
        _ => member(kind, &canonical(value)),
    };
    kinds.iter().map(of_kind).collect()
}

/// An account has two names, its number and the ARN of its root; AWS itself turns one into the other.
pub(in crate::plan) fn account(value: &Value<'_>) -> String {
    let text = value.as_str().unwrap_or_default();
    let number = text.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
    match number.filter(|number| number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(number) => canonical(&Value::String(number.into())),
        None => canonical(value),
    }
}

fn condition(value: &Value<'_>) -> String {
    let Some(operators) = value.as_object() else { return canonical(value) };
    let of_operator = |(operator, keys): (&str, &Value<'_>)| {
        let Some(keys) = keys.as_object() else { return member(operator, &canonical(keys)) };
        // "Condition key names are not case-sensitive"; two that differ in that alone both stay.
        let of_key = |(key, values): (&str, &Value<'_>)| {
            let is_list = as_list(values).iter().all(|value| !value.is_container());
            let values = if is_list { set(as_list(values), scalar) } else { canonical(values) };
            member(&key.to_ascii_lowercase(), &values)
        };
        let mut keys: Vec<String> = keys.iter().map(of_key).collect();
        keys.sort_unstable();
        member(operator, &format!("{{{}}}", keys.concat()))
    };
    format!("{{{}}}", operators.iter().map(of_operator).collect::<String>())
}

/// The value of a condition: numbers and switches mean the same with and without quotes.
pub(in crate::plan) fn scalar(value: &Value<'_>) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) => canonical(&Value::String(value.to_string().into())),
        other => canonical(other),
    }
}

fn is_texts(value: &Value<'_>) -> bool {
    as_list(value).iter().all(|item| item.as_str().is_some())
}

fn member(key: &str, value: &str) -> String {
    format!("{}:{value},", canonical(&Value::String(key.into())))
}

/// The texts of the members, sorted, each once.
fn set(items: &[Value<'_>], text: impl Fn(&Value<'_>) -> String) -> String {
    let mut texts: Vec<String> = items.iter().map(text).collect();
    texts.sort_unstable();
    texts.dedup();
    format!("({})", texts.join(";"))
}

#[cfg(test)]
mod tests {
    use crate::plan::meaning::same;

    fn policy(statements: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)
    }

    fn of(element: &str) -> String {
        policy(&format!(r#"[{{"Effect":"Allow",{element}}}]"#))
    }

    #[test]
    fn what_is_a_set_in_a_policy_may_stand_in_any_order() {
        let (read, write) = (
            r#"{"Sid":"R","Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["a","b"]}"#,
            r#"{"Effect":"Deny","NotAction":"s3:*","NotResource":"c"}"#,
        );
        let one = policy(&format!("[{read},{write}]"));
        let other = policy(&format!("[{write},{}]", read.replace(r#""a","b""#, r#""b","a","b""#)));
        assert!(same(&one, &other));
        assert!(same(&policy(write), &policy(&format!("[{write}]"))));
        assert!(!same(&one, &policy(&format!("[{read}]"))));
        assert!(!same(&one, &one.replace("\"Deny\"", "\"Allow\"")));
    }

    #[test]
    fn names_without_case_are_equal_and_those_with_it_are_not() {
        assert!(same(&of(r#""Action":"S3:GETobject""#), &of(r#""Action":["s3:GetObject"]"#)));
        assert!(!same(&of(r#""Resource":"arn:A""#), &of(r#""Resource":"arn:a""#)));
        let when =
            |key: &str, value: &str| of(&format!(r#""Condition":{{"StringEquals":{{"{key}":{value}}}}}"#));
        assert!(same(&when("aws:SourceVpc", r#"["b","a"]"#), &when("AWS:sourcevpc", r#"["a","b"]"#)));
        assert!(same(&when("aws:SecureTransport", "true"), &when("aws:SecureTransport", r#"["true"]"#)));
        assert!(!same(&when("aws:SourceVpc", r#""A""#), &when("aws:SourceVpc", r#""a""#)));
    }

    #[test]
    fn principals_have_two_names_for_everybody_and_for_an_account() {
        assert!(same(&of(r#""Principal":"*""#), &of(r#""Principal":{"AWS":["*"]}"#)));
        let root = r#""Principal":{"AWS":"arn:aws:iam::123456789012:root"}"#;
        assert!(same(&of(root), &of(r#""Principal":{"AWS":"123456789012"}"#)));
        assert!(!same(&of(root), &of(r#""Principal":{"AWS":"arn:aws-cn:iam::123456789012:root"}"#)));
        assert!(!same(&of(root), &of(r#""Principal":{"Service":"123456789012"}"#)));
        assert!(!same(&of(r#""Principal":"*""#), &of(r#""NotPrincipal":"*""#)));
    }

    #[test]
    fn an_empty_sid_is_none_and_another_is_told() {
        assert!(same(&of(r#""Sid":"","Action":"a""#), &of(r#""Action":"a""#)));
        assert!(!same(&of(r#""Sid":"x","Action":"a""#), &of(r#""Action":"a""#)));
    }

    #[test]
    fn what_does_not_look_like_a_policy_keeps_the_order_of_its_lists() {
        for document in [
            r#"{"Statement":[{"Action":["a","b"]}]}"#,
            r#"{"Statement":[{"Effect":"allow","Action":["a","b"]}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":["a","b"]},1]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":["a","b"]}],"name":"x"}"#,
            r#"{"Action":["a","b"],"Effect":"Allow"}"#,
            r#"[{"Effect":"Allow","Action":["a","b"]}]"#,
            r#"{"Statement":[{"Effect":"Allow","Unheard":["a","b"]}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":[["a","b"]]}]}"#,
        ] {
            assert!(!same(document, &document.replace(r#""a","b""#, r#""b","a""#)), "{document}");
        }
        assert!(!same(r#"{"Statement":[]}"#, r#"{"Statement":{}}"#));
    }

    #[test]
    fn no_two_policies_are_equal_by_how_their_parts_are_put_together() {
        assert!(!same(&of(r#""Action":["a;b"]"#), &of(r#""Action":["a","b"]"#)));
        assert!(!same(&of(r#""Action":["a\";\"b"]"#), &of(r#""Action":["a","b"]"#)));
        assert!(!same(&of(r#""Action":"a","Resource":"b""#), &of(r#""Action":"a","NotResource":"b""#)));
    }
}
