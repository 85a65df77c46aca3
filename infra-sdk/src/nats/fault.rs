//! What went wrong between us and NATS, in words, and what to do about it.

use std::error::Error as StdError;
use std::time::Instant;

use async_nats::{ConnectError, ConnectErrorKind};

use crate::env::NATS_USER;
use crate::error::{Error, ErrorKind};
use crate::nats::Nats;
use crate::nats::auth::Auth;
use crate::nats::reach::{not_running, unknown_host};
use crate::nats::setting::{Origin, Setting};
use crate::nats::target::Target;

impl Nats {
    /// What `error`, of a call that began at `since`, means. `what` says what was tried: `publish an event`.
    ///
    /// Whether the call's own subject was denied is for the call to look, with [`unless_denied`](Nats::unless_denied): the
    /// connection is shared, and what was denied to another call says nothing of this one.
    pub(super) fn fault(&self, what: &str, since: Instant, error: &(dyn StdError + 'static)) -> Error {
        let told = chain(error);
        let made = |kind| Error::new(kind, what).with("at", self.target().address());
        // Answers come over one subscription, which is denied once a connection and makes every later call wait in vain.
        let deaf = || self.denials().inbox(self.target().inbox()).filter(|_| told.contains("timed out"));
        let denied = denied_in(&told).or_else(deaf);
        if let Some(denied) = denied {
            return made(ErrorKind::Denied)
                .because(format!("this user may not {denied}"))
                .hint(format!("let who manages the account allow it: {denied}"))
                .hint("`infra:nats:health` shows what is permitted and what is needed");
        }
        let said = self.denials().since(since).join("; ").to_ascii_lowercase();
        if ["authorization violation", "authentication expired", "authentication revoked"]
            .iter()
            .any(|word| said.contains(word))
        {
            return made(ErrorKind::Denied)
                .because(said)
                .hint("the credentials ended or were taken back: fetch new ones from who made the user");
        }
        let lower = told.to_ascii_lowercase();
        if lower.contains("no responders")
            || lower.contains("jetstream not enabled")
            || lower.contains("code: 10076")
        {
            return made(ErrorKind::Unavailable).because(told).hint(self.start_jetstream());
        }
        if lower.contains("timed out") {
            return made(ErrorKind::Unavailable)
                .because(told)
                .hint("run `infra:nats:health`: a cluster without a majority answers nothing")
                .retryable();
        }
        if lower.contains("10077") || lower.contains("maximum") && lower.contains("exceeded") {
            return made(ErrorKind::Unavailable)
                .because(told)
                .hint("a limit of the stream or the account is reached: `infra:nats:health` shows which");
        }
        made(ErrorKind::Unavailable)
            .because(told)
            .hint("run `infra:nats:health` to see what works")
            .retryable()
    }
}

/// Why no connection could be made; `said` is what the server told meanwhile.
pub(super) fn unconnected(target: &Target, error: &ConnectError, said: &[String]) -> Error {
    let told = chain(error);
    let lower = format!("{told} {}", said.join(" ")).to_ascii_lowercase();
    let made = |kind, what: &str| Error::new(kind, what).with("at", target.address()).because(told.clone());
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            let identity = target.identity();
            made(ErrorKind::Denied, "NATS refuses who asks")
                .with("shown", format!("{} ({})", identity.value, identity.origin))
                .hint(unwelcome(target))
        }
        ConnectErrorKind::ServerParse => made(ErrorKind::Invalid, "an address of NATS cannot be read")
            .hint("write it like `nats://host:4222` or `tls://host:4222`"),
        ConnectErrorKind::Dns => made(ErrorKind::Unavailable, "the host of NATS is not known")
            .hint(unknown_host(&target.servers.origin)),
        // A plain server greets in plain text, which is no TLS.
        _ if lower.contains("invalidcontenttype") => {
            made(ErrorKind::Invalid, "NATS does not speak TLS there").hint("write `nats://` instead of `tls://`, or the port that has TLS")
        }
        // What fails in the handshake itself comes as an error of input and output.
        _ if error.kind() == ConnectErrorKind::Tls || lower.contains("certificate") || lower.contains("alert") => made(ErrorKind::Invalid, "TLS with NATS fails")
            .hint("name the authority of the server's certificate in `ca`, and `cert` and `key` where it asks for them"),
        ConnectErrorKind::TimedOut => made(ErrorKind::Unavailable, "NATS does not answer")
            .hint("check that the address is that of a NATS server, and that nothing in between drops packets")
            .retryable(),
        _ => made(ErrorKind::Unavailable, "NATS cannot be reached")
            .hint(not_running(&target.servers.origin))
            .retryable(),
    }
}

