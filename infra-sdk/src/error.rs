//! The one error type: what failed, where, and what the caller can do about it.

use std::fmt;
use std::time::Duration;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, as far as a caller can act on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked for is not there.
    NotFound,
    /// The caller may not do this, or did not confirm it.
    Denied,
    /// Somebody else changed the thing in between.
    Conflict,
    /// Somebody else holds the lock; the holder stands in the message.
    Locked,
    /// The input (a name, a file, a flag) is wrong.
    Invalid,
    /// A program or service did not answer, or answered that it cannot now.
    Unavailable,
    /// A deadline passed.
    TimedOut,
    /// The run was cancelled, by Ctrl-C or because another task failed.
    Cancelled,
    /// A backend was asked for that is not compiled in; the hint names the feature.
    NotBuilt,
    /// A program ended with a failure of its own.
    Failed,
    /// Reading or writing a file failed.
    Io,
    /// A mistake in this crate or in the tasks built on it.
    Bug,
}

/// What failed, where, and what to do next.
///
/// `Display` is one line and never repeats the [source](std::error::Error::source);
/// print the chain and the [hints](Error::hints) with [`Error::report`]. `{:#}` adds the hints on the same line.
///
/// ```
/// use infra_sdk::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::NotFound, "read infra.toml")
///     .with("path", "/srv/shop/infra.toml")
///     .hint("change into a repo that has one, or create it");
/// assert_eq!(error.to_string(), "read infra.toml (path: /srv/shop/infra.toml)");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    operation: String,
    context: Vec<(&'static str, String)>,
    hints: Vec<String>,
    retryable: bool,
    throttle: Option<Throttle>,
    exit_code: Option<u8>,
    source: Option<Source>,
}

/// A service's request to come back less often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// How long it asked to be left alone, where it said so.
    pub after: Option<Duration>,
}

impl Error {
    /// An error of `kind`; `operation` says what failed, as one lower-case line.
    pub fn new(kind: ErrorKind, operation: impl Into<String>) -> Self {
        Error(Box::new(Repr {
            kind,
            operation: operation.into(),
            context: Vec::new(),
            hints: Vec::new(),
            retryable: false,
            throttle: None,
            exit_code: None,
            source: None,
        }))
    }

    /// Shorthand for an error about wrong input.
    pub fn invalid(operation: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, operation)
    }

    /// Shorthand for an error about something that is not there.
    pub fn not_found(operation: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, operation)
    }

    /// Adds a fact to the message. Never a secret.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Adds what the reader can do next, as one sentence in the imperative.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Marks the error as one that may go away by itself.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Marks the error as a request to slow down, which also makes it [retryable](Error::is_retryable).
    #[must_use]
    pub fn throttled(mut self, after: Option<Duration>) -> Self {
        self.0.retryable = true;
        self.0.throttle = Some(Throttle { after });
        self
    }

    /// Writes each hint anew.
    #[must_use]
    pub(crate) fn map_hints(mut self, write: impl Fn(&str) -> String) -> Self {
        self.0.hints.iter_mut().for_each(|hint| *hint = write(hint));
        self
    }

    /// Sets the code the process ends with; a failing child's code is passed on.
    #[must_use]
    pub fn exit_with(mut self, code: u8) -> Self {
        self.0.exit_code = Some(code);
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether doing the same again may work.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The service's request to slow down, if that is what failed.
    pub fn throttle(&self) -> Option<Throttle> {
        self.0.throttle
    }

    /// What failed, without the context.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The facts of the message, in the order they were added.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// What to do next, most useful first.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// The exit code this error asks for, if it has an opinion.
    pub fn exit_code(&self) -> Option<u8> {
        self.0.exit_code
    }

    /// The story on one line, for what is told in passing: message, causes, and the first hint.
    pub(crate) fn line(&self) -> String {
        let mut line = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let text = cause.to_string();
            let words: Vec<&str> = text.split_whitespace().collect();
            line = format!("{line}: {}", words.join(" "));
            next = cause.source();
        }
        match self.hints().first() {
            Some(hint) => format!("{line}; {hint}"),
            None => line,
        }
    }

    /// The whole story on several lines: message, causes, hints.
    pub fn report(&self) -> impl fmt::Display + '_ {
        Report(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.operation)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{key}: {value}")?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        if f.alternate() {
            self.0.hints.iter().try_for_each(|hint| write!(f, "; {hint}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.report())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

struct Report<'a>(&'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut hints: Vec<&str> = self.0.hints().iter().map(String::as_str).collect();
        let mut next = std::error::Error::source(self.0);
        while let Some(cause) = next {
            write!(f, "\n  because: {}", cause.to_string().replace('\n', "\n    "))?;
            if let Some(inner) = cause.downcast_ref::<Error>() {
                hints.extend(inner.hints().iter().map(String::as_str));
            }
            next = cause.source();
        }
        for hint in hints {
            write!(f, "\n  next: {hint}")?;
        }
        Ok(())
    }
}

