//! Typed handles: what `run` gives back and `needs`, `after` and `replace` take.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

/// A registered task whose body returns a `T`.
///
/// It exists only after its task, so a dependency that was not registered
/// before cannot be written down, and neither can a cycle. It is `Copy`: keep
/// handles in a struct and pass them on.
///
/// ```
/// use infra_sdk::{App, Cx, Error, TaskRef};
/// let mut app = App::new();
/// let version: TaskRef<u32> =
///     app.task("version").about("Count the releases").run(|_: Cx| async { Ok::<_, Error>(7) });
/// let again = version;
/// assert_eq!(version.id(), again.id());
/// ```
pub struct TaskRef<T> {
    id: TaskId,
    output: PhantomData<fn() -> T>,
}

impl<T> TaskRef<T> {
    pub(crate) fn new(id: TaskId) -> Self {
        TaskRef { id, output: PhantomData }
    }

    /// The task without the type of its result, for lists of different tasks.
    pub fn id(self) -> TaskId {
        self.id
    }
}

impl<T> Clone for TaskRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TaskRef<T> {}

impl<T> fmt::Debug for TaskRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskRef<{}>({})", std::any::type_name::<T>(), self.id.index)
    }
}

impl<T> From<TaskRef<T>> for TaskId {
    fn from(task: TaskRef<T>) -> Self {
        task.id
    }
}

/// A registered task, whatever it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// Which `App` it belongs to: a handle of another one is refused by `App::check`.
    pub(crate) brand: u32,
    pub(crate) index: u32,
}

/// A number that no other `App` of this process has.
pub(crate) fn brand() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
