//! What holds for every plan: real ones, and as many made ones as it takes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value as Json, json};

use crate::error::ErrorKind;
use crate::plan::verdict::tests::{both, entry, plan, plans};
use crate::plan::verdict::{Approval, ApprovalKey, Comparison, Verdict, compare};
use crate::plan::{Plan, PlanJson};

fn read(path: &str) -> Vec<u8> {
    let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn shared(name: &str) -> Vec<u8> {
    read(&format!("../shared/fixtures/plans/{name}.json"))
}

fn partial(name: &str) -> Vec<u8> {
    read(&format!("tests/fixtures/plans/partial-{name}.json"))
}

/// Every real plan.
fn all() -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["../../shared/fixtures/plans", "../tests/fixtures/plans"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        for file in files {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path, bytes));
            }
        }
    }
    assert!(found.len() >= 15, "{}", found.len());
    found.sort();
    found
}

fn sentences(comparison: &Comparison, address: &str) -> Vec<String> {
    let of = comparison.reasons.iter().filter(|reason| reason.address == address);
    of.map(|reason| reason.what.clone()).collect()
}

#[test]
fn a_real_replan_is_equal_and_one_with_another_attribute_names_it() {
    let approved = shared("tf1114-g03_mixed_update");
    let same = both(&approved, &shared("tf1114-g03b_replan_same"));
    assert_eq!((same.verdict, &same.reasons[..]), (Verdict::Equal, &[][..]));
    let other = both(&approved, &shared("tf1114-g03e_replan_attr_changed"));
    assert_eq!((other.verdict, other.reasons.len()), (Verdict::Wider, 1), "{other}");
    assert_eq!(other.reasons[0].what, "`input.flow_logs` becomes another value than approved");
    let foreign = both(&approved, &shared("tf1114-g07_replace_move_import_forget"));
    assert_eq!((foreign.verdict, foreign.reasons.len()), (Verdict::Unrelated, 1), "{foreign}");
}

#[test]
fn a_part_that_was_applied_leaves_the_approval_valid_and_a_vanished_replacement_does_not() {
    let approved = partial("approved");
    let of = |name| both(&approved, &partial(name));
    let app = of("app-applied");
    assert!(app.allows_apply() && app.verdict == Verdict::Narrower, "{app}");
    assert_eq!(sentences(&app, "terraform_data.app"), ["is replaced already"]);
    assert_eq!(sentences(&app, "terraform_data.new[0]"), ["`input` was unknown and is known now"]);
    let done = of("all-applied");
    assert!(done.allows_apply() && done.verdict == Verdict::Narrower, "{done}");
    let trap = of("trigger-applied");
    assert_eq!((trap.verdict, trap.allows_apply()), (Verdict::Narrower, false), "{trap}");
    let trapped: Vec<&str> = trap.traps().map(|reason| reason.address.as_str()).collect();
    assert_eq!(trapped, ["terraform_data.app"], "{trap}");
    assert!(!of("targeted").allows_apply());
    let password = of("other-password");
    assert_eq!((password.verdict, password.reasons.len()), (Verdict::Wider, 1), "{password}");
    assert_eq!(password.reasons[0].what, "`input.password` becomes another value than approved");
}

