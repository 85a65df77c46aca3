//! Running wrangler: with settings of its own, secrets in a file, and a file that it writes what it did into.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::worker::code;
use crate::cloudflare::worker::note::Note;
use crate::cloudflare::worker::output::{Asked, judge};
use crate::cloudflare::worker::program::{Wrangler, environment};
use crate::cloudflare::worker::settings::Settings;
use crate::cloudflare::worker::work::{self, Beside, Work};
use crate::deploy::ReleaseId;
use crate::digest::Digest;
use crate::env::{CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_BASE_URL, CLOUDFLARE_API_TOKEN, Env};
use crate::error::{Error, ErrorKind, Result};
use crate::file;
use crate::mask::Masks;
use crate::names::SecretName;
use crate::process::Cmd;
use crate::secret::SecretValue;

/// Far more than wrangler writes of one run.
const OUTPUT: u64 = 4_000_000;

/// The values that a version is given.
pub(super) type Secrets = BTreeMap<SecretName, SecretValue>;

/// wrangler, ready to be run for one Worker.
pub(super) struct Upload<'a> {
    pub(super) wrangler: &'a Wrangler,
    pub(super) env: &'a Env,
    pub(super) cloudflare: &'a Cloudflare,
    pub(super) account: &'a str,
    pub(super) script: &'a str,
    /// Where private files may stand.
    pub(super) folder: &'a Path,
    /// How long one run may take.
    pub(super) deadline: Duration,
}

impl Upload<'_> {
    /// The digest of what would be uploaded; nothing is.
    pub(super) async fn digest(&self, settings: &Settings) -> Result<Digest> {
        let work = Work::new(self.folder)?;
        let bundle = work.join("code");
        let served = settings.assets();
        if !settings.has_code() {
            return code::digest(None, &served);
        }
        let outdir = bundle.to_string_lossy().into_owned();
        let more = ["--dry-run", "--containers-rollout=none", "--outdir", &outdir];
        self.run(&["deploy"], &more, settings, &work, &Secrets::new(), false).await?;
        let digest = code::digest(Some(&bundle), &served)?;
        if digest == code::digest(None, &served)? {
            return Err(Error::new(ErrorKind::Failed, "wrangler ended well, and bundled no code")
                .hint("look at `main` in wrangler's settings, and run `wrangler deploy --dry-run` by hand"));
        }
        Ok(digest)
    }

    /// Uploads a version that gets no request yet.
    pub(super) async fn version(
        &self,
        settings: &Settings,
        note: &Note,
        secrets: &Secrets,
    ) -> Result<ReleaseId> {
        self.upload(&["versions", "upload"], settings, note, secrets).await
    }

    /// Makes the Worker, whose first version gets all requests at once; with it routes, schedules and containers.
    pub(super) async fn first(
        &self,
        settings: &Settings,
        note: &Note,
        secrets: &Secrets,
    ) -> Result<ReleaseId> {
        self.upload(&["deploy"], settings, note, secrets).await
    }

    async fn upload(
        &self,
        command: &[&str],
        settings: &Settings,
        note: &Note,
        secrets: &Secrets,
    ) -> Result<ReleaseId> {
        let work = Work::new(self.folder)?;
        // In one word each, so that a version like `-rc1` is not taken for a flag.
        let (tag, message) = (format!("--tag={}", note.tag()), format!("--message={}", note.message()?));
        let more = [&*tag, &message];
        let made = self.run(command, &more, settings, &work, secrets, true).await?;
        made.ok_or_else(|| Error::new(ErrorKind::Bug, "an upload was not judged").hint("please report this"))
    }

    async fn run(
        &self,
        command: &[&str],
        more: &[&str],
        settings: &Settings,
        work: &Work,
        secrets: &Secrets,
        uploads: bool,
    ) -> Result<Option<ReleaseId>> {
        let beside = Beside::write(settings.path(), settings.text().as_bytes())?;
        // wrangler reads `.env` of the repo, unless it is given another one. Ours holds values for everybody.
        let no_variables = work.write("none.env", b"")?;
        let output = work.join("output.ndjson");
        let (token, base) = self.cloudflare.credentials();
        let masks = Masks::new();
        masks.add(token);
        let mut cmd = environment(Cmd::new(&self.wrangler.path), self.env)
            .args(command)
            .arg("--config")
            .arg(beside.path())
            .args(settings.arguments())
            .arg("--env-file")
            .arg(no_variables)
            .args(more)
            .env_secret(CLOUDFLARE_API_TOKEN, token)
            .env(CLOUDFLARE_ACCOUNT_ID, self.account)
            .env(work::RECORDS, &output)
            .env("WRANGLER_LOG_PATH", work.join("log"))
            .dir(settings.path().parent().unwrap_or(Path::new(".")))
            .masks(masks.clone())
            .deadline(self.deadline);
        if let Some(base) = base {
            cmd = cmd.env(CLOUDFLARE_API_BASE_URL, base);
        }
        if !secrets.is_empty() {
            secrets.values().for_each(|value| masks.add(value));
            let values: BTreeMap<&str, &str> =
                secrets.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
            let text = serde_json::to_vec(&values).unwrap_or_default();
            cmd = cmd.arg("--secrets-file").arg(work.write("secrets.json", &text)?);
        }
        let ended = cmd.output().await?;
        let written = file::read(&output, OUTPUT)?.unwrap_or_default();
        let asked = Asked {
            command: &command.join(" "),
            wrangler: &self.wrangler.version,
            script: self.script,
            uploads,
        };
        let judged = judge(asked, &ended, &String::from_utf8_lossy(&written), &masks);
        judged.map_err(|error| self.cloudflare.refused(error))
    }
}
