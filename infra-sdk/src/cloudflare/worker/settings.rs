//! wrangler's settings: the repo's own file, with what a release adds to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cloudflare::worker::jsonc;
use crate::cloudflare::worker::place::WorkerPlace;
use crate::error::{Error, Result};
use crate::file;
use crate::names::quoted;

/// The files that wrangler looks for, in its order
/// (<https://developers.cloudflare.com/workers/wrangler/configuration/>).
const NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// Far more than anybody writes by hand.
const LIMIT: u64 = 4_000_000;

/// Settings that a section `env.NAME` does not take over from the top of the file, as far as they are read here
/// (<https://developers.cloudflare.com/workers/wrangler/configuration/#non-inheritable-keys>).
const OWN: [&str; 4] = ["vars", "containers", "durable_objects", "workflows"];

/// wrangler's settings for one environment.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    path: PathBuf,
    file: Map<String, Value>,
    /// The section that is used, if there is one for the environment.
    section: Option<String>,
}

/// A container that belongs to the Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// What Cloudflare calls it.
    pub(super) name: String,
    /// The class of the Worker that starts it.
    pub(super) class: String,
    /// The image that stands in the file.
    pub(super) image: Option<String>,
}

impl Settings {
    /// Reads the file that the place names, or the one at the root of the repo.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Invalid` when it cannot be read, with the place in it.
    pub(super) fn load(place: &WorkerPlace) -> Result<Self> {
        let path = match &place.settings {
            Some(named) => place.root.join(named),
            None => {
                let mut usual = NAMES.iter().map(|name| place.root.join(name));
                usual.find(|path| path.is_file()).unwrap_or_else(|| place.root.join(NAMES[1]))
            }
        };
        let text = file::read(&path, LIMIT)?.ok_or_else(|| {
            Error::not_found("wrangler's settings are not there").with("path", path.display()).hint(
                "describe the Worker in wrangler.jsonc, or name the file as `wrangler` under `[deploy]` in infra.toml",
            )
        })?;
        let file = parse(&path, &text)?;
        let section = place.environment.as_str();
        let has_section = file.get("env").and_then(|env| env.get(section)).is_some();
        Ok(Settings { path, file, section: has_section.then(|| section.to_owned()) })
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The arguments that choose the section.
    pub(super) fn arguments(&self) -> Vec<String> {
        match (&self.section, self.file.contains_key("env")) {
            (Some(section), _) => vec!["--env".into(), section.clone()],
            // Without it wrangler asks which one is meant.
            (None, true) => vec!["--env=".into()],
            (None, false) => Vec::new(),
        }
    }

    /// A setting as wrangler reads it: of the section, or of the whole file where the section takes that over.
    fn get(&self, key: &str) -> Option<&Value> {
        let Some(section) = &self.section else { return self.file.get(key) };
        let own = self.file.get("env").and_then(|env| env.get(section)).and_then(|table| table.get(key));
        own.or_else(|| self.file.get(key).filter(|_| !OWN.contains(&key)))
    }

    /// The table that is changed.
    fn table(&mut self) -> Option<&mut Map<String, Value>> {
        match &self.section {
            Some(section) => self.file.get_mut("env")?.get_mut(section)?.as_object_mut(),
            None => Some(&mut self.file),
        }
    }

    /// Whether the Worker has code of its own, and not only files that are served.
    pub(super) fn has_code(&self) -> bool {
        self.get("main").is_some()
    }

    /// The folders whose content is served beside the code.
    pub(super) fn assets(&self) -> Vec<PathBuf> {
        let named = [("assets", "directory"), ("site", "bucket")];
        let folders = named.iter().filter_map(|(key, inner)| self.get(key)?.get(inner)?.as_str());
        folders.map(|folder| self.path.with_file_name(folder)).collect()
    }

    /// Whether the Worker has containers, whatever they are.
    pub(super) fn has_containers(&self) -> bool {
        self.get("containers").and_then(Value::as_array).is_some_and(|all| !all.is_empty())
    }

    /// Where requests for the Worker come from besides workers.dev: patterns, and domains of its own.
    pub(super) fn routes(&self) -> Vec<String> {
        let several = self.get("routes").and_then(Value::as_array).into_iter().flatten();
        let all = self.get("route").into_iter().chain(several);
        let pattern =
            |route: &Value| route.as_str().or_else(|| route.get("pattern")?.as_str()).map(str::to_owned);
        all.filter_map(pattern).collect()
    }

    /// The Worker's containers.
    ///
    /// # Errors
    /// `Invalid` for one that is none, or that a release cannot be made of.
    pub(super) fn containers(&self, script: &str) -> Result<Vec<Container>> {
        let listed = self.get("containers").and_then(Value::as_array).into_iter().flatten();
        listed.map(|entry| self.container(entry, script)).collect()
    }

    fn container(&self, entry: &Value, script: &str) -> Result<Container> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let refuse = |why: &str| {
            Error::invalid(format!("a container of the Worker {why}"))
                .with("path", self.path.display())
                .with("container", entry.get("class_name").unwrap_or(&Value::Null))
        };
        if entry.get("scheduling_policy").is_some_and(|policy| policy == "durable_object") {
            return Err(refuse("is managed by its Durable Object, which has no rollouts to wait for")
                .hint("leave `scheduling_policy` out of it"));
        }
        let class = text("class_name")
            .ok_or_else(|| refuse("has no class").hint("set its `class_name` in wrangler's settings"))?;
        // As wrangler calls it: <https://developers.cloudflare.com/workers/wrangler/configuration/#containers>.
        let usual = || {
            let section = self.section.iter().map(|section| format!("-{section}"));
            format!("{script}-{class}{}", section.collect::<String>()).to_lowercase().replace(' ', "-")
        };
        Ok(Container { name: text("name").unwrap_or_else(usual), class, image: text("image") })
    }

