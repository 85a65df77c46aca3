//! Typed variables on their way into a plan: a private file that is gone afterwards.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::secret::{SecretValue, exposing};

/// A `.tfvars.json` file, readable by its owner only, removed when dropped.
#[derive(Debug)]
pub(super) struct VariableFile {
    path: PathBuf,
    secrets: Vec<SecretValue>,
}

impl VariableFile {
    /// Writes `variables`, a struct or a map, into a new file in `folder`.
    ///
    /// # Errors
    /// `Invalid` when it has no names; `Io` or `Denied` when the file cannot be written.
    pub(super) fn write<V: Serialize + ?Sized>(folder: &Path, variables: &V) -> Result<Self> {
        let failed = |error: serde_json::Error| {
            Error::new(ErrorKind::Invalid, "write the variables of a stack")
                .because(error)
                .hint("use a struct whose fields are texts, numbers, booleans, lists, maps or structs")
        };
        let shown = serde_json::to_value(variables).map_err(failed)?;
        let value = exposing(|| serde_json::to_value(variables)).map_err(failed)?;
        // No variables at all, as `()`, is an empty object to Terraform.
        let value = if value.is_null() { Value::Object(serde_json::Map::new()) } else { value };
        if !value.is_object() {
            return Err(Error::invalid("the variables of a stack have no names")
                .hint("use a struct or a map, with one field for each `variable` block"));
        }
        let mut secrets = Vec::new();
        differing(&shown, &value, &mut secrets);
        let path = folder.join(format!("{}.tfvars.json", crate::id::short()?));
        file::write_json(&path, &value, Access::Private)?;
        Ok(VariableFile { path, secrets })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The secrets in it, to be masked in what Terraform prints.
    pub(super) fn secrets(&self) -> &[SecretValue] {
        &self.secrets
    }

    /// Removes the file; the secrets are still to be masked later.
    pub(super) fn into_secrets(mut self) -> Vec<SecretValue> {
        std::mem::take(&mut self.secrets)
    }
}

impl Drop for VariableFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A secret is a text that shows itself only when exposed.
fn differing(shown: &Value, value: &Value, secrets: &mut Vec<SecretValue>) {
    match (shown, value) {
        (Value::String(shown), Value::String(value)) if shown != value => {
            secrets.push(SecretValue::new(value.as_str()));
        }
        (Value::Array(shown), Value::Array(value)) => {
            shown.iter().zip(value).for_each(|(shown, value)| differing(shown, value, secrets));
        }
        (Value::Object(shown), Value::Object(value)) => {
            shown.values().zip(value.values()).for_each(|(shown, value)| differing(shown, value, secrets));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Vars {
        name: &'static str,
        keys: Vec<SecretValue>,
    }

    #[test]
    fn secrets_are_written_in_clear_into_a_private_file_that_goes_away() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-vars-{}", crate::id::short().unwrap()));
        let vars = Vars { name: "shop", keys: vec![SecretValue::new("canary")] };
        let file = VariableFile::write(&folder, &vars).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("canary") && text.contains("shop"));
        assert_eq!(file.secrets(), [SecretValue::new("canary")]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(file);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        VariableFile::write(&folder, &()).unwrap();
        assert!(VariableFile::write(&folder, &[1, 2]).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
