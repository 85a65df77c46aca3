//! The plan of a run: for the person who confirms it, and as the result of a dry run.

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::app::App;
use crate::app::environment::Environment;
use crate::app::graph::Plan;
use crate::app::output::Output;
use crate::app::reported::Reported;
use crate::names::EnvName;

/// The plan in the order it runs, dangerous tasks marked.
pub(crate) fn text(app: &App, plan: &Plan, environment: &Environment) -> String {
    let name = environment.name();
    let protected = if environment.is_protected() { " (protected)" } else { "" };
    let mut shown = format!("Plan for environment `{name}`{protected}:");
    let nodes: Vec<_> = plan.order.iter().map(|index| &app.nodes[*index as usize]).collect();
    let visible = nodes.iter().filter(|node| !node.settings.hidden || node.is_dangerous_in(name));
    let width = visible.clone().map(|node| node.name.chars().count()).max().unwrap_or(0);
    for (number, node) in visible.enumerate() {
        let mark = if node.is_dangerous_in(name) { "  ! dangerous" } else { "" };
        let line = format!("\n  {:>2}. {:<width$}  {}{mark}", number + 1, node.name, node.about);
        shown.push_str(line.trim_end_matches(' '));
    }
    shown
}

/// What a dry run would do and what it does, as the one document of `--output json`.
#[derive(Serialize)]
pub(crate) struct DryRun {
    version: u32,
    environment: EnvName,
    protected: bool,
    plan: Vec<Value>,
    /// What was reported of what was asked for, by name.
    reports: Reported,
}

impl DryRun {
    pub(crate) fn new(app: &App, plan: &Plan, environment: &Environment) -> Self {
        let nodes = plan.order.iter().map(|index| &app.nodes[*index as usize]);
        let tasks = nodes.zip(will_run(app, plan)).map(|(node, runs)| {
            json!({"name": &*node.name, "danger": node.is_dangerous_in(environment.name()), "runs": runs})
        });
        DryRun {
            version: 1,
            environment: environment.name().clone(),
            protected: environment.is_protected(),
            plan: tasks.collect(),
            reports: Reported::Map(Vec::new()),
        }
    }

    /// With what was reported in the end.
    pub(crate) fn with(self, reports: Reported) -> Self {
        DryRun { reports, ..self }
    }
}

/// Shows what a dry run would do and what it does.
pub(crate) fn dry_run(app: &App, plan: &Plan, environment: &Environment, output: &Output) {
    let runs = will_run(app, plan);
    output.result(&text(app, plan, environment));
    let running = plan.order.iter().zip(&runs).filter(|(_, runs)| **runs);
    let names: Vec<&str> = running.map(|(index, _)| &*app.nodes[*index as usize].name).collect();
    output.result(&if names.is_empty() {
        "Dry run: nothing is run.".to_owned()
    } else {
        format!("Dry run: only what changes nothing is run: {}", names.join(", "))
    });
}

/// Which bodies a dry run runs: those that change nothing and whose needs ran as well.
fn will_run(app: &App, plan: &Plan) -> Vec<bool> {
    let mut runs = vec![false; app.nodes.len()];
    for &index in &plan.order {
        let node = &app.nodes[index as usize];
        runs[index as usize] = node.settings.read_only && node.needs.iter().all(|need| runs[*need as usize]);
    }
    plan.order.iter().map(|index| runs[*index as usize]).collect()
}
