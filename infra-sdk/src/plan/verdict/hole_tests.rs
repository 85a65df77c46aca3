//! Pairs of plans that differ in something small that is not harmless, and some that only look so.

use serde_json::json;

use crate::plan::verdict::Verdict;
use crate::plan::verdict::tests::{check, create, replace, stays, update, verdict, with};

#[test]
fn a_point_in_time_that_the_replan_takes_away_is_one_it_sets() {
    let at = |year: u16| format!("{year}-11-20T00:00:00Z");
    let approved =
        || update("x", json!({"v": 1, "at": at(2026)}), json!({"v": 2, "at": at(2026)}), json!({}));
    let waits =
        |year| Some(update("x", json!({"v": 1, "at": at(year)}), json!({"v": 2}), json!({"at": true})));
    let gone = update("x", json!({"v": 1, "at": at(2027)}), json!({"v": 2, "at": null}), json!({}));
    let came = update("x", json!({"v": 1, "at": at(2027)}), json!({"v": 2, "at": at(2027)}), json!({}));
    let none = update("x", json!({"v": 1}), json!({"v": 2}), json!({}));
    let (wider, what) = (Verdict::Wider, "x: `at` is not what it was at the review");
    check(&[
        (Some(approved()), Some(gone), wider, what),
        (Some(none), Some(came), wider, what),
        (waits(2026), waits(2027), Verdict::Equal, "`at` is another point in time"),
    ]);
    let (verdict, reasons) = verdict(&[approved()], waits(2027).as_slice());
    assert_eq!(verdict, wider, "{reasons:?}");
}

#[test]
fn more_items_than_were_planned_are_not_what_was_unknown() {
    let of = |after, unknown| Some(create("x", json!({"groups": after}), json!({"groups": unknown})));
    let approved = || of(json!([null]), json!([true]));
    let known = |groups| of(groups, json!([]));
    check(&[
        (approved(), known(json!(["sg-a"])), Verdict::Resolved, "`groups[0]` was unknown"),
        (approved(), known(json!(["sg-a", "sg-world"])), Verdict::Wider, "`groups` becomes another value"),
        (approved(), known(json!([])), Verdict::Wider, "`groups` becomes another value"),
    ]);
}

#[test]
fn a_replacement_is_proven_neither_by_a_clock_nor_against_a_name_that_stayed() {
    let of = |arn: &str, month: u8, tag: &str| json!({"arn": arn, "tag": tag, "v": 1, "updated_at": format!("2026-{month:02}-01T00:00:00Z")});
    let unknown = || json!({"arn": true, "tag": true, "updated_at": true});
    let approved = || {
        let replaced = replace("x", of("a", 1, "t"), json!({"v": 1}), unknown());
        Some(with(replaced, json!({"action_reason": "replace_by_triggers"})))
    };
    let now = |arn, month, tag| Some(stays("x", of(arn, month, tag)));
    check(&[
        (approved(), now("a", 2, "t"), Verdict::Narrower, "trap x: its replacement has vanished"),
        (approved(), now("a", 2, "u"), Verdict::Narrower, "trap x: its replacement has vanished"),
        (approved(), now("b", 2, "u"), Verdict::Narrower, "is replaced already"),
    ]);
    let clock = |month: u8| json!({"at": format!("2026-{month:02}-01T00:00:00Z")});
    let no_name = Some(replace("x", clock(1), json!({}), json!({"at": true})));
    check(&[(
        no_name,
        Some(stays("x", clock(2))),
        Verdict::Narrower,
        "trap x: its replacement has vanished",
    )]);
}

#[test]
fn a_set_may_sort_its_members_anew_when_the_unknown_one_is_known() {
    let of = |after, unknown| Some(create("x", json!({"ids": after}), json!({"ids": unknown})));
    let approved = || of(json!(["sg-9", null]), json!([false, true]));
    let known = |ids| of(ids, json!([]));
    check(&[
        (approved(), known(json!(["sg-1", "sg-9"])), Verdict::Resolved, "`ids[0]` was unknown"),
        (approved(), approved(), Verdict::Equal, ""),
    ]);
    let (other, reasons) = verdict(approved().as_slice(), known(json!(["sg-1", "sg-2"])).as_slice());
    assert_eq!(other, Verdict::Wider, "{reasons:?}");
}
