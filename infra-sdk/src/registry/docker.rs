//! Who asks, as `docker login` noted it: Docker's `config.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::env::{DOCKER_CONFIG, Env};
use crate::error::{Error, Result};
use crate::file;
use crate::names::quoted;
use crate::registry::credentials::{Credentials, Login};
use crate::registry::docker_helper;
use crate::secret::SecretValue;

/// The largest file that is read.
const LONGEST: u64 = 1 << 20;
/// What Docker calls its own registry in this file.
const HUB: &str = "https://index.docker.io/v1/";

/// What `docker login` noted for one registry: in the file itself, or with a program that keeps passwords.
///
/// ```
/// use infra_sdk::Env;
/// use infra_sdk::registry::{Credentials, DockerConfig};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// let nobody = DockerConfig::find(&Env::of([("HOME", "/nonexistent")], "/"), "ghcr.io");
/// assert!(nobody.get(false).await?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct DockerConfig {
    path: Option<PathBuf>,
    host: String,
    env: Env,
    found: Mutex<Option<Option<Login>>>,
}

/// [The file](https://docs.docker.com/reference/cli/docker/login/#credential-stores), as far as it is about passwords.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<SecretValue>,
    username: Option<String>,
    password: Option<SecretValue>,
    identitytoken: Option<SecretValue>,
}

impl DockerConfig {
    /// What is noted for `registry`, a host with its port and, if there is one, its path: in the folder `DOCKER_CONFIG`, or in
    /// `~/.docker`. The file is read when somebody is asked for, and need not be there.
    pub fn find(env: &Env, registry: &str) -> Self {
        let folder = env.path(DOCKER_CONFIG).or_else(|| {
            let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
            env.path(home).map(|home| home.join(".docker"))
        });
        let host = registry.split_once("://").map_or(registry, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default().to_owned();
        DockerConfig {
            path: folder.map(|folder| folder.join("config.json")),
            host,
            env: env.clone(),
            found: Mutex::default(),
        }
    }

    async fn look(&self) -> Result<Option<Login>> {
        let Some(path) = &self.path else { return Ok(None) };
        let Some(text) = file::read(path, LONGEST)? else { return Ok(None) };
        let damaged = |what: &str| {
            Error::invalid(format!("Docker's settings {what}"))
                .with("path", path.display())
                .hint("log in again with `docker login`")
        };
        // The cause might repeat a part of the file, which holds passwords.
        let file: File = serde_json::from_slice(&text).map_err(|error| {
            damaged("cannot be read").with("line", error.line()).with("column", error.column())
        })?;
        let server = if self.host == "docker.io" { HUB } else { &self.host };
        let helper = file.cred_helpers.iter().find(|(known, _)| self.is_meant(known)).map(|(_, name)| name);
        let helper = helper.or(file.creds_store.as_ref()).filter(|helper| !helper.is_empty());
        if let Some(helper) = helper
            && let Some(login) = docker_helper::ask(&self.env, helper, server).await?
        {
            return Ok(Some(login));
        }
        let Some((_, entry)) = file.auths.iter().find(|(known, _)| self.is_meant(known)) else {
            return Ok(None);
        };
        if let Some(token) = entry.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(Login::new("<token>", token.clone())));
        }
        if let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.is_empty()) {
            let wrong =
                || damaged("hold no user and password for a registry").with("registry", quoted(&self.host));
            let bytes = STANDARD.decode(auth.expose().trim()).map_err(|_| wrong())?;
            let text = String::from_utf8(bytes).map_err(|_| wrong())?;
            let (user, password) = text.split_once(':').ok_or_else(wrong)?;
            // Some writers fill the field up with NUL bytes.
            return Ok(Some(Login::new(user, SecretValue::new(password.trim_matches('\0')))));
        }
        Ok(match (&entry.username, &entry.password) {
            (Some(user), Some(password)) => Some(Login::new(user, password.clone())),
            _ => None,
        })
    }

    /// Whether a key of the file is this registry: some are written as addresses.
    fn is_meant(&self, key: &str) -> bool {
        if self.host == "docker.io" && key == HUB {
            return true;
        }
        let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
        rest.split('/').next() == Some(&self.host)
    }
}

#[async_trait]
impl Credentials for DockerConfig {
    async fn get(&self, fresh: bool) -> Result<Option<Login>> {
        let known = || self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !fresh && let Some(found) = known().clone() {
            return Ok(found);
        }
        let found = self.look().await?;
        *known() = Some(found.clone());
        Ok(found)
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig")
            .field("path", &self.path)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
