//! A vault in the repo: listing and writing.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::file;
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{
    Costs, Listing, Mark, SecretChange, SecretStore, Stamp, Stamps, StoredSecret, WriteReport, Written,
};
use crate::time::Timestamp;
use crate::vault::entry::{Binding, Entry};
use crate::vault::folder;
use crate::vault::identity::Identities;
use crate::vault::key::{KeyPlace, Keys};
use crate::vault::lines::{Lines, Sealed};
use crate::vault::recipients::Recipients;
use crate::vault::source::Opener;

/// One environment's secrets in a file of the repo.
///
/// A value that stays the same keeps its line byte for byte: what a commit changes is what changed. That takes a key that
/// can read the old value; without one, each put writes a new line.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    place: String,
    title: String,
    id: String,
    recipients: Recipients,
    keys: Keys,
    binding: Binding,
}

/// No vault is larger.
pub(super) const LIMIT: u64 = 64_000_000;

/// No value is longer; other stores take far less.
const LONGEST: usize = 1_000_000;

impl Vault {
    /// The vault in the file at `path`, which is made with the first write. `recipients` are public keys; the private one
    /// at `key` is looked for when it is first needed.
    ///
    /// # Errors
    /// As [`Recipients::parse`].
    pub fn open(
        path: impl Into<PathBuf>,
        recipients: &[String],
        key: KeyPlace,
        binding: Binding,
    ) -> Result<Self> {
        let path = path.into();
        let place = path.display().to_string();
        Ok(Vault {
            title: format!("the vault {place}"),
            id: format!("vault:{binding}"),
            recipients: Recipients::parse(recipients)?,
            keys: Keys::new(key),
            path,
            place,
            binding,
        })
    }

    /// The file of an environment's vault in the folder of `[vault]`.
    pub fn file(folder: &Path, env: &crate::names::EnvName) -> PathBuf {
        folder.join(format!("{env}.vault"))
    }

    /// Whose values it holds.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// For whom it is encrypted.
    pub fn recipients(&self) -> &Recipients {
        &self.recipients
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) async fn key(&self) -> Result<&Identities> {
        self.keys.get().await
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn opener(&self) -> Opener<'_> {
        Opener { binding: &self.binding, place: &self.place, recipients: Some(&self.recipients) }
    }

    fn text(&self) -> Result<Option<String>> {
        file::read_text(&self.path, LIMIT)
    }

    pub(super) fn read(&self) -> Result<Lines> {
        match self.text()? {
            Some(text) => Lines::parse(&text, &self.place),
            None => Ok(Lines::default()),
        }
    }

