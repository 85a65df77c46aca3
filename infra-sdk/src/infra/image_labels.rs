//! What an image says of where it comes from: the commit and the place of its code.

use crate::infra::open::Infra;

/// The notes that [OCI names](https://github.com/opencontainers/image-spec/blob/main/annotations.md): the same commit has the
/// same ones on every machine, so that its image has the same digest. A version is none of them: it comes from tags, which
/// are put on a commit later, and which a shallow clone does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    /// The commit, where no file differs from it.
    pub(super) revision: Option<String>,
    /// Where the code is kept, as a page.
    pub(super) source: Option<String>,
}

impl Labels {
    /// The notes by their names.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (String, String)> {
        let named = [("revision", &self.revision), ("source", &self.source)];
        let said = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        said.map(|(name, value)| (format!("org.opencontainers.image.{name}"), value))
    }
}

impl Infra {
    /// What is known of the commit that is checked out; nothing outside of git, and nothing where files differ from it.
    pub(super) async fn image_labels(&self) -> Labels {
        let Some(revision) = self.commit().await.and_then(|commit| commit.exact().map(str::to_owned)) else {
            return Labels::default();
        };
        let asked = self.git(&["remote", "get-url", "origin"]).output().await;
        let source =
            asked.ok().filter(|answer| answer.success()).and_then(|answer| page(answer.stdout.trim()));
        Labels { revision: Some(revision), source }
    }
}

/// The page of a remote, however it is reached, without names and keys that stand in its address. `None` for one that is no
/// host, such as a folder.
fn page(remote: &str) -> Option<String> {
    let (host, path) = match remote.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        // `git@host:path`, as ssh takes it.
        None => remote.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = host.rsplit('@').next()?;
    let host = host.split(':').next()?.to_ascii_lowercase();
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let is_host = host.contains('.') && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let is_page = is_host && !path.is_empty() && path.chars().all(plain);
    is_page.then(|| format!("https://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_one_page_however_it_is_reached_and_tells_no_key() {
        let page_of_shop = Some("https://github.com/acme/shop-api".to_owned());
        for remote in [
            "https://github.com/acme/shop-api.git",
            "https://github.com/acme/shop-api",
            "https://x-access-token:canary@GitHub.com/acme/shop-api.git/",
            "git@github.com:acme/shop-api.git",
            "ssh://git@github.com:22/acme/shop-api.git",
        ] {
            assert_eq!(page(remote), page_of_shop, "{remote}");
        }
        for none in
            ["", "/srv/git/shop.git", "file:///srv/shop", "C:\\shop", "../shop", "https://host", "host:x y"]
        {
            assert_eq!(page(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(Labels::default().by_name().count(), 0);
        let labels = Labels { revision: Some("4f1c".into()), source: None };
        let told: Vec<_> = labels.by_name().collect();
        assert_eq!(told, [("org.opencontainers.image.revision".to_owned(), "4f1c".to_owned())]);
    }
}
