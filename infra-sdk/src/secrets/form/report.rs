//! All values of the wrong form at once.

use std::fmt;

use serde::Serialize;

use super::check::flaw;
use crate::config::SecretForm;
use crate::error::Error;
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::spec::Needs;

/// A secret whose value does not have the form that `infra.toml` declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MalformedSecret {
    /// Its name.
    pub name: SecretName,
    /// The form it should have.
    pub form: SecretForm,
    /// What is wrong, with line and column where there is one: "not JSON at line 2 column 5".
    pub what: String,
    /// What to do about it.
    pub cure: String,
}

impl fmt::Display for MalformedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} should be {}: {}", self.name, wanted(self.form), self.what)
    }
}

fn wanted(form: SecretForm) -> &'static str {
    match form {
        SecretForm::String => "text",
        SecretForm::Url => "a URL",
        SecretForm::Json => "JSON",
        SecretForm::Pem => "PEM",
        SecretForm::Base64 => "base64",
        SecretForm::Integer => "a whole number",
    }
}

/// What is wrong with one value, if `needs` declares it with a form it does not have.
pub(in crate::secrets) fn malformed(
    needs: &Needs,
    name: &SecretName,
    value: &SecretValue,
) -> Option<MalformedSecret> {
    let form = needs.get(name)?.form;
    let flaw = flaw(form, value)?;
    let name = name.clone();
    Some(MalformedSecret { name, form, what: flaw.to_string(), cure: flaw.hint.to_owned() })
}

/// One error for all that are malformed.
pub(in crate::secrets) fn malformed_error(place: &str, malformed: &[MalformedSecret]) -> Error {
    let all: Vec<String> = malformed.iter().map(ToString::to_string).collect();
    let cure = match malformed {
        [one] => one.cure.clone(),
        _ => "correct them in `.env`, or the `type` of each in infra.toml".to_owned(),
    };
    Error::invalid(format!("{} secrets have the wrong form in {place}", malformed.len()))
        .with("malformed", all.join("; "))
        .hint(cure)
}
