//! Why a request to AWS failed, and what that means to the one who made it.

use std::error::Error as StdError;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::aws::meaning::{SIGN_IN, no_proper_answer, one_line, refused, unavailable};
use crate::error::{Error, ErrorKind};

/// A request: the permission it needs, such as `ssm:PutParameter`, and what it is about.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) action: &'static str,
    pub(super) on: &'a str,
}

/// Why a request failed.
///
/// Not shown itself: AWS's message may repeat what was sent. Of what came back, the [`Error`] made from it shows the
/// message of codes that are known not to.
pub(super) struct Fault {
    action: &'static str,
    on: String,
    pub(super) why: Why,
    request_id: Option<String>,
    after: Option<Duration>,
    /// Whether the message repeats what was sent.
    pub(super) repeats: bool,
}

pub(super) enum Why {
    /// AWS answered with an error it has a name for.
    Refused { code: String, message: String, status: u16 },
    /// Something answered, but not as AWS does.
    NotUnderstood { status: u16 },
    /// No answer in time; the request may have been carried out.
    TimedOut,
    /// No whole answer; the request may have been carried out.
    NotReached(String),
    /// There was nothing to sign the request with.
    NoCredentials(String),
    /// The request could not be put together.
    NotMade(String),
}

impl Fault {
    /// Reads what the SDK says; `code` and `message` are those of the answer.
    pub(super) fn of<E: StdError + 'static>(
        call: Call<'_>,
        error: &SdkError<E, HttpResponse>,
        code: Option<&str>,
        message: Option<&str>,
    ) -> Self {
        let response = error.raw_response();
        let header = |name: &str| response.and_then(|response| response.headers().get(name));
        let seconds = header("retry-after").and_then(|text| text.trim().parse().ok());
        let status = response.map(|response| response.status().as_u16());
        let why = match (code, status) {
            (Some(code), _) => Why::Refused {
                code: code.to_owned(),
                message: message.unwrap_or_default().to_owned(),
                status: status.unwrap_or_default(),
            },
            // What is in such a body may be anything, also what was sent: it is not shown.
            (None, Some(status)) => Why::NotUnderstood { status },
            (None, None) => without_answer(error),
        };
        Fault {
            // The second is S3's.
            request_id: header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).map(str::to_owned),
            after: seconds.map(Duration::from_secs),
            ..Fault::new(call, why)
        }
    }

    pub(super) fn new(call: Call<'_>, why: Why) -> Self {
        let (action, on) = (call.action, call.on.to_owned());
        Fault { action, on, why, request_id: None, after: None, repeats: false }
    }
}

/// What the SDK says where nothing was answered. Its texts are about connections and credentials, never about bodies.
fn without_answer<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> Why {
    let story = story(error);
    match error {
        SdkError::TimeoutError(_) => Why::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Why::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_io() => Why::NotReached(story),
        // The SDK has no kind of error for this one that could be told without its text.
        _ if story.contains("credential") || story.contains("SSO") || story.contains("identity") => {
            Why::NoCredentials(story)
        }
        SdkError::ConstructionFailure(_) => Why::NotMade(story),
        _ => Why::NotReached(story),
    }
}

/// An error and those underneath, on one line.
fn story(error: &dyn StdError) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    parts.join(": ")
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let Fault { action, on, why, request_id, after, repeats } = fault;
        let error = match why {
            Why::Refused { code, message, status } => {
                let message = if repeats { "" } else { &message };
                refused(action, &code, message, status, after).with("on", on).with("code", one_line(&code))
            }
            Why::NotUnderstood { status } => no_proper_answer(action, status, after).with("on", on),
            Why::TimedOut => Error::new(ErrorKind::TimedOut, format!("AWS did not answer {action} in time"))
                .with("on", on)
                .hint("check the network, then try again: doing the same again does no harm")
                .retryable(),
            Why::NotReached(story) => unavailable(format!("no answer to {action}"))
                .with("on", on)
                .because(story)
                .hint("check the network, the region and AWS_ENDPOINT_URL, then try again"),
            Why::NoCredentials(story) => {
                Error::new(ErrorKind::Denied, "there are no credentials for AWS").because(story).hint(SIGN_IN)
            }
            Why::NotMade(story) => Error::invalid(format!("{action} could not be asked"))
                .with("on", on)
                .because(story)
                .hint("check the region, the profile and AWS_ENDPOINT_URL"),
        };
        // Whatever went wrong, it is said what was asked.
        let error = if error.to_string().contains(action) { error } else { error.with("operation", action) };
        match request_id {
            Some(id) => error.with("request", one_line(&id)),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    type Answer = SdkError<std::io::Error, HttpResponse>;

    fn explained(error: &Answer) -> Error {
        Fault::of(Call { action: "ssm:PutParameter", on: "/shop/A" }, error, None, None).into()
    }

    #[test]
    fn what_was_not_answered_is_told_apart_by_what_to_do_next() {
        let other = |text: &str| Answer::dispatch_failure(ConnectorError::other(text.into(), None));
        let cases = [
            (Answer::timeout_error("canary"), ErrorKind::TimedOut, true),
            (Answer::dispatch_failure(ConnectorError::timeout("x".into())), ErrorKind::TimedOut, true),
            (Answer::dispatch_failure(ConnectorError::io("refused".into())), ErrorKind::Unavailable, true),
            (other("connection closed"), ErrorKind::Unavailable, true),
            (other("no providers in chain provided credentials"), ErrorKind::Denied, false),
            (other("the SSO session has expired"), ErrorKind::Denied, false),
            (Answer::construction_failure("no host"), ErrorKind::Invalid, false),
        ];
        for (answer, kind, again) in cases {
            let error = explained(&answer);
            assert_eq!((error.kind(), error.is_retryable()), (kind, again), "{error:?}");
            assert!(!error.hints().is_empty() && !format!("{error:?}").contains("canary"), "{error:?}");
            assert!(error.to_string().contains("ssm:PutParameter"), "{error}");
        }
    }
}
