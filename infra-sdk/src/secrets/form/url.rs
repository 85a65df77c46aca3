//! Absolute URLs: a scheme, and a host where the scheme asks for one.

use super::check::Flaw;
use super::text::empty;

/// Schemes that say nothing without a host, and so are never meant without `//`.
const WITH_HOST: &[&str] = &[
    "http",
    "https",
    "ws",
    "wss",
    "ftp",
    "ftps",
    "sftp",
    "ssh",
    "amqp",
    "amqps",
    "redis",
    "rediss",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "mongodb+srv",
    "nats",
    "kafka",
    "mqtt",
    "mqtts",
    "smtp",
    "smtps",
    "ldap",
    "ldaps",
    "s3",
    "grpc",
    "clickhouse",
    "tcp",
];

/// Schemes whose `//` may have nothing behind it.
const WITHOUT_HOST: &[&str] = &["file", "sqlite", "sqlite3", "unix"];

pub(super) fn flaw(value: &str) -> Option<Flaw> {
    if value.is_empty() {
        return Some(empty());
    }
    if let Some(at) = value.find(|c: char| c.is_whitespace() || c.is_control()) {
        let hint = "write blanks as `%20`, and nothing around the URL";
        return Some(Flaw::new("a blank or control character", hint).at(value, at));
    }
    let hint = "write the whole URL, from its scheme on, such as `https://example.com`";
    let Some((scheme, rest)) = value.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Some(Flaw::new("no scheme such as `https:`", hint).at(value, 0));
    };
    let scheme = scheme.to_ascii_lowercase();
    let behind = value.len() - rest.len();
    match rest.strip_prefix("//") {
        Some(rest) => authority_flaw(value, &scheme, rest),
        None if rest.is_empty() => Some(Flaw::new("nothing behind the scheme", hint).at(value, behind)),
        None if WITH_HOST.contains(&scheme.as_str()) => {
            Some(Flaw::new("no `//` and host behind the scheme", hint).at(value, behind))
        }
        None => None,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn authority_flaw(value: &str, scheme: &str, rest: &str) -> Option<Flaw> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let at = value.len() - path.len() - hosts.len();
    // libpq takes the folder of a socket from the query instead.
    let in_query = scheme.starts_with("postgres") && path.contains("host=");
    if hosts.is_empty() && (WITHOUT_HOST.contains(&scheme) || in_query) {
        return None;
    }
    let mut start = at;
    // Clusters are written as one URL with several hosts.
    for host in hosts.split(',') {
        if let Some(flaw) = host_flaw(value, start, host) {
            return Some(flaw);
        }
        start += host.len() + 1;
    }
    None
}

fn host_flaw(value: &str, at: usize, text: &str) -> Option<Flaw> {
    let encode = "write `/ ? # @ :` in a user name or password as `%2F %3F %23 %40 %3A`";
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let Some((_, after)) = inner.split_once(']') else {
                let hint = "close the bracket around the IPv6 address";
                return Some(Flaw::new("the address has no closing bracket", hint).at(value, at));
            };
            (&text[..text.len() - after.len()], after.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Some(Flaw::new("no host", "write the host behind `//`").at(value, at));
    }
    let port = port.filter(|port| !port.is_empty())?;
    let number = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let wrong = Flaw::new("the port is not a number up to 65535", encode);
    (!number).then(|| wrong.at(value, at + text.len() - port.len()))
}
