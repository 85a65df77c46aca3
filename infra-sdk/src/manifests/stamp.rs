//! The first line of a made file: who made it, and a digest that tells whether somebody changed it since.

use std::path::Path;

use crate::digest::Digest;

const MADE_BY: &str = "Made by infra:nats:deploy";

/// What a file on disk is to the task that makes such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// As it was made, by this version or another.
    AsMade,
    /// Somebody changed it, or made it.
    ByHand,
}

/// The text with its first line, as a comment of the file's own language.
pub(super) fn stamped(path: &Path, body: &str) -> String {
    let (open, close) = comment(path);
    format!("{open}{MADE_BY}, {}{close}\n{body}", Digest::of(body.as_bytes()))
}

/// Whether what stands in a file is what was once made. Git may have written other ends of lines.
pub(super) fn seen(path: &Path, text: &str) -> Seen {
    let text = text.replace("\r\n", "\n");
    match text.split_once('\n') {
        Some((_, body)) if stamped(path, body) == text => Seen::AsMade,
        _ => Seen::ByHand,
    }
}

fn comment(path: &Path) -> (&'static str, &'static str) {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("js" | "jsonc") => ("// ", ""),
        Some("md") => ("<!-- ", " -->"),
        _ => ("# ", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_nobody_changed_is_as_made() {
        for name in ["main.tf", "index.js", "README.md", "Dockerfile"] {
            let (path, body) = (Path::new(name), "one\ntwo\n");
            let made = stamped(path, body);
            assert_eq!(seen(path, &made), Seen::AsMade, "{made}");
            assert_eq!(seen(path, &made.replace('\n', "\r\n")), Seen::AsMade);
            for changed in [made.replace("two", "2"), format!("{made} "), body.to_owned(), String::new()] {
                assert_eq!(seen(path, &changed), Seen::ByHand, "{changed:?}");
            }
        }
    }
}
