//! The backend block: the one that is generated, and the one that the code must not have.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::file;
use crate::names::quoted;
use crate::state::BackendSettings;

/// The generated file in the working copy; its name makes Terraform read it after all others.
pub(super) const FILE: &str = "infra_backend_override.tf.json";
const CODE_LIMIT: u64 = 8_000_000;

/// The generated file's content.
pub(super) fn block(settings: &BackendSettings) -> Value {
    json!({ "terraform": { "backend": { &settings.kind: settings.values } } })
}

/// Refuses a Terraform that would not understand the settings: locks as objects came with 1.10, also in OpenTofu.
///
/// # Errors
/// `Invalid` naming the version that is needed.
pub(super) fn check_tool(settings: &BackendSettings, name: &str, version: &str) -> Result<()> {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if !settings.values.contains_key("use_lockfile") || found >= (1, 10) {
        return Ok(());
    }
    Err(Error::invalid(format!("{name} {version} can not lock a state in a bucket"))
        .with("needed", "1.10")
        .hint(format!("pin a newer version as `[tools.{name}]` in infra.toml, then run `cargo xtask infra:tools:install`")))
}

/// Refuses code that says itself where its state is kept, unless it says the same kind and nothing more.
///
/// # Errors
/// `Invalid` with file and line.
pub(super) fn check(code: &Path, kind: &str) -> Result<()> {
    let entries = std::fs::read_dir(code).map_err(|error| file::failed("read a folder", code, error))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for path in files.iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let found = if [".tf.json", ".tofu.json"].iter().any(|end| name.ends_with(end)) {
            file::read_text(path, CODE_LIMIT)?.and_then(|text| in_json(&text))
        } else if [".tf", ".tofu"].iter().any(|end| name.ends_with(end)) {
            file::read_text(path, CODE_LIMIT)?.and_then(|text| in_hcl(&text))
        } else {
            None
        };
        if let Some(found) = found.filter(|found| found.kind != kind || !found.empty) {
            return Err(Error::invalid(format!(
                "the code keeps its state in {} by itself, infra.toml says {}",
                quoted(&found.kind),
                quoted(kind)
            ))
            .with("path", format_args!("{}:{}", path.display(), found.line))
            .hint("remove the backend or cloud block: where state is kept comes from infra.toml"));
        }
    }
    Ok(())
}

/// A block in the code that says where state is kept.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    kind: String,
    line: usize,
    empty: bool,
}

fn in_json(text: &str) -> Option<Found> {
    // A file that does not parse is Terraform's to complain about.
    let value: Value = serde_json::from_str(text).ok()?;
    let blocks = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    for terraform in blocks(value.get("terraform")?) {
        if terraform.get("cloud").is_some() {
            return Some(Found { kind: "cloud".into(), line: 1, empty: false });
        }
        for backend in terraform.get("backend").map(blocks).unwrap_or_default() {
            if let Some((kind, body)) = backend.as_object().and_then(|map| map.iter().next()) {
                let empty = body.as_object().is_some_and(serde_json::Map::is_empty);
                return Some(Found { kind: kind.clone(), line: 1, empty });
            }
        }
    }
    None
}

/// Finds `terraform { backend "kind" { … } }` by following braces, texts and comments.
fn in_hcl(text: &str) -> Option<Found> {
    let mut scan = Scan { text, at: 0 };
    let mut depth = 0_usize;
    let mut words: Vec<(Token<'_>, usize)> = Vec::new();
    let mut inside = false;
    while let Some((token, at)) = scan.next() {
        match token {
            Token::Open => {
                let header: Vec<&Token<'_>> = words.iter().map(|(token, _)| token).collect();
                let start = words.first().map_or(at, |(_, at)| *at);
                let line = text[..start].matches('\n').count() + 1;
                match header.as_slice() {
                    [Token::Word("terraform")] if depth == 0 => inside = true,
                    [Token::Word("cloud")] if inside && depth == 1 => {
                        return Some(Found { kind: "cloud".into(), line, empty: false });
                    }
                    [Token::Word("backend"), Token::Text(kind) | Token::Word(kind)]
                        if inside && depth == 1 =>
                    {
                        let kind = (*kind).to_owned();
                        let empty = scan.find(|(token, _)| *token != Token::Line)?.0 == Token::Close;
                        return Some(Found { kind, line, empty });
                    }
                    _ => {}
                }
                depth += 1;
                words.clear();
            }
            Token::Close => {
                depth = depth.saturating_sub(1);
                inside &= depth > 0;
                words.clear();
            }
            Token::Line => words.clear(),
            token => words.push((token, at)),
        }
    }
    None
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Open,
    Close,
    Line,
    Other,
}

/// The tokens of HCL as far as blocks need them.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Scan<'a> {
    type Item = (Token<'a>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            let start = self.at;
            let (token, length) = match first {
                '\n' => (Some(Token::Line), 1),
                '{' => (Some(Token::Open), 1),
                '}' => (Some(Token::Close), 1),
                '"' => {
                    let length = text_length(rest, 0);
                    let inner = rest[..length].trim_matches('"');
                    (Some(Token::Text(inner)), length)
                }
                '#' => (None, line_length(rest)),
                '/' if rest.starts_with("//") => (None, line_length(rest)),
                '/' if rest.starts_with("/*") => {
                    (None, rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
                }
                '<' if rest.starts_with("<<") => (Some(Token::Other), heredoc_length(rest)),
                c if c.is_alphabetic() || c == '_' => {
                    let end = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-');
                    let length = rest.find(end).unwrap_or(rest.len());
                    (Some(Token::Word(&rest[..length])), length)
                }
                c if c.is_whitespace() => (None, c.len_utf8()),
                c => (Some(Token::Other), c.len_utf8()),
            };
            self.at += length;
            if let Some(token) = token {
                return Some((token, start));
            }
        }
    }
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// The length of a quoted text with its quotes; `${…}` in it may hold quoted texts again, 50 deep at most.
fn text_length(rest: &str, depth: u8) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut braces) = (1, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if braces == 0 => at += 1,
            b'$' | b'%' if bytes.get(at + 1) == Some(&b'{') && bytes[at - 1] != bytes[at] => {
                braces += 1;
                at += 1;
            }
            b'{' if braces > 0 => braces += 1,
            b'}' if braces > 0 => braces -= 1,
            b'"' if braces > 0 && depth < 50 => at += text_length(&rest[at..], depth + 1) - 1,
            b'"' => return at + 1,
            _ => {}
        }
        at += 1;
    }
    rest.len()
}

