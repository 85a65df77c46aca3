//! Making and correcting repositories: what ECR says of one beside what is wanted, and the calls that close the gap.

use async_trait::async_trait;
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability, Repository,
};
use serde_json::Value;

use crate::aws::ecr::client::{client, fault, repeated, says};
use crate::aws::ecr::place::Ecr;
use crate::aws::ecr::{lifecycle, pull};
use crate::aws::fault::Call;
use crate::error::{Error, Result, ResultExt};
use crate::images::{Repositories, RepositoryChange, RepositoryPlan, RepositorySpec};
use crate::names::quoted;

/// Needs the permissions `ecr:DescribeRepositories`, `ecr:GetLifecyclePolicy` and `ecr:GetRepositoryPolicy` to plan, and
/// `ecr:CreateRepository`, `ecr:PutImageTagMutability`, `ecr:PutImageScanningConfiguration`, `ecr:PutLifecyclePolicy`,
/// `ecr:SetRepositoryPolicy` and `ecr:DeleteRepositoryPolicy` for what it changes.
///
/// In a repository's policy one statement, named `InfraSdkPull`, is ours; those of others stay. Lifecycle rules have no
/// owner, so ours stand alone: a plan says how many others they replace. A registry that scans by rules of its own
/// (enhanced scanning) keeps to those.
#[async_trait]
impl Repositories for Ecr {
    fn name(&self) -> &str {
        &self.name
    }

    async fn plan(&self, wanted: &RepositorySpec) -> Result<RepositoryPlan> {
        let repository = self.repository(&wanted.name)?;
        let key = wanted.key.as_deref().map(|key| key_in(key, self.aws.region())).transpose()?;
        let (mut changes, mut fixed) = (Vec::new(), Vec::new());
        self.aws.before_read().await?;
        let found = repeated(async |_| self.found(&repository).await).await?;
        if let Some(found) = &found {
            if found.image_tag_mutability != Some(ImageTagMutability::Immutable) {
                let was = found.image_tag_mutability.as_ref().map_or("MUTABLE", ImageTagMutability::as_str);
                changes.push(RepositoryChange::Tags { was: was.to_owned() });
            }
            if !found.image_scanning_configuration.as_ref().is_some_and(|scanning| scanning.scan_on_push) {
                changes.push(RepositoryChange::Scan);
            }
            fixed.extend(other_encryption(found.encryption_configuration.as_ref(), key.as_deref()));
        } else {
            let encryption = key.map_or_else(|| "AES256".to_owned(), |key| format!("KMS ({key})"));
            changes.push(RepositoryChange::Create { encryption });
        }
        let (rules, policy) = match found {
            Some(_) => tokio::try_join!(self.lifecycle(&repository), self.policy(&repository))?,
            None => (None, None),
        };
        let ours = lifecycle::wanted(wanted.keep, wanted.keep_untagged);
        if !rules.as_ref().is_some_and(|rules| lifecycle::same(rules, &ours)) {
            let replaces = rules.as_ref().map_or(0, lifecycle::count);
            let (keep, keep_untagged) = (wanted.keep, wanted.keep_untagged);
            changes.push(RepositoryChange::Lifecycle { keep, keep_untagged, replaces });
        }
        if !pull::allows(policy.as_ref(), &wanted.pull_accounts) {
            let (accounts, others) = (wanted.pull_accounts.clone(), pull::count_others(policy.as_ref()));
            changes.push(RepositoryChange::Pull { accounts, others });
        }
        Ok(RepositoryPlan { registry: self.name.clone(), repository, changes, fixed, wanted: wanted.clone() })
    }

    async fn apply(&self, plan: &RepositoryPlan) -> Result<()> {
        if plan.is_empty() {
            return Ok(());
        }
        self.aws.before_write().await?;
        for change in &plan.changes {
            repeated(async |attempt| self.make(plan, change, attempt).await)
                .await
                .context(format!("set up {} in {}", plan.repository, self.name))?;
        }
        Ok(())
    }
}

