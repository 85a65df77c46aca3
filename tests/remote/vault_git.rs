//! The vault under git and under `kill -9`: what different people change merges, and no write is ever half done.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use infra_sdk::secrets::{SecretChange, SecretSource, SecretStore};
use infra_sdk::vault::Vault;
use infra_sdk::{Env, ErrorKind};
use support::{Finished, Run};

use crate::vault::{World, name, put, write};

/// A repo in which two people work on branches.
struct Repo {
    world: World,
    vault: Vault,
}

impl Repo {
    async fn new() -> Self {
        let world = World::new();
        let repo = Repo { vault: world.vault("ada", &["ada"]).await, world };
        fs::create_dir_all(repo.root()).unwrap();
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["commit", "-q", "--allow-empty", "-m", "start"]);
        repo
    }

    fn root(&self) -> PathBuf {
        self.world.root().join("repo")
    }

    fn try_git(&self, args: &[&str]) -> Finished {
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
        Run::new("git", &self.root()).args(who).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").finish()
    }

    fn git(&self, args: &[&str]) -> String {
        self.try_git(args).expect(0).stdout
    }

    async fn commit(&self, changes: &[SecretChange]) {
        write(&self.vault, changes).await;
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change"]);
    }

    /// Makes `ours` on one branch and `theirs` on another, and merges them.
    async fn try_merge(&self, ours: &[SecretChange], theirs: &[SecretChange]) -> Finished {
        self.git(&["checkout", "-q", "-B", "theirs"]);
        self.commit(theirs).await;
        self.git(&["checkout", "-q", "main"]);
        self.commit(ours).await;
        self.try_git(&["merge", "-q", "--no-edit", "theirs"])
    }

    async fn merge(&self, ours: &[SecretChange], theirs: &[SecretChange]) {
        let merged = self.try_merge(ours, theirs).await;
        assert_eq!(merged.code, 0, "{merged:?}");
    }

    async fn values(&self) -> BTreeMap<String, String> {
        let values = self.vault.get_all().await.unwrap();
        values.into_iter().map(|(name, value)| (name.to_string(), value.expose().to_owned())).collect()
    }
}

#[tokio::test]
async fn two_people_who_change_different_secrets_never_meet() {
    // From nothing; at the same place; beside each other; with and after deletes.
    let repo = Repo::new().await;
    let steps: [(&[SecretChange], &[SecretChange]); 6] = [
        (&[put("ONE", "1")], &[put("TWO", "2")]),
        (&[put("TWO_A", "1")], &[put("TWO_B", "2")]),
        (&[put("ONE", "3")], &[put("TWO", "4")]),
        (&[SecretChange::delete(name("ONE"))], &[put("TWO", "5"), put("ONE_A", "6")]),
        (&[put("TWO_A", "7")], &[SecretChange::delete(name("TWO")), SecretChange::delete(name("TWO_B"))]),
        (
            &[put("AA", "1"), put("AB", "1"), put("TWO", "8")],
            &[put("AC", "1"), put("ZZ", "1"), put("ONE_A", "9")],
        ),
    ];
    for (ours, theirs) in steps {
        let mut expected = repo.values().await;
        for change in ours.iter().chain(theirs) {
            match change {
                SecretChange::Put { name, value, .. } => {
                    expected.insert(name.to_string(), value.expose().to_owned())
                }
                SecretChange::Delete { name } => expected.remove(name.as_str()),
            };
        }
        repo.merge(ours, theirs).await;
        assert_eq!(repo.values().await, expected, "{}", repo.world.text());
    }
}

/// Many merges of random changes; which ones depends on random names, and is printed when one fails.
#[tokio::test]
async fn random_changes_of_different_secrets_merge_into_all_of_them() {
    let repo = Repo::new().await;
    let mut expected = BTreeMap::new();
    for round in 0..12 {
        let mut sides = [Vec::new(), Vec::new()];
        for number in 0..10 {
            let [side, what, value, _] = infra_sdk::id::random::<4>().unwrap();
            let name = format!("N{number}");
            let change = match what % 4 {
                0 => SecretChange::delete(name.parse().unwrap()),
                _ => put(&name, &value.to_string()),
            };
            if side % 3 < 2 {
                match &change {
                    SecretChange::Put { value, .. } => expected.insert(name, value.expose().to_owned()),
                    SecretChange::Delete { .. } => expected.remove(&name),
                };
                sides[usize::from(side % 3)].push(change);
            }
        }
        let [ours, theirs] = &sides;
        repo.merge(ours, theirs).await;
        assert_eq!(repo.values().await, expected, "round {round}: {ours:?} and {theirs:?}");
    }
}

