//! The files of one NATS server: on ECS with streams that are kept, or on Cloudflare Containers for messages alone.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::manifests::file_plan::Manifest;
use crate::manifests::jwt::PublicJwt;
use crate::manifests::template::fill;
use crate::names::{nearest, quoted};

/// Where a server is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatsTarget {
    /// Fargate, with streams on EFS.
    Ecs,
    /// A container behind a Worker, without streams.
    Cloudflare,
}

/// What makes one server different from another.
#[derive(Clone, Debug)]
pub struct NatsServerSpec {
    /// Its name, also in DNS: lower-case letters, digits and `-`.
    pub name: String,
    /// The image: an exact version or a digest of one with a shell, such as `nats:2.15.1-alpine`.
    pub image: String,
    /// How much its streams may take, such as `10GB`.
    pub store: String,
    /// The region of AWS, if it is known.
    pub region: Option<String>,
    /// Where the files will stand, for the text that goes with them.
    pub dir: String,
    /// The environment it is for, for the same.
    pub env: String,
    /// Who runs it.
    pub operator: PublicJwt,
    /// The account that the server itself reports in.
    pub system_account: PublicJwt,
    /// The accounts that repos are users of.
    pub accounts: Vec<PublicJwt>,
}

const ECS: [(&str, &str); 5] = [
    ("nats.conf", include_str!("../../manifests/nats/ecs/nats.conf.in")),
    ("main.tf", include_str!("../../manifests/nats/ecs/main.tf.in")),
    ("variables.tf", include_str!("../../manifests/nats/ecs/variables.tf.in")),
    ("outputs.tf", include_str!("../../manifests/nats/ecs/outputs.tf.in")),
    ("README.md", include_str!("../../manifests/nats/ecs/README.md.in")),
];

const CLOUDFLARE: [(&str, &str); 5] = [
    ("nats.conf", include_str!("../../manifests/nats/cloudflare/nats.conf.in")),
    ("Dockerfile", include_str!("../../manifests/nats/cloudflare/Dockerfile.in")),
    ("wrangler.jsonc", include_str!("../../manifests/nats/cloudflare/wrangler.jsonc.in")),
    ("src/index.js", include_str!("../../manifests/nats/cloudflare/src/index.js.in")),
    ("README.md", include_str!("../../manifests/nats/cloudflare/README.md.in")),
];

/// Makes the files of a server; none holds a secret.
///
/// # Errors
/// `Invalid` for an image that may change under its name or is too old, and for an account of another operator.
pub fn nats_server(target: NatsTarget, spec: &NatsServerSpec) -> Result<Vec<Manifest>> {
    check_image(&spec.image)?;
    if target == NatsTarget::Ecs {
        check_ecs(spec)?;
    }
    check_size(&spec.store)?;
    let all = || std::iter::once(&spec.system_account).chain(&spec.accounts);
    if let Some(account) = all().find(|account| !account.is_of(&spec.operator)) {
        return Err(Error::invalid("an account was not made by the operator of this server")
            .with("account", &account.subject)
            .with("operator", &spec.operator.subject)
            .hint("name the JWTs of one operator, under `[nats-server]` in infra.toml"));
    }
    let mut seen = std::collections::BTreeSet::from([&spec.system_account.subject]);
    if let Some(twice) = spec.accounts.iter().find(|account| !seen.insert(&account.subject)) {
        let what = if twice.subject == spec.system_account.subject {
            "the system account is named as an account for repos"
        } else {
            "an account is named twice"
        };
        return Err(Error::invalid(what).with("account", &twice.subject).hint(
            "name each account once in `accounts` of `[nats-server]`; the system account stands beside them",
        ));
    }
    let preloaded: Vec<String> =
        all().map(|account| format!("  {}: \"{}\"", account.subject, account.text)).collect();
    let region = spec.region.as_ref().map_or_else(|| "null".to_owned(), |region| format!("\"{region}\""));
    let values = [
        ("name", spec.name.as_str()),
        ("image", &spec.image),
        ("store", &spec.store),
        ("region", &region),
        ("dir", &spec.dir),
        ("env", &spec.env),
        ("operator", &spec.operator.text),
        ("system_account", &spec.system_account.subject),
        ("accounts", &preloaded.join("\n")),
    ];
    let templates = match target {
        NatsTarget::Ecs => ECS,
        NatsTarget::Cloudflare => CLOUDFLARE,
    };
    templates
        .into_iter()
        .map(|(path, template)| Ok(Manifest { path: path.into(), text: fill(template, &values)? }))
        .collect()
}

