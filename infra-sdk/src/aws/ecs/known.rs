//! The releases of a service: which revisions are its own, which one should run, which one does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::aws::ecs::calls::Calls;
use crate::aws::ecs::definition::{Definition, family};
use crate::aws::ecs::look::Look;
use crate::aws::ecs::revision::{ACCEPTED, Owner};
use crate::deploy::{Release, ReleaseId, Status};
use crate::error::{Error, ErrorKind, Result};

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

/// Revisions that were read: nothing of them changes but their tags and whether they can be run, and while the environment is
/// locked only by us.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<ReleaseId, Definition>>);

impl Seen {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ReleaseId, Definition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be read again, because it was changed.
    pub(super) fn forget(&self, id: &ReleaseId) {
        self.all().remove(id);
    }
}

impl Known<'_> {
    /// Revisions that can be run, asking for several at a time; those that are gone are left out.
    pub(super) async fn definitions(&self, ids: &[ReleaseId]) -> Result<Vec<Definition>> {
        let mut found: Vec<Definition> = {
            let seen = self.seen.all();
            ids.iter().filter_map(|id| seen.get(id).cloned()).collect()
        };
        let new: Vec<&ReleaseId> =
            ids.iter().filter(|id| !found.iter().any(|known| known.id == **id)).collect();
        for wave in new.chunks(AT_ONCE) {
            let mut asked = tokio::task::JoinSet::new();
            for id in wave {
                let (calls, id) = (self.calls.clone(), (*id).clone());
                asked.spawn(async move { calls.definition(&id).await });
            }
            while let Some(answer) = asked.join_next().await {
                let answer = answer.map_err(|error| {
                    Error::new(ErrorKind::Cancelled, "looking at releases was cut off")
                        .because(error)
                        .hint("run the same command again")
                })?;
                found.extend(answer?.filter(Definition::is_active));
            }
        }
        self.seen.all().extend(found.iter().map(|known| (known.id.clone(), known.clone())));
        Ok(found)
    }

    /// The releases of this service and which of them runs, with the revision the service is set to.
    pub(super) async fn state(&self, look: &Look) -> Result<(Status, Definition)> {
        let mut ids = self.calls.revisions(family(&look.set_to), REVISIONS).await?;
        if !ids.contains(&look.set_to) {
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
            known.iter().filter(ours).filter_map(|definition| self.owner.before(definition)).collect();
        let missing: Vec<ReleaseId> = before.iter().filter(|id| !ids.contains(id)).cloned().collect();
        known.extend(self.definitions(&missing).await?);
        known.retain(|definition| {
            self.owner.made(definition) || definition.id == look.set_to || before.contains(&definition.id)
        });
        if !known.iter().any(|definition| definition.id == running.id) {
            known.push(running.clone());
        }
        let mut releases = known
            .iter()
            .map(|definition| self.owner.release(definition))
            .collect::<Result<Vec<Release>>>()?;
        releases.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        let current = self.current(&running, &releases, &known);
        let active = (!look.is_stopped()).then(|| look.set_to.clone());
        Ok((Status { releases, current, active, url: None }, running))
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
        self.owner.before(running).and_then(kept).or_else(good)
    }
}
