//! Whether the JetStream that is meant is one server's or a cluster's: the server that we are connected to need not be of it.

use std::future::Future;

use async_nats::ServerInfo;

use crate::nats::target::Target;

/// A request that only servers of a cluster look at: it is about a stream that nobody has, and changes nothing.
pub(super) const QUESTION: &str = "STREAM.LEADER.STEPDOWN.INFRA_NONE";

/// JetStream's number for what one server alone cannot do.
const ALONE: u64 = 10010;

/// The name of the cluster; `None` for one server. `ask` asks JetStream the [`QUESTION`] and gives the number of its refusal.
///
/// # Errors
/// What `ask` fails with: then nobody knows.
pub(super) async fn cluster<Asked, E>(
    info: &ServerInfo,
    target: &Target,
    ask: impl FnOnce() -> Asked,
) -> Result<Option<String>, E>
where
    Asked: Future<Output = Result<u64, E>>,
{
    let domain = target.domain.as_ref().map(|domain| domain.value.as_str());
    Ok(match domain.filter(|domain| info.domain.as_deref() != Some(*domain)) {
        // A server with leaves, or a leaf, has a cluster of its own name.
        None => info.cluster.clone().filter(|name| !name.is_empty() && *name != info.server_name),
        // Behind a leaf: what this server is says nothing of the others.
        Some(domain) => (ask().await? != ALONE).then(|| domain.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::env::Env;

    async fn seen(
        domain: Option<&str>,
        cluster: Option<&str>,
        answer: Option<u64>,
    ) -> Result<Option<String>, &'static str> {
        let settings = config::Nats {
            url: Some("nats://127.0.0.1".into()),
            domain: domain.map(str::to_owned),
            ..config::Nats::default()
        };
        let env = Env::of([("XDG_CONFIG_HOME", "/nowhere")], "/");
        let target = Target::resolve(&env, &settings, Path::new("/")).unwrap();
        let info = ServerInfo {
            server_name: "n1".into(),
            cluster: cluster.map(str::to_owned),
            domain: Some("leaf".into()),
            ..ServerInfo::default()
        };
        super::cluster(&info, &target, || std::future::ready(answer.ok_or("silence"))).await
    }

    #[tokio::test]
    async fn a_server_is_believed_about_its_own_domain_and_asked_about_others() {
        for domain in [None, Some("leaf")] {
            assert_eq!(seen(domain, Some("trio"), Some(ALONE)).await, Ok(Some("trio".into())));
            assert_eq!(seen(domain, Some("n1"), None).await, Ok(None));
            assert_eq!(seen(domain, None, Some(10059)).await, Ok(None));
        }
        assert_eq!(seen(Some("hub"), Some("trio"), Some(ALONE)).await, Ok(None));
        assert_eq!(seen(Some("hub"), None, Some(10059)).await, Ok(Some("hub".into())));
        assert_eq!(seen(Some("hub"), Some("trio"), None).await, Err("silence"));
    }
}
