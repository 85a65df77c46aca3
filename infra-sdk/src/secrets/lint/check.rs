//! Comparing our reading of `.env` with everybody else's, value by value and then as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cure::cure;
use super::how::{Ours, how};
use super::reading::{Reader, Reading, Readings};
use super::report::{LintFinding, LintRefusal, LintReport};
use crate::error::{Error, Result};
use crate::file;
use crate::names::EnvName;
use crate::secret::SecretValue;
use crate::secrets::dotenv::{LIMIT, Pair, layers_of, parse};

/// Says where other programs would read this text differently than [`Dotenv`](crate::secrets::Dotenv) does, and how;
/// `path` is what findings call it. Each [`Reader`] is imitated, none is run.
///
/// ```
/// # fn main() -> infra_sdk::Result<()> {
/// let report = infra_sdk::secrets::lint("PASSWORD=half#half\n", ".env")?;
/// assert_eq!(
///     report.findings[0].to_string(),
///     ".env:1: PASSWORD: node ends the value at the `#`: 4 of 9 characters"
/// );
/// assert_eq!(report.findings[0].cure, "put the value between single quotes");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` when the text is larger than a `.env` may be, 1 MB. A text that is not a `.env` is no error: the report
/// says where.
pub fn lint(text: &str, path: impl Into<PathBuf>) -> Result<LintReport> {
    let path = path.into();
    if text.len() as u64 > LIMIT {
        return Err(Error::invalid(format!("`.env` is larger than {} KB", LIMIT / 1000))
            .with("path", path.display())
            .hint("check that this is the file you meant"));
    }
    let mut report = LintReport { files: vec![path.clone()], ..LintReport::default() };
    match parse(text) {
        Err(mistake) => report.refused.push(LintRefusal {
            path,
            line: mistake.line,
            column: mistake.column,
            what: mistake.kind.to_string(),
            cure: mistake.kind.hint().to_owned(),
        }),
        Ok(pairs) => {
            report.values = pairs.len();
            report.findings = findings(text, &path, &pairs);
        }
    }
    Ok(report)
}

/// Does the same for `.env` and `.env.ENVIRONMENT` in the folder `root`, those that are there.
///
/// # Errors
/// `Invalid` when one is not UTF-8 or larger than 1 MB; `Denied` or `Io`.
pub fn lint_files(root: &Path, env: &EnvName) -> Result<LintReport> {
    let mut report = LintReport::default();
    for path in layers_of(root, env) {
        if let Some(text) = file::read_text(&path, LIMIT)? {
            let text = SecretValue::new(text);
            report.extend(lint(text.expose(), path)?);
        }
    }
    Ok(report)
}

fn findings(text: &str, path: &Path, pairs: &[Pair]) -> Vec<LintFinding> {
    let mut found: BTreeMap<(usize, Reader), String> = BTreeMap::new();
    for reader in Reader::ALL {
        let mut bad = BTreeSet::new();
        for (at, pair) in pairs.iter().enumerate() {
            if let Some(how) = alone(reader, text, pairs, at) {
                bad.insert(pair.lines.start);
                found.insert((at, reader), how);
            }
        }
        together(reader, text, pairs, &bad, &mut found);
    }
    // The two readers of node are told apart only where they differ.
    found = found
        .iter()
        .filter(|((at, reader), how)| {
            *reader != Reader::Node20 || found.get(&(*at, Reader::Node)) != Some(how)
        })
        .map(|(place, how)| (*place, how.clone()))
        .collect();
    let mut cures: BTreeMap<usize, &str> = BTreeMap::new();
    let finding = |((at, reader), how): ((usize, Reader), String)| {
        let pair = &pairs[at];
        let cure =
            *cures.entry(at).or_insert_with(|| cure(pair, own(text, pairs, at), &text[pair.written.clone()]));
        LintFinding {
            path: path.to_owned(),
            line: pair.line,
            name: pair.name.clone(),
            reader,
            how,
            cure: cure.to_owned(),
        }
    };
    found.into_iter().map(finding).collect()
}

/// The text of one pair; the first also has what stands before it, if that is more than comments.
fn own<'t>(text: &'t str, pairs: &[Pair], at: usize) -> &'t str {
    let lines = pairs[at].lines.clone();
    let start = if at == 0 && text.starts_with('\u{feff}') { 0 } else { lines.start };
    &text[start..lines.end]
}

/// How a program differs on one pair, were it alone in the file.
fn alone(reader: Reader, text: &str, pairs: &[Pair], at: usize) -> Option<String> {
    let pair = &pairs[at];
    let readings = reader.read(own(text, pairs, at), &BTreeMap::new());
    if agrees(&readings, pair) {
        return None;
    }
    let ours = Ours { value: pair.value.expose(), written: &text[pair.written.clone()] };
    Some(how(reader, &ours, readings.entry(pair.name.as_str())))
}

fn agrees(readings: &Readings, pair: &Pair) -> bool {
    matches!(readings.get(pair.name.as_str()), Reading::Value(value) if value == pair.value)
}

