//! The interpreter: reading policies, finding their rules, asking one.

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::LimitError;
use regorus::utils::limits::ExecutionTimerConfig;

use crate::rego::message::Message;
use crate::rego::policies::Policies;
use crate::rego::talk::{Kind, Rule};
use crate::time::human;

/// Policies that are read.
pub(super) struct Engine {
    engine: regorus::Engine,
    rules: Vec<Rule>,
}

impl Engine {
    /// Reads policies, Rego v1. `Err` says what is wrong, with file, line and column.
    pub(super) fn new(policies: &Policies, each: Duration) -> Result<Self, String> {
        let mut engine = regorus::Engine::new();
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: each,
            check_interval: NonZeroU32::MIN,
        });
        // Printing is for whoever writes a policy; here it would stand between the lines of an answer.
        engine.set_gather_prints(true);
        for file in policies.files() {
            engine.add_policy(file.name.clone(), file.text.clone()).map_err(|error| told(&error))?;
            if let Some((line, column)) = silent_walk(&file.text) {
                return Err(format!("{}:{line}:{column}: write `walk(x, [path, value])`", file.name));
            }
        }
        let rules = rules(&mut engine, policies)?;
        Ok(Engine { engine, rules })
    }

    /// Every rule that refuses, warns or tests, each once, by name.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the rules are asked about from now on.
    pub(super) fn set_input(&mut self, json: &str) -> Result<(), String> {
        self.engine.set_input(regorus::Value::from_json_str(json).map_err(|error| told(&error))?);
        Ok(())
    }

    /// What a rule says about the input.
    pub(super) fn ask(&mut self, rule: &Rule) -> Result<Vec<Message>, String> {
        Message::all(self.value(rule)?)
    }

    /// Whether a test passes: it does when it is `true`, and fails when it is anything else or undefined.
    pub(super) fn test(&mut self, rule: &Rule) -> Result<bool, String> {
        Ok(self.value(rule)? == serde_json::Value::Bool(true))
    }

    fn value(&mut self, rule: &Rule) -> Result<serde_json::Value, String> {
        let value = self.engine.eval_rule(format!("data.{}", rule.name));
        // What is printed is dropped at once, or it would grow from resource to resource.
        let _ = self.engine.take_prints();
        let value = value.map_err(|error| match error.downcast_ref::<LimitError>() {
            Some(LimitError::TimeLimitExceeded { limit, .. }) => {
                format!("it took longer than {}", human(*limit))
            }
            _ => told(&error),
        })?;
        if value == regorus::Value::Undefined {
            return Ok(serde_json::Value::Null);
        }
        serde_json::to_value(&value).map_err(|error| format!("its value is no JSON: {error}"))
    }
}

fn rules(engine: &mut regorus::Engine, policies: &Policies) -> Result<Vec<Rule>, String> {
    let packages = engine.get_packages().map_err(|error| told(&error))?;
    let mut rules: Vec<Rule> = Vec::new();
    for ((module, package), file) in engine.get_modules().iter().zip(&packages).zip(policies.files()) {
        let package = package.strip_prefix("data.").unwrap_or(package);
        for rule in &module.policy {
            let Some((name, kind)) = head(rule.span().text()) else { continue };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            if !package.chars().all(plain) {
                return Err(format!("{}: the package `{package}` is not made of plain words", file.name));
            }
            let name = format!("{package}.{name}");
            if !rules.iter().any(|known| known.name == name) {
                rules.push(Rule { name, file: file.name.clone(), line: rule.span().line, kind });
            }
        }
    }
    rules.sort();
    Ok(rules)
}

/// The name at the head of a rule's text, and what a rule of that name is; `None` for rules that only help others.
fn head(text: &str) -> Option<(&str, Kind)> {
    let text = text.trim_start();
    let text =
        text.strip_prefix("default").filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(text);
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    // A function, or a rule below the name, is asked by somebody else.
    if rest.starts_with(['(', '.']) {
        return None;
    }
    let is = |word: &str| name == word || name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'));
    let kind = match () {
        () if is("deny") || is("violation") => Kind::Deny,
        () if is("warn") => Kind::Warn,
        () if name.starts_with("test_") => Kind::Test,
        () => return None,
    };
    Some((name, kind))
}

/// Where `walk` is used as a value, which this interpreter never finds true: the rule would be silent.
fn silent_walk(text: &str) -> Option<(usize, usize)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let code = line.split('#').next().unwrap_or_default();
        let at = code.match_indices("walk(").find(|(at, _)| {
            let before = code[..*at].trim_end();
            before.ends_with('=') || before.ends_with(" in")
        })?;
        Some((index + 1, at.0 + 1))
    })
}

