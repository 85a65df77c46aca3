//! Parameters as a tree of files, one for each, readable by their owner alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, FileLock, Temporary, failed};
use crate::names::ParamPath;
use crate::refs::{Kind, Parameter, ParameterStore, ParameterValue, ParameterWrite};
use crate::time::Timestamp;

/// Parameters in a folder: `/infrastructure/network/vpc-id` is `infrastructure/network/@vpc-id.json`.
///
/// The `@`, which no path may hold, keeps a parameter and the folder of those below it apart.
#[derive(Clone, Debug)]
pub struct LocalParameters {
    root: PathBuf,
}

/// Whether each level can be the name of a file or folder, beside what is added to it.
fn fits(path: &ParamPath) -> bool {
    path.levels().all(|level| level.len() <= 200)
}

/// The content of one file.
#[derive(Serialize, Deserialize)]
struct Kept {
    value: ParameterValue,
    version: u64,
    modified: Timestamp,
}

impl LocalParameters {
    /// The parameters kept under the folder `root`, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalParameters { root: root.into() }
    }

    fn folder(&self, path: &ParamPath) -> PathBuf {
        self.root.join(&path.as_str()[1..])
    }

    fn file(&self, path: &ParamPath) -> PathBuf {
        let folder = self.folder(path);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        folder.with_file_name(format!("@{name}.json"))
    }

    fn kept(&self, path: &ParamPath) -> Result<Option<Parameter>> {
        if !fits(path) {
            return Ok(None);
        }
        let kept: Option<Kept> = file::read_json(&self.file(path))?;
        Ok(kept.map(|Kept { value, version, modified }| Parameter {
            path: path.clone(),
            value,
            version,
            modified,
        }))
    }

    /// The paths below a folder, sorted as paths are.
    fn paths(&self, folder: &Path) -> Result<BTreeSet<ParamPath>> {
        let mut paths = BTreeSet::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let fail = |error| failed("list the parameters in a folder", &folder, error);
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(error)),
            };
            for entry in entries {
                let entry = entry.map_err(fail)?;
                if entry.file_type().map_err(fail)?.is_dir() {
                    folders.push(entry.path());
                } else if let Some(path) = self.path_of(&entry.path()) {
                    paths.insert(path);
                }
            }
        }
        Ok(paths)
    }

    /// The path of the parameter a file keeps; `None` for files that keep none, such as half-written ones.
    fn path_of(&self, file: &Path) -> Option<ParamPath> {
        let name = file.file_name()?.to_str()?.strip_prefix('@')?.strip_suffix(".json")?;
        let mut path = String::new();
        for level in file.parent()?.strip_prefix(&self.root).ok()? {
            path.push('/');
            path.push_str(level.to_str()?);
        }
        ParamPath::new(format!("{path}/{name}")).ok()
    }

    /// Keeps other processes from writing at the same time.
    fn alone(&self) -> Result<FileLock> {
        FileLock::acquire(&self.root.join(".lock"))
    }
}

#[async_trait]
impl ParameterStore for LocalParameters {
    async fn get(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Parameter>> {
        let mut found = BTreeMap::new();
        for path in paths {
            found.extend(self.kept(path)?.map(|parameter| (path.clone(), parameter)));
        }
        Ok(found)
    }

    async fn present(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Kind>> {
        let found = self.get(paths).await?;
        Ok(found.into_iter().map(|(path, parameter)| (path, parameter.value.kind())).collect())
    }

    async fn under(&self, path: &ParamPath) -> Result<Vec<Parameter>> {
        if !fits(path) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for path in self.paths(&self.folder(path))? {
            // One that was removed in between is simply not there.
            found.extend(self.kept(&path)?);
        }
        Ok(found)
    }

    async fn names(&self) -> Result<Vec<ParamPath>> {
        Ok(self.paths(&self.root)?.into_iter().collect())
    }

    async fn put(&self, writes: &[ParameterWrite]) -> Result<Vec<u64>> {
        ParameterWrite::check_all(writes)?;
        for write in writes {
            if !fits(&write.path) {
                return Err(Error::invalid(format!(
                    "parameter `{}` has a level of more than 200 characters",
                    write.path
                ))
                .hint("shorten it: files are not named longer"));
            }
        }
        let _alone = self.alone()?;
        let mut staged = Vec::new();
        let folders: BTreeSet<PathBuf> =
            writes.iter().filter_map(|write| self.file(&write.path).parent().map(Path::to_owned)).collect();
        folders.iter().for_each(|folder| file::sweep(folder));
        for write in writes {
            staged.push(self.stage(write)?);
        }
        // All content is on the disk: what is left to do for each is one rename.
        let mut versions = Vec::new();
        for (temporary, path, version) in staged {
            temporary.persist(&path)?;
            versions.push(version);
        }
        folders.iter().for_each(|folder| file::sync_dir(folder));
        Ok(versions)
    }

    async fn delete(&self, paths: &[ParamPath]) -> Result<usize> {
        let _alone = self.alone()?;
        let mut removed = 0;
        for path in paths.iter().filter(|path| fits(path)) {
            let file = self.file(path);
            match std::fs::remove_file(&file) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("remove a parameter", &file, error)),
            }
        }
        Ok(removed)
    }
}

