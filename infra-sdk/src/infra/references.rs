//! What repos read of each other: typed trees in, typed trees out, each publication recorded.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::open::Infra;
use crate::ledger::Outcome;
use crate::names::{Label, ParamPath, unknown};
use crate::refs::{self, Check, Listing, PublishPlan, Published};
use crate::secret::SecretValue;

impl Infra {
    /// Reads what stands at a reference: a name of `[refs]`, or a path such as `/infrastructure/network`.
    ///
    /// # Errors
    /// `NotFound` when there is no such reference; `Invalid` listing every field that is missing or of another type.
    pub async fn read<T: DeserializeOwned>(&self, reference: &str) -> Result<T> {
        let path = self.path_of(reference)?;
        refs::read(&*self.ports().params, &path).await.context(format!("read the reference `{reference}`"))
    }

    /// Makes the tree at `path` say exactly what `value` says; what is the same already is not written again.
    ///
    /// # Errors
    /// `Invalid` listing every value that can not be kept, before anything is written.
    pub async fn publish<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<Published> {
        let path = ParamPath::new(path)?;
        let plan = refs::publish_plan(&*self.ports().params, &path, value).await?;
        self.carry_out_publish(plan).await
    }

    /// What publishing every path of `[exports]` would change, from the outputs of its stack as they are now.
    ///
    /// # Errors
    /// `NotFound` when this repo exports nothing; what reading the outputs fails with; `Invalid` with every output that
    /// can not be published.
    pub async fn plan_exports(&self) -> Result<Exports<PublishPlan>> {
        let exports = &self.settings().exports;
        if exports.is_empty() {
            return Err(Error::not_found("this repo exports nothing")
                .hint("add `[exports]` to infra.toml, such as \"/infrastructure/network\" = { stack = \"network\" }"));
        }
        let terraform = self.terraform().await?;
        let mut plans = Vec::new();
        for (path, export) in exports {
            let (name, config) = self.stack_named(export.stack.as_str())?;
            let stack = self.open_stack(&terraform, name, config).await?;
            let outputs: BTreeMap<String, refs::Output> = stack
                .outputs_raw()
                .await?
                .into_iter()
                .map(|(name, output)| {
                    if let (true, Some(text)) = (output.sensitive, output.value.as_str()) {
                        self.host().learn(&SecretValue::new(text));
                    }
                    (name, refs::Output { value: output.value, sensitive: output.sensitive })
                })
                .collect();
            plans.push(refs::publish_outputs_plan(&*self.ports().params, path, &outputs).await?);
        }
        Ok(Exports(plans))
    }

    /// Publishes what was planned.
    ///
    /// # Errors
    /// What the store fails with; paths before the failing one stay published.
    pub async fn publish_exports(&self, plans: Exports<PublishPlan>) -> Result<Exports<Published>> {
        let mut published = Vec::new();
        for plan in plans.0 {
            published.push(self.carry_out_publish(plan).await?);
        }
        Ok(Exports(published))
    }

    /// Whether every reference of `[refs]` is there.
    ///
    /// # Errors
    /// `NotFound` listing every one that is not, with the nearest path that is.
    pub async fn check_references(&self) -> Result<Check> {
        refs::check(&*self.ports().params, &self.settings().refs).await?.into_result()
    }

    /// What this repo reads and publishes, and what is there.
    ///
    /// # Errors
    /// What the store fails with.
    pub async fn list_references(&self) -> Result<Listing> {
        let settings = self.settings();
        refs::list(&*self.ports().params, &settings.refs, settings.exports.keys()).await
    }

    async fn carry_out_publish(&self, plan: PublishPlan) -> Result<Published> {
        self.before_change().await?;
        let (path, changes) = (plan.path.clone(), !plan.is_empty());
        let published = plan.apply(&*self.ports().params).await?;
        if changes {
            let counts = format!("{} written, {} removed", published.written.len(), published.removed.len());
            let details = [("parameters", counts)];
            self.record("publish", path.as_str(), Outcome::Done, &details).await?;
            self.tell_others(vocabulary::REFS_PUBLISHED, serde_json::json!({ "path": path })).await?;
        }
        Ok(published)
    }

    fn path_of(&self, reference: &str) -> Result<ParamPath> {
        if reference.starts_with('/') {
            return ParamPath::new(reference);
        }
        let refs = &self.settings().refs;
        refs.get(reference).cloned().ok_or_else(|| {
            let add = "add it to `[refs]`, or give a path that starts with `/`";
            unknown("reference", reference, refs.keys().map(Label::as_str), add)
        })
    }
}

/// One item for each path of `[exports]`: its plan, or what was published.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Exports<T>(pub Vec<T>);

impl<T: fmt::Display> fmt::Display for Exports<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}
