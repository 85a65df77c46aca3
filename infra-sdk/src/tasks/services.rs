//! What all tasks of a run share: the settings and the opened environment, each made once.

use tokio::sync::OnceCell;

use crate::app::Cx;
use crate::config::{Config, Flags};
use crate::error::Result;
use crate::infra::{Host, Infra};
use crate::refs::Expectation;

/// Made when the first task asks.
#[derive(Debug, Default)]
pub(super) struct Services {
    config: OnceCell<Config>,
    infra: OnceCell<Infra>,
    expected: Vec<Expectation>,
}

impl Services {
    /// For a repo that reads references as these types.
    pub(super) fn expecting(expected: Vec<Expectation>) -> Self {
        Services { expected, ..Services::default() }
    }

    /// The settings for the environment this run works on.
    pub(super) async fn config(&self, cx: &Cx) -> Result<&Config> {
        let flags = Flags { env: Some(cx.environment().to_string()), ..Flags::default() };
        self.config.get_or_try_init(|| Config::load(cx.env(), &flags)).await
    }

    /// The opened environment.
    pub(super) async fn infra(&self, cx: &Cx, host: &Host) -> Result<&Infra> {
        let config = self.config(cx).await?.clone();
        let open = async || Ok(Infra::open(cx.env(), config, host.clone())?.expecting(self.expected.clone()));
        self.infra.get_or_try_init(open).await
    }
}
