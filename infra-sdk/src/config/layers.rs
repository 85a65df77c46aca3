//! The layers of settings, lowest first, and the tree they give for one environment.

use std::collections::BTreeMap;

use crate::config::{document, policy};
use crate::error::Result;
use crate::names::{EnvName, nearest};
use crate::tree::{Node, Origin, Problem, ProblemKind, Value};

/// The origin of what this crate says.
pub(crate) const SDK_DEFAULT: &str = "SDK default";

/// What this crate says before anybody else; a test keeps it equal to the defaults of the types.
const DEFAULTS: &str = r#"
[env.local]
provider = "local"
[deploy]
target = "local"
health = "/healthz"
keep = 5
[vault]
dir = "infra/secrets"
key = "file"
"#;

/// The top-level tables that `[env.NAME]` may hold as well, for that environment only.
pub(crate) const OVERRIDES: [&str; 11] =
    ["costs", "deploy", "dev", "ecr", "image", "nats-server", "refs", "secrets", "stack", "store", "tools"];

/// The layers of one repo.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    /// SDK, `extends`, `infra.toml`.
    files: Vec<Node>,
    /// Variables, flags: dotted keys with their values, laid on top one by one.
    settings: Vec<Setting>,
}

/// One value from outside the files.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The keys from the top; upper or lower case, `_` for `-`.
    pub(crate) keys: Vec<String>,
    pub(crate) value: Node,
}

impl Layers {
    pub(crate) fn new(extends: Option<Node>, file: Node, settings: Vec<Setting>) -> Result<Self> {
        let mut defaults = document::parse(DEFAULTS, "SDK")?;
        let origin = Origin::named(SDK_DEFAULT);
        place_everywhere(&mut defaults, &origin);
        defaults.merge(Node::table([("policy", policy::defaults(&origin))], origin));
        Ok(Layers { files: [Some(defaults), extends, Some(file)].into_iter().flatten().collect(), settings })
    }

    /// The names of the environments, as they are written, and whether each is protected.
    pub(crate) fn environments(&self) -> BTreeMap<String, bool> {
        let mut names = BTreeMap::new();
        for (name, node) in self.files.iter().filter_map(|layer| layer.get("env")?.entries()).flatten() {
            let protected = names.entry(name.clone()).or_insert(false);
            if let Some(Value::Boolean(yes)) = node.get("protected").map(|node| &node.value) {
                *protected = *yes;
            }
        }
        names
    }

    /// Whether some layer holds settings for this environment only.
    pub(crate) fn has_overrides(&self, environment: &str) -> bool {
        let holds = |layer: &Node| {
            let section = layer.get("env").and_then(|env| env.get(environment));
            section.is_some_and(|section| OVERRIDES.iter().any(|key| section.get(key).is_some()))
        };
        self.files.iter().any(holds)
    }

    /// What makes a rule of `[policy]` milder than the file in `extends` has it.
    pub(crate) fn weakened(&self) -> Vec<Problem> {
        match self.files.as_slice() {
            [_, extended, file] => policy::weakened(extended, file, &self.settings),
            _ => Vec::new(),
        }
    }

    /// All layers on top of each other, for one environment.
    pub(crate) fn tree(&self, environment: &EnvName) -> Node {
        let mut tree = Node::table::<String>([], Origin::named(SDK_DEFAULT));
        for layer in &self.files {
            lay(&mut tree, layer.clone(), environment);
        }
        for setting in &self.settings {
            let layer = setting.as_layer(&tree);
            lay(&mut tree, layer, environment);
        }
        spell_out_defaults(&mut tree);
        tree
    }
}

/// Lays one layer on top, and on top of that what it says for the environment only.
fn lay(tree: &mut Node, mut layer: Node, environment: &EnvName) {
    let origin = layer.origin.clone();
    let mut only = Node::table::<String>([], origin.clone());
    if let Some(sections) = table_mut(&mut layer, "env") {
        for (name, section) in sections {
            let Value::Table(section) = &mut section.value else { continue };
            for key in OVERRIDES {
                if let Some(node) = section.remove(key)
                    && name == environment.as_str()
                {
                    only.merge(Node::table([(key, node)], origin.clone()));
                }
            }
        }
    }
    policy::join(tree, &mut layer);
    tree.merge(layer);
    tree.merge(only);
}

fn table_mut<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut BTreeMap<String, Node>> {
    let Value::Table(entries) = &mut node.value else { return None };
    match &mut entries.get_mut(key)?.value {
        Value::Table(entries) => Some(entries),
        _ => None,
    }
}

/// Defaults inside named sections, so that they are shown with their origin as all others are.
fn spell_out_defaults(tree: &mut Node) {
    for (section, key, value) in [("env", "provider", "local"), ("image", "dir", "/app")] {
        for node in table_mut(tree, section).into_iter().flat_map(BTreeMap::values_mut) {
            if let Value::Table(entries) = &mut node.value {
                entries
                    .entry(key.to_owned())
                    .or_insert_with(|| Node::text(value, Origin::named(SDK_DEFAULT)));
            }
        }
    }
}

fn place_everywhere(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    if let Value::Table(entries) = &mut node.value {
        entries.values_mut().for_each(|node| place_everywhere(node, origin));
    }
}

