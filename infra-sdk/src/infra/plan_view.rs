//! Plans of one or several stacks with everything there is to say about them, ready to be shown.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::mask::Masks;
use crate::plan::judge::Findings;
use crate::plan::{Note, Page, Plan, PlanJson, Stack, Style, Veil};

/// What is known about the plan of one stack.
#[derive(Debug)]
pub struct PlanView {
    /// The stack, or the file the plan was read from.
    pub name: String,
    /// The stack's folder, relative to the repo.
    pub folder: Option<String>,
    /// The plan. It holds secrets: show it through a [`Page`].
    pub json: Arc<PlanJson>,
    /// What judges say.
    pub findings: Findings,
    /// What else there is to say: cost, reach, the way back.
    pub notes: Vec<Note>,
    /// Where the plan is kept, encrypted, if it is.
    pub saved: Option<PathBuf>,
}

impl PlanView {
    /// A plan about which nothing more is known.
    pub fn new(name: impl Into<String>, json: PlanJson) -> Self {
        let (findings, notes) = (Findings::default(), Vec::new());
        PlanView { name: name.into(), folder: None, json: Arc::new(json), findings, notes, saved: None }
    }
}

/// The plans of several stacks, in the order in which they would be applied.
#[derive(Debug, Default)]
pub struct PlanViews {
    /// The stacks.
    pub stacks: Vec<PlanView>,
    /// What else is not shown: the secrets of the run.
    pub masks: Masks,
}

impl PlanViews {
    /// Makes the page and lets `show` write it.
    ///
    /// # Errors
    /// As [`Plan::parse`] and [`Page::of`]; what `show` fails with.
    pub fn page<T>(&self, show: impl FnOnce(&Page<'_>) -> Result<T>) -> Result<T> {
        let mut plans: Vec<Plan<'_>> = Vec::new();
        for stack in &self.stacks {
            plans.push(stack.json.plan().map_err(|error| error.with("plan", &stack.name))?);
        }
        let stacks = self.stacks.iter().zip(&plans).map(|(view, plan)| Stack {
            name: &view.name,
            file: view.folder.as_deref(),
            plan,
            findings: &view.findings,
            notes: &view.notes,
        });
        let mut veil = Veil::default();
        self.masks.values().iter().for_each(|secret| veil.add(secret));
        let shown = Page::of(stacks, veil).and_then(|page| show(&page));
        // What is wrong with a value is told without the plan it stands in.
        shown.map_err(|error| match &self.stacks[..] {
            [only] => error.with("plan", &only.name),
            _ => error,
        })
    }

    /// As text for a terminal; with colours, which whoever prints it takes out where they do not belong.
    ///
    /// # Errors
    /// As [`page`](PlanViews::page).
    pub fn terminal(&self) -> Result<String> {
        let mut text = self.page(|page| page.terminal(Style::Ansi))?;
        for path in self.stacks.iter().filter_map(|stack| stack.saved.as_ref()) {
            text.push_str(&format!("kept, encrypted, in {}\n", path.display()));
        }
        if self.stacks.is_empty() {
            text.push_str("infra.toml has no stacks for this environment\n");
        }
        Ok(text)
    }

    /// As the document that [`SCHEMA`](crate::plan::SCHEMA) describes.
    ///
    /// # Errors
    /// As [`page`](PlanViews::page).
    pub fn json(&self) -> Result<String> {
        self.page(|page| page.json())
    }
}

/// The text without colours; a plan that cannot be shown says why.
impl fmt::Display for PlanViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.page(|page| page.terminal(Style::Plain)) {
            Ok(text) => f.write_str(text.trim_end()),
            Err(error) => write!(f, "{}", error.report()),
        }
    }
}
