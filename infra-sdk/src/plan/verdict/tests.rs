//! Each rule, by small plans that differ in one thing.

use serde_json::{Value as Json, json};

use crate::plan::Plan;
use crate::plan::verdict::{Approval, ApprovalKey, Comparison, Verdict, compare};

/// The plan with these entries of `resource_changes`.
pub(super) fn plan(resources: &[Json]) -> Json {
    json!({"format_version": "1.2", "terraform_version": "1.11.4", "complete": true, "resource_changes": resources})
}

/// An entry.
pub(super) fn entry(address: &str, actions: &[&str], before: Json, after: Json, unknown: Json) -> Json {
    json!({"address": address, "mode": "managed", "type": "t", "name": "n", "change":
        {"actions": actions, "before": before, "after": after, "after_unknown": unknown}})
}

pub(super) fn create(address: &str, after: Json, unknown: Json) -> Json {
    entry(address, &["create"], Json::Null, after, unknown)
}

pub(super) fn update(address: &str, before: Json, after: Json, unknown: Json) -> Json {
    entry(address, &["update"], before, after, unknown)
}

pub(super) fn delete(address: &str, before: Json) -> Json {
    entry(address, &["delete"], before, Json::Null, json!({}))
}

pub(super) fn replace(address: &str, before: Json, after: Json, unknown: Json) -> Json {
    entry(address, &["delete", "create"], before, after, unknown)
}

pub(super) fn stays(address: &str, values: Json) -> Json {
    entry(address, &["no-op"], values.clone(), values, json!({}))
}

/// `json` with more members in the entry.
pub(super) fn with(mut json: Json, more: Json) -> Json {
    merge(&mut json, more);
    json
}

fn merge(json: &mut Json, more: Json) {
    match (json, more) {
        (Json::Object(all), Json::Object(more)) => {
            more.into_iter().for_each(|(key, value)| merge(all.entry(key).or_insert(Json::Null), value));
        }
        (json, more) => *json = more,
    }
}

/// Compares in memory and by what is kept, which must say the same.
pub(super) fn both(a: &[u8], b: &[u8]) -> Comparison {
    let key = ApprovalKey::from_bytes([3; 32]);
    let (a, b) = (Plan::parse(a).unwrap(), Plan::parse(b).unwrap());
    let comparison = compare(&a, &b).unwrap();
    let kept = serde_json::to_vec(&Approval::of(&a, &key).unwrap()).unwrap();
    assert_eq!(Approval::parse(&kept).unwrap().compare(&b, &key).unwrap(), comparison);
    comparison
}

pub(super) fn plans(a: &Json, b: &Json) -> Comparison {
    both(a.to_string().as_bytes(), b.to_string().as_bytes())
}

/// The verdict and one line for each reason. `keep` stands in both plans: no two are of different stacks.
pub(super) fn verdict(a: &[Json], b: &[Json]) -> (Verdict, Vec<String>) {
    let keep = || stays("keep", json!({}));
    let of = |resources: &[Json]| plan(&[resources, &[keep()]].concat());
    lines(&plans(&of(a), &of(b)))
}

pub(super) fn lines(comparison: &Comparison) -> (Verdict, Vec<String>) {
    let line = |reason: &crate::plan::verdict::Reason| {
        format!("{}{}: {}", if reason.trap { "trap " } else { "" }, reason.address, reason.what)
    };
    (comparison.verdict, comparison.reasons.iter().map(line).collect())
}

/// Checks a table of approved entry, entry of the re-plan, verdict, and a part of the only reason (`""`: of none).
pub(super) fn check(table: &[(Option<Json>, Option<Json>, Verdict, &str)]) {
    for (a, b, expected, part) in table {
        let (verdict, reasons) = verdict(a.as_slice(), b.as_slice());
        let context = format!("{a:?}\n{b:?}\n{reasons:#?}");
        assert_eq!(verdict, *expected, "{context}");
        assert_eq!(reasons.len(), usize::from(!part.is_empty()), "{context}");
        assert!(reasons.iter().all(|reason| reason.contains(part)), "{part}\n{context}");
    }
}

