//! Registering one task: what it waits for, how it runs, and its body.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::app::app::App;
use crate::app::args::{Arguments, Flags, NoArgs, TaskArgs, WithArgs};
use crate::app::body::Body;
use crate::app::cx::Cx;
use crate::app::handle::{TaskId, TaskRef};
use crate::app::needs::{After, Needs, Output, Outputs};
use crate::app::node::{Danger, Job, Node, Settings};
use crate::error::Error;
use crate::retry::Retry;

/// A task being registered; nothing happens until [`run`](TaskBuilder::run) gives it its body.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use infra_sdk::{App, Cx, Result};
///
/// async fn build(_: Cx) -> Result<String> {
///     Ok("shop-api:1.2".into())
/// }
/// async fn deploy(cx: Cx, image: Arc<String>) -> Result<()> {
///     cx.say(format!("deploying {image}"));
///     Ok(())
/// }
///
/// let mut app = App::new();
/// let build = app.task("build").about("Build the image").deadline(Duration::from_secs(600)).run(build);
/// app.task("deploy").about("Ship it").needs(build).danger_unless_local().run(deploy);
/// app.check().unwrap();
/// ```
#[must_use = "a task is registered by `run`"]
pub struct TaskBuilder<'a, A = NoArgs, N = (), O = NewOutput> {
    app: &'a mut App,
    target: Target,
    about: String,
    after: Vec<TaskId>,
    settings: Settings,
    needs: N,
    types: PhantomData<fn() -> (A, O)>,
}

/// Marks the builder of a new task: its body may return any type.
#[derive(Debug)]
pub struct NewOutput;

/// Marks the builder of a replacement: its body returns what the replaced one did.
#[derive(Debug)]
pub struct SameOutput<T>(PhantomData<fn() -> T>);

pub(crate) enum Target {
    New { name: String, pack: Option<Arc<str>> },
    Replace(TaskId),
}

impl<'a, O> TaskBuilder<'a, NoArgs, (), O> {
    pub(crate) fn new(app: &'a mut App, target: Target, about: String, settings: Settings) -> Self {
        let (after, types) = (Vec::new(), PhantomData);
        TaskBuilder { app, target, about, after, settings, needs: (), types }
    }
}

impl<'a, A, O> TaskBuilder<'a, A, (), O> {
    /// Waits for tasks and takes their results: the body gets one `Arc<T>` for each, in this order.
    pub fn needs<N: Needs>(self, needs: N) -> TaskBuilder<'a, A, N, O> {
        let TaskBuilder { app, target, about, after, settings, types, .. } = self;
        TaskBuilder { app, target, about, after, settings, needs, types }
    }
}

impl<'a, N, O> TaskBuilder<'a, NoArgs, N, O> {
    /// Gives the task flags of its own; the body gets them right after its `Cx`.
    pub fn args<T: TaskArgs>(self) -> TaskBuilder<'a, WithArgs<T>, N, O> {
        let TaskBuilder { app, target, about, after, settings, needs, .. } = self;
        TaskBuilder { app, target, about, after, settings, needs, types: PhantomData }
    }
}

