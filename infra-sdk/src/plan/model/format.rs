//! Telling a plan from everything else that is handed over for one, and saying how to get a plan.

use crate::error::{Error, Result};
use crate::plan::model::Plan;

const SHOW: &str = "write it with `terraform show -json PLANFILE > plan.json`, or `tofu show -json`";

/// The bytes as text, without the mark some shells put before it.
pub(super) fn text(bytes: &[u8]) -> Result<&str> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::invalid("the plan is empty")
            .hint("the command that should write it failed, or wrote elsewhere")
            .hint(SHOW));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(Error::invalid("this is a saved plan file, not its JSON")
            .hint("convert it with `terraform show -json FILE > plan.json` in the folder of the stack"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::invalid("the plan is written in UTF-16, as some shells do")
            .hint("write it as UTF-8; in PowerShell with `| Out-File -Encoding utf8 plan.json`"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(bytes, error.valid_up_to());
        Error::invalid("the plan is not UTF-8").with("line", line).with("column", column).hint(SHOW)
    })
}

/// Line and column, each from 1, of a byte.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, before.len() - line_start + 1)
}

/// What to say of a text that could not be read as a plan.
pub(super) fn refuse(text: &str, error: &serde_json::Error) -> Error {
    let first_line = text.lines().next().unwrap_or_default();
    if first_line.contains("\"@level\"") || first_line.contains("\"@message\"") {
        return Error::invalid("this is the log that `terraform plan -json` prints, not a plan").hint(
            "save the plan with `terraform plan -out=FILE`, then `terraform show -json FILE > plan.json`",
        );
    }
    if !text.trim_start().starts_with(['{', '[', '"']) {
        return Error::invalid("this is not JSON, so not a plan that can be read").hint(SHOW);
    }
    let refused = |what: &str| {
        let error_at =
            Error::invalid(what.to_owned()).with("line", error.line()).with("column", error.column());
        error_at.because(words(error))
    };
    if error.is_eof() {
        return refused("the plan ends in the middle")
            .hint("the command that wrote it was stopped, or the disk was full: make it again")
            .hint(SHOW);
    }
    refused(if error.is_data() {
        "this is not shaped like a plan"
    } else {
        "the plan is not well-formed JSON"
    })
    .hint(SHOW)
}

/// The error in words that hold nothing of the file: a wrong type is told with the value that has it.
fn words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            let kind = found.split([' ', '`']).next().unwrap_or_default();
            let expected = expected.split(" at line ").next().unwrap_or_default();
            format!("a {kind} stands where {expected} should be")
        }
        None if words.starts_with("invalid value") || words.starts_with("unknown variant") => {
            "a value there is not one a plan may have".to_owned()
        }
        // Where it is stands in the error already.
        None => words.split(" at line ").next().unwrap_or_default().to_owned(),
    }
}

/// Refuses what is JSON, and no plan of a format this version knows.
pub(super) fn check(plan: &Plan<'_>, is_state: bool) -> Result<()> {
    let is_plan = plan.planned_values.is_some()
        || plan.configuration.is_some()
        || !plan.resource_changes.is_empty()
        || !plan.output_changes.is_empty();
    if is_state && !is_plan {
        return Err(Error::invalid("this is a state, not a plan")
            .hint("a state says what is there; save a plan with `terraform plan -out=FILE`")
            .hint(SHOW));
    }
    if plan.format_version.is_empty() {
        return Err(Error::invalid("the JSON has no `format_version`, so it is not a plan").hint(SHOW));
    }
    let major = plan.format_version.split('.').next().unwrap_or_default();
    if !matches!(major, "0" | "1") {
        // A version is told; whatever else stands there may be anything, and is not.
        let is_version = plan.format_version.len() < 16
            && plan.format_version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let shown = if is_version { &*plan.format_version } else { "no version" };
        return Err(Error::invalid("the plan has a format that is newer than this program")
            .with("format", shown)
            .hint("upgrade infra-sdk, or pin an older Terraform in infra.toml"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Plan::parse(bytes).unwrap_err().report().to_string()
    }

    #[test]
    fn what_is_no_plan_is_named_and_the_way_to_one_told() {
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b" \n\t", "is empty"),
            (b"PK\x03\x04rest", "saved plan file"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"{\n  \"a\": \"\xff\"}", "line: 2, column: 9"),
            (b"{\"format_version\":\"1.2\",\"resource_changes\":[{\"addr", "ends in the middle"),
            (b"{\"format_version\":\"1.2\",\"x\":NaN}", "not well-formed JSON (line: 1, column: 29)"),
            (b"{\"format_version\":\"2.0\"}", "newer than this program"),
            (b"{\"version\":4,\"serial\":1,\"lineage\":\"x\",\"resources\":[]}", "a state, not a plan"),
            (b"{\"format_version\":\"1.0\",\"values\":{}}", "a state, not a plan"),
            (
                b"{\"@level\":\"info\",\"@message\":\"x\"}\n{\"@level\":\"info\"}",
                "log that `terraform plan -json`",
            ),
            (b"[]", "not shaped like a plan"),
            (b"{}", "no `format_version`"),
            (b"Terraform will perform", "not JSON"),
            (b"{\"format_version\":\"1.2\",\"format_version\":\"1.2\"}", "twice"),
        ] {
            let report = refusal(bytes);
            assert!(report.contains(expected) && report.contains("next: "), "{expected}\n{report}");
        }
    }

    #[test]
    fn an_error_holds_nothing_of_the_file() {
        let json = br#"{"format_version":"1.2","resource_changes":"canary-secret"}"#;
        let report = refusal(json);
        assert!(!report.contains("canary") && report.contains("a string stands where"), "{report}");
    }

    #[test]
    fn nesting_without_end_is_passed_over_or_refused_and_never_overflows() {
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let elsewhere = format!("{{\"format_version\":\"1.2\",\"future\":{nested}}}");
        assert!(Plan::parse(elsewhere.as_bytes()).is_ok());
        assert!(refusal(nested.as_bytes()).contains("not shaped like a plan"));
    }
}