impl Ecr {
    async fn make(&self, plan: &RepositoryPlan, change: &RepositoryChange, attempt: u32) -> Result<()> {
        let (client, on, wanted) = (client(&self.aws).await?, plan.repository.as_str(), &plan.wanted);
        let registry = self.account().map(str::to_owned);
        match change {
            RepositoryChange::Create { .. } => {
                let call = Call { action: "ecr:CreateRepository", on };
                let mut request = client
                    .create_repository()
                    .set_registry_id(registry)
                    .repository_name(on)
                    .image_tag_mutability(ImageTagMutability::Immutable)
                    .image_scanning_configuration(scanning());
                if let Some(key) = &wanted.key {
                    request = request.encryption_configuration(encryption(key_in(key, self.aws.region())?)?);
                }
                match request.send().await.map_err(|error| fault(call, &error)) {
                    // The answer to an earlier attempt was lost.
                    Err(fault) if attempt > 1 && says(&fault, "RepositoryAlreadyExistsException") => {}
                    made => drop(made?),
                }
            }
            RepositoryChange::Tags { .. } => {
                let call = Call { action: "ecr:PutImageTagMutability", on };
                let request = client.put_image_tag_mutability().set_registry_id(registry).repository_name(on);
                let request = request.image_tag_mutability(ImageTagMutability::Immutable);
                request.send().await.map_err(|error| fault(call, &error))?;
            }
            RepositoryChange::Scan => {
                let call = Call { action: "ecr:PutImageScanningConfiguration", on };
                let request = client.put_image_scanning_configuration().set_registry_id(registry);
                let request = request.repository_name(on).image_scanning_configuration(scanning());
                request.send().await.map_err(|error| fault(call, &error))?;
            }
            RepositoryChange::Lifecycle { keep, keep_untagged, .. } => {
                let call = Call { action: "ecr:PutLifecyclePolicy", on };
                let text = lifecycle::wanted(*keep, *keep_untagged).to_string();
                let request = client.put_lifecycle_policy().set_registry_id(registry);
                let request = request.repository_name(on).lifecycle_policy_text(text);
                request.send().await.map_err(|error| fault(call, &error))?;
            }
            RepositoryChange::Pull { accounts, .. } => self.let_pull(on, accounts).await?,
        }
        Ok(())
    }

    /// Reads the policy again: what others wrote into it since the plan stays.
    async fn let_pull(&self, on: &str, accounts: &[String]) -> Result<()> {
        let (client, registry) = (client(&self.aws).await?, self.account().map(str::to_owned));
        let policy = self.policy(on).await?;
        match pull::with_pull(policy.as_ref(), accounts, self.aws.region()) {
            Some(policy) => {
                let call = Call { action: "ecr:SetRepositoryPolicy", on };
                let request = client.set_repository_policy().set_registry_id(registry);
                let request = request.repository_name(on).policy_text(policy.to_string());
                request.send().await.map_err(|error| fault(call, &error))?;
            }
            None if policy.is_some() => {
                let call = Call { action: "ecr:DeleteRepositoryPolicy", on };
                let request = client.delete_repository_policy().set_registry_id(registry).repository_name(on);
                match request.send().await.map_err(|error| fault(call, &error)) {
                    Err(fault) if says(&fault, "RepositoryPolicyNotFoundException") => {}
                    gone => drop(gone?),
                }
            }
            None => {}
        }
        Ok(())
    }

