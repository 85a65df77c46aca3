//! A store of secrets in one file that only its owner can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{self, Access, FileLock, failed};
use crate::names::SecretName;
use crate::secret::{SecretValue, exposing};
use crate::secrets::{
    Costs, FingerprintKey, KeyKeeper, Listing, Mark, SecretChange, SecretSource, SecretStore, Stamp, Stamps,
    StoredSecret, WriteReport, Written,
};
use crate::time::Timestamp;

/// Secrets in `secrets.json` under a folder: mode 0600 in 0700, replaced as a whole by each batch.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("secrets-{}", infra_sdk::id::short()?));
/// use infra_sdk::local::LocalSecrets;
/// use infra_sdk::secrets::{SecretChange, SecretSource, SecretStore};
/// let store = LocalSecrets::new(&folder);
/// let put = SecretChange::put("TOKEN".parse()?, "hunter2".to_owned().into());
/// store.write(&[put]).await?;
/// assert_eq!(store.get(&"TOKEN".parse()?).await?.unwrap().expose(), "hunter2");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalSecrets {
    folder: PathBuf,
    name: String,
    id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// The key of fingerprints, as hexadecimal digits; made when it is first asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<SecretValue>,
    secrets: BTreeMap<SecretName, Kept>,
}

impl Default for Content {
    fn default() -> Self {
        Content { version: VERSION, key: None, secrets: BTreeMap::new() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    value: SecretValue,
    stamp: Stamp,
    updated: Timestamp,
}

const VERSION: u32 = 1;

impl LocalSecrets {
    /// The store in `folder`, a folder of its own, which is made with the first write.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let name = format!("the local store {}", folder.display());
        let id = format!("local:{}", folder.display());
        LocalSecrets { folder, name, id }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("secrets.json")
    }

    fn read(&self) -> Result<Content> {
        let path = self.path();
        refuse_open_to_others(&self.folder, 0o700)?;
        refuse_open_to_others(&path, 0o600)?;
        let Some(content) = file::read_json::<Content>(&path)? else { return Ok(Content::default()) };
        if content.version != VERSION {
            return Err(Error::invalid("the local store was written by another version of this crate")
                .with("path", path.display())
                .with("version", content.version)
                .hint("use the version of infra-sdk that wrote it, or remove the file and set the secrets up again"));
        }
        Ok(content)
    }

    fn save(&self, content: &Content) -> Result<()> {
        exposing(|| file::write_json(&self.path(), content, Access::Private))
    }

    fn change(&self, changes: &[SecretChange]) -> Result<Vec<Written>> {
        let mut content = self.read()?;
        let secrets = &mut content.secrets;
        let mut written = Vec::new();
        for change in changes {
            let name = change.name().clone();
            let stamp = match change {
                SecretChange::Put { value, .. } => {
                    let stamp = Stamp::new(crate::id::short()?);
                    let kept = Kept { value: value.clone(), stamp: stamp.clone(), updated: Timestamp::now() };
                    secrets.insert(name.clone(), kept);
                    Some(stamp)
                }
                SecretChange::Delete { .. } => {
                    secrets.remove(&name);
                    None
                }
            };
            written.push(Written { name, stamp });
        }
        self.save(&content)?;
        Ok(written)
    }
}

#[async_trait]
impl SecretStore for LocalSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    /// One file: any number of changes is one write.
    fn costs(&self) -> Costs {
        let all = usize::MAX;
        Costs {
            puts: all,
            deletes: all,
            mixed: true,
            page: all,
            opening: 0,
            stamps: Stamps::OnWrite,
            pace: None,
            ..Costs::default()
        }
    }

    fn key(&self, name: &SecretName) -> String {
        name.to_string()
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))
    }

    async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
        let secrets = self.read()?.secrets.into_iter();
        let secrets = secrets
            .map(|(name, kept)| StoredSecret { name, stamp: Some(kept.stamp), updated: Some(kept.updated) })
            .collect();
        Ok(Listing::Now { secrets, mark: None })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        SecretChange::check_batch(changes)?;
        if changes.is_empty() {
            return Ok(WriteReport::default());
        }
        let _lock = FileLock::acquire(&self.folder.join(".lock"))?;
        // What a killed writer left holds values, too.
        crate::file::sweep(&self.folder);
        self.change(changes).map(WriteReport::all)
    }
}

