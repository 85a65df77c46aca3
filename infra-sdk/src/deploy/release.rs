//! What runs: a release, its id, and the wish it is made from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::Deploy;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::names::{ImageName, RepoName, SecretName, quoted};
use crate::secret::SecretValue;
use crate::time::Timestamp;

/// One version of a project that a target has made ready to run. It never changes afterwards,
/// but for [`accepted`](Release::accepted).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Names it at its target.
    pub id: ReleaseId,
    /// The project it belongs to.
    pub project: RepoName,
    /// The image's name.
    pub image: ImageName,
    /// The image's exact content; `None` for a release that was not rolled out here and names its image by a tag.
    pub digest: Option<Digest>,
    /// What people call it, such as `1.4.0` or a commit.
    pub version: String,
    /// Who made it.
    pub by: String,
    /// When it was made ready.
    pub created: Timestamp,
    /// When it last became healthy in a rollout; `None` for one that never did.
    pub accepted: Option<Timestamp>,
    /// The port it listens on, for targets that give it one.
    pub port: Option<u16>,
    /// The path that answers 2xx when it is healthy; empty: it is healthy when it keeps running.
    pub health: String,
}

/// `1.4.0 (20261120-104400-0a1b2c)`.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.id)
    }
}

/// The name of a release at its target: 1 to 128 of `A-Z a-z 0-9 - _ . :`, so that it
/// fits a folder, a task definition with its revision, and a version's UUID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ReleaseId(String);

impl ReleaseId {
    /// A new id that sorts by time, for targets that do not name releases themselves.
    ///
    /// # Errors
    /// `Unavailable` when the system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let now = Timestamp::now().to_string();
        let digits: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
        let (day, time) = digits.split_at(8);
        Ok(ReleaseId(format!("{day}-{time}-{}", crate::id::short()?)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReleaseId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if starts_well && text.len() <= 128 && text.chars().all(allowed) && !text.contains("..") {
            return Ok(ReleaseId(text.to_owned()));
        }
        Err(Error::invalid(format!("{} is not a release", quoted(text)))
            .hint("take one from `infra:deploy:history`"))
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ReleaseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What shall run: an image by digest, and its settings.
///
/// ```
/// use infra_sdk::Digest;
/// use infra_sdk::deploy::ReleaseSpec;
/// # fn main() -> infra_sdk::Result<()> {
/// let mut spec = ReleaseSpec::new("shop-api".parse()?, "shop-api/app".parse()?, Digest::of(b"manifest"), "1.4.0");
/// spec.env.insert("NETWORK".into(), "vpc-1".into());
/// spec.check()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReleaseSpec {
    /// The project to roll out.
    pub project: RepoName,
    /// The image's name.
    pub image: ImageName,
    /// The image's exact content.
    pub digest: Digest,
    /// What people call this version; it does not make a release another one.
    pub version: String,
    /// Plain environment variables, such as references.
    pub env: BTreeMap<String, String>,
    /// Secret environment variables.
    pub secrets: BTreeMap<SecretName, SecretValue>,
    /// Environment variables that the target reads itself when it starts the release, for targets that take places.
    pub from: BTreeMap<String, ValueFrom>,
    /// The port to listen on; `None`: the target chooses one and keeps it.
    pub port: Option<u16>,
    /// The path that answers 2xx when it is healthy; empty: it is healthy when it keeps running.
    pub health: String,
}

impl ReleaseSpec {
    /// An image without variables, with the default settings.
    pub fn new(project: RepoName, image: ImageName, digest: Digest, version: impl Into<String>) -> Self {
        ReleaseSpec {
            project,
            image,
            digest,
            version: version.into(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            from: BTreeMap::new(),
            port: None,
            health: Deploy::default().health,
        }
    }

    /// Adds a plain environment variable, such as a reference.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Takes port and health path from `[deploy]`.
    #[must_use]
    pub fn with_settings(mut self, deploy: &Deploy) -> Self {
        self.port = deploy.port;
        self.health.clone_from(&deploy.health);
        self
    }

    /// Checks what a target cannot: names of variables, the port, the health path. Targets call it first.
    ///
    /// # Errors
    /// `Invalid`, naming the variable or setting.
    pub fn check(&self) -> Result<()> {
        let places = self.from.iter().map(|(name, from)| (name, &from.place));
        for (name, value) in self.env.iter().chain(places) {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(Error::invalid(format!("{} cannot be an environment variable", quoted(name)))
                    .hint("use letters, digits and `_` in the name, and no NUL byte in the value"));
            }
            if self.secrets.contains_key(name.as_str())
                || (self.env.contains_key(name) && self.from.contains_key(name))
            {
                return Err(Error::invalid(format!("{name} is both a plain variable and a secret"))
                    .hint("rename one of the two"));
            }
        }
        for (name, value) in &self.secrets {
            if value.expose().contains('\0') {
                return Err(Error::invalid(format!("the secret {name} contains a NUL byte"))
                    .hint("store it as base64 and let the service decode it"));
            }
        }
        for name in ["PORT", "RELEASE"] {
            if self.env.contains_key(name) || self.secrets.contains_key(name) || self.from.contains_key(name)
            {
                return Err(Error::invalid(format!("{name} is set by the rollout itself"))
                    .hint("set the port with `port` under `[deploy]`, and rename your own variable"));
            }
        }
        if self.port == Some(0) {
            return Err(Error::invalid("the port 0 cannot be listened on")
                .hint("write a port from 1 to 65535 under `[deploy]`, or leave it out for a free one"));
        }
        let visible = self.health.bytes().all(|byte| byte.is_ascii_graphic());
        let usable = self.health.is_empty() || (visible && self.health.starts_with('/'));
        if !usable {
            return Err(Error::invalid(format!("{} is not a health path", quoted(&self.health))).hint(
                "write it like `health = \"/healthz\"`, or `\"\"` for a program that answers no HTTP",
            ));
        }
        Ok(())
    }
}

/// A place that a target reads a variable from when it starts a release.
///
/// ```
/// use infra_sdk::deploy::ValueFrom;
/// let place = ValueFrom::new("/shop-api/staging/DATABASE_URL").at("3");
/// assert_eq!(place.place, "/shop-api/staging/DATABASE_URL");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueFrom {
    /// As the target writes it: a parameter's name, or an ARN.
    pub place: String,
    /// Which write of the value is there now, where that is known. A later one makes the release another one, so that a
    /// rotated secret reaches what runs.
    pub version: Option<String>,
}

impl ValueFrom {
    /// A place, of whose value nothing is known.
    pub fn new(place: impl Into<String>) -> Self {
        ValueFrom { place: place.into(), version: None }
    }

