//! The JSON documents of an OCI image, as far as this crate writes and reads them.
//!
//! They are a dozen fields; the `oci-spec` crate would bring builders, proc macros and some thirty
//! crates into every product's build, so the names are pinned by a test below instead.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::names::quoted;

/// The media type of one image for one platform.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of a list of images.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a layer, compressed with gzip.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The media type of a layer that is not compressed.
pub const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type that Docker gives to what is [`MANIFEST`] in OCI.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type that Docker gives to what is [`INDEX`] in OCI.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The media type that Docker gives to what is [`LAYER_GZIP`] in OCI.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The annotation that holds a tag in the index of a layout folder.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Whether a media type is that of a list of images.
pub(crate) fn is_index(media_type: &str) -> bool {
    matches!(media_type, INDEX | DOCKER_LIST)
}

/// Where some bytes stand: their digest, their size, and what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Their address.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// The platform of an image in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Notes beside the address, such as a tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor without notes.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The tag noted beside the address.
    pub fn tag(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }
}

/// One image for one platform: its configuration and its layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u8,
    /// [`MANIFEST`]; old writers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Where the [`Config`] stands.
    pub config: Descriptor,
    /// Where the layers stand.
    pub layers: Vec<Descriptor>,
    /// Notes, such as the version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of images: the `index.json` of a layout folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u8,
    /// [`INDEX`]; old writers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The images.
    pub manifests: Vec<Descriptor>,
}

impl Default for Index {
    fn default() -> Self {
        Index { schema_version: 2, media_type: Some(INDEX.into()), manifests: Vec::new() }
    }
}

/// The `oci-layout` file of a layout folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutFile {
    /// Always `1.0.0`.
    pub image_layout_version: String,
}

/// The machine an image is for, as OCI names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `linux`, `darwin`, …
    pub os: String,
}

impl Platform {
    /// The platform of the machine this program runs on.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        Platform { architecture: architecture.into(), os: os.into() }
    }

    /// Linux on an architecture as OCI names it: `amd64` or `arm64`.
    pub fn linux(architecture: &str) -> Self {
        Platform { architecture: architecture.into(), os: "linux".into() }
    }
}

impl std::fmt::Display for Platform {
    /// As infra.toml has it: `linux/arm64`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

impl std::str::FromStr for Platform {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let part = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once('/') {
            Some((os, machine)) if part(os) && part(machine) => {
                Ok(Platform { architecture: machine.into(), os: os.into() })
            }
            _ => Err(Error::invalid(format!("{} is not a platform", quoted(text)))
                .hint("write it like `linux/arm64`")),
        }
    }
}

/// The configuration of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// When it was made; fixed in images of this crate, so that equal files give equal bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The machine it is for.
    pub architecture: String,
    /// The system it is for.
    pub os: String,
    /// What runs, and how.
    #[serde(default)]
    pub config: RunConfig,
    /// The layers before compression.
    pub rootfs: RootFs,
    /// How the layers came to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// What an image runs. Other writers leave fields out or set them to `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// Variables as `NAME=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program and its first arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// More arguments, or the program if there is no entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The folder it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Notes, such as the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// The digests of the layers before compression, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One for each layer.
    pub diff_ids: Vec<Digest>,
}

/// How one layer came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_documents_have_the_field_names_of_the_specification() {
        let blob = || Descriptor::new(LAYER_GZIP, Digest::of(b""), 7);
        let digest = Digest::of(b"");
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.into()),
            config: blob(),
            layers: vec![blob()],
            annotations: BTreeMap::new(),
        };
        let descriptor = json!({"mediaType": LAYER_GZIP, "digest": digest, "size": 7});
        assert_eq!(
            serde_json::to_value(manifest).unwrap(),
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": [descriptor]})
        );
        let config = Config {
            created: Some("1970-01-01T00:00:00Z".into()),
            architecture: "arm64".into(),
            os: "linux".into(),
            config: RunConfig {
                env: Some(vec!["A=1".into()]),
                entrypoint: Some(vec!["/app/x".into()]),
                cmd: Some(vec!["-v".into()]),
                working_dir: Some("/app".into()),
                labels: Some([("a".into(), "b".into())].into()),
            },
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![digest.clone()] },
            history: vec![History { created: None, created_by: Some("infra-sdk".into()) }],
        };
        assert_eq!(
            serde_json::to_value(config).unwrap(),
            json!({
                "created": "1970-01-01T00:00:00Z", "architecture": "arm64", "os": "linux",
                "config": {"Env": ["A=1"], "Entrypoint": ["/app/x"], "Cmd": ["-v"], "WorkingDir": "/app", "Labels": {"a": "b"}},
                "rootfs": {"type": "layers", "diff_ids": [digest]}, "history": [{"created_by": "infra-sdk"}],
            })
        );
        assert_eq!(
            serde_json::to_value(Index::default()).unwrap(),
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
        );
    }

    #[test]
    fn null_and_unknown_fields_of_other_writers_are_read() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":null,"User":"1","Env":["A=1"]},
            "rootfs":{"type":"layers","diff_ids":[]},"docker_version":"20"}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!((config.config.cmd, config.config.entrypoint), (None, None));
    }
}
