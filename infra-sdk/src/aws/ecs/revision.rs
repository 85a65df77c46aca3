//! A release out of a revision of a task definition: its tags tell what it is, or what AWS knows of one of somebody else's.

use std::time::{Duration, SystemTime};

use crate::aws::ecs::definition::{Definition, revision_of};
use crate::aws::ecs::place::EcsPlace;
use crate::deploy::{Release, ReleaseId, ReleaseSpec};
use crate::error::Result;
use crate::names::{ImageName, RepoName};
use crate::time::Timestamp;

/// The tags of a revision.
pub(super) const ACCEPTED: &str = "infra-sdk:accepted";
const PROJECT: &str = "infra-sdk:project";
const SERVICE: &str = "infra-sdk:service";
const IMAGE: &str = "infra-sdk:image";
const DIGEST: &str = "infra-sdk:digest";
const VERSION: &str = "infra-sdk:version";
const BY: &str = "infra-sdk:by";
/// The release that served when this one was made: the way back of a first one.
const BEFORE: &str = "infra-sdk:before";
/// The revision whose fields were registered anew with this one, because it was deregistered while it served.
const STANDS_FOR: &str = "infra-sdk:stands-for";

/// What all of them begin with.
const OURS: &str = "infra-sdk:";

/// The longest value of a tag, and what it may hold beside letters and digits:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html>.
const LONGEST: usize = 256;
const SIGNS: &str = " +-=._:/@";

/// Which releases are whose.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) project: RepoName,
    pub(super) place: EcsPlace,
}

impl Owner {
    /// Whether a revision was registered here, for this service.
    pub(super) fn made(&self, definition: &Definition) -> bool {
        definition.tag(PROJECT) == Some(self.project.as_str())
            && definition.tag(SERVICE) == Some(&*self.place.key())
    }

    /// The revision that served when `definition` was made.
    pub(super) fn before(&self, definition: &Definition) -> Option<ReleaseId> {
        definition.tag(BEFORE).and_then(revision_of)
    }

    /// The revision that `definition` was registered in the place of.
    pub(super) fn stands_for(&self, definition: &Definition) -> Option<ReleaseId> {
        definition.tag(STANDS_FOR).and_then(revision_of)
    }

    /// The tags for the same revision once more: whatever it was, a release or somebody else's, it stays.
    pub(super) fn stand_in_tags(&self, gone: &Definition) -> Vec<(String, String)> {
        let kept = |key: &str| key != STANDS_FOR && !key.starts_with("aws:");
        let tags = gone.tags.iter().filter(|(key, _)| kept(key)).cloned();
        tags.chain([(STANDS_FOR.to_owned(), gone.id.to_string())]).collect()
    }

    /// The tags for a new revision: those of the one it is made from, such as a team's, and ours.
    pub(super) fn tags(
        &self,
        from: &Definition,
        spec: &ReleaseSpec,
        by: &str,
        before: Option<&ReleaseId>,
    ) -> Vec<(String, String)> {
        let foreign = |key: &str| !key.starts_with(OURS) && !key.starts_with("aws:");
        let mut tags: Vec<_> = from.tags.iter().filter(|(key, _)| foreign(key)).cloned().collect();
        let (key, digest) = (self.place.key(), spec.digest.to_string());
        let mut add = |key: &str, value: &str| tags.push((key.to_owned(), allowed(value)));
        for (name, value) in [
            (PROJECT, spec.project.as_str()),
            (SERVICE, &key),
            (IMAGE, spec.image.as_str()),
            (DIGEST, &digest),
            (VERSION, &spec.version),
            (BY, by),
        ] {
            add(name, value);
        }
        if let Some(before) = before {
            add(BEFORE, before.as_str());
        }
        tags
    }

    /// A revision as a release. One that somebody else registered served without our asking, so it counts as good.
    pub(super) fn release(&self, definition: &Definition) -> Result<Release> {
        let time = |key: &str| definition.tag(key).and_then(|text| text.parse::<Timestamp>().ok());
        let registered = registered_at(definition);
        let image = definition.containers().first().and_then(|container| container["image"].as_str());
        let image = Image::of(image.unwrap_or_default());
        let ours = self.made(definition);
        let tag = |key: &str| definition.tag(key).filter(|_| ours).map(str::to_owned);
        let text = |key: &str, other: Option<&str>| {
            tag(key).or(other.map(str::to_owned)).unwrap_or_else(|| "unknown".into())
        };
        let name = tag(IMAGE).and_then(|name| ImageName::new(name).ok()).or(image.name);
        let by = definition.text("registeredBy").and_then(|arn| arn.rsplit('/').next());
        Ok(Release {
            id: definition.id.clone(),
            project: self.project.clone(),
            // The name of an image that cannot be read is of no use, and something must stand there.
            image: name.map_or_else(|| ImageName::new(self.project.as_str()), Ok)?,
            digest: tag(DIGEST).as_deref().or(image.digest).and_then(|digest| digest.parse().ok()),
            version: text(VERSION, image.tag),
            by: text(BY, by),
            // AWS's own time: those of the machines that roll out need not agree.
            created: registered,
            accepted: if ours { time(ACCEPTED) } else { Some(registered) },
            port: None,
            health: String::new(),
        })
    }
}

