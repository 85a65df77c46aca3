//! Loading `infra.toml`: find it, lay its layers on top of each other, read and check the result.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::find::{NAME, SMALLEST, extends, open};
use crate::config::layers::{self, Layers, SDK_DEFAULT};
use crate::config::lock::{Lock, LockedExtends};
use crate::config::{Environment, Pin, Settings, Shown, check, document, pin, variables};
use crate::env::{Env, INFRA_ENV};
use crate::error::{Error, Result};
use crate::names::{EnvName, nearest};
use crate::tree::{Node, Problem, ProblemKind, ReadOptions, child, read, refused};

/// What the command line says of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--env`: the environment to work on.
    pub env: Option<String>,
    /// `--set`: values laid on top of all others, such as `deploy.port=8080`.
    pub set: Vec<String>,
}

/// The settings of one repo for one environment.
///
/// Layers, later wins: SDK defaults, the file in `extends`, `infra.toml`, variables such as
/// `INFRA_CONFIG__DEPLOY__PORT`, flags. In each file `[env.NAME]` may also hold `costs`, `deploy`, `image`, `refs`,
/// `secrets`, `stack` and `tools`: they are laid on top of that file's own when NAME is the environment. Tables are merged
/// key by key; lists are replaced, but those of `[policy]`, which are joined.
///
/// ```
/// use infra_sdk::config::Config;
/// let text = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[env.staging.deploy]\nport = 8080\n";
/// let config = Config::of_text(text, "/srv/shop", "staging")?;
/// assert_eq!(config.settings().deploy.port, Some(8080));
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    root: PathBuf,
    environment: EnvName,
    settings: Settings,
    tree: Node,
}

impl Config {
    /// Loads the settings of the repo around the working folder. The network is used only for a file in `extends`
    /// that is not locked or not cached yet.
    ///
    /// # Errors
    /// - `NotFound` when there is no `infra.toml` up to the repo's root, no such environment, no such tag or file in
    ///   `extends`;
    /// - `Invalid` when a file is not UTF-8, not TOML, larger than 1 MB, or says something that is not understood:
    ///   all of it at once, with places;
    /// - `Unavailable` when `extends` must be looked up and the remote does not answer; `Conflict` when what it gives
    ///   is not what was locked;
    /// - `Denied` or `Io` when files cannot be read, or lock and cache not written.
    pub async fn load(env: &Env, flags: &Flags) -> Result<Self> {
        let (root, file) = open(env.cwd())?;
        let extends = match extends(&file)? {
            Some(extends) => Some(pin::resolve(env, &root, &extends).await?),
            None => None,
        };
        let mut settings = variables::of_env(env)?;
        settings.extend(variables::of_flags(&flags.set)?);
        let layers = Layers::new(extends, file, settings)?;
        let (asked, by) = match (&flags.env, env.get(INFRA_ENV)) {
            (Some(flag), _) => (flag.as_str(), "--env"),
            (None, Some(variable)) => (variable, INFRA_ENV),
            (None, None) => ("local", "default"),
        };
        Self::settle(root, &layers, asked, by)
    }

    /// The settings that `text`, in place of an `infra.toml` in the folder `root`, gives for an environment: for
    /// tests and tools. `extends` and variables are not followed.
    ///
    /// # Errors
    /// `Invalid` and `NotFound` as [`load`](Config::load).
    pub fn of_text(text: &str, root: impl Into<PathBuf>, environment: &str) -> Result<Self> {
        let layers = Layers::new(None, document::parse(text, NAME)?, Vec::new())?;
        Self::settle(root.into(), &layers, environment, "caller")
    }

    /// The root of the repo around `start`: the folder of `infra.toml`, else that of `.git`, else `start` itself.
    pub fn root_around(start: &Path) -> &Path {
        for folder in start.ancestors() {
            if folder.join(NAME).exists() || folder.join(".git").exists() {
                return folder;
            }
        }
        start
    }

