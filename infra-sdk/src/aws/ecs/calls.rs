//! The requests to ECS about one service. Whoever asks here is the last who can repeat: each is tried a few times, for all
//! of them may be made twice; a revision that is registered twice leaves one that nobody uses.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use aws_sdk_ecs::types::{
    DesiredStatus, ServiceField, SortOrder, Tag, Task, TaskDefinitionField, TaskDefinitionStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::{Map, Value, json};

use crate::aws::connect::Aws;
use crate::aws::ecs::definition::{Definition, revision_of};
use crate::aws::ecs::look::Look;
use crate::aws::ecs::place::EcsPlace;
use crate::aws::ecs::raw::Body;
use crate::aws::fault::{Call, Fault};
use crate::cancel::CancelToken;
use crate::deploy::ReleaseId;
use crate::error::{Error, ErrorKind, Result};
use crate::retry::Retry;

/// Five attempts in at most 15 seconds: ECS allows bursts, and says no for a moment only.
const RETRY: Retry =
    Retry { attempts: 5, first: Duration::from_millis(500), factor: 2, max: Duration::from_secs(8) };

/// How many stopped tasks one request describes: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>.
const TASKS: i32 = 100;

/// ECS, for one service.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) aws: Aws,
    pub(super) place: EcsPlace,
    pub(super) retry: Retry,
}

impl Calls {
    pub(super) fn new(aws: Aws, place: EcsPlace) -> Self {
        Calls { aws, place, retry: RETRY }
    }

    /// The service as it is now.
    pub(super) async fn look(&self) -> Result<Look> {
        let (cluster, service) = (&self.place.cluster, &self.place.service);
        let answer = self
            .ask("ecs:DescribeServices", &self.place.to_string(), |client| {
                let request = client.describe_services().cluster(cluster).services(service);
                request.include(ServiceField::Tags).send()
            })
            .await?;
        let found = answer.services.unwrap_or_default().into_iter().next();
        let service = found.ok_or_else(|| {
            let why = answer.failures.iter().flatten().find_map(|failure| failure.reason());
            Error::not_found(format!("{} is not there", self.place))
                .with("region", self.aws.region())
                .with("ECS says", why.unwrap_or("nothing"))
                .hint("name the ones that Terraform makes as `cluster` and `service` under `[deploy]`")
                .hint("or apply the Terraform that makes them: a rollout makes revisions, not services")
        })?;
        Look::of(service, &self.place)
    }

    /// A revision with its tags; `None` when there never was one.
    pub(super) async fn definition(&self, id: &ReleaseId) -> Result<Option<Definition>> {
        let body = Body::default();
        let asked = self
            .ask("ecs:DescribeTaskDefinition", id.as_str(), |client| {
                let request = client.describe_task_definition().task_definition(id.as_str());
                request.include(TaskDefinitionField::Tags).customize().interceptor(body.clone()).send()
            })
            .await;
        match asked {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Definition::of_answer(body.json()?).map(Some),
        }
    }

    /// Registers a revision from all of its fields.
    pub(super) async fn register(
        &self,
        mut fields: Map<String, Value>,
        tags: &[(String, String)],
    ) -> Result<Definition> {
        let tags: Vec<Value> =
            tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        fields.insert("tags".into(), tags.into());
        let family = fields.get("family").and_then(Value::as_str).unwrap_or_default().to_owned();
        let sent = Value::Object(fields).to_string();
        let body = Body::default();
        self.aws.before_write().await?;
        self.ask("ecs:RegisterTaskDefinition", &family, |client| {
            let sent = sent.clone();
            let request = client.register_task_definition().family(&family).customize();
            let request = request.interceptor(body.clone()).mutate_request(move |request| {
                request.headers_mut().insert("content-length", sent.len().to_string());
                *request.body_mut() = sent.clone().into();
            });
            request.send()
        })
        .await?;
        Definition::of_answer(body.json()?)
    }

    /// The newest revisions of a family that can be run, newest first.
    pub(super) async fn revisions(&self, family: &str, most: i32) -> Result<Vec<ReleaseId>> {
        let answer = self
            .ask("ecs:ListTaskDefinitions", family, |client| {
                let request = client.list_task_definitions().family_prefix(family).max_results(most);
                request.status(TaskDefinitionStatus::Active).sort(SortOrder::Desc).send()
            })
            .await?;
        Ok(answer.task_definition_arns().iter().filter_map(|arn| revision_of(arn)).collect())
    }

    /// Changes the service.
    pub(super) async fn update(
        &self,
        change: impl Fn(UpdateServiceFluentBuilder) -> UpdateServiceFluentBuilder,
    ) -> Result<()> {
        self.aws.before_write().await?;
        let (cluster, service) = (&self.place.cluster, &self.place.service);
        self.ask("ecs:UpdateService", &self.place.to_string(), |client| {
            change(client.update_service().cluster(cluster).service(service)).send()
        })
        .await
        .map(drop)
    }

    pub(super) async fn tag(&self, arn: &str, key: &str, value: &str) -> Result<()> {
        self.aws.before_write().await?;
        let tag = Tag::builder().key(key).value(value).build();
        self.ask("ecs:TagResource", arn, |client| {
            client.tag_resource().resource_arn(arn).tags(tag.clone()).send()
        })
        .await
        .map(drop)
    }

    pub(super) async fn untag(&self, arn: &str, key: &str) -> Result<()> {
        self.aws.before_write().await?;
        self.ask("ecs:UntagResource", arn, |client| {
            client.untag_resource().resource_arn(arn).tag_keys(key).send()
        })
        .await
        .map(drop)
    }

    /// Forgets a revision: no service can be set to it any more.
    pub(super) async fn deregister(&self, id: &ReleaseId) -> Result<()> {
        self.aws.before_write().await?;
        self.ask("ecs:DeregisterTaskDefinition", id.as_str(), |client| {
            client.deregister_task_definition().task_definition(id.as_str()).send()
        })
        .await
        .map(drop)
    }

    /// Tasks of the service that stopped within the last hour or so, at most a hundred: ECS keeps them no longer.
    pub(super) async fn stopped(&self) -> Result<Vec<Task>> {
        let (cluster, service) = (&self.place.cluster, &self.place.service);
        let on = self.place.to_string();
        let listed = self
            .ask("ecs:ListTasks", &on, |client| {
                let request = client.list_tasks().cluster(cluster).service_name(service);
                request.desired_status(DesiredStatus::Stopped).max_results(TASKS).send()
            })
            .await?;
        let arns = listed.task_arns.unwrap_or_default();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let described = self
            .ask("ecs:DescribeTasks", &on, |client| {
                client.describe_tasks().cluster(cluster).set_tasks(Some(arns.clone())).send()
            })
            .await?;
        Ok(described.tasks.unwrap_or_default())
    }

    async fn ask<T, E, A>(&self, action: &'static str, on: &str, request: impl Fn(Client) -> A) -> Result<T>
    where
        A: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.aws.before_read().await?;
        let client = self
            .aws
            .client("ECS", |config, endpoint| {
                let mut config = aws_sdk_ecs::config::Builder::from(config);
                config.set_endpoint_url(endpoint);
                Client::from_conf(config.build())
            })
            .await?;
        self.retry
            .run(&CancelToken::new(), |_| {
                let asked = request(client.clone());
                async move {
                    let call = Call { action, on };
                    asked.await.map_err(|error| Fault::of(call, &error, error.code(), error.message()).into())
                }
            })
            .await
    }
}
