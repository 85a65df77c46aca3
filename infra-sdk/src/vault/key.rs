//! Where a person's or a machine's age key is looked for, and in which order.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::config::VaultKey;
use crate::env::{Env, INFRA_AGE_KEY, INFRA_AGE_KEY_FILE};
use crate::error::{Error, ErrorKind, Result};
use crate::file;
use crate::names::OrgName;
use crate::secret::SecretValue;
use crate::vault::identity::Identities;
use crate::vault::keychain::Keychain;

/// The place of an age key: the variable `INFRA_AGE_KEY`, or the file that `INFRA_AGE_KEY_FILE` names, or else what
/// `key` of `[vault]` says: `age.key` in the person's configuration folder, or the system's keychain.
#[derive(Clone)]
pub struct KeyPlace(Place);

#[derive(Clone)]
pub(super) enum Place {
    Given(SecretValue),
    File(PathBuf),
    Keychain(Keychain),
    /// There is no folder for it.
    Nowhere,
}

/// Ways to a key, in the order they are looked for.
const WAYS: &str = "make one with `cargo xtask infra:secrets:key` and let somebody add its public half to `recipients` \
                    of `[vault]`; or give the key you have in INFRA_AGE_KEY or INFRA_AGE_KEY_FILE";

/// No file of keys is larger.
const LIMIT: u64 = 1_000_000;

impl KeyPlace {
    /// The place for this environment; `org` tells one organisation's key in a keychain from that of another.
    pub fn new(env: &Env, kind: VaultKey, org: &OrgName) -> Self {
        if let Some(key) = env.get(INFRA_AGE_KEY) {
            return KeyPlace(Place::Given(SecretValue::new(key)));
        }
        if let Some(path) = env.path(INFRA_AGE_KEY_FILE) {
            return KeyPlace(Place::File(env.cwd().join(path)));
        }
        KeyPlace(match (kind, env.config_home()) {
            (VaultKey::Keychain, _) => Place::Keychain(Keychain::of_system(env, org)),
            (VaultKey::File, Ok(folder)) => Place::File(folder.join("age.key")),
            (VaultKey::File, Err(_)) => Place::Nowhere,
        })
    }

    /// The key that stands in the environment itself, so that it can be masked and kept from children.
    pub fn given(&self) -> Option<&SecretValue> {
        match &self.0 {
            Place::Given(key) => Some(key),
            _ => None,
        }
    }

    /// The key.
    ///
    /// # Errors
    /// `NotFound` when there is none, with the ways to one; `Denied` when its file is open to others; `Invalid` when what
    /// stands there is no key; `Unavailable` or `TimedOut` when the keychain does not answer.
    pub async fn find(&self) -> Result<Identities> {
        match &self.0 {
            Place::Keychain(keychain) => match keychain.look_up().await? {
                Some(text) => Identities::parse(&text, &self.to_string()),
                None => Err(self.none()),
            },
            _ => self.read(),
        }
    }

    /// As [`find`](Self::find), for callers that cannot wait for a future.
    pub(super) fn find_blocking(&self) -> Result<Identities> {
        let Place::Keychain(_) = &self.0 else { return self.read() };
        // A thread of its own: the caller's may be busy driving other futures.
        std::thread::scope(|scope| {
            let ask =
                || tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(self.find());
            scope.spawn(ask).join().unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Bug, "ask the keychain").hint("please report this"))
            })
        })
    }

    /// A key that is found without starting a program.
    fn read(&self) -> Result<Identities> {
        match &self.0 {
            Place::Given(text) => Identities::parse(text, INFRA_AGE_KEY),
            Place::File(path) => match read_file(path)? {
                Some(text) => Identities::parse(&text, &path.display().to_string()),
                None => Err(self.none()),
            },
            Place::Keychain(_) | Place::Nowhere => Err(self.none()),
        }
    }

    fn none(&self) -> Error {
        Error::not_found("no age key was found").with("looked in", self).hint(WAYS)
    }

    pub(super) fn place(&self) -> &Place {
        &self.0
    }
}

fn read_file(path: &Path) -> Result<Option<SecretValue>> {
    if path.is_file() && file::is_open_to_others(path) {
        return Err(Error::new(ErrorKind::Denied, "the age key is open to other users")
            .with("path", path.display())
            .hint(format!(
                "run `chmod 600 '{}'`, and make a new key if others use this machine",
                path.display()
            )));
    }
    Ok(file::read_text(path, LIMIT)?.map(SecretValue::new))
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Given(_) => f.write_str("the variable INFRA_AGE_KEY"),
            Place::File(path) => path.display().fmt(f),
            Place::Keychain(keychain) => keychain.fmt(f),
            Place::Nowhere => f.write_str("no folder: HOME is not set"),
        }
    }
}

