//! Which NATS servers are meant, and as whom: from variables, `infra.toml` and contexts of the `nats` command line.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Nats as Settings;
use crate::env::{
    Env, NATS_CA, NATS_CERT, NATS_CONTEXT, NATS_CREDS, NATS_KEY, NATS_NKEY, NATS_PASSWORD, NATS_TOKEN,
    NATS_URL, NATS_USER,
};
use crate::error::{Error, Result};
use crate::file::is_open_to_others;
use crate::names::quoted;
use crate::nats::auth::Auth;
use crate::nats::context::Context;
use crate::nats::reference::{Material, Reader};
use crate::nats::setting::{Origin, Setting};
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
    pub tls_first: bool,
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
            None if settings.url.is_none() && env.get(NATS_URL).is_none() => Context::load(env, None)?,
            None => None,
        };
        Resolver { env, settings, root, context: context.unwrap_or_default() }.target()
    }

    /// The servers as one text.
    pub fn address(&self) -> String {
        self.servers.value.join(",")
    }

    /// Who asks: `credentials`, `nkey`, `user and password`, `token` or `none`, and where that comes from.
    pub fn identity(&self) -> Setting<&'static str> {
        Setting::new(self.auth.value.as_str(), &self.auth.origin)
    }
}

struct Resolver<'a> {
    env: &'a Env,
    settings: &'a Settings,
    root: &'a Path,
    context: Context,
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
            || !self.context.user_seed.is_empty();
        if holds_secret && is_open_to_others(context_file) {
            open_files.push(context_file.clone());
        }
        Ok(Target {
            servers: Setting::new(servers, &urls.origin),
            auth,
            ca: ca.map(|ca| Ok::<_, Error>(Setting::new(self.file("ca", &ca)?, &ca.origin))).transpose()?,
            cert,
            tls_first: own.tls_first || self.context.tls_first,
            inbox_prefix: self.text(None, own.inbox_prefix.as_ref(), &self.context.inbox_prefix),
            domain: self.text(None, own.domain.as_ref(), &self.context.jetstream_domain),
            api_prefix: self.text(None, None, &self.context.jetstream_api_prefix),
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

    fn of_context(&self) -> Origin {
        Origin::Context { name: self.context.name.clone(), file: self.context.file.clone() }
    }

    /// In the repo for `infra.toml`, beside the caller for variables and contexts.
    fn reader(&self, origin: &Origin) -> Reader<'_> {
        let base = if *origin == Origin::Settings { self.root } else { self.env.cwd() };
        Reader { env: self.env, base }
    }

    fn file(&self, key: &str, setting: &Setting<String>) -> Result<PathBuf> {
        let path = self.reader(&setting.origin).path(&setting.value);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::not_found(format!("there is no {key} file at {}", path.display()))
            .with("named by", &setting.origin)
            .hint("correct the path"))
    }

    fn material(&self, key: &str, setting: &Setting<String>, open: &mut Vec<PathBuf>) -> Result<Material> {
        let material = self.reader(&setting.origin).material(key, setting)?;
        open.extend(material.file.clone().filter(|file| is_open_to_others(file)));
        Ok(material)
    }

    /// Who asks, by the first place that says it.
    fn auth(&self, open: &mut Vec<PathBuf>) -> Result<Option<Setting<Auth>>> {
        let variable =
            |name: &'static str| Some(Setting::new(self.env.get(name)?.to_owned(), &Origin::Variable(name)));
        if let Some(user) = variable(NATS_USER) {
            let auth = password(user.value, self.env.get(NATS_PASSWORD));
            return Ok(Some(Setting::new(auth, &user.origin)));
        }
        if let Some(token) = variable(NATS_TOKEN) {
            return Ok(Some(Setting::new(Auth::Token(SecretValue::new(token.value)), &token.origin)));
        }
        let own = |text: &Option<String>| Some(Setting::new(text.clone()?, &Origin::Settings));
        let of_context =
            |text: &str| Some(Setting::new(text.to_owned(), &self.of_context())).filter(|_| !text.is_empty());
        let files = [
            (variable(NATS_CREDS), variable(NATS_NKEY)),
            (own(&self.settings.creds), own(&self.settings.nkey)),
        ];
        for (creds, nkey) in files {
            if let Some(auth) = self.of_files(creds, nkey, open)? {
                return Ok(Some(auth));
            }
        }
        let context = &self.context;
        if let Some(user) = of_context(&context.user) {
            let secret = of_context(&context.password)
                .map(|setting| self.inline("password", &setting, open))
                .transpose()?;
            let auth = password(user.value, secret.as_ref().map(SecretValue::expose));
            return Ok(Some(Setting::new(auth, &user.origin)));
        }
        if let Some(auth) = self.of_files(of_context(&context.creds), of_context(&context.nkey), open)? {
            return Ok(Some(auth));
        }
        if let (Some(jwt), Some(seed)) = (of_context(&context.user_jwt), of_context(&context.user_seed)) {
            let (jwt_text, seed) =
                (self.inline("user_jwt", &jwt, open)?, self.inline("user_seed", &seed, open)?);
            return Ok(Some(Setting::new(Auth::of_jwt(jwt_text.expose().to_owned(), seed)?, &jwt.origin)));
        }
        let token = of_context(&context.token);
        let token = token.map(|setting| {
            Ok::<_, Error>(Setting::new(Auth::Token(self.inline("token", &setting, open)?), &setting.origin))
        });
        token.transpose()
    }

    fn of_files(
        &self,
        creds: Option<Setting<String>>,
        nkey: Option<Setting<String>>,
        open: &mut Vec<PathBuf>,
    ) -> Result<Option<Setting<Auth>>> {
        let (auth, origin) = match (creds, nkey) {
            (None, None) => return Ok(None),
            (Some(both), Some(_)) => {
                return Err(Error::invalid("NATS is given both `creds` and `nkey`")
                    .with("from", both.origin)
                    .hint("name the one that the server asks for"));
            }
            (Some(creds), None) => (Auth::of_creds(&self.material("creds", &creds, open)?)?, creds.origin),
            (None, Some(nkey)) => (Auth::of_nkey(&self.material("nkey", &nkey, open)?)?, nkey.origin),
        };
        Ok(Some(Setting::new(auth, &origin)))
    }

    /// A word of a context that is a secret itself, unless it refers to one.
    fn inline(&self, key: &str, setting: &Setting<String>, open: &mut Vec<PathBuf>) -> Result<SecretValue> {
        let refers = ["env:", "file:", "data:", "op://", "nsc://"];
        if refers.iter().any(|scheme| setting.value.starts_with(scheme)) {
            return Ok(self.material(key, setting, open)?.text);
        }
        Ok(SecretValue::new(setting.value.clone()))
    }
}

