//! Markdown that hostile texts cannot break, at every limit, with true numbers.

use serde_json::{Value as Json, json};

use crate::plan::judge::{Finding, Findings, Level};
use crate::plan::render::page::Page;
use crate::plan::render::{Note, Stack, Style};
use crate::plan::{Plan, Veil};

/// What is left of a page when all code is taken out, and each line of a table with its number of cells.
fn outside_of_code(markdown: &str) -> (String, Vec<usize>) {
    let (mut rest, mut cells, mut fence) = (String::new(), Vec::new(), 0);
    for line in markdown.lines() {
        let inner = line.trim_start_matches(' ');
        let run = inner.len() - inner.trim_start_matches('`').len();
        if fence > 0 {
            if run >= fence && inner.trim_matches('`').is_empty() {
                fence = 0;
            }
            continue;
        }
        if run >= 3 && !inner[run..].contains('`') {
            fence = run;
            continue;
        }
        if line.starts_with('|') {
            let is_bar = |(at, _): &(usize, &str)| {
                line[..*at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0
            };
            cells.push(line.match_indices('|').filter(is_bar).count());
        }
        let mut left = line;
        while let Some(at) = left.find(['`', '\\']) {
            rest.push_str(&left[..at]);
            left = &left[at..];
            if left.starts_with('\\') {
                let length = 1 + left[1..].chars().next().map_or(0, char::len_utf8);
                rest.push(' ');
                left = &left[length..];
                continue;
            }
            let run = left.len() - left.trim_start_matches('`').len();
            let mut from = run;
            let end = loop {
                let Some(next) = left[from..].find('`').map(|next| from + next) else { break None };
                let length = left[next..].len() - left[next..].trim_start_matches('`').len();
                if length == run {
                    break Some(next + length);
                }
                from = next + length;
            };
            rest.push_str(if end.is_some() { "C" } else { "OPEN" });
            left = &left[end.unwrap_or(run)..];
        }
        rest.push_str(left);
        rest.push('\n');
    }
    assert_eq!(fence, 0, "a fence stays open in\n{markdown}");
    (rest, cells)
}

fn assert_sound(markdown: &str, limit: usize) {
    assert!(markdown.len() <= limit, "{} bytes where {limit} are allowed", markdown.len());
    let seen = |c: char| {
        c == '\n'
            || !(c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    assert!(markdown.chars().all(seen), "{markdown:?}");
    let (rest, cells) = outside_of_code(markdown);
    assert!(cells.len() >= 2 && cells.iter().all(|count| *count == 10), "{cells:?} in\n{markdown}");
    assert!(!rest.contains("OPEN"), "{markdown}");
    let count = |tag: &str| rest.matches(tag).count();
    assert_eq!(count("<details>"), count("</details>"), "{markdown}");
    let tags = count("<details><summary>")
        + count("</summary>")
        + count("</details>")
        + count("<!-- infra-sdk:plan:");
    assert_eq!(count("<details>") * 3 + 1, tags, "{markdown}");
    assert_eq!(count("<"), tags + count("<details><summary>"), "a tag of somebody else in\n{rest}");
    // A number sign after an ampersand is half of a character's number.
    for (at, _) in rest.match_indices(['@', '#']).filter(|(at, _)| !rest[..*at].ends_with('&')) {
        let next = rest[at + 1..].chars().next().unwrap_or(' ');
        assert!(!next.is_alphanumeric(), "{}", &rest[at..]);
    }
    assert!(!rest.contains("://") && !rest.contains("](") && !rest.contains("www.a"), "{rest}");
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 40] = [
            "`",
            "``",
            "```",
            "````\n",
            "|",
            "\\",
            "\n",
            "\r\n",
            "</details>",
            "<details>",
            "<summary>",
            "<!--",
            "-->",
            "@everyone",
            "@a/b",
            "#123",
            "GH-1",
            "https://a.b/c",
            "www.a.b",
            "\u{202e}",
            "\u{200b}",
            "\u{1b}[31m",
            "\u{1b}]0;x\u{7}",
            "\0",
            "a",
            "b c",
            "é",
            "😀",
            "- ",
            "1. ",
            "# ",
            "> ",
            "![x](y)",
            "[x](y)",
            "*",
            "_",
            "~~",
            "$$",
            "<script>",
            "    ",
        ];
        (0..=self.below(6)).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }

    fn value(&mut self, depth: usize) -> Json {
        match self.below(if depth > 2 { 4 } else { 7 }) {
            0 => Json::Null,
            1 => json!(self.below(1000)),
            2 => Json::Bool(self.below(2) == 0),
            3 | 4 => Json::from(self.text()),
            5 => (0..self.below(3)).map(|_| self.value(depth + 1)).collect(),
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> Json {
        Json::Object((0..self.below(4)).map(|_| (self.text(), self.value(depth))).collect())
    }

    fn change(&mut self) -> Json {
        let actions = [
            json!(["create"]),
            json!(["update"]),
            json!(["delete"]),
            json!(["delete", "create"]),
            json!(["no-op"]),
            json!([self.text()]),
        ];
        let mut change = json!({"actions": actions[self.below(actions.len())], "before": self.object(0), "after": self.object(0)});
        if self.below(3) == 0 {
            change["replace_paths"] = json!([[self.text(), 1], [self.text()]]);
            change["after_unknown"] = json!({self.text(): true});
        }
        change
    }

    fn plan(&mut self) -> String {
        let resource = |random: &mut Random, number: usize| {
            json!({"address": format!("{}{number}", random.text()), "type": random.text(), "name": "n", "change": random.change(),
                "action_reason": random.text(), "previous_address": random.text()})
        };
        let changes: Vec<Json> = (0..self.below(30)).map(|number| resource(self, number)).collect();
        json!({"format_version": "1.2", "errored": self.below(2) == 0,
            "resource_changes": changes,
            "output_changes": {self.text(): self.change(), self.text(): self.change()},
            "deferred_changes": [{"reason": self.text(), "resource_change": resource(self, 99)}],
            "checks": [{"address": {"to_display": self.text()}, "status": "fail", "instances": [{"address": {"to_display": self.text()}, "problems": [{"message": self.text()}]}]}]})
        .to_string()
    }
}

#[test]
fn hostile_texts_break_out_of_nothing_and_every_limit_holds() {
    let mut random = Random(5);
    for _ in 0..120 {
        let texts: Vec<String> = (0..=random.below(5)).map(|_| random.plan()).collect();
        let plans: Vec<Plan<'_>> = texts.iter().map(|text| Plan::parse(text.as_bytes()).unwrap()).collect();
        let address = plans[0].news().next().map(|change| change.address.to_string());
        let mut finding = |address| Finding {
            address,
            rule: random.text(),
            level: Level::Error,
            message: random.text(),
            hint: Some(random.text()),
        };
        let findings = Findings::new(vec![finding(None), finding(address)]);
        let notes = [Note { title: random.text(), lines: vec![random.text(), random.text()] }];
        let names: Vec<String> = plans.iter().map(|_| random.text().repeat(1 + random.below(30))).collect();
        let stacks = plans.iter().zip(&names).map(|(plan, name)| Stack {
            name,
            file: None,
            plan,
            findings: &findings,
            notes: &notes,
        });
        let page = Page::of(stacks, Veil::default()).unwrap();
        for limit in
            [500, 500 + random.below(1_500), 500 + random.below(10_000), 500 + random.below(64_501), 65_000]
        {
            assert_sound(&page.markdown("a-b", limit).unwrap(), limit);
        }
        let terminal = page.terminal(Style::Plain).unwrap();
        assert!(terminal.chars().all(|c| c == '\n' || !c.is_control()), "{terminal:?}");
        assert!(serde_json::from_str::<Json>(&page.json().unwrap()).is_ok());
        assert!(serde_json::from_str::<Json>(&page.sarif().unwrap()).is_ok());
    }
}

/// 3,000 changes: 600 with one new image, 2,000 that differ, 300 made, 90 destroyed, 10 replaced.
fn large() -> String {
    let change = |number: usize| {
        let (actions, before, after) = match number {
            0..600 => {
                (json!(["update"]), json!({"id": number, "image": "1"}), json!({"id": number, "image": "2"}))
            }
            600..2600 => (
                json!(["update"]),
                json!({"id": number, "size": number}),
                json!({"id": number, "size": number + 1}),
            ),
            2600..2900 => (json!(["create"]), Json::Null, json!({"size": number})),
            2900..2990 => (json!(["delete"]), json!({"id": number}), Json::Null),
            _ => (json!(["delete", "create"]), json!({"id": number, "zone": "a"}), json!({"zone": "b"})),
        };
        json!({"address": format!("module.shop.aws_instance.server[\"{number:04}\"]"), "type": "aws_instance", "name": "server",
            "change": {"actions": actions, "before": before, "after": after}})
    };
    json!({"format_version": "1.2", "resource_changes": (0..3000).map(change).collect::<Vec<_>>()})
        .to_string()
}

#[test]
fn three_thousand_changes_fit_one_page_and_every_one_is_shown_or_counted() {
    let text = large();
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let page = Page::of([Stack::new("shop", &plan)], Veil::default()).unwrap();
    for limit in [600, 3_000, 20_000, 65_000, 1_000_000] {
        let markdown = page.markdown("shop", limit).unwrap();
        assert_sound(&markdown, limit);
        assert!(markdown.contains("| `shop` | 310 | 2600 | 100 | 10 | 0 | 0 | 0 | 0 |"), "{markdown}");
        let shown: usize = markdown
            .lines()
            .filter(|line| line.starts_with("- `"))
            .map(|line| {
                line.split("**")
                    .nth(1)
                    .and_then(|count| count.strip_suffix(" ×"))
                    .map_or(1, |count| count.parse().unwrap())
            })
            .sum();
        let left_out = markdown.lines().find(|line| line.starts_with("and "));
        let left_out: usize = left_out
            .into_iter()
            .flat_map(|line| line.split(' ').filter_map(|word| word.parse::<usize>().ok()))
            .sum();
        if markdown.contains("does in detail does not fit") {
            assert_eq!((shown, left_out, limit), (0, 0, 600), "{markdown}");
        } else {
            assert_eq!(shown + left_out, 3000, "limit {limit}\n{}", &markdown[..2000.min(markdown.len())]);
        }
        if limit >= 20_000 {
            let first = markdown.find("is destroyed").unwrap();
            assert!(
                markdown.find("is replaced").unwrap() > first && markdown.find("is changed").unwrap() > first
            );
            assert!(
                markdown.len() > limit * 4 / 5 || limit > 300_000,
                "{} of {limit} bytes are used",
                markdown.len()
            );
        }
        if limit == 1_000_000 {
            assert!(
                markdown.contains(
                    "- `~` **600 ×** `aws_instance` is changed in place: `image` `\"1\"` → `\"2\"`\n"
                ),
                "{}",
                &markdown[..30_000]
            );
        }
    }
}

#[test]
fn many_stacks_share_a_page_and_each_has_its_counts() {
    let text = large();
    let plan = Plan::parse(text.as_bytes()).unwrap();
    let small = r#"{"format_version":"1.2","resource_changes":[{"address":"a.b","type":"a","name":"b","change":{"actions":["create"]}}]}"#;
    let (small, empty) =
        (Plan::parse(small.as_bytes()).unwrap(), Plan::parse(br#"{"format_version":"1.2"}"#).unwrap());
    let names: Vec<String> = (0..20).map(|number| format!("stack-{number}")).collect();
    let plans = [&plan, &small, &empty];
    let stacks = names.iter().enumerate().map(|(number, name)| Stack::new(name, plans[number % 3]));
    let page = Page::of(stacks, Veil::default()).unwrap();
    let markdown = page.markdown("all", 65_000).unwrap();
    assert_sound(&markdown, 65_000);
    for (number, name) in names.iter().enumerate() {
        assert!(markdown.contains(&format!("| `{name}` | ")));
        assert_eq!(markdown.contains(&format!("#### `{name}`\n")), number % 3 != 2, "{name}");
    }
    assert!(markdown.contains("| **20 stacks** | 2177 | 18200 | 700 | 70 |"), "{markdown}");
    let lengths: Vec<usize> =
        markdown.split("#### `stack-").skip(1).map(str::len).filter(|length| *length > 200).collect();
    let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
    assert!(lengths.len() == 7 && least * 2 > *most, "{lengths:?}");
}