impl Setting {
    /// This value under the keys that are meant in `tree`.
    fn as_layer(&self, tree: &Node) -> Node {
        let fold = |key: &str| key.to_ascii_lowercase().replace('_', "-");
        let mut at = Some(tree);
        let mut keys: Vec<String> = Vec::new();
        for (depth, key) in self.keys.iter().enumerate() {
            let known = at.and_then(Node::entries).into_iter().flat_map(BTreeMap::keys);
            let known = known.filter(|known| fold(known) == fold(key)).min_by_key(|known| *known != key);
            // Names of secrets and of an image's variables are the only keys with a case of their own.
            let cased = keys.first().is_some_and(|first| first == "secrets") && depth == 1
                || keys.first().is_some_and(|first| first == "image") && depth == 3;
            let spelt = match known {
                Some(known) => known.clone(),
                None if cased => key.clone(),
                None => fold(key),
            };
            at = at.and_then(|node| node.get(&spelt));
            keys.push(spelt);
        }
        let origin = self.value.origin.clone();
        keys.into_iter()
            .rev()
            .fold(self.value.clone(), |node, key| Node::table([(key, node)], origin.clone()))
    }
}

/// What only the repo itself may say, in a file that others extend.
pub(crate) fn check_extended(file: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |node: Option<&Node>, path: &str, why: &str| {
        if let Some(node) = node {
            let kind = ProblemKind::Refused(why.to_owned());
            problems.push(Problem { origin: Some(node.origin.clone()), path: path.to_owned(), kind });
        }
    };
    refuse(file.get("extends"), "extends", "a file that others extend cannot extend another");
    let project = file.get("project");
    for key in ["name", "kind"] {
        let own = "every repo has its own: it cannot stand in a file that others extend";
        refuse(project.and_then(|project| project.get(key)), &format!("project.{key}"), own);
    }
    problems
}

/// `[env.NAME]` knows more keys than its type, which says nothing of overrides: they count as meant, too.
pub(crate) fn suggest_overrides(problem: &mut Problem) {
    let key = match problem.path.strip_prefix("env.").and_then(|rest| rest.split_once('.')) {
        Some((_, key)) if !key.contains('.') => key,
        _ => return,
    };
    if let ProblemKind::Unknown { nearest: found @ None } = &mut problem.kind {
        *found = nearest(key, OVERRIDES).map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Deploy;
    use crate::tree::{ReadOptions, read};

    fn layers(extends: &str, file: &str, settings: &[(&str, &str)]) -> Layers {
        let settings = settings.iter().map(|(keys, value)| Setting {
            keys: keys.split('.').map(str::to_owned).collect(),
            value: Node::loose(*value, Origin::named(*keys)),
        });
        let extends = document::parse(extends, "org.toml").unwrap();
        Layers::new(Some(extends), document::parse(file, "infra.toml").unwrap(), settings.collect()).unwrap()
    }

    fn origin(tree: &Node, path: &str) -> String {
        let leaves = tree.leaves();
        leaves.iter().find(|(at, _)| at == path).map_or("none".into(), |(_, node)| node.origin.to_string())
    }

    #[test]
    fn the_defaults_shown_are_the_defaults_used() {
        let tree = layers("", "", &[]).tree(&EnvName::local());
        let shown: Deploy = read(tree.get("deploy").unwrap(), ReadOptions::default()).unwrap();
        assert_eq!(serde_json::to_value(shown).unwrap(), serde_json::to_value(Deploy::default()).unwrap());
    }

    #[test]
    fn later_layers_win_and_an_environment_overrides_its_own_layer_only() {
        let layers = layers(
            "[env.staging.deploy]\nkeep = 7\nport = 1\n[deploy]\nhealth = \"/org\"\n",
            "[deploy]\nkeep = 3\n[env.staging.deploy]\nhealth = \"/staging\"\n",
            &[("DEPLOY.WAIT", "5s")],
        );
        let staging = layers.tree(&EnvName::new("staging").unwrap());
        assert_eq!(origin(&staging, "deploy.keep"), "infra.toml:2:1");
        assert_eq!(origin(&staging, "deploy.port"), "org.toml:3:1");
        assert_eq!(origin(&staging, "deploy.health"), "infra.toml:4:1");
        assert_eq!(origin(&staging, "deploy.wait"), "DEPLOY.WAIT");
        assert_eq!(origin(&staging, "deploy.target"), SDK_DEFAULT);
        let local = layers.tree(&EnvName::local());
        assert_eq!(
            (origin(&local, "deploy.health"), origin(&local, "deploy.port")),
            ("org.toml:5:1".into(), "none".into())
        );
    }

    #[test]
    fn variables_find_the_key_they_mean() {
        let file = "[stack.ecs-service]\ndir = \"a\"\n[secrets.DB_URL]\noptional = false\n";
        let settings = [
            ("STACK.ECS_SERVICE.DIR", "b"),
            ("SECRETS.DB_URL.OPTIONAL", "true"),
            ("SECRETS.NEW.OPTIONAL", "true"),
        ];
        let tree = layers("", file, &settings).tree(&EnvName::local());
        assert_eq!(origin(&tree, "stack.ecs-service.dir"), "STACK.ECS_SERVICE.DIR");
        assert_eq!(origin(&tree, "secrets.DB_URL.optional"), "SECRETS.DB_URL.OPTIONAL");
        assert_eq!(origin(&tree, "secrets.NEW.optional"), "SECRETS.NEW.OPTIONAL");
    }
}
