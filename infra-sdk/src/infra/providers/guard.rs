//! Whether Terraform may change anything with the credentials of this run.

use crate::config::{Provider, StateKind};
use crate::error::Result;
use crate::infra::open::Infra;

/// Lets Terraform change only what is of the account and region that infra.toml names, where Terraform finds the same
/// credentials as this program. Over state in R2 it does not: there the code names a profile.
///
/// # Errors
/// `Denied` when they are others; `NotBuilt` when an account is named and nothing here can ask whose credentials these are.
pub(in crate::infra) async fn before_apply(infra: &Infra) -> Result<()> {
    let section = infra.config().section()?;
    let in_r2 = section.state.as_ref().is_some_and(|state| state.backend == StateKind::R2);
    if section.provider != Provider::Aws || in_r2 {
        return Ok(());
    }
    #[cfg(feature = "aws-base")]
    return infra.aws()?.before_write().await;
    #[cfg(not(feature = "aws-base"))]
    if section.account.is_none() {
        return Ok(());
    }
    #[cfg(not(feature = "aws-base"))]
    Err(crate::infra::absent::Absent::new("comparing the account", "aws", infra.environment()).error())
}
