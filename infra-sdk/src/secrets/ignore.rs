//! Which of a repo's files `.gitignore` keeps out of git, as far as `.env` files are concerned.

/// The lines to add so that `.env` and every `.env.ENVIRONMENT` is ignored and `.env.example` is not.
pub(super) fn missing_lines(gitignore: &str) -> Vec<&'static str> {
    let mut lines = Vec::new();
    if !ignores(gitignore, ".env") {
        lines.push(".env");
    }
    // Any name stands for all: a list of known environments would miss the next one.
    if !ignores(gitignore, ".env.any-environment") {
        lines.push(".env.*");
    }
    if ignores(gitignore, ".env.example") || lines.contains(&".env.*") {
        lines.push("!.env.example");
    }
    lines
}

/// Whether a file in the root of the repo is ignored: the last pattern that matches decides.
fn ignores(gitignore: &str, file: &str) -> bool {
    let mut ignored = false;
    for line in gitignore.lines() {
        let line = line.trim_end();
        if line.starts_with('#') {
            continue;
        }
        let (pattern, verdict) = match line.strip_prefix('!') {
            Some(pattern) => (pattern, false),
            None => (line, true),
        };
        let pattern = pattern.strip_prefix("**/").or_else(|| pattern.strip_prefix('/')).unwrap_or(pattern);
        // A pattern with a slash in it or at its end is about folders.
        if !pattern.is_empty() && !pattern.contains('/') && matches(pattern.as_bytes(), file.as_bytes()) {
            ignored = verdict;
        }
    }
    ignored
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => matches(rest, name) || (!name.is_empty() && matches(pattern, &name[1..])),
        (Some((b'?', pattern)), Some((_, name))) => matches(pattern, name),
        (Some((p, pattern)), Some((n, name))) => p == n && matches(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_covered_yet_is_added() {
        assert_eq!(missing_lines(""), [".env", ".env.*", "!.env.example"]);
        assert_eq!(missing_lines("/target\n.env\n"), [".env.*", "!.env.example"]);
        assert_eq!(missing_lines(".env*\n"), ["!.env.example"]);
        assert_eq!(missing_lines("/.env\r\n/.env.*\r\n!/.env.example\r\n"), [""; 0]);
        assert_eq!(missing_lines("!.env.example\n.env*\n"), ["!.env.example"]);
        assert_eq!(
            missing_lines(".env/\n#.env\n.env.staging\nx/.env\n"),
            [".env", ".env.*", "!.env.example"]
        );
        assert_eq!(missing_lines(".env\n.env.*\n!.env*\n"), [".env", ".env.*", "!.env.example"]);
    }
}