/// The length of `<<WORD … WORD` up to the end of the closing word, or of `<<` when it is none.
fn heredoc_length(rest: &str) -> usize {
    let header = &rest[..line_length(rest)];
    let word = header[2..].trim_start_matches('-').trim();
    if word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        return 2;
    }
    let mut at = header.len();
    for line in rest[at..].split_inclusive('\n').skip(1) {
        at += line.len();
        if line.trim() == word {
            break;
        }
    }
    (at + 1).min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: &str, line: usize, empty: bool) -> Option<Found> {
        Some(Found { kind: kind.into(), line, empty })
    }

    #[test]
    fn a_terraform_that_knows_no_lock_files_is_refused_where_it_would_need_them() {
        let lock = std::collections::BTreeMap::from([(
            "use_lockfile".to_owned(),
            crate::state::Setting::Flag(true),
        )]);
        let (s3, local) =
            (BackendSettings::new("s3", lock), BackendSettings::new("local", Default::default()));
        for (version, is_good) in
            [("1.9.8", false), ("1.10.0", true), ("2.0.1", true), ("1.11.4-rc1", true), ("?", false)]
        {
            assert_eq!(check_tool(&s3, "terraform", version).is_ok(), is_good, "{version}");
            assert!(check_tool(&local, "terraform", version).is_ok());
        }
        assert!(!check_tool(&s3, "tofu", "1.8.0").unwrap_err().hints().is_empty());
    }

    #[test]
    fn a_backend_block_is_found_wherever_it_stands() {
        assert_eq!(in_hcl("terraform {\n  backend \"s3\" {}\n}\n"), found("s3", 2, true));
        assert_eq!(in_hcl("terraform { backend \"s3\" {\n # x\n key = 1 } }"), found("s3", 1, false));
        assert_eq!(
            in_hcl("terraform {\n required_providers { a = {} }\n cloud {\n}\n}"),
            found("cloud", 3, false)
        );
        assert_eq!(in_json(r#"{"terraform":[{"backend":{"gcs":{"a":1}}}]}"#), found("gcs", 1, false));
    }

    #[test]
    fn comments_texts_heredocs_and_other_blocks_are_not_mistaken_for_one() {
        for text in [
            "# terraform { backend \"s3\" {} }",
            "/* terraform {\n backend \"s3\" {}\n} */",
            "locals {\n x = \"${join(\"}\", [\"{\"])} terraform { backend\"\n}\nbackend \"s3\" {}",
            "locals {\n x = <<-EOT\n terraform {\n backend \"s3\" {}\n }\n  EOT\n}",
            "resource \"a\" \"terraform\" {\n backend \"s3\" {}\n}",
            "terraform {}\nbackend \"s3\" {}",
            "terraform {",
            "x = \"unfinished",
        ] {
            assert_eq!(in_hcl(text), None, "{text}");
        }
    }

    #[test]
    fn code_after_a_heredoc_and_non_ascii_text_is_read() {
        let text = "locals {\n x = <<EOT\nä\nEOT\n y = \"ö\"\n}\nterraform {\n  backend \"gcs\" {\n  }\n}";
        assert_eq!(in_hcl(text), found("gcs", 8, true));
    }
}
