//! From `extends` to the text of the organisation's file: the lock first, then the cache, then the network.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::document::{self, MAX_BYTES};
use crate::config::extends::Extends;
use crate::config::layers;
use crate::config::lock::{Lock, LockedExtends};
use crate::config::remote;
use crate::digest::Digest;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::tree::{Node, refused};

/// What the remote says of the pinned tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "pin")]
pub enum Pin {
    /// This repo extends nothing.
    Nothing,
    /// The tag still points at the locked commit.
    Kept {
        /// The tag.
        tag: String,
        /// The commit.
        commit: String,
    },
    /// The remote did not answer; the locked file was used as it is.
    Unverified {
        /// The tag.
        tag: String,
        /// The commit in `infra.lock`.
        commit: String,
        /// Why the remote could not be asked.
        why: String,
    },
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pin::Nothing => f.write_str("infra.toml extends nothing"),
            Pin::Kept { tag, commit } => write!(f, "tag {tag} still points at {commit}"),
            Pin::Unverified { tag, commit, why } => {
                write!(f, "tag {tag} was not verified, {commit} from infra.lock is used: {why}")
            }
        }
    }
}

/// Where files of other repos are kept, by digest.
fn cache(env: &Env) -> Result<PathBuf> {
    Ok(env.infra_home()?.join("cache").join("extends"))
}

fn cached(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(format!("{}.toml", digest.hex()))
}

/// The text of a locked file, when it is cached and still what it was.
fn from_cache(env: &Env, digest: &Digest) -> Result<Option<String>> {
    let content = file::read(&cached(&cache(env)?, digest), MAX_BYTES).ok().flatten();
    Ok(content
        .filter(|content| Digest::of(content) == *digest)
        .and_then(|content| String::from_utf8(content).ok()))
}

/// The lock's entry, if it speaks of the same repo, tag and path.
fn locked<'a>(lock: &'a Lock, extends: &Extends) -> Option<&'a LockedExtends> {
    let same = |locked: &&LockedExtends| {
        (&locked.git, &locked.tag, &locked.path) == (&extends.git, &extends.tag, &extends.path)
    };
    lock.extends().filter(same)
}

/// What the organisation's file is called in messages and origins.
pub(crate) fn name_of(extends: &Extends) -> String {
    format!("{}@{}", extends.path, extends.tag)
}

fn parse(extends: &Extends, text: &str) -> Result<Node> {
    let node = document::parse(text, &name_of(extends))?;
    let problems = layers::check_extended(&node);
    if problems.is_empty() {
        return Ok(node);
    }
    Err(refused("the file in `extends` says what it may not", &problems)
        .with("file", extends)
        .hint("correct it there under a new tag, and name that tag in `extends.tag`"))
}

/// The organisation's file as the lock says; what is not locked is looked up and locked.
pub(crate) async fn resolve(env: &Env, root: &Path, extends: &Extends) -> Result<Node> {
    let lock = Lock::load(root)?;
    let Some(locked) = locked(&lock, extends) else {
        return take_anew(env, lock, extends).await.map(|(node, _)| node);
    };
    if let Some(text) = from_cache(env, &locked.sha256)? {
        return parse(extends, &text);
    }
    let folder = cache(env)?;
    let content = remote::file_at(extends, &locked.commit, &folder).await?;
    let found = Digest::of(content.as_bytes());
    if found != locked.sha256 {
        return Err(Error::new(ErrorKind::Conflict, "the file in `extends` is not the locked one")
            .with("file", extends)
            .with("locked", &locked.sha256)
            .with("found", found)
            .hint(
                "ask who changed infra.lock; to accept what is there now run `cargo xtask infra:config:lock --accept`",
            ));
    }
    keep(&folder, &found, &content)?;
    parse(extends, &content)
}