/// What only shows in the whole file: lines that are no problem alone, but run into each other.
fn together(
    reader: Reader,
    text: &str,
    pairs: &[Pair],
    bad: &BTreeSet<usize>,
    found: &mut BTreeMap<(usize, Reader), String>,
) {
    let mut rest = String::with_capacity(text.len());
    let mut from = 0;
    for pair in pairs.iter().filter(|pair| bad.contains(&pair.lines.start)) {
        // A byte order mark goes with the first pair.
        rest.push_str(text[from..pair.lines.start].trim_start_matches('\u{feff}'));
        from = pair.lines.end;
    }
    rest.push_str(&text[from..]);
    let rest = SecretValue::new(rest);
    let readings = reader.read(rest.expose(), &BTreeMap::new());
    let others = pairs.iter().enumerate().filter(|(_, pair)| !bad.contains(&pair.lines.start));
    for (at, pair) in others {
        if agrees(&readings, pair) {
            continue;
        }
        let how = match readings.get(pair.name.as_str()) {
            Reading::Value(_) | Reading::Varies => "takes lines around it for a part of the value",
            Reading::Missing => "does not set it, because of the lines around it",
            Reading::Runs => "takes lines around it for a command and runs it",
            Reading::Error => "fails on the lines around it",
        };
        found.insert((at, reader), how.to_owned());
        if readings.get(pair.name.as_str()) == Reading::Error {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hows(text: &str) -> Vec<String> {
        let report = lint(text, ".env").unwrap();
        let shown = format!("{report} {report:?} {}", serde_json::to_string(&report).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        report.findings.iter().map(|f| format!("{}: {} {}", f.line, f.reader, f.how)).collect()
    }

    fn cure_of(text: &str) -> String {
        lint(text, ".env").unwrap().findings[0].cure.clone()
    }

    #[test]
    fn what_all_read_alike_is_clean() {
        let text = "# c\nA=1\nexport B='$x `y` \"z\"' # c\nC=\"l1\nl2\"\n\nD=\n";
        let report = lint(text, ".env").unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(
            report.to_string(),
            "4 values are read alike by gh, node, docker compose, python and bash"
        );
    }

    #[test]
    fn each_difference_says_what_the_program_does_and_shows_no_byte() {
        let cases: &[(&str, &[&str])] = &[
            ("A=can#ary\n", &["1: node ends the value at the `#`: 3 of 7 characters"]),
            ("A=\"canary $(x)\"\n", &["1: bash runs the command in `$(…)`"]),
            ("A=canary`x`\n", &["1: bash runs the command between backticks"]),
            (
                "A=$CANARY\n",
                &[
                    "1: gh reads `$…` as a variable",
                    "1: docker compose reads `$…` as a variable",
                    "1: bash reads `$…` as a variable",
                ],
            ),
            ("A='${canary}'\n", &["1: python reads `$…` as a variable"]),
            ("A=can'ary\nB=1\n", &["1: bash fails on it, and reads nothing behind it"]),
            ("A=ca&n=ary\n", &["1: bash takes `&` or `|` for an operator, and does not set it"]),
            ("A=ca;n=ary\n", &["1: bash ends the value at the `;`: 2 of 8 characters"]),
            ("A=canary x\n", &["1: bash takes a part of the value for a command and runs it"]),
            ("A = canary\n", &["1: bash takes the line for a command and runs it"]),
            ("A=canary>x\n", &["1: bash takes `<` or `>` for a redirection: 6 of 8 characters"]),
            ("A=~/canary\n", &["1: bash puts a home folder in for `~`"]),
            ("A=(canary)\n", &["1: bash takes it for a list, which programs do not get"]),
            ("A=canary\r\n", &["1: bash keeps the carriage returns"]),
            ("UID=1\n", &["1: bash fails on it: the name is one of its own"]),
            ("RANDOM=1\n", &["1: bash gives the name a value of its own"]),
            (
                "A='canary\\'\nB=1\n",
                &[
                    "1: gh fails on it, and reads nothing of the file",
                    "1: docker compose fails on it, and reads nothing of the file",
                    "1: python drops the line",
                ],
            ),
            (
                "A= \nB=canary\n",
                &[
                    "1: node takes lines around it for a part of the value",
                    "2: node does not set it, because of the lines around it",
                ],
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(hows(text), *wanted, "{text:?}");
        }
    }

    #[test]
    fn the_cure_is_one_that_was_tried() {
        assert_eq!(cure_of("A=x$y\n"), "put the value between single quotes");
        assert_eq!(cure_of("A=it's\n"), "put the value between double quotes");
        assert_eq!(cure_of("A=it's $x\n"), "store it as base64");
        assert_eq!(cure_of("A='${x}'\n"), "store it as base64");
        assert_eq!(cure_of("A = x\n"), "write the line as `NAME=value`, without blanks or a comment");
        assert_eq!(cure_of("A=1\r\nB=2\r\n"), "end the lines of the file with a line feed only");
        assert_eq!(cure_of("\u{feff}A=1\nB=2\n"), "save the file without a byte order mark");
        assert_eq!(cure_of("UID=1\n"), "use another name: this one belongs to a shell");
    }

    #[test]
    fn a_file_that_is_refused_says_so_first() {
        let report = lint("A=1\nB='canary\n", "x/.env").unwrap();
        assert!(!report.is_clean() && report.findings.is_empty());
        let shown = report.to_string();
        assert!(
            shown.starts_with("1 of 1 files cannot be read\n  x/.env:2:3: no closing quote\n    cure: "),
            "{shown}"
        );
        assert!(!format!("{shown}{report:?}").contains("canary"));
        assert!(lint(&"#".repeat(1_000_001), ".env").is_err());
    }

    #[test]
    fn both_files_of_an_environment_are_looked_at() {
        let root = std::env::temp_dir().join(format!("infra-sdk-lint-{}", crate::id::short().unwrap()));
        std::fs::create_dir(&root).unwrap();
        let env = EnvName::new("staging").unwrap();
        assert_eq!(lint_files(&root, &env).unwrap().to_string(), "no `.env` to look at");
        std::fs::write(root.join(".env"), "A=x#y\n").unwrap();
        std::fs::write(root.join(".env.staging"), "B\n").unwrap();
        let report = lint_files(&root, &env).unwrap();
        assert_eq!((report.files.len(), report.refused.len(), report.findings.len()), (2, 1, 1));
        std::fs::remove_dir_all(root).unwrap();
    }
}
