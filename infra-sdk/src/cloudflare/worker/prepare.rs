//! Making a version: what it consists of, whether the one that runs is the same, and the upload.

use crate::cloudflare::account::is_variable;
use crate::cloudflare::worker::calls::Version;
use crate::cloudflare::worker::containers;
use crate::cloudflare::worker::known::Look;
use crate::cloudflare::worker::note::Note;
use crate::cloudflare::worker::parked;
use crate::cloudflare::worker::program::Wrangler;
use crate::cloudflare::worker::settings::{Container, Settings};
use crate::cloudflare::worker::target::WorkerTarget;
use crate::cloudflare::worker::upload::{Secrets, Upload};
use crate::cloudflare::worker::work::Work;
use crate::deploy::{Release, ReleaseId, ReleaseSpec};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;

/// The bytes of a variable or secret
/// (<https://developers.cloudflare.com/workers/platform/limits/#environment-variables>).
const LONGEST: usize = 5 * 1024;

/// How often a version is looked for that was uploaded just now.
const LOOKS: u32 = 6;

impl WorkerTarget {
    /// A version that is exactly what `spec` asks for: the one that runs or ran last, or a new one.
    pub(super) async fn prepared(&self, spec: &ReleaseSpec, by: &str, fresh: bool) -> Result<Release> {
        spec.check()?;
        check_variables(spec)?;
        let place = &self.owner.place;
        let repo = Settings::load(place)?;
        let containers = repo.containers(&place.script)?;
        let image = self.image(spec, containers::chosen(place, &containers)?).await?;
        let settings = repo
            .named(&place.script, &self.calls.account)?
            .containing(&containers, image.as_ref().map(|(name, image)| (name.as_str(), image.as_str())));
        let settings = settings.variables(&spec.env, spec.secrets.keys().map(|name| name.as_str()))?;
        let wrangler = self.program(&settings).await?;
        let upload = self.upload(&wrangler);
        let look = self.look().await?;
        self.check_owner(&look)?;
        let made_of = self.made_of(spec, &settings, &upload.digest(&settings).await?).await?;
        let ran = look.status.active.as_ref().or(look.status.current.as_ref());
        let same = ran.and_then(|id| look.version(id)).and_then(|version| self.owner.note(version));
        if let Some(release) = ran.and_then(|id| look.status.release(id)).filter(|_| !fresh)
            && same.is_some_and(|note| note.made_of == made_of)
        {
            return Ok(release.clone());
        }
        let note = Note::of(spec, place.environment.as_str(), by, made_of);
        note.message()?;
        if !look.is_there() {
            self.check_absent().await?;
            self.make(&upload, &settings, &spec.secrets).await?;
        }
        let id = upload.version(&settings, &note, &spec.secrets).await?;
        let created = self.uploaded(&id, &note).await?.metadata.created_on.unwrap_or_else(Timestamp::now);
        note.release(id, created, None, &self.owner.project)
    }

    /// The version that stands in for the project while it is stopped; uploaded, unless there is one.
    pub(super) async fn parked(&self, look: &Look) -> Result<ReleaseId> {
        let place = &self.owner.place;
        let settings = Settings::load(place)?.named(&place.script, &self.calls.account)?;
        let (program, note) = self.standing_in(&settings)?;
        let mut there = look.versions.iter().filter(|version| self.owner.is_parked(version));
        if let Some(same) = there.find(|version| self.owner.note(version).as_ref() == Some(&note)) {
            return same.release_id();
        }
        let wrangler = self.program(&settings).await?;
        let work = Work::new(&self.folder)?;
        let settings = settings.running(&work.write(parked::FILE, program.as_bytes())?);
        let id = self.upload(&wrangler).version(&settings, &note, &Secrets::new()).await?;
        self.uploaded(&id, &note).await?;
        Ok(id)
    }

    /// Makes the Worker, which is stopped at first: what is not healthy yet gets no request.
    async fn make(&self, upload: &Upload<'_>, settings: &Settings, secrets: &Secrets) -> Result<()> {
        let (program, note) = self.standing_in(settings)?;
        let work = Work::new(&self.folder)?;
        let settings = settings.clone().running(&work.write(parked::FILE, program.as_bytes())?);
        let id = upload.first(&settings, &note, secrets).await?;
        self.uploaded(&id, &note).await.map(drop)
    }