/// An error of the interpreter on one line: `FILE:LINE:COLUMN: what`. The line of the policy that it repeats is left out.
fn told(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let Some(place) = first.strip_prefix("--> ") else {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    };
    let what: Vec<&str> = lines.filter_map(|line| line.split_once("error: ").map(|(_, what)| what)).collect();
    format!("{place}: {}", if what.is_empty() { "it is not understood".into() } else { what.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(text: &str) -> Result<Engine, String> {
        let mut policies = Policies::default();
        policies.add("policy/x.rego", text);
        Engine::new(&policies, Duration::from_secs(5))
    }

    fn ask(text: &str, input: &str) -> Result<Vec<Message>, String> {
        let mut engine = engine(text)?;
        engine.set_input(input)?;
        let rule = engine.rules()[0].clone();
        engine.ask(&rule)
    }

    #[test]
    fn rules_are_found_by_name_in_every_package_and_each_once() {
        let text = "package acme.tags\n\nwarn contains \"a\" if input.a\nwarn contains \"b\" if input.b\n\
            deny_open contains \"c\" if input.c\nviolation contains {\"msg\": \"d\"} if input.d\n\
            denyish contains \"e\" if input.e\nhelper := 1\ntest_x if input.x\ndeny_fn(x) := x\n";
        let engine = engine(text).unwrap();
        let found: Vec<_> =
            engine.rules().iter().map(|rule| (rule.name.as_str(), rule.kind, rule.line)).collect();
        assert_eq!(
            found,
            [
                ("acme.tags.deny_open", Kind::Deny, 5),
                ("acme.tags.test_x", Kind::Test, 9),
                ("acme.tags.violation", Kind::Deny, 6),
                ("acme.tags.warn", Kind::Warn, 3),
            ]
        );
    }

    #[test]
    fn a_rule_says_texts_and_objects_about_the_input_and_nothing_when_undefined() {
        let text = "package a\ndeny contains msg if { input.resource.type == \"x\"; msg := sprintf(\"no %s\", [input.resource.type]) }\n\
            deny contains {\"msg\": \"m\", \"hint\": \"h\"} if input.resource.type == \"x\"\n";
        let said = ask(text, r#"{"resource": {"type": "x"}}"#).unwrap();
        let texts: Vec<_> =
            said.iter().map(|message| (message.msg.as_str(), message.hint.as_deref())).collect();
        assert_eq!(texts, [("no x", None), ("m", Some("h"))]);
        assert!(ask(text, r#"{"plan": {}}"#).unwrap().is_empty());
    }

    #[test]
    fn what_a_policy_about_infrastructure_needs_is_there() {
        for expression in [
            "net.cidr_contains(\"10.0.0.0/8\", \"10.1.0.0/16\")",
            "regex.match(`^aws_`, \"aws_vpc\")",
            "glob.match(\"aws_*\", [], \"aws_vpc\")",
            "semver.compare(\"1.2.0\", \"1.10.0\") == -1",
            "json.unmarshal(\"{\\\"a\\\": [1]}\").a[_] == 1",
            "base64.decode(\"YQ==\") == \"a\"",
            "some x in [1, 2]; x == 2",
            "every x in [1, 2] { x > 0 }",
            "walk({\"a\": 1}, [path, value]); value == 1",
            "startswith(lower(\"AB\"), \"a\")",
            "object.get({\"a\": 1}, \"b\", 2) == 2",
            "count({1, 2} & {2}) == 1",
        ] {
            let text = format!("package a\ndeny contains \"yes\" if {{ {expression} }}\n");
            assert_eq!(ask(&text, "{}").map(|said| said.len()), Ok(1), "{expression}");
        }
        // The environment and the network are nobody's business.
        for expression in ["opa.runtime().env.PATH", "http.send({\"url\": \"http://127.0.0.1\"})"] {
            let text = format!("package a\ndeny contains \"yes\" if {{ {expression} }}\n");
            assert!(ask(&text, "{}").is_err(), "{expression}");
        }
    }

    #[test]
    fn mistakes_are_told_with_file_line_and_column() {
        let syntax = engine("package a\n\ndeny contains msg if {\n").err().unwrap();
        assert!(syntax.starts_with("policy/x.rego:4:"), "{syntax}");
        let old = engine("package a\ndeny[msg] { msg := \"x\" }\n").err().unwrap();
        assert!(old.starts_with("policy/x.rego:2:"), "{old}");
        for walk in ["[p, v] := walk(input)", "some [p, v] in walk(input)"] {
            let silent = engine(&format!("package a\ndeny contains v if {{ {walk} }}\n")).err().unwrap();
            assert!(
                silent.starts_with("policy/x.rego:2:") && silent.contains("walk(x, [path, value])"),
                "{silent}"
            );
        }
        let runtime = ask("package a\ndeny contains msg if { msg := 1 / 0 }\n", "{}").unwrap_err();
        assert!(runtime.starts_with("policy/x.rego:2:"), "{runtime}");
        assert!(!runtime.contains('\n'), "{runtime}");
        let unknown = ask("package a\ndeny contains msg if { msg := nowhere }\n", "{}").unwrap_err();
        assert!(unknown.contains("x.rego:2:"), "{unknown}");
        let recursive = ask("package a\nb if { b }\ndeny contains \"x\" if { b }\n", "{}").unwrap_err();
        assert!(recursive.contains("recursi"), "{recursive}");
        let number = ask("package a\ndeny := 7\n", "{}").unwrap_err();
        assert!(number.contains("no set of texts"), "{number}");
    }

    #[test]
    fn a_comprehension_without_end_is_stopped_by_the_clock() {
        let mut policies = Policies::default();
        let text = "package a\nr := numbers.range(1, 3000)\ndeny contains \"x\" if { count([1 | some a in r; some b in r; some c in r; a + b == c]) > 0 }\n";
        policies.add("policy/slow.rego", text);
        let mut engine = Engine::new(&policies, Duration::from_millis(100)).unwrap();
        engine.set_input("{}").unwrap();
        let rule = engine.rules()[0].clone();
        let told = engine.ask(&rule).unwrap_err();
        assert!(told.contains("took longer than 0.1 s"), "{told}");
    }
}
