//! Comparisons over real plans, and over many made-up values.

use crate::plan::diff::tests::shown;
use crate::plan::diff::{self, Relevant};
use crate::plan::json::{Mark, Value};
use crate::plan::{Plan, PlanJson, ResourceChange};

const PLANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans");

fn read(name: &str) -> PlanJson {
    PlanJson::read(format!("{PLANS}/{name}.json")).unwrap()
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(PLANS).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().strip_suffix(".json").map(str::to_owned)
    };
    let names: Vec<String> = entries.filter_map(name).collect();
    assert!(names.len() >= 13, "only {} plans are there", names.len());
    names
}

/// What changes in the resource at `address`, and how much of it is not told.
fn of(plan: &Plan<'_>, address: &str) -> (Vec<String>, usize) {
    let is_it = |resource: &&ResourceChange<'_>| *resource.address == *address;
    let resource = plan.resource_changes.iter().find(is_it).unwrap();
    let diff = diff::resource_with(resource, &Relevant::of(plan)).unwrap();
    (shown(&diff), diff.folded)
}

/// The sensitive texts of a value that are long enough to be hidden wherever they stand.
fn secrets(value: &Value<'_>, mark: Mark<'_>, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| secrets(item, mark.index(at), found));
        }
        Value::Object(object) => object.iter().for_each(|(key, value)| secrets(value, mark.key(key), found)),
        Value::String(text) if mark.is_whole() && text.len() > 3 => found.push(text.to_string()),
        _ => {}
    }
}

#[test]
fn every_resource_of_every_plan_is_compared_and_one_that_stays_has_no_difference() {
    let (mut compared, mut hidden) = (0, 0);
    for name in names() {
        let json = read(&name);
        let plan = json.plan().unwrap();
        let relevant = Relevant::of(&plan);
        for resource in plan.resource_changes.iter().chain(&plan.resource_drift) {
            let diff = diff::resource_with(resource, &relevant).unwrap();
            let lines = shown(&diff);
            let change = &resource.change;
            if change.actions.is_no_op() {
                assert_eq!((lines.len(), diff.folded), (0, 0), "{name} {}: {lines:?}", resource.address);
            } else if change.actions.updates() && !plan.resource_drift.is_empty() {
                assert!(!lines.is_empty(), "{name} {}", resource.address);
            }
            let part = |raw| Value::of_part(raw).unwrap();
            let mut known = Vec::new();
            secrets(&part(change.before), Mark::of(&part(change.before_sensitive)), &mut known);
            secrets(&part(change.after), Mark::of(&part(change.after_sensitive)), &mut known);
            for secret in &known {
                let quoted = Value::String(secret.as_str().into()).to_string();
                let inner = &quoted[1..quoted.len() - 1];
                let leak = lines.iter().find(|line| line.contains(secret) || line.contains(inner));
                assert!(leak.is_none(), "{name} {}", resource.address);
            }
            (compared, hidden) = (compared + 1, hidden + known.len());
        }
        for output in &plan.output_changes {
            let lines = shown(&diff::output(output).unwrap());
            assert_eq!(
                lines.is_empty(),
                output.change.actions.is_no_op(),
                "{name} {}: {lines:?}",
                output.name
            );
        }
    }
    assert!(compared > 600 && hidden > 10, "{compared} resources, {hidden} secrets");
}

