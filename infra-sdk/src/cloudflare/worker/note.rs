//! What a version says of itself: the release it is, in the message that Cloudflare keeps with it.

use serde::{Deserialize, Serialize};

use crate::deploy::{Release, ReleaseId, ReleaseSpec};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::names::{ImageName, RepoName};
use crate::time::Timestamp;

/// The most bytes of a message; more are cut off
/// (<https://developers.cloudflare.com/workers/configuration/versions-and-deployments/>).
pub(super) const LONGEST: usize = 1000;

/// The most bytes of a tag.
const LONGEST_TAG: usize = 100;

/// What our messages begin with.
const MARK: &str = "infra-sdk ";

/// The most characters that are kept of what people call a version, and of who made it.
const WORD: usize = 80;

/// What is known of a version that was uploaded here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) project: String,
    pub(super) environment: String,
    pub(super) image: String,
    pub(super) digest: String,
    pub(super) version: String,
    pub(super) by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) health: String,
    /// What tells it from another one: a keyed digest of code, settings, variables and secrets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) made_of: String,
    /// Whether it stands in for a project that was stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) parked: bool,
}

impl Note {
    /// The note of a release that is to be.
    pub(super) fn of(spec: &ReleaseSpec, environment: &str, by: &str, made_of: String) -> Self {
        Note {
            project: spec.project.to_string(),
            environment: environment.to_owned(),
            image: spec.image.to_string(),
            digest: spec.digest.to_string(),
            version: word(&spec.version),
            by: word(by),
            health: spec.health.clone(),
            made_of,
            parked: false,
        }
    }

    /// The note of the version that stands in for a project that was stopped.
    pub(super) fn parked(project: &RepoName, environment: &str) -> Self {
        Note {
            project: project.to_string(),
            environment: environment.to_owned(),
            image: String::new(),
            digest: String::new(),
            version: "stopped".into(),
            by: String::new(),
            health: String::new(),
            made_of: String::new(),
            parked: true,
        }
    }

    /// The message that holds it.
    ///
    /// # Errors
    /// `Invalid` when it is longer than what is kept.
    pub(super) fn message(&self) -> Result<String> {
        let json = serde_json::to_string(self).unwrap_or_default();
        let message = format!("{MARK}{json}");
        if message.len() <= LONGEST {
            return Ok(message);
        }
        Err(Error::invalid("a version of a Worker cannot keep what this release says of itself")
            .with("bytes", message.len())
            .with("most", LONGEST)
            .hint("shorten `health` under `[deploy]`, or the name of the image"))
    }

    /// What the version is called beside it.
    pub(super) fn tag(&self) -> String {
        let mut tag = String::new();
        for c in self.version.chars().take_while(|c| !c.is_control()) {
            if tag.len() + c.len_utf8() > LONGEST_TAG {
                break;
            }
            tag.push(c);
        }
        tag
    }

    /// The note in a message, if it is one of ours.
    pub(super) fn read(message: &str) -> Option<Self> {
        serde_json::from_str(message.strip_prefix(MARK)?).ok()
    }

    /// The release that a version is.
    pub(super) fn release(
        &self,
        id: ReleaseId,
        created: Timestamp,
        accepted: Option<Timestamp>,
        project: &RepoName,
    ) -> Result<Release> {
        Ok(Release {
            id,
            project: project.clone(),
            image: ImageName::new(&self.image).or_else(|_| ImageName::new(project.as_str()))?,
            digest: self.digest.parse::<Digest>().ok(),
            version: self.version.clone(),
            by: self.by.clone(),
            created,
            accepted,
            port: None,
            health: self.health.clone(),
        })
    }
}

fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ReleaseSpec {
        ReleaseSpec::new(
            "shop".parse().unwrap(),
            "shop/app".parse().unwrap(),
            Digest::of(b""),
            "1.4.0\n\"é\"",
        )
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is() {
        let note = Note::of(&spec(), "staging", "ada", "f".repeat(32));
        let message = note.message().unwrap();
        assert_eq!(Note::read(&message).as_ref(), Some(&note));
        assert!(!message.contains('\n') && note.tag() == "1.4.0 \"é\"");
        for other in [
            "",
            "infra-sdk",
            "infra-sdk {}",
            "x infra-sdk {\"project\":\"shop\"}",
            &message[..message.len() - 1],
        ] {
            assert_eq!(Note::read(other), None, "{other}");
        }
    }

    #[test]
    fn what_would_be_cut_off_is_refused_and_long_words_are_shortened() {
        let mut long = spec();
        long.version = "é".repeat(500);
        let note = Note::of(&long, "staging", &"x".repeat(500), String::new());
        assert!(note.message().unwrap().len() <= LONGEST && note.tag().len() <= LONGEST_TAG);
        long.health = format!("/{}", "x".repeat(900));
        let error = Note::of(&long, "staging", "ada", String::new()).message().unwrap_err();
        assert!(error.hints()[0].contains("health"));
    }
}
