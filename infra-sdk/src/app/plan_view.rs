//! The plan of a run: for the person who confirms it, and as the result of a dry run.

use serde_json::json;

use crate::app::app::App;
use crate::app::environment::Environment;
use crate::app::graph::Plan;
use crate::app::output::Output;
use crate::error::Result;

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

/// Shows what a dry run would do and what it does.
///
/// # Errors
/// `Bug` when it cannot be written as JSON.
pub(crate) fn dry_run(
    app: &App,
    plan: &Plan,
    environment: &Environment,
    json: bool,
    output: &Output,
) -> Result<()> {
    let runs = will_run(app, plan);
    if json {
        let tasks: Vec<_> = plan
                .order
                .iter()
                .map(|index| &app.nodes[*index as usize])
                .zip(&runs)
                .map(|(node, runs)| {
                    json!({"name": &*node.name, "danger": node.is_dangerous_in(environment.name()), "runs": runs})
                })
                .collect();
        return output.document(&json!({
            "version": 1,
            "environment": environment.name(),
            "protected": environment.is_protected(),
            "plan": tasks,
        }));
    }
    output.result(&text(app, plan, environment));
    let running = plan.order.iter().zip(&runs).filter(|(_, runs)| **runs);
    let names: Vec<&str> = running.map(|(index, _)| &*app.nodes[*index as usize].name).collect();
    output.result(&if names.is_empty() {
        "Dry run: nothing is run.".to_owned()
    } else {
        format!("Dry run: only what changes nothing is run: {}", names.join(", "))
    });
    Ok(())
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
