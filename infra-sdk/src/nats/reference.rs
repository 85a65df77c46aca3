//! Where secret material stands: in a file, in a variable, or in the setting itself.
//!
//! The forms are those of contexts of the `nats` command line: a plain path, `file://PATH`, `env://NAME` and
//! `data:;base64,…`; `op://` and `nsc://` ask programs of others and are refused by name.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::file;
use crate::names::quoted;
use crate::nats::setting::{Origin, Setting};
use crate::secret::SecretValue;

/// Larger is no credential.
const LIMIT: u64 = 64 * 1024;

/// Secret material, and the file it was read from, if it was.
#[derive(Clone, Debug)]
pub(super) struct Material {
    pub(super) text: SecretValue,
    pub(super) file: Option<PathBuf>,
}

/// How a reference may be written, and what it is relative to.
pub(super) struct Reader<'a> {
    pub(super) env: &'a Env,
    /// What relative paths start from.
    pub(super) base: &'a Path,
}

impl Reader<'_> {
    /// What `setting`, the value of `key`, refers to. Without a scheme it is a path.
    ///
    /// # Errors
    /// `NotFound` for a file or variable that is not there; `Invalid` for a form that is not supported, for a secret in
    /// infra.toml, and for what is no text.
    pub(super) fn material(&self, key: &str, setting: &Setting<String>) -> Result<Material> {
        let text = setting.value.trim();
        let refuse = |why: &str| {
            let error = Error::invalid(format!("`{key}` of the NATS connection {why}"));
            error.with("from", &setting.origin)
        };
        if let Some(name) = scheme(text, "env") {
            let value = self.env.get(name).ok_or_else(|| {
                Error::not_found(format!("the variable {} is not set", quoted(name)))
                    .with("named by", format!("`{key}`, {}", setting.origin))
                    .hint(format!("set it to the content of the {key} file"))
            })?;
            return Ok(Material { text: SecretValue::new(value.trim()), file: None });
        }
        if let Some(data) = text.strip_prefix("data:") {
            if setting.origin == Origin::Settings {
                return Err(refuse("has a secret in infra.toml, which everybody can read")
                    .hint("put it into a file or a variable and write `file://PATH` or `env://NAME`"));
            }
            let bad =
                || refuse("is no `data:;base64,…`").hint("write the context again with `nats context edit`");
            let (head, body) = data.split_once(',').ok_or_else(bad)?;
            if !head.split(';').any(|part| part.trim() == "base64") {
                return Err(bad());
            }
            let bytes = STANDARD.decode(body.trim()).map_err(|_| bad())?;
            let text = String::from_utf8(bytes).map_err(|_| bad())?;
            return Ok(Material { text: SecretValue::new(text.trim()), file: None });
        }
        for (other, program) in [("op", "1Password's op"), ("nsc", "nsc")] {
            if scheme(text, other).is_some() {
                return Err(refuse(&format!("is kept by {program} (`{other}://`), which is not asked here"))
                    .hint("write the credentials to a file of your own with mode 0600 and name that, or `env://NAME`"));
            }
        }
        if let Some((kind, _)) = text.split_once("://").filter(|(kind, _)| *kind != "file") {
            return Err(refuse(&format!("is of a kind that is not known here (`{kind}://`)")).hint(
                "write the credentials to a file of your own with mode 0600 and name that, or `env://NAME`",
            ));
        }
        if is_secret(text) {
            return Err(refuse("is the secret itself, and not where it stands").hint(
                "put it into a variable of another name, such as NATS_USER_CREDS, and write `env://NATS_USER_CREDS`; or \
                 into a file with mode 0600, and name that",
            ));
        }
        let path = self.path(scheme(text, "file").unwrap_or(text));
        let content = file::read_text(&path, LIMIT)?.ok_or_else(|| {
            Error::not_found(format!("there is no {key} file at {}", path.display()))
                .with("named by", &setting.origin)
                .hint("correct the path, or fetch the file from who gave you the account")
        })?;
        Ok(Material { text: SecretValue::new(content.trim()), file: Some(path) })
    }

    /// A path with `~`, `$VAR` and `${VAR}` filled in, from where relative ones start.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        let text =
            match text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with(['/', '\\'])) {
                Some(rest) => match self.env.path("HOME").or_else(|| self.env.path("USERPROFILE")) {
                    Some(home) => format!("{}{rest}", home.display()),
                    None => text.to_owned(),
                },
                None => text.to_owned(),
            };
        self.base.join(self.filled(&text))
    }

    fn filled(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            let (name, behind) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(braced) => braced,
                None => {
                    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                    after.split_at(end.unwrap_or(after.len()))
                }
            };
            match self.env.get(name) {
                Some(value) => out += value,
                // Left as it is, so that the error about the missing file shows what was not filled in.
                None if name.is_empty() => out.push('$'),
                None => out += &format!("${name}"),
            }
            rest = behind;
        }
        out + rest
    }
}