    /// The environments of the repo around the working folder, and whether each is protected, without judging the rest
    /// of the settings. The organisation's file counts: it may protect an environment.
    ///
    /// # Errors
    /// `NotFound` or `Invalid` when there is no `infra.toml` or it is not TOML; as [`load`](Config::load) when the file
    /// in `extends` can not be had.
    pub async fn environments_of(env: &Env) -> Result<Vec<(EnvName, bool)>> {
        let (root, file) = open(env.cwd())?;
        let extends = match extends(&file)? {
            Some(extends) => Some(pin::resolve(env, &root, &extends).await?),
            None => None,
        };
        let found = Layers::new(extends, file, Vec::new())?.environments();
        Ok(found
            .into_iter()
            .filter_map(|(name, protected)| Some((EnvName::new(name).ok()?, protected)))
            .collect())
    }

    /// Whether nobody has set the value at `keys`, so that it is as this crate has it.
    pub(crate) fn is_default(&self, keys: &[&str]) -> bool {
        let node = keys.iter().try_fold(&self.tree, |node, key| node.get(key));
        node.is_none_or(|node| node.origin.to_string() == SDK_DEFAULT)
    }

    fn settle(root: PathBuf, layers: &Layers, asked: &str, by: &str) -> Result<Self> {
        let environment = choose(asked, by, layers)?;
        let mut problems: BTreeSet<Problem> = layers.weakened().into_iter().collect();
        let mut chosen = None;
        for name in layers.environments().into_keys() {
            // A mistake in what another environment overrides would otherwise wait until it is deployed.
            let Ok(name) = EnvName::new(name) else { continue };
            if name != environment && !layers.has_overrides(name.as_str()) {
                continue;
            }
            let tree = layers.tree(&name);
            match read::<Settings>(&tree, ReadOptions::default()) {
                Ok(settings) => {
                    problems.extend(check::check(&settings, &tree));
                    if name == environment {
                        chosen = Some((settings, tree));
                    }
                }
                Err(found) => problems.extend(found),
            }
        }
        match chosen {
            Some((settings, tree)) if problems.is_empty() => Ok(Config { root, environment, settings, tree }),
            _ => Err(not_accepted(problems, &root)),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The environment they are for.
    pub fn environment(&self) -> &EnvName {
        &self.environment
    }

    /// The section of that environment.
    ///
    /// # Errors
    /// `NotFound`, which cannot happen to settings that were loaded.
    pub fn section(&self) -> Result<&Environment> {
        self.settings.env.get(&self.environment).ok_or_else(|| {
            Error::not_found(format!("there is no environment `{}`", self.environment))
                .hint("add it to infra.toml as `[env.NAME]`")
        })
    }

    /// All environments of the repo, and whether each is protected.
    pub fn environments(&self) -> impl Iterator<Item = (&EnvName, bool)> {
        self.settings.env.iter().map(|(name, section)| (name, section.protected))
    }

    /// The folder `infra.toml` stands in; all paths in the settings start there.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every value with where it came from.
    pub fn show(&self) -> Shown {
        Shown::of(&self.tree, self.environment.as_str())
    }

    /// Whether the value under these keys comes from the organisation's file.
    pub(super) fn is_extended(&self, keys: &[&str]) -> bool {
        let node = keys.iter().try_fold(&self.tree, |node, key| node.get(key));
        let extended = self.settings.extends.as_ref().map(pin::name_of);
        node.is_some_and(|node| extended.as_deref() == Some(node.origin.name()))
    }

    /// Asks the remote whether the tag in `extends` still points at the locked commit; waits at most ten seconds.
    ///
    /// # Errors
    /// `Conflict` with both commits when the tag was moved, `NotFound` when it was removed, `Unavailable` when there
    /// is no lock. A remote that does not answer is no error but [`Pin::Unverified`].
    pub async fn verify_pin(&self) -> Result<Pin> {
        match &self.settings.extends {
            Some(extends) => pin::verify(&self.root, extends).await,
            None => Ok(Pin::Nothing),
        }
    }

    /// Another file of the repo in `extends`, at the locked commit; `path` is relative to that repo. Kept on this
    /// machine after the first time.
    ///
    /// # Errors
    /// `NotFound` when this repo extends nothing or the file is not there, `Unavailable` when there is no lock or the
    /// remote does not answer, `Invalid` when the file is not text or too large.
    pub async fn file_beside_extends(&self, env: &Env, path: &str) -> Result<String> {
        match &self.settings.extends {
            Some(extends) => pin::beside(env, &self.root, extends, path).await,
            None => {
                Err(Error::not_found("infra.toml extends nothing")
                    .hint("add `extends = { git = …, tag = … }`"))
            }
        }
    }

    /// Locks the commit that the tag in `extends` points at now, whatever was locked before. Load again afterwards.
    ///
    /// # Errors
    /// `NotFound` when this repo extends nothing or tag or file are not there, `Unavailable` when the remote does not
    /// answer, `Invalid` when the file there cannot be read.
    pub async fn accept_pin(env: &Env) -> Result<LockedExtends> {
        let (root, file) = open(env.cwd())?;
        let Some(extends) = extends(&file)? else {
            return Err(Error::not_found("infra.toml extends nothing")
                .hint("there is nothing to lock; add `extends = { git = …, tag = … }` first"));
        };
        pin::take_anew(env, Lock::load(&root)?, &extends).await.map(|(_, locked)| locked)
    }
}

fn choose(asked: &str, by: &str, layers: &Layers) -> Result<EnvName> {
    let name = EnvName::new(asked).map_err(|error| error.with("from", by))?;
    let known = layers.environments();
    if known.contains_key(asked) {
        return Ok(name);
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let error = Error::not_found(format!("there is no environment `{name}`"))
        .with("from", by)
        .with("environments", names.join(", "));
    Err(match nearest(asked, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("add `[env.{name}]` to infra.toml, or choose one of these")),
    })
}

fn not_accepted(problems: BTreeSet<Problem>, root: &Path) -> Error {
    let mut problems: Vec<Problem> = problems.into_iter().collect();
    problems.iter_mut().for_each(layers::suggest_overrides);
    let what = match problems.len() {
        1 => "infra.toml has a problem".to_owned(),
        count @ 200.. => format!("infra.toml has {count} problems or more"),
        count => format!("infra.toml has {count} problems"),
    };
    let error = refused(what, &problems)
        .with("folder", root.display())
        .hint("correct every place named above, then run the same command again");
    let unnamed = problems.iter().any(|problem| {
        problem.kind == ProblemKind::Missing
            && (problem.path == "project" || problem.path == child("project", "name"))
    });
    if unnamed { error.hint(SMALLEST) } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const PROJECT: &str = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";

    struct Repo(PathBuf);

    impl Repo {
        fn of(bytes: &[u8]) -> Self {
            let repo =
                Repo(std::env::temp_dir().join(format!("infra-sdk-load-{}", crate::id::short().unwrap())));
            std::fs::create_dir_all(repo.0.join("repo/.git")).unwrap();
            std::fs::create_dir_all(repo.0.join("repo/src/deep")).unwrap();
            std::fs::write(repo.0.join("repo/infra.toml"), bytes).unwrap();
            repo
        }

        async fn load(&self, vars: &[(&str, &str)], flags: Flags) -> Result<Config> {
            Config::load(&Env::of(vars.iter().copied(), self.0.join("repo/src/deep")), &flags).await
        }

        async fn refusal(&self) -> String {
            self.load(&[], Flags::default()).await.unwrap_err().report().to_string()
        }
    }

    impl Drop for Repo {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn refusal(text: &str) -> String {
        Config::of_text(&format!("{PROJECT}{text}"), "/srv", "local").unwrap_err().report().to_string()
    }

    #[tokio::test]
    async fn the_file_is_found_from_below_and_not_above_the_repo() {
        let repo = Repo::of(PROJECT.as_bytes());
        let config = repo.load(&[], Flags::default()).await.unwrap();
        assert_eq!((config.root(), config.environment().as_str()), (repo.0.join("repo").as_path(), "local"));
        std::fs::rename(repo.0.join("repo/infra.toml"), repo.0.join("infra.toml")).unwrap();
        let error = repo.load(&[], Flags::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hints().iter().any(|hint| hint.contains("[project]")), "{error:?}");
    }

    #[tokio::test]
    async fn an_empty_a_huge_and_a_binary_file_are_told_apart() {
        for nothing in ["", "\n  \n", "# later\n"] {
            let report = Repo::of(nothing.as_bytes()).refusal().await;
            assert!(report.contains("says nothing") && report.contains("`[project]`"), "{report}");
        }
        assert!(Repo::of(b"[project]\nname = \"\xff\"\n").refusal().await.contains("infra.toml:2:9"));
        let huge = Repo::of(&vec![b'#'; 50_000_000]).refusal().await;
        assert!(huge.contains("larger than 1000 KB") && huge.len() < 1000, "{huge}");
        let syntax = Repo::of(b"[project]\nname = shop\n").refusal().await;
        assert!(syntax.contains("infra.toml:2:8"), "{syntax}");
    }

    #[tokio::test]
    async fn the_environment_is_chosen_by_flag_then_variable_then_local() {
        let repo =
            Repo::of(format!("{PROJECT}[env.staging]\n[env.production]\nprotected = true\n").as_bytes());
        let flags = |env: &str| Flags { env: Some(env.to_owned()), ..Flags::default() };
        let chosen = repo.load(&[("INFRA_ENV", "staging")], flags("production")).await.unwrap();
        assert_eq!(chosen.environment().as_str(), "production");
        assert!(chosen.section().unwrap().protected);
        let chosen = repo.load(&[("INFRA_ENV", "staging")], Flags::default()).await.unwrap();
        assert_eq!(chosen.environment().as_str(), "staging");
        let error = repo.load(&[("INFRA_ENV", "stagin")], Flags::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("local, production, staging"), "{error}");
        assert_eq!(error.hints(), ["did you mean `staging`?"]);
        for bad in ["../x", "a b", "a\nb", &"a".repeat(300)] {
            assert_eq!(repo.load(&[], flags(bad)).await.unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
        let known = Config::environments_of(&Env::of([("X", "x")], repo.0.join("repo"))).await.unwrap();
        let known: Vec<(&str, bool)> =
            known.iter().map(|(name, protected)| (name.as_str(), *protected)).collect();
        assert_eq!(known, [("local", false), ("production", true), ("staging", false)]);
    }

    #[tokio::test]
    async fn variables_and_flags_win_and_are_named_when_they_are_wrong() {
        let repo = Repo::of(format!("{PROJECT}[deploy]\nport = 1\n").as_bytes());
        let vars = [("INFRA_CONFIG__DEPLOY__PORT", "2"), ("INFRA_CONFIG__DEPLOY__KEEP", "3")];
        let flags = Flags { env: None, set: vec!["deploy.keep=4".into()] };
        let config = repo.load(&vars, flags).await.unwrap();
        assert_eq!((config.settings().deploy.port, config.settings().deploy.keep), (Some(2), 4));
        let shown = config.show().to_string();
        assert!(
            shown.contains("# INFRA_CONFIG__DEPLOY__PORT") && shown.contains("# --set deploy.keep"),
            "{shown}"
        );
        assert!(shown.contains("# SDK default") && shown.contains("# infra.toml:2:1"), "{shown}");
        let vars = [("INFRA_CONFIG__DEPLOY__PROT", "2"), ("INFRA_CONFIG__DEPLOY__KEEP", "many")];
        let report = repo.load(&vars, Flags::default()).await.unwrap_err().report().to_string();
        assert!(
            report.contains(
                "INFRA_CONFIG__DEPLOY__PROT: `deploy.prot` is not a known key; did you mean `port`?"
            )
        );
        assert!(
            report.contains("INFRA_CONFIG__DEPLOY__KEEP: `deploy.keep` must be a whole number"),
            "{report}"
        );
    }

    #[test]
    fn every_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
        let report = refusal(
            "[deply]\nport = 1\n[env.staging]\nregoin = \"x\"\ndeplo = {}\n[env.staging.deploy]\nwiat = \"1s\"\n[stack.a]\ndir = \"x\"\nafetr = []\n",
        );
        for expected in [
            "infra.toml has 5 problems",
            "infra.toml:5:2: `deply` is not a known key; did you mean `deploy`?",
            "infra.toml:8:1: `env.staging.regoin` is not a known key; did you mean `region`?",
            "infra.toml:9:1: `env.staging.deplo` is not a known key; did you mean `deploy`?",
            "infra.toml:11:1: `deploy.wiat` is not a known key; did you mean `wait`?",
            "infra.toml:14:1: `stack.a.afetr` is not a known key; did you mean `after`?",
        ] {
            assert!(report.contains(expected), "{expected}\n{report}");
        }
    }

    #[test]
    fn what_is_missing_is_all_named_at_once() {
        let report = Config::of_text("[deploy]\n", "/srv", "local").unwrap_err().report().to_string();
        assert!(report.contains("`project` is missing") && report.contains("smallest"), "{report}");
        let report = Config::of_text("[project]\n", "/srv", "local").unwrap_err().report().to_string();
        for key in ["name", "kind", "org"] {
            assert!(report.contains(&format!("infra.toml:1:2: `project.{key}` is missing")), "{report}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_refused_with_their_place() {
        let report = refusal(concat!(
            "[env.staging]\nstate = { backend = \"s3\" }\n",
            "[deploy]\nimage = \"ap\"\nhealth = \"x\"\n",
            "[image.app]\nfiles = \"dist\"\nentrypoint = []\n",
            "[image.b]\nfiles = \"/etc\"\nentrypoint = [\"b\"]\n",
            "[stack.a]\ndir = \"../other\"\nafter = [\"b\"]\nenvs = [\"stagin\"]\n",
        ));
        assert!(report.contains("`image.b.files`: path `/etc` is absolute; write it relative"), "{report}");
        assert!(report.contains("`stack.a.dir`: path `../other` leaves the repo"), "{report}");
        let report = refusal(concat!(
            "[env.staging]\nstate = { backend = \"s3\" }\n",
            "[deploy]\nimage = \"ap\"\nhealth = \"x\"\n",
            "[image.app]\nfiles = \"dist\"\nentrypoint = []\n",
            "[stack.a]\ndir = \"a\"\nafter = [\"b\"]\nenvs = [\"stagin\"]\n",
            "[stack.b]\ndir = \"b\"\nafter = [\"c\"]\n[stack.c]\ndir = \"c\"\nafter = [\"b\"]\n",
            "[exports]\n\"/shop/net\" = { stack = \"z\" }\n[secrets.X]\nenvs = [\"moon\"]\n",
        ));
        for expected in [
            "infra.toml:6:1: `env.staging.state.bucket` is missing",
            "infra.toml:8:1: `deploy.image`: there is no image `ap`; did you mean `app`?",
            "infra.toml:9:1: `deploy.health`: must be the path",
            "`image.app.entrypoint`: must name a program",
            "`stack.a.envs`: there is no environment `stagin`; did you mean `staging`?",
            "`stack.b.after`: the stacks wait for each other: b → c → b",
            "`exports.\"/shop/net\".stack`: there is no stack `z`, only `a`, `b`, `c`",
            "`secrets.X.envs`: there is no environment `moon`, only `local`, `staging`",
        ] {
            assert!(report.contains(expected), "{expected}\n{report}");
        }
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for (text, path) in [
            ("[stack.\"../x\"]\ndir = \"a\"\n", "stack"),
            ("[env.\"a b\"]\n", "env"),
            ("[image.\"a\\nb\"]\nfiles = \"a\"\nentrypoint = [\"a\"]\n", "image"),
            ("[refs]\nnetwork = \"/a/../b\"\n", "refs.network"),
        ] {
            let report = refusal(text);
            assert!(report.contains(&format!("`{path}")), "{report}");
        }
    }
}