    /// The classes that the Worker must always have, because objects, workflows or containers of them may be there.
    pub(super) fn classes(&self) -> Classes {
        let mut classes = Classes::default();
        let names = |value: Option<&Value>, key: &str| -> Vec<String> {
            let entries = value.and_then(Value::as_array).into_iter().flatten();
            let own = entries.filter(|entry| entry.get("script_name").is_none());
            own.filter_map(|entry| entry.get(key)?.as_str().map(str::to_owned)).collect()
        };
        classes.workflows = names(self.get("workflows"), "class_name");
        classes.objects =
            names(self.get("durable_objects").and_then(|all| all.get("bindings")), "class_name");
        classes.objects.extend(names(self.get("containers"), "class_name"));
        for step in self.get("migrations").and_then(Value::as_array).into_iter().flatten() {
            let list = |key: &str| step.get(key).and_then(Value::as_array).into_iter().flatten();
            let plain = list("new_classes").chain(list("new_sqlite_classes"));
            let moved = list("renamed_classes").chain(list("transferred_classes"));
            let gone =
                list("deleted_classes").chain(list("renamed_classes").filter_map(|class| class.get("from")));
            let gone: Vec<&str> = gone.filter_map(Value::as_str).collect();
            classes.objects.retain(|class| !gone.contains(&class.as_str()));
            let new = plain.chain(moved.filter_map(|class| class.get("to")));
            classes.objects.extend(new.filter_map(Value::as_str).map(str::to_owned));
        }
        classes.objects.sort();
        classes.objects.dedup();
        classes
    }

    /// The settings of a Worker of this name in this account.
    pub(super) fn named(mut self, script: &str, account: &str) -> Result<Self> {
        let path = self.path.clone();
        let table = self.table().ok_or_else(|| no_table(&path))?;
        table.insert("name".into(), script.into());
        table.insert("account_id".into(), account.into());
        Ok(self)
    }

