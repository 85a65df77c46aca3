//! Why a request to AWS failed, and what that means to the one who made it.

use std::error::Error as StdError;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::error::{Error, ErrorKind};
use crate::names::quoted;
use crate::secret::SecretValue;

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
    repeats: bool,
}

pub(super) enum Why {
    /// AWS answered with an error it has a name for.
    Refused { code: String, message: String },
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
        let why = match (code, response) {
            (Some(code), _) => {
                Why::Refused { code: code.to_owned(), message: message.unwrap_or_default().to_owned() }
            }
            // What is in such a body may be anything, also what was sent: it is not shown.
            (None, Some(response)) => Why::NotUnderstood { status: response.status().as_u16() },
            (None, None) => without_answer(error),
        };
        Fault {
            request_id: header("x-amzn-requestid").map(str::to_owned),
            after: seconds.map(Duration::from_secs),
            ..Fault::new(call, why)
        }
    }

    pub(super) fn new(call: Call<'_>, why: Why) -> Self {
        let (action, on) = (call.action, call.on.to_owned());
        Fault { action, on, why, request_id: None, after: None, repeats: false }
    }

    /// Keeps quiet about AWS's message if it repeats this value.
    pub(super) fn hiding(mut self, value: &SecretValue) -> Self {
        self.repeats = matches!(&self.why, Why::Refused { message, .. } if message.contains(value.expose()));
        self
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
            Why::Refused { code, .. } if repeats => {
                refused(action, &code, "", after).with("on", on).with("code", code)
            }
            Why::Refused { code, message } => {
                refused(action, &code, &message, after).with("on", on).with("code", code)
            }
            Why::NotUnderstood { status: 429 } => {
                unavailable("AWS asks for fewer requests").throttled(after).with("on", on)
            }
            Why::NotUnderstood { status } => unavailable(format!("AWS gave no proper answer to {action}"))
                .with("on", on)
                .with("status", status)
                .hint("try again; if it stays so, check that AWS_ENDPOINT_URL and the network lead to AWS"),
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
        match request_id {
            Some(id) => error.with("request", quoted(&id)),
            None => error,
        }
    }
}

const SIGN_IN: &str = "sign in with `aws sso login`, set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY; a GitHub workflow gets them by its OIDC token";

fn unavailable(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, what).retryable()
}

/// What a code means. Codes all services share:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>.
fn refused(action: &str, code: &str, message: &str, after: Option<Duration>) -> Error {
    let said = || format!("AWS says: {}", one_line(message));
    let failed = |kind, hint: &str| Error::new(kind, format!("AWS refused {action}")).hint(hint);
    match code {
        "ThrottlingException"
        | "Throttling"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "TooManyUpdates"
        | "SlowDown" => {
            unavailable("AWS asks for fewer requests").throttled(after).hint("wait a little and try again")
        }
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => not_allowed(action, message),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
            Error::new(ErrorKind::Denied, "the credentials for AWS have expired").hint(SIGN_IN)
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException" => {
            Error::new(ErrorKind::Denied, "AWS does not know these credentials").hint(SIGN_IN)
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed" => {
            failed(ErrorKind::Denied, "set this machine's clock, and check AWS_SECRET_ACCESS_KEY")
        }
        "OptInRequired" => failed(ErrorKind::Denied, "enable this region for the account, or choose another"),
        "HierarchyTypeMismatchException" => failed(
            ErrorKind::Conflict,
            "a parameter that is not a SecureString has this name, and AWS does not change types: delete it, wait 30 seconds, and try again",
        ),
        "ResourceExistsException" => failed(
            ErrorKind::Conflict,
            "somebody else wrote this secret at the same time: look again, then write",
        ),
        "ParameterMaxVersionLimitExceeded" => {
            failed(ErrorKind::Failed, "the oldest of its 100 versions has a label: move or delete that label")
        }
        "ParameterLimitExceeded" | "LimitExceededException" => {
            failed(ErrorKind::Failed, "the account is full: delete what nobody needs, or ask AWS for more")
                .because(said())
        }
        "InvalidKeyId"
        | "EncryptionFailure"
        | "DecryptionFailure"
        | "KMSAccessDeniedException"
        | "InvalidKeyIdException" => failed(
            ErrorKind::Denied,
            "check that the KMS key exists in this region, is enabled, and may be used by you",
        )
        .because(said()),
        "ResourceNotFoundException" | "ParameterNotFound" => {
            failed(ErrorKind::NotFound, "look again: somebody else may have deleted it")
        }
        "InternalServerError"
        | "InternalServiceError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "InternalServiceErrorException"
        | "RequestTimeout"
        | "RequestTimeoutException" => unavailable(format!("AWS could not carry out {action}"))
            .hint("try again; https://health.aws.amazon.com shows what is wrong at AWS"),
        "InvalidRequestException" => {
            failed(ErrorKind::Failed, "read what AWS says, and look at the secret in the console")
                .because(said())
        }
        // Refusals of a value repeat the value.
        _ => failed(
            ErrorKind::Failed,
            "look the code up in AWS's reference; its message is not shown, as it may hold the value",
        ),
    }
}

/// `Denied`, with the permission that AWS says is missing, or else the one the request needs.
fn not_allowed(action: &str, message: &str) -> Error {
    let after = |mark: &str| {
        let word = message.split_once(mark)?.1.split_whitespace().next()?.trim_end_matches(['.', ',']);
        Some(word).filter(|word| !word.is_empty())
    };
    let missing = after("perform: ").unwrap_or(action);
    let error =
        Error::new(ErrorKind::Denied, "AWS does not allow this").with("permission", one_line(missing));
    let error = match after("on resource: ") {
        Some(resource) => error.with("resource", one_line(resource)),
        None => error,
    };
    let hint = if message.contains("explicit deny") {
        "find the policy that denies it: an explicit deny goes before every permission"
    } else {
        "give this permission to the user or role that the credentials belong to"
    };
    error.hint(hint)
}

/// A text of AWS's that can not break out of its line.
fn one_line(text: &str) -> String {
    text.chars().take(300).flat_map(|c| c.escape_debug()).filter(|c| *c != '\\').collect()
}
