//! Scans of real git repos, and the hook in them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result};
use crate::names::SecretName;
use crate::process::Cmd;
use crate::secret::SecretValue;

const KEY: &str = "canary-k3y/with \"signs\"";
const TOKEN: &str = "canary-t0ken-0123456789";

/// A folder that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("infra-sdk-scan-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path.canonicalize().unwrap())
    }

    async fn repo(&self, name: &str) -> Repo {
        let repo = Repo { root: self.0.join(name), home: self.0.clone() };
        std::fs::create_dir_all(&repo.root).unwrap();
        repo.git(&["init", "-q", "-b", "main"]).await;
        repo
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Repo {
    root: PathBuf,
    home: PathBuf,
}

impl Repo {
    fn start(&self) -> impl Fn(&Path) -> Cmd + Sync + use<> {
        let home = self.home.clone();
        move |program| {
            let cmd = Cmd::new(program).env("HOME", &home).env("GIT_CONFIG_NOSYSTEM", "1");
            let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
            names.iter().fold(cmd, |cmd, name| cmd.env(name, "who@example.com")).env_remove("XDG_CONFIG_HOME")
        }
    }

    async fn git(&self, args: &[&str]) -> String {
        self.start()(Path::new("git")).args(args).dir(&self.root).read().await.unwrap()
    }

    fn write(&self, name: impl AsRef<OsStr>, text: impl AsRef<[u8]>) {
        let path = self.root.join(name.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "--allow-empty", "-m", message]).await;
        self.git(&["rev-parse", "HEAD"]).await
    }

    async fn scan(&self, staged: bool, history: bool) -> Result<ScanReport> {
        self.scan_with(&[("KEY", KEY), ("TOKEN", TOKEN), ("PIN", "1234")], staged, history).await
    }

    async fn scan_with(&self, values: &[(&str, &str)], staged: bool, history: bool) -> Result<ScanReport> {
        let values: BTreeMap<SecretName, SecretValue> =
            values.iter().map(|(n, v)| (n.parse().unwrap(), SecretValue::new(*v))).collect();
        let options = ScanOptions { staged, history };
        let cancel = CancelToken::new();
        let result = scan(&self.root, &values, options, &self.start(), &cancel, |_| {}).await;
        let shown = match &result {
            Ok(report) => format!("{report}{report:?}{}", serde_json::to_string(report).unwrap()),
            Err(error) => format!("{error:?}"),
        };
        assert!(!shown.contains("canary"), "{shown}");
        result
    }

    async fn found(&self, staged: bool, history: bool) -> Vec<String> {
        self.scan(staged, history).await.unwrap().findings.iter().map(ToString::to_string).collect()
    }
}

#[tokio::test]
async fn every_file_git_would_take_is_searched_in_every_form_and_no_other() {
    let (scratch, odd) = (Scratch::new(), b"odd \xff\n\x1bname");
    let repo = scratch.repo("r").await;
    repo.write(".gitignore", ".env\n");
    repo.write(".env", format!("KEY='{KEY}'\nTOKEN={TOKEN}\n"));
    repo.write("src/main.rs", format!("a\n  é = \"{TOKEN}\";\n"));
    repo.write("data.json", serde_json::json!({ "x": KEY }).to_string());
    repo.commit("first").await;
    repo.write("url.txt", "https://x/?k=canary-k3y%2Fwith%20%22signs%22");
    repo.write(
        "binary",
        [&b"\0\xff\0"[..], STANDARD.encode(format!("me:{TOKEN}")).as_bytes(), b"\0"].concat(),
    );
    repo.write(OsStr::from_bytes(odd), TOKEN);
    repo.write(TOKEN, TOKEN);
    let large = repo.root.join("large");
    std::fs::write(&large, [vec![b'x'; 5_000_000], TOKEN.as_bytes().to_vec()].concat()).unwrap();
    std::os::unix::fs::symlink(repo.root.join(".env"), repo.root.join("link")).unwrap();
    scratch.repo("r/nested").await.write("f", TOKEN);

    let report = repo.scan(false, false).await.unwrap();
    let wanted = [
        "***:1:1: TOKEN, plain (worktree)",
        "binary:1:8: TOKEN, base64 (worktree)",
        "data.json:1:7: KEY, escaped as in JSON (worktree)",
        "large:1:5000001: TOKEN, plain (worktree)",
        "odd \u{fffd}\\n\\u{1b}name:1:1: TOKEN, plain (worktree)",
        "src/main.rs:2:8: TOKEN, plain (worktree)",
        "url.txt:1:14: KEY, as in a URL (worktree)",
    ];
    let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, wanted);
    assert_eq!(report.too_short, ["PIN".parse().unwrap()]);
    assert_eq!((report.not_searched.as_slice(), report.looked_for), (&["nested".to_owned()][..], 2));
    assert_eq!(report.searched.files, 8);
    assert!(report.searched.bytes > 5_000_000 && report.require_clean().is_err());
}