#[tokio::test]
async fn one_secret_changed_by_two_people_is_a_conflict_that_names_it() {
    let repo = Repo::new().await;
    repo.commit(&[put("A", "1"), put("B", "1"), put("C", "1")]).await;
    repo.merge(&[put("B", "ours")], &[put("B", "theirs")]).await;
    for error in [
        repo.vault.get_all().await.map(drop).unwrap_err(),
        repo.vault.list().await.map(drop).unwrap_err(),
        repo.vault.write(&[put("A", "2")]).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert!(error.to_string().contains("secret: B") && !error.hints().is_empty(), "{error:?}");
    }
    // As the hint says: one of the two lines goes.
    let text = repo.world.text();
    let line = text.lines().rfind(|line| line.starts_with("B ")).unwrap();
    fs::write(repo.world.file(), text.replacen(&format!("{line}\n"), "", 1)).unwrap();
    assert_eq!(repo.values().await["B"], "ours");
}

#[tokio::test]
async fn without_git_s_help_a_merge_stops_and_says_what_to_do() {
    let repo = Repo::new().await;
    repo.commit(&[put("A", "1")]).await;
    fs::write(repo.world.file().with_file_name(".gitattributes"), "# nothing\n").unwrap();
    // Beside each other is fine without help, too.
    repo.merge(&[put("A", "2")], &[put("C", "3")]).await;
    repo.merge(&[put("A", "4")], &[put("C", "5")]).await;
    assert_eq!(repo.values().await, BTreeMap::from([("A".into(), "4".into()), ("C".into(), "5".into())]));
    let stopped = repo.try_merge(&[put("B1", "1")], &[put("B2", "1")]).await;
    assert_ne!(stopped.code, 0);
    let error = repo.vault.list().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.hints()[0].contains("marks"), "{error:?}");
    let text = repo.world.text();
    let kept = text.lines().filter(|line| !["<<<", "===", ">>>"].iter().any(|mark| line.starts_with(mark)));
    fs::write(repo.world.file(), kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert_eq!(repo.values().await.len(), 4);
}

/// Says to this program, started again, in which folder to write for ever.
const WRITER: &str = "VAULT_WRITER";

#[tokio::test]
async fn a_writer_that_is_killed_loses_nothing_and_leaves_nothing() {
    let own = Env::of_process().unwrap();
    if let Some(folder) = own.path(WRITER) {
        return write_for_ever(folder).await;
    }
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    write(&vault, &[put("KEPT", "1"), put("COUNT", "0"), put("TWIN", "0")]).await;
    let mut highest = 0;
    for round in 0..25_u64 {
        let before = fs::read(world.file()).unwrap();
        let mut writer = start_writer(&own, &world);
        // Once it has written, it is killed at whatever it is doing.
        let start = Instant::now();
        while fs::read(world.file()).unwrap() == before {
            assert!(writer.0.try_wait().unwrap().is_none(), "the writer ended");
            assert!(start.elapsed() < Duration::from_secs(60), "the writer writes nothing");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(round * 331 % 5000));
        writer.0.kill().unwrap();
        writer.0.wait().unwrap();
        let values = vault.get_all().await.unwrap();
        let value = |secret: &str| values[&name(secret)].expose().to_owned();
        assert_eq!((value("KEPT"), value("COUNT")), ("1".into(), value("TWIN")), "half a batch was written");
        let count: u64 = value("COUNT").parse().unwrap();
        assert!(count > highest, "{count} after {highest}");
        highest = count;
    }
    write(&vault, &[put("KEPT", "2")]).await;
    let mut files: Vec<_> = fs::read_dir(world.file().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, [".gitattributes", ".gitignore", ".lock", "staging.vault"]);
}

/// A child that is killed, also when the test fails.
struct Writer(std::process::Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_types, reason = "tests kill a program from outside")]
fn start_writer(own: &Env, world: &World) -> Writer {
    let child = std::process::Command::new(own.program().unwrap())
        .args(["--exact", "vault_git::a_writer_that_is_killed_loses_nothing_and_leaves_nothing"])
        .env(WRITER, world.root())
        .stdout(Stdio::null())
        .spawn();
    Writer(child.unwrap())
}

async fn write_for_ever(folder: PathBuf) {
    let world = World::at(folder);
    let vault = world.vault("ada", &["ada"]).await;
    loop {
        let count: u64 = vault.get(&name("COUNT")).await.unwrap().unwrap().expose().parse().unwrap();
        let next = (count + 1).to_string();
        write(&vault, &[put("COUNT", &next), put("TWIN", &next)]).await;
    }
}