impl LocalParameters {
    /// Writes a parameter beside its place, to be moved there.
    fn stage(&self, write: &ParameterWrite) -> Result<(Temporary, PathBuf, u64)> {
        let path = self.file(&write.path);
        let before = self.kept(&write.path)?.map_or(0, |parameter| parameter.version);
        if write.over.version().is_some_and(|planned| planned != before) {
            return Err(write.conflict(before));
        }
        let version = before.saturating_add(1);
        let kept = Kept { value: write.value.clone(), version, modified: Timestamp::now() };
        let content = crate::secret::exposing(|| serde_json::to_vec_pretty(&kept)).map_err(|error| {
            Error::new(ErrorKind::Bug, "write a parameter").with("parameter", &write.path).because(error)
        })?;
        if let Some(folder) = path.parent() {
            file::make_dir(folder, Access::Private)?;
        }
        let mut temporary = Temporary::beside(&path, Access::Private)?;
        std::io::Write::write_all(&mut temporary.file, &content)
            .and_then(|()| temporary.file.sync_all())
            .map_err(|error| failed("write a parameter", &path, error))?;
        Ok((temporary, path, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn scratch() -> LocalParameters {
        let name = format!("infra-sdk-params-{}", crate::id::short().unwrap());
        LocalParameters::new(std::env::temp_dir().join(name))
    }

    #[tokio::test]
    async fn a_secret_lies_in_a_file_for_its_owner_alone_and_nothing_lies_beside_it() {
        let store = scratch();
        let path: ParamPath = "/shop/key".parse().unwrap();
        let value = ParameterValue::Secret(SecretValue::new("hunter2"));
        store.put(&[ParameterWrite::new(path.clone(), value.clone())]).await.unwrap();
        assert_eq!(store.get(std::slice::from_ref(&path)).await.unwrap()[&path].value, value);
        let file = store.root.join("shop/@key.json");
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_dir_all(&store.root).unwrap();
    }

    #[tokio::test]
    async fn a_put_with_one_bad_value_writes_none() {
        let store = scratch();
        let write = |path: &str, text: &str| {
            ParameterWrite::new(path.parse().unwrap(), ParameterValue::Plain(text.into()))
        };
        assert!(store.put(&[write("/a/one", "x"), write("/a/two", "")]).await.is_err());
        assert!(store.put(&[write("/a/one", "x"), write("/a/one", "y")]).await.is_err());
        let long = format!("/a/{}", "x".repeat(300));
        assert!(store.put(&[write("/a/one", "x"), write(&long, "y")]).await.is_err());
        let long = long.parse().unwrap();
        assert!(store.get(std::slice::from_ref(&long)).await.unwrap().is_empty());
        assert_eq!((store.under(&long).await.unwrap(), store.delete(&[long]).await.unwrap()), (vec![], 0));
        assert_eq!(store.names().await.unwrap(), []);
        std::fs::remove_dir_all(&store.root).unwrap();
    }

    #[tokio::test]
    async fn files_that_keep_no_parameter_are_passed_over() {
        let store = scratch();
        let folder = store.root.join("a");
        std::fs::create_dir_all(&folder).unwrap();
        for name in [".@b.json.1234.tmp", "notes.txt", "@bad name.json", "@.json"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        assert_eq!(store.names().await.unwrap(), []);
        let value = ParameterValue::Plain("x".into());
        store.put(&[ParameterWrite::new("/a/b".parse().unwrap(), value)]).await.unwrap();
        assert!(!folder.join(".@b.json.1234.tmp").exists(), "what a killed process left is cleaned up");
        assert!(folder.join("notes.txt").exists());
        std::fs::remove_dir_all(&store.root).unwrap();
    }
}
