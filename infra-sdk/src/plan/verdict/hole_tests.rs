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
