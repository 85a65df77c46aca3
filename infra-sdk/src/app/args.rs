//! Flags of one task: a struct that clap fills, by derive or by hand.

use clap::{ArgMatches, Command};

use crate::app::needs::{Needs, Outputs};
use crate::error::{Error, Result};

/// A struct of flags that a task takes on the command line.
///
/// Every `#[derive(clap::Args)]` struct is one (feature `derive`). Without the
/// derive, which costs a second of every cold build, it is a few lines:
///
/// ```
/// use infra_sdk::clap::{Arg, ArgAction, ArgMatches, Command};
/// use infra_sdk::{Result, TaskArgs};
///
/// struct BuildArgs {
///     release: bool,
/// }
///
/// impl TaskArgs for BuildArgs {
///     fn augment(command: Command) -> Command {
///         command.arg(Arg::new("release").long("release").action(ArgAction::SetTrue).help("Optimise"))
///     }
///     fn from_matches(matches: &ArgMatches) -> Result<Self> {
///         Ok(BuildArgs { release: matches.get_flag("release") })
///     }
/// }
/// ```
pub trait TaskArgs: Sized + Send + 'static {
    /// Adds the flags to the command of the task.
    fn augment(command: Command) -> Command;

    /// Reads the flags; it may run more than once.
    ///
    /// # Errors
    /// `Invalid` when values that are each right do not fit together.
    fn from_matches(matches: &ArgMatches) -> Result<Self>;
}

impl<T: clap::Args + Send + 'static> TaskArgs for T {
    fn augment(command: Command) -> Command {
        T::augment_args(command)
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        T::from_arg_matches(matches).map_err(|error| {
            Error::invalid("read the flags of a task")
                .because(error.to_string().trim().to_owned())
                .hint("see the task's `--help`")
                .exit_with(crate::app::exit::USAGE)
        })
    }
}

/// How the erased task reads and checks its flags.
#[derive(Clone, Copy)]
pub(crate) struct Flags {
    pub(crate) augment: fn(Command) -> Command,
    pub(crate) check: fn(&ArgMatches) -> Result<()>,
}

/// Whether a task has flags: [`NoArgs`] or [`WithArgs`].
pub trait Arguments: 'static {
    /// What the body takes after its `Cx`.
    type Input<N: Needs>: Send + 'static;

    #[doc(hidden)]
    fn flags() -> Option<FlagsOf>;
    /// # Errors
    /// What reading the flags or the results fails with.
    #[doc(hidden)]
    fn input<N: Needs>(matches: Option<&ArgMatches>, outputs: Outputs<'_>) -> Result<Self::Input<N>>;
}

/// Opaque to users: how a task reads its flags.
pub struct FlagsOf(pub(crate) Flags);

/// A task without flags of its own.
#[derive(Debug)]
pub struct NoArgs;

impl Arguments for NoArgs {
    type Input<N: Needs> = N::Data;

    fn flags() -> Option<FlagsOf> {
        None
    }
    fn input<N: Needs>(_: Option<&ArgMatches>, outputs: Outputs<'_>) -> Result<N::Data> {
        N::data(outputs)
    }
}

/// A task with the flags `T`.
#[derive(Debug)]
pub struct WithArgs<T>(std::marker::PhantomData<fn() -> T>);

impl<T: TaskArgs> Arguments for WithArgs<T> {
    type Input<N: Needs> = N::WithArgs<T>;

    fn flags() -> Option<FlagsOf> {
        Some(FlagsOf(Flags { augment: T::augment, check: |matches| T::from_matches(matches).map(drop) }))
    }
    fn input<N: Needs>(matches: Option<&ArgMatches>, outputs: Outputs<'_>) -> Result<N::WithArgs<T>> {
        let matches = matches.ok_or_else(|| {
            Error::new(crate::error::ErrorKind::Bug, "the flags of a task were not read")
                .hint("please report this")
        })?;
        N::with_args(T::from_matches(matches)?, outputs)
    }
}
