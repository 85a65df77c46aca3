//! The rules of a comparison, one by one.

use crate::plan::diff::{Difference, LineChange, ResourceDiff, SensitiveChange, values};
use crate::plan::json::{Mark, Value};
use crate::plan::{Plan, diff};

/// A difference as one line: what a test can compare.
pub(super) fn shown(diff: &ResourceDiff<'_>) -> Vec<String> {
    let line = |change: &diff::AttributeChange<'_>| {
        let what = match &change.difference {
            Difference::Added(value) => format!("+{value}"),
            Difference::Removed(value) => format!("-{value}"),
            Difference::Changed { before, after } => format!("{before} -> {after}"),
            Difference::Unknown { before } => format!("{before} -> ?"),
            Difference::Sensitive(change) => format!("sensitive {change:?}"),
            Difference::Lines(lines) => {
                let sign = |line: &LineChange| match line {
                    LineChange::Same(line) => format!(" {line}"),
                    LineChange::Added(line) => format!("+{line}"),
                    LineChange::Removed(line) => format!("-{line}"),
                    LineChange::Skipped(count) => format!("…{count}"),
                };
                lines.iter().map(sign).collect::<Vec<_>>().join("|")
            }
            Difference::Reordered => "reordered".to_owned(),
            Difference::Reformatted => "reformatted".to_owned(),
        };
        let force = if change.forces_replacement { " !" } else { "" };
        format!("{}: {what}{force}", change.path)
    };
    diff.attributes.iter().map(line).collect()
}

/// What differs between two values without marks.
fn plain(before: &str, after: &str) -> Vec<String> {
    marked(before, after, "{}", "{}", "{}")
}

fn marked(before: &str, after: &str, unknown: &str, was: &str, becomes: &str) -> Vec<String> {
    let [before, after, unknown, was, becomes] =
        [before, after, unknown, was, becomes].map(|text| Value::parse(text).unwrap());
    shown(&values(&before, &after, [Mark::of(&unknown), Mark::of(&was), Mark::of(&becomes)]))
}

/// What differs in one resource, given what stands in its `change` and beside it.
fn resource(kind: &str, change: &str) -> (Vec<String>, usize) {
    let text = format!(
        r#"{{"format_version":"1.2","resource_changes":[{{"address":"{kind}.x","type":"{kind}","name":"x",
        "change":{change}}}],"relevant_attributes":[{{"resource":"{kind}.x","attribute":["endpoint"]}}]}}"#
    );
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let diff = diff::resource_with(&plan.resource_changes[0], &diff::Relevant::of(&plan)).unwrap();
    (shown(&diff), diff.folded)
}

fn text(text: &str) -> String {
    Value::String(text.into()).to_string()
}