    /// The same with the version of the value that is there.
    #[must_use]
    pub fn at(self, version: impl Into<String>) -> Self {
        ValueFrom { version: Some(version.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ReleaseSpec {
        ReleaseSpec::new("shop-api".parse().unwrap(), "app".parse().unwrap(), Digest::of(b""), "1")
    }

    #[test]
    fn generated_ids_are_different_sort_by_time_and_read_back() {
        let (one, two) = (ReleaseId::generate().unwrap(), ReleaseId::generate().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.as_str().parse::<ReleaseId>().unwrap(), one);
        assert_eq!(one.as_str().split('-').map(str::len).collect::<Vec<_>>(), [8, 6, 12]);
    }

    #[test]
    fn an_id_cannot_leave_its_folder() {
        for bad in ["", "..", ".", "a/b", "a..b", "-x", "a b", "a\n", &"a".repeat(129)] {
            assert!(bad.parse::<ReleaseId>().is_err(), "{bad:?}");
        }
        assert!("web:12".parse::<ReleaseId>().is_ok());
    }

    #[test]
    fn settings_that_no_target_can_use_are_refused_by_name() {
        spec().check().unwrap();
        let refuse = |change: fn(&mut ReleaseSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(refuse(|s| drop(s.env.insert("PORT".into(), "1".into()))).contains("PORT"));
        assert!(refuse(|s| drop(s.env.insert("A=B".into(), "1".into()))).contains("A=B"));
        assert!(refuse(|s| s.health = "healthz".into()).contains("healthz"));
        assert!(refuse(|s| s.health = "/a b\r\n".into()).contains("health path"));
        assert!(refuse(|s| s.port = Some(0)).contains("port 0"));
        let both = refuse(|s| {
            s.env.insert("KEY".into(), "1".into());
            s.secrets.insert("KEY".parse().unwrap(), SecretValue::new("canary"));
        });
        assert!(both.contains("KEY") && !both.contains("canary"));
    }
}
