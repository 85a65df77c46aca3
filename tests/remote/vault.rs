//! The vault: it keeps the contract of a store, opens for its recipients only, and changes no line that need not change.

use std::fs;
use std::path::{Path, PathBuf};

use infra_sdk::config::VaultKey;
use infra_sdk::names::SecretName;
use infra_sdk::secrets::{KeyKeeper, Sealer, SecretChange, SecretSource, SecretStore};
use infra_sdk::vault::{Binding, KeyPlace, Vault, plan_key};
use infra_sdk::{Env, ErrorKind, SecretValue};
use support::Scratch;

use crate::secrets::{Kind, gives_back, holds};

/// A value that must never show.
pub(crate) const CANARY: &str = "canary-71ab";

/// A folder with a vault and the keys of some people.
pub(crate) struct World {
    root: PathBuf,
    /// Removes the folder at the end, where it is this world's own.
    _scratch: Option<Scratch>,
}

impl World {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new("vault");
        World { root: scratch.path().to_owned(), _scratch: Some(scratch) }
    }

    /// The world that another process made.
    pub(crate) fn at(root: PathBuf) -> Self {
        World { root, _scratch: None }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn file(&self) -> PathBuf {
        Vault::file(&self.root.join("repo/infra/secrets"), &"staging".parse().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    pub(crate) fn place(&self, person: &str) -> KeyPlace {
        let env = Env::of([("INFRA_AGE_KEY_FILE", self.root.join(format!("keys/{person}")))], "/");
        KeyPlace::new(&env, VaultKey::Keychain, &"acme".parse().unwrap())
    }

    /// The public key of a person, who makes one if there is none.
    pub(crate) async fn public(&self, person: &str) -> String {
        plan_key(&self.place(person)).await.unwrap().apply().await.unwrap().recipients.remove(0)
    }

    /// The vault as `person` sees it, for `recipients`.
    pub(crate) async fn vault(&self, person: &str, recipients: &[&str]) -> Vault {
        self.vault_of(person, recipients, "staging").await
    }

    async fn vault_of(&self, person: &str, recipients: &[&str], env: &str) -> Vault {
        let mut keys = Vec::new();
        for recipient in recipients {
            keys.push(self.public(recipient).await);
        }
        Vault::open(self.file(), &keys, self.place(person), binding(env)).unwrap()
    }
}

pub(crate) fn binding(env: &str) -> Binding {
    Binding { org: "acme".parse().unwrap(), project: "shop".parse().unwrap(), env: env.parse().unwrap() }
}

pub(crate) fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

pub(crate) fn put(name: &str, value: &str) -> SecretChange {
    SecretChange::put(name.parse().unwrap(), SecretValue::new(value))
}

pub(crate) async fn write(vault: &Vault, changes: &[SecretChange]) {
    vault.write(changes).await.unwrap().complete(changes).unwrap();
}

#[tokio::test]
async fn a_vault_keeps_the_contract_of_a_store_with_its_key_and_without_one() {
    let world = World::new();
    let with = world.vault("ada", &["ada", "bob"]).await;
    holds(&with, Kind { keeps_equal: true, ..Kind::default() }).await;
    gives_back(&with, &with).await;
    let world = World::new();
    holds(&world.vault("nobody", &["ada", "bob"]).await, Kind::default()).await;
}

#[tokio::test]
async fn every_recipient_reads_it_and_names_are_listed_without_a_key() {
    let world = World::new();
    write(&world.vault("nobody", &["ada", "bob"]).await, &[put("TOKEN", CANARY), put("B", "1")]).await;
    for person in ["ada", "bob"] {
        let vault = world.vault(person, &["bob", "ada"]).await;
        assert_eq!(vault.get(&name("TOKEN")).await.unwrap().unwrap().expose(), CANARY);
        assert!(vault.list().await.unwrap().iter().all(|secret| secret.updated.is_some()));
    }
    let listed = world.vault("nobody", &["ada"]).await.list().await.unwrap();
    assert_eq!(listed.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["B", "TOKEN"]);
    assert!(listed.iter().all(|secret| secret.stamp.is_some() && secret.updated.is_none()));
    assert!(!world.text().contains(CANARY));
}

#[tokio::test]
async fn without_a_key_or_with_a_stranger_s_the_error_says_what_to_do() {
    let world = World::new();
    write(&world.vault("ada", &["ada", "bob"]).await, &[put("TOKEN", CANARY)]).await;
    let error = world.vault("nobody", &["ada"]).await.get_all().await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.hints()[0].contains("INFRA_AGE_KEY"), "{error:?}");

    let public = world.public("eve").await;
    let error = world.vault("eve", &["ada", "bob"]).await.get(&name("TOKEN")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("recipients: 2"), "{error:?}");
    assert!(error.hints()[0].contains(&public), "{error:?}");
    // Listed by now, but nobody has encrypted it anew.
    let error = world.vault("eve", &["ada", "eve"]).await.get_all().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.hints()[0].contains("rekey"), "{error:?}");
}

