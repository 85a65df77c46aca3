//! Rules of security groups: which ports are open to the world.

use crate::plan::json::{Mark, Value};
use crate::plan::judge::exposure::Exposure;

/// Ports that are there for everybody.
const WEB: [i64; 2] = [80, 443];

/// The rules that stand inside a group.
pub(super) fn group(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    let rules = value.get("ingress").and_then(Value::as_array).unwrap_or_default();
    rules.iter().flat_map(|rule| opened(rule, "protocol", &["cidr_blocks", "ipv6_cidr_blocks"])).collect()
}

/// One rule of its own, of either direction.
pub(super) fn rule(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    if value.get("type").and_then(Value::as_str) != Some("ingress") {
        return Vec::new();
    }
    opened(value, "protocol", &["cidr_blocks", "ipv6_cidr_blocks"])
}

/// One rule of the newer kind.
pub(super) fn ingress_rule(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    opened(value, "ip_protocol", &["cidr_ipv4", "cidr_ipv6"])
}

fn opened(rule: &Value<'_>, protocol: &str, ranges: &[&str]) -> Vec<Exposure> {
    let protocol = rule.get(protocol).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let port = |key: &str| match rule.get(key) {
        Some(Value::Number(number)) => number.as_str().parse::<i64>().ok(),
        _ => None,
    };
    let ports = match (protocol.as_str(), port("from_port"), port("to_port")) {
        // Answers to pings are how a network is looked after.
        ("icmp" | "icmpv6" | "1" | "58", ..) => return Vec::new(),
        ("-1" | "all", ..) => "every port".to_owned(),
        (_, Some(from), Some(to)) if from == to && WEB.contains(&from) => return Vec::new(),
        (_, Some(from), Some(to)) if from == to => format!("port {from}"),
        (_, Some(0), Some(65_535)) => "every port".to_owned(),
        (_, Some(from), Some(to)) => format!("ports {from} to {to}"),
        // What is not known yet is no finding.
        _ => return Vec::new(),
    };
    let texts = ranges.iter().filter_map(|key| rule.get(key)).flat_map(|value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text.as_ref()],
        _ => Vec::new(),
    });
    let world: Vec<&str> = texts.filter(|range| is_world(range)).collect();
    world.into_iter().map(|range| Exposure::new(format!("open to {range}: {ports}"))).collect()
}

/// Whether a range of addresses is so wide that it means everybody: a half of all addresses is as open as all.
pub(super) fn is_world(range: &str) -> bool {
    let Some((address, length)) = range.trim().split_once('/') else { return false };
    let Ok(length) = length.parse::<u8>() else { return false };
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => length < 8,
        // fc00::/7 are the private ones.
        Ok(std::net::IpAddr::V6(address)) => length < 16 && address.segments()[0] & 0xfe00 != 0xfc00,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_all_addresses_and_the_halves_of_them() {
        for range in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "2000::/3", " 0.0.0.0/0 "] {
            assert!(is_world(range), "{range}");
        }
        for range in [
            "10.0.0.0/8",
            "203.0.113.7/32",
            "fc00::/7",
            "fd00::/8",
            "0.0.0.0",
            "x/0",
            "",
            "::1/128",
            "1.2.3.4/300",
        ] {
            assert!(!is_world(range), "{range}");
        }
    }
}
