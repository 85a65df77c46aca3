//! The graph of tasks as a text tree and for Graphviz.

use std::collections::HashSet;

use crate::app::app::App;

/// A tree below each task of `roots`; without any, below each task that no other waits for.
/// What was shown before is not unfolded again.
pub(crate) fn tree(app: &App, roots: &[u32]) -> String {
    let mut shown = HashSet::new();
    let mut text = String::new();
    for root in starts(app, roots) {
        text.push_str(&format!("{}\n", app.nodes[root as usize].name));
        shown.insert(root);
        branches(app, root, "", &mut shown, &mut text);
    }
    text
}

fn branches(app: &App, index: u32, indent: &str, shown: &mut HashSet<u32>, text: &mut String) {
    // Kept as a list of what is left, because a chain may be deeper than the stack.
    let mut open = vec![(index, indent.to_owned(), 0)];
    while let Some((index, indent, next)) = open.pop() {
        let node = &app.nodes[index as usize];
        let below: Vec<u32> = node.needs.iter().chain(&node.after).copied().collect();
        let Some(&child) = below.get(next) else { continue };
        let last = next + 1 == below.len();
        let order = if next >= node.needs.len() { " (order only)" } else { "" };
        let again = !shown.insert(child);
        let name = &app.nodes[child as usize].name;
        let folded = if again && !app.nodes[child as usize].dependencies().is_empty() { " …" } else { "" };
        text.push_str(&format!("{indent}{} {name}{order}{folded}\n", if last { "└─" } else { "├─" }));
        let deeper = format!("{indent}{}", if last { "   " } else { "│  " });
        open.push((index, indent, next + 1));
        if !again {
            open.push((child, deeper, 0));
        }
    }
}

/// The same as a digraph: solid edges carry data, dashed ones only an order.
pub(crate) fn dot(app: &App, roots: &[u32]) -> String {
    let mut text = String::from("digraph tasks {\n  rankdir = LR;\n  node [shape = box];\n");
    let mut open = starts(app, roots);
    let mut shown: HashSet<u32> = open.iter().copied().collect();
    let mut at = 0;
    while let Some(&index) = open.get(at) {
        at += 1;
        let node = &app.nodes[index as usize];
        text.push_str(&format!(
            "  \"{}\"{};\n",
            node.name,
            if node.is_dangerous() { " [color = red]" } else { "" }
        ));
        let needs = node.needs.iter().map(|below| (below, ""));
        for (below, style) in needs.chain(node.after.iter().map(|below| (below, " [style = dashed]"))) {
            text.push_str(&format!(
                "  \"{}\" -> \"{}\"{style};\n",
                node.name, app.nodes[*below as usize].name
            ));
            if shown.insert(*below) {
                open.push(*below);
            }
        }
    }
    text.push_str("}\n");
    text
}

fn starts(app: &App, roots: &[u32]) -> Vec<u32> {
    if !roots.is_empty() {
        return roots.to_vec();
    }
    let waited_for: HashSet<u32> = app.nodes.iter().flat_map(|node| node.dependencies()).collect();
    let visible = |index: &u32| !app.nodes[*index as usize].settings.hidden;
    (0..app.nodes.len() as u32).filter(|index| !waited_for.contains(index)).filter(visible).collect()
}
