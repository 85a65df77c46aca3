//! The registry of tasks: what a product's `main` fills and then runs.

use std::any::type_name;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::args::NoArgs;
use crate::app::body::Body;
use crate::app::cx::Cx;
use crate::app::environment::{Environment, Environments};
use crate::app::handle::{TaskId, TaskRef, brand};
use crate::app::node::{Node, Settings};
use crate::app::service::Services;
use crate::app::task::{SameOutput, Target, TaskBuilder};
use crate::env::Env;
use crate::error::Result;
use crate::names::quoted;

/// All tasks of a program, and what they share.
///
/// ```
/// use infra_sdk::app::Console;
/// use infra_sdk::{App, Cx, Env, Error};
///
/// let mut app = App::new();
/// app.task("greet").about("Say hello").run(|cx: Cx| async move {
///     cx.say("hello");
///     Ok::<_, Error>(())
/// });
///
/// let (console, seen) = Console::captured(Env::of([("HOME", "/")], "/"));
/// assert_eq!(app.run_with(console, ["greet"]), 0);
/// assert_eq!(seen.stdout(), "hello\n");
/// ```
pub struct App {
    pub(crate) program: String,
    pub(crate) about: String,
    pub(crate) root: Option<PathBuf>,
    pub(crate) environments: Environments,
    pub(crate) services: Services,
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: HashMap<Arc<str>, u32>,
    pub(crate) packs: Vec<Arc<str>>,
    pub(crate) mistakes: Vec<String>,
    replaced: Vec<u32>,
    brand: u32,
}

impl App {
    /// An app without tasks, on the environment `local`.
    #[expect(clippy::new_without_default, reason = "an app is made on purpose, not by default")]
    pub fn new() -> Self {
        App {
            program: "cargo xtask".into(),
            about: String::new(),
            root: None,
            environments: Arc::new(|_, _| Ok(Vec::new())),
            services: Services::default(),
            nodes: Vec::new(),
            names: HashMap::new(),
            packs: Vec::new(),
            mistakes: Vec::new(),
            replaced: Vec::new(),
            brand: brand(),
        }
    }

    /// How people call this program, for help and hints; default `cargo xtask`.
    pub fn program(&mut self, program: impl Into<String>) -> &mut Self {
        self.program = program.into();
        self
    }

    /// What this program is for, as the first line of its help.
    pub fn about(&mut self, about: impl Into<String>) -> &mut Self {
        self.about = about.into();
        self
    }

    /// The folder tasks work in; default: the working folder.
    pub fn root(&mut self, root: impl Into<PathBuf>) -> &mut Self {
        self.root = Some(root.into());
        self
    }

    /// The environments `--env` may name. `local` is always one of them.
    pub fn environments(&mut self, list: impl IntoIterator<Item = Environment>) -> &mut Self {
        let list: Vec<Environment> = list.into_iter().collect();
        self.environments_from(move |_, _| Ok(list.clone()))
    }

    /// The same, read when tasks are about to run and not for lists and help:
    /// `read` gets the environment of the process and the root folder.
    pub fn environments_from(
        &mut self,
        read: impl Fn(&Env, &Path) -> Result<Vec<Environment>> + Send + Sync + 'static,
    ) -> &mut Self {
        self.environments = Arc::new(read);
        self
    }

