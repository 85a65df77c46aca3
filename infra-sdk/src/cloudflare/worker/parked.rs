//! What stands in for a Worker that was stopped: Cloudflare runs the newest deployment of a Worker for as long as it exists.

use std::fmt::Write;

use crate::cloudflare::worker::settings::Classes;
use crate::error::{Error, Result};
use crate::names::quoted;

/// The name of its file.
pub(super) const FILE: &str = "stopped.js";

/// It answers 503, does nothing on a schedule, and leaves messages of queues for later. Objects of the Worker's classes stay:
/// a version that does not have a class of theirs is refused.
const PROGRAM: &str = r#"export default {
  fetch() {
    const headers = { "retry-after": "60", "cache-control": "no-store" };
    return new Response("stopped\n", { status: 503, headers });
  },
  scheduled() {},
  queue(batch) {
    batch.retryAll({ delaySeconds: 300 });
  },
};
"#;

/// The program, with the classes that the Worker must always have.
///
/// # Errors
/// `Invalid` for a name that no class can have.
pub(super) fn program(classes: &Classes) -> Result<String> {
    let mut text = String::new();
    let kinds = [("DurableObject", &classes.objects), ("WorkflowEntrypoint", &classes.workflows)];
    for (base, names) in kinds.iter().filter(|(_, names)| !names.is_empty()) {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "import {{ {base} }} from \"cloudflare:workers\";");
        for name in *names {
            check(name)?;
            let _ = writeln!(text, "export class {name} extends {base} {{}}");
        }
    }
    Ok(text + PROGRAM)
}

fn check(name: &str) -> Result<()> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    if !name.is_empty() && name.chars().all(sound) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is no name of a class", quoted(name)))
        .hint("correct `class_name` in wrangler's settings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_others_rely_on_stay_and_no_name_is_a_program() {
        let classes = Classes { objects: vec!["Box".into(), "B2".into()], workflows: vec!["Flow".into()] };
        let text = program(&classes).unwrap();
        for part in
            ["export class B2 extends DurableObject {}", "class Flow extends WorkflowEntrypoint", "503"]
        {
            assert!(text.contains(part), "{text}");
        }
        assert!(!program(&Classes::default()).unwrap().contains("import"));
        for bad in ["", "A {} ; x", "1A", "é"] {
            assert!(program(&Classes { objects: vec![bad.into()], ..Classes::default() }).is_err(), "{bad}");
        }
    }
}
