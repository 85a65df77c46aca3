//! What wrangler writes for programs, one JSON record a line, and what it means for who asked.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::cloudflare::answers::explained;
use crate::cloudflare::worker::program::last_lines;
use crate::deploy::ReleaseId;
use crate::error::{Error, ErrorKind, Result};
use crate::mask::Masks;
use crate::names::quoted;
use crate::process::Finished;
use crate::time::human;

/// The longest message of wrangler that is shown.
const MESSAGE: usize = 600;

/// A record of the file that `WRANGLER_OUTPUT_FILE_PATH` names, as far as it is used here
/// (<https://github.com/cloudflare/workers-sdk>, the package `workers-utils`, `output.ts`).
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Record {
    /// It began.
    WranglerSession { wrangler_version: String },
    /// A version is there.
    VersionUpload(Made),
    /// A version is there and gets all requests.
    Deploy(Made),
    /// It failed.
    CommandFailed {
        #[serde(default)]
        message: String,
        #[serde(default)]
        code: Value,
        /// How long Cloudflare wants to be left alone, where it said so: wrangler waits by itself for up to a minute only.
        #[serde(default)]
        retry_after_ms: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Made {
    worker_name: Option<String>,
    version_id: Option<String>,
}

/// What was asked of wrangler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// In words that follow `wrangler`: such as `versions upload`.
    pub(super) command: &'a str,
    /// The version of wrangler that was found.
    pub(super) wrangler: &'a str,
    /// The Worker.
    pub(super) script: &'a str,
    /// Whether a version must have come of it.
    pub(super) uploads: bool,
}

/// How a run of wrangler ended; the version that came of it.
///
/// Only records decide: its texts for people change, and it exits with 0 after having been told not to go on.
///
/// # Errors
/// What its record of a failure says; `Failed` when it ended without having done what was asked; `Conflict` when it is of
/// another version than it said; `Invalid` for records that are none.
pub(super) fn judge(
    asked: Asked<'_>,
    ended: &Finished,
    written: &str,
    masks: &Masks,
) -> Result<Option<ReleaseId>> {
    let told = |error: Error| error.with("command", format!("wrangler {}", asked.command));
    let failed = |what: &str| told(Error::new(ErrorKind::Failed, what));
    let records = written.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str::<Record>);
    let records: Vec<Record> = records.collect::<Result<_, _>>().map_err(|error| {
        let error =
            told(Error::invalid("wrangler wrote something that is no record").because(error.to_string()));
        error.hint("look at what `wrangler --version` is; a newer one may need a newer infra-sdk")
    })?;
    let mut made = None;
    for record in records {
        match record {
            Record::WranglerSession { wrangler_version } if wrangler_version != asked.wrangler => {
                let error =
                    told(Error::new(ErrorKind::Conflict, "wrangler ran in another version than it said"));
                let error = error.with("said", asked.wrangler).with("ran", quoted(&wrangler_version));
                return Err(error.hint("look at what stands at its path; `npm ci` installs it anew"));
            }
            Record::CommandFailed { message, code, retry_after_ms } => {
                let (message, after) = (masks.apply(&message), wait(&retry_after_ms));
                return Err(refusal(told, &message, &code, after, &ended.stderr, masks));
            }
            Record::VersionUpload(version) | Record::Deploy(version) => made = Some(version),
            Record::WranglerSession { .. } | Record::Other => {}
        }
    }
    if !ended.success() {
        let error = failed("wrangler failed");
        let error = match (ended.code, ended.signal) {
            (Some(code), _) => error.with("exit code", code),
            (None, signal) => error.with("signal", signal.unwrap_or_default()),
        };
        return Err(last_lines(error, &ended.stderr, masks).hint("run the same by hand to see more"));
    }
    if !asked.uploads {
        return Ok(None);
    }
    let Some(Made { worker_name: Some(worker), version_id: Some(version) }) = made else {
        let error = failed("wrangler ended well, and no version came of it");
        return Err(last_lines(error, &ended.stderr, masks).hint(
            "nothing was rolled out; look at the Worker's versions in the dashboard, and run it again",
        ));
    };
    if worker != asked.script {
        return Err(failed("wrangler uploaded another Worker than the one that was asked for")
            .with("wanted", asked.script)
            .with("uploaded", quoted(&worker))
            .hint("look at `name` in wrangler's settings and at the variables that wrangler reads"));
    }
    let id = is_version(&version).then(|| version.parse()).transpose()?;
    id.map(Some).ok_or_else(|| {
        failed("wrangler named a version that cannot be one")
            .with("version", quoted(&version))
            .hint("a newer wrangler may need a newer infra-sdk")
    })
}

/// Whether a text is the id of a version: a UUID.
pub(super) fn is_version(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && hex(part))
}

/// A wait in milliseconds; `None` for what cannot be one.
fn wait(milliseconds: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(milliseconds.as_f64()? / 1e3).ok()
}