#[tokio::test]
async fn only_lines_of_what_changed_change() {
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    write(&vault, &[put("A", "1"), put("B", "1"), put("C", "1")]).await;
    let before = world.text();
    let since = vault.list().await.unwrap();
    let modified = fs::metadata(world.file()).unwrap().modified().unwrap();
    write(&vault, &[put("A", "1"), put("C", "1")]).await;
    assert_eq!(world.text(), before);
    assert_eq!(
        fs::metadata(world.file()).unwrap().modified().unwrap(),
        modified,
        "an equal file was written"
    );
    write(&vault, &[put("A", "1"), put("B", "2")]).await;
    let after = world.text();
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
    assert!(changed.len() == 1 && changed[0].1.starts_with("B "), "{changed:?}");
    // Since when a value is the same moves with the value only.
    let now = vault.list().await.unwrap();
    assert!(now[0] == since[0] && now[1].updated >= since[1].updated && now[1].stamp != since[1].stamp);
}

#[tokio::test]
async fn a_new_recipient_is_a_plan_of_names_and_a_removed_one_reads_nothing_new() {
    let world = World::new();
    let old = world.vault("ada", &["ada", "bob"]).await;
    write(&old, &[put("A", CANARY), put("B", "1")]).await;
    let key = old.fingerprint_key().await.unwrap();
    let since = old.list().await.unwrap();
    assert!(old.plan_rekey().unwrap().is_empty());

    let new = world.vault("ada", &["eve", "ada"]).await;
    write(&new, &[put("C", "1"), put("B", "1")]).await;
    let plan = new.plan_rekey().unwrap();
    assert_eq!((plan.names.clone(), plan.fingerprint_key, plan.recipients), (vec![name("A")], true, 2));
    assert!(plan.to_string().contains("rotate"), "{plan}");
    // Who cannot read it cannot encrypt it anew, and changes nothing by trying.
    let before = world.text();
    let eve = world.vault("eve", &["eve", "ada"]).await;
    let denied = eve.plan_rekey().unwrap().apply(&eve).await.unwrap_err();
    assert!(denied.kind() == ErrorKind::Denied && world.text() == before, "{denied:?}");

    let report = plan.apply(&new).await.unwrap();
    assert_eq!(report.names, [name("A")]);
    assert!(new.plan_rekey().unwrap().is_empty());
    assert_eq!(eve.get(&name("A")).await.unwrap().unwrap().expose(), CANARY);
    assert!(eve.fingerprint_key().await.unwrap().is(&key));
    for secret in ["A", "B", "C"] {
        let bob = world.vault("bob", &["eve", "ada"]).await.get(&name(secret)).await;
        assert_eq!(bob.unwrap_err().kind(), ErrorKind::Denied, "{secret}");
    }
    let now = new.list().await.unwrap();
    assert!(now.iter().zip(&since).all(|(now, then)| now.updated == then.updated), "{now:?} {since:?}");
}

#[tokio::test]
async fn a_line_that_was_moved_to_another_name_or_environment_is_refused_by_name() {
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    write(&vault, &[put("ADMIN", CANARY), put("PUBLIC", "1")]).await;
    let text = world.text();
    let value =
        |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().split_once(' ').unwrap().1;
    fs::write(world.file(), text.replace(value("PUBLIC "), value("ADMIN "))).unwrap();
    let error = vault.get(&name("PUBLIC")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("secret: PUBLIC"), "{error:?}");
    assert!(error.to_string().contains("acme/shop/staging/ADMIN") && !format!("{error:?}").contains(CANARY));
    assert!(vault.get_all().await.is_err() && vault.get(&name("ADMIN")).await.unwrap().is_some());
    // Setting it again heals.
    write(&vault, &[put("PUBLIC", "2")]).await;
    assert_eq!(vault.get(&name("PUBLIC")).await.unwrap().unwrap().expose(), "2");

    let production = world.vault_of("ada", &["ada"], "production").await;
    let error = production.get(&name("ADMIN")).await.unwrap_err();
    assert!(error.to_string().contains("made for: `acme/shop/staging/ADMIN`"), "{error:?}");
}

