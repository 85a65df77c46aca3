//! The formats of an export, and the plain ones: `.env` and JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{RepoName, SecretName, nearest, quoted};
use crate::secret::{SecretValue, exposing};
use crate::secrets::dotenv::write_dotenv;
use crate::secrets::export::{github, k8s};

/// A way to write values down for another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// `NAME=value` lines that all common readers of `.env` read alike.
    Dotenv,
    /// One JSON object, sorted by name.
    Json,
    /// A `.tfvars.json` file: one variable for each secret, under its name as it stands.
    Tfvars,
    /// A Kubernetes manifest of one `Secret`, named after the project.
    K8s,
    /// For a step on GitHub Actions: what goes into `$GITHUB_ENV`, and the commands that hide the values.
    Github,
}

impl ExportFormat {
    /// All formats, as they are written.
    pub const ALL: [(&'static str, ExportFormat); 5] = [
        ("dotenv", ExportFormat::Dotenv),
        ("json", ExportFormat::Json),
        ("tfvars", ExportFormat::Tfvars),
        ("k8s", ExportFormat::K8s),
        ("github", ExportFormat::Github),
    ];
}

impl FromStr for ExportFormat {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let names = || Self::ALL.iter().map(|(name, _)| *name);
        if let Some((_, format)) = Self::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(*format);
        }
        let error = Error::invalid(format!("there is no export format {}", quoted(text)));
        Err(match nearest(text, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("choose one of {}", names().collect::<Vec<_>>().join(", "))),
        })
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, format)| format == self).map_or("", |(name, _)| *name);
        f.pad(name)
    }
}

/// Values written down. `Debug` shows nothing of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The text of the file.
    pub text: SecretValue,
    /// For `github`: each line and each JSON leaf that the runner must hide before anything else is printed.
    pub hide: Vec<SecretValue>,
    /// For `github`: the secrets whose value, or a line of it, is too short to be hidden.
    pub shown: Vec<SecretName>,
}

/// Writes all of `values` down, or nothing.
///
/// ```
/// # fn main() -> infra_sdk::Result<()> {
/// use infra_sdk::SecretValue;
/// use infra_sdk::secrets::{ExportFormat, export};
/// let values = [("TOKEN".parse()?, SecretValue::new("hunter2"))].into();
/// let json = export(&values, ExportFormat::Json, &"shop-api".parse()?)?;
/// assert_eq!(json.text.expose(), "{\n  \"TOKEN\": \"hunter2\"\n}\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid`, naming the secret, when a value or name has no form in the format. It shows nothing of the value.
pub fn export(
    values: &BTreeMap<SecretName, SecretValue>,
    format: ExportFormat,
    project: &RepoName,
) -> Result<Exported> {
    let text = match format {
        ExportFormat::Dotenv => write_dotenv(values)?,
        // Terraform takes the strings of `.tfvars.json` literally: nothing in them is a template.
        ExportFormat::Json | ExportFormat::Tfvars => json(values)?,
        ExportFormat::K8s => k8s::manifest(values, project)?,
        ExportFormat::Github => return github::export(values),
    };
    Ok(Exported { text, hide: Vec::new(), shown: Vec::new() })
}

fn json(values: &BTreeMap<SecretName, SecretValue>) -> Result<SecretValue> {
    let mut text = exposing(|| serde_json::to_string_pretty(values))
        .map_err(|error| Error::new(ErrorKind::Bug, "write values as JSON").because(error))?;
    text.push('\n');
    Ok(SecretValue::new(text))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::process::Cmd;

    /// Values that break what is written carelessly.
    pub(in crate::secrets::export) fn awkward() -> BTreeMap<SecretName, SecretValue> {
        let values = [
            ("A", "plain"),
            ("NO", "yes"),
            ("EMPTY", ""),
            ("EQUALS", "a=b<<c\nEOF\n"),
            ("LINES", "one\ntwo\n\nthree\n"),
            ("RETURN", "a\r\nb"),
            ("QUOTES", "it's \"q\" \\ $x ${y} `z` %0A ::add-mask::"),
            ("NUMBER", "00123456"),
            ("WIDE", "é密🔑\u{2028}\u{7f}\u{1}"),
            ("SPACES", "  x  "),
            ("JSON", "{\"key\": \"leaf-secret\", \"n\": [12345678, \"x\", true]}"),
            ("lower_1", "#not a comment"),
        ];
        values.map(|(name, value)| (name.parse().unwrap(), SecretValue::new(value))).into()
    }

    pub(in crate::secrets::export) fn exported(format: ExportFormat) -> Exported {
        export(&awkward(), format, &"shop_api.v2".parse().unwrap()).unwrap()
    }

    /// Reads a text by a Python program into names and values.
    pub(in crate::secrets::export) async fn read_by_python(
        program: &str,
        text: &SecretValue,
    ) -> BTreeMap<String, String> {
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/python/bin/python3");
        assert!(std::path::Path::new(python).exists(), "run `cargo xtask provision`");
        let read = Cmd::new(python).args(["-c", program]).stdin(text.expose()).read().await.unwrap();
        serde_json::from_str(&read).unwrap()
    }

    pub(in crate::secrets::export) fn wanted() -> BTreeMap<String, String> {
        awkward().into_iter().map(|(name, value)| (name.to_string(), value.expose().to_owned())).collect()
    }

    #[tokio::test]
    async fn json_and_tfvars_are_read_back_by_another_parser() {
        let program = "import json,sys; print(json.dumps(json.load(sys.stdin.buffer)))";
        for format in [ExportFormat::Json, ExportFormat::Tfvars] {
            assert_eq!(read_by_python(program, &exported(format).text).await, wanted());
        }
    }

    #[tokio::test]
    async fn dotenv_is_read_back_by_another_parser_or_refused_by_name() {
        let error = export(&awkward(), ExportFormat::Dotenv, &"x".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("(secret: QUOTES)"), "{error}");
        assert!(!format!("{error:?}").contains("add-mask"));
        let mut values = awkward();
        values.retain(|name, _| !["QUOTES", "RETURN"].contains(&name.as_str()));
        let text = export(&values, ExportFormat::Dotenv, &"x".parse().unwrap()).unwrap().text;
        let program = "import dotenv,io,json,sys; text=sys.stdin.buffer.read().decode(); \
                       print(json.dumps(dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)))";
        let mut wanted = wanted();
        wanted.retain(|name, _| values.contains_key(name.as_str()));
        assert_eq!(read_by_python(program, &text).await, wanted);
    }

    #[test]
    fn a_misspelt_format_is_told_with_the_nearest_one() {
        assert_eq!("k8s".parse::<ExportFormat>().unwrap(), ExportFormat::K8s);
        assert_eq!("tfvar".parse::<ExportFormat>().unwrap_err().hints(), ["did you mean `tfvars`?"]);
        assert!("zzz".parse::<ExportFormat>().unwrap_err().hints()[0].contains("dotenv, json, tfvars"));
        for (name, format) in ExportFormat::ALL {
            assert_eq!(format.to_string(), name);
        }
    }

    #[test]
    fn no_format_shows_a_value_by_debug() {
        for (_, format) in ExportFormat::ALL {
            let values = [("A".parse().unwrap(), SecretValue::new("canary-1\ncanary-2"))].into();
            let exported = export(&values, format, &"x".parse().unwrap()).unwrap();
            assert!(!format!("{exported:?}").contains("canary"));
        }
    }
}
