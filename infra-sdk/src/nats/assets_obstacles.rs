//! What of a stream or bucket stands in the way: what it keeps for its whole life, and what makes it of no use.

use serde_json::{Value, json};

use crate::events::Obstacle;
use crate::nats::assets::{Asset, Rule};
use crate::nats::assets_plan::{Config, shown};

/// What of an asset that is there cannot be changed.
pub(super) fn obstacles(asset: &Asset, config: &Config) -> Vec<Obstacle> {
    let made = |what: String, next: String| Obstacle { asset: asset.label.clone(), what, next };
    let mut found = Vec::new();
    for want in asset.wants.iter().filter(|want| want.rule == Rule::Fixed) {
        let is = config.get(want.name).unwrap_or(&Value::Null);
        if !want.is_met(Some(is)) {
            let (name, is, wanted) = (want.name, shown(want.name, is), shown(want.name, &want.value));
            found.push(made(
                format!("its {name} is {is} and should be {wanted}, which a stream keeps for its whole life"),
                format!(
                    "save what is in it with `nats stream backup {stream} DIR`, delete it, and run this again",
                    stream = asset.stream
                ),
            ));
        }
    }
    if config.get("sealed") == Some(&Value::Bool(true)) {
        let next = format!("delete the stream {} once nobody needs what is in it", asset.stream);
        found.push(made("it is sealed and takes nothing any more".into(), next));
    }
    if config.get("mirror").is_some_and(|mirror| !mirror.is_null()) {
        let next = "connect to the account of the stream that it mirrors".to_owned();
        found.push(made("it is a mirror, which takes nothing itself".into(), next));
    }
    if config.get("subject_transform").is_some_and(|transform| !transform.is_null()) {
        let next = format!("take its subject_transform away, with `nats stream edit {}`", asset.stream);
        found.push(made("it keeps messages under other subjects than they are sent to".into(), next));
    }
    let rolls_up = asset.wants.iter().any(|want| want.name == "allow_rollup_hdrs");
    if rolls_up && config.get("deny_purge") == Some(&Value::Bool(true)) {
        let next = format!("save what is in it, delete the stream {}, and run this again", asset.stream);
        found.push(made(
            "it denies purges, which deleting a key needs, and keeps that for its whole life".into(),
            next,
        ));
    }
    let wanted =
        asset.wants.iter().find(|want| want.name == "subjects").and_then(|want| want.value.as_array());
    let subjects = config.get("subjects").and_then(Value::as_array).into_iter().flatten();
    for subject in subjects {
        if wanted.is_some_and(|wanted| wanted.iter().any(|own| own != subject && covers(subject, own))) {
            let next =
                format!("leave the stream {} only its own subjects, with `nats stream edit`", asset.stream);
            found.push(made(format!("{WIDER}{} takes what is other streams'", shown("", subject)), next));
        }
    }
    found
}

/// Whether nothing useful comes of an asset as long as an obstacle stands: what is sent is refused, lost or kept elsewhere.
pub(super) fn is_blocked(asset: &Asset, config: &Config) -> bool {
    let is_on = |name: &str| config.get(name).is_some_and(|value| *value == json!(true));
    let is_set = |name: &str| config.get(name).is_some_and(|value| !value.is_null());
    let other_retention =
        asset.wants.iter().any(|want| want.name == "retention" && !want.is_met(config.get("retention")));
    let too_small =
        asset.wants.iter().any(|want| want.rule == Rule::Roomy && !want.is_met(config.get(want.name)));
    is_on("sealed")
        || is_on("no_ack")
        || is_set("mirror")
        || is_set("subject_transform")
        || other_retention
        || too_small
}

/// Whether the server refuses to correct a stream as long as its obstacles stand.
pub(super) fn refuses_changes(asset: &Asset, config: &Config) -> bool {
    let is_set =
        |name: &str| config.get(name).is_some_and(|value| !value.is_null() && *value != json!(false));
    let rolls_up = asset.wants.iter().any(|want| want.name == "allow_rollup_hdrs");
    let wider = obstacles(asset, config).iter().any(|found| found.what.starts_with(WIDER));
    is_set("mirror") || is_set("sealed") || wider || rolls_up && is_set("deny_purge")
}

/// How the obstacle begins that a stream takes what is other streams'.
const WIDER: &str = "its subject ";

/// Whether every subject that the second pattern means is meant by the first, too.
pub(super) fn covers(wide: &Value, narrow: &Value) -> bool {
    let (Some(wide), Some(narrow)) = (wide.as_str(), narrow.as_str()) else { return false };
    let mut narrow = narrow.split('.');
    for token in wide.split('.') {
        match (token, narrow.next()) {
            (">", Some(_)) => return true,
            ("*", Some(other)) if other != ">" => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    narrow.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::assets::{Wishes, wanted};
    use crate::nats::assets_plan::tests::{events, with};
    use crate::nats::assets_plan::{birth, step};

    #[test]
    fn a_stream_that_loses_or_refuses_what_is_sent_is_blocked() {
        for (name, value) in [
            ("no_ack", json!(true)),
            ("max_msg_size", json!(10)),
            ("subject_transform", json!({ "src": "a", "dest": "b" })),
            ("retention", json!("interest")),
            ("mirror", json!({ "name": "x" })),
            ("sealed", json!(true)),
        ] {
            let config = with(name, value);
            assert!(is_blocked(&events(), &config), "{name}");
            let told = step(&events(), Some(&config)).is_some() || !obstacles(&events(), &config).is_empty();
            assert!(told, "{name} is told with a way out");
        }
        for (name, value) in
            [("max_msg_size", json!(2 << 20)), ("max_age", json!(1)), ("storage", json!("memory"))]
        {
            assert!(!is_blocked(&events(), &with(name, value)), "{name}");
        }
        assert_eq!(step(&events(), Some(&with("max_msg_size", json!(2 << 20)))), None, "a roomy limit stays");
    }

    #[test]
    fn a_narrower_subject_gives_way_and_a_wider_one_stands_in_it() {
        let subjects = |list: &[&str]| with("subjects", json!(list));
        let merged =
            |list: &[&str]| step(&events(), Some(&subjects(list))).unwrap().settings[0].wanted.clone();
        assert_eq!(merged(&["infra.v1.evt.acme.>", "other.*"]), "other.*, infra.v1.evt.>");
        for wide in ["infra.>", "infra.*.evt.>", ">"] {
            let found = obstacles(&events(), &subjects(&[wide]));
            assert!(found[0].what.contains(wide), "{found:?}");
        }
        for (wide, narrow, covered) in [
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a.>", false),
            ("a.*.c", "a.b", false),
            ("a.b", "a.b", true),
        ] {
            assert_eq!(covers(&json!(wide), &json!(narrow)), covered, "{wide} {narrow}");
        }
    }

    #[test]
    fn what_the_server_would_refuse_is_not_tried() {
        let bucket = wanted(Wishes { replicas: None, ledger: false }, false).remove(2);
        let mut config = birth(&bucket);
        config.insert("deny_purge".into(), json!(true));
        config.insert("discard".into(), json!("old"));
        assert!(step(&bucket, Some(&config)).is_some() && refuses_changes(&bucket, &config));
        assert!(obstacles(&bucket, &config)[0].what.contains("denies purges"));
        assert!(!refuses_changes(&events(), &with("max_age", json!(1))));
    }
}