#[test]
fn the_mixed_update_is_told_as_what_was_edited() {
    let json = read("tf1114-g03_mixed_update");
    let plan = json.plan().unwrap();
    let put = r#"policy → Statement[Sid="Read"].Action[]: +"s3:PutObject""#;
    assert_eq!(of(&plan, r#"terraform_data.bucket["assets.cdn"]"#), (vec![format!("input.{put}")], 1));
    assert_eq!(of(&plan, r#"terraform_data.bucket["we\"ird/key"]"#), (vec![format!("input.{put}")], 1));
    assert_eq!(of(&plan, "terraform_data.policy_json"), (vec![put.replace("policy", "input")], 1));
    assert_eq!(
        of(&plan, "terraform_data.numbers"),
        (vec!["input.big: 12345678901234567890 -> 12345678901234567891".to_owned()], 1)
    );
    assert_eq!(
        of(&plan, "terraform_data.set"),
        (vec![r#"input[]: -"b""#.to_owned(), r#"input[]: +"z""#.to_owned()], 1)
    );
    let (vpc, folded) = of(&plan, "terraform_data.vpc");
    assert_eq!(vpc[..3], [r#"input.azs[]: -"b""#, r#"input.azs[]: +"d""#, "input.flow_logs: true -> false"]);
    // Others depend on its output.
    assert!(vpc[3].starts_with("output: {") && vpc[3].ends_with("} -> ?") && vpc.len() == 4 && folded == 0);
    let (deep, _) = of(&plan, "terraform_data.sensitive_deep");
    assert_eq!(deep[0], r#"input.list[name="B"].value: sensitive Changed"#);
    assert!(deep.iter().all(|line| !line.contains("s3cr3t") && !line.contains("rotated")), "{deep:?}");
    let (subnet, _) = of(&plan, "terraform_data.subnet[0]");
    assert!(subnet[0].starts_with(r#"input.vpc: {"azs":"#) && subnet[0].ends_with(" -> ?"), "{subnet:?}");
}

#[test]
fn replacements_name_what_forces_them() {
    let json = read("tf1114-g07_replace_move_import_forget");
    let plan = json.plan().unwrap();
    let told = |address: &str| of(&plan, address);
    let by_input = [
        r#"triggers_replace.image: "app:1" -> "app:2" !"#,
        r#"triggers_replace.nested.list[]: -"b" !"#,
        r#"triggers_replace.nested.list[]: +"c" !"#,
    ];
    assert_eq!(told("terraform_data.by_input"), (by_input.map(str::to_owned).to_vec(), 2));
    let cbd = vec![r#"triggers_replace[0]: "1" -> "2" !"#.to_owned()];
    assert_eq!(told("terraform_data.cbd"), (cbd, 2));
    assert_eq!(told("terraform_data.tainted"), (Vec::new(), 2));
    assert_eq!(told("terraform_data.imported"), (vec![r#"input: +"adopted""#.to_owned()], 1));
    let gone = vec![
        r#"id: -"cfb2cde9-8120-512a-9730-5e65f40db842""#.to_owned(),
        r#"input: -"leave me running""#.to_owned(),
        r#"output: -"leave me running""#.to_owned(),
    ];
    assert_eq!(told("terraform_data.forgotten"), (gone, 0));

    let json = read("pub-tofu-replace-within-set");
    let plan = json.plan().unwrap();
    let ids = ["56C7E07F-B9DF-4799-AF62-E703D1167A51", "07F887E2-FDFF-4B2E-9BFB-B6AA4A05EDB9"];
    let line = |sign: &str, id: &str| format!(r#"set[id="{id}"]: {sign}{{"id":"{id}"}} !"#);
    assert_eq!(of(&plan, "tfcoremock_set.set"), (vec![line("-", ids[0]), line("+", ids[1])], 0));
}

#[test]
fn the_attributes_of_what_is_made_are_told_once_each() {
    let json = read("pub-checkov-iam-policy-docs");
    let plan = json.plan().unwrap();
    for resource in plan.resource_changes.iter().filter(|resource| resource.change.actions.creates()) {
        let (lines, folded) = of(&plan, &resource.address);
        assert!(lines.iter().all(|line| line.contains(": +")) && folded > 0, "{lines:?}");
    }
}

/// A small generator of numbers that look random; the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn shuffle(&mut self, list: &mut [String]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.roll(at as u64 + 1) as usize);
        }
    }

    /// The text of a value, and of a mark for it. What is marked is the text `secret-` and a number; some secrets stand
    /// unmarked elsewhere.
    fn value(&mut self, depth: u32) -> (String, String) {
        let kinds = if depth == 0 { 7 } else { 10 };
        match self.roll(kinds) {
            0 => ("null".to_owned(), "false".to_owned()),
            1 => (self.roll(5).to_string(), "false".to_owned()),
            2 => (format!("\"a\\nline {}\\nb\"", self.roll(5)), "false".to_owned()),
            3 => (
                format!("\"{}\"", ["x", "y", "[1]", "{\\\"a\\\":2}"][self.roll(4) as usize]),
                "false".to_owned(),
            ),
            4 => (format!("\"secret-{}\"", self.roll(4)), "true".to_owned()),
            5 => (format!("\"word {}\"", self.roll(9)), "false".to_owned()),
            6 => ("true".to_owned(), "false".to_owned()),
            7 => {
                let items: Vec<_> = (0..self.roll(4)).map(|_| self.value(depth - 1)).collect();
                let join = |texts: Vec<&str>| format!("[{}]", texts.join(","));
                (
                    join(items.iter().map(|item| &*item.0).collect()),
                    join(items.iter().map(|item| &*item.1).collect()),
                )
            }
            _ => {
                let keys = ["name", "id", "port", "value", "a.b"];
                let members: Vec<_> = keys.iter().filter(|_| self.roll(2) == 0).copied().collect::<Vec<_>>();
                let members: Vec<_> = members.into_iter().map(|key| (key, self.value(depth - 1))).collect();
                let join = |texts: Vec<String>| format!("{{{}}}", texts.join(","));
                (
                    join(members.iter().map(|(key, (value, _))| format!("\"{key}\":{value}")).collect()),
                    join(members.iter().map(|(key, (_, mark))| format!("\"{key}\":{mark}")).collect()),
                )
            }
        }
    }
}

#[test]
fn a_value_does_not_differ_from_itself() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2_000 {
        let (value, mark) = dice.value(4);
        let (value, mark) = (Value::parse(&value).unwrap(), Value::parse(&mark).unwrap());
        let marks = [Mark::NONE, Mark::of(&mark), Mark::of(&mark)];
        let found = shown(&diff::values(&value, &value, marks));
        assert!(found.is_empty(), "{value}: {found:?}");
    }
}

#[test]
fn no_secret_is_in_a_difference_wherever_it_stands_unmarked() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut differences = 0;
    for _ in 0..5_000 {
        let ((before, was), (after, becomes)) = (dice.value(4), dice.value(4));
        let [before, was, after, becomes] =
            [&before, &was, &after, &becomes].map(|text| Value::parse(text).unwrap());
        let (was, becomes) = (Mark::of(&was), Mark::of(&becomes));
        // One side without marks: the secrets of the other may stand in it.
        for (was, becomes) in [(was, becomes), (was, Mark::NONE), (Mark::NONE, becomes)] {
            let mut known = Vec::new();
            secrets(&before, was, &mut known);
            secrets(&after, becomes, &mut known);
            let found = shown(&diff::values(&before, &after, [Mark::NONE, was, becomes]));
            let leaks = |line: &String| known.iter().any(|secret| line.contains(secret.as_str()));
            assert!(!found.iter().any(leaks), "{before} {after}: {found:?}");
            differences += found.len();
        }
    }
    assert!(differences > 10_000, "{differences}");
}

#[test]
fn named_objects_in_another_order_are_the_same_objects() {
    let mut dice = Dice(0xdead_beef_cafe_f00d);
    for round in 0..300 {
        let mut items: Vec<String> = (0..1 + round % 9)
            .map(|n| format!("{{\"name\":\"n{n}\",\"value\":{}}}", dice.value(3).0))
            .collect();
        let before = format!("{{\"list\":[{}]}}", items.join(","));
        dice.shuffle(&mut items);
        let after = format!("{{\"list\":[{}]}}", items.join(","));
        let (before, after) = (Value::parse(&before).unwrap(), Value::parse(&after).unwrap());
        let found = shown(&diff::values(&before, &after, [Mark::NONE; 3]));
        let expected: &[&str] = if before == after { &[] } else { &["list: reordered"] };
        assert_eq!(found, expected);
    }
}
