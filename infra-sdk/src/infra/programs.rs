//! The programs a repo needs: which are missing, and fetching the pinned ones.

use std::collections::BTreeMap;

use crate::config::Tool;
use crate::error::Result;
use crate::infra::open::Infra;
use crate::names::Label;
use crate::tools::{self, ToolsReport};

impl Infra {
    /// Looks for every program of `[tools]`, and for terraform or tofu where there are stacks.
    ///
    /// # Errors
    /// `Failed` when a program that is there can not tell its version.
    pub async fn check_tools(&self) -> Result<ToolsReport> {
        tools::check(&self.wanted_tools(), self.env(), self.home().root()).await
    }

    fn wanted_tools(&self) -> BTreeMap<Label, Tool> {
        self.settings().tools.clone()
    }
}