    /// Making the Worker puts another program in the place of one that serves, so a single answer that there is none is not
    /// enough.
    async fn check_absent(&self) -> Result<()> {
        let was_there = self.seen().there;
        if !self.look().await?.is_there() && !was_there {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "Cloudflare knew this Worker, and for a moment it did not")
            .with("worker", &self.owner.place.script)
            .hint(
                "nothing was changed; roll out again, also where somebody deleted it: then it is made anew",
            ))
    }

    fn standing_in(&self, settings: &Settings) -> Result<(String, Note)> {
        let program = parked::program(&settings.classes())?;
        let mut note = Note::parked(&self.owner.project, self.owner.place.environment.as_str());
        note.made_of = Digest::of(program.as_bytes()).short().to_owned();
        Ok((program, note))
    }

    pub(super) async fn program(&self, settings: &Settings) -> Result<Wrangler> {
        let root = &self.owner.place.root;
        Wrangler::find(&self.env, root, settings.path(), self.pinned.as_deref()).await
    }

    pub(super) fn upload<'a>(&'a self, wrangler: &'a Wrangler) -> Upload<'a> {
        Upload {
            wrangler,
            env: &self.env,
            cloudflare: &self.calls.cloudflare,
            account: &self.calls.account,
            script: &self.owner.place.script,
            folder: &self.folder,
            deadline: self.deadline,
        }
    }

    /// The container that gets the image, by its name, and what it pulls.
    async fn image(
        &self,
        spec: &ReleaseSpec,
        container: Option<&Container>,
    ) -> Result<Option<(String, String)>> {
        let Some(container) = container else { return Ok(None) };
        // Asked first: a registry may learn its own address by it.
        let stored = self.images.get_manifest(&spec.image, &spec.digest.clone().into()).await?;
        let image = self.pulled_as(&spec.image, spec.digest.as_str())?;
        if stored.is_none() {
            return Err(Error::not_found("the image is not in the registry")
                .with("image", image)
                .hint("push it first: `infra.push(&image)` in a task, or `infra:image:push`"));
        }
        Ok(Some((container.name.clone(), image)))
    }

    /// Two projects, or two environments of one, would take turns in the place of each other. A version that says nothing of
    /// itself, such as one that a secret was added to, belongs to who uploaded the one before it.
    fn check_owner(&self, look: &Look) -> Result<()> {
        let active = look.status.active.as_ref().and_then(|id| look.version(id));
        let Some(active) = active else { return Ok(()) };
        // Newest first.
        let mut since = look.versions.iter().filter(|version| version.number <= active.number);
        let last =
            active.note().is_some().then_some(active).or_else(|| since.find(|one| one.note().is_some()));
        let other = last.filter(|version| self.owner.note(version).is_none()).and_then(Version::note);
        let Some(note) = other else { return Ok(()) };
        Err(Error::new(ErrorKind::Conflict, "this Worker runs releases of somebody else")
            .with("worker", &self.owner.place.script)
            .with("project", note.project)
            .with("environment", note.environment)
            .hint(
                "give this environment a Worker of its own: `service` in `[env.NAME.deploy]` of infra.toml",
            ))
    }

    /// What tells a release from another one, for who has the key of fingerprints.
    async fn made_of(&self, spec: &ReleaseSpec, settings: &Settings, code: &Digest) -> Result<String> {
        let text = settings.text();
        let (image, digest) = (spec.image.as_str(), spec.digest.as_str());
        let mut parts: Vec<&[u8]> =
            [&*text, code.as_str(), &spec.health, image, digest].map(str::as_bytes).to_vec();
        for (name, value) in &spec.secrets {
            parts.extend([name.as_str().as_bytes(), value.expose().as_bytes()]);
        }
        let mac = self.keys.fingerprint_key().await?.mac("infra-sdk worker release 1", &parts);
        Ok(crate::id::hex(&mac[..16]))
    }

    /// A version that was just uploaded, as soon as Cloudflare knows it: the one that was asked for, as its note says.
    async fn uploaded(&self, id: &ReleaseId, note: &Note) -> Result<Version> {
        for look in 0..LOOKS {
            if let Some(version) = self.calls.version(id.as_str()).await? {
                if self.owner.note(&version).as_ref() == Some(note) {
                    return Ok(version);
                }
                return Err(Error::new(
                    ErrorKind::Failed,
                    "wrangler names a version that is not the one it was to upload",
                )
                .with("version", id)
                .with("worker", &self.owner.place.script)
                .hint("look at the Worker's versions in the dashboard, and at this wrangler: no release of it serves"));
            }
            tokio::time::sleep(self.calls.retry.first * look).await;
        }
        Err(Error::new(
            ErrorKind::Failed,
            "wrangler says that it uploaded a version, and Cloudflare does not know it",
        )
        .with("version", id)
        .with("worker", &self.owner.place.script)
        .hint("look at the Worker's versions in the dashboard, and at CLOUDFLARE_API_BASE_URL"))
    }
}

/// What a Worker cannot have as a variable.
fn check_variables(spec: &ReleaseSpec) -> Result<()> {
    if let Some(name) = spec.from.keys().next() {
        return Err(Error::invalid(format!("{name} names a place, and a Worker takes values"))
            .hint("give it in `secrets` or `env` of the release"));
    }
    let plain = spec.env.iter().map(|(name, value)| (name.as_str(), value.len()));
    let secret = spec.secrets.iter().map(|(name, value)| (name.as_str(), value.expose().len()));
    for (name, length) in plain.chain(secret) {
        if !is_variable(name) {
            return Err(Error::invalid(format!("{name} cannot be a variable of a Worker"))
                .hint("give it another name, such as the same in capitals"));
        }
        if length > LONGEST {
            return Err(Error::invalid(format!("the value of {name} is too long for a Worker"))
                .with("bytes", length)
                .with("allowed", LONGEST)
                .hint("split it over several, or let the Worker read it from where it is kept"));
        }
    }
    Ok(())
}