/// Says what was being done when a foreign error came up.
///
/// ```
/// use infra_sdk::{Result, ResultExt};
/// fn port(text: &str) -> Result<u16> {
///     text.parse().context("read the port")
/// }
/// assert_eq!(port("x").unwrap_err().to_string(), "read the port");
/// ```
pub trait ResultExt<T> {
    /// Wraps the error under `operation`; an [`Error`] keeps its kind,
    /// retryability, request to slow down and exit code.
    ///
    /// # Errors
    /// The wrapped error, if there was one.
    fn context(self, operation: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Source>> ResultExt<T> for std::result::Result<T, E> {
    fn context(self, operation: impl Into<String>) -> Result<T> {
        self.map_err(|error| {
            let source: Source = error.into();
            let (kind, retryable, throttle, exit_code) = match source.downcast_ref::<Error>() {
                Some(inner) => (inner.kind(), inner.is_retryable(), inner.throttle(), inner.exit_code()),
                None => (kind_of(source.as_ref()), false, None, None),
            };
            let mut wrapped = Error::new(kind, operation).because(source);
            wrapped.0.retryable = retryable;
            wrapped.0.throttle = throttle;
            wrapped.0.exit_code = exit_code;
            wrapped
        })
    }
}

fn kind_of(source: &(dyn std::error::Error + 'static)) -> ErrorKind {
    match source.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::NotFound) => ErrorKind::NotFound,
        Some(std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem) => {
            ErrorKind::Denied
        }
        Some(_) => ErrorKind::Io,
        None => ErrorKind::Failed,
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Error::new(kind_of(&source), "read or write").because(source)
    }
}

impl From<Source> for Error {
    /// Task bodies may return `Box<dyn Error>`; an [`Error`] inside comes out unchanged.
    fn from(source: Source) -> Self {
        match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => Error::new(kind_of(source.as_ref()), "run the task").because(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Error {
        let io = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "read-only file system");
        let inner = Error::from(io).hint("make the folder writable");
        Err::<(), _>(inner).context("write the ledger").unwrap_err().hint("or set INFRA_HOME")
    }

    #[test]
    fn display_never_repeats_the_source() {
        assert_eq!(chain().to_string(), "write the ledger");
    }

    #[test]
    fn report_shows_every_cause_once_and_all_hints() {
        let text = chain().report().to_string();
        assert_eq!(text.matches("read-only file system").count(), 1);
        assert!(text.contains("next: or set INFRA_HOME\n  next: make the folder writable"), "{text}");
    }

    #[test]
    fn context_keeps_kind_retryability_and_exit_code() {
        let inner = Error::new(ErrorKind::Unavailable, "ask").retryable().exit_with(9);
        let outer = Err::<(), _>(inner).context("outer").unwrap_err();
        assert_eq!(
            (outer.kind(), outer.is_retryable(), outer.exit_code()),
            (ErrorKind::Unavailable, true, Some(9))
        );
    }

    #[test]
    fn a_boxed_error_of_ours_comes_out_unchanged() {
        let boxed: Source = Box::new(Error::invalid("x").exit_with(7));
        assert_eq!(Error::from(boxed).exit_code(), Some(7));
    }
}
