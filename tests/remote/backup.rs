//! Backups: what is written comes back as it was, only to who may read it, and only where it belongs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use infra_sdk::local::LocalSecrets;
use infra_sdk::secrets::{
    Backup, BackupValue, FingerprintKey, KeyKeeper, RestoreTo, Sealer, SecretBytes, SecretSource,
    open_backup, plan_restore, seal_backup,
};
use infra_sdk::time::Timestamp;
use infra_sdk::{Error, ErrorKind, Result, SecretValue};
use support::Scratch;

use crate::vault::{CANARY, World, name, put, write};

fn backup(values: &[(&str, &str)]) -> Backup {
    let since = Some(Timestamp::now());
    let of =
        |(key, value): &(&str, &str)| (name(key), BackupValue { value: SecretValue::new(*value), since });
    Backup {
        org: "acme".parse().unwrap(),
        project: "shop".parse().unwrap(),
        env: "staging".parse().unwrap(),
        time: Timestamp::now(),
        values: values.iter().map(of).collect(),
        fingerprint_key: Some(FingerprintKey::generate().unwrap()),
        state: Some(b"state \xff\0 bytes".to_vec()),
    }
}

fn to(backup: &Backup) -> RestoreTo<'_> {
    RestoreTo { org: &backup.org, project: &backup.project, env: &backup.env, from_elsewhere: false }
}

