//! Where a state was kept when a stack was last opened, and where it is to be kept now.

use std::path::Path;

use serde_json::Value;

use crate::file;
use crate::state::{BackendSettings, Setting};

/// More than this is not what Terraform remembers of a backend.
const LIMIT: u64 = 1_000_000;

/// What Terraform remembers, beside what it is told now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// Where the state was; `None` where that cannot be read.
    pub(super) from: Option<String>,
    /// Where it is to be.
    pub(super) to: String,
    /// The names of the settings that differ, where both are one place.
    pub(super) differing: Vec<String>,
}

impl Moved {
    /// Compares the settings with what lies in `memory`, the file that Terraform keeps of an initialised backend.
    pub(super) fn of(memory: &Path, settings: &BackendSettings) -> Self {
        let text = |name: &str| match settings.values.get(name) {
            Some(Setting::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let to = place(&settings.kind, text);
        let remembered = file::read_text(memory, LIMIT).ok().flatten();
        let remembered: Option<Value> = remembered.and_then(|text| serde_json::from_str(&text).ok());
        let backend = remembered.as_ref().map(|remembered| &remembered["backend"]);
        let Some((kind, config)) = backend.and_then(|was| Some((was["type"].as_str()?, &was["config"])))
        else {
            return Moved { from: None, to, differing: Vec::new() };
        };
        let from = place(kind, |name| config[name].as_str());
        let differs = |(name, value): &(&String, &Setting)| {
            serde_json::to_value(value).is_ok_and(|value| config[name.as_str()] != value)
        };
        let differing = settings.values.iter().filter(differs).map(|(name, _)| name.clone()).collect();
        Moved { differing: if from == to { differing } else { Vec::new() }, from: Some(from), to }
    }
}

/// A place as a person knows it.
fn place<'a>(kind: &str, setting: impl Fn(&str) -> Option<&'a str>) -> String {
    match (kind, setting("bucket"), setting("key"), setting("path")) {
        ("s3", Some(bucket), Some(key), _) => format!("s3://{bucket}/{key}"),
        (_, _, _, Some(path)) => path.to_owned(),
        _ => format!("a backend of the kind {}", crate::names::quoted(kind)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(kind: &str, values: &[(&str, &str)]) -> BackendSettings {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Setting::Text((*value).to_owned()));
        BackendSettings::new(kind, values.iter().map(text).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn both_places_are_told_and_within_one_the_settings_that_differ() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-moved-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let memory = folder.join("terraform.tfstate");
        let was = r#"{"version":3,"backend":{"type":"s3","config":{"bucket":"a","key":"k","region":"eu-central-1","profile":null}}}"#;
        std::fs::write(&memory, was).unwrap();
        let moved = Moved::of(&memory, &settings("s3", &[("bucket", "b"), ("key", "k"), ("region", "x")]));
        assert_eq!((moved.from.as_deref(), moved.to.as_str()), (Some("s3://a/k"), "s3://b/k"));
        assert!(moved.differing.is_empty());
        let moved = Moved::of(&memory, &settings("s3", &[("bucket", "a"), ("key", "k"), ("region", "x")]));
        assert_eq!(moved.differing, ["region"]);
        let moved = Moved::of(&memory, &settings("local", &[("path", "/state/x")]));
        assert_eq!((moved.from.as_deref(), moved.to.as_str()), (Some("s3://a/k"), "/state/x"));
        std::fs::write(&memory, "no json").unwrap();
        assert_eq!(Moved::of(&memory, &settings("local", &[("path", "/x")])).from, None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
