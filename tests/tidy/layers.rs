//! The layer table of ARCHITECTURE.md holds: a file names only rooms that its own room may name.

use std::collections::{BTreeMap, BTreeSet};

use support::repo;

/// The rooms and what each may name, as ARCHITECTURE.md has them; rooms of one row may not name each other
/// unless the row says so.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(repo().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let section =
        text.split("<!-- layers -->").nth(1).expect("the layer table stands between two <!-- layers -->");
    let mut rows: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let words =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        rows.push((words(cells[0]), words(cells[1])));
    }
    let mut table = BTreeMap::new();
    for (rooms, allowed) in &rows {
        for room in rooms {
            let mut set: BTreeSet<String> = allowed.iter().cloned().collect();
            set.insert(room.clone());
            table.insert(room.clone(), set);
        }
    }
    // The floor is a row of files, each of which may name the ones before it.
    let floor = rows.first().expect("the floor is the first row").0.clone();
    for (index, room) in floor.iter().enumerate() {
        table.insert(room.clone(), floor[..=index].iter().cloned().collect());
    }
    for set in table.values_mut().filter(|set| set.contains("floor")) {
        set.extend(floor.iter().cloned());
    }
    table
}

/// The rooms named after `crate::` in some source, also inside a group.
fn named(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in source.match_indices("crate::") {
        let preceded_by_dollar = source[..at].ends_with('$');
        let before_is_word = source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if preceded_by_dollar || before_is_word {
            continue;
        }
        let rest = &source[at + "crate::".len()..];
        let word =
            |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut fresh = true;
            for (index, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    c if depth == 0 && fresh && c.is_alphabetic() => {
                        found.insert(word(&group[index..]));
                        fresh = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(word(rest));
        }
    }
    found.retain(|name| name.starts_with(|c: char| c.is_lowercase()));
    found
}

fn code_only(source: &str) -> String {
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_names_only_the_rooms_its_own_may_name() {
    let table = table();
    let mut broken = Vec::new();
    for (path, source) in support::sources("infra-sdk/src") {
        let room = path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        if room == "lib" {
            continue;
        }
        let Some(allowed) = table.get(&room) else {
            broken.push(format!("{path}: room `{room}` is not in the layer table"));
            continue;
        };
        for name in named(&code_only(&source)) {
            if table.contains_key(&name) && !allowed.contains(&name) {
                broken.push(format!("{path}: `{room}` may not name `{name}`"));
            }
        }
        if source.contains("super::super") {
            broken.push(format!("{path}: write crate:: paths, so that layers can be read"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_room_of_the_table_exists() {
    let present: BTreeSet<String> = support::sources("infra-sdk/src")
        .into_iter()
        .map(|(path, _)| path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned())
        .collect();
    let missing: Vec<String> = table().into_keys().filter(|room| !present.contains(room)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md lists rooms that are not there: {missing:?}");
}

#[test]
fn the_scan_sees_rooms_inside_groups_and_not_inside_words() {
    let seen =
        named("use crate::{env::Env, local::{self, X}}; crate::names::quoted(); mycrate::nope; crate::Error");
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["env", "local", "names"]);
}

#[test]
fn features_are_switched_only_where_the_map_says() {
    let allowed = ["lib.rs", "tasks/mod.rs", "aws/mod.rs"];
    let wrong: Vec<String> = support::sources("infra-sdk/src")
        .into_iter()
        .filter(|(path, source)| {
            let may = allowed.contains(&path.as_str()) || path.starts_with("infra/providers/");
            !may && code_only(source).contains("cfg(feature")
        })
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "cfg(feature) stands in {wrong:?}");
}