#[tokio::test]
async fn a_damaged_line_is_named_and_nothing_of_it_is_shown() {
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    write(&vault, &[put("A", "1"), put("B", CANARY)]).await;
    let text = world.text();
    let (number, line) = text.lines().enumerate().find(|(_, line)| line.starts_with("B ")).unwrap();
    // Eight characters less, so that it is still base64: its end is missing.
    let cut = text.replace(line, &line[..line.len() - 8]);
    let flipped = text.replace(line, &line.replace(&line[200..204], "AAAA"));
    for damaged in [cut, flipped] {
        fs::write(world.file(), damaged).unwrap();
        let error = vault.get_all().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains(&format!("line: {}", number + 1)), "{error:?}");
        assert!(!format!("{error:?}").contains(&line[30..40]), "{error:?}");
        // The others are still there, and nothing is lost by writing them.
        write(&vault, &[put("A", "2")]).await;
        assert_eq!(vault.get(&name("A")).await.unwrap().unwrap().expose(), "2");
    }
}

#[tokio::test]
async fn a_file_keeps_its_mode_and_git_sees_only_the_vault() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    write(&vault, &[put("A", "1")]).await;
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o664)).unwrap();
    write(&vault, &[put("A", "2")]).await;
    assert_eq!(fs::metadata(world.file()).unwrap().permissions().mode() & 0o777, 0o664);
    let repo = world.root.join("repo");
    let git = |args: &[&str]| support::Run::new("git", &repo).args(args).finish().expect(0).stdout;
    git(&["init", "-q"]);
    let status = git(&["status", "--porcelain", "-uall"]);
    let files = ["infra/secrets/.gitattributes", "infra/secrets/.gitignore", "infra/secrets/staging.vault"];
    assert_eq!(status.lines().map(|line| &line[3..]).collect::<Vec<_>>(), files);
}

#[tokio::test]
async fn the_key_of_fingerprints_is_one_for_all_and_no_listing_shows_it() {
    let world = World::new();
    let (ada, bob) = (world.vault("ada", &["ada", "bob"]).await, world.vault("bob", &["ada", "bob"]).await);
    let (one, two) = tokio::join!(ada.fingerprint_key(), bob.fingerprint_key());
    let key = one.unwrap();
    assert!(two.unwrap().is(&key) && ada.fingerprint_key().await.unwrap().is(&key));
    assert_eq!(ada.list().await.unwrap(), []);
    assert!(ada.get_all().await.unwrap().is_empty());
    let other = infra_sdk::secrets::FingerprintKey::generate().unwrap();
    assert!(ada.adopt_fingerprint_key(&other).await.unwrap().is(&key), "a key was replaced");
    let fresh = World::new();
    let vault = fresh.vault("ada", &["ada"]).await;
    assert!(vault.adopt_fingerprint_key(&key).await.unwrap().is(&key));
    assert!(vault.fingerprint_key().await.unwrap().is(&key));
}

#[tokio::test]
async fn what_is_sealed_opens_for_recipients_as_it_was() {
    let world = World::new();
    let ada = world.vault("ada", &["ada", "bob"]).await;
    for plain in [&b""[..], b"\0\xff", &[7; 200_000]] {
        let sealed = ada.seal(plain).unwrap();
        for person in ["ada", "bob"] {
            assert_eq!(world.vault(person, &["eve"]).await.unseal(&sealed).unwrap().expose(), plain);
        }
        let kind = async |person| world.vault(person, &["eve"]).await.unseal(&sealed).unwrap_err().kind();
        assert_eq!((kind("eve").await, kind("nobody").await), (ErrorKind::Denied, ErrorKind::NotFound));
        assert_eq!(ada.unseal(&sealed[..sealed.len() - 1]).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn an_organisation_s_vault_is_read_from_its_bytes() {
    let world = World::new();
    write(&world.vault("ada", &["ada"]).await, &[put("A", CANARY), put("B", "2")]).await;
    let bytes = fs::read(world.file()).unwrap();
    let copy =
        |person, env| Vault::read_only("acme/infra at 1f0e140", &bytes, world.place(person), binding(env));
    let read = copy("ada", "staging").unwrap();
    assert_eq!(read.names().collect::<Vec<_>>(), [name("A"), name("B")]);
    assert_eq!(read.get(&name("A")).await.unwrap().unwrap().expose(), CANARY);
    assert!(read.get_all().await.unwrap().len() == 2 && read.get(&name("C")).await.unwrap().is_none());
    world.public("eve").await;
    let error = copy("eve", "staging").unwrap().get_all().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Denied && error.to_string().contains("acme/infra at 1f0e140"),
        "{error:?}"
    );
    assert_eq!(copy("nobody", "staging").unwrap().get_all().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(copy("ada", "production").unwrap().get_all().await.unwrap_err().kind(), ErrorKind::Denied);
    for bytes in [&b"\xff"[..], b"", b"canary"] {
        let error = Vault::read_only("x", bytes, world.place("ada"), binding("staging")).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && !format!("{error:?}").contains("canary"), "{error:?}");
    }
}
