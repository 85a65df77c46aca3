//! `infra.toml`: layers of settings, each value with its origin.

mod schema;

pub use schema::{
    Deploy, Environment, Export, Generate, Image, Kind, Project, Provider, SecretSpec, Settings, Span, Stack,
    State, StateKind, Target, Tool,
};
