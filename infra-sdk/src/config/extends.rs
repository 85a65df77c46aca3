//! `extends = { git, tag, path }`: which file of which repo lies under these settings.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::values::relative;
use crate::error::{Error, Result};
use crate::names::quoted;

/// The organisation's file, pinned by a git tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extends {
    /// The repo: `https://…`, `ssh://…`, `git@host:…`, `file://…` or an absolute path; never with a password.
    #[serde(deserialize_with = "git_url")]
    pub git: String,
    /// The tag.
    #[serde(deserialize_with = "git_tag")]
    pub tag: String,
    /// The file in that repo; default `org.toml`.
    #[serde(default = "org_file", deserialize_with = "file_path")]
    pub path: String,
}

fn org_file() -> String {
    "org.toml".into()
}

impl fmt::Display for Extends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} at {}", self.path, self.git, self.tag)
    }
}

fn git_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_url(&text).map_err(serde::de::Error::custom)?;
    Ok(text)
}

fn git_tag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_tag(&text).map_err(serde::de::Error::custom)?;
    Ok(text)
}

fn file_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    relative(&text).map_err(serde::de::Error::custom)?;
    Ok(text)
}

/// Git runs programs for some URLs (`ext::`) and reads others as options: only known forms pass. The URL is not
/// shown, because it may hold a password.
fn check_url(url: &str) -> Result<()> {
    let refuse =
        |why: &str, hint: &str| Err(Error::invalid(format!("the git URL {why}")).hint(hint.to_owned()));
    let forms = "use https://…, ssh://…, git@host:…, file://… or an absolute path";
    if url.len() > 1000 || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("is too long or contains white space", forms);
    }
    let user = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit_once('@').map(|(user, _)| user.to_owned())
    };
    let secret = "take it out: git asks its own credential helper";
    if let Some(rest) = url.strip_prefix("https://") {
        return match user(rest) {
            Some(_) => refuse("holds a user or password", secret),
            None if rest.is_empty() || rest.starts_with(['/', '-']) => refuse("has no host", forms),
            None => Ok(()),
        };
    }
    if let Some(rest) = url.strip_prefix("ssh://") {
        return match user(rest) {
            Some(user) if user.contains(':') => refuse("holds a password", secret),
            Some(user) if user.starts_with('-') => refuse("has a user that starts with `-`", forms),
            None if rest.is_empty() || rest.starts_with(['/', '-']) => refuse("has no host", forms),
            _ => Ok(()),
        };
    }
    if url.strip_prefix("file://").is_some_and(|rest| rest.starts_with('/')) {
        return Ok(());
    }
    if std::path::Path::new(url).is_absolute() {
        return Ok(());
    }
    match url.strip_prefix("git@").and_then(|rest| rest.split_once(':')) {
        Some((host, path))
            if !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
                && !host.starts_with('-')
                && !path.is_empty()
                && !path.starts_with([':', '-']) =>
        {
            Ok(())
        }
        _ => refuse("has a form that is not accepted", forms),
    }
}

/// A commit id is given to git as an argument: it must be one.
pub(crate) fn is_commit(text: &str) -> bool {
    (40..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_tag(tag: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
    let good = (1..=200).contains(&tag.len())
        && tag.chars().all(plain)
        && !tag.starts_with(['-', '/', '.'])
        && !tag.ends_with(['/', '.'])
        && !tag.ends_with(".lock")
        && !["..", "//", "/."].iter().any(|bad| tag.contains(bad));
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is not the name of a git tag", quoted(tag)))
        .hint("write it like `v1.4.0`: letters, digits and `._-/+`, at most 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_runs_a_program_or_holds_a_password_is_refused_and_not_shown() {
        for bad in [
            "",
            "-u./x",
            "--upload-pack=x",
            "ext::sh -c x",
            "ext::sh",
            "http://x/y",
            "git://x/y",
            "../x",
            "x",
            "file://x",
            "https://",
            "https://hunter2@host/x",
            "https://me:hunter2@host/x",
            "ssh://me:hunter2@host/x",
            "ssh://-oProxyCommand=x/y",
            "git@-o:x",
            "git@host:-x",
            "git@h ost:x",
        ] {
            let error = check_url(bad).expect_err(bad);
            assert!(!error.report().to_string().contains("hunter2"), "{bad}");
        }
        for good in
            ["https://github.com/a/b", "ssh://git@host/a/b.git", "git@github.com:a/b", "file:///a", "/a b/c"]
        {
            assert_eq!(check_url(good).is_ok(), good != "/a b/c", "{good}");
        }
    }

    #[test]
    fn a_tag_is_a_plain_name() {
        for bad in
            ["", "-x", "a b", "a..b", "a:b", "a^{}", "a~1", "v1.lock", "a*", "/a", "a/", &"a".repeat(300)]
        {
            assert!(check_tag(bad).is_err(), "{bad}");
        }
        assert!(check_tag("release/v1.4.0+b2").is_ok());
    }
}
