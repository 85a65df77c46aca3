//! What `infra.toml` may say about secrets: what is needed, where it is kept, and which stores it is synced to.

use serde::{Deserialize, Serialize};

use crate::config::values::{self, Generate, Span};
use crate::names::{EnvName, Label};

/// `[secrets.NAME]`: one secret this repo needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecretSpec {
    /// What it is for and where a person gets it.
    #[serde(default)]
    pub description: Option<String>,
    /// The stores it is synced to, in every environment but `local`: names of `[store]`, or of kinds such as `github`.
    /// Default: the environment's own.
    #[serde(default)]
    pub targets: Vec<Label>,
    /// The form its value has.
    #[serde(default, rename = "type")]
    pub form: SecretForm,
    /// Who owns the value, if not this repo.
    #[serde(default)]
    pub shared: Option<Shared>,
    /// How to make a value when there is none: `random:BYTES`.
    #[serde(default)]
    pub generate: Option<Generate>,
    /// How old a value may get, such as `90d`.
    #[serde(default)]
    pub rotate: Option<Span>,
    /// The environments that need it; default: all.
    #[serde(default)]
    pub envs: Vec<EnvName>,
    /// Whether the project works without it.
    #[serde(default)]
    pub optional: bool,
}

/// The form of a secret's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretForm {
    /// Any text.
    #[default]
    String,
    /// An absolute URL.
    Url,
    /// A JSON document.
    Json,
    /// One or more PEM blocks.
    Pem,
    /// Bytes in base64.
    Base64,
    /// A whole number.
    Integer,
}

/// Who owns a secret's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shared {
    /// The organisation: the value stands in the vault of the repo that `extends` pins.
    Org,
}

/// `[vault]`: values in the repo, encrypted with age.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Vault {
    /// The public keys (`age1…`) that may read it; with none, values are kept outside the repo, on this machine.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// The folder of its files, one for each environment; relative to the repo.
    #[serde(default = "vault_dir", deserialize_with = "values::inside_repo")]
    pub dir: String,
    /// Where a person's own key is, unless the environment gives one.
    #[serde(default)]
    pub key: VaultKey,
}

impl Default for Vault {
    fn default() -> Self {
        Vault { recipients: Vec::new(), dir: vault_dir(), key: VaultKey::default() }
    }
}

fn vault_dir() -> String {
    "infra/secrets".into()
}

/// Where a person's own key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultKey {
    /// A file in the person's configuration folder.
    #[default]
    File,
    /// The system's keychain.
    Keychain,
}

/// `[store.NAME]`: one place secrets are synced to. Texts may hold `{org}`, `{project}` and `{env}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// What it is.
    pub kind: StoreKind,
    /// For `github` and `github-environment`: the repository; default `{org}/{project}`.
    #[serde(default)]
    pub repo: Option<String>,
    /// For `github-environment`: the name GitHub knows the environment by; default `{env}`.
    #[serde(default)]
    pub environment: Option<String>,
    /// For `github-org`: the organisation; default `{org}`.
    #[serde(default)]
    pub org: Option<String>,
    /// For `github-org`: who may use a new secret.
    #[serde(default)]
    pub visibility: Option<Visibility>,
    /// For `github-org` and `selected`: the repositories that may use a new secret.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// For `ssm` and `secrets-manager`: what stands before each name; default `/{project}/{env}/` and `{project}/{env}/`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// For `ssm` and `secrets-manager`: the KMS key; default: the account's own.
    #[serde(default, rename = "kms-key")]
    pub kms_key: Option<String>,
    /// For `worker`: the Worker's name; default `{project}`.
    #[serde(default)]
    pub script: Option<String>,
    /// For `worker`: the account; default: `CLOUDFLARE_ACCOUNT_ID`.
    #[serde(default)]
    pub account: Option<String>,
    /// Writes a second to start with, for accounts with limits of their own; default: the documented rate.
    #[serde(default, rename = "writes-per-second")]
    pub writes_per_second: Option<f64>,
}

impl Store {
    /// A store of a kind with everything left to its default.
    pub fn of_kind(kind: StoreKind) -> Self {
        Store {
            kind,
            repo: None,
            environment: None,
            org: None,
            visibility: None,
            repositories: Vec::new(),
            prefix: None,
            kms_key: None,
            script: None,
            account: None,
            writes_per_second: None,
        }
    }

    /// The same with the defaults of its kind, and every placeholder filled in by `fill`.
    pub(crate) fn filled(mut self, fill: impl Fn(&str) -> String) -> Self {
        let default =
            |text: Option<String>, default: &str| Some(fill(&text.unwrap_or_else(|| default.into())));
        self.repo = default(self.repo, "{org}/{project}");
        self.environment = default(self.environment, "{env}");
        self.org = default(self.org, "{org}");
        self.script = default(self.script, "{project}");
        // A parameter's name begins with `/`, a secret's does not.
        let prefix = if self.kind == StoreKind::Ssm { "/{project}/{env}/" } else { "{project}/{env}/" };
        self.prefix = default(self.prefix, prefix);
        self.kms_key = self.kms_key.map(|key| fill(&key));
        self.account = self.account.map(|account| fill(&account));
        self.repositories = self.repositories.iter().map(|name| fill(name)).collect();
        self
    }

    /// The texts that may hold placeholders, with their keys.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let one = [
            ("repo", &self.repo),
            ("environment", &self.environment),
            ("org", &self.org),
            ("prefix", &self.prefix),
            ("kms-key", &self.kms_key),
            ("script", &self.script),
            ("account", &self.account),
        ];
        let named = one.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
        named.chain(self.repositories.iter().map(|name| ("repositories", name.as_str())))
    }
}

impl StoreKind {
    /// Every kind.
    pub const ALL: [StoreKind; 6] = [
        StoreKind::Github,
        StoreKind::GithubEnvironment,
        StoreKind::GithubOrg,
        StoreKind::Ssm,
        StoreKind::SecretsManager,
        StoreKind::Worker,
    ];

    /// The kind as `infra.toml` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreKind::Github => "github",
            StoreKind::GithubEnvironment => "github-environment",
            StoreKind::GithubOrg => "github-org",
            StoreKind::Ssm => "ssm",
            StoreKind::SecretsManager => "secrets-manager",
            StoreKind::Worker => "worker",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// GitHub Actions secrets of a repository.
    Github,
    /// GitHub Actions secrets of one environment of a repository.
    GithubEnvironment,
    /// GitHub Actions secrets of an organisation.
    GithubOrg,
    /// AWS Systems Manager parameters, as SecureString.
    Ssm,
    /// AWS Secrets Manager.
    SecretsManager,
    /// Secrets of a Cloudflare Worker.
    Worker,
}

/// Who may use an organisation's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Every repository.
    All,
    /// Every repository that is not public.
    Private,
    /// The repositories that are named.
    Selected,
}
