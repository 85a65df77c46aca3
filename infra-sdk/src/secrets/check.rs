//! Whether everything an environment needs is there: in `.env`, or in a store. Names only, never a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::names::{SecretName, nearest};
use crate::secret::SecretValue;
use crate::secrets::dotenv::{Dotenv, DotenvWarning};
use crate::secrets::form::{MalformedSecret, malformed, malformed_error};
use crate::secrets::spec::{MissingSecret, Needs, missing_error};
use crate::secrets::store::{SecretSource, SecretStore};

/// What is there of what is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretsReport {
    /// Where was looked.
    pub place: String,
    /// The needed secrets that are there, in the right form where values can be read.
    pub present: Vec<SecretName>,
    /// The required secrets that are not.
    pub missing: Vec<MissingSecret>,
    /// The secrets that are there, but do not have the form that is declared.
    pub malformed: Vec<MalformedSecret>,
    /// The secrets that are not there, but that setup makes.
    pub generated: Vec<SecretName>,
    /// The secrets that are not there, and need not be.
    pub absent: Vec<SecretName>,
    /// Names in `.env` that `infra.toml` does not declare.
    pub unknown: Vec<UnknownSecret>,
    /// Lines of `.env` that other programs read differently.
    pub warnings: Vec<DotenvWarning>,
}

/// A name that `infra.toml` does not declare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownSecret {
    /// The name.
    pub name: SecretName,
    /// A declared name that was perhaps meant.
    pub nearest: Option<SecretName>,
}

impl fmt::Display for UnknownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not declared in infra.toml", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

/// What looking for one secret found.
enum Found {
    Nowhere,
    There,
    Malformed(MalformedSecret),
}

impl Found {
    /// An empty value is a placeholder, so nothing.
    fn value(needs: &Needs, name: &SecretName, value: Option<&SecretValue>) -> Self {
        match value.filter(|value| !value.is_empty()) {
            None => Found::Nowhere,
            Some(value) => malformed(needs, name, value).map_or(Found::There, Found::Malformed),
        }
    }
}

impl SecretsReport {
    fn of(needs: &Needs, place: &str, look: impl Fn(&SecretName) -> Found, makes: bool) -> Self {
        let mut report = SecretsReport {
            place: place.to_owned(),
            present: Vec::new(),
            missing: Vec::new(),
            malformed: Vec::new(),
            generated: Vec::new(),
            absent: Vec::new(),
            unknown: Vec::new(),
            warnings: Vec::new(),
        };
        for (name, spec) in needs.iter() {
            match look(name) {
                Found::There => report.present.push(name.clone()),
                Found::Malformed(malformed) => report.malformed.push(malformed),
                Found::Nowhere if makes && spec.generate.is_some() => report.generated.push(name.clone()),
                Found::Nowhere if spec.optional => report.absent.push(name.clone()),
                Found::Nowhere => report.missing.push(MissingSecret::new(name, spec)),
            }
        }
        report
    }

    /// Whether every required secret is there, and every value that can be read has its form.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.malformed.is_empty()
    }

    /// Fails unless every required secret is there, and every value that can be read has its form.
    ///
    /// # Errors
    /// `NotFound` when some are missing, else `Invalid` when some have the wrong form; either way naming all of both
    /// at once.
    pub fn require(&self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        if self.missing.is_empty() {
            return Err(malformed_error(&self.place, &self.malformed));
        }
        let mut error = missing_error(&self.place, &self.missing);
        if !self.malformed.is_empty() {
            let all: Vec<String> = self.malformed.iter().map(ToString::to_string).collect();
            error = error.with("malformed", all.join("; "));
        }
        Err(error)
    }
}

impl fmt::Display for SecretsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = self.present.len() + self.malformed.len();
        let needed = there + self.missing.len() + self.generated.len();
        write!(f, "{there} of {needed} secrets are in {}", self.place)?;
        for missing in &self.missing {
            write!(f, "\n  missing: {missing}")?;
        }
        for malformed in &self.malformed {
            write!(f, "\n  wrong form: {malformed}")?;
        }
        for name in &self.generated {
            write!(f, "\n  made by setup: {name}")?;
        }
        for name in &self.absent {
            write!(f, "\n  optional, not set: {name}")?;
        }
        for unknown in &self.unknown {
            write!(f, "\n  warning: {unknown}")?;
        }
        for warning in &self.warnings {
            write!(f, "\n  warning: {warning}")?;
        }
        Ok(())
    }
}

/// Looks for the needed secrets in a store that gives values back; an empty value counts as missing, and one of the
/// wrong form is no answer either.
///
/// # Errors
/// What the store fails with.
pub async fn check(needs: &Needs, source: &dyn SecretSource) -> Result<SecretsReport> {
    Ok(check_values(needs, source.name(), &source.get_all().await?))
}

/// The same for values that are at hand; `place` is what messages call where they are from.
pub fn check_values(needs: &Needs, place: &str, values: &BTreeMap<SecretName, SecretValue>) -> SecretsReport {
    SecretsReport::of(needs, place, |name| Found::value(needs, name, values.get(name)), false)
}

