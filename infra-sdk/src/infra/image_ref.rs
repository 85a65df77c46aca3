//! Which image of this repo is meant, and which version of it: `app`, `app:1.4.0`, `app@sha256:…`.

use std::fmt;
use std::str::FromStr;

use crate::config::Image;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::images::{ImageRegistry, Reference};
use crate::infra::open::Infra;
use crate::names::{ImageName, Label, Tag, nearest, quoted, unknown};

/// An image of infra.toml, and which of its versions.
///
/// ```
/// use infra_sdk::infra::ImageRef;
/// let image: ImageRef = "app:1.4.0".parse()?;
/// assert_eq!((image.name.as_str(), image.to_string().as_str()), ("app", "app:1.4.0"));
/// assert!("app".parse::<ImageRef>()?.at.is_none());
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// The image's name in infra.toml.
    pub name: Label,
    /// The version, if one is named.
    pub at: Option<Reference>,
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |error: Error| error.hint("write it like `app`, `app:1.4.0` or `app@sha256:…`");
        let (name, at) = if let Some((name, digest)) = text.split_once('@') {
            let digest: Digest = digest.parse().map_err(wrong)?;
            (name, Some(Reference::Digest(digest)))
        } else if let Some((name, tag)) = text.split_once(':') {
            (name, Some(Reference::Tag(Tag::new(tag).map_err(wrong)?)))
        } else {
            (text, None)
        };
        Ok(ImageRef { name: Label::new(name).map_err(wrong)?, at })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            None => write!(f, "{}", self.name),
            Some(Reference::Tag(tag)) => write!(f, "{}:{tag}", self.name),
            Some(Reference::Digest(digest)) => write!(f, "{}@{digest}", self.name),
        }
    }
}

impl Infra {
    /// The image `[image.NAME]`, with the name it has in registries.
    pub(super) fn image_named(&self, name: &str) -> Result<(&Label, ImageName, &Image)> {
        let images = &self.settings().image;
        let (label, image) = images.get_key_value(name).ok_or_else(|| {
            unknown("image", name, images.keys().map(Label::as_str), "add it as `[image.NAME]`")
        })?;
        Ok((label, ImageName::new(format!("{}/{label}", self.settings().project.name))?, image))
    }

    /// The names of the images that are meant: the one that is named, or all there are.
    ///
    /// # Errors
    /// `NotFound` when infra.toml has no image, or none of that name.
    pub fn images_meant(&self, name: Option<&str>) -> Result<Vec<Label>> {
        if let Some(name) = name {
            return Ok(vec![self.image_named(name)?.0.clone()]);
        }
        if self.settings().image.is_empty() {
            return Err(Error::not_found("infra.toml has no image")
                .hint("add `[image.NAME]` with `files` and `entrypoint`, or with `dockerfile`"));
        }
        Ok(self.settings().image.keys().cloned().collect())
    }
}

/// The digest that a tag stands for in a registry, or the digest that was named, if it is there.
pub(super) async fn resolve(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    at: &Reference,
) -> Result<Digest> {
    if let Some(digest) = registry.head_manifest(image, at).await? {
        return Ok(digest);
    }
    let error = Error::not_found(format!("image {image} is not in {}", registry.name()))
        .with(if matches!(at, Reference::Tag(_)) { "tag" } else { "digest" }, at);
    let Reference::Tag(tag) = at else { return Err(error.hint("push it first, or take another digest")) };
    let tags = registry.tags(image).await?;
    Err(match nearest(tag.as_str(), tags.iter().map(Tag::as_str)) {
        Some(near) => error.hint(format!("did you mean {}?", quoted(near))),
        None => error.hint("`infra:image:list` shows the tags that are there; `infra:image:push` pushes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_people_name_them() {
        let digest = Digest::of(b"x");
        let exact: ImageRef = format!("app@{digest}").parse().unwrap();
        assert_eq!(exact.at, Some(Reference::Digest(digest)));
        for bad in ["", "App", "app:", "app@", "app@sha256:1", "app@1.4.0", "a/b", "app:a/b"] {
            let error = bad.parse::<ImageRef>().unwrap_err();
            assert!(error.hints().iter().any(|hint| hint.contains("app:1.4.0")), "{bad}: {error:?}");
        }
    }
}
