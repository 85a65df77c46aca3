//! The rules for what belongs to no resource: outputs, checks, and the plans as a whole.

use serde_json::{Value as Json, json};

use crate::plan::Plan;
use crate::plan::verdict::tests::{create, delete, lines, plan, plans, stays, with};
use crate::plan::verdict::{Verdict, compare};

#[test]
fn outputs_are_compared_as_values() {
    let of = |after: Json, unknown: bool, sensitive: bool| {
        let change = json!({"actions": ["update"], "before": 1, "after": after, "after_unknown": unknown,
            "before_sensitive": sensitive, "after_sensitive": sensitive});
        with(plan(&[]), json!({"output_changes": {"url": change}}))
    };
    let none =
        with(plan(&[]), json!({"output_changes": {"url": {"actions": ["no-op"], "before": 1, "after": 1}}}));
    for (a, b, expected, part) in [
        (
            of(json!({"a": 2}), false, false),
            of(json!({"a": 3}), false, false),
            Verdict::Wider,
            "output.url: `a` becomes",
        ),
        (
            of(json!(2), false, false),
            of(json!(3), false, false),
            Verdict::Wider,
            "output.url: its value becomes",
        ),
        (of(json!(2), false, true), of(json!(2), false, false), Verdict::Wider, "would be shown"),
        (of(Json::Null, true, false), of(json!(3), false, false), Verdict::Resolved, "known now"),
        (of(json!(3), false, false), of(Json::Null, true, false), Verdict::Wider, "not known"),
        (of(json!(3), false, false), none.clone(), Verdict::Narrower, "does not change any more"),
        (none, of(json!(3), false, false), Verdict::Wider, "which nobody approved"),
    ] {
        let (verdict, reasons) = lines(&plans(&a, &b));
        assert_eq!((verdict, reasons.len()), (expected, 1), "{reasons:?}");
        assert!(reasons[0].contains(part), "{reasons:?}");
    }
}

#[test]
fn checks_and_the_plan_as_a_whole_are_compared() {
    let check = |status: &str, problems: usize| {
        json!({"checks": [{"address": {"to_display": "check.up"}, "status": status,
            "instances": [{"problems": vec![json!({"message": "m"}); problems]}]}]})
    };
    let deferred =
        json!({"deferred_changes": [{"reason": "r", "resource_change": create("d", json!({}), json!({}))}]});
    for (a, b, expected, part) in [
        (check("pass", 0), check("fail", 1), Verdict::Wider, "check.up: fails, and did not"),
        (check("unknown", 0), check("error", 1), Verdict::Wider, "check.up: cannot be evaluated"),
        (json!({}), check("fail", 1), Verdict::Wider, "fails, and did not"),
        (check("fail", 1), check("fail", 2), Verdict::Wider, "in more places"),
        (check("unknown", 0), check("pass", 0), Verdict::Resolved, "passes now"),
        (check("fail", 1), check("pass", 0), Verdict::Equal, "does not any more"),
        (json!({}), json!({"errored": true}), Verdict::Wider, "ended with an error"),
        (json!({}), json!({"complete": false}), Verdict::Narrower, "trap : it is the plan of a part"),
        (json!({}), deferred, Verdict::Narrower, "trap d: cannot be planned yet"),
        (json!({}), json!({"terraform_version": "1.12.0"}), Verdict::Equal, "another version"),
        (json!({}), json!({"terraform_version": "1.11.9"}), Verdict::Equal, ""),
        (json!({}), json!({"action_invocations": [{}]}), Verdict::Wider, "more actions"),
        (json!({"action_invocations": [{}]}), json!({}), Verdict::Narrower, "fewer actions"),
        (
            json!({}),
            json!({"timestamp": "2026", "relevant_attributes": [{"resource": "x"}], "prior_state": {}}),
            Verdict::Equal,
            "",
        ),
    ] {
        let of = |more| with(plan(&[stays("keep", json!({}))]), more);
        let (verdict, reasons) = lines(&plans(&of(a), &of(b)));
        assert_eq!((verdict, reasons.len()), (expected, usize::from(!part.is_empty())), "{reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains(part)), "{reasons:?}");
    }
}

#[test]
fn plans_without_a_common_resource_are_of_two_stacks_unless_one_is_empty() {
    let v = || json!({"v": 1});
    let many = |name: &str| (0..200).map(|index| stays(&format!("{name}[{index}]"), v())).collect::<Vec<_>>();
    let of = |a: &[Json], b: &[Json]| plans(&plan(a), &plan(b)).verdict;
    assert_eq!(of(&[stays("a", v())], &[delete("b", v())]), Verdict::Unrelated);
    assert_eq!(of(&many("a"), &many("b")), Verdict::Unrelated);
    assert_eq!(of(&many("a"), &many("a")), Verdict::Equal);
    assert_eq!(of(&[], &[delete("b", v())]), Verdict::Wider);
    assert_eq!(of(&[delete("b", v())], &[]), Verdict::Narrower);
    let moved = with(stays("b", v()), json!({"previous_address": "a"}));
    assert_eq!(of(&[stays("a", v())], &[moved]), Verdict::Wider);
}

#[test]
fn a_plan_with_a_resource_twice_is_refused() {
    let twice = plan(&[delete("x", json!({"v": 1})), delete("x", json!({"v": 1}))]).to_string();
    let once = plan(&[delete("x", json!({"v": 1}))]).to_string();
    let (twice, once) = (Plan::parse(twice.as_bytes()).unwrap(), Plan::parse(once.as_bytes()).unwrap());
    assert!(compare(&once, &twice).is_err() && compare(&twice, &once).is_err());
}
