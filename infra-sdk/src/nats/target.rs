//! Which NATS servers are meant, and as whom: from variables, `infra.toml` and contexts of the `nats` command line.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Nats as Settings;
use crate::env::{Env, NATS_CA, NATS_CERT, NATS_CONTEXT, NATS_KEY, NATS_URL};
use crate::error::{Error, Result};
use crate::file::is_open_to_others;
use crate::names::quoted;
use crate::nats::auth::Auth;
use crate::nats::context::Context;
use crate::nats::reference::{Material, Reader, is_secret};
use crate::nats::setting::{Origin, Setting};
use crate::nats::target_servers::servers;
use crate::secret::SecretValue;

/// Where the `nats` command line looks when nobody says anything.
const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

/// A connection before it is made: every setting with where it comes from. Shows no secret.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// The servers, without user and password, at least one.
    pub servers: Setting<Vec<String>>,
    pub(super) auth: Setting<Auth>,
    /// The certificates that the server's is checked against; default: the system's.
    pub ca: Option<Setting<PathBuf>>,
    /// The client's certificate and its private key.
    pub cert: Option<Setting<(PathBuf, PathBuf)>>,
    /// Whether TLS begins before the server says anything.
    pub tls_first: Setting<bool>,
    /// What subjects of answers begin with.
    pub inbox_prefix: Option<Setting<String>>,
    /// The JetStream domain.
    pub domain: Option<Setting<String>>,
    /// What subjects of JetStream's interface begin with, if it is imported from another account.
    pub api_prefix: Option<Setting<String>>,
    /// Files with secrets that others on this machine may read.
    pub open_files: Vec<PathBuf>,
}

impl Target {
    /// Puts the settings together. A variable goes before `infra.toml`, and that before the context: the one that either
    /// names, or the selected one where `infra.toml` names no server. Who asks is taken as a whole from the first of the
    /// three that says it. Relative files are those of `root`. No connection is made.
    ///
    /// # Errors
    /// `NotFound` for a file, a context or a variable that is named and not there; `Invalid` for what cannot be meant or is
    /// not supported, by name.
    pub fn resolve(env: &Env, settings: &Settings, root: &Path) -> Result<Self> {
        let named = env.get(NATS_CONTEXT).or(settings.context.as_deref());
        let context = match named {
            Some(name) => Context::load(env, Some(name))?,
            // `NATS_URL` is another server for the selected context, as on the command line.
            None if settings.url.is_none() => Context::load(env, None)?,
            None => None,
        };
        Resolver { env, settings, root, context: context.unwrap_or_default() }.target()
    }

    /// The servers as one text.
    pub fn address(&self) -> String {
        self.servers.value.join(",")
    }

    /// What subjects of answers begin with, without the dot behind it.
    pub(super) fn inbox(&self) -> &str {
        self.inbox_prefix.as_ref().map_or("_INBOX", |prefix| &prefix.value)
    }

    /// What nobody else may see of who asks: a seed, a password or a token.
    pub fn secret(&self) -> Option<&SecretValue> {
        self.auth.value.secret()
    }

    /// Who asks: `credentials`, `nkey`, `user and password`, `token` or `none`, and where that comes from.
    pub fn identity(&self) -> Setting<&'static str> {
        Setting::new(self.auth.value.as_str(), &self.auth.origin)
    }
}

/// What the settings are put together from.
pub(super) struct Resolver<'a> {
    pub(super) env: &'a Env,
    pub(super) settings: &'a Settings,
    root: &'a Path,
    pub(super) context: Context,
}