#[test]
fn what_is_kept_says_the_same_as_the_plan_for_all_pairs_of_real_plans() {
    let (all, key) = (all(), ApprovalKey::from_bytes([9; 32]));
    for (path, bytes) in &all {
        let approved = Plan::parse(bytes).unwrap();
        let approval = Approval::of(&approved, &key).unwrap();
        for (other, bytes) in &all {
            let replan = Plan::parse(bytes).unwrap();
            let comparison = compare(&approved, &replan).unwrap();
            assert_eq!(approval.compare(&replan, &key).unwrap(), comparison, "{path:?} {other:?}");
            if path == other {
                assert_eq!(
                    (comparison.verdict, &comparison.reasons[..]),
                    (Verdict::Equal, &[][..]),
                    "{path:?}"
                );
            }
        }
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn value(&mut self, depth: u64) -> Json {
        match self.roll(if depth == 0 { 4 } else { 7 }) {
            0 => json!(self.roll(1000)),
            1 => json!(format!("value-{}", self.roll(100_000))),
            2 => json!(self.roll(2) == 0),
            3 => json!(format!("{{\"b\": {}, \"a\": [1]}}", self.roll(9))),
            4 => Json::Array((0..self.roll(4)).map(|_| self.value(depth - 1)).collect()),
            _ => (0..self.roll(4))
                .map(|at| (format!("k{at}"), self.value(depth - 1)))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    fn attributes(&mut self) -> Map<String, Json> {
        (0..2 + self.roll(4)).map(|at| (format!("attribute{at}"), self.value(3))).collect()
    }

    /// A change, and what its resource is when it was carried out.
    fn change(&mut self, address: &str) -> (Json, Option<Json>) {
        let (mut before, mut after) = (self.attributes(), self.attributes());
        before.insert("id".into(), json!(format!("old-{address}")));
        before.insert("size".into(), json!("size-before"));
        after.insert("size".into(), json!("size-after"));
        let mut done = after.clone();
        let mut unknown = json!({"computed": true});
        done.insert("computed".into(), json!("computed-now"));
        if let Some(Json::Array(items)) = after.get("attribute0") {
            let mut shown = items.clone();
            shown.push(Json::Null);
            let mut filled = items.clone();
            filled.push(json!("item-now"));
            let marks: Vec<bool> = shown.iter().enumerate().map(|(at, _)| at + 1 == shown.len()).collect();
            unknown["attribute0"] = json!(marks);
            after.insert("attribute0".into(), shown.into());
            done.insert("attribute0".into(), filled.into());
        }
        let actions: &[&str] = match self.roll(6) {
            0 => &["create"],
            1 => &["delete"],
            2 => &["forget"],
            3 => &["delete", "create"],
            4 => &["create", "delete"],
            _ => &["update"],
        };
        let (before, after, unknown, done) = match actions {
            ["delete"] | ["forget"] => (before.into(), Json::Null, json!({}), None),
            ["update"] => {
                after.insert("id".into(), before["id"].clone());
                done.insert("id".into(), before["id"].clone());
                (before.into(), after.into(), unknown, Some(done))
            }
            _ => {
                unknown["id"] = json!(true);
                done.insert("id".into(), json!(format!("new-{address}")));
                let before = if actions == ["create"] { Json::Null } else { before.into() };
                (before, after.into(), unknown, Some(done))
            }
        };
        let mut change = entry(address, actions, before, after, unknown);
        if self.roll(3) == 0 {
            change["change"]["after_sensitive"] = json!({"attribute1": true});
            change["change"]["before_sensitive"] = json!({"attribute1": true});
        }
        let done = done.map(|done| entry(address, &["no-op"], done.clone().into(), done.into(), json!({})));
        (change, done)
    }
}

fn shuffle(dice: &mut Dice, items: &mut [Json]) {
    for at in (1..items.len()).rev() {
        items.swap(at, dice.roll(at as u64 + 1) as usize);
    }
}

#[test]
fn any_plan_equals_itself_however_it_is_written_and_applied_parts_are_never_wider() {
    let mut dice = Dice(88_172_645_463_325_252);
    for _ in 0..60 {
        let keep = entry("keep", &["no-op"], json!({}), json!({}), json!({}));
        let count = 1 + dice.roll(5);
        let (mut changes, mut left): (Vec<Json>, Vec<Json>) = (vec![keep.clone()], vec![keep]);
        for at in 0..count {
            let (change, done) = dice.change(&format!("r{at}"));
            match dice.roll(2) {
                0 => left.extend(done),
                _ => left.push(change.clone()),
            }
            changes.push(change);
        }
        let approved = plan(&changes);
        assert_eq!(plans(&approved, &approved).reasons, []);

        let mut shuffled = changes.clone();
        shuffle(&mut dice, &mut shuffled);
        shuffled.iter_mut().filter(|it| it["change"]["after"].is_object()).for_each(|it| {
            it["change"]["after"]["nothing"] = Json::Null;
        });
        let written = serde_json::to_vec_pretty(&plan(&shuffled)).unwrap();
        let same = both(approved.to_string().as_bytes(), &written);
        assert_eq!((same.verdict, &same.reasons[..]), (Verdict::Equal, &[][..]), "{approved}\n{same}");

        let part = plans(&approved, &plan(&left));
        assert!(part.allows_apply(), "{part}\n{approved}\n{}", plan(&left));

        let mut more = left.clone();
        more.push(dice.change("added").0);
        assert_eq!(plans(&approved, &plan(&more)).verdict, Verdict::Wider);

        let mut worse = changes.clone();
        let at = 1 + dice.roll(count) as usize;
        let is_delete = worse[at]["change"]["actions"] == json!(["delete"]);
        if is_delete {
            worse[at]["change"]["before"]["size"] = json!("size-other");
        } else {
            let before = json!({"id": "whatever", "size": "size-before"});
            worse[at] = entry(&format!("r{}", at - 1), &["delete"], before, Json::Null, json!({}));
        }
        assert_eq!(plans(&approved, &plan(&worse)).verdict, Verdict::Wider, "{approved}\n{}", plan(&worse));
        // Any two plans of one stack: `plans` holds what is kept against the plan itself.
        let other: Vec<Json> = (0..count).map(|at| dice.change(&format!("r{at}")).0).collect();
        plans(&approved, &plan(&other));
    }
}

#[test]
fn nothing_but_names_is_kept_in_clear() {
    fn keys(json: &Json, found: &mut BTreeSet<String>) {
        match json {
            Json::Array(items) => items.iter().for_each(|item| keys(item, found)),
            Json::Object(object) => object.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                keys(value, found);
            }),
            _ => {}
        }
    }
    fn texts(json: &Json, found: &mut BTreeSet<String>) {
        match json {
            Json::String(text) => _ = found.insert(text.clone()),
            Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Json::Object(object) => object.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                texts(value, found);
            }),
            _ => {}
        }
    }
    let key = ApprovalKey::from_bytes([5; 32]);
    let mut seen = 0;
    for (path, bytes) in all() {
        let json: Json = serde_json::from_slice(&bytes).unwrap();
        let approval = Approval::of(&Plan::parse(&bytes).unwrap(), &key).unwrap();
        let kept = serde_json::to_value(&approval).unwrap();
        assert!(kept.to_string().len() < bytes.len() / 2 + 4096, "{path:?} {}", kept.to_string().len());
        // Names of attributes and the words of the kept form itself.
        let words = "? ! members items hidden entries sample plan key digest outline changes from forced_by provider import \
            deposed reason terraform attributes refresh_only invocations deferred data pass fail error unknown sensitive \
            outputs checks status problems complete version address actions before after code providers \
            provisioners variables";
        let mut allowed: BTreeSet<String> = words.split_whitespace().map(str::to_owned).collect();
        keys(&json, &mut allowed);
        for list in ["resource_changes", "deferred_changes", "checks"] {
            for item in json[list].as_array().into_iter().flatten() {
                let names = [
                    &item["address"],
                    &item["previous_address"],
                    &item["provider_name"],
                    &item["action_reason"],
                    &item["deposed"],
                ];
                let more = [
                    &item["address"]["to_display"],
                    &item["change"]["actions"],
                    &item["change"]["replace_paths"],
                ];
                names.into_iter().chain(more).for_each(|json| texts(json, &mut allowed));
            }
        }
        allowed.insert(
            json["terraform_version"]
                .as_str()
                .unwrap_or_default()
                .rsplit_once('.')
                .unwrap_or_default()
                .0
                .into(),
        );
        let mut clear = BTreeSet::new();
        texts(&kept, &mut clear);
        for text in clear {
            let is_digest =
                text.starts_with("hmac-sha256:") || (text.len() == 22 && !text.contains(['.', '_', ' ']));
            seen += usize::from(is_digest);
            assert!(is_digest || allowed.contains(&text), "{path:?}: {text}");
        }
    }
    assert!(seen > 1000);
}

