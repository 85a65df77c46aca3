//! The files of a NATS server of the organisation's own, from the settings of an environment.

use std::path::Path;

use crate::error::{Error, Result};
use crate::file;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::manifests::{self, FilePlan, NatsServerSpec, NatsTarget, PublicJwt, Subject};
use crate::time::Timestamp;

/// A JWT with many permissions has some thousand bytes.
const LIMIT: u64 = 256_000;

/// The longest name that DNS and Cloudflare take.
const LONGEST_NAME: usize = 63;

impl Infra {
    /// What making the files of a NATS server for `target` in the folder `out` would change. They hold no secret, and what
    /// somebody changed in them is told.
    ///
    /// # Errors
    /// `NotFound` when `[nats-server]` does not say who runs it, or a file it names is not there; `Invalid` for a JWT of
    /// somebody else, a key where a JWT should be, or an image without an exact version.
    pub fn plan_nats_manifests(&self, target: NatsTarget, out: &Path) -> Result<FilePlan> {
        let settings = &self.settings().nats_server;
        let (Some(operator), Some(system)) = (&settings.operator, &settings.system_account) else {
            return Err(Error::not_found("infra.toml does not say who runs the NATS server")
                .hint("name the JWTs in `[nats-server]`: `operator = \"infra/nats/operator.jwt\"`, `system_account = \"infra/nats/SYS.jwt\"`, `accounts = [\"infra/nats/ACME.jwt\"]`")
                .hint("`nsc add operator --generate-signing-key --sys --name ACME` makes an operator, `nsc describe operator --raw` exports its JWT (https://docs.nats.io/using-nats/nats-tools/nsc)"));
        };
        if settings.accounts.is_empty() {
            return Err(Error::not_found("the NATS server would have no account for repos")
                .hint("name one or more in `accounts` of `[nats-server]`, beside the system account"));
        }
        let accounts = settings.accounts.iter().map(|path| self.public_jwt(path, Subject::Account));
        let folder = out.join(target.to_string());
        let spec = NatsServerSpec {
            name: self.nats_server_name()?,
            image: self.nats_image()?,
            store: settings.store.clone(),
            region: self.config().section()?.region.clone(),
            dir: folder
                .strip_prefix(self.config().root())
                .unwrap_or(&folder)
                .display()
                .to_string()
                .replace('\\', "/"),
            env: self.environment().to_string(),
            operator: self.public_jwt(operator, Subject::Operator)?,
            system_account: self.public_jwt(system, Subject::Account)?,
            accounts: accounts.collect::<Result<_>>()?,
        };
        FilePlan::of(&folder, manifests::nats_server(target, &spec)?)
    }

    fn public_jwt(&self, path: &str, subject: Subject) -> Result<PublicJwt> {
        let text = file::read_text(&self.config().root().join(path), LIMIT)?;
        let text = text.ok_or_else(|| {
            Error::not_found(format!("there is no file {path}"))
                .hint("correct it in `[nats-server]` of infra.toml, or write it with `nsc describe … --raw --output-file`")
        })?;
        let jwt = PublicJwt::parse(path, &text, subject)?;
        jwt.require_sound(path, Timestamp::now(), providers::is_signed)?;
        Ok(jwt)
    }

    /// Pinned, or the version that is used on this machine, too.
    fn nats_image(&self) -> Result<String> {
        if let Some(image) = &self.settings().nats_server.image {
            return Ok(image.clone());
        }
        let version = self.settings().tools.get("nats-server").map(|tool| tool.version.as_str());
        let version = version.ok_or_else(|| {
            Error::not_found("infra.toml does not say which NATS server")
                .hint("set `image = \"nats:2.15.1-alpine@sha256:…\"` in `[nats-server]`, or `version` in `[tools.nats-server]`")
        })?;
        Ok(format!("nats:{version}-alpine"))
    }

    fn nats_server_name(&self) -> Result<String> {
        let settings = self.settings();
        let name = match &settings.nats_server.name {
            Some(name) => name.to_string(),
            None => format!("{}-nats-{}", settings.project.org, self.environment()),
        };
        let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
        let name: String = name.to_ascii_lowercase().chars().map(plain).collect();
        if name.len() > LONGEST_NAME {
            return Err(Error::invalid(format!(
                "the name of the NATS server is longer than {LONGEST_NAME}: {name}"
            ))
            .hint("give it a shorter one: `name` in `[nats-server]`"));
        }
        Ok(name)
    }
}
