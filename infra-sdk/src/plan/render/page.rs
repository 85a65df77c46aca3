//! One or several stacks made ready to be shown.

use crate::error::Result;
use crate::plan::judge::Findings;
use crate::plan::model::Plan;
use crate::plan::render::text::without_sequences;
use crate::plan::render::view::View;
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
        let mut page = Page { stacks: Vec::new(), veil };
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
        let is_cut = |text: &str| text.contains(['\u{1b}', '\u{9b}']);
        let cut = texts.iter().enumerate().filter(|(_, text)| is_cut(text));
        let joined: Vec<(usize, String)> =
            cut.map(|(place, text)| (place, without_sequences(text).into_owned())).collect();
        let mut hidden: Vec<String> = joined.iter().map(|(_, text)| text.clone()).collect();
        self.veil.cover(&mut hidden.iter_mut().collect::<Vec<_>>());
        for ((place, joined), hidden) in joined.into_iter().zip(hidden) {
            if hidden != joined {
                *texts[place] = hidden;
            }
        }
    }
}
