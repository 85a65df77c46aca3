//! One or several stacks made ready to be shown.

use std::collections::HashMap;

use crate::error::Result;
use crate::plan::diff::Relevant;
use crate::plan::judge::{Finding, Findings};
use crate::plan::model::{CheckStatus, OutputChange, Plan};
use crate::plan::render::entry::Entry;
use crate::plan::render::text::without_sequences;
use crate::plan::summary::Counts;
use crate::plan::veil::Veil;

/// What one stack brings to a [`Page`].
#[derive(Clone, Copy, Debug)]
pub struct Stack<'p> {
    /// How people call it.
    pub name: &'p str,
    /// Its folder or a file of it, relative to the repository; code hosts need one to show a finding beside the code.
    pub file: Option<&'p str>,
    /// What is planned.
    pub plan: &'p Plan<'p>,
    /// What judges say about it.
    pub findings: &'p Findings,
    /// What else there is to say, such as what it costs and how far it reaches.
    pub notes: &'p [Note],
}

impl<'p> Stack<'p> {
    /// A stack about which nobody has anything to say.
    pub fn new(name: &'p str, plan: &'p Plan<'p>) -> Self {
        const NOTHING: &Findings = &Findings { findings: Vec::new() };
        Stack { name, file: None, plan, findings: NOTHING, notes: &[] }
    }
}

/// Something to say about a stack, in plain text: the renderers escape it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// What it is about: `Cost`.
    pub title: String,
    /// What there is to say, line by line.
    pub lines: Vec<String>,
}

/// Plans, findings and notes without a secret in them, ready for a terminal, a comment or a program.
///
/// A page knows the sensitive values of all its plans and takes them out of all texts, of whichever plan. Values of
/// attributes are looked into when a renderer has room for them.
///
/// ```
/// use infra_sdk::plan::{Page, Plan, Stack, Style, Veil};
/// let json = br#"{"format_version": "1.2", "resource_changes": [
///     {"address": "aws_vpc.main", "type": "aws_vpc", "name": "main", "action_reason": "replace_because_cannot_update",
///      "change": {"actions": ["delete", "create"], "replace_paths": [["cidr_block"]],
///                 "before": {"cidr_block": "10.0.0.0/16"}, "after": {"cidr_block": "10.1.0.0/16"}}}]}"#;
/// let plan = Plan::parse(json)?;
/// let page = Page::of([Stack::new("network", &plan)], Veil::default())?;
/// let text = page.terminal(Style::Plain)?;
/// assert!(text.contains("-/+ aws_vpc.main  must be replaced: `cidr_block` cannot be changed in place"), "{text}");
/// let comment = page.markdown("network", infra_sdk::plan::COMMENT_LIMIT)?;
/// assert!(comment.starts_with("<!-- infra-sdk:plan:network -->\n"), "{comment}");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
pub struct Page<'p> {
    pub(super) stacks: Vec<View<'p>>,
    veil: Veil,
}

/// A stack as it is shown: its texts hold no secrets, and are not yet escaped.
pub(super) struct View<'p> {
    pub(super) name: String,
    pub(super) file: Option<String>,
    pub(super) counts: Counts,
    /// What has something to tell, what hurts most first.
    pub(super) entries: Vec<Entry<'p>>,
    pub(super) findings: Vec<Finding>,
    /// Places of the findings that are about no entry.
    pub(super) loose: Vec<usize>,
    pub(super) notes: Vec<Note>,
    pub(super) outputs: Vec<(String, &'p OutputChange<'p>)>,
    pub(super) drift: Vec<Entry<'p>>,
    pub(super) deferred: Vec<(String, Entry<'p>)>,
    /// Those that do not pass.
    pub(super) checks: Vec<CheckView>,
    pub(super) terraform_version: Option<String>,
    /// Which attributes matter to others when they become unknown.
    pub(super) relevant: Relevant,
    /// For switches and numbers alone.
    pub(super) plan: &'p Plan<'p>,
}

/// A check that does not pass.
pub(super) struct CheckView {
    pub(super) name: String,
    pub(super) status: CheckStatus,
    /// The instance, and what the code says about it.
    pub(super) problems: Vec<(String, String)>,
}

impl<'p> Page<'p> {
    /// Makes a page. `veil` may know more secrets than the plans do, such as those of the run.
    ///
    /// # Errors
    /// As [`Veil::learn`].
    pub fn of(stacks: impl IntoIterator<Item = Stack<'p>>, mut veil: Veil) -> Result<Self> {
        let mut views = Vec::new();
        for stack in stacks {
            veil.learn(stack.plan)?;
            views.push(View::of(stack)?);
        }
        let mut page = Page { stacks: views, veil };
        let mut views = std::mem::take(&mut page.stacks);
        let mut texts = Vec::new();
        views.iter_mut().for_each(|view| view.texts(&mut texts));
        page.clear(&mut texts);
        page.stacks = views;
        Ok(page)
    }

