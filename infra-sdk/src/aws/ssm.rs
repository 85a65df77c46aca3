//! Secrets as SecureString parameters of AWS Systems Manager, all under one prefix.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::{Parameter, ParameterType};

use crate::aws::connect::Aws;
use crate::aws::fault::{Call, Fault};
use crate::aws::lists::all_pages;
use crate::aws::place::{self, Place};
use crate::aws::several::several;
use crate::aws::ssm_limits as limits;
use crate::error::{Error, ErrorKind, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{
    Costs, Listing, Mark, SecretChange, SecretSource, SecretStore, Stamp, Stamps, WriteReport, Written,
};

/// A store of secrets in [Parameter Store](https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-parameter-store.html):
/// each a SecureString named `{prefix}{NAME}`.
///
/// A stamp is the parameter's version; it counts from 1 again after a delete. AWS asks to wait 30 seconds before a
/// deleted name is used again. Parameters are never made advanced: that costs money and can not be undone.
///
/// The [id](SecretStore::id) names region and prefix, and not the account, which only a request could tell: two accounts
/// with the same prefix have one id. It does not change with `AWS_ENDPOINT_URL`.
///
/// It needs the permissions `ssm:GetParametersByPath`, `ssm:GetParameters`, `ssm:PutParameter` and
/// `ssm:DeleteParameters` on `parameter{prefix}*`, and with a KMS key of your own `kms:Encrypt` and `kms:Decrypt`.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, SecretValue, aws::{Aws, SsmSecrets}, secrets::{SecretChange, SecretStore}};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let store = SsmSecrets::new(aws, "/shop-api/staging/", None)?;
/// store.write(&[SecretChange::put("TOKEN".parse()?, SecretValue::new("hunter2"))]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SsmSecrets {
    aws: Aws,
    place: Place,
    name: String,
    id: String,
}

impl SsmSecrets {
    /// The store under `prefix`, which starts and ends with `/`; values are encrypted with `kms_key`, or with the
    /// account's own key for parameters. Makes no request.
    ///
    /// # Errors
    /// `Invalid` for a prefix or key that AWS would not take, and for a bad `AWS_ENDPOINT_URL`.
    pub fn new(aws: Aws, prefix: &str, kms_key: Option<String>) -> Result<Self> {
        limits::check_prefix(prefix)?;
        let place = Place::new(prefix, kms_key)?;
        let name = format!("the parameters {prefix} in {}", aws.region());
        let id = format!("ssm:{}:{prefix}", aws.place("SSM")?);
        Ok(SsmSecrets { aws, place, name, id })
    }

    /// The values of those of `names` that are there; asks for ten with each request, several requests at a time.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `TimedOut`.
    pub async fn get_each(&self, names: &[SecretName]) -> Result<BTreeMap<SecretName, SecretValue>> {
        // Not more at a time: reads share a limit of 40 a second with the account's services.
        let reads = names.chunks(limits::READ).map(|batch| self.read(batch)).collect();
        Ok(several(reads, limits::READS_AT_ONCE).await?.into_iter().flatten().collect())
    }

    async fn read(&self, names: &[SecretName]) -> Result<BTreeMap<SecretName, SecretValue>> {
        let call = Call { action: "ssm:GetParameters", on: &self.place.prefix };
        let full = names.iter().map(|name| self.place.full(name)).collect();
        let request = client(&self.aws).await?.get_parameters().set_names(Some(full)).with_decryption(true);
        let answer = request.send().await.map_err(|error| fault(call, &error))?;
        // In any order, and without those that are not there.
        Ok(self.values(answer.parameters.unwrap_or_default()))
    }

    fn values(&self, parameters: Vec<Parameter>) -> BTreeMap<SecretName, SecretValue> {
        let ours = |parameter: Parameter| {
            Some((self.place.secret(parameter.name()?)?, SecretValue::new(parameter.value?)))
        };
        parameters.into_iter().filter_map(ours).collect()
    }

