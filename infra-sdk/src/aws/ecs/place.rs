//! Which service of ECS is meant, and which container in its tasks.

use std::fmt;

use crate::config::Deploy;
use crate::error::{Error, Result};
use crate::names::{RepoName, quoted};

/// A service of ECS, by names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsPlace {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The container of its tasks that gets the image; `None`: the only one, or the one called like the project.
    pub container: Option<String>,
}

impl EcsPlace {
    /// What `[deploy]` says: by default the service called like the project, in the cluster `default`.
    ///
    /// ```
    /// use infra_sdk::aws::EcsPlace;
    /// use infra_sdk::config::Deploy;
    /// let deploy = Deploy { cluster: Some("acme".into()), ..Deploy::default() };
    /// let place = EcsPlace::of(&deploy, &"shop-api".parse()?);
    /// assert_eq!(place.to_string(), "the service shop-api in the cluster acme");
    /// # Ok::<(), infra_sdk::Error>(())
    /// ```
    pub fn of(deploy: &Deploy, project: &RepoName) -> Self {
        EcsPlace {
            cluster: deploy.cluster.clone().unwrap_or_else(|| "default".into()),
            service: deploy.service.clone().unwrap_or_else(|| project.to_string()),
            container: deploy.container.clone(),
        }
    }

    /// Names as ECS takes them: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>.
    pub(super) fn check(&self) -> Result<()> {
        let good = |text: &str, more: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || more.contains(c);
            !text.is_empty() && text.len() <= 255 && text.chars().all(allowed)
        };
        let container = self.container.as_deref().unwrap_or("x");
        for (what, text, more) in [
            ("cluster", self.cluster.as_str(), ":/"),
            ("service", &self.service, ""),
            ("container", container, ""),
        ] {
            if !good(text, more) {
                return Err(Error::invalid(format!("{} is no {what} of ECS", quoted(text)))
                    .hint(format!("write the name that ECS shows, as `{what}` under `[deploy]`")));
            }
        }
        Ok(())
    }

    /// The cluster's name, also where its ARN was given.
    pub(super) fn cluster_name(&self) -> &str {
        self.cluster.rsplit('/').next().unwrap_or_default()
    }

    /// What tells the releases of one service from those of another with the same task definition.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.cluster_name(), self.service)
    }
}

impl fmt::Display for EcsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service {} in the cluster {}", self.service, self.cluster_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_ecs_would_not_take_are_refused() {
        let place = |cluster: &str, service: &str| EcsPlace {
            cluster: cluster.into(),
            service: service.into(),
            container: None,
        };
        let arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/acme";
        place(arn, "web").check().unwrap();
        assert_eq!(place(arn, "web").key(), "acme/web");
        for (cluster, service) in
            [("", "web"), ("acme", ""), ("a b", "web"), ("acme", "a/b"), ("acme", "a\n")]
        {
            assert!(
                !place(cluster, service).check().unwrap_err().hints().is_empty(),
                "{cluster:?} {service:?}"
            );
        }
    }
}