/// What stands behind `NAME://` or `NAME:`.
fn scheme<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(name)?.strip_prefix(':')?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

/// Whether a text is what should stand in a file: the content of one, or the seed of a user, an account or an operator
/// (58 characters of base32, the first of them `S`, <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth>).
pub(super) fn is_secret(text: &str) -> bool {
    let base32 = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
    text.contains(['\n', '\r'])
        || text.contains("-----BEGIN")
        || (text.len() >= 50 && text.starts_with('S') && base32(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn read(text: &str, origin: Origin) -> Result<Material> {
        let env = Env::of([("HOME", "/home/ada"), ("SEED", "SUABC\n")], "/");
        Reader { env: &env, base: Path::new("/srv/shop") }
            .material("creds", &Setting::new(text.into(), &origin))
    }

    fn context() -> Origin {
        Origin::Context { name: "acme".into(), file: "/x/acme.json".into() }
    }

    #[test]
    fn material_comes_from_variables_and_from_the_context_itself() {
        for text in ["env://SEED", "env:SEED", "data:;base64,U1VBQkM=", "data:text/plain;base64,U1VBQkM="] {
            assert_eq!(read(text, context()).unwrap().text.expose(), "SUABC", "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do_and_shows_nothing() {
        for (text, kind) in [
            ("env://NONE", ErrorKind::NotFound),
            ("op://vault/item", ErrorKind::Invalid),
            ("nsc://op/acct/user", ErrorKind::Invalid),
            ("vault://secret/nats", ErrorKind::Invalid),
            ("data:SUABC", ErrorKind::Invalid),
            ("data:;base64,%%%SUABC", ErrorKind::Invalid),
            ("/nowhere/at/all.creds", ErrorKind::NotFound),
            ("-----BEGIN NATS USER JWT-----\nSUABC\n------END NATS USER JWT------", ErrorKind::Invalid),
            ("SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX", ErrorKind::Invalid),
        ] {
            let error = read(text, context()).unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(
                !error.hints().is_empty() && !error.report().to_string().contains("SUABC"),
                "{}",
                error.report()
            );
        }
        let in_the_repo = read("data:;base64,U1VBQkM=", Origin::Settings).unwrap_err();
        assert!(in_the_repo.to_string().contains("infra.toml"), "{in_the_repo}");
    }

    #[test]
    fn paths_have_the_home_folder_and_variables_filled_in() {
        let env = Env::of([("HOME", "/home/ada"), ("DIR", "keys")], "/");
        let reader = Reader { env: &env, base: Path::new("/srv/shop") };
        for (text, path) in [
            ("~/a.creds", "/home/ada/a.creds"),
            ("$HOME/${DIR}/a", "/home/ada/keys/a"),
            ("a.creds", "/srv/shop/a.creds"),
            ("~other/a", "/srv/shop/~other/a"),
            ("/x/$NONE/a$", "/x/$NONE/a$"),
        ] {
            assert_eq!(reader.path(text), Path::new(path), "{text}");
        }
    }
}