/// Another file of the same commit; git itself vouches for its content, which the commit's id covers.
pub(crate) async fn beside(env: &Env, root: &Path, extends: &Extends, path: &str) -> Result<String> {
    let lock = Lock::load(root)?;
    let Some(locked) = locked(&lock, extends) else {
        return Err(Error::new(ErrorKind::Unavailable, "infra.lock does not hold the tag of `extends`")
            .with("tag", &extends.tag)
            .hint("run `cargo xtask infra:config:show` once with a network, and commit infra.lock"));
    };
    let folder = cache(env)?;
    let kept = folder.join(Digest::of(format!("{}:{path}", locked.commit).as_bytes()).hex());
    if let Some(content) = file::read(&kept, MAX_BYTES)?
        && let Ok(content) = String::from_utf8(content)
    {
        return Ok(content);
    }
    let other = Extends { path: path.to_owned(), ..extends.clone() };
    let content = remote::file_at(&other, &locked.commit, &folder).await?;
    file::write(&kept, content.as_bytes(), Access::Private)?;
    Ok(content)
}

/// Looks the tag up and locks what it stands for now.
pub(crate) async fn take_anew(env: &Env, mut lock: Lock, extends: &Extends) -> Result<(Node, LockedExtends)> {
    let folder = cache(env)?;
    let commit = remote::commit_of_tag(extends).await.map_err(|error| match error.kind() {
        ErrorKind::Unavailable => {
            error.hint("infra.lock does not hold this tag yet: it must be looked up once, with a network")
        }
        _ => error,
    })?;
    let content = remote::file_at(extends, &commit, &folder).await?;
    let sha256 = Digest::of(content.as_bytes());
    keep(&folder, &sha256, &content)?;
    // A file that cannot be read is not locked.
    let node = parse(extends, &content)?;
    let Extends { git, tag, path } = extends.clone();
    let locked = LockedExtends { git, tag, commit, path, sha256 };
    lock.set_extends(locked.clone());
    lock.save()?;
    Ok((node, locked))
}

/// Asks the remote whether the tag still points at the locked commit.
pub(crate) async fn verify(root: &Path, extends: &Extends) -> Result<Pin> {
    let lock = Lock::load(root)?;
    let Some(locked) = locked(&lock, extends) else {
        return Err(Error::new(ErrorKind::Unavailable, "infra.lock does not hold the tag of `extends`")
            .with("tag", &extends.tag)
            .hint("run `cargo xtask infra:config:show` once with a network, and commit infra.lock"));
    };
    let (tag, commit) = (extends.tag.clone(), locked.commit.clone());
    match remote::commit_of_tag(extends).await {
        Ok(now) if now == commit => Ok(Pin::Kept { tag, commit }),
        Ok(now) => Err(Error::new(ErrorKind::Conflict, format!("the tag `{tag}` was moved"))
            .with("git", &extends.git)
            .with("locked", commit)
            .with("now", now)
            .hint("ask who moved it; a new version belongs under a new tag in `extends.tag`")
            .hint("to accept the new commit run `cargo xtask infra:config:lock --accept`")),
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            Ok(Pin::Unverified { tag, commit, why: error.to_string() })
        }
        Err(error) => Err(error),
    }
}

