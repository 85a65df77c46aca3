//! A context of the `nats` command line: `nats/context/NAME.json` in the person's configuration folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::file;
use crate::names::{nearest, quoted};

/// Far above any real one.
const LIMIT: u64 = 256 * 1024;

/// A context as it is written; the format is that of `natscontext` in
/// [nats-io/jsm.go](https://github.com/nats-io/jsm.go/tree/main/natscontext). No `Debug`: it may hold secrets.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Context {
    #[serde(skip)]
    pub(super) name: String,
    #[serde(skip)]
    pub(super) file: PathBuf,
    pub(super) url: String,
    pub(super) creds: String,
    pub(super) nkey: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) token: String,
    pub(super) user_jwt: String,
    pub(super) user_seed: String,
    pub(super) cert: String,
    pub(super) key: String,
    pub(super) ca: String,
    pub(super) tls_first: bool,
    pub(super) inbox_prefix: String,
    pub(super) jetstream_domain: String,
    pub(super) jetstream_api_prefix: String,
    pub(super) socks_proxy: String,
    pub(super) nsc: String,
    pub(super) windows_cert_store: String,
}

impl Context {
    /// The context of that name, or the selected one; `None` without a name when none is selected.
    ///
    /// # Errors
    /// `Invalid` for a name that cannot be one, a file that is none, and for what is not supported here, by name;
    /// `NotFound` for one that is not there, with the nearest.
    pub(super) fn load(env: &Env, name: Option<&str>) -> Result<Option<Self>> {
        let folder = match (folder(env), name) {
            (Err(_), None) => return Ok(None),
            (folder, _) => folder?,
        };
        let name = match name {
            // A file of its own, as the command line takes one.
            Some(path) if Path::new(path).is_absolute() => {
                return Self::read(path.to_owned(), path.into())?.map(Some).ok_or_else(|| {
                    Error::not_found(format!("there is no NATS context at {path}"))
                        .hint("correct NATS_CONTEXT")
                });
            }
            Some(name) => name.to_owned(),
            None => match file::read_text(&folder.join("context.txt"), LIMIT)? {
                Some(text) if !text.trim().is_empty() => text.trim().to_owned(),
                _ => return Ok(None),
            },
        };
        if name.is_empty() || name.contains("..") || name.contains(['/', '\\', '\0']) {
            return Err(Error::invalid(format!("{} is not the name of a NATS context", quoted(&name)))
                .hint("`nats context ls` shows their names"));
        }
        let contexts = folder.join("context");
        let file = contexts.join(format!("{name}.json"));
        if let Some(context) = Self::read(name.clone(), file.clone())? {
            return Ok(Some(context));
        }
        let known = names(&contexts);
        let error = Error::not_found(format!("there is no NATS context {}", quoted(&name)))
            .with("looked for", file.display());
        Err(match nearest(&name, known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => {
                error.hint(format!("make it with `nats context add {name}`, or name `url` in infra.toml"))
            }
        })
    }

    /// The context in a file; `None` when that is not there.
    fn read(name: String, file: PathBuf) -> Result<Option<Self>> {
        let Some(text) = file::read_text(&file, LIMIT)? else { return Ok(None) };
        let read: Result<Context, serde_json::Error> = serde_json::from_str(&text);
        // A list of as many values would do as well, and so would none.
        let is_object = text.trim_start().starts_with('{');
        // The cause may quote a value, so only its place is told.
        let broken = |line: usize, column: usize| {
            Error::invalid(format!("the NATS context {} cannot be read", quoted(&name)))
                .with("at", format!("{}:{line}:{column}", file.display()))
                .hint(format!("correct it with `nats context edit {name}`"))
        };
        let context = read.map_err(|error| broken(error.line(), error.column()))?;
        if !is_object {
            return Err(broken(1, 1));
        }
        let context = Context { name, file, ..context };
        context.check()?;
        Ok(Some(context))
    }