#[tokio::test]
async fn what_is_staged_is_read_from_the_index_and_not_from_the_files() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    repo.write("old", TOKEN);
    repo.write("a", TOKEN);
    repo.write("same", TOKEN);
    repo.git(&["add", "."]).await;
    repo.write("a", "clean\n");
    repo.write("not-staged", TOKEN);
    // Without any commit.
    let all =
        ["a:1:1: TOKEN, plain (staged)", "old:1:1: TOKEN, plain (staged)", "same:1:1: TOKEN, plain (staged)"];
    assert_eq!(repo.found(true, false).await, all);
    let both = repo.found(false, false).await;
    let wanted = ["not-staged:", "old:", "same:", "a:"];
    assert!(
        both.len() == 4 && both.iter().zip(wanted).all(|(line, file)| line.starts_with(file)),
        "{both:?}"
    );

    repo.commit("all").await;
    assert!(repo.found(true, false).await.is_empty());
    // Removed, renamed and executable files; a submodule; a link that holds a value by itself.
    repo.git(&["rm", "-q", "old"]).await;
    repo.git(&["mv", "same", "moved"]).await;
    let inner = scratch.repo("r/sub").await;
    inner.write("f", TOKEN);
    inner.commit("x").await;
    std::os::unix::fs::symlink(TOKEN, repo.root.join("link")).unwrap();
    repo.git(&["-c", "advice.addEmbeddedRepo=false", "add", "-A"]).await;
    let found = repo.found(true, false).await;
    assert_eq!(found, ["link:1:1: TOKEN, plain (staged)", "moved:1:1: TOKEN, plain (staged)"]);
}

#[tokio::test]
async fn the_history_is_searched_in_every_ref_and_tells_the_commit_that_brought_it() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    repo.commit("nothing yet").await;
    assert!(repo.found(false, true).await.is_empty());
    repo.write("deep/old name", format!("x\n{TOKEN}\n"));
    let first = repo.commit("first").await;
    repo.git(&["mv", "deep", "new"]).await;
    repo.commit("moved").await;
    std::fs::remove_dir_all(repo.root.join("new")).unwrap();
    repo.commit("removed").await;
    repo.git(&["checkout", "-q", "-b", "other", &first]).await;
    repo.write("side", KEY);
    let side = repo.commit("side").await;
    let told = repo.commit(&format!("subject\n\nbody {TOKEN}")).await;
    repo.git(&["checkout", "-q", "main"]).await;
    repo.git(&["merge", "-q", "other", "-m", "merge"]).await;
    repo.write("undone", KEY.repeat(2));
    repo.commit("undone").await;
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]).await;
    repo.git(&["tag", "-a", "v1", "-m", TOKEN]).await;
    let tag = repo.git(&["rev-parse", "v1"]).await;
    repo.write("loose", format!("{KEY} in no commit"));
    let blob = repo.git(&["hash-object", "-w", "loose"]).await;
    repo.git(&["update-ref", "refs/kept/blob", &blob]).await;
    std::fs::remove_file(repo.root.join("loose")).unwrap();

    let report = repo.scan(true, true).await.unwrap();
    let mut wanted = vec![
        (Place::Commit(first.clone()), "deep/old name", 2),
        (Place::Commit(side), "side", 1),
        (Place::Commit(told), "message of the commit", 3),
        (Place::Object(tag), "message of the tag", 1),
        (Place::Object(blob), "file without a name", 1),
    ];
    wanted.sort();
    let found: Vec<_> = report.findings.iter().map(|f| (f.place.clone(), f.file.as_str(), f.line)).collect();
    assert_eq!(found, wanted);
    // Each content once, however often it stands there.
    let objects = report.searched.objects;
    repo.git(&["gc", "-q"]).await;
    let packed = repo.scan(true, true).await.unwrap();
    assert_eq!((packed.searched.objects, packed.findings), (objects, report.findings));
    assert!(report.searched.staged == 0 && report.searched.files == 0);
}

