//! What the server said to the connection and to no call: a denied subject looks like a timeout to who waits for an answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How many are kept; older ones belong to calls that are over.
const KEPT: usize = 64;

/// What was said, newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Denials(Arc<Mutex<Vec<(Instant, String)>>>);

impl Denials {
    pub(super) fn note(&self, said: String) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() == KEPT {
            list.remove(0);
        }
        list.push((Instant::now(), said));
    }

    /// Whether answers cannot come back at all, because their subjects, which begin with `prefix`, may not be subscribed to:
    /// `subscribe PREFIX.>`. It is said once a connection, with the first call that waits for an answer.
    pub(super) fn inbox(&self, prefix: &str) -> Option<String> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = format!("subscribe {prefix}.");
        let mut said = list.iter().filter_map(|(_, said)| denied(said));
        said.any(|denied| denied.starts_with(&wanted)).then(|| format!("{wanted}>"))
    }

    /// What was said since then.
    pub(super) fn since(&self, when: Instant) -> Vec<String> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().filter(|(at, _)| *at >= when).map(|(_, said)| said.clone()).collect()
    }

    /// Whether this was denied since then: `publish SUBJECT` or `subscribe SUBJECT`.
    pub(super) fn has(&self, what: &str, when: Instant) -> bool {
        self.since(when).iter().any(|said| denied(said).is_some_and(|denied| denied == what))
    }
}

/// The subject that may not be used, as the server names it: `publish $JS.API.INFO`.
///
/// The server writes `Permissions Violation for Publish to "…"` and `… for Subscription to "…"`.
fn denied(said: &str) -> Option<String> {
    let lower = said.to_ascii_lowercase();
    let at = lower.find("permissions violation for ")? + "permissions violation for ".len();
    let (what, rest) = said.get(at..)?.split_once(" to ")?;
    let verb = if what.eq_ignore_ascii_case("publish") { "publish" } else { "subscribe" };
    let subject = rest.trim().trim_start_matches('"').split('"').next()?.trim();
    Some(format!("{verb} {subject}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_denial_is_found_in_what_the_server_says() {
        for (said, found) in [
            ("Permissions Violation for Publish to \"$JS.API.INFO\"", Some("publish $JS.API.INFO")),
            ("permissions violation for subscription to \"a.b\" using queue \"q\"", Some("subscribe a.b")),
            ("'Permissions Violation for Publish to \"x\"'", Some("publish x")),
            ("maximum payload violation", None),
        ] {
            assert_eq!(denied(said).as_deref(), found, "{said}");
        }
    }

    #[test]
    fn only_what_was_said_since_a_call_began_belongs_to_it() {
        let denials = Denials::default();
        denials.note("Permissions Violation for Publish to \"old\"".into());
        let start = Instant::now();
        assert!(!denials.has("publish old", start));
        denials.note("Permissions Violation for Publish to \"new\"".into());
        assert!(denials.has("publish new", start) && !denials.has("publish old", start));
        assert!(!denials.has("publish ne", start) && !denials.has("subscribe new", start), "another call's");
    }

    #[test]
    fn a_denied_inbox_explains_every_later_silence() {
        let denials = Denials::default();
        assert_eq!(denials.inbox("_INBOX"), None);
        denials.note("Permissions Violation for Subscription to \"_INBOX.abc.*\"".into());
        assert_eq!(denials.inbox("_INBOX").as_deref(), Some("subscribe _INBOX.>"));
        assert_eq!(denials.inbox("_MINE"), None);
    }
}
