//! The addresses of a target, and who asks, where an address says it.

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::nats::auth::Auth;
use crate::nats::setting::{Origin, Setting};
use crate::nats::target_auth::password;

/// The servers of a list, and who asks, where an address says it.
pub(super) fn servers(urls: &Setting<String>) -> Result<(Vec<String>, Option<Auth>)> {
    let (mut servers, mut inside) = (Vec::new(), None);
    for text in urls.value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let (userinfo, host) = match rest.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, rest),
        };
        let host = host.trim_end_matches('/');
        // The text may hold a password, so it is not quoted.
        let refuse = |why: &str| {
            Err(Error::invalid(format!("an address of NATS {why}"))
                .with("from", &urls.origin)
                .with("host", quoted(host))
                .hint("write it like `nats://host:4222` or `tls://host:4222`"))
        };
        if !matches!(scheme, "nats" | "tls") {
            return refuse("is of a kind that is not supported here");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return refuse("has no host that can be one");
        }
        if let Some(userinfo) = userinfo {
            if urls.origin == Origin::Settings {
                return refuse("holds a password in infra.toml, which everybody can read");
            }
            let (user, secret) = match userinfo.split_once(':') {
                Some((user, secret)) => (user, Some(decoded(secret))),
                None => (userinfo, None),
            };
            inside = Some(password(decoded(user), secret.as_deref()));
        }
        servers.push(format!("{scheme}://{host}"));
    }
    if servers.is_empty() {
        return Err(Error::invalid("there is no server of NATS in the list")
            .with("from", &urls.origin)
            .hint("write it like `nats://host:4222`"));
    }
    Ok((servers, inside))
}

/// `%40` and its like, as addresses write what has a meaning in them.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, origin: Origin) -> Result<(Vec<String>, Option<Auth>)> {
        servers(&Setting::new(text.to_owned(), &origin))
    }

    #[test]
    fn addresses_are_a_list_and_have_a_scheme_afterwards() {
        let (list, auth) = read("a, nats://b:1/ ,tls://[::1]:4222,", Origin::Settings).unwrap();
        assert_eq!(list, ["nats://a", "nats://b:1", "tls://[::1]:4222"]);
        assert!(auth.is_none());
    }

    #[test]
    fn who_asks_may_stand_in_an_address_of_a_variable_and_never_in_infra_toml() {
        let (list, auth) = read("nats://ada:p%40ss@a", Origin::Variable("NATS_URL")).unwrap();
        assert_eq!(list, ["nats://a"]);
        let Some(Auth::Password { user, password }) = auth else { panic!("{auth:?}") };
        assert_eq!((user.as_str(), password.expose()), ("ada", "p@ss"));
        let token = read("nats://s3cret@a", Origin::Variable("NATS_URL")).unwrap().1;
        assert!(matches!(token, Some(Auth::Token(_))), "{token:?}");
        let error = read("nats://ada:hunter2@a", Origin::Settings).unwrap_err();
        assert!(!error.report().to_string().contains("hunter2"), "{}", error.report());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        for bad in
            ["", ",", "ws://a", "nats://", "nats://a b", "nats://ada:hunter2@a/b", "nats://a\nb", "nats://ä"]
        {
            let error = read(bad, Origin::Variable("NATS_URL")).unwrap_err();
            let report = error.report().to_string();
            assert!(!error.hints().is_empty() && !report.contains("hunter2"), "{report}");
        }
    }
}
