//! A setting, and where it comes from.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// A value with the place that gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    pub(super) fn new(value: T, origin: &Origin) -> Self {
        Setting { value, origin: origin.clone() }
    }
}

/// Where a setting of a NATS connection comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `nats = { … }` of the environment.
    Settings,
    /// A variable.
    Variable(&'static str),
    /// A context of the `nats` command line.
    Context {
        /// Its name.
        name: String,
        /// Its file.
        file: PathBuf,
    },
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// What to do where `part` of a server's address is wrong that comes from here: `the port`. Settings may stand in either of
    /// two files, so that both are named.
    pub(super) fn correct(&self, part: &str) -> String {
        match self {
            Origin::Settings => format!(
                "correct {part} in `url` of `nats` in infra.toml, or in the organisation's file that it extends"
            ),
            Origin::Variable(name) => format!("correct {part} in {name}"),
            Origin::Context { name, file } => {
                format!("correct {part} in `url` of context {name}, {}", file.display())
            }
            Origin::Default => "name the server in `url` of `nats` in infra.toml, or in NATS_URL".to_owned(),
        }
    }

    /// Who gives a value, as it stands behind "that" in a hint.
    pub(super) fn gives(&self) -> String {
        match self {
            Origin::Settings => {
                "`nats` gives in infra.toml, or in the organisation's file that it extends".to_owned()
            }
            Origin::Variable(name) => format!("{name} gives"),
            Origin::Context { name, file } => format!("context {name} gives, {}", file.display()),
            Origin::Default => "nobody gives".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Settings => f.write_str("infra.toml"),
            Origin::Variable(name) => f.write_str(name),
            Origin::Context { name, file } => write!(f, "context {name}, {}", file.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_place_that_gave_the_value() {
        let context = Origin::Context { name: "acme".into(), file: "/c/acme.json".into() };
        for (origin, correct, gives) in [
            (
                Origin::Settings,
                "in infra.toml, or in the organisation's file that it extends",
                "infra.toml, or in",
            ),
            (Origin::Variable("NATS_URL"), "correct the port in NATS_URL", "NATS_URL gives"),
            (context, "correct the port in `url` of context acme, /c/acme.json", "context acme gives"),
            (Origin::Default, "or in NATS_URL", "nobody"),
        ] {
            let (hint, giver) = (origin.correct("the port"), origin.gives());
            assert!(hint.contains(correct) && giver.contains(gives), "{hint}; {giver}");
        }
    }
}