#[test]
fn numbers_are_compared_by_value_and_texts_are_no_numbers() {
    assert_eq!(plain(r#"{"a":1,"b":2}"#, r#"{"a":1.0,"b":"2"}"#), [r#"b: 2 -> "2""#]);
    assert_eq!(
        plain(r#"{"n":12345678901234567890}"#, r#"{"n":12345678901234567891}"#),
        ["n: 12345678901234567890 -> 12345678901234567891"]
    );
}

#[test]
fn null_and_nothing_are_the_same_and_empty_is_not() {
    assert!(plain(r#"{"a":null,"b":{"c":1}}"#, r#"{"b":{"c":1,"d":null}}"#).is_empty());
    assert!(plain(r#"[{"a":1}]"#, r#"[{"a":1,"b":null}]"#).is_empty());
    assert_eq!(plain(r#"{"a":null,"b":""}"#, r#"{"a":[]}"#), ["a: +[]", "b: -\"\""]);
}

#[test]
fn unknown_values_are_found_in_the_marks_alone() {
    let found = marked(
        r#"{"a":"x","ids":["1","static","2"],"m":{"k":1}}"#,
        r#"{"ids":[null,"static",null],"m":{"k":1}}"#,
        r#"{"a":true,"new":true,"ids":[true,false,true],"m":{"n":true}}"#,
        "{}",
        "{}",
    );
    let expected =
        [r#"a: "x" -> ?"#, r#"ids[0]: "1" -> ?"#, r#"ids[2]: "2" -> ?"#, "m.n: null -> ?", "new: null -> ?"];
    assert_eq!(found, expected);
    assert_eq!(marked(r#"{"v":{"a":1}}"#, "{}", r#"{"v":{"a":true}}"#, "{}", "{}"), [r#"v: {"a":1} -> ?"#]);
}

#[test]
fn sorted_texts_are_compared_as_a_set_and_others_as_a_list() {
    assert_eq!(plain(r#"["a","b","c"]"#, r#"["a","c","d"]"#), [r#"[]: -"b""#, r#"[]: +"d""#]);
    assert_eq!(plain("[1,2,10]", "[2,3,10]"), ["[]: -1", "[]: +3"]);
    assert_eq!(plain(r#"["c","a"]"#, r#"["c","b","a"]"#), [r#"[1]: +"b""#]);
    assert_eq!(plain(r#"["c","a","b"]"#, r#"["c","x","b"]"#), [r#"[1]: "a" -> "x""#]);
    assert_eq!(plain(r#"["1"]"#, r#"["2"]"#), [r#"[0]: "1" -> "2""#]);
    assert_eq!(plain(r#"["b","a"]"#, r#"["a","b"]"#), [": reordered"]);
    assert_eq!(plain(r#"["a"]"#, r#"["a","a"]"#), [r#"[1]: +"a""#]);
    assert_eq!(plain("[[1,2],[3]]", "[[1,2],[4]]"), ["[1][0]: 3 -> 4"]);
}

#[test]
fn objects_in_lists_are_themselves_again_wherever_they_stand() {
    let before = r#"{"rule":[{"name":"a","port":1},{"name":"b","port":2},{"name":"c","port":3}]}"#;
    let without_first = r#"{"rule":[{"name":"b","port":2},{"name":"c","port":33}]}"#;
    assert_eq!(
        plain(before, without_first),
        [r#"rule[name="a"]: -{"name":"a","port":1}"#, r#"rule[name="c"].port: 3 -> 33"#]
    );
    // Nothing names them: the one with most in common is the same one.
    let rules = |port: u32| {
        format!(
            r#"[{{"a":1,"b":2,"c":3}},{{"a":7,"b":8,"c":{port}}},{{"a":1,"b":5,"c":6}},{{"a":1,"b":5,"c":6}}]"#
        )
    };
    let moved = r#"[{"a":1,"b":5,"c":6},{"a":7,"b":8,"c":10},{"a":1,"b":5,"c":6},{"a":1,"b":2,"c":3}]"#;
    assert_eq!(plain(&rules(9), moved), [": reordered", "[1].c: 9 -> 10"]);
    assert_eq!(
        plain(r#"[{"a":1},{"b":1}]"#, r#"[{"c":1},{"b":1}]"#),
        [r#"[0]: -{"a":1}"#, r#"[0]: +{"c":1}"#]
    );
    // A block that is there once is the same block, whatever changes in it.
    assert_eq!(plain(r#"{"v":[{"type":"a"}]}"#, r#"{"v":[{"type":"b"}]}"#), [r#"v[0].type: "a" -> "b""#]);
}

#[test]
fn documents_in_texts_are_compared_inside() {
    let policy = |statements: &str| text(&format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#));
    let read = r#"{"Sid":"Read","Effect":"Allow","Action":["s3:Get","s3:List"],"Resource":"*"}"#;
    let kms = r#"{"Sid":"Kms","Effect":"Allow","Action":"kms:Decrypt","Resource":["*"]}"#;
    let of = |statements: &str| format!(r#"{{"policy":{}}}"#, policy(statements));
    let wider = read.replace(r#""s3:List""#, r#""s3:List","s3:Put""#);
    assert_eq!(
        plain(&of(&format!("[{read},{kms}]")), &of(&format!("[{kms},{wider}]"))),
        [r#"policy → Statement[Sid="Read"].Action[]: +"s3:Put""#]
    );
    let lone = kms.replace(r#"["*"]"#, r#""*""#).replace("kms:Decrypt", "KMS:decrypt");
    assert_eq!(plain(&of(kms), &of(&format!("[{lone}]"))), ["policy: reformatted"]);
    let principal = |who: &str| of(&format!(r#"[{{"Effect":"Allow","Principal":{who},"Action":"*"}}]"#));
    assert_eq!(
        plain(&principal(r#"{"AWS":["a","b"]}"#), &principal(r#"{"AWS":"b"}"#)),
        [r#"policy → Statement[0].Principal.AWS[]: -"a""#]
    );
    assert_eq!(
        plain(&principal(r#"{"AWS":"a"}"#), &principal(r#""*""#)),
        [r#"policy → Statement[0].Principal: {"AWS":"a"} -> "*""#]
    );
    let document = |text: &str| format!(r#"{{"d":{}}}"#, Value::String(text.into()));
    assert_eq!(
        plain(&document("[1,2]"), &document("[1, 3]")),
        ["d →[]: -2".replace("→[", "→ ["), "d → []: +3".into()]
    );
    assert_eq!(plain(&document("{\"a\":1}"), &document("{ \"a\": 1 }")), ["d: reformatted"]);
    assert_eq!(plain(&document("{}"), &document("none")), [r#"d: "{}" -> "none""#]);
}

#[test]
fn no_nesting_of_documents_goes_on_for_ever_or_loses_a_change() {
    let mut texts = ["1".to_owned(), "2".to_owned()];
    for _ in 0..8 {
        texts = texts.map(|inner| format!("[{}]", Value::String(inner.into())));
    }
    let [before, after] = texts.map(|document| text(&document));
    let found = plain(&before, &after);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(" → [0] → [0] → [0]: "), "{found:?}");
}

#[test]
fn texts_of_several_lines_and_in_base64_are_told_by_what_changes() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let of = |text: &str| format!(r#"{{"t":{}}}"#, Value::String(text.into()));
    assert_eq!(plain(&of("a\nb\n"), &of("a\nc\n")), ["t:  a|-b|+c| "]);
    assert_eq!(
        plain(&of(&encode("#!/bin/sh\nrun a\n")), &of(&encode("#!/bin/sh\nrun b\n"))),
        ["t → base64:  #!/bin/sh|-run a|+run b| "]
    );
    assert_eq!(
        plain(&of(&encode(r#"{"size":"small"}"#)), &of(&encode(r#"{"size":"large"}"#))),
        [r#"t → base64 → size: "small" -> "large""#]
    );
    assert_eq!(plain(&of("sg0123456789abcd"), &of("sg0123456789abce")).len(), 1);
    assert!(plain(&of("sg0123456789abcd"), &of("sg0123456789abce"))[0].starts_with("t: "));
}

#[test]
fn of_what_is_sensitive_only_that_it_changes_is_told() {
    let (before, after) = (
        r#"{"a":"hidden-1","b":"hidden-2","c":{"d":["hidden-3"],"e":1},"f":"plain-6","g":"hidden-7","n":null}"#,
        r#"{"a":"hidden-8","c":{"d":["hidden-4"],"e":2},"f":"plain-6","g":"hidden-7","n":"hidden-5"}"#,
    );
    let found = marked(
        before,
        after,
        r#"{"u":true}"#,
        r#"{"a":true,"b":true,"c":{"d":true},"g":true,"u":true}"#,
        r#"{"a":true,"c":{"d":[true]},"f":true,"g":true,"n":true,"u":true}"#,
    );
    let expected = [
        "a: sensitive Changed",
        "b: sensitive Removed",
        "c.d: sensitive Changed",
        "c.e: 1 -> 2",
        "f: sensitive Marked",
        "n: sensitive Added",
        "u: sensitive Unknown",
    ];
    assert_eq!(found, expected);
    assert_eq!(
        marked(r#"{"a":"text"}"#, r#"{"a":"text"}"#, "{}", r#"{"a":true}"#, "{}"),
        ["a: sensitive Unmarked"]
    );
    // Marks that do not fit the value mark all of it.
    let found = marked(r#"{"a":["x"]}"#, r#"{"a":["y"]}"#, "{}", r#"{"a":{"0":true}}"#, "{}");
    assert_eq!(found, ["a: sensitive Changed"]);
}

#[test]
fn a_secret_that_stands_unmarked_on_the_other_side_is_no_value_to_show() {
    let list = marked(r#"["hidden-a","b"]"#, r#"["b","hidden-a"]"#, "{}", "[true,false]", "[false,false]");
    assert!(list.iter().all(|line| !line.contains("hidden-a")), "{list:?}");
    assert_eq!(
        marked(
            r#"{"in":"hidden-a","out":"hidden-a"}"#,
            r#"{"in":"b"}"#,
            "{}",
            r#"{"in":true}"#,
            r#"{"in":true}"#
        ),
        ["in: sensitive Changed", "out: sensitive Removed"]
    );
    let items = marked(
        r#"[{"name":"hidden-a","v":1},{"name":"bbbb","v":2}]"#,
        r#"[{"name":"hidden-a","v":3},{"name":"bbbb","v":4}]"#,
        "{}",
        r#"[{"name":true},{}]"#,
        "[]",
    );
    assert!(!items.is_empty() && items.iter().all(|line| !line.contains("hidden-a")), "{items:?}");
}

#[test]
fn what_is_made_is_told_without_what_is_unknown_and_with_its_secrets_apart() {
    let found = resource(
        "t",
        r#"{"actions":["create"],"before":null,"after":{"a":1,"list":[{"n":"x","s":"hidden"}],"m":{"k":"v"},"z":null},
        "after_unknown":{"arn":true,"m":{"id":true},"list":[{}]},"before_sensitive":false,
        "after_sensitive":{"list":[{"s":true}]}}"#,
    );
    let expected = vec!["a: +1", r#"list[0].n: +"x""#, "list[0].s: sensitive Added", r#"m.k: +"v""#];
    assert_eq!(found, (expected.into_iter().map(str::to_owned).collect(), 2));
}

#[test]
fn unknown_attributes_are_told_where_they_matter_and_counted_where_not() {
    let change = |actions: &str| {
        format!(
            r#"{{"actions":{actions},"before":{{"arn":"a","endpoint":"e","id":"i","key":"k","other":"o","size":1}},
            "after":{{"size":2}},"after_unknown":{{"arn":true,"endpoint":true,"id":true,"key":true,"other":true}},
            "before_sensitive":{{}},"after_sensitive":{{}},"replace_paths":[["key"],["size"]]}}"#
        )
    };
    let replaced =
        [r#"endpoint: "e" -> ?"#, r#"key: "k" -> ? !"#, "size: 1 -> 2 !"].map(str::to_owned).to_vec();
    assert_eq!(resource("t", &change(r#"["delete","create"]"#)), (replaced, 3));
    let updated = [r#"endpoint: "e" -> ?"#, r#"key: "k" -> ? !"#, r#"other: "o" -> ?"#, "size: 1 -> 2 !"];
    assert_eq!(resource("t", &change(r#"["update"]"#)), (updated.map(str::to_owned).to_vec(), 2));
}

#[test]
fn a_path_inside_a_list_forces_wherever_the_item_stands() {
    let (found, _) = resource(
        "t",
        r#"{"actions":["delete","create"],"before":{"disk":[{"name":"a","size":1,"t":1},{"name":"b","size":1,"t":1}]},
        "after":{"disk":[{"name":"b","size":2,"t":2},{"name":"a","size":1,"t":1}]},
        "replace_paths":[["disk",1,"size"]]}"#,
    );
    assert_eq!(found, [r#"disk[name="b"].size: 1 -> 2 !"#, r#"disk[name="b"].t: 1 -> 2"#]);
}

#[test]
fn attributes_known_to_be_sets_have_no_order() {
    let change = |before: &str, after: &str| {
        format!(r#"{{"actions":["update"],"before":{{"subnets":{before}}},"after":{{"subnets":{after}}}}}"#)
    };
    assert!(resource("aws_lb", &change(r#"["b","a"]"#, r#"["a","b"]"#)).0.is_empty());
    assert_eq!(resource("aws_nothing", &change(r#"["b","a"]"#, r#"["a","b"]"#)).0, ["subnets: reordered"]);
    let found = resource("aws_lb", &change(r#"["b","a"]"#, r#"["c","b"]"#)).0;
    assert_eq!(found, [r#"subnets[]: -"a""#, r#"subnets[]: +"c""#]);
}

#[test]
fn of_what_goes_away_only_plain_attributes_are_told_and_not_too_many() {
    let many: String = (0..50).map(|n| format!(r#""a{n:02}":{n},"#)).collect();
    let (found, _) = resource(
        "t",
        &format!(
            r#"{{"actions":["delete"],"before":{{{many}"list":[1],"name":"x","secret":"hidden","text":"a\nb"}},
            "after":null,"before_sensitive":{{"secret":true}},"after_sensitive":false}}"#
        ),
    );
    assert_eq!(found.len(), 20);
    assert_eq!(found.last().unwrap(), r#"name: -"x""#);
}

#[test]
fn outputs_are_named_and_hostile_keys_are_quoted() {
    let text = r#"{"format_version":"1.2","output_changes":{"a b":{"actions":["update"],"before":{"x\n</details>":1},
        "after":{"x\n</details>":2},"after_unknown":false,"before_sensitive":false,"after_sensitive":false},
        "s":{"actions":["update"],"before":"hidden","after_unknown":true,"before_sensitive":true,"after_sensitive":true}}}"#;
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let of = |at: usize| shown(&diff::output(&plan.output_changes[at]).unwrap());
    assert_eq!(of(0), [r#"["a b"]["x\n</details>"]: 1 -> 2"#]);
    assert_eq!(of(1), ["s: sensitive Unknown"]);
    let unmarked = text.replace("\"before_sensitive\":true", "\"before_sensitive\":false");
    let plan = Plan::parse(unmarked.as_bytes()).unwrap();
    let diff = diff::output(&plan.output_changes[1]).unwrap();
    assert_eq!(diff.attributes[0].difference, Difference::Sensitive(SensitiveChange::Unknown));
}

#[test]
fn broken_values_are_refused_and_large_ones_end() {
    let twice = r#"{"format_version":"1.2","resource_changes":[{"address":"x","change":{"actions":["update"],
        "before":{"a":{"b":1,"b":2}},"after":{"a":{"b":1}}}}]}"#;
    let plan = Plan::parse(twice.as_bytes()).unwrap();
    assert!(diff::resource(&plan.resource_changes[0]).is_err());

    let list = |from: usize| {
        let items: Vec<String> =
            (0..20_000).rev().map(|n| format!(r#"{{"a":{},"b":{n}}}"#, n + from)).collect();
        format!("[{}]", items.join(","))
    };
    assert_eq!(plain(&list(0), &list(1)).len(), 40_000);
    let texts = |sign: &str| {
        format!("[{}]", (0..20_000).map(|n| format!("\"{sign}{}\"", n % 7_919)).collect::<Vec<_>>().join(","))
    };
    assert_eq!(plain(&texts("a"), &texts("b")).len(), 40_000);
}
