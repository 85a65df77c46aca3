//! A way back where there would be none: a revision that was deregistered is registered anew.

use crate::aws::ecs::calls::Calls;
use crate::aws::ecs::definition::Definition;
use crate::aws::ecs::revision::Owner;
use crate::aws::ecs::seen::Seen;
use crate::deploy::ReleaseId;
use crate::error::{Error, Result};

/// What keeps Terraform from deregistering the revision it replaces:
/// <https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/ecs_task_definition#skip_destroy>.
const SKIP_DESTROY: &str =
    "let Terraform keep the revisions that it replaces: `skip_destroy = true` in `aws_ecs_task_definition`";

/// Going back to revisions of one service. AWS still tells the fields of one that was deregistered, and sets no service to it.
pub(super) struct WayBack<'a> {
    pub(super) calls: &'a Calls,
    pub(super) owner: &'a Owner,
    pub(super) seen: &'a Seen,
}

impl WayBack<'_> {
    /// The revision that a failure goes back to when `id` serves now: that, or what is registered in its place.
    pub(super) async fn to(&self, id: &ReleaseId) -> Result<ReleaseId> {
        if self.seen.definition(id).is_some() {
            return Ok(id.clone());
        }
        match self.found(id).await? {
            Ok(active) => Ok(active.id),
            Err(Some(gone)) => Ok(self.register_anew(&gone).await?.id),
            Err(None) => Err(self.not_kept(id, None)),
        }
    }

    /// A revision that can be run, which is a release that is kept, or stands for one.
    pub(super) async fn runnable(&self, id: &ReleaseId) -> Result<Definition> {
        match self.found(id).await? {
            Ok(active) => Ok(active),
            // It was there a moment ago.
            Err(Some(gone)) if self.seen.definition(id).is_some() => self.register_anew(&gone).await,
            Err(gone) => Err(self.not_kept(id, gone.as_ref())),
        }
    }

    /// The revision or its stand-in; else what is left of it.
    async fn found(&self, id: &ReleaseId) -> Result<std::result::Result<Definition, Option<Definition>>> {
        let id = self.seen.stand_in(id).unwrap_or_else(|| id.clone());
        Ok(match self.calls.definition(&id).await? {
            Some(definition) if definition.is_active() => Ok(definition),
            left => Err(left),
        })
    }

    async fn register_anew(&self, gone: &Definition) -> Result<Definition> {
        let tags = self.owner.stand_in_tags(gone);
        let made = self.calls.register(gone.own_fields(), &tags).await;
        let made = made.map_err(|error| error.with("in the place of", &gone.id).hint(SKIP_DESTROY))?;
        // What stands in tags is what was sent, also where an answer leaves them out.
        let made = Definition { tags, ..made };
        self.seen.forget(&gone.id);
        self.seen.note(&made, Some(gone.id.clone()));
        Ok(made)
    }

    /// Why a revision cannot be run; `left` is what AWS still knows of it.
    pub(super) fn not_kept(&self, id: &ReleaseId, left: Option<&Definition>) -> Error {
        let error = Error::not_found(format!("the release {id} is not kept")).with("on", &self.owner.place);
        let error = match left {
            Some(_) => error.with("status", "it was deregistered").hint(SKIP_DESTROY),
            None => error,
        };
        error.hint("take one from `infra:deploy:history`")
    }
}

/// What whoever looks at a service is to know when what it runs was deregistered.
pub(super) fn warning(id: &ReleaseId) -> String {
    format!(
        "{id} was deregistered while it serves, so the next rollout registers it anew first, to have a way back; {SKIP_DESTROY}"
    )
}
