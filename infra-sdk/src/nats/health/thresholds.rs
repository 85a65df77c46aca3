//! What a stream's own metadata says is too much: the keys that `nats server check stream` reads.

use std::time::Duration;

use serde_json::Value;

use crate::health::State;

/// What the keys begin with (<https://github.com/nats-io/jsm.go/tree/main/monitor>).
const KEY: &str = "io.nats.monitor.";

/// What of a stream, as `$JS.API.STREAM.INFO` tells of it, is beyond what its metadata allows, and how bad that is. A value
/// that cannot be read is told, too.
pub(super) fn crossed(info: &Value) -> Vec<(State, String)> {
    let metadata = &info["config"]["metadata"];
    let named = |name: &str| metadata[format!("{KEY}{name}")].as_str();
    if named("enabled").is_some_and(|word| word == "false") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let amounts = [("msgs", &info["state"]["messages"]), ("subjects", &info["state"]["num_subjects"])];
    for (what, is) in amounts {
        let (warn, critical) = (format!("{what}-warn"), format!("{what}-critical"));
        let limits = [(State::Failed, &critical, named(&critical)), (State::Degraded, &warn, named(&warn))];
        // Where the critical number is the lower one, fewer is worse.
        let number = |limit: Option<&str>| {
            limit.and_then(|limit| limit.parse::<u64>().ok()).filter(|limit| *limit > 0)
        };
        let falls = matches!((number(limits[1].2), number(limits[0].2)), (Some(warn), Some(critical)) if critical < warn);
        let is = is.as_u64().unwrap_or_default();
        let beyond = |limit: u64| if falls { is <= limit } else { is >= limit };
        let hit = limits.iter().find_map(|(state, key, limit)| {
            let limit = number(*limit).filter(|limit| beyond(*limit))?;
            Some((*state, format!("{is} {what}, and {KEY}{key} is {limit}")))
        });
        found.extend(hit);
        found.extend(limits.iter().filter_map(|(_, key, limit)| unreadable::<u64>(key, *limit)));
    }
    let peers: Vec<&Value> = info["cluster"]["replicas"].as_array().into_iter().flatten().collect();
    let sources: Vec<&Value> = info["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .chain([&info["mirror"]].into_iter().filter(|mirror| mirror.is_object()))
        .collect();
    for (key, of, field) in [("lag-critical", &sources, "lag"), ("peer-lag-critical", &peers, "lag")] {
        let most = of.iter().filter_map(|one| one[field].as_u64()).max();
        let limit = named(key).and_then(|limit| limit.parse::<u64>().ok()).filter(|limit| *limit > 0);
        found.extend(
            limit
                .zip(most)
                .filter(|(limit, most)| most >= limit)
                .map(|(limit, most)| (State::Failed, format!("behind by {most}, and {KEY}{key} is {limit}"))),
        );
        found.extend(unreadable::<u64>(key, named(key)));
    }
    for (key, of) in [("seen-critical", &sources), ("peer-seen-critical", &peers)] {
        // Not heard of at all is written as -1.
        let longest = of
            .iter()
            .filter_map(|one| one["active"].as_i64())
            .map(|age| u64::try_from(age).unwrap_or(u64::MAX))
            .max();
        let limit = named(key)
            .and_then(|limit| humantime::parse_duration(limit).ok())
            .filter(|limit| !limit.is_zero());
        found.extend(
            limit.zip(longest).filter(|(limit, longest)| Duration::from_nanos(*longest) >= *limit).map(
                |(limit, _)| {
                    (
                        State::Failed,
                        format!(
                            "not heard of for longer than {KEY}{key}, {}",
                            humantime::format_duration(limit)
                        ),
                    )
                },
            ),
        );
        found.extend(unreadable::<humantime::Duration>(key, named(key)));
    }
    let expected =
        named("peer-expect").and_then(|count| count.parse::<usize>().ok()).filter(|count| *count > 0);
    let there = if info["cluster"].is_object() { peers.len() + 1 } else { 1 };
    found.extend(expected.filter(|expected| *expected != there).map(|expected| {
        (State::Failed, format!("{there} servers keep it, and {KEY}peer-expect is {expected}"))
    }));
    found.extend(unreadable::<usize>("peer-expect", named("peer-expect")));
    found
}

fn unreadable<T: std::str::FromStr>(key: &str, value: Option<&str>) -> Option<(State, String)> {
    let value = value.filter(|value| value.parse::<T>().is_err())?;
    Some((State::Degraded, format!("{KEY}{key} is {}, which cannot be read", crate::names::quoted(value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn states(metadata: &[(&str, &str)]) -> Vec<State> {
        let metadata: serde_json::Map<String, Value> =
            metadata.iter().map(|(key, value)| (format!("{KEY}{key}"), json!(value))).collect();
        let info = json!({
            "config": { "metadata": metadata },
            "state": { "messages": 50, "num_subjects": 3 },
            "cluster": { "leader": "n0", "replicas": [
                { "name": "n1", "lag": 7, "active": 2_000_000_000_u64 }, { "name": "n2", "lag": 0, "active": -1 },
            ]},
            "mirror": { "name": "x", "lag": 20, "active": 1_000_000 },
        });
        crossed(&info).into_iter().map(|(state, _)| state).collect()
    }

    #[test]
    fn numbers_of_the_metadata_are_held_against_what_is() {
        for (metadata, expected) in [
            (&[][..], &[][..]),
            (&[("msgs-warn", "40"), ("msgs-critical", "60")][..], &[State::Degraded][..]),
            (&[("msgs-warn", "40"), ("msgs-critical", "50")], &[State::Failed]),
            (&[("msgs-warn", "90"), ("msgs-critical", "10")], &[State::Degraded]),
            (&[("msgs-warn", "40"), ("msgs-critical", "10")], &[]),
            (&[("subjects-critical", "3")], &[State::Failed]),
            (&[("lag-critical", "20")], &[State::Failed]),
            (&[("lag-critical", "21"), ("peer-lag-critical", "8")], &[]),
            (&[("peer-seen-critical", "5s")], &[State::Failed]),
            (&[("seen-critical", "5s")], &[]),
            (&[("peer-expect", "3")], &[]),
            (&[("peer-expect", "5")], &[State::Failed]),
            (&[("msgs-warn", "many")], &[State::Degraded]),
            (&[("msgs-critical", "1"), ("enabled", "false")], &[]),
        ] {
            assert_eq!(states(metadata), expected, "{metadata:?}");
        }
    }
}
