//! Secrets in AWS Secrets Manager, all under one prefix.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry};
use aws_sdk_secretsmanager::{Client, operation::batch_get_secret_value::BatchGetSecretValueOutput};

use crate::aws::connect::Aws;
use crate::aws::fault::{Call, Fault};
use crate::aws::lists::all_pages;
use crate::aws::place::{self, Place};
use crate::aws::secrets_manager_limits as limits;
use crate::aws::secrets_manager_write::{There, Writer};
use crate::aws::several::several;
use crate::error::{Error, ErrorKind, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{
    Costs, Listing, Mark, SecretChange, SecretSource, SecretStore, Stamp, Stamps, WriteReport,
};

/// The label of the version that readers get.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// A store of secrets in [Secrets Manager](https://docs.aws.amazon.com/secretsmanager/latest/userguide/intro.html): each
/// named `{prefix}{NAME}`.
///
/// A stamp is the id of the version that readers get: the token of the change that made it, where it had one. A delete
/// leaves the secret to be recovered for 30 days; a put in that time recovers it.
///
/// AWS says that its list may be up to five minutes behind: a look soon after a write may show an older stamp, or a
/// secret that was just deleted.
///
/// The [id](SecretStore::id) names region and prefix, and not the account, which only a request could tell: two accounts
/// with the same prefix have one id. It does not change with `AWS_ENDPOINT_URL`.
///
/// It needs the permissions `secretsmanager:ListSecrets` and `secretsmanager:BatchGetSecretValue` on `*`, and
/// `secretsmanager:CreateSecret`, `PutSecretValue`, `GetSecretValue`, `DeleteSecret` and `RestoreSecret` on
/// `secret:{prefix}*`; with a KMS key of your own `kms:GenerateDataKey` and `kms:Decrypt`.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, SecretValue, aws::{Aws, SecretsManagerSecrets}, secrets::{SecretChange, SecretStore}};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let store = SecretsManagerSecrets::new(aws, "shop-api/staging/", None)?;
/// store.write(&[SecretChange::put("TOKEN".parse()?, SecretValue::new("hunter2"))]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SecretsManagerSecrets {
    aws: Aws,
    writer: Arc<Writer>,
    name: String,
    id: String,
}

impl SecretsManagerSecrets {
    /// The store under `prefix`; new secrets are encrypted with `kms_key`, or with the account's own key for secrets.
    /// Secrets that are there keep the key they have. Makes no request.
    ///
    /// # Errors
    /// `Invalid` for a prefix or key that AWS would not take, and for a bad `AWS_ENDPOINT_URL`.
    pub fn new(aws: Aws, prefix: &str, kms_key: Option<String>) -> Result<Self> {
        limits::check_prefix(prefix)?;
        let place = Place::new(prefix, kms_key)?;
        let name = format!("the secrets {prefix} in Secrets Manager of {}", aws.region());
        let id = format!("secrets-manager:{}:{prefix}", aws.place("SECRETS_MANAGER")?);
        Ok(SecretsManagerSecrets { aws, writer: Arc::new(Writer::new(place)), name, id })
    }

    fn place(&self) -> &Place {
        self.writer.place()
    }

    async fn client(&self) -> Result<Client> {
        self.aws.before_read().await?;
        let make = |config: &_, endpoint| {
            let mut config = aws_sdk_secretsmanager::config::Builder::from(config);
            config.set_endpoint_url(endpoint);
            Client::from_conf(config.build())
        };
        self.aws.client("SECRETS_MANAGER", make).await
    }