impl<A, N, O> TaskBuilder<'_, A, N, O> {
    /// One line for lists and help. Every task that is not hidden has one.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Waits for tasks without taking their results. May be called more than once.
    pub fn after(mut self, tasks: impl After) -> Self {
        tasks.add_to(&mut self.after);
        self
    }

    /// Has to be confirmed before anything of the run starts.
    pub fn danger(mut self) -> Self {
        self.settings.danger = Danger::Always;
        self
    }

    /// The same, except on the environment named `local`.
    pub fn danger_unless_local(mut self) -> Self {
        self.settings.danger = Danger::UnlessLocal;
        self
    }

    /// The longest it may take, all attempts together; then it is cancelled and fails with `TimedOut`.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = Some(deadline);
        self
    }

    /// How long it and its programs have to end once they are told to; default 5 seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Tries again up to `retries` times, with growing pauses, after an error that
    /// [is retryable](crate::Error::is_retryable); after any other it fails at once.
    pub fn retries(self, retries: u32) -> Self {
        let attempts = retries.saturating_add(1);
        self.retry(Retry { attempts, first: Duration::from_secs(1), factor: 2, max: Duration::from_secs(30) })
    }

    /// As [`retries`](TaskBuilder::retries), with pauses of your own.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settings.retry = Some(retry);
        self
    }

    /// Leaves it out of lists and help; it can still be named.
    pub fn hidden(mut self) -> Self {
        self.settings.hidden = true;
        self
    }

    /// Promises that the body changes nothing, so that it also runs in a `--dry-run`.
    pub fn read_only(mut self) -> Self {
        self.settings.read_only = true;
        self
    }

    /// Promises that the body looks at [`Cx::is_dry_run`](crate::Cx::is_dry_run): it also runs in a `--dry-run`, and
    /// then only shows what it would change.
    pub fn plans(self) -> Self {
        self.read_only()
    }
}

impl TaskBuilder<'_, NoArgs, (), NewOutput> {
    /// Registers a task that does nothing of its own: a name for what stands in its `after`.
    pub fn group(self) -> TaskRef<()> {
        self.run(|_: Cx| async { Ok::<(), Error>(()) })
    }
}

impl<A: Arguments, N: Needs> TaskBuilder<'_, A, N, NewOutput> {
    /// Registers the task with its body and gives its handle.
    ///
    /// Mistakes, such as a name used twice, are collected for [`App::check`].
    pub fn run<B: Body<A::Input<N>>>(self, body: B) -> TaskRef<B::Output> {
        TaskRef::new(self.register(body))
    }
}

impl<A: Arguments, N: Needs, T> TaskBuilder<'_, A, N, SameOutput<T>> {
    /// Puts the body in the place of the replaced one; handles to the task stay as they are.
    pub fn run<B: Body<A::Input<N>, Output = T>>(self, body: B) {
        self.register(body);
    }
}

impl<A: Arguments, N: Needs, O> TaskBuilder<'_, A, N, O> {
    fn register<B: Body<A::Input<N>>>(self, body: B) -> TaskId {
        let (needs, flags) = (self.needs.ids(), A::flags().map(|flags| flags.0));
        let draft = Draft { about: self.about, settings: self.settings, needs, after: self.after, flags };
        draft.register(self.app, self.target, erase::<A, N, B>(body))
    }
}

/// What a builder was told, without its types: every task has types of its own, and would have its own copy of the rest.
struct Draft {
    about: String,
    settings: Settings,
    needs: Vec<TaskId>,
    after: Vec<TaskId>,
    flags: Option<Flags>,
}

impl Draft {
    fn register(self, app: &mut App, target: Target, job: Job) -> TaskId {
        let Draft { about, settings, needs, after, flags } = self;
        let name = match &target {
            Target::New { name, .. } => name.clone(),
            Target::Replace(id) => app.name_of(*id),
        };
        let (needs, after) = (app.own(&name, needs), app.own(&name, after));
        match target {
            Target::New { name, pack } => {
                let name: Arc<str> = name.into();
                app.add(Node { name, about, pack, needs, after, settings, flags, job })
            }
            Target::Replace(id) => {
                app.put(id, |node| {
                    node.about = about;
                    node.settings = settings;
                    node.needs = needs;
                    node.after.extend(after);
                    node.flags = flags;
                    node.job = job;
                });
                id
            }
        }
    }
}

fn erase<A: Arguments, N: Needs, B: Body<A::Input<N>>>(body: B) -> Job {
    Arc::new(move |cx, matches, outputs| {
        let input = A::input::<N>(matches, Outputs(outputs.iter()))?;
        let running = body.start(cx, input);
        Ok(Box::pin(async move { running.await.map(|output| Arc::new(output) as Output) }))
    })
}