#[tokio::test]
async fn a_clone_that_lacks_history_is_refused_and_a_bare_one_has_only_that() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    repo.write("f", TOKEN);
    repo.commit("one").await;
    repo.write("f", "clean");
    repo.commit("two").await;
    repo.git(&["config", "uploadpack.allowFilter", "true"]).await;
    let url = format!("file://{}", repo.root.display());
    let clone = |args: &'static [&str], to: &str| {
        let (to, home, url) = (scratch.0.join(to), scratch.0.clone(), url.clone());
        let git = repo.start()(Path::new("git")).args(["clone", "-q"]).args(args).arg(url).arg(&to);
        async move {
            git.run().await.unwrap();
            Repo { root: to, home }
        }
    };
    let shallow = clone(&["--depth=1"], "shallow").await;
    let error = shallow.scan(false, true).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.hints()[0].contains("--unshallow"), "{error:?}");
    assert!(shallow.found(false, false).await.is_empty());
    let partial = clone(&["--filter=blob:none"], "partial").await;
    let error = partial.scan(false, true).await.unwrap_err();
    assert!(error.hints()[0].contains("--filter"), "{error:?}");

    let bare = clone(&["--bare"], "bare").await;
    assert!(bare.scan(false, false).await.unwrap_err().hints()[0].contains("--history"));
    assert_eq!(bare.found(false, true).await.len(), 1);
    let linked = Repo { root: scratch.0.join("linked"), home: scratch.0.clone() };
    bare.git(&["worktree", "add", "-q", linked.root.to_str().unwrap(), "main"]).await;
    linked.write("new", TOKEN);
    assert_eq!(linked.found(false, false).await, ["new:1:1: TOKEN, plain (worktree)"]);
    linked.write("below/x", "");
    let below = Repo { root: linked.root.join("below"), home: scratch.0.clone() };
    assert_eq!(below.found(false, false).await.len(), 1);

    let none = Repo { root: scratch.0.clone(), home: scratch.0.clone() };
    let error = none.scan(false, false).await.unwrap_err();
    assert!(
        error.to_string().contains("not a git repo") && error.hints()[0].contains("git init"),
        "{error:?}"
    );
}

#[tokio::test]
async fn nothing_to_look_for_and_a_cancelled_scan_say_so() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    repo.write("f", TOKEN);
    let report = repo.scan_with(&[("PIN", "1234")], false, false).await.unwrap();
    assert_eq!((report.looked_for, report.searched.files), (0, 1));
    let (cancel, told) = (CancelToken::new(), Arc::new(Mutex::new(0)));
    cancel.cancel();
    let tell = told.clone();
    let progress = move |_: &ScanProgress| *tell.lock().unwrap() += 1;
    let options = ScanOptions::default();
    let values = BTreeMap::from([("TOKEN".parse().unwrap(), SecretValue::new(TOKEN))]);
    let error = scan(&repo.root, &values, options, &repo.start(), &cancel, progress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(*told.lock().unwrap(), 0);
}

/// A `cargo` that says where it was started and how, and refuses.
fn fake_cargo(folder: &Path) -> String {
    let path = folder.join("bin/cargo");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let script = "#!/bin/sh\npwd >\"$LOG\"\necho \"$@\" >>\"$LOG\"\ngit diff --cached --name-only >>\"$LOG\"\nexit 1\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", path.parent().unwrap().display())
}

