//! Whether everything an environment needs is there: in `.env`, or in a store. Names only, never a value.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::names::{SecretName, nearest};
use crate::secrets::dotenv::{Dotenv, DotenvWarning};
use crate::secrets::spec::{MissingSecret, Needs, missing_error};
use crate::secrets::store::{SecretSource, SecretStore};

/// What is there of what is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretsReport {
    /// Where was looked.
    pub place: String,
    /// The needed secrets that are there.
    pub present: Vec<SecretName>,
    /// The required secrets that are not.
    pub missing: Vec<MissingSecret>,
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

impl SecretsReport {
    fn of(needs: &Needs, place: &str, there: impl Fn(&SecretName) -> bool, makes: bool) -> Self {
        let mut report = SecretsReport {
            place: place.to_owned(),
            present: Vec::new(),
            missing: Vec::new(),
            generated: Vec::new(),
            absent: Vec::new(),
            unknown: Vec::new(),
            warnings: Vec::new(),
        };
        for (name, spec) in needs.iter() {
            if there(name) {
                report.present.push(name.clone());
            } else if makes && spec.generate.is_some() {
                report.generated.push(name.clone());
            } else if spec.optional {
                report.absent.push(name.clone());
            } else {
                report.missing.push(MissingSecret::new(name, spec));
            }
        }
        report
    }

    /// Whether every required secret is there.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Fails unless every required secret is there.
    ///
    /// # Errors
    /// `NotFound`, naming and describing all that are missing at once.
    pub fn require(&self) -> Result<()> {
        if self.is_complete() { Ok(()) } else { Err(missing_error(&self.place, &self.missing)) }
    }
}

impl fmt::Display for SecretsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.present.len() + self.missing.len() + self.generated.len();
        write!(f, "{} of {needed} secrets are in {}", self.present.len(), self.place)?;
        for missing in &self.missing {
            write!(f, "\n  missing: {missing}")?;
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

/// Looks for the needed secrets in a store that gives values back; an empty value counts as missing.
///
/// # Errors
/// What the store fails with.
pub async fn check(needs: &Needs, source: &dyn SecretSource) -> Result<SecretsReport> {
    let values = source.get_all().await?;
    let there = |name: &SecretName| values.get(name).is_some_and(|value| !value.is_empty());
    Ok(SecretsReport::of(needs, source.name(), there, false))
}

/// Looks for the needed secrets in a store that gives no values back, by name.
///
/// # Errors
/// What the store fails with.
pub async fn check_listed(needs: &Needs, store: &dyn SecretStore) -> Result<SecretsReport> {
    let names: BTreeSet<SecretName> = store.list().await?.into_iter().map(|stored| stored.name).collect();
    Ok(SecretsReport::of(needs, store.name(), |name| names.contains(name), false))
}

/// Looks for the needed secrets in `.env`; those that setup makes are not missing, and unknown names are warned about.
pub fn check_dotenv(needs: &Needs, dotenv: Option<&Dotenv>) -> SecretsReport {
    let place = match dotenv {
        Some(_) => "`.env`",
        None => "`.env`, which does not exist",
    };
    let there = |name: &SecretName| dotenv.is_some_and(|dotenv| dotenv.get(name).is_some());
    let mut report = SecretsReport::of(needs, place, there, true);
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
    use crate::config::{Generate, SecretSpec};
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
}
