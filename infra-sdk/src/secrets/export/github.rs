//! Values for the following steps of a job on GitHub Actions, and what its log must hide.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::id;
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::export::Exported;

/// What is shorter would tear holes into every line of the log.
const SHORTEST: usize = 4;

/// Writes the file `$GITHUB_ENV` and says what must be hidden, by the
/// [documented](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands) forms.
pub(super) fn export(values: &BTreeMap<SecretName, SecretValue>) -> Result<Exported> {
    let delimiter = delimiter(values)?;
    let (mut text, mut hide, mut shown) = (String::new(), Vec::new(), Vec::new());
    for (name, value) in values {
        refuse(name, value)?;
        text.push_str(&format!("{name}<<{delimiter}\n{}\n{delimiter}\n", value.expose()));
        let (parts, short) = parts(value.expose());
        if short {
            shown.push(name.clone());
        }
        hide.extend(parts.into_iter().map(SecretValue::new));
    }
    Ok(Exported { text: SecretValue::new(text), hide, shown })
}

/// The runner refuses these names, or ignores them without a word.
fn refuse(name: &SecretName, value: &SecretValue) -> Result<()> {
    let upper = name.as_str().to_ascii_uppercase();
    if upper.starts_with("GITHUB_") || upper.starts_with("RUNNER_") || upper == "NODE_OPTIONS" {
        return Err(Error::invalid("GitHub Actions lets no step set this variable")
            .with("secret", name)
            .hint("give the secret another name in infra.toml"));
    }
    if value.expose().contains('\0') {
        return Err(Error::invalid("a value with a NUL byte cannot be in an environment")
            .with("secret", name)
            .hint("store it as base64"));
    }
    Ok(())
}

/// A line that stands in no value: who writes a value cannot guess it.
fn delimiter(values: &BTreeMap<SecretName, SecretValue>) -> Result<String> {
    loop {
        let delimiter = format!("END_{}", id::unique()?);
        if values.values().all(|value| !value.expose().contains(&delimiter)) {
            return Ok(delimiter);
        }
    }
}

/// What must be hidden of a value, each on one line, and whether something of it is too short for that.
///
/// The runner masks line by line, and splits what it is given by itself down to lines of one character.
fn parts(value: &str) -> (BTreeSet<String>, bool) {
    let mut parts = BTreeSet::new();
    for line in value.lines() {
        parts.extend([line.to_owned(), line.trim().to_owned()]);
    }
    if let Ok(json) = serde_json::from_str(value) {
        leaves(&json, &mut parts);
    }
    let long = |text: &str| text.trim().chars().count() >= SHORTEST;
    // A bracket alone on its line gives nothing away.
    let tells = |text: &str| text.chars().any(char::is_alphanumeric);
    let short = parts.iter().any(|part| !long(part) && tells(part));
    parts.retain(|part| long(part));
    (parts, short)
}

fn leaves(json: &serde_json::Value, parts: &mut BTreeSet<String>) {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match json {
        String(text) => parts.extend(text.lines().flat_map(|line| [line.to_owned(), line.trim().to_owned()])),
        Number(number) => parts.extend([number.to_string()]),
        Array(items) => items.iter().for_each(|item| leaves(item, parts)),
        Object(fields) => fields.values().for_each(|field| leaves(field, parts)),
        // Hiding `true` would hide half the log.
        Bool(_) | Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::export::ExportFormat;
    use crate::secrets::export::format::tests::{exported, wanted};

    /// Reads the file as documented: `NAME=value`, or `NAME<<DELIMITER`, lines, and the delimiter alone on a line.
    fn read_env_file(text: &str) -> BTreeMap<String, String> {
        let (mut values, mut lines) = (BTreeMap::new(), text.split('\n').peekable());
        while let Some(line) = lines.next() {
            if line.is_empty() && lines.peek().is_none() {
                break;
            }
            let (equals, arrows) = (line.find('='), line.find("<<"));
            if let Some(at) = equals.filter(|at| arrows.is_none_or(|arrows| *at < arrows)) {
                values.insert(line[..at].to_owned(), line[at + 1..].to_owned());
                continue;
            }
            let at = arrows.expect("a line has `=` or `<<`");
            let (name, end) = (&line[..at], &line[at + 2..]);
            assert!(!name.is_empty() && !end.is_empty());
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            assert!(values.insert(name.to_owned(), value.join("\n")).is_none(), "{name} twice");
        }
        values
    }

    #[test]
    fn every_value_comes_back_from_the_file_of_the_runner() {
        let one = exported(ExportFormat::Github);
        assert_eq!(read_env_file(one.text.expose()), wanted());
        // The delimiter is never the same.
        assert_ne!(one.text, exported(ExportFormat::Github).text);
    }

    #[test]
    fn each_line_and_each_leaf_is_hidden_and_short_ones_are_named() {
        let exported = exported(ExportFormat::Github);
        let hidden: BTreeSet<&str> = exported.hide.iter().map(SecretValue::expose).collect();
        for part in ["plain", "a=b<<c", "three", "leaf-secret", "12345678", "00123456"] {
            assert!(hidden.contains(part), "{part} is not in {hidden:?}");
        }
        assert!(hidden.contains("it's \"q\" \\ $x ${y} `z` %0A ::add-mask::"));
        assert!(!hidden.contains("true") && hidden.iter().all(|part| part.trim().chars().count() >= 4));
        let shown: Vec<&str> = exported.shown.iter().map(SecretName::as_str).collect();
        assert_eq!(shown, ["EQUALS", "JSON", "LINES", "NO", "RETURN", "SPACES"]);
    }

    #[test]
    fn a_name_the_runner_refuses_fails_the_whole_export() {
        for name in ["GITHUB_TOKEN", "RUNNER_X", "NODE_OPTIONS", "github_x"] {
            let values = [("A", "x"), (name, "canary")];
            let values = values.map(|(n, v)| (n.parse().unwrap(), SecretValue::new(v))).into();
            let error = export(&values).unwrap_err();
            assert!(error.to_string().contains(name) && !format!("{error:?}").contains("canary"));
        }
        assert!(export(&[("A".parse().unwrap(), SecretValue::new("a\0"))].into()).is_err());
    }
}