    fn check(&self) -> Result<()> {
        if self.user_seed.is_empty() && !self.user_jwt.is_empty() {
            return Err(Error::invalid(format!("the NATS context {} has a `user_jwt` without a `user_seed`", quoted(&self.name)))
                .with("file", self.file.display())
                .hint("users who are bearers of their JWT are not supported here; name a credentials file in `creds` instead"));
        }
        let unsupported = [
            ("nsc", &self.nsc, "name a credentials file in `creds` instead"),
            ("socks_proxy", &self.socks_proxy, "name a server that can be reached directly"),
            ("windows_cert_store", &self.windows_cert_store, "name files in `cert` and `key` instead"),
        ];
        match unsupported.iter().find(|(_, value, _)| !value.is_empty()) {
            None => Ok(()),
            Some((key, _, instead)) => {
                Err(Error::invalid(format!("the NATS context {} uses `{key}`", quoted(&self.name)))
                    .with("file", self.file.display())
                    .hint(format!("that is not supported here; {instead}, or another context in infra.toml")))
            }
        }
    }
}

/// `nats` in `XDG_CONFIG_HOME` or `~/.config`, on every platform: as the command line looks for it.
fn folder(env: &Env) -> Result<PathBuf> {
    let home = || Some(env.path("HOME").or_else(|| env.path("USERPROFILE"))?.join(".config"));
    let config = env.path("XDG_CONFIG_HOME").or_else(home);
    config.map(|config| config.join("nats")).ok_or_else(|| {
        Error::not_found("no folder for contexts of NATS").hint("set HOME, or name `url` in infra.toml")
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |file: PathBuf| Some(file.file_name()?.to_str()?.strip_suffix(".json")?.to_owned());
    entries.filter_map(|entry| name(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    struct Folder(PathBuf);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder =
                std::env::temp_dir().join(format!("infra-sdk-context-{}", crate::id::short().unwrap()));
            for (name, text) in files {
                let file = folder.join("nats").join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            Folder(folder)
        }

        fn load(&self, name: Option<&str>) -> Result<Option<Context>> {
            Context::load(&Env::of([("XDG_CONFIG_HOME", &self.0)], "/"), name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_selected_context_is_read_where_none_is_named() {
        let folder = Folder::with(&[
            ("context.txt", "acme\n"),
            ("context/acme.json", r#"{"url": "nats://a:4222", "user": "ada", "color_scheme": "x"}"#),
            ("context/other.json", r#"{"url": "nats://b:4222"}"#),
        ]);
        let selected = folder.load(None).unwrap().unwrap();
        assert_eq!((selected.name.as_str(), selected.url.as_str()), ("acme", "nats://a:4222"));
        assert_eq!(folder.load(Some("other")).unwrap().unwrap().url, "nats://b:4222");
        assert!(Folder::with(&[]).load(None).unwrap().is_none());
    }

    #[test]
    fn a_context_that_cannot_be_used_says_why_and_shows_no_value() {
        let folder = Folder::with(&[
            ("context/acme.json", "{\"password\": \"hunter2\", \"user\": 7}"),
            ("context/nsc.json", r#"{"nsc": "nsc://o/a/u", "password": "hunter2"}"#),
            ("context/proxy.json", r#"{"socks_proxy": "socks5://x:1"}"#),
            ("context/list.json", "[]"),
        ]);
        for (name, kind, says) in [
            ("acme", ErrorKind::Invalid, "cannot be read"),
            ("nsc", ErrorKind::Invalid, "`nsc`"),
            ("proxy", ErrorKind::Invalid, "`socks_proxy`"),
            ("list", ErrorKind::Invalid, "cannot be read"),
            ("acmee", ErrorKind::NotFound, "did you mean `acme`?"),
            ("../acme", ErrorKind::Invalid, "is not the name"),
            ("", ErrorKind::Invalid, "is not the name"),
        ] {
            let Err(error) = folder.load(Some(name)) else { panic!("{name} was accepted") };
            let report = error.report().to_string();
            assert_eq!(error.kind(), kind, "{report}");
            assert!(report.contains(says) && !report.contains("hunter2"), "{report}");
        }
    }
}