    /// Sets plain variables, and takes away those that are secrets of the same name.
    ///
    /// # Errors
    /// `Invalid` when `vars` is something else in the file.
    pub(super) fn variables<'a>(
        mut self,
        plain: &BTreeMap<String, String>,
        secret: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let path = self.path.clone();
        let table = self.table().ok_or_else(|| no_table(&path))?;
        let vars = table.entry("vars").or_insert_with(|| json!({}));
        let vars = vars.as_object_mut().ok_or_else(|| {
            Error::invalid("`vars` in wrangler's settings is no table")
                .with("path", path.display())
                .hint("write it as names with their values")
        })?;
        for (name, value) in plain {
            vars.insert(name.clone(), value.as_str().into());
        }
        for name in secret {
            vars.remove(name);
        }
        Ok(self)
    }

    /// Gives every container its name, and the one that is released its image.
    pub(super) fn containing(mut self, containers: &[Container], image: Option<(&str, &str)>) -> Self {
        let listed = self.table().and_then(|table| table.get_mut("containers")).and_then(Value::as_array_mut);
        for (entry, container) in listed.into_iter().flatten().zip(containers) {
            entry["name"] = container.name.as_str().into();
            if let Some((_, image)) = image.filter(|(name, _)| *name == container.name) {
                entry["image"] = image.into();
            }
        }
        self
    }

    /// Another program in the place of the Worker's own, without what is served beside it.
    pub(super) fn running(mut self, main: &Path) -> Self {
        for key in ["assets", "site", "build", "no_bundle", "find_additional_modules", "base_dir"] {
            self.file.remove(key);
            if let Some(table) = self.table() {
                table.remove(key);
            }
        }
        if let Some(table) = self.table() {
            table.insert("main".into(), main.to_string_lossy().into_owned().into());
        }
        self
    }

    /// The whole file as JSON, which wrangler reads as well.
    pub(super) fn text(&self) -> String {
        Value::Object(self.file.clone()).to_string()
    }
}

/// The classes of a Worker that others rely on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) objects: Vec<String>,
    pub(super) workflows: Vec<String>,
}