/// A name alone is a token, as the `nats` command line has it.
fn password(user: String, password: Option<&str>) -> Auth {
    match password {
        Some(password) => Auth::Password { user, password: SecretValue::new(password) },
        None => Auth::Token(SecretValue::new(user)),
    }
}

/// The servers of a list, and who asks, where an address says it.
fn servers(urls: &Setting<String>) -> Result<(Vec<String>, Option<Auth>)> {
    let (mut servers, mut inside) = (Vec::new(), None);
    for text in urls.value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let (userinfo, host) = match rest.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, rest),
        };
        let host = host.trim_end_matches('/');
        // The text may hold a password, so it is not quoted.
        let refuse = |why: &str| {
            Err(Error::invalid(format!("an address of NATS {why}"))
                .with("from", &urls.origin)
                .with("host", quoted(host))
                .hint("write it like `nats://host:4222` or `tls://host:4222`"))
        };
        if !matches!(scheme, "nats" | "tls") {
            return refuse("is of a kind that is not supported here");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return refuse("has no host that can be one");
        }
        if let Some(userinfo) = userinfo {
            if urls.origin == Origin::Settings {
                return refuse("holds a password in infra.toml, which everybody can read");
            }
            let (user, secret) = match userinfo.split_once(':') {
                Some((user, secret)) => (user, Some(decoded(secret))),
                None => (userinfo, None),
            };
            inside = Some(password(decoded(user), secret.as_deref()));
        }
        servers.push(format!("{scheme}://{host}"));
    }
    if servers.is_empty() {
        return Err(Error::invalid("there is no server of NATS in the list")
            .with("from", &urls.origin)
            .hint("write it like `nats://host:4222`"));
    }
    Ok((servers, inside))
}

/// `%40` and its like, as addresses write what has a meaning in them.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
