//! The list of tasks: for people, grouped and aligned, and as JSON for tools.

use serde::Serialize;

use crate::app::app::App;
use crate::app::node::Node;

/// `--list --output json`. The version grows when a field changes its meaning or goes.
#[derive(Debug, Serialize)]
pub(crate) struct TaskList<'a> {
    version: u32,
    tasks: Vec<Listed<'a>>,
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    about: &'a str,
    group: &'a str,
    needs: Vec<&'a str>,
    after: Vec<&'a str>,
    danger: bool,
}

impl<'a> TaskList<'a> {
    /// The tasks of `app` that are not hidden: the repo's own first, then each pack's.
    pub(crate) fn of(app: &'a App) -> Self {
        let names = |list: &[u32]| list.iter().map(|index| &*app.nodes[*index as usize].name).collect();
        let listed = |node: &'a Node| Listed {
            name: &node.name,
            about: &node.about,
            group: node.group(),
            needs: names(&node.needs),
            after: names(&node.after),
            danger: node.is_dangerous(),
        };
        let tasks = groups(app).into_iter().flat_map(|(_, nodes)| nodes).map(listed).collect();
        TaskList { version: 1, tasks }
    }
}

/// The groups with their tasks that are not hidden; those without any are left out.
fn groups(app: &App) -> Vec<(&str, Vec<&Node>)> {
    let visible = || app.nodes.iter().filter(|node| !node.settings.hidden);
    let own = ("repo", visible().filter(|node| node.pack.is_none()).collect::<Vec<_>>());
    let packs = app.packs.iter().map(|pack| {
        (&**pack, visible().filter(|node| node.pack.as_deref() == Some(pack)).collect::<Vec<_>>())
    });
    std::iter::once(own).chain(packs).filter(|(_, nodes)| !nodes.is_empty()).collect()
}

/// The list for people.
pub(crate) fn text(app: &App) -> String {
    let groups = groups(app);
    let names = groups.iter().flat_map(|(_, nodes)| nodes).map(|node| node.name.chars().count());
    let width = names.max().unwrap_or(0);
    let mut text = String::new();
    for (group, nodes) in groups {
        let title = if group == "repo" { "This repo" } else { group };
        text.push_str(&format!("{}{title}:\n", if text.is_empty() { "" } else { "\n" }));
        for node in nodes {
            let danger = if node.is_dangerous() { " (asks first)" } else { "" };
            text.push_str(&format!("  {:<width$}  {}{danger}\n", node.name, node.about));
        }
    }
    if text.is_empty() {
        text.push_str("There are no tasks yet: register one with `app.task(\"name\")`.\n");
    }
    text
}
