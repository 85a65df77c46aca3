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