    pub(super) fn lock(&self) -> Result<file::FileLock> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder::lock(folder.unwrap_or(Path::new(".")))
    }

    /// Replaces the file, unless it says the same already. Only under the lock.
    pub(super) fn save(&self, lines: &Lines) -> Result<()> {
        let text = lines.render();
        let same = match self.text()? {
            Some(old) => old == text,
            None => lines.is_empty(),
        };
        if same {
            return Ok(());
        }
        file::replace(&self.path, text.as_bytes())
    }

    pub(super) fn seal(&self, name: &str, value: &SecretValue, since: Timestamp) -> Result<Sealed> {
        Entry { value: value.clone(), since }.seal(&self.binding, name, &self.recipients)
    }

    /// The line of a put: the old one if it says the same to the same people.
    fn put(
        &self,
        old: Option<&Sealed>,
        key: Option<&Identities>,
        name: &str,
        value: &SecretValue,
    ) -> Result<Sealed> {
        // What cannot be read is replaced: a put also heals.
        let known = old.zip(key).and_then(|(old, key)| Some((old, self.opener().open(name, old, key).ok()?)));
        match known {
            Some((old, entry)) if entry.value == *value && old.tag == self.recipients.tag() => {
                Ok(old.clone())
            }
            Some((_, entry)) if entry.value == *value => self.seal(name, value, entry.since),
            _ => self.seal(name, value, Timestamp::now()),
        }
    }

    fn change(
        &self,
        lines: &mut Lines,
        key: Option<&Identities>,
        changes: &[SecretChange],
    ) -> Result<Vec<Written>> {
        let mut written = Vec::new();
        for change in changes {
            let name = change.name().clone();
            let stamp = match change {
                SecretChange::Put { value, .. } => {
                    let sealed = self.put(lines.sealed(name.as_str()), key, name.as_str(), value)?;
                    let stamp = stamp(&sealed);
                    lines.put(name.as_str(), sealed);
                    Some(stamp)
                }
                SecretChange::Delete { .. } => {
                    lines.delete(name.as_str());
                    None
                }
            };
            written.push(Written { name, stamp });
        }
        Ok(written)
    }

    /// The key, where a value would be replaced and so has to be compared.
    async fn key_to_compare(&self, changes: &[SecretChange]) -> Result<Option<&Identities>> {
        let lines = self.read()?;
        let replaces = |change: &SecretChange| {
            matches!(change, SecretChange::Put { .. }) && lines.sealed(change.name().as_str()).is_some()
        };
        if !changes.iter().any(replaces) {
            return Ok(None);
        }
        match self.key().await {
            Ok(key) => Ok(Some(key)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn listed(&self, name: SecretName, sealed: &Sealed) -> StoredSecret {
        let opened = self.keys.at_hand().map(|key| self.opener().open(name.as_str(), sealed, key));
        let updated = opened.and_then(Result::ok).map(|entry| entry.since);
        StoredSecret { name, stamp: Some(stamp(sealed)), updated }
    }
}

/// Every encryption is another text, also of the same value.
fn stamp(sealed: &Sealed) -> Stamp {
    Stamp::new(Digest::of(&sealed.bytes).short())
}

#[async_trait]
impl SecretStore for Vault {
    fn name(&self) -> &str {
        &self.title
    }

    fn id(&self) -> &str {
        &self.id
    }

    /// One file: any number of changes is one write.
    fn costs(&self) -> Costs {
        let all = usize::MAX;
        let stamps = Stamps::OnWrite;
        Costs {
            puts: all,
            deletes: all,
            mixed: true,
            page: all,
            opening: 0,
            stamps,
            pace: None,
            ..Costs::default()
        }
    }

    fn key(&self, name: &SecretName) -> String {
        name.to_string()
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))?;
        match change {
            SecretChange::Put { name, value, .. } if value.expose().len() > LONGEST => {
                Err(Error::invalid("a secret's value is too long for the vault")
                    .with("secret", name)
                    .with("limit", format_args!("{} KB", LONGEST / 1000))
                    .hint("keep the large part elsewhere, and in the vault the key to it"))
            }
            _ => Ok(()),
        }
    }

    /// Needs no key; with one that needs no asking, `updated` tells since when each value is the same.
    async fn look(&self, since: Option<&Mark>) -> Result<Listing> {
        let text = self.text()?.unwrap_or_default();
        let mark = Mark::new(Digest::of(text.as_bytes()).hex());
        if since == Some(&mark) {
            return Ok(Listing::Unchanged);
        }
        let lines = if text.is_empty() { self.read()? } else { Lines::parse(&text, &self.place)? };
        let secrets = lines.secrets().map(|(name, sealed)| self.listed(name, sealed)).collect();
        Ok(Listing::Now { secrets, mark: Some(mark) })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        SecretChange::check_batch(changes)?;
        changes.iter().try_for_each(|change| self.check(change))?;
        if changes.is_empty() {
            return Ok(WriteReport::default());
        }
        // A keychain may ask a person: not while others wait for the lock.
        let key = self.key_to_compare(changes).await?;
        let _lock = self.lock()?;
        let mut lines = self.read()?;
        let written = self.change(&mut lines, key, changes)?;
        self.save(&lines)?;
        Ok(WriteReport::all(written))
    }
}
