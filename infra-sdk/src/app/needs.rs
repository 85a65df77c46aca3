//! What a task can wait for: `after` takes an order, `needs` an order and the data.

use std::any::Any;
use std::sync::Arc;

use crate::app::handle::{TaskId, TaskRef};
use crate::error::{Error, ErrorKind, Result};

/// The result of a task, kept in memory for its dependents.
pub(crate) type Output = Arc<dyn Any + Send + Sync>;

/// The results a task needs, in the order of its `needs`.
#[derive(Debug)]
pub struct Outputs<'a>(pub(crate) std::slice::Iter<'a, Output>);

impl Outputs<'_> {
    fn next<T: Send + Sync + 'static>(&mut self) -> Result<Arc<T>> {
        // Handles carry the type, so this can only fail through a mistake in this crate.
        self.0.next().cloned().and_then(|output| output.downcast().ok()).ok_or_else(|| {
            Error::new(ErrorKind::Bug, format!("no result of type `{}`", std::any::type_name::<T>()))
                .hint("please report this: a task's result did not reach its dependent")
        })
    }
}

/// Tasks that must have ended before another one starts: a [`TaskRef`], a
/// [`TaskId`], a list of those, or a tuple of up to eight of any of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task or a tuple of tasks",
    label = "expected the handle that `run` returned",
    note = "`after` takes a `TaskRef`, a `TaskId`, a list of `TaskId`, or a tuple of up to eight of them"
)]
pub trait After {
    /// Adds the tasks to `list`.
    fn add_to(self, list: &mut Vec<TaskId>);
}

impl<T> After for TaskRef<T> {
    fn add_to(self, list: &mut Vec<TaskId>) {
        list.push(self.id());
    }
}

impl After for TaskId {
    fn add_to(self, list: &mut Vec<TaskId>) {
        list.push(self);
    }
}

impl After for Vec<TaskId> {
    fn add_to(self, list: &mut Vec<TaskId>) {
        list.extend(self);
    }
}

impl After for &[TaskId] {
    fn add_to(self, list: &mut Vec<TaskId>) {
        list.extend(self);
    }
}

impl After for &Vec<TaskId> {
    fn add_to(self, list: &mut Vec<TaskId>) {
        list.extend(self);
    }
}

impl<const N: usize> After for [TaskId; N] {
    fn add_to(self, list: &mut Vec<TaskId>) {
        list.extend(self);
    }
}

/// Tasks whose results another one takes: a [`TaskRef`] or a tuple of up to eight.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task or a tuple of tasks",
    label = "expected the handle that `run` returned",
    note = "`needs` takes a `TaskRef<T>` or a tuple of up to eight; each gives the body one `Arc<T>`"
)]
pub trait Needs: Send + 'static {
    /// What a body without flags takes after its `Cx`: `(Arc<A>, Arc<B>, …)`.
    type Data: Send + 'static;
    /// The same with the task's flags in front.
    type WithArgs<Args: Send + 'static>: Send + 'static;

    /// The tasks, in the order of the data.
    #[doc(hidden)]
    fn ids(&self) -> Vec<TaskId>;
    /// # Errors
    /// `Bug` when a result has another type than its handle.
    #[doc(hidden)]
    fn data(outputs: Outputs<'_>) -> Result<Self::Data>;
    /// # Errors
    /// As `data`.
    #[doc(hidden)]
    fn with_args<Args: Send + 'static>(args: Args, outputs: Outputs<'_>) -> Result<Self::WithArgs<Args>>;
}

impl<T: Send + Sync + 'static> Needs for TaskRef<T> {
    type Data = (Arc<T>,);
    type WithArgs<Args: Send + 'static> = (Args, Arc<T>);

    fn ids(&self) -> Vec<TaskId> {
        vec![self.id()]
    }
    fn data(mut outputs: Outputs<'_>) -> Result<Self::Data> {
        Ok((outputs.next()?,))
    }
    fn with_args<Args: Send + 'static>(args: Args, mut outputs: Outputs<'_>) -> Result<Self::WithArgs<Args>> {
        Ok((args, outputs.next()?))
    }
}

macro_rules! tuples {
    ($(($($T:ident $at:tt),*))*) => {$(
        impl<$($T: After),*> After for ($($T,)*) {
            fn add_to(self, _list: &mut Vec<TaskId>) {
                $(self.$at.add_to(_list);)*
            }
        }

        impl<$($T: Send + Sync + 'static),*> Needs for ($(TaskRef<$T>,)*) {
            type Data = ($(Arc<$T>,)*);
            type WithArgs<Args: Send + 'static> = (Args, $(Arc<$T>,)*);

            fn ids(&self) -> Vec<TaskId> {
                vec![$(self.$at.id()),*]
            }
            fn data(mut _outputs: Outputs<'_>) -> Result<Self::Data> {
                Ok(($(_outputs.next::<$T>()?,)*))
            }
            fn with_args<Args: Send + 'static>(
                args: Args,
                mut _outputs: Outputs<'_>,
            ) -> Result<Self::WithArgs<Args>> {
                Ok((args, $(_outputs.next::<$T>()?,)*))
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