    /// Gives bodies a shared value by its type, see [`Cx::service`]: `make` runs
    /// when a body first asks, once an invocation. A failure is not kept.
    pub fn provide<T: Send + Sync + 'static>(
        &mut self,
        make: impl Fn(&Cx) -> Result<T> + Send + Sync + 'static,
    ) -> &mut Self {
        if !self.services.add(make) {
            self.mistakes.push(format!("the service `{}` is provided twice", type_name::<T>()));
        }
        self
    }

    /// Starts to register a task of this repo. A name is made of `a-z 0-9 - _`, with `:` between its parts.
    pub fn task(&mut self, name: impl Into<String>) -> TaskBuilder<'_> {
        let target = Target::New { name: name.into(), pack: None };
        TaskBuilder::new(self, target, String::new(), Settings::default())
    }

    /// Registers a pack of tasks, all named `prefix:…` and listed as the group
    /// `prefix`. Other tasks must not have that prefix, wherever they are registered.
    ///
    /// ```
    /// # use infra_sdk::{App, Cx, Error, TaskRef};
    /// struct Handles { check: TaskRef<()> }
    /// let mut app = App::new();
    /// let infra = app.inherit("infra", |pack| Handles {
    ///     check: pack.task("check").about("Check the tools").run(|_: Cx| async { Ok::<_, Error>(()) }),
    /// });
    /// app.task("setup").about("Set up").after(infra.check).run(|_: Cx| async { Ok::<_, Error>(()) });
    /// assert!(app.check().is_ok());
    /// ```
    pub fn inherit<H>(&mut self, prefix: &str, register: impl FnOnce(&mut Pack<'_>) -> H) -> H {
        let prefix: Arc<str> = prefix.into();
        if self.packs.contains(&prefix) {
            self.mistakes.push(format!("the prefix {} is inherited twice", quoted(&prefix)));
        }
        self.packs.push(prefix.clone());
        register(&mut Pack { app: self, prefix })
    }

    /// Puts another body in the place of a task's: same name, same output type,
    /// and everything that waits for it now waits for this one.
    ///
    /// Its needs and flags are dropped, and so is its promise to be read-only, which
    /// the new body has to give itself, through [`replacing`](App::replacing). What it
    /// runs `after` stays, and so do its line in the lists, danger, deadline and retries.
    pub fn replace<T, B: Body<(), Output = T>>(&mut self, task: TaskRef<T>, body: B) {
        self.replacing(task).run(body);
    }

    /// The same with needs, flags and settings of its own, on top of those that stay.
    ///
    /// A cycle made this way is found by [`check`](App::check).
    pub fn replacing<T>(&mut self, task: TaskRef<T>) -> TaskBuilder<'_, NoArgs, (), SameOutput<T>> {
        let id = task.id();
        let (about, settings) = match self.nodes.get(id.index as usize).filter(|_| id.brand == self.brand) {
            Some(node) => (node.about.clone(), Settings { read_only: false, ..node.settings.clone() }),
            None => (String::new(), Settings::default()),
        };
        TaskBuilder::new(self, Target::Replace(id), about, settings)
    }

    /// Whether this task, or what was put in its place, is written in this program.
    pub(crate) fn is_own(&self, index: u32) -> bool {
        self.nodes.get(index as usize).is_some_and(|node| node.pack.is_none())
            || self.replaced.contains(&index)
    }

    pub(crate) fn name_of(&self, id: TaskId) -> String {
        match self.nodes.get(id.index as usize).filter(|_| id.brand == self.brand) {
            Some(node) => node.name.to_string(),
            None => "a replacement".into(),
        }
    }

    /// The indices of `ids`; handles of another app are left out and noted as mistakes.
    pub(crate) fn own(&mut self, name: &str, ids: Vec<TaskId>) -> Vec<u32> {
        let (own, foreign): (Vec<TaskId>, Vec<TaskId>) =
            ids.into_iter().partition(|id| id.brand == self.brand);
        if !foreign.is_empty() {
            self.mistakes.push(format!("{} waits for a task of another App", quoted(name)));
        }
        own.into_iter().map(|id| id.index).collect()
    }

    pub(crate) fn add(&mut self, node: Node) -> TaskId {
        let index = self.nodes.len() as u32;
        if self.names.contains_key(&node.name) {
            self.mistakes.push(format!("{} is registered twice", quoted(&node.name)));
        } else {
            self.names.insert(node.name.clone(), index);
        }
        self.nodes.push(node);
        TaskId { brand: self.brand, index }
    }

    pub(crate) fn put(&mut self, id: TaskId, change: impl FnOnce(&mut Node)) {
        if id.brand != self.brand {
            self.mistakes.push("a task of another App is replaced".into());
        } else if self.replaced.contains(&id.index) {
            self.mistakes.push(format!("{} is replaced twice", quoted(&self.name_of(id))));
        } else if let Some(node) = self.nodes.get_mut(id.index as usize) {
            change(node);
            self.replaced.push(id.index);
        }
    }
}

/// A group of inherited tasks being registered; see [`App::inherit`].
pub struct Pack<'a> {
    app: &'a mut App,
    prefix: Arc<str>,
}

impl Pack<'_> {
    /// Starts to register `prefix:name`.
    pub fn task(&mut self, name: &str) -> TaskBuilder<'_> {
        let target = Target::New { name: format!("{}:{name}", self.prefix), pack: Some(self.prefix.clone()) };
        TaskBuilder::new(self.app, target, String::new(), Settings::default())
    }

    /// As [`App::provide`].
    pub fn provide<T: Send + Sync + 'static>(
        &mut self,
        make: impl Fn(&Cx) -> Result<T> + Send + Sync + 'static,
    ) -> &mut Self {
        self.app.provide(make);
        self
    }
}