/// What to do where a server refuses who asks: by what it was shown, and where that comes from.
fn unwelcome(target: &Target) -> String {
    let Setting { value: shown, origin } = target.identity();
    let given = match (&target.auth.value, origin) {
        (Auth::Anonymous, _) => {
            return "nothing was shown: name a user's credentials file in `creds` of `nats` in infra.toml, or in NATS_CREDS; or \
                    set NATS_USER and NATS_PASSWORD"
                .to_owned();
        }
        // Either of the two may be wrong, and the origin is only the first.
        (Auth::Password { .. }, Origin::Variable(NATS_USER)) => "NATS_USER and NATS_PASSWORD give".to_owned(),
        (_, origin) => origin.gives(),
    };
    format!(
        "correct the {shown} that {given}; or ask who manages the server for what is valid: this is unknown, ended or taken back"
    )
}

/// The error with its causes, each said once.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if more.contains(&text) {
            text = more;
        } else if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

/// The subject of a denial that did reach the call.
fn denied_in(told: &str) -> Option<String> {
    told.to_ascii_lowercase().contains("permissions violation").then(|| "use the subject it needs".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::env::Env;

    #[test]
    fn who_is_refused_reads_what_was_shown_and_who_gave_it() {
        let seed = nkeys::KeyPair::new_user().seed().unwrap();
        let hint = |variables: &[(&str, &str)], nkey: Option<&str>| {
            let settings = config::Nats {
                url: Some("nats://127.0.0.1:1".into()),
                nkey: nkey.map(str::to_owned),
                ..config::Nats::default()
            };
            let variables = [("SEED", seed.as_str())].into_iter().chain(variables.iter().copied());
            unwelcome(&Target::resolve(&Env::of(variables, "/"), &settings, Path::new("/")).unwrap())
        };
        for (variables, nkey, says) in [
            (&[("NATS_URL", "nats://ada:pw@h")][..], None, "the user and password that NATS_URL gives;"),
            (
                &[("NATS_USER", "ada"), ("NATS_PASSWORD", "pw")],
                None,
                "the user and password that NATS_USER and NATS_PASSWORD give;",
            ),
            (&[("NATS_USER", "ada")], None, "the token that NATS_USER gives;"),
            (
                &[],
                Some("env:SEED"),
                "the nkey that `nats` gives in infra.toml, or in the organisation's file",
            ),
            (&[], None, "NATS_CREDS"),
        ] {
            let told = hint(variables, nkey);
            assert!(told.contains(says) && !told.contains(&seed), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_corrected_where_it_was_named() {
        for (variables, says) in [
            (&[("NATS_URL", "nats://127.0.0.1:1")][..], "in NATS_URL"),
            (&[], "in infra.toml, or in the organisation's file that it extends"),
        ] {
            let settings = config::Nats { url: Some("nats://127.0.0.1:1".into()), ..config::Nats::default() };
            let env = Env::of(variables.iter().copied(), "/");
            let target = Target::resolve(&env, &settings, Path::new("/")).unwrap();
            let error = unconnected(&target, &ConnectError::new(ConnectErrorKind::Io), &[]);
            assert!(error.hints()[0].contains(says), "{}", error.report());
        }
    }

    #[test]
    fn a_call_that_timed_out_is_not_denied_because_another_call_was() {
        let settings = config::Nats { url: Some("nats://127.0.0.1:1".into()), ..config::Nats::default() };
        let target = Target::resolve(&Env::of([("X", "y")], "/"), &settings, Path::new("/")).unwrap();
        let (nats, since) = (Nats::new(target, "test"), Instant::now());
        let silence = || nats.fault("ask", since, &std::io::Error::from(std::io::ErrorKind::TimedOut));
        nats.denials().note("Permissions Violation for Publish to \"infra.v1.evt.acme.web\"".into());
        assert_eq!(silence().kind(), ErrorKind::Unavailable, "{}", silence().report());
        // Who cannot hear at all is told so, whichever call it was said to.
        nats.denials().note("Permissions Violation for Subscription to \"_INBOX.abc.*\"".into());
        assert_eq!(silence().kind(), ErrorKind::Denied, "{}", silence().report());
    }
}
