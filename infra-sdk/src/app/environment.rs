//! The environments tasks can work on, and choosing one of them.

use std::path::Path;
use std::sync::Arc;

use crate::env::{Env, INFRA_ENV};
use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, nearest, quoted};

/// One environment of a project.
///
/// ```
/// use infra_sdk::app::Environment;
/// let production = Environment::new("production").unwrap().protected();
/// assert!(production.is_protected());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    name: EnvName,
    protected: bool,
}

impl Environment {
    /// An environment that is not protected.
    ///
    /// # Errors
    /// `Invalid` when the name has a wrong character or length.
    pub fn new(name: &str) -> Result<Self> {
        EnvName::new(name).map(Self::from)
    }

    /// The same, protected: before a dangerous task its name has to be typed.
    #[must_use]
    pub fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &EnvName {
        &self.name
    }

    /// Whether its name has to be typed before a dangerous task.
    pub fn is_protected(&self) -> bool {
        self.protected
    }
}

impl From<EnvName> for Environment {
    fn from(name: EnvName) -> Self {
        Environment { name, protected: false }
    }
}

/// Reads the list of environments from the environment and the root folder.
pub(crate) type Environments = Arc<dyn Fn(&Env, &Path) -> Result<Vec<Environment>> + Send + Sync>;

/// The environment to work on: `--env`, else `INFRA_ENV`, else `local`.
pub(crate) fn choose(flag: Option<&str>, env: &Env, mut known: Vec<Environment>) -> Result<Environment> {
    if !known.iter().any(|known| known.name.as_str() == "local") {
        known.insert(0, EnvName::local().into());
    }
    let (given, origin) = match (flag, env.get(INFRA_ENV)) {
        (Some(flag), _) => (flag, "--env"),
        (None, Some(variable)) => (variable, INFRA_ENV),
        (None, None) => ("local", "default"),
    };
    let name = EnvName::new(given).map_err(|error| error.with("from", origin))?;
    if let Some(found) = known.iter().find(|known| known.name == name) {
        return Ok(found.clone());
    }
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    let error = Error::new(ErrorKind::NotFound, format!("no environment {}", quoted(given)))
        .with("from", origin)
        .with("known", names.join(", "));
    Err(match nearest(given, names.iter().copied()) {
        Some(name) => error.hint(format!("did you mean `--env {name}`?")),
        None => error.hint("use one of the known ones, or add it to the project's configuration"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(flag: Option<&str>, variable: &str) -> Result<Environment> {
        let known = vec![Environment::new("staging")?, Environment::new("production")?.protected()];
        choose(flag, &Env::of([(INFRA_ENV, variable)], "/"), known)
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_local_is_always_there() {
        assert_eq!(pick(Some("production"), "staging").unwrap().name().as_str(), "production");
        assert_eq!(pick(None, "staging").unwrap().name().as_str(), "staging");
        assert_eq!(pick(None, "").unwrap().name().as_str(), "local");
    }

    #[test]
    fn an_unknown_environment_names_the_known_ones_and_the_nearest() {
        let error = pick(Some("prodution"), "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("local, staging, production"), "{error}");
        assert_eq!(error.hints(), ["did you mean `--env production`?"]);
    }

    #[test]
    fn a_name_that_cannot_be_one_is_invalid_and_says_where_it_came_from() {
        for bad in ["../x", "a b", "A", "a\nb", &"a".repeat(300)] {
            assert_eq!(pick(Some(bad), "").unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert!(pick(None, "no/pe").unwrap_err().to_string().contains("INFRA_ENV"));
    }
}
