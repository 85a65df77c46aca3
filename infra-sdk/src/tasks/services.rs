//! What all tasks of a run share: the settings and the opened environment, each made once.

use tokio::sync::OnceCell;

use crate::app::Cx;
use crate::config::{Config, Flags};
use crate::error::Result;
use crate::infra::{Host, Infra};

/// Made when the first task asks.
#[derive(Debug, Default)]
pub(super) struct Services {
    config: OnceCell<Config>,
    infra: OnceCell<Infra>,
}

impl Services {
    /// The settings for the environment this run works on.
    pub(super) async fn config(&self, cx: &Cx) -> Result<&Config> {
        let flags = Flags { env: Some(cx.environment().to_string()), ..Flags::default() };
        self.config.get_or_try_init(|| Config::load(cx.env(), &flags)).await
    }

    /// The opened environment.
    pub(super) async fn infra(&self, cx: &Cx, host: &Host) -> Result<&Infra> {
        let config = self.config(cx).await?.clone();
        self.infra.get_or_try_init(async || Infra::open(cx.env(), config, host.clone())).await
    }
}