fn no_table(path: &Path) -> Error {
    Error::invalid("the section of this environment in wrangler's settings is no table")
        .with("path", path.display())
        .hint("write it as `[env.NAME]`, or as an object")
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>> {
    let refuse = |why: String| {
        Error::invalid("wrangler's settings cannot be read")
            .with("path", path.display())
            .because(why)
            .hint("correct the file; `wrangler deploy --dry-run` reads it, too")
    };
    let text = std::str::from_utf8(bytes).map_err(|error| refuse(error.to_string()))?;
    let text = text.trim_start_matches('\u{feff}');
    let value: Value = if path.extension().is_some_and(|extension| extension == "toml") {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].lines().count().max(1));
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            refuse(format!("{line}{}", error.message()))
        })?
    } else {
        serde_json::from_str(&jsonc::plain(text)).map_err(|error| refuse(error.to_string()))?
    };
    match value {
        Value::Object(table) => Ok(table),
        other => Err(refuse(format!("it holds {}, and no table", quoted(&other.to_string())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(value: Value, environment: &str) -> Settings {
        let Value::Object(file) = value else { panic!("a table") };
        let section = file.get("env").and_then(|env| env.get(environment)).map(|_| environment.to_owned());
        Settings { path: "/srv/shop/wrangler.jsonc".into(), file, section }
    }

    #[test]
    fn a_release_changes_the_section_of_its_environment_and_nothing_else() {
        let file = json!({
            "name": "shop", "main": "src/index.ts", "vars": { "A": "top" },
            "env": { "staging": { "vars": { "A": "1", "KEY": "x" } }, "other": { "vars": { "A": "2" } } },
        });
        let plain = BTreeMap::from([("B".to_owned(), "2".to_owned())]);
        let made = settings(file.clone(), "staging").named("shop-staging", "a").unwrap();
        let made = made.variables(&plain, ["KEY"].into_iter()).unwrap();
        assert_eq!(made.arguments(), ["--env", "staging"]);
        let text: Value = serde_json::from_str(&made.text()).unwrap();
        assert_eq!(
            text["env"]["staging"],
            json!({ "name": "shop-staging", "account_id": "a", "vars": { "A": "1", "B": "2" } })
        );
        for key in ["name", "main", "vars"] {
            assert_eq!(text[key], file[key]);
        }
        assert_eq!(text["env"]["other"], file["env"]["other"]);
        assert_eq!(settings(file, "production").arguments(), ["--env="]);
    }

    #[test]
    fn containers_are_called_as_wrangler_calls_them_and_one_gets_the_image() {
        let box_of =
            json!([{ "class_name": "Box", "image": "./Dockerfile" }, { "class_name": "B", "name": "own" }]);
        let here = settings(json!({ "containers": box_of }), "staging");
        let containers = here.containers("Shop-API").unwrap();
        let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
        assert_eq!(names, ["shop-api-box", "own"]);
        let made = here.containing(&containers, Some(("shop-api-box", "r.example/app@sha256:1")));
        let text: Value = serde_json::from_str(&made.text()).unwrap();
        assert_eq!(text["containers"][0]["image"], "r.example/app@sha256:1");
        assert_eq!(text["containers"][1], json!({ "class_name": "B", "name": "own" }));
        // A section does not take them over from the top.
        let other = settings(json!({ "containers": box_of, "env": { "staging": {} } }), "staging");
        assert!(other.containers("shop").unwrap().is_empty());
        let inside = settings(json!({ "env": { "staging": { "containers": box_of } } }), "staging");
        assert_eq!(inside.containers("shop").unwrap()[0].name, "shop-box-staging");
        let managed = json!({ "containers": [{ "class_name": "B", "scheduling_policy": "durable_object" }] });
        assert!(!settings(managed, "x").containers("shop").unwrap_err().hints().is_empty());
    }

    #[test]
    fn routes_are_read_in_every_form_that_wrangler_has() {
        let here = settings(
            json!({
                "route": "a.example/*",
                "routes": ["b.example/*", { "pattern": "c.example", "custom_domain": true }, 7],
                "env": { "staging": {}, "own": { "routes": [{ "pattern": "d.example/*", "zone_name": "d.example" }] } },
            }),
            "staging",
        );
        // A section takes them over from the top, unless it has its own.
        assert_eq!(here.routes(), ["a.example/*", "b.example/*", "c.example"]);
        let own = settings(json!({ "env": { "own": { "route": "d.example/*", "routes": [] } } }), "own");
        assert_eq!(own.routes(), ["d.example/*"]);
        assert!(settings(json!({ "routes": "x", "containers": [] }), "own").routes().is_empty());
    }

    #[test]
    fn classes_are_those_that_migrations_leave() {
        let here = settings(
            json!({
                "migrations": [
                    { "tag": "v1", "new_classes": ["A", "Old"], "new_sqlite_classes": ["B"] },
                    { "tag": "v2", "renamed_classes": [{ "from": "Old", "to": "New" }], "deleted_classes": ["B"] },
                ],
                "durable_objects": { "bindings": [
                    { "name": "A", "class_name": "A" }, { "name": "X", "class_name": "X", "script_name": "elsewhere" },
                ] },
                "workflows": [{ "binding": "W", "class_name": "Flow" }],
            }),
            "staging",
        );
        let classes = here.classes();
        assert_eq!(
            (classes.objects, classes.workflows),
            (vec!["A".into(), "New".into()], vec!["Flow".into()])
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_says_where() {
        for (name, text, says) in [
            ("wrangler.toml", "name = \"x\"\nmain = \n", "line 2"),
            ("wrangler.jsonc", "{\n \"name\": // x\n}", "line 3"),
            ("wrangler.json", "[]", "no table"),
        ] {
            let error = parse(Path::new(name), text.as_bytes()).unwrap_err();
            assert!(error.report().to_string().contains(says), "{error:?}");
        }
    }
}
