//! The releases of a Worker: which versions are its own, which one should get the requests, which one does.

use std::time::SystemTime;

use crate::cloudflare::worker::calls::{Calls, Deployment, Version};
use crate::cloudflare::worker::note::Note;
use crate::cloudflare::worker::place::WorkerPlace;
use crate::cloudflare::worker::record::Accepted;
use crate::deploy::{Release, ReleaseId, Status};
use crate::error::Result;
use crate::names::{ImageName, RepoName};
use crate::time::Timestamp;

/// The most pages of deployments that are read for what was accepted.
const PAGES: u32 = 50;

/// Which releases are whose.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) project: RepoName,
    pub(super) place: WorkerPlace,
}

/// A Worker at one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Newest first; none where there is no such Worker.
    pub(super) versions: Vec<Version>,
    /// What gets the requests.
    pub(super) latest: Option<Deployment>,
    /// What was accepted, as the newest deployment of ours says.
    pub(super) accepted: Accepted,
    pub(super) status: Status,
}

impl Owner {
    /// The note of a version that was uploaded here, for this project in this environment.
    pub(super) fn note(&self, version: &Version) -> Option<Note> {
        version.note().filter(|note| {
            note.project == self.project.as_str() && note.environment == self.place.environment.as_str()
        })
    }

    /// Whether a version stands in for the project while it is stopped.
    pub(super) fn is_parked(&self, version: &Version) -> bool {
        self.note(version).is_some_and(|note| note.parked)
    }

    /// A version as a release. One that somebody else uploaded served without our asking, so it counts as good.
    fn release(&self, version: &Version, accepted: Option<Timestamp>) -> Result<Release> {
        let created = version.metadata.created_on.unwrap_or_else(|| SystemTime::UNIX_EPOCH.into());
        let id = version.release_id()?;
        if let Some(note) = self.note(version) {
            return note.release(id, created, accepted, &self.project);
        }
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let by = text(&version.metadata.author_email).or_else(|| text(&version.metadata.source));
        Ok(Release {
            id,
            project: self.project.clone(),
            image: ImageName::new(self.project.as_str())?,
            digest: None,
            version: text(&version.annotations.tag).unwrap_or_else(|| "unknown".into()),
            by: by.unwrap_or_else(|| "unknown".into()),
            created,
            accepted: Some(accepted.unwrap_or(created)),
            port: None,
            health: String::new(),
        })
    }

    /// Looks at the Worker.
    pub(super) async fn look(&self, calls: &Calls) -> Result<Look> {
        let Some(deployments) = calls.deployments().await? else { return Ok(Look::default()) };
        let mut versions = calls.versions().await?;
        let latest = deployments.first().cloned();
        // What gets requests is shown, also where the list of versions ends before it.
        for part in latest.iter().flat_map(|latest| &latest.versions) {
            if !versions.iter().any(|version| version.id == part.version_id) {
                versions.extend(calls.version(&part.version_id).await?);
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        let accepted = self.accepted(calls, deployments, &versions).await?;
        let status = self.status(&versions, latest.as_ref(), &accepted)?;
        Ok(Look { versions, latest, accepted, status })
    }

    /// What the newest deployment of ours says was accepted, however many of others came after it.
    async fn accepted(
        &self,
        calls: &Calls,
        newest: Vec<Deployment>,
        versions: &[Version],
    ) -> Result<Accepted> {
        let (mut part, mut page) = (newest, 1);
        loop {
            if let Some(accepted) = part.iter().find_map(Deployment::accepted) {
                return Ok(accepted);
            }
            // Who has uploaded nothing has accepted nothing.
            let may_be_there = versions.iter().any(|version| self.note(version).is_some());
            if part.is_empty() || page == PAGES || !may_be_there {
                return Ok(Accepted::default());
            }
            page += 1;
            let next = calls.deployments_on(page).await?.unwrap_or_default();
            // An API without pages tells the same again.
            let is_same = next.first().map(|one| &one.id) == part.first().map(|one| &one.id);
            part = if is_same { Vec::new() } else { next };
        }
    }

    /// What such versions and such a deployment mean, with these that were accepted.
    pub(super) fn status(
        &self,
        versions: &[Version],
        latest: Option<&Deployment>,
        accepted: &Accepted,
    ) -> Result<Status> {
        let serving: Vec<&Version> = latest
            .iter()
            .flat_map(|latest| &latest.versions)
            .filter_map(|part| versions.iter().find(|version| version.id == part.version_id))
            .filter(|version| !self.is_parked(version))
            .collect();
        let last = accepted.last().map(|(id, _)| id.clone());
        // Of two that share the requests, the one that is not good yet is being rolled out.
        let is_last = |version: &Version| last.as_ref().is_some_and(|last| last.as_str() == version.id);
        let active = serving.iter().find(|version| !is_last(version)).or(serving.first()).copied();
        let is_ours = |version: &Version| self.note(version).is_some();
        let set_here = latest.is_some_and(|latest| latest.accepted().is_some());
        let good = versions.iter().filter(|version| accepted.has(&version.id));
        let newest = good.map(|version| version.number).max();
        let mut releases = Vec::new();
        for version in versions.iter().filter(|version| !self.is_parked(version)) {
            let id = version.release_id()?;
            let is_active = active.is_some_and(|active| active.id == version.id);
            // One of ours that is newer than all that are good was not judged yet, or failed.
            let candidate = is_ours(version) && newest.is_none_or(|newest| version.number > newest);
            if accepted.time(&id).is_some() || is_active || candidate {
                // Whoever gave the requests to a version by another way knows why: it is good.
                let good = version.metadata.created_on.filter(|_| is_active && !set_here);
                releases.push(self.release(version, accepted.time(&id).or(good))?);
            }
        }
        let kept = |id: ReleaseId| releases.iter().any(|release| release.id == id).then_some(id);
        let current = match active {
            Some(active) if !set_here || !is_ours(active) => Some(active.release_id()?),
            _ => last.and_then(kept),
        };
        let active = active.map(Version::release_id).transpose()?;
        Ok(Status { releases, current, active, url: None })
    }
}

impl Look {
    /// Whether there is such a Worker.
    pub(super) fn is_there(&self) -> bool {
        self.latest.is_some() || !self.versions.is_empty()
    }

    pub(super) fn version(&self, id: &ReleaseId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id.as_str())
    }

    /// What was accepted, and what serves without having been, as the last: the way back, whenever it was made.
    pub(super) fn good(&self) -> Accepted {
        let mut good = self.accepted.clone();
        let current = self.status.current.as_ref().and_then(|current| self.status.release(current));
        if let Some(release) = current.filter(|release| release.accepted.is_some())
            && good.last().is_none_or(|(last, _)| *last != release.id)
        {
            good.accept(&release.id);
        }
        good
    }
}