impl fmt::Debug for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPlace({self})")
    }
}

/// The key of one vault: found when it is first needed, and kept.
#[derive(Debug)]
pub(super) struct Keys {
    place: KeyPlace,
    found: OnceLock<Identities>,
}

impl Keys {
    pub(super) fn new(place: KeyPlace) -> Self {
        Keys { place, found: OnceLock::new() }
    }

    pub(super) async fn get(&self) -> Result<&Identities> {
        match self.found.get() {
            Some(found) => Ok(found),
            None => {
                let found = self.place.find().await?;
                Ok(self.found.get_or_init(|| found))
            }
        }
    }

    pub(super) fn get_blocking(&self) -> Result<&Identities> {
        match self.found.get() {
            Some(found) => Ok(found),
            None => {
                let found = self.place.find_blocking()?;
                Ok(self.found.get_or_init(|| found))
            }
        }
    }

    /// The key, if it is there without asking a keychain.
    pub(super) fn at_hand(&self) -> Option<&Identities> {
        match self.found.get() {
            Some(found) => Some(found),
            None => {
                let found = self.place.read().ok()?;
                Some(self.found.get_or_init(|| found))
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place(vars: &[(&str, &str)], kind: VaultKey) -> KeyPlace {
        KeyPlace::new(&Env::of(vars.iter().copied(), "/desk"), kind, &"acme".parse().unwrap())
    }

    #[test]
    fn the_environment_comes_first_then_its_file_then_what_the_settings_say() {
        let all = [("INFRA_AGE_KEY", "canary"), ("INFRA_AGE_KEY_FILE", "k"), ("HOME", "/h")];
        assert_eq!(place(&all, VaultKey::Keychain).to_string(), "the variable INFRA_AGE_KEY");
        assert!(!format!("{:?}", place(&all, VaultKey::File)).contains("canary"));
        assert_eq!(place(&all[1..], VaultKey::Keychain).to_string(), "/desk/k");
        assert!(place(&all[2..], VaultKey::File).to_string().ends_with("/infra-sdk/age.key"));
        assert!(place(&all[2..], VaultKey::Keychain).to_string().contains("keychain"));
    }

    #[tokio::test]
    async fn a_missing_key_says_where_it_was_looked_for_and_how_to_get_one() {
        for place in [place(&[("HOME", "/nowhere")], VaultKey::File), place(&[], VaultKey::File)] {
            let error = place.find().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.hints()[0].contains("INFRA_AGE_KEY"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_key_file_that_others_can_read_is_refused_with_the_cure() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-key-{}", crate::id::short().unwrap()));
        let path = folder.join("infra-sdk/age.key");
        let key = Identities::generate();
        file::write(&path, key.text().expose().as_bytes(), file::Access::Private).unwrap();
        let vars = [("HOME", folder.to_str().unwrap()), ("XDG_CONFIG_HOME", folder.to_str().unwrap())];
        let given = [("INFRA_AGE_KEY_FILE", path.to_str().unwrap())];
        let mut places = vec![place(&given, VaultKey::Keychain)];
        if cfg!(target_os = "linux") {
            places.push(place(&vars, VaultKey::File));
        }
        for place in places {
            assert_eq!(place.find().await.unwrap().recipients(), key.recipients());
            for mode in [0o604, 0o640] {
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                let error = place.find_blocking().unwrap_err();
                assert!(
                    error.kind() == ErrorKind::Denied && error.hints()[0].starts_with("run `chmod 600 '")
                );
            }
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_keychain_is_asked_once_from_a_future_or_from_a_plain_function() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-asked-{}", crate::id::short().unwrap()));
        let key = Identities::generate();
        let program = folder.join("secret-tool");
        let answer = "[ \"$*\" = 'lookup service infra-sdk account acme' ] || exit 9\ncat \"$0.key\"\n";
        let count = "echo asked >> \"$0.log\"";
        file::write(&program, format!("#!/bin/sh\n{count}\n{answer}").as_bytes(), file::Access::Private)
            .unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("secret-tool.key"), key.text().expose()).unwrap();
        let place = place(&[("PATH", folder.to_str().unwrap())], VaultKey::Keychain);
        assert_eq!(place.find().await.unwrap().recipients(), key.recipients());
        let keys = Keys::new(place);
        assert!(keys.at_hand().is_none(), "a look must not ask a keychain");
        for _ in 0..2 {
            assert_eq!(keys.get_blocking().unwrap().recipients(), key.recipients());
            assert_eq!(keys.get().await.unwrap().recipients(), key.recipients());
        }
        assert!(keys.at_hand().is_some());
        assert_eq!(fs::read_to_string(folder.join("secret-tool.log")).unwrap().lines().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }
}
