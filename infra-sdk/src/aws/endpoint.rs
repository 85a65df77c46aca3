//! The addresses that stand in for AWS's own.

use crate::env::{AWS_ENDPOINT_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, Env};
use crate::error::{Error, Result};
use crate::names::quoted;

/// The address that stands in for a service's own; `service` as it stands at the end of the variable's name.
///
/// The order is AWS's: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>. Addresses in
/// AWS's own files come after these, and the SDK reads them.
pub(super) fn of(env: &Env, service: &str) -> Result<Option<String>> {
    if env.flag(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS) {
        return Ok(None);
    }
    let own = format!("{AWS_ENDPOINT_URL}_{service}");
    let names = [own.as_str(), AWS_ENDPOINT_URL];
    let Some((name, url)) = names.iter().find_map(|name| Some((*name, env.get(name)?))) else {
        return Ok(None);
    };
    if !is_private(url) {
        return Err(Error::invalid(format!("the address in {name} is not one to send secrets to"))
            .with("address", if url.contains('@') { "[hidden]".into() } else { quoted(url) })
            .hint("write it like `https://host:port`; plain `http` reaches this machine only"));
    }
    Ok(Some(url.to_owned()))
}

/// Whether what is sent to `url` can be read on the way by nobody: it is encrypted, or stays on this machine.
pub(super) fn is_private(url: &str) -> bool {
    let authority = authority(url);
    let encrypted =
        url.starts_with("https://") && authority.is_some_and(|authority| !host(authority).is_empty());
    (encrypted || is_loopback(url)) && authority.is_some_and(|authority| !authority.contains('@'))
}

/// Whether `url` leads to this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    authority(url).filter(|authority| !authority.contains('@')).map(host).is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// What stands between the scheme, which is one of the web's, and the path.
fn authority(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next()
}

fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(vars: &[(&str, &str)], service: &str) -> Result<Option<String>> {
        of(&Env::of(vars.iter().copied(), "/"), service)
    }

    #[test]
    fn the_address_of_one_service_goes_before_that_of_all() {
        let both = [(AWS_ENDPOINT_URL, "https://all"), ("AWS_ENDPOINT_URL_SSM", "https://ssm")];
        assert_eq!(endpoint(&both, "SSM").unwrap().unwrap(), "https://ssm");
        assert_eq!(endpoint(&both, "SECRETS_MANAGER").unwrap().unwrap(), "https://all");
        let ignored = [both.as_slice(), &[(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, "true")]].concat();
        assert_eq!(endpoint(&ignored, "SSM").unwrap(), None);
    }

    #[test]
    fn plain_http_reaches_this_machine_only() {
        for good in
            ["http://127.0.0.1:5000", "http://localhost:1/x", "http://[::1]:80", "https://vpce-1.example"]
        {
            assert!(is_private(good), "{good}");
        }
        let user = "http://canary@127.0.0.1:1";
        for bad in
            ["", "http://", "https://", "ftp://localhost", "http://10.0.0.1", "http://localhost.evil", user]
        {
            match endpoint(&[(AWS_ENDPOINT_URL, bad)], "SSM") {
                Ok(endpoint) => assert!(bad.is_empty() && endpoint.is_none(), "{bad}"),
                Err(error) => assert!(!format!("{error:?}").contains("canary") && !error.hints().is_empty()),
            }
        }
    }
}