impl Resolver<'_> {
    fn target(&self) -> Result<Target> {
        let own = self.settings;
        let urls = self
            .text(Some(NATS_URL), own.url.as_ref(), &self.context.url)
            .unwrap_or_else(|| Setting::new(DEFAULT_URL.to_owned(), &Origin::Default));
        let (servers, inside) = servers(&urls)?;
        let mut open_files = Vec::new();
        let auth = self.auth(&mut open_files)?;
        let auth = match (auth, inside) {
            (Some(auth), _) => auth,
            (None, Some(auth)) => Setting::new(auth, &urls.origin),
            (None, None) => Setting::new(Auth::Anonymous, &Origin::Default),
        };
        let ca = self.text(Some(NATS_CA), own.ca.as_ref(), &self.context.ca);
        let cert = self.text(Some(NATS_CERT), own.cert.as_ref(), &self.context.cert);
        let key = self.text(Some(NATS_KEY), own.key.as_ref(), &self.context.key);
        let cert = match (cert, key) {
            (Some(cert), Some(key)) => {
                let key_file = self.file("key", &key)?;
                open_files.extend(Some(key_file.clone()).filter(|file| is_open_to_others(file)));
                Some(Setting::new((self.file("cert", &cert)?, key_file), &cert.origin))
            }
            (None, None) => None,
            (Some(only), None) | (None, Some(only)) => {
                return Err(Error::invalid("NATS is given only one of a client's certificate and its key")
                    .with("from", only.origin)
                    .hint("name both `cert` and `key`"));
            }
        };
        let context_file = &self.context.file;
        let holds_secret = !self.context.password.is_empty()
            || !self.context.token.is_empty()
            || !self.context.user_seed.is_empty()
            || self.context.url.contains('@');
        if holds_secret && is_open_to_others(context_file) {
            open_files.push(context_file.clone());
        }
        Ok(Target {
            servers: Setting::new(servers, &urls.origin),
            auth,
            ca: ca.map(|ca| Ok::<_, Error>(Setting::new(self.file("ca", &ca)?, &ca.origin))).transpose()?,
            cert,
            tls_first: self.tls_first(),
            inbox_prefix: self.subject(
                "inbox_prefix",
                own.inbox_prefix.as_ref(),
                &self.context.inbox_prefix,
            )?,
            domain: self.subject("domain", own.domain.as_ref(), &self.context.jetstream_domain)?,
            api_prefix: self.subject("jetstream_api_prefix", None, &self.context.jetstream_api_prefix)?,
            open_files,
        })
    }

    /// The first that says something: the variable, `infra.toml`, the context.
    fn text(
        &self,
        variable: Option<&'static str>,
        own: Option<&String>,
        context: &str,
    ) -> Option<Setting<String>> {
        let from_variable = variable.and_then(|name| Some((self.env.get(name)?, Origin::Variable(name))));
        let from_own = own.map(|text| (text.as_str(), Origin::Settings));
        let from_context = Some((context, self.of_context())).filter(|(text, _)| !text.is_empty());
        let (text, origin) = from_variable.or(from_own).or(from_context)?;
        Some(Setting::new(text.to_owned(), &origin))
    }

    /// What becomes the beginning of subjects, without a dot at its end. A space or a line break in it would be read as
    /// another part of the protocol.
    fn subject(
        &self,
        key: &'static str,
        own: Option<&String>,
        context: &str,
    ) -> Result<Option<Setting<String>>> {
        let Some(Setting { value, origin }) = self.text(None, own, context) else { return Ok(None) };
        let text = value.trim_end_matches('.');
        let plain = |c: char| c.is_ascii_graphic() && c != '*' && c != '>';
        if text.split('.').all(|token| !token.is_empty() && token.chars().all(plain)) {
            return Ok(Some(Setting::new(text.to_owned(), &origin)));
        }
        Err(Error::invalid(format!(
            "`{key}` of the NATS connection cannot begin a subject: {}",
            quoted(&value)
        ))
        .with("from", origin)
        .hint("write words with dots between them, without spaces, `*` and `>`"))
    }

    fn tls_first(&self) -> Setting<bool> {
        let origin = match (self.settings.tls_first, self.context.tls_first) {
            (true, _) => Origin::Settings,
            (false, true) => self.of_context(),
            (false, false) => Origin::Default,
        };
        Setting::new(origin != Origin::Default, &origin)
    }

    pub(super) fn of_context(&self) -> Origin {
        Origin::Context { name: self.context.name.clone(), file: self.context.file.clone() }
    }

    /// In the repo for `infra.toml`, beside the caller for variables and contexts.
    fn reader(&self, origin: &Origin) -> Reader<'_> {
        let base = if *origin == Origin::Settings { self.root } else { self.env.cwd() };
        Reader { env: self.env, base }
    }

    fn file(&self, key: &str, setting: &Setting<String>) -> Result<PathBuf> {
        if is_secret(&setting.value) {
            return Err(Error::invalid(format!(
                "`{key}` of the NATS connection is the content, and not its file"
            ))
            .with("from", &setting.origin)
            .hint("write it to a file with mode 0600, and name that"));
        }
        let path = self.reader(&setting.origin).path(&setting.value);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::not_found(format!("there is no {key} file at {}", path.display()))
            .with("named by", &setting.origin)
            .hint("correct the path"))
    }

    /// What a setting refers to; `open` takes its file, if others may read it.
    pub(super) fn material(
        &self,
        key: &str,
        setting: &Setting<String>,
        open: &mut Vec<PathBuf>,
    ) -> Result<Material> {
        let material = self.reader(&setting.origin).material(key, setting)?;
        open.extend(material.file.clone().filter(|file| is_open_to_others(file)));
        Ok(material)
    }
}
