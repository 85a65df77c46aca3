//! The port to the service that carries events between machines, as far as it has to be made ready: once for an
//! organisation.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::events::{Access, Permissions, Source};

/// Makes ready what events, runs and the ledger are kept in.
///
/// # Contract
/// - `plan_setup` changes nothing. Once a plan was carried out, the next one has no steps.
/// - `set_up` carries out the steps of a plan, and nothing else; each may be repeated. It never removes or makes anew what
///   is there, and settings that this crate says nothing about stay as others made them.
/// - What cannot be set right in place is an [`Obstacle`] of the plan, and stays one.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// What is missing or other than it should be.
    ///
    /// # Errors
    /// `Denied`, naming what this user may not do; `Unavailable`.
    async fn plan_setup(&self) -> Result<AssetsPlan>;

    /// Does what the plan says.
    ///
    /// # Errors
    /// `Conflict` when it was changed since the plan was made; otherwise as [`plan_setup`](EventStore::plan_setup). What
    /// was done before stays.
    async fn set_up(&self, plan: &AssetsPlan) -> Result<()>;

    /// What a user may do who speaks for this repository and no other, and goes that far.
    ///
    /// # Errors
    /// `Invalid` where no service is named.
    fn permissions(&self, source: &Source, access: Access) -> Result<Permissions>;
}

/// What is missing or other than it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetsPlan {
    /// The service, as people find it.
    pub place: String,
    /// What is to be done, in order.
    pub steps: Vec<AssetStep>,
    /// What cannot be set right here.
    pub obstacles: Vec<Obstacle>,
}

impl AssetsPlan {
    /// Whether everything is as it should be.
    pub fn is_ready(&self) -> bool {
        self.steps.is_empty() && self.obstacles.is_empty()
    }

    /// Lets only a plan pass whose steps are all that is needed.
    ///
    /// # Errors
    /// `Failed` with the obstacles, each with its way out.
    pub fn require_unobstructed(&self) -> Result<()> {
        let Some(first) = self.obstacles.first() else { return Ok(()) };
        let error = Error::new(ErrorKind::Failed, format!("{} is in the way", first.asset))
            .with("at", &self.place)
            .because(self.obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        Err(self.obstacles.iter().fold(error, |error, obstacle| error.hint(&obstacle.next)))
    }
}

impl fmt::Display for AssetsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ready() {
            return write!(f, "{} is as it should be", self.place);
        }
        write!(f, "{}:", self.place)?;
        self.steps.iter().try_for_each(|step| write!(f, "\n{step}"))?;
        self.obstacles.iter().try_for_each(|obstacle| write!(f, "\n ! {obstacle}\n   {}", obstacle.next))
    }
}

/// One stream or bucket that is to be made or corrected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetStep {
    /// Which: `stream INFRA_EVENTS`.
    pub asset: String,
    /// What it is for.
    pub about: String,
    /// Whether it is missing altogether.
    pub create: bool,
    /// What it gets, by the service's own names.
    pub settings: Vec<AssetSetting>,
}

impl fmt::Display for AssetStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.create { '+' } else { '~' };
        write!(f, " {sign} {}: {}", self.asset, self.about)?;
        self.settings.iter().try_for_each(|setting| write!(f, "\n     {setting}"))
    }
}

/// A setting that is other than it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetSetting {
    /// Its name.
    pub name: String,
    /// What it is; `None` where there is nothing yet.
    pub is: Option<String>,
    /// What it should be.
    pub wanted: String,
}

impl fmt::Display for AssetSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.is {
            Some(is) => write!(f, "{}: {is} -> {}", self.name, self.wanted),
            None => write!(f, "{}: {}", self.name, self.wanted),
        }
    }
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Of what: `stream INFRA_LEDGER`.
    pub asset: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it, as one sentence in the imperative.
    pub next: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.asset, self.what)
    }
}

/// What making the service ready did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AssetsSetup {
    /// What was missing, and was done; and what stands in the way still.
    pub done: AssetsPlan,
}

impl fmt::Display for AssetsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.done.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> AssetsPlan {
        let setting = |is: Option<&str>| AssetSetting {
            name: "max_age".into(),
            is: is.map(str::to_owned),
            wanted: "30d".into(),
        };
        let step = |create, is| AssetStep {
            asset: "stream INFRA_EVENTS".into(),
            about: "events".into(),
            create,
            settings: vec![setting(is)],
        };
        AssetsPlan {
            place: "nats://127.0.0.1:4222".into(),
            steps: vec![step(true, None), step(false, Some("1d"))],
            obstacles: vec![Obstacle {
                asset: "stream INFRA_LEDGER".into(),
                what: "storage is memory".into(),
                next: "move it by hand".into(),
            }],
        }
    }

    #[test]
    fn a_plan_shows_what_is_made_what_is_corrected_and_what_stands_in_the_way() {
        assert_eq!(
            plan().to_string(),
            "\
nats://127.0.0.1:4222:
 + stream INFRA_EVENTS: events
     max_age: 30d
 ~ stream INFRA_EVENTS: events
     max_age: 1d -> 30d
 ! stream INFRA_LEDGER: storage is memory
   move it by hand"
        );
    }

    #[test]
    fn an_obstacle_is_an_error_with_its_way_out() {
        let error = plan().require_unobstructed().unwrap_err();
        assert!(error.to_string().contains("INFRA_LEDGER"), "{error}");
        assert_eq!(error.hints(), ["move it by hand"]);
        let ready = AssetsPlan { steps: Vec::new(), obstacles: Vec::new(), ..plan() };
        assert!(ready.is_ready() && ready.require_unobstructed().is_ok());
        assert_eq!(ready.to_string(), "nats://127.0.0.1:4222 is as it should be");
    }
}