    async fn found(&self, on: &str) -> Result<Option<Repository>> {
        let call = Call { action: "ecr:DescribeRepositories", on };
        let request = client(&self.aws).await?.describe_repositories().repository_names(on);
        let answer = request.set_registry_id(self.account().map(str::to_owned)).send().await;
        match answer.map_err(|error| fault(call, &error)) {
            Ok(answer) => Ok(answer.repositories.unwrap_or_default().into_iter().next()),
            Err(fault) if says(&fault, "RepositoryNotFoundException") => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn lifecycle(&self, on: &str) -> Result<Option<Value>> {
        let call = Call { action: "ecr:GetLifecyclePolicy", on };
        repeated(async |_| {
            let request = client(&self.aws).await?.get_lifecycle_policy().repository_name(on);
            let answer = request.set_registry_id(self.account().map(str::to_owned)).send().await;
            match answer.map_err(|error| fault(call, &error)) {
                Ok(answer) => Ok(answer.lifecycle_policy_text.as_deref().map(document)),
                Err(fault) if says(&fault, "LifecyclePolicyNotFoundException") => Ok(None),
                Err(fault) => Err(fault.into()),
            }
        })
        .await
    }

    async fn policy(&self, on: &str) -> Result<Option<Value>> {
        let call = Call { action: "ecr:GetRepositoryPolicy", on };
        let text = repeated(async |_| {
            let request = client(&self.aws).await?.get_repository_policy().repository_name(on);
            let answer = request.set_registry_id(self.account().map(str::to_owned)).send().await;
            match answer.map_err(|error| fault(call, &error)) {
                Ok(answer) => Ok(answer.policy_text),
                Err(fault) if says(&fault, "RepositoryPolicyNotFoundException") => Ok(None),
                Err(fault) => Err(fault.into()),
            }
        });
        let Some(text) = text.await? else { return Ok(None) };
        let policy = document(&text);
        // Written back, what is not understood would be lost.
        if !policy.is_object() {
            return Err(Error::invalid("the policy of a repository is no JSON object")
                .with("repository", on)
                .hint("look at it with `aws ecr get-repository-policy`, and correct it there"));
        }
        Ok(Some(policy))
    }
}

/// A text of AWS's as JSON; `null` for what is none.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn scanning() -> ImageScanningConfiguration {
    ImageScanningConfiguration::builder().scan_on_push(true).build()
}

fn encryption(key: String) -> Result<EncryptionConfiguration> {
    EncryptionConfiguration::builder()
        .encryption_type(EncryptionType::Kms)
        .kms_key(key)
        .build()
        .context("describe the encryption of a repository")
}

/// The key as it is called in a region: one that exists in several has the same id in each.
fn key_in(key: &str, region: &str) -> Result<String> {
    let Some((before, id)) = key.strip_prefix("arn:").and_then(|_| key.rsplit_once(":key/")) else {
        return Ok(key.to_owned());
    };
    let parts: Vec<&str> = before.split(':').collect();
    match parts.as_slice() {
        [_, _, "kms", of, _] if *of == region => Ok(key.to_owned()),
        [arn, partition, "kms", _, account] if id.starts_with("mrk-") => {
            Ok(format!("{arn}:{partition}:kms:{region}:{account}:key/{id}"))
        }
        _ => Err(Error::invalid("a repository is encrypted with a key of its own region")
            .with("key", quoted(key))
            .with("region", region)
            .hint("name a multi-Region key, whose id starts with `mrk-`, or an alias that exists in each region")),
    }
}

/// What encrypts a repository, if it is not what is wanted. Without a key of one's own every encryption is right; which
/// key an alias stands for only KMS could say, so any key is.
fn other_encryption(found: Option<&EncryptionConfiguration>, wanted: Option<&str>) -> Option<String> {
    let wanted = wanted?;
    let kind = found.map_or("AES256", |found| found.encryption_type.as_str());
    if kind == "AES256" {
        return Some(format!("it is encrypted with AES256, and not with the key {wanted}"));
    }
    let key = found.and_then(|found| found.kms_key.as_deref()).unwrap_or_default();
    let same = key == wanted || wanted.starts_with("alias/") || wanted.contains(":alias/");
    let same = same || key.rsplit_once(":key/").is_some_and(|(_, id)| id == wanted);
    (!same).then(|| format!("it is encrypted with the key {key}, and not with {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_several_regions_is_named_in_each() {
        let arn = |region: &str, id: &str| format!("arn:aws:kms:{region}:123456789012:key/{id}");
        assert_eq!(key_in(&arn("eu-central-1", "1-2"), "eu-central-1").unwrap(), arn("eu-central-1", "1-2"));
        assert_eq!(key_in(&arn("eu-central-1", "mrk-1"), "us-east-1").unwrap(), arn("us-east-1", "mrk-1"));
        assert_eq!(key_in("alias/shop", "us-east-1").unwrap(), "alias/shop");
        let error = key_in(&arn("eu-central-1", "1-2"), "us-east-1").unwrap_err();
        assert!(error.hints()[0].contains("multi-Region"), "{error:?}");
    }

    #[test]
    fn an_encryption_that_is_not_the_wanted_one_is_told() {
        let arn = "arn:aws:kms:eu-central-1:123456789012:key/1-2";
        let found = encryption(arn.into()).unwrap();
        let other = |wanted| other_encryption(Some(&found), wanted);
        assert_eq!((other(None), other(Some(arn)), other(Some("1-2"))), (None, None, None));
        assert_eq!(other(Some("alias/shop")), None);
        assert!(other(Some("2-3")).unwrap().contains(arn));
        assert!(other_encryption(None, Some(arn)).unwrap().contains("AES256"));
        assert_eq!(other_encryption(None, None), None);
    }
}