#[test]
fn what_is_new_was_approved_by_nobody() {
    let v = || json!({"v": 1});
    for (b, part) in [
        (create("x", v(), json!({})), "x: is created, which nobody approved"),
        (update("x", v(), json!({"v": 2}), json!({})), "is changed, which"),
        (delete("x", v()), "is destroyed, which"),
        (replace("x", v(), v(), json!({"id": true})), "is destroyed and created anew, which"),
        (entry("x", &["forget"], v(), Json::Null, json!({})), "is no longer managed, which"),
        (entry("x", &["polish"], v(), v(), json!({})), "this version does not know, which"),
        (with(stays("x", v()), json!({"previous_address": "y"})), "is moved, which"),
        (with(stays("x", v()), json!({"change": {"importing": {"id": "i"}}})), "is imported, which"),
        (with(delete("x", v()), json!({"deposed": "00"})), "has an old object that is destroyed, which"),
    ] {
        check(&[
            (None, Some(b.clone()), Verdict::Wider, part),
            (Some(stays("x", v())), Some(b), Verdict::Wider, part),
        ]);
    }
}

#[test]
fn attributes_are_compared_one_by_one() {
    let none = || json!({});
    let a = || {
        update(
            "x",
            json!({"id": "i", "v": 1, "w": 1}),
            json!({"id": "i", "v": 2, "w": 1}),
            json!({"u": true}),
        )
    };
    let b = |before, after, unknown| Some(update("x", before, after, unknown));
    let before = || json!({"id": "i", "v": 1, "w": 1});
    check(&[
        (
            Some(a()),
            b(before(), json!({"id": "i", "v": 2.0, "w": 1, "n": null}), json!({"u": true})),
            Verdict::Equal,
            "",
        ),
        (
            Some(a()),
            b(before(), json!({"id": "i", "v": 3, "w": 1}), json!({"u": true})),
            Verdict::Wider,
            "x: `v` becomes another",
        ),
        (
            Some(a()),
            b(before(), json!({"id": "i", "v": 2, "w": 1, "u": "now"}), none()),
            Verdict::Resolved,
            "`u` was unknown",
        ),
        (
            Some(a()),
            b(before(), json!({"id": "i", "w": 1}), json!({"u": true, "v": true})),
            Verdict::Wider,
            "`v` is not known",
        ),
        (
            Some(a()),
            b(before(), json!({"id": "i", "v": 2, "w": 2}), json!({"u": true})),
            Verdict::Wider,
            "`w` changes, which was not to",
        ),
        (
            Some(a()),
            b(before(), json!({"id": "i", "v": 2, "w": 1, "z": 0}), json!({"u": true})),
            Verdict::Wider,
            "`z` is set, which was not",
        ),
        (
            Some(a()),
            b(before(), json!({"id": "i", "v": 2}), json!({"u": true})),
            Verdict::Wider,
            "`w` is not set any more",
        ),
        // What was there before.
        (
            Some(a()),
            b(json!({"id": "i", "v": 2, "w": 1}), json!({"id": "i", "v": 2, "w": 1}), json!({"u": true})),
            Verdict::Narrower,
            "`v` is already what",
        ),
        (
            Some(a()),
            b(json!({"id": "i", "v": 9, "w": 1}), json!({"id": "i", "v": 2, "w": 1}), json!({"u": true})),
            Verdict::Wider,
            "`v` is not what it was",
        ),
        (
            Some(a()),
            b(json!({"id": "j", "v": 1, "w": 1}), json!({"id": "j", "v": 2, "w": 1}), json!({"u": true})),
            Verdict::Wider,
            "`id` is not what it was",
        ),
        (
            Some(delete("x", before())),
            Some(delete("x", json!({"id": "i", "v": 1, "w": 5}))),
            Verdict::Wider,
            "`w` is not what it was",
        ),
    ]);
}