#[tokio::test]
async fn the_hook_is_written_once_and_runs_before_a_commit() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    repo.write("it's/infra.toml", "");
    repo.commit("one").await;
    let root = repo.root.join("it's");
    let plan = plan_hook(&root, &repo.start()).await.unwrap();
    assert_eq!(plan.what, Some("create"));
    plan.apply().unwrap();
    assert_eq!(plan.path, repo.root.join(".git/hooks/pre-commit"));
    let again = plan_hook(&root, &repo.start()).await.unwrap();
    assert!(again.what.is_none() && again.to_string().ends_with("nothing to do"), "{again}");
    again.apply().unwrap();
    std::fs::set_permissions(&plan.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let repair = plan_hook(&root, &repo.start()).await.unwrap();
    assert_eq!(repair.what, Some("make it executable"));
    repair.apply().unwrap();

    repo.write("f", "x");
    repo.git(&["add", "f"]).await;
    let log = scratch.0.join("log");
    let commit = |args: &'static [&str]| {
        let cmd = repo.start()(Path::new("git")).env("PATH", fake_cargo(&scratch.0)).env("LOG", &log);
        cmd.args(["commit", "-q", "-m", "x"]).args(args).dir(&repo.root).output()
    };
    assert!(!commit(&[]).await.unwrap().success());
    let said = std::fs::read_to_string(&log).unwrap();
    assert_eq!(said, format!("{}\nxtask infra:secrets:scan --staged\nf\n", root.display()));
    // A hook that was moved to another root is replaced; one that changed in between is not.
    let moved = plan_hook(&repo.root, &repo.start()).await.unwrap();
    assert_eq!(moved.what, Some("update"));
    std::fs::write(&plan.path, "#!/bin/sh\n").unwrap();
    assert_eq!(moved.apply().unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_commit_of_some_files_is_scanned_by_the_index_it_has() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    repo.write("a", "1");
    repo.write("b", "1");
    repo.commit("one").await;
    repo.write("a", TOKEN);
    repo.write("b", TOKEN);
    // The index of `git commit a`, as git names it to the hook.
    let index = repo.root.join(".git/next-index");
    std::fs::copy(repo.root.join(".git/index"), &index).unwrap();
    let add = repo.start()(Path::new("git")).args(["add", "a"]).env("GIT_INDEX_FILE", &index);
    add.dir(&repo.root).run().await.unwrap();
    let start = repo.start();
    let in_hook = move |program: &Path| {
        start(program)
            .env("GIT_INDEX_FILE", ".git/next-index")
            .env("GIT_DIR", "/nowhere")
            .env("GIT_PREFIX", "x/")
    };
    let values = BTreeMap::from([("TOKEN".parse().unwrap(), SecretValue::new(TOKEN))]);
    let options = ScanOptions { staged: true, history: false };
    let report = scan(&repo.root, &values, options, &in_hook, &CancelToken::new(), |_| {}).await.unwrap();
    let files: Vec<&str> = report.findings.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(files, ["a"]);
}

#[tokio::test]
async fn a_hook_of_somebody_else_and_one_for_all_repos_is_left_alone() {
    let scratch = Scratch::new();
    let repo = scratch.repo("r").await;
    let plan = async || plan_hook(&repo.root, &repo.start()).await;
    let path = repo.root.join(".git/hooks/pre-commit");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let foreign = "#!/bin/sh\n# cargo xtask infra:secrets:scan --staged\nmake lint\n";
    std::fs::write(&path, foreign).unwrap();
    let error = plan().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.hints()[0].ends_with(": cargo xtask infra:secrets:scan --staged || exit 1"), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
    let with_ours = "#!/bin/sh\nmake lint\ncargo xtask infra:secrets:scan --staged || exit 1\n";
    std::fs::write(&path, with_ours).unwrap();
    let known = plan().await.unwrap();
    assert_eq!(known.what, Some("make it executable"));
    known.apply().unwrap();
    assert!(plan().await.unwrap().what.is_none());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), with_ours);

    repo.git(&["config", "core.hooksPath", "my hooks"]).await;
    let own = plan().await.unwrap();
    assert_eq!((own.path.clone(), own.what), (repo.root.join("my hooks/pre-commit"), Some("create")));
    repo.git(&["config", "--unset", "core.hooksPath"]).await;
    repo.git(&["config", "--global", "core.hooksPath", "~/hooks"]).await;
    let error = plan().await.unwrap_err();
    assert!(
        error.to_string().contains("of all repos") && error.to_string().contains("hooks/pre-commit"),
        "{error}"
    );
    repo.git(&["config", "--global", "--unset", "core.hooksPath"]).await;

    std::fs::remove_file(&path).unwrap();
    repo.commit("x").await;
    let linked = Repo { root: scratch.0.join("linked"), home: scratch.0.clone() };
    repo.git(&["worktree", "add", "-q", linked.root.to_str().unwrap()]).await;
    assert_eq!(plan_hook(&linked.root, &linked.start()).await.unwrap().path, path);
}