#[test]
fn keys_below_a_sensitive_mark_are_hidden_even_where_parts_are_unknown() {
    let mut change = entry(
        "x",
        &["create"],
        Json::Null,
        json!({"env": {"canary_key": {"canary_deep": "canary"}}, "list": [null, "canary"]}),
        json!({"env": {"canary_unknown": true}, "list": [true, false]}),
    );
    change["change"]["after_sensitive"] = json!({"env": true, "list": [false, true]});
    change["change"]["replace_paths"] = json!([["env", "canary_key"]]);
    let (text, key) = (plan(&[change]).to_string(), ApprovalKey::from_bytes([5; 32]));
    let approval = Approval::of(&Plan::parse(text.as_bytes()).unwrap(), &key).unwrap();
    let kept = serde_json::to_string(&approval).unwrap();
    assert!(!kept.contains("canary") && !format!("{approval:?} {approval}").contains("canary"), "{kept}");
}

#[test]
fn what_is_kept_can_be_neither_edited_nor_used_with_another_key() {
    let json = PlanJson::new(partial("approved")).unwrap();
    let (plan, key) = (json.plan().unwrap(), ApprovalKey::from_bytes([5; 32]));
    let approval = Approval::of(&plan, &key).unwrap();
    let kept = serde_json::to_string(&approval).unwrap();
    assert_eq!(Approval::parse(kept.as_bytes()).unwrap(), approval);
    let same = Approval::of(&plan, &key).unwrap();
    assert_eq!((same.digest(), approval.changes()), (approval.digest(), 7));

    let error = approval.compare(&plan, &ApprovalKey::from_bytes([6; 32])).unwrap_err();
    assert_eq!((error.kind(), error.hints().len()), (ErrorKind::Conflict, 2));
    let edits = [
        ("\"update\"", "\"delete\""),
        ("terraform_data.app", "terraform_data.apq"),
        ("\"entries\":", "\"entries\":1"),
        ("hmac-sha256:", "hmac-sha256:0"),
        ("\"?\"", "\"!\""),
    ];
    for (from, to) in edits {
        assert!(kept.contains(from), "{from}");
        let edited = Approval::parse(kept.replacen(from, to, 1).as_bytes()).unwrap();
        let error = edited.compare(&plan, &key).unwrap_err();
        assert_eq!((error.kind(), error.hints().len()), (ErrorKind::Invalid, 1), "{from}");
    }
    for cut in [0, 1, kept.len() / 2, kept.len() - 1] {
        assert!(Approval::parse(&kept.as_bytes()[..cut]).is_err());
    }
    let newer = kept.replacen("\"version\":1", "\"version\":2", 1);
    assert!(Approval::parse(newer.as_bytes()).unwrap_err().to_string().contains("a version"));
    let canary = Approval::parse(br#"{"version":1,"key":"canary"}"#).unwrap_err().report().to_string();
    assert!(!canary.contains("canary"), "{canary}");
    let nested = format!("{{\"plan\":{}", "[".repeat(100_000));
    assert!(Approval::parse(nested.as_bytes()).is_err());
}