    /// All parameters right below the prefix; without `decrypt`, values of SecureStrings stay encrypted.
    async fn all(&self, decrypt: bool) -> Result<Vec<Parameter>> {
        let call = Call { action: "ssm:GetParametersByPath", on: &self.place.prefix };
        let client = client(&self.aws).await?;
        all_pages(async |next| {
            let page = client
                .get_parameters_by_path()
                .path(self.place.prefix.trim_end_matches('/'))
                .recursive(false)
                .with_decryption(decrypt)
                .max_results(limits::PAGE as i32)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| fault(call, &error))?;
            Ok((page.parameters, page.next_token))
        })
        .await
    }

    async fn put(&self, name: &SecretName, value: &SecretValue) -> Result<Written> {
        let full = self.place.full(name);
        let call = Call { action: "ssm:PutParameter", on: &full };
        // Without a tier the account's default decides, which is Standard unless somebody chose otherwise; naming
        // Standard would fail for parameters that somebody made advanced.
        let request = client(&self.aws)
            .await?
            .put_parameter()
            .name(&full)
            .value(value.expose())
            .r#type(ParameterType::SecureString)
            .set_key_id(self.place.kms_key.clone())
            .overwrite(true);
        let answer = request.send().await.map_err(|error| fault(call, &error).hiding(value))?;
        let stamp = Some(Stamp::new(answer.version.to_string()));
        Ok(Written { name: name.clone(), stamp })
    }

    /// Deletes at most [`limits::DELETES`]; those that are not there count as deleted.
    async fn delete(&self, names: &[&SecretName]) -> Result<Vec<Written>> {
        let call = Call { action: "ssm:DeleteParameters", on: &self.place.prefix };
        let full = names.iter().map(|name| self.place.full(name)).collect();
        let request = client(&self.aws).await?.delete_parameters().set_names(Some(full));
        let answer = request.send().await.map_err(|error| fault(call, &error))?;
        let gone = [answer.deleted_parameters(), answer.invalid_parameters()].concat();
        if let Some(left) = names.iter().find(|name| !gone.contains(&self.place.full(name))) {
            return Err(Error::new(ErrorKind::Unavailable, "AWS did not say what became of a delete")
                .with("secret", left)
                .hint("try again: deleting what is gone does no harm")
                .retryable());
        }
        Ok(names.iter().map(|name| Written { name: (*name).clone(), stamp: None }).collect())
    }

    async fn make(&self, changes: &[SecretChange], written: &mut Vec<Written>) -> Result<()> {
        let mut deletes = Vec::new();
        for change in changes {
            match change {
                SecretChange::Put { name, value, .. } => written.push(self.put(name, value).await?),
                SecretChange::Delete { name } => deletes.push(name),
            }
        }
        for batch in deletes.chunks(limits::DELETES) {
            written.extend(self.delete(batch).await?);
        }
        Ok(())
    }
}

#[async_trait]
impl SecretStore for SsmSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn costs(&self) -> Costs {
        Costs {
            puts: 1,
            deletes: limits::DELETES,
            mixed: false,
            page: limits::PAGE,
            opening: 0,
            stamps: Stamps::OnWrite,
            pace: Some(limits::PUTS_A_SECOND),
            ..Costs::default()
        }
    }

    fn key(&self, name: &SecretName) -> String {
        self.place.full(name)
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))?;
        limits::check(&self.place.full(change.name()), change)
    }

    async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
        let listed = self.all(false).await?.into_iter().filter_map(|parameter| {
            let name = self.place.secret(parameter.name()?)?;
            Some(place::stored(
                name,
                Some(Stamp::new(parameter.version.to_string())),
                parameter.last_modified_date,
            ))
        });
        Ok(Listing::Now { secrets: place::sorted(listed.collect()), mark: None })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        SecretChange::check_batch(changes)?;
        changes.iter().try_for_each(|change| self.check(change))?;
        self.aws.before_write().await?;
        let mut written = Vec::new();
        match self.make(changes, &mut written).await {
            Err(failure) if written.is_empty() => Err(failure),
            made => Ok(WriteReport { written, failure: made.err() }),
        }
    }
}

#[async_trait]
impl SecretSource for SsmSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>> {
        Ok(self.read(std::slice::from_ref(secret)).await?.remove(secret))
    }

    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        Ok(self.values(self.all(true).await?))
    }
}

/// The client of Systems Manager, shared by everything that asks it.
pub(super) async fn client(aws: &Aws) -> Result<Client> {
    aws.before_read().await?;
    aws.client("SSM", |config, endpoint| {
        let mut config = aws_sdk_ssm::config::Builder::from(config);
        config.set_endpoint_url(endpoint);
        Client::from_conf(config.build())
    })
    .await
}

pub(super) fn fault<E>(call: Call<'_>, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Fault::of(call, error, error.code(), error.message())
}
