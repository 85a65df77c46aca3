//! Which subjects a repository's user needs: its own events, what reading takes, and nothing of other repositories.

use crate::events::{Access, Permissions, Source};
use crate::nats::Nats;
use crate::nats::assets::{
    EVENT_SUBJECTS, EVENTS, LEDGER, LEDGER_SUBJECTS, RUNS, RUNS_STREAM, WORK, WORK_SUBJECTS, Wishes,
};
use crate::nats::clustered::QUESTION;
use crate::nats::subject::token;

/// The inbox that answers come to when nothing else is named.
const INBOX: &str = "_INBOX";

/// What a user may do who speaks for `source`: publish its events, read everybody's, and with the ledger in NATS add
/// entries to it; and take part in deploys over many repos. Nothing here makes, changes or removes a stream.
pub(super) fn permissions(nats: &Nats, wishes: Wishes, source: &Source, access: Access) -> Permissions {
    let (org, repo) = (token(source.org().as_str()), token(source.repo().as_str()));
    let api = nats.api_prefix();
    let inbox = nats.target().inbox_prefix.as_ref().map_or(INBOX, |prefix| prefix.value.as_str());
    let mut publish = vec![
        format!("{EVENT_SUBJECTS}.{org}.{repo}.>"),
        format!("{api}.INFO"),
        format!("{api}.STREAM.INFO.{EVENTS}"),
        format!("{api}.DIRECT.GET.{EVENTS}"),
    ];
    if nats.target().domain.is_some() {
        publish.push(format!("{api}.{QUESTION}"));
    }
    if wishes.ledger {
        publish.extend([
            format!("{LEDGER_SUBJECTS}.{org}"),
            format!("{api}.STREAM.INFO.{LEDGER}"),
            format!("{api}.STREAM.MSG.GET.{LEDGER}"),
            format!("{api}.DIRECT.GET.{LEDGER}"),
        ]);
    }
    let mut subscribe = vec![format!("{inbox}.>"), format!("{EVENT_SUBJECTS}.>")];
    if access == Access::Deploys {
        let (keys, work) = (format!("$KV.{RUNS}.{org}.>"), format!("{WORK_SUBJECTS}.{org}.>"));
        // Keys of a bucket elsewhere are written through the interface there.
        let through = if api == "$JS.API" { String::new() } else { format!("{api}.") };
        publish.extend([
            format!("{through}{keys}"),
            work.clone(),
            format!("{api}.STREAM.INFO.{RUNS_STREAM}"),
            format!("{api}.STREAM.INFO.{WORK}"),
            format!("{api}.STREAM.MSG.GET.{RUNS_STREAM}"),
            format!("{api}.DIRECT.GET.{RUNS_STREAM}"),
            format!("{api}.DIRECT.GET.{RUNS_STREAM}.>"),
            format!("{api}.DIRECT.GET.{WORK}"),
            format!("{api}.CONSUMER.CREATE.{WORK}.>"),
            format!("{api}.CONSUMER.MSG.NEXT.{WORK}.>"),
            format!("$JS.ACK.{WORK}.>"),
            // The canary of `infra:nats:health` is consumed, too.
            format!("{api}.CONSUMER.CREATE.{RUNS_STREAM}.*.$KV.{RUNS}.{org}.health.>"),
            format!("{api}.CONSUMER.MSG.NEXT.{RUNS_STREAM}.>"),
            format!("{api}.CONSUMER.DELETE.{RUNS_STREAM}.>"),
            format!("$JS.ACK.{RUNS_STREAM}.>"),
            // Old runs are forgotten.
            format!("{api}.STREAM.PURGE.{RUNS_STREAM}"),
        ]);
        subscribe.extend([keys, work]);
    }
    Permissions { source: source.clone(), publish, subscribe }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::env::Env;
    use crate::nats::Target;

    fn of(settings: &config::Nats, ledger: bool) -> Permissions {
        let target = Target::resolve(&Env::of([("X", "y")], "/"), settings, Path::new("/")).unwrap();
        let nats = Nats::new(target, "test");
        permissions(
            &nats,
            Wishes { replicas: None, ledger },
            &"/acme/shop.api".parse().unwrap(),
            Access::Events,
        )
    }

    #[test]
    fn a_repository_publishes_below_its_own_prefix_alone() {
        let settings = config::Nats { url: Some("nats://127.0.0.1:1".into()), ..config::Nats::default() };
        let permissions = of(&settings, false);
        let events: Vec<&String> =
            permissions.publish.iter().filter(|subject| !subject.starts_with('$')).collect();
        assert_eq!(events, ["infra.v1.evt.acme.shop=2Eapi.>"]);
        assert!(
            permissions
                .publish
                .iter()
                .all(|subject| !subject.contains("CREATE") && !subject.contains("DELETE"))
        );
        assert!(of(&settings, true).publish.contains(&"infra.v1.ledger.acme".to_owned()));
    }

    #[test]
    fn a_domain_and_an_inbox_of_its_own_are_followed() {
        let settings = config::Nats {
            url: Some("nats://127.0.0.1:1".into()),
            domain: Some("hub".into()),
            inbox_prefix: Some("_INBOX_shop".into()),
            ..config::Nats::default()
        };
        let permissions = of(&settings, false);
        assert!(permissions.publish.contains(&"$JS.hub.API.DIRECT.GET.INFRA_EVENTS".to_owned()));
        assert!(permissions.subscribe.contains(&"_INBOX_shop.>".to_owned()));
    }
}