/// The error of a failure that wrangler recorded, with what is known of its code or words.
fn refusal(
    told: impl Fn(Error) -> Error,
    message: &str,
    code: &Value,
    after: Option<Duration>,
    printed: &str,
    masks: &Masks,
) -> Error {
    let shown: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE).collect();
    if message.contains("Durable Object migration") {
        return told(Error::new(
            ErrorKind::Conflict,
            "the Worker has a migration of Durable Objects to go through",
        ))
        .with("message", shown)
        .hint("apply it once with `wrangler deploy`, which makes it live at once; then roll out again")
        .hint("migrations cannot be rolled out in steps or taken back");
    }
    if let Some(after) = after {
        let error = told(Error::new(ErrorKind::Unavailable, "Cloudflare asks wrangler for fewer requests"));
        let error = error.with("wait", human(after)).with("message", shown).throttled(Some(after));
        return last_lines(error, printed, masks).hint("wait that long, and roll out again");
    }
    let error = told(Error::new(ErrorKind::Failed, "wrangler refused or failed")).with("message", shown);
    let error = error.hint("correct what it names, and roll out again");
    // The lines say which request it was: after a refusal wrangler asks who it is, and records what comes of that.
    match code.as_u64() {
        Some(code) => last_lines(explained(error.with("code", code)), printed, masks),
        None => last_lines(error, printed, masks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"type":"wrangler-session","version":1,"wrangler_version":"4.164.0"}"#;

    fn ended(code: i32) -> Finished {
        Finished {
            code: Some(code),
            signal: None,
            stdout: String::new(),
            stderr: "canary: it is bad\n".into(),
        }
    }

    fn judged(code: i32, lines: &[&str], uploads: bool) -> Result<Option<ReleaseId>> {
        let masks = Masks::new();
        masks.add(&crate::secret::SecretValue::new("canary"));
        let asked = Asked { command: "versions upload", wrangler: "4.164.0", script: "shop", uploads };
        judge(asked, &ended(code), &lines.join("\n"), &masks)
    }

    #[test]
    fn only_a_record_of_the_right_worker_says_that_a_version_is_there() {
        let id = "ebda32e6-5daf-4f6f-868e-ad162f3b38d2";
        let upload = |worker: &str, id: &str| {
            format!(r#"{{"type":"version-upload","version":1,"worker_name":"{worker}","version_id":{id}}}"#)
        };
        let good =
            judged(0, &[SESSION, &upload("shop", &format!("\"{id}\"")), r#"{"type":"new-one"}"#], true);
        assert_eq!(good.unwrap().unwrap().as_str(), id);
        assert_eq!(judged(0, &[SESSION], false).unwrap(), None);
        for (lines, says) in [
            (vec![], "no version came of it"),
            (vec![SESSION], "no version came of it"),
            (vec![&*upload("shop", "null")], "no version came of it"),
            (vec![&*upload("other", &format!("\"{id}\""))], "another Worker"),
            (vec![&*upload("shop", "\"../../x\"")], "cannot be one"),
            (vec!["Uploaded shop (0.1 sec)"], "no record"),
            (vec![r#"{"type":"wrangler-session","wrangler_version":"4.86.0"}"#], "another version"),
        ] {
            let error = judged(0, &lines, true).unwrap_err();
            let report = error.report().to_string();
            assert!(
                report.contains(says) && !error.hints().is_empty() && !report.contains("canary"),
                "{report}"
            );
        }
    }

    #[test]
    fn a_failure_is_told_by_its_record_or_by_the_last_lines() {
        let error = judged(1, &[SESSION], true).unwrap_err();
        let report = error.report().to_string();
        assert!(
            report.contains("exit code: 1") && report.contains(": it is bad") && !report.contains("canary")
        );
        let failed = |code: &str, message: &str| {
            format!(r#"{{"type":"command-failed","version":1,"code":{code},"message":"{message}"}}"#)
        };
        let error = judged(1, &[SESSION, &failed("10000", "A request failed")], true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.report().to_string().contains(": it is bad"), "{error:?}");
        assert!(error.report().to_string().contains("Workers Scripts: Edit"), "{error:?}");
        // Without a wait that can be one, or with one that is none, it is a failure like others.
        for (after, wait) in
            [("90500", Some(90_500)), ("0", Some(0)), ("null", None), ("-1", None), ("\"9\"", None)]
        {
            let record = failed("971", "canary: slow down");
            let record = record.replace('}', &format!(",\"retry_after_ms\":{after}}}"));
            let error = judged(1, &[SESSION, &record], true).unwrap_err();
            let told = error.throttle().map(|throttle| throttle.after.unwrap().as_millis());
            assert_eq!(told, wait, "{error:?}");
            let kind = if wait.is_some() { ErrorKind::Unavailable } else { ErrorKind::Failed };
            assert!(error.kind() == kind && error.hints().len() == 1, "{error:?}");
            assert!(!error.report().to_string().contains("canary"), "{error:?}");
        }
        let error = judged(1, &[&failed("\"ENOENT\"", "canary\\nnot there")], true).unwrap_err();
        assert!(error.to_string().contains("not there") && !error.to_string().contains('\n'), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        let error =
            judged(1, &[&failed("null", "a pending Durable Object migration, which")], true).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Conflict && error.hints()[0].contains("wrangler deploy"),
            "{error:?}"
        );
    }
}