#[tokio::test]
async fn a_backup_comes_back_as_it_was_and_is_the_owner_s_alone() {
    let world = World::new();
    let vault = world.vault("ada", &["ada", "bob"]).await;
    let made = backup(&[("A", CANARY), ("B", "two\nlines \"ü\"")]);
    let path = world.root().join("backups/one.age");
    let report = seal_backup(&made, &vault, &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((report.secrets.len(), report.fingerprint_key, report.state), (2, true, true));
    let bytes = fs::read(&path).unwrap();
    let shown = format!("{report}{report:?}{made:?}{}", String::from_utf8_lossy(&bytes));
    assert!(!shown.contains(CANARY), "{shown}");
    for person in ["ada", "bob"] {
        let back = open_backup(&path, &world.vault(person, &["ada"]).await).unwrap();
        assert_eq!((&back.values, &back.state, back.time), (&made.values, &made.state, made.time));
        assert_eq!((&back.org, &back.project, &back.env), (&made.org, &made.project, &made.env));
        assert!(back.fingerprint_key.unwrap().is(made.fingerprint_key.as_ref().unwrap()));
    }
    // Nothing is ever replaced.
    let error = seal_backup(&made, &vault, &path).unwrap_err();
    assert_eq!((error.kind(), fs::read(&path).unwrap()), (ErrorKind::Conflict, bytes));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_no_backup_or_not_for_this_key_is_refused() {
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    let path = world.root().join("one.age");
    seal_backup(&backup(&[("A", CANARY)]), &vault, &path).unwrap();
    let good = fs::read(&path).unwrap();
    let kind = |bytes: &[u8], sealer: &dyn Sealer| {
        fs::write(&path, bytes).unwrap();
        let error = open_backup(&path, sealer).unwrap_err();
        assert!(!format!("{error:?}").contains(CANARY) && error.to_string().contains("one.age"), "{error:?}");
        assert!(error.report().to_string().contains("next: "), "{}", error.report());
        error.kind()
    };
    world.public("eve").await;
    assert_eq!(kind(&good, &world.vault("eve", &["ada"]).await), ErrorKind::Denied);
    assert_eq!(kind(&good, &world.vault("nobody", &["ada"]).await), ErrorKind::NotFound);
    for length in [0, 1, 100, good.len() / 2, good.len() - 1] {
        assert_eq!(kind(&good[..length], &vault), ErrorKind::Invalid, "cut at {length}");
    }
    assert_eq!(kind(CANARY.as_bytes(), &vault), ErrorKind::Invalid);
    for plain in [
        CANARY.to_owned(),
        format!("{{\"format\": \"{CANARY}\", \"version\": 1}}"),
        format!("{{\"format\": \"infra-sdk backup\", \"version\": 2, \"x\": \"{CANARY}\"}}"),
        format!("{{\"format\": \"infra-sdk backup\", \"version\": 1, \"org\": [\"{CANARY}\"]}}"),
    ] {
        assert_eq!(kind(&vault.seal(plain.as_bytes()).unwrap(), &vault), ErrorKind::Invalid, "{plain}");
    }
    let missing = open_backup(&world.root().join("none"), &vault).unwrap_err();
    assert!(missing.kind() == ErrorKind::NotFound && !missing.hints().is_empty());
}

#[tokio::test]
async fn a_backup_that_its_maker_could_not_open_is_not_written() {
    let world = World::new();
    let folder = Scratch::new("backup");
    let path = folder.join("b.age");
    let error = seal_backup(&backup(&[]), &world.vault("nobody", &["ada"]).await, &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let forgetful = Forgetful(path.clone());
    assert_eq!(seal_backup(&backup(&[("A", "1")]), &forgetful, &path).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Opens what it sealed until it is on the disk.
struct Forgetful(PathBuf);

impl Sealer for Forgetful {
    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        Ok(plain.to_vec())
    }
    fn unseal(&self, sealed: &[u8]) -> Result<SecretBytes> {
        if self.0.exists() { Err(Error::invalid("changed")) } else { Ok(SecretBytes::new(sealed.to_vec())) }
    }
}

#[tokio::test]
async fn a_restore_says_what_it_changes_and_takes_nothing_away() {
    let world = World::new();
    let vault = world.vault("ada", &["ada"]).await;
    write(&vault, &[put("SAME", "1"), put("OTHER", "new"), put("MINE", "1")]).await;
    let made = backup(&[("SAME", "1"), ("OTHER", CANARY), ("GONE", "1")]);
    let stored = vault.get_all().await.unwrap();
    let plan = plan_restore(&made, to(&made), &stored).unwrap();
    assert_eq!((&plan.create, &plan.replace), (&vec![name("GONE")], &vec![name("OTHER")]));
    assert_eq!((&plan.unchanged, &plan.kept), (&vec![name("SAME")], &vec![name("MINE")]));
    assert_eq!(vault.get_all().await.unwrap(), stored);
    let json = serde_json::to_string(&plan).unwrap();
    assert!(!format!("{plan}{plan:?}{json}").contains(CANARY));
    let report = plan.apply(&vault, &vault).await.unwrap();
    assert!(report.fingerprint_key, "{report}");
    assert!(vault.fingerprint_key().await.unwrap().is(made.fingerprint_key.as_ref().unwrap()));
    let values = vault.get_all().await.unwrap();
    assert_eq!((values.len(), values[&name("OTHER")].expose()), (4, CANARY));
    assert!(plan_restore(&made, to(&made), &values).unwrap().is_empty());

    // Into another store, which has its own key by then: that one stays.
    let local = LocalSecrets::new(world.root().join("local"));
    let own = local.fingerprint_key().await.unwrap();
    let report =
        plan_restore(&made, to(&made), &BTreeMap::new()).unwrap().apply(&local, &local).await.unwrap();
    assert!(!report.fingerprint_key && local.fingerprint_key().await.unwrap().is(&own));
    assert_eq!(local.get_all().await.unwrap().len(), 3);
}

#[test]
fn a_backup_of_another_place_is_refused_unless_asked_for() {
    let made = backup(&[("A", CANARY)]);
    let (org, project, env) =
        ("evil".parse().unwrap(), "till".parse().unwrap(), "production".parse().unwrap());
    let here = to(&made);
    let elsewhere = [
        RestoreTo { org: &org, ..here },
        RestoreTo { project: &project, ..here },
        RestoreTo { env: &env, ..here },
    ];
    for to in elsewhere {
        let error = plan_restore(&made, to, &BTreeMap::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("backup: acme/shop/staging"), "{error}");
        assert!(!format!("{error:?}").contains(CANARY) && error.hints()[0].contains("--from-elsewhere"));
        let asked = plan_restore(&made, RestoreTo { from_elsewhere: true, ..to }, &BTreeMap::new()).unwrap();
        assert_eq!(asked.create, [name("A")]);
    }
}