/// What a server on ECS needs beside what every server does.
fn check_ecs(spec: &NatsServerSpec) -> Result<()> {
    if spec.region.is_none() {
        return Err(Error::invalid("a server on ECS needs a region").hint(
            "name the environment that it is for, as `--env production`, with `region` under `[env.production]` in infra.toml",
        ));
    }
    // Docker's official images without `-alpine` are made from nothing (<https://hub.docker.com/_/nats>).
    let (named, _) = spec.image.split_once('@').unwrap_or((&spec.image, ""));
    let official = named.strip_prefix("docker.io/").unwrap_or(named);
    let official = official.strip_prefix("library/").unwrap_or(official);
    if official.strip_prefix("nats:").is_some_and(|tag| !tag.contains("alpine")) {
        return Err(Error::invalid(format!(
            "image {} has no shell, which the task starts the server with",
            quoted(&spec.image)
        ))
        .hint("write the one with `-alpine`, such as `nats:2.15.1-alpine`, in `image` of `[nats-server]`"));
    }
    Ok(())
}

/// An image that is the same tomorrow: by its digest, or at least by an exact version.
fn check_image(image: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::invalid(format!("image {} {why}", quoted(image)))
            .hint("write it like `nats:2.15.1-alpine@sha256:…` in `image` of `[nats-server]`"))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@".contains(c);
    if image.is_empty() || image.len() > 512 || !image.chars().all(plain) {
        return refuse("cannot be one");
    }
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    let hex = |text: &str| {
        text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if digest.is_some_and(|digest| !digest.strip_prefix("sha256:").is_some_and(hex)) {
        return refuse("has a digest that is none");
    }
    // A colon before the last `/` belongs to the port of the registry.
    let tag = named.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let Some(tag) = tag else {
        return if digest.is_some() {
            Ok(())
        } else {
            refuse("has no version, so that it may change under its name")
        };
    };
    let numbers: Vec<u64> =
        tag.split('-').next().unwrap_or_default().split('.').map_while(|part| part.parse().ok()).collect();
    match numbers.as_slice() {
        [major, minor, ..] if (*major, *minor) < (2, 11) => {
            refuse("is older than 2.11, which events and runs need")
        }
        [_, _, _] => Ok(()),
        _ if digest.is_some() => Ok(()),
        _ => refuse("has no exact version, so that it may change under its name"),
    }
}

fn check_size(size: &str) -> Result<()> {
    let number = ["MB", "GB", "TB"].iter().find_map(|unit| size.strip_suffix(unit));
    if number.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0)) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is no size of a store", quoted(size)))
        .hint("write it like `10GB` in `store` of `[nats-server]`"))
}

impl fmt::Display for NatsTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NatsTarget::Ecs => "ecs",
            NatsTarget::Cloudflare => "cloudflare",
        })
    }
}

impl FromStr for NatsTarget {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "ecs" => Ok(NatsTarget::Ecs),
            "cloudflare" => Ok(NatsTarget::Cloudflare),
            _ => Err(Error::invalid(format!("{} is no place for a NATS server", quoted(text))).hint(
                match nearest(text, ["ecs", "cloudflare"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name `ecs` or `cloudflare`".into(),
                },
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_may_change_under_its_name_is_refused() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for good in [
            "nats:2.15.1",
            "nats:2.11.0-alpine",
            &format!("nats@{digest}"),
            &format!("docker.io/library/nats:alpine@{digest}"),
            "127.0.0.1:5000/nats:2.15.1",
        ] {
            check_image(good).unwrap();
        }
        for (bad, says) in [
            ("nats", "no version"),
            ("127.0.0.1:5000/nats", "no version"),
            ("nats:latest", "no exact version"),
            ("nats:2.15", "no exact version"),
            ("nats:2.10.26", "older than 2.11"),
            (&format!("nats:2.9.1@{digest}"), "older than 2.11"),
            ("nats@sha256:abc", "none"),
            ("nats:2.15.1\nRUN x", "cannot be one"),
        ] {
            let error = check_image(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn a_size_has_a_number_and_a_unit() {
        for good in ["10GB", "512MB"] {
            check_size(good).unwrap();
        }
        for bad in ["", "10", "0GB", "ten GB", "10GB }"] {
            assert!(check_size(bad).is_err(), "{bad}");
        }
    }
}