/// `host/prefix/name:tag@digest`, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Image<'a> {
    name: Option<ImageName>,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    fn of(text: &'a str) -> Self {
        let (text, digest) = text.split_once('@').map_or((text, None), |(text, digest)| (text, Some(digest)));
        let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
        let path = text.split_once('/').filter(|(host, _)| is_host(host)).map_or(text, |(_, path)| path);
        let (path, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        Image { name: ImageName::new(path).ok(), tag, digest }
    }
}

/// AWS counts seconds, with a fraction.
fn registered_at(definition: &Definition) -> Timestamp {
    let seconds =
        definition.fields.get("registeredAt").and_then(serde_json::Value::as_f64).unwrap_or_default();
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH).into()
}

fn allowed(value: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || SIGNS.contains(c);
    value.chars().map(|c| if allowed(c) { c } else { '_' }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::Digest;

    fn owner() -> Owner {
        let place = EcsPlace { cluster: "acme".into(), service: "web".into(), container: None };
        Owner { project: "shop-api".parse().unwrap(), place }
    }

    fn definition(image: &str, tags: &[(String, String)]) -> Definition {
        let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        Definition::of_answer(json!({ "tags": tags, "taskDefinition": {
            "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:7",
            "registeredAt": 1_790_000_000.5, "registeredBy": "arn:aws:sts::123456789012:assumed-role/terraform/ci",
            "containerDefinitions": [{ "name": "app", "image": image }],
        }}))
        .unwrap()
    }

    #[test]
    fn what_is_written_into_tags_is_read_back() {
        let digest = Digest::of(b"manifest");
        let spec =
            ReleaseSpec::new("shop-api".parse().unwrap(), "shop-api/app".parse().unwrap(), digest, "1.4.0");
        let (before, team) = ("web:6".parse().unwrap(), ("team".to_owned(), "shop".to_owned()));
        let reserved = ("aws:cloudformation".to_owned(), "x".to_owned());
        let from = definition("registry.example/shop:1", &[team.clone(), reserved]);
        let tags = owner().tags(&from, &spec, "ada <ada@example>", Some(&before));
        assert!(tags.contains(&team) && !tags.iter().any(|(key, _)| key.starts_with("aws:")));
        let made = definition("registry.example/acme/shop-api/app@sha256:00", &tags);
        assert!(owner().made(&made));
        assert_eq!(owner().before(&made), Some(before));
        let release = owner().release(&made).unwrap();
        assert_eq!((release.image.as_str(), release.digest), ("shop-api/app", Some(spec.digest)));
        assert_eq!((release.version.as_str(), release.by.as_str()), ("1.4.0", "ada _ada@example_"));
        assert!(release.accepted.is_none());
        assert!(release.created.to_string().starts_with("2026-09-21T"), "AWS's clock: {}", release.created);
    }

    #[test]
    fn what_somebody_else_registered_is_told_as_far_as_aws_knows_it() {
        let release = owner()
            .release(&definition("123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop:1.2", &[]))
            .unwrap();
        assert_eq!((release.image.as_str(), release.version.as_str()), ("shop", "1.2"));
        assert_eq!((release.digest, release.by.as_str()), (None, "ci"));
        assert_eq!(release.accepted, Some(release.created));
        assert!(release.created.to_string().starts_with("2026-09-21T"), "{}", release.created);
        let odd = owner().release(&definition("", &[])).unwrap();
        assert_eq!((odd.image.as_str(), odd.version.as_str()), ("shop-api", "unknown"));
    }

    #[test]
    fn an_image_is_taken_apart_with_and_without_a_host() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, name, tag, with) in [
            ("nginx".to_owned(), "nginx", None, None),
            ("nginx:1.25".to_owned(), "nginx", Some("1.25"), None),
            ("localhost:5000/a/b:c".to_owned(), "a/b", Some("c"), None),
            (format!("registry.example/a@{digest}"), "a", None, Some(digest.as_str())),
        ] {
            let image = Image::of(&text);
            assert_eq!((image.name.unwrap().as_str(), image.tag, image.digest), (name, tag, with), "{text}");
        }
    }
}