#[async_trait]
impl SecretSource for LocalSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>> {
        Ok(self.read()?.secrets.remove(secret).map(|kept| kept.value))
    }

    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        Ok(self.read()?.secrets.into_iter().map(|(name, kept)| (name, kept.value)).collect())
    }
}

#[async_trait]
impl KeyKeeper for LocalSecrets {
    async fn fingerprint_key(&self) -> Result<FingerprintKey> {
        self.adopt_fingerprint_key(&FingerprintKey::generate()?).await
    }

    async fn kept_key(&self) -> Result<Option<FingerprintKey>> {
        let key = self.read()?.key;
        let read = key.as_ref().map(FingerprintKey::from_hex).transpose();
        read.context(format!("read {}", self.path().display()))
    }

    async fn adopt_fingerprint_key(&self, new: &FingerprintKey) -> Result<FingerprintKey> {
        let _lock = FileLock::acquire(&self.folder.join(".lock"))?;
        let mut content = self.read()?;
        if let Some(key) = &content.key {
            return FingerprintKey::from_hex(key).context(format!("read {}", self.path().display()));
        }
        content.key = Some(new.to_hex());
        self.save(&content)?;
        Ok(new.clone())
    }
}

/// A store that others could read is treated as lost: better to say so than to go on with it.
#[cfg(unix)]
fn refuse_open_to_others(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let meta = match path.metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read the local store", path, error)),
    };
    let found = meta.permissions().mode() & 0o777;
    if found & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Denied, "the local store is open to other users")
        .with("path", path.display())
        .with("mode", format_args!("{found:04o}"))
        .hint(format!(
            "run `chmod {mode:o} '{}'`, and replace the secrets if others use this machine",
            path.display()
        )))
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &Path, _: u32) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> LocalSecrets {
        LocalSecrets::new(
            std::env::temp_dir().join(format!("infra-sdk-secrets-{}/s", crate::id::short().unwrap())),
        )
    }

    fn put(name: &str, value: &str) -> SecretChange {
        SecretChange::put(name.parse().unwrap(), SecretValue::new(value))
    }

    #[tokio::test]
    async fn only_the_owner_can_read_it_and_an_open_store_is_refused_with_the_cure() {
        let store = store();
        store.write(&[put("A", "canary")]).await.unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store.path()), mode(&store.folder)), (0o600, 0o700));
        for (path, open, cure) in [(store.path(), 0o640, 0o600), (store.folder.clone(), 0o755, 0o700)] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            for error in [
                store.get_all().await.map(drop).unwrap_err(),
                store.list().await.map(drop).unwrap_err(),
                store.write(&[put("A", "canary")]).await.map(drop).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Denied);
                assert!(error.hints()[0].contains(&format!("chmod {cure:o} ")), "{error:?}");
            }
            fs::set_permissions(&path, Permissions::from_mode(cure)).unwrap();
        }
        assert!(store.get(&"A".parse().unwrap()).await.unwrap().is_some());
        fs::remove_dir_all(store.folder.parent().unwrap()).unwrap();
    }

    #[tokio::test]
    async fn a_damaged_store_is_an_error_that_shows_nothing_of_it() {
        let store = store();
        store.write(&[put("A", "canary")]).await.unwrap();
        let content = fs::read_to_string(store.path()).unwrap();
        assert!(content.contains("canary"));
        let half = content.split_at(content.find("canary").unwrap() + 6).0;
        for damaged in [
            half.to_owned(),
            content.replace("\"canary\"", "[\"canary\"]"),
            content.replace("\"A\"", "\"canary canary\""),
        ] {
            fs::write(store.path(), damaged).unwrap();
            let error = store.write(&[put("B", "x")]).await.unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        fs::write(store.path(), content.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(store.list().await.unwrap_err().to_string().contains("another version"));
        fs::remove_dir_all(store.folder.parent().unwrap()).unwrap();
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let store = store();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(store.write(&[put(&format!("N{number}"), "x")])).unwrap();
                });
            }
        });
        assert_eq!(store.read().unwrap().secrets.len(), 8);
        fs::remove_dir_all(store.folder.parent().unwrap()).unwrap();
    }
}
