//! Bodies of tasks: plain async functions that take a `Cx`, their flags and the results they need.

use std::future::Future;
use std::pin::Pin;

use crate::app::cx::Cx;
use crate::error::{Error, Result};

/// What a body runs as.
pub(crate) type Running<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// An async function that can be the body of a task.
///
/// `Input` is what follows the [`Cx`]: the flags if the task has
/// [`args`](crate::app::TaskBuilder::args), then one `Arc<T>` for each task in
/// [`needs`](crate::app::TaskBuilder::needs). The error may be anything that
/// turns into an [`Error`]: this crate's own, `std::io::Error`, or
/// `Box<dyn std::error::Error + Send + Sync>`.
///
/// A closure has to name its types: `|cx: Cx, bundle: Arc<Bundle>| async move { … }`.
#[diagnostic::on_unimplemented(
    message = "this function cannot be the body of the task",
    label = "expected `async fn(Cx, …)` that takes `{Input}` after its `Cx` and returns a `Result`",
    note = "a body takes `Cx`, then its flags if the task has `.args::<T>()`, then one `Arc<T>` for each task in `.needs(…)`, in that order",
    note = "its result must be `Send + Sync`, and its error must turn into `infra_sdk::Error`"
)]
pub trait Body<Input>: Send + Sync + 'static {
    /// What the task gives to its dependents.
    type Output: Send + Sync + 'static;

    /// Starts the function.
    #[doc(hidden)]
    fn start(&self, cx: Cx, input: Input) -> Running<Self::Output>;
}

macro_rules! bodies {
    ($(($($T:ident $at:tt),*))*) => {$(
        impl<F, Fut, Out, Fail, $($T),*> Body<($($T,)*)> for F
        where
            F: Fn(Cx, $($T),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = std::result::Result<Out, Fail>> + Send + 'static,
            Out: Send + Sync + 'static,
            Fail: Into<Error>,
        {
            type Output = Out;

            fn start(&self, cx: Cx, _input: ($($T,)*)) -> Running<Out> {
                let running = self(cx, $(_input.$at),*);
                Box::pin(async move { running.await.map_err(Into::into) })
            }
        }
    )*};
}

bodies! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, G 5)
    (A 0, B 1, C 2, D 3, E 4, G 5, H 6)
    (A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7)
    (A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8)
}