    /// All secrets right below the prefix, without their values; those that wait to be gone only if `waiting`.
    async fn all(&self, waiting: bool) -> Result<Vec<(SecretName, SecretListEntry)>> {
        let call = Call { action: "secretsmanager:ListSecrets", on: &self.place().prefix };
        // The filter takes any name that starts so; what is deeper or not ours is left out here.
        let below = Filter::builder().key(FilterNameStringType::Name).values(&self.place().prefix).build();
        let client = self.client().await?;
        let listed = all_pages(async |next| {
            let page = client
                .list_secrets()
                .filters(below.clone())
                .include_planned_deletion(waiting)
                .max_results(limits::PAGE as i32)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| fault(call, &error))?;
            Ok((page.secret_list, page.next_token))
        });
        let ours = |entry: SecretListEntry| Some((self.place().secret(entry.name()?)?, entry));
        Ok(listed.await?.into_iter().filter_map(ours).collect())
    }

    /// The ARN of each secret that is there, and which version of it is current; no value is read.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `TimedOut`.
    pub async fn arns(&self) -> Result<BTreeMap<SecretName, (String, Option<String>)>> {
        let named = |(name, mut entry): (SecretName, SecretListEntry)| {
            let arn = entry.arn.take()?;
            Some((name, (arn, current_version(entry))))
        };
        Ok(self.all(false).await?.into_iter().filter_map(named).collect())
    }

    /// The values of at most [`limits::READ`] secrets; those that are gone by now are left out.
    async fn read(&self, names: &[SecretName]) -> Result<BTreeMap<SecretName, SecretValue>> {
        let call = Call { action: "secretsmanager:BatchGetSecretValue", on: &self.place().prefix };
        let ids = names.iter().map(|name| self.place().full(name)).collect();
        let request = self.client().await?.batch_get_secret_value().set_secret_id_list(Some(ids));
        let answer = request.send().await.map_err(|error| fault(call, &error))?;
        self.values(answer)
    }

    fn values(&self, answer: BatchGetSecretValueOutput) -> Result<BTreeMap<SecretName, SecretValue>> {
        for failed in answer.errors() {
            let on = failed.secret_id().unwrap_or(&self.place().prefix);
            let call = Call { action: "secretsmanager:GetSecretValue", on };
            let (code, message) =
                (failed.error_code().unwrap_or_default(), failed.message().unwrap_or_default());
            let fault = Fault::of_item(call, code, message);
            if !fault.is_gone() {
                return Err(fault.into());
            }
        }
        let mut values = BTreeMap::new();
        for entry in answer.secret_values.unwrap_or_default() {
            if let Some(name) = entry.name().and_then(|full| self.place().secret(full)) {
                let value = text(&name, entry.secret_string)?;
                values.insert(name, value);
            }
        }
        Ok(values)
    }
}

#[async_trait]
impl SecretStore for SecretsManagerSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn costs(&self) -> Costs {
        Costs {
            puts: 1,
            deletes: 1,
            mixed: false,
            page: limits::PAGE,
            opening: 0,
            stamps: Stamps::OnWrite,
            pace: Some(limits::PUTS_A_SECOND),
            lag: std::time::Duration::from_secs(300),
            ..Costs::default()
        }
    }

    fn key(&self, name: &SecretName) -> String {
        self.place().full(name)
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))?;
        limits::check(&self.place().full(change.name()), change)
    }

    async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
        // Those that wait to be gone are no secrets, but a put has to recover them: better to know than to be refused.
        let mut all = self.all(true).await?;
        self.writer.saw(all.iter().map(|(name, entry)| {
            (name.clone(), if entry.deleted_date.is_none() { There::Alive } else { There::Waiting })
        }));
        all.retain(|(_, entry)| entry.deleted_date.is_none());
        let shown = |(name, entry): (SecretName, SecretListEntry)| {
            let changed = entry.last_changed_date;
            place::stored(name, current_version(entry).map(Stamp::new), changed)
        };
        Ok(Listing::Now { secrets: place::sorted(all.into_iter().map(shown).collect()), mark: None })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        SecretChange::check_batch(changes)?;
        changes.iter().try_for_each(|change| self.check(change))?;
        self.aws.before_write().await?;
        let client = self.client().await?;
        let mut written = Vec::new();
        for change in changes {
            match self.writer.make(&client, change).await {
                Ok(made) => written.push(made),
                Err(failure) if written.is_empty() => return Err(failure),
                Err(failure) => return Ok(WriteReport { written, failure: Some(failure) }),
            }
        }
        Ok(WriteReport::all(written))
    }
}

#[async_trait]
impl SecretSource for SecretsManagerSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>> {
        let full = self.place().full(secret);
        let call = Call { action: "secretsmanager:GetSecretValue", on: &full };
        let answer = self.client().await?.get_secret_value().secret_id(&full).send().await;
        match answer.map_err(|error| fault(call, &error)) {
            Ok(answer) => text(secret, answer.secret_string).map(Some),
            Err(fault) if fault.is_gone() => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Lists first, then reads twenty values with each request, several requests at a time: a filter by prefix would
    /// also read, and note as read, what is deeper below it and not ours.
    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        let names: Vec<SecretName> = self.all(false).await?.into_iter().map(|(name, _)| name).collect();
        let reads = names.chunks(limits::READ).map(|batch| self.read(batch)).collect();
        Ok(several(reads, limits::READS_AT_ONCE).await?.into_iter().flatten().collect())
    }
}

fn current_version(entry: SecretListEntry) -> Option<String> {
    let mut versions = entry.secret_versions_to_stages.into_iter().flatten();
    versions.find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT)).map(|(id, _)| id)
}

fn text(name: &SecretName, value: Option<String>) -> Result<SecretValue> {
    value.map(SecretValue::new).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "a secret in Secrets Manager holds bytes, and not text")
            .with("secret", name)
            .hint("somebody else wrote it: store it as text, in base64 for example, or under another name")
    })
}

pub(super) fn fault<E>(call: Call<'_>, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Fault::of(call, error, error.code(), error.message())
}