    /// What all stacks together do.
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.stacks.iter().for_each(|stack| all.add_all(&stack.counts));
        all
    }

    /// Takes the secrets out, also those that an escape sequence cuts in two until it is removed.
    pub(super) fn clear(&self, texts: &mut [&mut String]) {
        self.veil.cover(texts);
        let cut = |text: &&mut &mut String| text.contains(['\u{1b}', '\u{9b}']);
        for text in texts.iter_mut().filter(cut) {
            let joined = without_sequences(text);
            let hidden = self.veil.apply(&joined);
            if hidden != joined {
                **text = hidden.into_owned();
            }
        }
    }
}

impl<'p> View<'p> {
    fn of(stack: Stack<'p>) -> Result<Self> {
        let plan = stack.plan;
        let mut counts = Counts::default();
        plan.resource_changes.iter().for_each(|resource| counts.count(resource));
        let mut entries = plan.news().map(Entry::of).collect::<Result<Vec<_>>>()?;
        let findings = stack.findings.findings.clone();
        let loose = attach(&findings, &mut entries);
        // Entries that hurt alike keep the order of the plan.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.rank()));
        let outputs = plan.output_changes.iter().filter(|output| !output.change.actions.is_no_op());
        let deferred = plan.deferred_changes.iter();
        let checks = plan.checks.iter().filter(|check| check.status != CheckStatus::Pass);
        Ok(View {
            name: stack.name.to_owned(),
            file: stack.file.map(str::to_owned),
            counts,
            entries,
            findings,
            loose,
            notes: stack.notes.to_vec(),
            outputs: outputs.map(|output| (output.name.to_string(), output)).collect(),
            drift: plan.relevant_drift()?.into_iter().map(Entry::of).collect::<Result<_>>()?,
            deferred: deferred
                .map(|deferred| Ok((deferred.reason.to_string(), Entry::of(&deferred.resource_change)?)))
                .collect::<Result<_>>()?,
            checks: checks
                .map(|check| CheckView {
                    name: check.name.to_string(),
                    status: check.status,
                    problems: check
                        .problems
                        .iter()
                        .map(|problem| (problem.instance.to_string(), problem.message.to_string()))
                        .collect(),
                })
                .collect(),
            terraform_version: plan.terraform_version.as_deref().map(str::to_owned),
            relevant: Relevant::of(plan),
            plan,
        })
    }

    /// Every text that came from outside.
    fn texts<'t>(&'t mut self, texts: &mut Vec<&'t mut String>) {
        texts.push(&mut self.name);
        texts.extend(self.file.iter_mut().chain(&mut self.terraform_version));
        for finding in &mut self.findings {
            texts.extend([&mut finding.rule, &mut finding.message]);
            texts.extend(finding.address.iter_mut().chain(&mut finding.hint));
        }
        for note in &mut self.notes {
            texts.push(&mut note.title);
            texts.extend(&mut note.lines);
        }
        texts.extend(self.outputs.iter_mut().map(|(name, _)| name));
        for (reason, entry) in &mut self.deferred {
            texts.push(reason);
            entry.texts(texts);
        }
        for check in &mut self.checks {
            texts.push(&mut check.name);
            texts.extend(check.problems.iter_mut().flat_map(|(instance, message)| [instance, message]));
        }
        self.entries.iter_mut().chain(&mut self.drift).for_each(|entry| entry.texts(texts));
    }

    /// Whether there is anything to say beside that nothing changes.
    pub(super) fn is_quiet(&self) -> bool {
        self.entries.is_empty()
            && self.findings.is_empty()
            && self.notes.is_empty()
            && self.outputs.is_empty()
            && self.drift.is_empty()
            && self.deferred.is_empty()
            && self.checks.is_empty()
            && self.warnings().is_empty()
    }

    /// What makes this less than a whole plan.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if self.plan.errored == Some(true) {
            warnings.push(
                "Planning ended with an error: this is only a part of the plan, and cannot be applied.",
            );
        }
        if self.plan.complete == Some(false) && self.plan.errored != Some(true) {
            warnings
                .push("The plan is not complete: after applying it, there is more to do than the code says.");
        }
        if self.plan.applyable == Some(false) && !self.entries.is_empty() && self.plan.errored != Some(true) {
            warnings.push("The plan cannot be applied.");
        }
        warnings
    }
}

/// Puts each finding beside the change it is about; the places of those that have none.
fn attach(findings: &[Finding], entries: &mut [Entry<'_>]) -> Vec<usize> {
    if findings.is_empty() {
        return Vec::new();
    }
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        // The current object stands for an address, an old one only where there is no other.
        if entry.deposed.is_none() || !places.contains_key(&entry.address) {
            places.insert(entry.address.clone(), place);
        }
    }
    let mut loose = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        match finding.address.as_ref().and_then(|address| places.get(address)) {
            Some(place) => {
                let entry = &mut entries[*place];
                entry.findings.push(index);
                entry.worst = entry.worst.max(Some(finding.level));
            }
            None => loose.push(index),
        }
    }
    loose
}
