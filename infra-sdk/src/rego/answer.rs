//! What came back from the process that evaluates, as far as it came.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::plan::Veil;
use crate::plan::judge::{Finding, Level};
use crate::rego::input::Input;
use crate::rego::message::{HEAVIEST, Message, cut};
use crate::rego::talk::{Event, Kind, Rule, VERSION};

/// What the findings about broken rules are called: nobody can make them milder.
pub(super) const BROKEN: &str = "policy";

/// What one process said, read piece by piece; what it was at when it ended is known.
#[derive(Debug, Default)]
pub(super) struct Answer {
    rest: Vec<u8>,
    hello: bool,
    foreign: bool,
    refused: Option<String>,
    pub(super) rules: Option<Vec<Rule>>,
    asking: Option<(usize, usize)>,
    said: Vec<(usize, usize, Vec<Message>)>,
    weight: usize,
    /// Rule, input, why.
    broke: Vec<(usize, usize, String)>,
    unread: Vec<(usize, String)>,
    pub(super) tested: BTreeMap<usize, bool>,
    done: bool,
}

/// The longest line: all that may be said at once, each byte escaped.
const LONGEST: usize = 8 * HEAVIEST;

impl Answer {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Only what is new can hold the end of a line: looking at all of a long one again each time takes for ever.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (ended, begun) = bytes.split_at(whole);
        let mut lines = Vec::new();
        if !ended.is_empty() {
            lines = std::mem::take(&mut self.rest);
            lines.extend_from_slice(ended);
        }
        self.rest.extend_from_slice(begun);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(event) => self.take(event),
                Err(_) => self.foreign = true,
            }
        }
        if self.rest.len() > LONGEST {
            self.foreign = true;
            self.rest = Vec::new();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Hello(version) => (self.hello, self.foreign) = (true, self.foreign || version != VERSION),
            Event::Refused(why) => self.refused = Some(why),
            Event::Rules(rules) => self.rules = Some(rules),
            Event::Asking { rule, input } => self.asking = Some((rule, input)),
            Event::Said { rule, input, messages } => {
                self.weight += messages.iter().map(Message::weight).sum::<usize>();
                match self.weight > HEAVIEST {
                    // A process of this program keeps the bound itself.
                    true => self.foreign = true,
                    false => self.said.push((rule, input, messages)),
                }
            }
            Event::Broke { rule, input, why } => self.broke.push((rule, input, why)),
            Event::Unread { input, why } => self.unread.push((input, why)),
            Event::Tested { rule, passed } => drop(self.tested.insert(rule, passed)),
            Event::Done => self.done = true,
        }
    }

    /// Whether everything was asked, or there was nothing to ask.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The rule and the input it was at when it ended too early.
    pub(super) fn stopped_at(&self) -> Option<(Rule, usize)> {
        let (rule, input) = self.asking.filter(|_| !self.done)?;
        Some((self.rules.as_ref()?.get(rule)?.clone(), input))
    }

    /// Notes that the rule which was being asked ended the process.
    pub(super) fn blame(&mut self, why: String) {
        if let Some((rule, input)) = self.asking {
            self.broke.push((rule, input, why));
        }
    }

    /// Refuses what is no answer at all.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(why) = &self.refused {
            return Err(Error::invalid("a policy cannot be read")
                .because(why.clone())
                .hint("correct it; policies are written in Rego v1: `deny contains msg if { … }`"));
        }
        if !self.hello || self.foreign {
            return Err(Error::new(crate::error::ErrorKind::Bug, "this program does not evaluate policies when it is asked to")
                .hint("start it with `infra_sdk::main`, or call `infra_sdk::rego::evaluate_if_asked` first in `main`"));
        }
        Ok(())
    }

    /// Tests that could not be evaluated, with why.
    pub(super) fn broken_tests(&self) -> BTreeMap<usize, String> {
        self.broke.iter().map(|(rule, _, why)| (*rule, why.clone())).collect()
    }

    /// The findings so far. `inputs` are those that this process was given.
    pub(super) fn findings(&self, inputs: &[Input], veil: &Veil) -> Vec<Finding> {
        let rules = self.rules.as_deref().unwrap_or_default();
        let address = |input: usize| inputs.get(input).and_then(|input| input.address.clone());
        let mut findings = Vec::new();
        for (rule, input, messages) in &self.said {
            let Some(rule) = rules.get(*rule) else { continue };
            let level = if rule.kind == Kind::Warn { Level::Warning } else { Level::Error };
            for message in messages {
                // A rule of a policy is told apart from the built-in ones by its package.
                let package = rule.name.rsplit_once('.').map_or("", |(package, _)| package);
                let name = message.rule.as_ref().map_or(rule.name.clone(), |own| format!("{package}.{own}"));
                findings.push(Finding {
                    address: message.address.clone().or_else(|| address(*input)),
                    rule: name,
                    level,
                    message: message.msg.clone(),
                    hint: message.hint.clone(),
                });
            }
        }
        let mut broken = |address: Option<String>, message: String, hint: &str| {
            findings.push(Finding {
                address,
                rule: BROKEN.into(),
                level: Level::Error,
                message,
                hint: Some(hint.into()),
            });
        };
        for (rule, input, why) in &self.broke {
            let Some(rule) = rules.get(*rule) else { continue };
            let message = format!(
                "the rule `{}` ({}:{}) could not be evaluated: {why}",
                rule.name, rule.file, rule.line
            );
            broken(address(*input), message, "correct the rule: what it would have said is not known");
        }
        for (input, why) in &self.unread {
            let message = format!("policies cannot be asked about it: {why}");
            broken(address(*input), message, "make its values simpler, or judge it by hand");
        }
        let mut texts: Vec<&mut String> = Vec::new();
        for finding in &mut findings {
            texts.extend([&mut finding.rule, &mut finding.message]);
            texts.extend(finding.address.iter_mut().chain(&mut finding.hint));
        }
        veil.cover(&mut texts);
        for finding in &mut findings {
            cut(&mut finding.message);
            finding.hint.iter_mut().for_each(cut);
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn answer(lines: &str) -> Answer {
        let mut answer = Answer::default();
        // As a pipe may bring it.
        lines.as_bytes().chunks(7).for_each(|piece| answer.push(piece));
        answer
    }

    const RULES: &str = "{\"Hello\":1}\n{\"Rules\":[{\"name\":\"a.warn\",\"file\":\"a.rego\",\"line\":3,\"kind\":\"Warn\"}]}\n";

    #[test]
    fn a_program_that_does_something_else_is_told_from_one_that_evaluates() {
        for lines in ["", "usage: tool\n", "{\"Hello\":2}\n", &format!("{RULES}a line of a library\n")] {
            assert_eq!(answer(lines).check().unwrap_err().kind(), ErrorKind::Bug, "{lines}");
        }
        assert!(answer(RULES).check().is_ok());
        let refused = answer("{\"Hello\":1}\n{\"Refused\":\"a.rego:1:2: no\"}\n").check().unwrap_err();
        assert!(refused.report().to_string().contains("because: a.rego:1:2: no"), "{refused:?}");
    }

    #[test]
    fn the_rule_that_ended_a_process_is_known_and_blamed() {
        let inputs = [Input { address: Some("x".into()), json: String::new() }];
        let mut ended = answer(&format!("{RULES}{{\"Asking\":{{\"rule\":0,\"input\":0}}}}\n{{\"Sai"));
        assert_eq!(ended.stopped_at().map(|(rule, input)| (rule.name, input)), Some(("a.warn".into(), 0)));
        ended.blame("it ended".into());
        let findings = ended.findings(&inputs, &Veil::default());
        assert_eq!((findings[0].rule.as_str(), findings[0].level), (BROKEN, Level::Error));
        assert!(findings[0].message.contains("`a.warn` (a.rego:3) could not be evaluated: it ended"));
        assert!(answer(&format!("{RULES}\"Done\"\n")).stopped_at().is_none());
    }

    #[test]
    fn a_message_names_its_own_rule_and_address_and_never_a_secret() {
        let said = "{\"Said\":{\"rule\":0,\"input\":0,\"messages\":[{\"msg\":\"has hunter2-hunter2\",\"hint\":null,\"rule\":\"keys\",\"address\":\"y\"}]}}\n";
        let mut veil = Veil::default();
        veil.add(&crate::secret::SecretValue::new("hunter2-hunter2"));
        let findings = answer(&format!("{RULES}{said}\"Done\"\n")).findings(&[], &veil);
        let finding = &findings[0];
        assert_eq!(
            (finding.rule.as_str(), finding.address.as_deref(), finding.level),
            ("a.keys", Some("y"), Level::Warning)
        );
        assert!(!finding.message.contains("hunter2"), "{finding:?}");
    }
    #[test]
    fn a_secret_across_the_end_of_what_is_shown_leaves_no_piece() {
        let text = format!("{}hunter2-hunter2{}", "x".repeat(1_995), "y".repeat(100));
        let said = format!(
            r#"{{"Said":{{"rule":0,"input":0,"messages":[{{"msg":"{text}","hint":"{text}","rule":null,"address":"hunter2-hunter2"}}]}}}}"#
        );
        let mut veil = Veil::default();
        veil.add(&crate::secret::SecretValue::new("hunter2-hunter2"));
        let findings = answer(&format!("{RULES}{said}\n\"Done\"\n")).findings(&[], &veil);
        assert!(findings[0].message.ends_with("x***yy…"), "{findings:?}");
        assert!(!format!("{findings:?}").contains("hunte"), "{findings:?}");
    }

    #[test]
    fn a_long_line_is_searched_once_and_more_than_rules_may_say_is_not_kept() {
        let mut answer = answer(RULES);
        let began = std::time::Instant::now();
        let piece = [b'x'; 1 << 10];
        (0..16 << 10).for_each(|_| answer.push(&piece));
        // Searched anew with each piece it takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        answer.push(b"\n");
        assert!(answer.check().is_err() && answer.rest.is_empty());

        let mut heavy = super::Answer::default();
        heavy.push(RULES.as_bytes());
        let message = Message::all("x".repeat(20_000).into()).unwrap();
        for _ in 0..2_000 {
            heavy.take(Event::Said { rule: 0, input: 0, messages: message.clone() });
        }
        assert!(heavy.check().is_err() && heavy.said.len() < 1_700);
    }
}