/// Looks for the needed secrets in a store that gives no values back, by name.
///
/// # Errors
/// What the store fails with.
pub async fn check_listed(needs: &Needs, store: &dyn SecretStore) -> Result<SecretsReport> {
    let names: BTreeSet<SecretName> = store.list().await?.into_iter().map(|stored| stored.name).collect();
    let look = |name: &SecretName| if names.contains(name) { Found::There } else { Found::Nowhere };
    Ok(SecretsReport::of(needs, store.name(), look, false))
}

/// Looks for the needed secrets in `.env`; those that setup makes are not missing, and unknown names are warned about.
pub fn check_dotenv(needs: &Needs, dotenv: Option<&Dotenv>) -> SecretsReport {
    let place = match dotenv {
        Some(_) => "`.env`",
        None => "`.env`, which does not exist",
    };
    let look = |name: &SecretName| Found::value(needs, name, dotenv.and_then(|dotenv| dotenv.get(name)));
    let mut report = SecretsReport::of(needs, place, look, true);
    if let Some(dotenv) = dotenv {
        report.unknown = unknown(needs, dotenv);
        report.warnings = dotenv.warnings().to_vec();
    }
    report
}

pub(super) fn unknown(needs: &Needs, dotenv: &Dotenv) -> Vec<UnknownSecret> {
    let strangers = dotenv.names().filter(|name| !needs.declares(name));
    strangers
        .map(|name| {
            let unset = needs.iter().map(|(known, _)| known).filter(|known| dotenv.get(known).is_none());
            let near = nearest(name.as_str(), unset.map(SecretName::as_str));
            UnknownSecret { name: name.clone(), nearest: near.and_then(|near| near.parse().ok()) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Generate, SecretForm, SecretSpec};
    use crate::names::EnvName;

    fn needs() -> Needs {
        let described = |text: &str| SecretSpec { description: Some(text.into()), ..SecretSpec::default() };
        let declared = [
            ("DATABASE_URL", described("Postgres\nconnection string")),
            ("STRIPE_KEY", described("from the dashboard")),
            ("SESSION_KEY", SecretSpec { generate: Some(Generate { bytes: 32 }), ..SecretSpec::default() }),
            ("TRACE_TOKEN", SecretSpec { optional: true, ..SecretSpec::default() }),
        ];
        let declared = declared.into_iter().map(|(name, spec)| (name.parse().unwrap(), spec)).collect();
        Needs::of(&declared, &EnvName::local())
    }

    #[test]
    fn everything_missing_is_listed_at_once_with_what_it_is_for() {
        let error = check_dotenv(&needs(), None).require().unwrap_err();
        let shown = error.report().to_string();
        assert!(shown.contains("2 required secrets are missing in `.env`, which does not exist"), "{shown}");
        assert!(
            shown.contains("DATABASE_URL (Postgres connection string); STRIPE_KEY (from the dashboard)"),
            "{shown}"
        );
        assert!(shown.contains("next: ") && error.kind() == crate::ErrorKind::NotFound);
    }

    #[test]
    fn a_misspelt_name_is_a_warning_with_the_name_that_was_meant() {
        let dotenv = Dotenv::parse("DATABASE_ULR=canary\nSTRIPE_KEY=canary\nSESSION_KEY=", ".env").unwrap();
        let report = check_dotenv(&needs(), Some(&dotenv));
        let shown = format!("{report}{}", serde_json::to_string(&report).unwrap());
        assert!(
            shown.contains("DATABASE_ULR is not declared in infra.toml; did you mean DATABASE_URL?"),
            "{shown}"
        );
        assert!(shown.contains("1 of 3 secrets are in `.env`") && !shown.contains("canary"), "{shown}");
        assert_eq!(report.missing.len(), 1);
    }
    #[test]
    fn a_value_of_the_wrong_form_is_not_there_and_all_are_listed_at_once() {
        let of = |form| SecretSpec { form, ..SecretSpec::default() };
        let declared = [("A", of(SecretForm::Json)), ("B", of(SecretForm::Url)), ("C", of(SecretForm::Json))];
        let declared = declared.into_iter().map(|(name, spec)| (name.parse().unwrap(), spec)).collect();
        let needs = Needs::of(&declared, &EnvName::local());
        let dotenv = Dotenv::parse("A='{\n  canary}'\nB=canary\nC='[1]'\n", ".env").unwrap();
        let report = check_dotenv(&needs, Some(&dotenv));
        assert!(!report.is_complete());
        let shown = format!("{report}{}", serde_json::to_string(&report).unwrap());
        assert!(shown.contains("A should be JSON: not JSON at line 2 column 3"), "{shown}");
        let error = report.require().unwrap_err();
        let shown = format!("{shown}{error:?}");
        assert!(shown.contains("2 secrets have the wrong form in `.env`"), "{shown}");
        assert!(shown.contains("; B should be a URL: no scheme") && !shown.contains("canary"), "{shown}");
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);

        let dotenv = Dotenv::parse("A='{'\nB=https://x", ".env").unwrap();
        let error = check_dotenv(&needs, Some(&dotenv)).require().unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::NotFound);
        assert!(error.to_string().contains("A should be JSON"), "{error}");
    }
}