#[test]
fn differences_are_named_down_to_the_part_and_texts_are_compared_by_meaning() {
    let of = |policy: &str, port: u16| {
        Some(update(
            "x",
            json!({"rule": [{"port": 1, "tags": {"a.b": 1}}], "policy": "{}"}),
            json!({"rule": [{"port": port, "tags": {"a.b": port}}], "policy": policy}),
            json!({}),
        ))
    };
    let (policy, written) = (
        r#"{"Statement":[{"Effect":"Allow","Action":["a:B"]}]}"#,
        "{ \"Statement\": {\"Action\": \"a:b\", \"Effect\": \"Allow\"} }",
    );
    check(&[(of(policy, 2), of(written, 2), Verdict::Equal, "")]);
    let (_, reasons) = verdict(of(policy, 2).as_slice(), of(policy, 3).as_slice());
    let named = ["`rule[0].port`", "`rule[0].tags[\"a.b\"]`"];
    assert_eq!(reasons, named.map(|path| format!("x: {path} becomes another value than approved")));
}

#[test]
fn a_point_in_time_that_nobody_sets_is_no_difference_and_one_that_is_set_is() {
    let at = |minute: u8| format!("2026-11-20T09:{minute:02}:14Z");
    let of =
        |minute| update("x", json!({"v": 1, "at": at(minute)}), json!({"v": 2, "at": at(minute)}), json!({}));
    let gone = |minute| delete("x", json!({"at": at(minute)}));
    let set = |from, to| update("x", json!({"at": at(from)}), json!({"at": at(to)}), json!({}));
    check(&[
        (Some(of(1)), Some(of(2)), Verdict::Equal, "`at` is another point in time"),
        (Some(gone(1)), Some(gone(2)), Verdict::Equal, "`at` is another point in time"),
        (Some(set(1, 2)), Some(set(1, 3)), Verdict::Wider, "`at` becomes another value"),
        (Some(set(1, 9)), Some(set(2, 9)), Verdict::Wider, "`at` is not what it was"),
    ]);
}

#[test]
fn another_action_is_wider_unless_it_is_a_part_of_the_approved_one() {
    let (v, w, id) = (|| json!({"id": "i", "v": 1}), || json!({"v": 2}), || json!({"id": true}));
    let order = |actions: &[&str]| Some(entry("x", actions, v(), w(), id()));
    let (destroy_first, create_first) = (|| order(&["delete", "create"]), || order(&["create", "delete"]));
    let because = |json: Option<Json>, why: &str| json.map(|json| with(json, json!({"action_reason": why})));
    let tainted = "replace_because_tainted";
    check(&[
        (destroy_first(), create_first(), Verdict::Narrower, "created before the old one"),
        (create_first(), destroy_first(), Verdict::Wider, "destroyed before the new one"),
        (destroy_first(), Some(create("x", w(), id())), Verdict::Narrower, "the old one is gone already"),
        (create_first(), Some(create("x", w(), id())), Verdict::Narrower, "the old one is gone already"),
        (
            destroy_first(),
            Some(delete("x", v())),
            Verdict::Wider,
            "to destroy it, and approved was to replace",
        ),
        (
            Some(update("x", v(), w(), json!({}))),
            destroy_first(),
            Verdict::Wider,
            "to replace it, and approved was to update",
        ),
        (
            Some(update("x", v(), w(), json!({}))),
            Some(create("x", w(), id())),
            Verdict::Wider,
            "to create it",
        ),
        (Some(delete("x", v())), Some(create("x", w(), id())), Verdict::Wider, "to create it"),
        (
            Some(delete("x", v())),
            Some(entry("x", &["forget"], v(), Json::Null, json!({}))),
            Verdict::Narrower,
            "trap x: the plan is only to forget",
        ),
        (
            Some(create("x", w(), id())),
            because(destroy_first(), tainted),
            Verdict::Wider,
            "interrupted apply left it damaged",
        ),
        (because(destroy_first(), "a"), because(destroy_first(), "b"), Verdict::Equal, "for another reason"),
        (because(destroy_first(), "a"), because(destroy_first(), tainted), Verdict::Wider, "left it damaged"),
    ]);
    let in_place = update("x", v(), json!({"id": "i", "v": 2}), json!({}));
    let (verdict, reasons) = verdict(destroy_first().as_slice(), &[in_place]);
    assert_eq!(verdict, Verdict::Narrower);
    assert!(reasons[0].starts_with("trap x: is changed in place rather than replaced"), "{reasons:?}");
}

