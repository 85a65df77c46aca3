//! Values as other programs read them: `.env`, JSON, Terraform variables, a Kubernetes Secret, GitHub Actions.

mod format;
mod github;
mod k8s;

pub use format::{ExportFormat, Exported, export};