fn keep(folder: &Path, digest: &Digest, content: &str) -> Result<()> {
    file::write(&cached(folder, digest), content.as_bytes(), Access::Private)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags};
    use crate::process::Cmd;

    /// A folder with an organisation's repo, a product's repo and a home for the cache.
    struct World(PathBuf);

    impl World {
        async fn new() -> Self {
            let world =
                World(std::env::temp_dir().join(format!("infra-sdk-pin-{}", crate::id::short().unwrap())));
            std::fs::create_dir_all(world.0.join("shop/.git")).unwrap();
            std::fs::create_dir_all(world.0.join("org")).unwrap();
            world.git(&["init", "--quiet"]).await;
            world.publish("[project]\norg = \"acme\"\n[deploy]\nkeep = 9\n", "v1.0.0").await;
            world
        }

        async fn git(&self, args: &[&str]) -> String {
            let who = ["-c", "user.name=org", "-c", "user.email=org@example.com", "-c", "tag.gpgSign=false"];
            Cmd::new("git").args(who).args(args).dir(self.0.join("org")).read().await.unwrap()
        }

        /// Commits the file and points an annotated tag at it, wherever the tag was before.
        async fn publish(&self, text: &str, tag: &str) -> String {
            std::fs::write(self.0.join("org/org.toml"), text).unwrap();
            self.git(&["add", "."]).await;
            self.git(&["commit", "--quiet", "--no-gpg-sign", "-m", tag]).await;
            self.git(&["tag", "--force", "-a", "-m", tag, tag]).await;
            self.git(&["rev-parse", "HEAD"]).await
        }

        fn asks_for(&self, tag: &str, path: &str) -> &Self {
            let git = format!("file://{}", self.0.join("org").display());
            let text = format!(
                "extends = {{ git = \"{git}\", tag = \"{tag}\", path = \"{path}\" }}\n[project]\nname = \"shop\"\nkind = \"api\"\n"
            );
            std::fs::write(self.0.join("shop/infra.toml"), text).unwrap();
            self
        }

        fn env(&self) -> Env {
            Env::of([("INFRA_HOME", self.0.join("home"))], self.0.join("shop"))
        }

        async fn load(&self) -> Result<Config> {
            Config::load(&self.env(), &Flags::default()).await
        }

        fn lock(&self) -> String {
            std::fs::read_to_string(self.0.join("shop/infra.lock")).unwrap()
        }

        /// Takes the organisation's repo away, as a laptop without network sees it.
        fn disconnect(&self) {
            std::fs::rename(self.0.join("org"), self.0.join("gone")).unwrap();
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn a_locked_file_needs_no_network_and_shows_its_origin() {
        let world = World::new().await;
        let config = world.asks_for("v1.0.0", "org.toml").load().await.unwrap();
        assert_eq!((config.settings().deploy.keep, config.settings().project.org.as_str()), (9, "acme"));
        let commit = world.git(&["rev-parse", "HEAD"]).await;
        assert!(world.lock().contains(&commit), "{}", world.lock());
        world.disconnect();
        let config = world.load().await.unwrap();
        assert!(config.show().to_string().contains("deploy.keep        = 9"), "{}", config.show());
        assert!(config.show().to_string().contains("# org.toml@v1.0.0:4:1"), "{}", config.show());
        let pin = config.verify_pin().await.unwrap();
        assert!(matches!(&pin, Pin::Unverified { .. }), "{pin}");
    }

    #[tokio::test]
    async fn a_price_table_is_read_in_the_repo_whose_file_names_it() {
        let world = World::new().await;
        std::fs::write(world.0.join("org/prices.toml"), "the organisation's").unwrap();
        world.publish("[project]\norg = \"acme\"\n[costs]\ntable = \"prices.toml\"\n", "v1.1.0").await;
        let config = world.asks_for("v1.1.0", "org.toml").load().await.unwrap();
        let table = config.price_table(&world.env()).await.unwrap().unwrap();
        assert_eq!((table.name.as_str(), table.text.as_str()), ("prices.toml@v1.1.0", "the organisation's"));
        let own = world.0.join("shop/infra.toml");
        let text = std::fs::read_to_string(&own).unwrap() + "[costs]\ntable = \"own.toml\"\n";
        std::fs::write(&own, text).unwrap();
        std::fs::write(world.0.join("shop/own.toml"), "ours").unwrap();
        let table = world.load().await.unwrap().price_table(&world.env()).await.unwrap().unwrap();
        assert_eq!((table.name.as_str(), table.text.as_str()), ("own.toml", "ours"));
    }

    #[tokio::test]
    async fn without_lock_or_cache_an_unreachable_remote_is_an_error_that_says_so() {
        let world = World::new().await;
        world.asks_for("v1.0.0", "org.toml").disconnect();
        let error = world.load().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.report().to_string().contains("infra.lock does not hold this tag yet"), "{error:?}");
        assert!(!world.0.join("shop/infra.lock").exists());
    }

    #[tokio::test]
    async fn a_moved_tag_shows_both_commits_until_it_is_accepted() {
        let world = World::new().await;
        let before = world.git(&["rev-parse", "HEAD"]).await;
        let config = world.asks_for("v1.0.0", "org.toml").load().await.unwrap();
        assert_eq!(
            config.verify_pin().await.unwrap(),
            Pin::Kept { tag: "v1.0.0".into(), commit: before.clone() }
        );
        let after = world.publish("[project]\norg = \"acme\"\n[deploy]\nkeep = 2\n", "v1.0.0").await;
        let error = config.verify_pin().await.unwrap_err();
        let text = error.report().to_string();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(text.contains(&before) && text.contains(&after) && text.contains("--accept"), "{text}");
        assert_eq!(world.load().await.unwrap().settings().deploy.keep, 9);
        assert_eq!(Config::accept_pin(&world.env()).await.unwrap().commit, after);
        let config = world.load().await.unwrap();
        assert_eq!(config.settings().deploy.keep, 2);
        config.verify_pin().await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_or_damaged_cache_is_fetched_again_by_commit_and_checked() {
        let world = World::new().await;
        world.asks_for("v1.0.0", "org.toml").load().await.unwrap();
        world.publish("[deploy]\nkeep = 2\n", "v1.0.0").await;
        let cached =
            std::fs::read_dir(world.0.join("home/cache/extends")).unwrap().next().unwrap().unwrap().path();
        std::fs::write(&cached, "[deploy]\nkeep = 1\n").unwrap();
        assert_eq!(world.load().await.unwrap().settings().deploy.keep, 9);
        std::fs::remove_file(&cached).unwrap();
        let lock = world.lock();
        let digest = Digest::of(b"other");
        let changed: Vec<String> = lock
            .lines()
            .map(
                |line| {
                    if line.starts_with("sha256") { format!("sha256 = \"{digest}\"") } else { line.into() }
                },
            )
            .collect();
        std::fs::write(world.0.join("shop/infra.lock"), changed.join("\n")).unwrap();
        let error = world.load().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains(digest.as_str()), "{error}");
        assert_eq!(std::fs::read_dir(world.0.join("home/cache/extends")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn another_tag_is_an_upgrade_and_a_missing_tag_or_file_names_the_nearest() {
        let world = World::new().await;
        world.asks_for("v1.0.0", "org.toml").load().await.unwrap();
        world.publish("[project]\norg = \"acme\"\n[deploy]\nkeep = 3\n", "v1.1.0").await;
        assert_eq!(world.asks_for("v1.1.0", "org.toml").load().await.unwrap().settings().deploy.keep, 3);
        assert!(world.lock().contains("v1.1.0"));
        let error = world.asks_for("v1.2.0", "org.toml").load().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hints()[0].contains("`v1.1.0`") && error.hints()[0].contains("`v1.0.0`"), "{error:?}");
        let error = world.asks_for("v1.1.0", "orgs.toml").load().await.unwrap_err();
        assert_eq!((error.kind(), error.hints()[0].contains("org.toml")), (ErrorKind::NotFound, true));
        assert!(world.lock().contains("v1.1.0"));
    }

    #[tokio::test]
    async fn an_extended_file_may_not_say_who_a_repo_is_nor_extend_another() {
        let world = World::new().await;
        let text = "extends = { git = \"/x\", tag = \"v1\" }\n[project]\nname = \"x\"\norg = \"acme\"\n";
        world.publish(text, "v2.0.0").await;
        let report = world.asks_for("v2.0.0", "org.toml").load().await.unwrap_err().report().to_string();
        assert!(report.contains("org.toml@v2.0.0:1:1: `extends`"), "{report}");
        assert!(report.contains("org.toml@v2.0.0:3:1: `project.name`"), "{report}");
    }
}