#[test]
fn what_forces_a_replacement_is_compared() {
    let of = |paths: Json| {
        let change = json!({"replace_paths": paths, "before_sensitive": {"s": true}});
        Some(with(
            replace("x", json!({"a": [1], "s": {"k": 1}}), json!({"a": [2], "s": {"k": 2}}), json!({})),
            json!({"change": change}),
        ))
    };
    check(&[
        (
            of(json!([["a", 0]])),
            of(json!([["a", 0], ["s", "k"]])),
            Verdict::Wider,
            "`s` forces its replacement, too",
        ),
        (
            of(json!([["a", 0], ["s", "k"]])),
            of(json!([["s", "k"]])),
            Verdict::Narrower,
            "`a[0]` does not force",
        ),
        (of(json!([["a"], ["s"]])), of(json!([["s"], ["a"]])), Verdict::Equal, ""),
    ]);
}

#[test]
fn an_approved_change_that_is_gone_was_carried_out_or_is_a_trap() {
    let (v, w, id) = (|| json!({"id": "i", "v": 1}), || json!({"id": "i", "v": 2}), || json!({"id": true}));
    let new = || stays("x", json!({"id": "j", "v": 2}));
    let trap = "trap x: ";
    check(&[
        (Some(create("x", json!({"v": 2}), id())), Some(new()), Verdict::Narrower, "is created already"),
        (Some(create("x", json!({"v": 2}), id())), None, Verdict::Narrower, trap),
        (Some(create("x", json!({"v": 2}), id())), Some(stays("x", v())), Verdict::Narrower, trap),
        (
            Some(update("x", v(), w(), json!({}))),
            Some(stays("x", w())),
            Verdict::Narrower,
            "is changed already",
        ),
        (Some(update("x", v(), w(), json!({}))), Some(stays("x", v())), Verdict::Narrower, trap),
        (
            Some(update("x", v(), json!({"id": "i"}), json!({}))),
            Some(stays("x", v())),
            Verdict::Narrower,
            trap,
        ),
        (
            Some(update("x", v(), json!({"id": "i"}), json!({}))),
            Some(stays("x", json!({"id": "i"}))),
            Verdict::Narrower,
            "is changed already",
        ),
        (
            Some(update("x", v(), json!({"id": "i"}), json!({"v": true}))),
            Some(stays("x", v())),
            Verdict::Narrower,
            "what it waited for is known",
        ),
        (Some(delete("x", v())), None, Verdict::Narrower, "is destroyed already"),
        (Some(delete("x", v())), Some(stays("x", v())), Verdict::Narrower, trap),
        (
            Some(entry("x", &["forget"], v(), Json::Null, json!({}))),
            None,
            Verdict::Narrower,
            "not managed any more",
        ),
        (
            Some(replace("x", v(), json!({"v": 1}), id())),
            Some(stays("x", json!({"id": "j", "v": 1}))),
            Verdict::Narrower,
            "is replaced already",
        ),
        (
            Some(replace("x", v(), json!({"v": 1}), id())),
            Some(stays("x", v())),
            Verdict::Narrower,
            "applied alone",
        ),
        (Some(replace("x", v(), json!({"v": 2}), id())), Some(stays("x", w())), Verdict::Narrower, trap),
        (
            Some(replace("x", v(), json!({"v": 2}), id())),
            Some(stays("x", json!({"id": "j", "v": 1}))),
            Verdict::Narrower,
            trap,
        ),
        (Some(replace("x", v(), json!({"v": 1}), id())), None, Verdict::Narrower, trap),
        (Some(entry("x", &["polish"], v(), v(), json!({}))), Some(stays("x", v())), Verdict::Narrower, trap),
    ]);
    let forced =
        with(replace("x", v(), json!({"v": 2}), id()), json!({"change": {"replace_paths": [["v"]]}}));
    check(&[(Some(forced), Some(stays("x", w())), Verdict::Narrower, "is replaced already")]);
    let read =
        with(entry("x", &["read"], Json::Null, json!({}), json!({"v": true})), json!({"mode": "data"}));
    check(&[(Some(read), None, Verdict::Resolved, "is known now")]);
}

