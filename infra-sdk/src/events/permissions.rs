//! What a user of the service that carries events may do: enough for one repository, and nothing of another's.

use std::fmt;

use serde::Serialize;

use crate::events::Source;

/// How far a user of a service that carries events may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Speaks for a repository: tells its events, and reads everybody's.
    #[default]
    Events,
    /// Also takes part in deploys over many repos: starts, follows and ends them, and deploys what is offered. This
    /// reaches every repo of the organisation, for a run does.
    Deploys,
}

/// The subjects that a repository's credentials need, as a server's configuration and a user's JWT have them.
///
/// ```
/// use infra_sdk::events::Permissions;
/// let permissions = Permissions {
///     source: "/acme/shop".parse()?,
///     publish: vec!["infra.v1.evt.acme.shop.>".into()],
///     subscribe: vec!["_INBOX.>".into()],
/// };
/// assert!(permissions.to_string().contains("publish: { allow: ["));
/// assert_eq!(serde_json::to_value(&permissions).unwrap()["pub"]["allow"][0], "infra.v1.evt.acme.shop.>");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The repository that the user speaks for.
    pub source: Source,
    /// What the user may publish to.
    pub publish: Vec<String>,
    /// What the user may subscribe to.
    pub subscribe: Vec<String>,
}

impl Serialize for Permissions {
    /// As the permissions of a user's JWT: `{"pub": {"allow": […]}, "sub": {"allow": […]}}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Allow<'a> {
            allow: &'a [String],
        }
        #[derive(Serialize)]
        struct Claims<'a> {
            r#pub: Allow<'a>,
            sub: Allow<'a>,
        }
        Claims { r#pub: Allow { allow: &self.publish }, sub: Allow { allow: &self.subscribe } }
            .serialize(serializer)
    }
}

impl fmt::Display for Permissions {
    /// As a block of a server's configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |subjects: &[String]| {
            subjects.iter().map(|subject| format!("\n    \"{subject}\"")).collect::<String>()
        };
        write!(
            f,
            "# what the user of {} needs\npermissions: {{\n  publish: {{ allow: [{}\n  ] }}\n  subscribe: {{ allow: [{}\n  ] }}\n}}",
            self.source,
            list(&self.publish),
            list(&self.subscribe)
        )
    }
}
