//! What a Worker uses beside its script, as wrangler's settings say: more that a token has to be allowed.

use serde::Serialize;

use crate::cloudflare::worker::place::WorkerPlace;
use crate::cloudflare::worker::settings::Settings;
use crate::error::Result;

/// What a Worker uses beside its script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkerUses {
    /// Whether it has containers: every rollout looks at them.
    pub containers: bool,
    /// Patterns of its routes and custom domains, such as `shop.example.com/*`: the first rollout makes them.
    pub routes: Vec<String>,
}

impl WorkerPlace {
    /// What wrangler's settings of this environment name.
    ///
    /// ```
    /// # let root = std::env::temp_dir().join("infra-sdk-worker-uses");
    /// # std::fs::create_dir_all(&root)?;
    /// use infra_sdk::cloudflare::WorkerPlace;
    /// use infra_sdk::config::Deploy;
    /// std::fs::write(root.join("wrangler.jsonc"), r#"{ "name": "shop", "route": "shop.example.com/*" }"#)?;
    /// let place = WorkerPlace::of(&Deploy::default(), &"shop".parse()?, &"staging".parse()?, &root);
    /// assert_eq!(place.uses()?.routes, ["shop.example.com/*"]);
    /// # std::fs::remove_dir_all(&root)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` without such a file; `Invalid` when it cannot be read, with the place in it.
    pub fn uses(&self) -> Result<WorkerUses> {
        let settings = Settings::load(self)?;
        Ok(WorkerUses { containers: settings.has_containers(), routes: settings.routes() })
    }
}
