//! What `infra.toml` may say, as plain data; the reader of these types is also the list of known keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::costs::Costs;
use crate::config::deploy::Deploy;
use crate::config::dev::Dev;
use crate::config::extends::Extends;
use crate::config::images::{Ecr, Image};
use crate::config::nats::Nats;
use crate::config::nats_server::NatsServer;
use crate::config::policy::Policy;
use crate::config::r2::{Jurisdiction, Location};
use crate::config::repos::Repo;
use crate::config::stores::{SecretSpec, Store, Vault};
use crate::config::values;
use crate::digest::Digest;
use crate::names::{EnvName, Label, OrgName, ParamPath, RepoName, SecretName};

/// One repo's settings for one environment, after all layers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The organisation's file whose settings lie under these.
    #[serde(default)]
    pub extends: Option<Extends>,
    /// Who this repo is.
    pub project: Project,
    /// The environments, by name; `local` is always among them.
    #[serde(default)]
    pub env: BTreeMap<EnvName, Environment>,
    /// The secrets this repo needs, by name.
    #[serde(default)]
    pub secrets: BTreeMap<SecretName, SecretSpec>,
    /// Where values are kept in the repo, encrypted.
    #[serde(default)]
    pub vault: Vault,
    /// The stores that secrets are synced to, by the name that `targets` uses.
    #[serde(default)]
    pub store: BTreeMap<Label, Store>,
    /// What this repo reads of others: a name for it, and where it stands.
    #[serde(default)]
    pub refs: BTreeMap<Label, ParamPath>,
    /// What others may read of this repo: where it stands, and what fills it.
    #[serde(default)]
    pub exports: BTreeMap<ParamPath, Export>,
    /// The Terraform stacks, by name.
    #[serde(default)]
    pub stack: BTreeMap<Label, Stack>,
    /// The container images, by name.
    #[serde(default)]
    pub image: BTreeMap<Label, Image>,
    /// How repositories of images are kept in ECR.
    #[serde(default)]
    pub ecr: Ecr,
    /// What a plan is judged by.
    #[serde(default)]
    pub policy: Policy,
    /// How the project is rolled out.
    #[serde(default)]
    pub deploy: Deploy,
    /// What runs while somebody works on it.
    #[serde(default)]
    pub dev: Dev,
    /// The NATS server that the organisation runs itself.
    #[serde(default, rename = "nats-server")]
    pub nats_server: NatsServer,
    /// The programs this repo needs, by name.
    #[serde(default)]
    pub tools: BTreeMap<Label, Tool>,
    /// What plans may cost.
    #[serde(default)]
    pub costs: Costs,
    /// The organisation's repos, for a deploy over many of them.
    #[serde(default)]
    pub repos: BTreeMap<RepoName, Repo>,
}

/// `[project]`: who this repo is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Project {
    /// The project's name; its images, state and releases are kept under it.
    pub name: RepoName,
    /// What the project is.
    pub kind: Kind,
    /// The organisation; repos of one organisation meet in one `INFRA_HOME` folder.
    pub org: OrgName,
}

/// What a project is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pages for a browser.
    Webapp,
    /// A service.
    Api,
    /// A program for people.
    Cli,
    /// The repo that owns what is shared.
    Infrastructure,
    /// The repo that plans and applies for others.
    Manager,
}

impl Kind {
    /// The kind as `infra.toml` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Webapp => "webapp",
            Kind::Api => "api",
            Kind::Cli => "cli",
            Kind::Infrastructure => "infrastructure",
            Kind::Manager => "manager",
        }
    }
}

/// `[env.NAME]`: one environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// Who stands behind the ports.
    #[serde(default)]
    pub provider: Provider,
    /// Whether a dangerous task makes the person type the environment's name.
    #[serde(default)]
    pub protected: bool,
    /// The cloud region, for providers that have them.
    #[serde(default, deserialize_with = "values::plain_word")]
    pub region: Option<String>,
    /// More regions, to which references are published and images copied, too.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The account whose credentials must be used before anything is written: 12 digits of AWS.
    #[serde(default)]
    pub account: Option<String>,
    /// Where images are kept, if not with the provider: a registry as `host[:port][/prefix]`.
    #[serde(default)]
    pub registry: Option<String>,
    /// Where Terraform keeps its state; default: with the provider.
    #[serde(default)]
    pub state: Option<State>,
    /// The zones at Cloudflare that this repo depends on, such as `example.com`; `infra:cloudflare:test` looks for them.
    #[serde(default)]
    pub zones: Vec<String>,
    /// The server that repos talk over; default: files on this machine.
    #[serde(default)]
    pub nats: Option<Nats>,
}

/// Who stands behind the ports of an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Files under `INFRA_HOME`; needs no account.
    #[default]
    Local,
    /// Amazon Web Services.
    Aws,
    /// Cloudflare.
    Cloudflare,
}

/// `state = { … }`: where Terraform keeps its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The kind of store.
    pub backend: StateKind,
    /// The bucket, for `s3` and `r2`.
    #[serde(default, deserialize_with = "values::plain_word")]
    pub bucket: Option<String>,
    /// The bucket's region; default: the environment's.
    #[serde(default, deserialize_with = "values::plain_word")]
    pub region: Option<String>,
    /// For `r2`: the account's id, 32 hexadecimal digits.
    #[serde(default)]
    pub account: Option<String>,
    /// For `r2`: where its objects are guaranteed to stay; such a bucket has an address of its own, and is seen nowhere else.
    #[serde(default)]
    pub jurisdiction: Option<Jurisdiction>,
    /// For `r2`: near where a bucket is made; Cloudflare takes it as a wish, and once.
    #[serde(default)]
    pub location: Option<Location>,
    /// How keys are made, to adopt what exists: a path with `{owner}`, `{repo}`, `{env}` and `{stack}`; default
    /// `{owner}/{repo}/{env}/{stack}/terraform.tfstate`.
    #[serde(default)]
    pub key: Option<String>,
    /// For `s3`: the KMS key that encrypts; default: S3's own.
    #[serde(default)]
    pub kms_key: Option<String>,
}

/// The kind of store for Terraform state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateKind {
    /// A folder under `INFRA_HOME`.
    Local,
    /// An S3 bucket.
    S3,
    /// A Cloudflare R2 bucket.
    R2,
}

/// `[exports]`: what fills one exported path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Export {
    /// The stack whose Terraform outputs are published.
    pub stack: Label,
}

/// `[stack.NAME]`: one folder of Terraform code with its own state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stack {
    /// The folder, relative to the repo; it never leaves it.
    #[serde(deserialize_with = "values::inside_repo")]
    pub dir: String,
    /// The environments it exists in; default: all.
    #[serde(default)]
    pub envs: Vec<EnvName>,
    /// Stacks that are applied before this one.
    #[serde(default)]
    pub after: Vec<Label>,
}

/// `[tools.NAME]`: one program this repo needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tool {
    /// The exact version.
    #[serde(deserialize_with = "values::version")]
    pub version: String,
    /// The archive's digest, by platform such as `linux_amd64`; what is missing
    /// here is taken from the publisher's list once and kept in `infra.lock`.
    #[serde(default)]
    pub sha256: BTreeMap<String, Digest>,
}
