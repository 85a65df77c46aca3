//! What failed, as the object that `--output json` shows where nothing was reported.

use serde_json::{Map, Value, json};

use crate::app::exit;
use crate::error::{Error, ErrorKind};
use crate::mask::Masks;

/// `{"error": {"task", "kind", "message", "context", "causes", "hints", "retryable", "exit_code"}}`; every text is masked by
/// itself, so that it stays JSON.
pub(crate) fn as_json(task: Option<&str>, error: &Error, masks: &Masks) -> Value {
    let text = |text: &str| Value::from(masks.apply(text).into_owned());
    let mut context = Map::new();
    for (key, value) in error.context() {
        context.entry(key).or_insert_with(|| text(value));
    }
    let mut hints: Vec<Value> = error.hints().iter().map(|hint| text(hint)).collect();
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(text(&cause.to_string()));
        if let Some(inner) = cause.downcast_ref::<Error>() {
            hints.extend(inner.hints().iter().map(|hint| text(hint)));
        }
        next = cause.source();
    }
    json!({ "error": {
        "task": task,
        "kind": word(error.kind()),
        "message": text(error.operation()),
        "context": context,
        "causes": causes,
        "hints": hints,
        "retryable": error.is_retryable(),
        "exit_code": exit::code_of(error),
    }})
}

/// What a script tells kinds apart by.
fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::Denied => "denied",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Locked => "locked",
        ErrorKind::Invalid => "invalid",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::TimedOut => "timed_out",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::NotBuilt => "not_built",
        ErrorKind::Failed => "failed",
        ErrorKind::Io => "io",
        ErrorKind::Bug => "bug",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    #[test]
    fn the_whole_story_is_in_the_object_and_no_secret() {
        let masks = Masks::new();
        masks.add(&SecretValue::new("canary-of-an-error"));
        let inner = Error::new(ErrorKind::Io, "write canary-of-an-error").hint("make room");
        let error = Error::new(ErrorKind::Locked, "the state is locked")
            .with("holder", "canary-of-an-error")
            .with("holder", "another")
            .because(inner)
            .hint("wait")
            .retryable();
        assert_eq!(
            as_json(Some("apply"), &error, &masks),
            json!({ "error": {
                "task": "apply", "kind": "locked", "message": "the state is locked", "context": { "holder": "***" },
                "causes": ["write ***"], "hints": ["wait", "make room"], "retryable": true, "exit_code": 6,
            }})
        );
    }
}
