//! The releases of a service: which revisions are its own, which one should run, which one does.

use std::collections::BTreeSet;

use crate::aws::ecs::calls::Calls;
use crate::aws::ecs::definition::{Definition, family, number};
use crate::aws::ecs::look::Look;
use crate::aws::ecs::revision::{ACCEPTED, Owner};
use crate::aws::ecs::seen::Seen;
use crate::aws::several::several;
use crate::deploy::{Release, ReleaseId, Status};
use crate::error::{Error, Result};

/// How many of the newest revisions are looked at; those that somebody else registered are among them.
const REVISIONS: i32 = 25;

/// How many revisions are asked for at once.
const AT_ONCE: usize = 5;

/// What AWS keeps of a service's releases.
pub(super) struct Known<'a> {
    pub(super) calls: &'a Calls,
    pub(super) owner: &'a Owner,
    pub(super) seen: &'a Seen,
}

impl Known<'_> {
    /// Revisions that can be run, asking for several at a time; those that are gone are left out.
    pub(super) async fn definitions(&self, ids: &[ReleaseId]) -> Result<Vec<Definition>> {
        let mut found: Vec<Definition> = ids.iter().filter_map(|id| self.seen.definition(id)).collect();
        let new: Vec<&ReleaseId> =
            ids.iter().filter(|id| !found.iter().any(|known| known.id == **id)).collect();
        let asked = new.into_iter().map(|id| self.calls.definition(id)).collect();
        found.extend(several(asked, AT_ONCE).await?.into_iter().flatten().filter(Definition::is_active));
        for known in &found {
            self.seen.note(known, self.owner.stands_for(known));
        }
        Ok(found)
    }

    /// The releases of this service and which of them runs, with the revision the service is set to.
    pub(super) async fn state(&self, look: &Look) -> Result<(Status, Definition)> {
        let mut ids = self.calls.revisions(family(&look.set_to), REVISIONS).await?;
        if !ids.contains(&look.set_to) {
            // An old one, or one that was deregistered since it was read.
            self.seen.forget(&look.set_to);
            ids.push(look.set_to.clone());
        }
        let mut known = self.definitions(&ids).await?;
        let running = match known.iter().find(|definition| definition.id == look.set_to) {
            Some(running) => running.clone(),
            // Terraform deregisters the revision it replaces, and the service may still run it.
            None => self.calls.definition(&look.set_to).await?.ok_or_else(|| {
                Error::not_found(format!("the service's task definition {} is not there", look.set_to))
                    .with("on", &self.owner.place)
                    .hint("apply the Terraform that makes it")
            })?,
        };
        let ours = |definition: &&Definition| self.owner.made(definition);
        let before: BTreeSet<ReleaseId> =
            known.iter().filter(ours).filter_map(|definition| self.before(definition)).collect();
        let missing: Vec<ReleaseId> = before.iter().filter(|id| !ids.contains(id)).cloned().collect();
        known.extend(self.definitions(&missing).await?);
        if let Some(id) = self.way_back(&running).filter(|id| !known.iter().any(|known| known.id == *id)) {
            // Deregistered while a rollout is under way: it is told of all the same, for it can be registered anew.
            known.extend(self.calls.definition(&id).await?);
        }
        known.retain(|definition| {
            self.owner.made(definition) || definition.id == look.set_to || before.contains(&definition.id)
        });
        // What stands for the revision that runs is the same once more.
        known.retain(|definition| self.owner.stands_for(definition).as_ref() != Some(&running.id));
        if !known.iter().any(|definition| definition.id == running.id) {
            known.push(running.clone());
        }
        // Each family counts its revisions, and no clock has a say; those of another family are from before it was renamed.
        let of_family = |id: &ReleaseId| family(id) == family(&look.set_to);
        known.sort_by_cached_key(|definition| {
            let id = &definition.id;
            std::cmp::Reverse((of_family(id), family(id).to_owned(), number(id)))
        });
        let releases = known
            .iter()
            .map(|definition| self.owner.release(definition))
            .collect::<Result<Vec<Release>>>()?;
        let current = self.current(&running, &releases, &known);
        let active = (!look.is_stopped()).then(|| look.set_to.clone());
        Ok((Status { releases, current, active, url: None }, running))
    }

    /// The revision that served when `definition` was made, or what stands for it since it was deregistered.
    fn before(&self, definition: &Definition) -> Option<ReleaseId> {
        let before = self.owner.before(definition)?;
        Some(self.seen.stand_in(&before).unwrap_or(before))
    }

    /// What a rollout that is under way goes back to when it fails.
    fn way_back(&self, running: &Definition) -> Option<ReleaseId> {
        let under_way = self.owner.made(running) && running.tag(ACCEPTED).is_none();
        self.before(running).filter(|_| under_way)
    }

    /// The release that should run.
    fn current(&self, running: &Definition, releases: &[Release], known: &[Definition]) -> Option<ReleaseId> {
        let kept = |id: ReleaseId| releases.iter().any(|release| release.id == id).then_some(id);
        // Whoever set the service to a revision of their own knows why.
        if !self.owner.made(running) {
            return kept(running.id.clone());
        }
        let good = || {
            let ours = known.iter().filter(|definition| self.owner.made(definition));
            let ids: Vec<&ReleaseId> = ours.map(|definition| &definition.id).collect();
            let good = releases.iter().filter(|release| ids.contains(&&release.id));
            let newest =
                good.filter(|release| release.accepted.is_some()).max_by_key(|release| release.accepted);
            newest.map(|release| release.id.clone())
        };
        if running.tag(ACCEPTED).is_some() {
            return good();
        }
        self.before(running).and_then(kept).or_else(good)
    }
}