#[test]
fn an_interrupted_replacement_leaves_only_its_old_half_to_be_destroyed() {
    let old = || json!({"id": "i", "v": 1});
    let a = entry("x", &["create", "delete"], old(), json!({"v": 2}), json!({"id": true}));
    let half = |values| with(delete("x", values), json!({"deposed": "00aa"}));
    let new = stays("x", json!({"id": "j", "v": 2}));
    let (narrower, reasons) = verdict(std::slice::from_ref(&a), &[new.clone(), half(old())]);
    assert_eq!((narrower, reasons.len()), (Verdict::Narrower, 2), "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.starts_with("trap")), "{reasons:?}");
    let other = half(json!({"id": "other", "v": 1}));
    assert_eq!(verdict(&[a], &[new, other]).0, Verdict::Wider);
}

#[test]
fn moves_are_followed_and_imports_compared() {
    let v = || json!({"id": "i", "v": 1});
    let moved = |json| with(json, json!({"previous_address": "x"}));
    let import = |id: Json| Some(with(stays("x", v()), json!({"change": {"importing": id}})));
    check(&[
        (Some(moved(stays("y", v()))), Some(stays("y", v())), Verdict::Narrower, "y: is moved already"),
        (
            Some(moved(stays("y", v()))),
            Some(stays("x", v())),
            Verdict::Narrower,
            "trap x: its move has vanished",
        ),
        (Some(moved(stays("y", v()))), None, Verdict::Narrower, "trap y: its move has vanished"),
        (Some(delete("x", v())), Some(moved(delete("y", v()))), Verdict::Wider, "y: is moved, which"),
        (Some(moved(delete("y", v()))), None, Verdict::Narrower, "is destroyed already"),
        (import(json!({"id": "i"})), import(json!({"id": "i"})), Verdict::Equal, ""),
        (
            import(json!({"id": "i"})),
            import(json!({"id": "j"})),
            Verdict::Wider,
            "something else is imported",
        ),
        (
            import(json!({"unknown": true})),
            import(json!({"id": "j"})),
            Verdict::Resolved,
            "what is imported was unknown",
        ),
        (import(json!({"id": "i"})), Some(stays("x", v())), Verdict::Narrower, "is imported already"),
        (
            import(json!({"id": "i"})),
            Some(create("x", json!({"v": 1}), json!({}))),
            Verdict::Wider,
            "is created, which",
        ),
    ]);
    let other = |name: &str| Some(with(delete("x", v()), json!({"provider_name": name})));
    check(&[(other("a/b"), other("c/b"), Verdict::Wider, "another provider")]);
}

#[test]
fn sensitive_values_are_compared_and_a_lost_mark_is_told() {
    let of = |value: &str, before: Json, after: Json| {
        let marks = json!({"change": {"before_sensitive": before, "after_sensitive": after}});
        let values = |value: &str| json!({"env": {"a": 1, "key": value}});
        Some(with(update("x", values("old"), values(value), json!({})), marks))
    };
    let mark = || json!({"env": {"key": true}});
    check(&[
        (of("one", mark(), mark()), of("one", mark(), mark()), Verdict::Equal, ""),
        (of("one", json!({}), mark()), of("one", json!({}), mark()), Verdict::Equal, ""),
        (of("one", json!({}), json!({})), of("one", mark(), mark()), Verdict::Equal, ""),
        (
            of("one", mark(), mark()),
            of("two", mark(), json!({"env": true})),
            Verdict::Wider,
            "`env` becomes another",
        ),
        (of("one", mark(), mark()), of("one", mark(), json!({})), Verdict::Wider, "`env.key` was sensitive"),
    ]);
}
