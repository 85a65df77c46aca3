//! What AWS's refusals mean: which of our errors each code is, and what to do next.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

pub(super) const SIGN_IN: &str = "sign in with `aws sso login`, set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and \
                                  AWS_SECRET_ACCESS_KEY; a GitHub workflow gets them by its OIDC token";

/// Codes of a service that wants to be left alone for a moment.
const THROTTLED: &[&str] = &[
    "ThrottlingException",
    "Throttling",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "TooManyUpdates",
    "SlowDown",
    "ReducePriority",
];

/// Codes for credentials that AWS has never seen, or that came incomplete.
const UNKNOWN: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
];

/// Codes for trouble of AWS's own.
const DOWN: &[&str] = &[
    "InternalServerError",
    "InternalServiceError",
    "InternalServiceErrorException",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
    // ECS
    "ServerException",
];

/// Codes for a KMS key that can not be used.
pub(super) const KEY: &[&str] = &[
    "InvalidKeyId",
    "InvalidKeyIdException",
    "EncryptionFailure",
    "DecryptionFailure",
    "KMSAccessDeniedException",
    "KmsException",
];

/// Codes of S3 for credentials it has never seen.
const UNKNOWN_TO_S3: &[&str] = &["InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"];

/// Codes of S3 for a KMS key that can not be used, by how they begin.
const KEY_OF_S3: &str = "KMS.";

/// Codes of S3 for a bucket that is in another region
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>).
const ELSEWHERE: &[&str] = &[
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "InvalidLocationConstraint",
];

/// Codes of S3 for a change that meets another one: doing it again tells who won.
const AT_ONCE: &[&str] = &["ConditionalRequestConflict", "OperationAborted"];

/// What a code of S3's own means.
fn refused_by_s3(action: &str, code: &str, message: &str) -> Option<Error> {
    let refuse = |kind, hint: &str| Some(Error::new(kind, format!("AWS refused {action}")).hint(hint));
    match code {
        code if AT_ONCE.contains(&code) => {
            let hint = "somebody else changes the same thing at the same time: try again";
            refuse(ErrorKind::Conflict, hint).map(Error::retryable)
        }
        code if UNKNOWN_TO_S3.contains(&code) => {
            Some(Error::new(ErrorKind::Denied, "AWS does not know these credentials").hint(SIGN_IN))
        }
        code if code.starts_with(KEY_OF_S3) => {
            let hint =
                "check that the KMS key exists in the bucket's region, is enabled, and may be used by you";
            refuse(ErrorKind::Denied, hint).map(|error| saying(error, message))
        }
        code if ELSEWHERE.contains(&code) => refuse(
            ErrorKind::Invalid,
            "the bucket is in another region: name that one as `region` of the environment's `state` in infra.toml",
        ),
        "NoSuchBucket" => refuse(
            ErrorKind::NotFound,
            "there is no such bucket: make it with `cargo xtask infra:state:setup`, or correct `bucket` of the \
             environment's `state` in infra.toml",
        ),
        "NoSuchKey" | "NoSuchVersion" => {
            refuse(ErrorKind::NotFound, "look again: somebody else may have deleted it")
        }
        "BucketAlreadyExists" => refuse(
            ErrorKind::Conflict,
            "a bucket of this name belongs to somebody else: names are the same for all accounts, choose another",
        ),
        "NotImplemented" | "MethodNotAllowed" => {
            refuse(ErrorKind::Failed, "this store does not know the operation; it is one of S3")
        }
        "EntityTooLarge" => {
            refuse(ErrorKind::Invalid, "it is larger than one request may be: split the stack")
        }
        _ => None,
    }
}

/// What a code means. Codes all services share:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>.
pub(super) fn refused(
    action: &str,
    code: &str,
    message: &str,
    status: u16,
    after: Option<Duration>,
) -> Error {
    if let Some(error) = refused_by_s3(action, code, message) {
        return error;
    }
    let refuse = |kind, hint: &str| Error::new(kind, format!("AWS refused {action}")).hint(hint);
    match code {
        code if THROTTLED.contains(&code) => throttled(after),
        code if DOWN.contains(&code) => unavailable(format!("AWS could not carry out {action}"))
            .hint("try again; https://health.aws.amazon.com shows what is wrong at AWS"),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => not_allowed(action, message),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
            Error::new(ErrorKind::Denied, "the credentials for AWS have expired").hint(SIGN_IN)
        }
        code if UNKNOWN.contains(&code) => {
            Error::new(ErrorKind::Denied, "AWS does not know these credentials").hint(SIGN_IN)
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed" => {
            refuse(ErrorKind::Denied, "set this machine's clock, and check AWS_SECRET_ACCESS_KEY")
        }
        "OptInRequired" => refuse(ErrorKind::Denied, "enable this region for the account, or choose another"),
        code if KEY.contains(&code) => {
            let hint = "check that the KMS key exists in this region, is enabled, and may be used by you";
            saying(refuse(ErrorKind::Denied, hint), message)
        }
        "HierarchyTypeMismatchException" => {
            let hint = "a parameter of another type has this name, and AWS does not change types: delete it, wait 30 \
                        seconds, and try again";
            refuse(ErrorKind::Conflict, hint)
        }
        "ResourceExistsException" => refuse(
            ErrorKind::Conflict,
            "somebody else wrote this secret at the same time: look again, then write",
        ),
        "ParameterMaxVersionLimitExceeded" => {
            refuse(ErrorKind::Failed, "the oldest of its 100 versions has a label: move or delete that label")
        }
        "ParameterLimitExceeded" | "LimitExceededException" => {
            let hint = "the account is full: delete what nobody needs, or ask AWS for more";
            saying(refuse(ErrorKind::Failed, hint), message)
        }
        "ResourceNotFoundException" | "ParameterNotFound" => {
            refuse(ErrorKind::NotFound, "look again: somebody else may have deleted it")
        }
        "InvalidRequestException" => {
            saying(refuse(ErrorKind::Failed, "look at this secret in AWS's console, and try again"), message)
        }
        // ECR: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Operations.html
        "RepositoryNotFoundException" => {
            refuse(ErrorKind::NotFound, "make it with `cargo xtask infra:ecr:setup`")
        }
        "RepositoryAlreadyExistsException" => {
            refuse(ErrorKind::Conflict, "somebody else made it meanwhile: run this again")
        }
        "ImageNotFoundException" => refuse(ErrorKind::NotFound, "push the image first, or name another one"),
        "ImageTagAlreadyExistsException" => refuse(
            ErrorKind::Conflict,
            "tags cannot be moved here: choose a new tag, or name the image by digest",
        ),
        _ if action.starts_with("ecs:") => ecs(action, code, message, status, after),
        _ if status == 429 || status >= 500 => no_proper_answer(action, status, after),
        // Nothing that ECR is sent is secret.
        _ if action.starts_with("ecr:") => {
            let hint = "correct what AWS says, or look the code up in ECR's reference";
            saying(refuse(ErrorKind::Failed, hint), message)
        }
        // Refusals of a value repeat the value.
        _ => refuse(
            ErrorKind::Failed,
            "look the code up in AWS's reference; its message is not shown, as it may hold the value",
        ),
    }
}

/// An answer without a code: of a proxy, a balancer, or a server that broke down. Only its status tells something.
pub(super) fn no_proper_answer(action: &str, status: u16, after: Option<Duration>) -> Error {
    let what = format!("no proper answer of AWS to {action}");
    let error = match status {
        429 => return throttled(after),
        400..=407 | 409..=499 => Error::new(ErrorKind::Failed, what),
        503 if after.is_some() => unavailable(what).throttled(after),
        _ => unavailable(what),
    };
    error
        .with("status", status)
        .hint("try again; if it stays so, check that AWS_ENDPOINT_URL and the network lead to AWS")
}

pub(super) fn unavailable(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, what).retryable()
}

fn throttled(after: Option<Duration>) -> Error {
    unavailable("AWS asks for fewer requests").throttled(after).hint("wait a little, and try again")
}

/// Codes of ECS: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html>. Its messages may be shown,
/// for no secret is ever sent to it.
fn ecs(action: &str, code: &str, message: &str, status: u16, after: Option<Duration>) -> Error {
    let refuse =
        |kind, hint: &str| saying(Error::new(kind, format!("AWS refused {action}")).hint(hint), message);
    match code {
        // All it says of a revision that never was.
        "ClientException" if action == "ecs:DescribeTaskDefinition" => {
            refuse(ErrorKind::NotFound, "take a release from `infra:deploy:history`")
        }
        "ClusterNotFoundException" => refuse(
            ErrorKind::NotFound,
            "name the cluster that Terraform makes, as `cluster` under `[deploy]`",
        ),
        "ServiceNotFoundException" => refuse(
            ErrorKind::NotFound,
            "name the service that Terraform makes, as `service` under `[deploy]`",
        ),
        "ServiceNotActiveException" => {
            refuse(ErrorKind::Conflict, "the service is being deleted: apply the Terraform that makes it")
        }
        "ConflictException" | "UpdateInProgressException" => refuse(
            ErrorKind::Conflict,
            "somebody else changes the service: wait for the end of it, and try again",
        )
        .retryable(),
        _ if status == 429 || status >= 500 => no_proper_answer(action, status, after),
        _ => refuse(
            ErrorKind::Failed,
            "correct what AWS names, in infra.toml or in the Terraform of the service",
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
    let mut error =
        Error::new(ErrorKind::Denied, "AWS does not allow this").with("permission", one_line(missing));
    if let Some(resource) = after("on resource: ") {
        error = error.with("resource", one_line(resource));
    }
    error.hint(if message.contains("explicit deny") {
        "find the policy that denies it: an explicit deny goes before every permission"
    } else {
        "give this permission to the user or role that the credentials belong to"
    })
}

fn saying(error: Error, message: &str) -> Error {
    if message.is_empty() { error } else { error.because(format!("AWS says: {}", one_line(message))) }
}

/// A text of AWS's, cut, that can not break out of its line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> Error {
        refused("ssm:PutParameter", code, message, 400, None)
    }

    #[test]
    fn only_what_may_go_away_by_itself_may_be_tried_again() {
        for code in THROTTLED {
            assert!(error(code, "").throttle().is_some(), "{code}");
        }
        for code in DOWN {
            let error = error(code, "");
            assert!(error.is_retryable() && error.throttle().is_none(), "{code}");
        }
        let final_ones =
            ["AccessDeniedException", "ExpiredTokenException", "InvalidKeyId", "ValidationException"];
        for code in final_ones.iter().chain(UNKNOWN).chain(KEY) {
            let error = error(code, "");
            assert!(!error.is_retryable() && !error.hints().is_empty(), "{code}");
        }
        assert!(refused("a", "NewCode", "", 500, None).is_retryable());
        assert!(refused("a", "NewCode", "", 429, None).throttle().is_some());
    }

    #[test]
    fn the_missing_permission_is_the_one_that_aws_names_or_the_one_the_request_needs() {
        let message = "User: arn:aws:sts::1:assumed-role/ci is not authorized to perform: kms:Encrypt on resource: \
                       arn:aws:kms:eu-central-1:1:key/k because no identity-based policy allows the kms:Encrypt action";
        assert_eq!(
            error("AccessDeniedException", message).to_string(),
            "AWS does not allow this (permission: kms:Encrypt, resource: arn:aws:kms:eu-central-1:1:key/k)"
        );
        let bare = error("AccessDeniedException", "");
        assert_eq!(bare.to_string(), "AWS does not allow this (permission: ssm:PutParameter)");
        let explicit = error("AccessDeniedException", "x with an explicit deny in a service control policy");
        assert!(explicit.hints()[0].contains("explicit deny"));
    }

    #[test]
    fn what_s3_says_has_its_meaning_and_a_next_step() {
        for code in AT_ONCE {
            assert!(
                error(code, "").is_retryable() && error(code, "").kind() == ErrorKind::Conflict,
                "{code}"
            );
        }
        for (code, kind) in [
            ("NoSuchBucket", ErrorKind::NotFound),
            ("BucketAlreadyExists", ErrorKind::Conflict),
            ("PermanentRedirect", ErrorKind::Invalid),
            ("InvalidAccessKeyId", ErrorKind::Denied),
            ("KMS.DisabledException", ErrorKind::Denied),
            ("NotImplemented", ErrorKind::Failed),
        ] {
            let error = error(code, "");
            assert_eq!((error.kind(), error.is_retryable()), (kind, false), "{code}");
            assert!(!error.hints().is_empty(), "{code}");
        }
    }

    #[test]
    fn a_refusal_that_may_repeat_the_value_is_told_without_its_message() {
        for code in
            ["ValidationException", "InvalidParameterException", "ParameterPatternMismatchException", "New"]
        {
            assert!(!format!("{:?}", error(code, "value 'canary' is too long")).contains("canary"), "{code}");
        }
    }

    #[test]
    fn a_longer_pause_is_passed_on() {
        let wish = Some(Duration::from_secs(7));
        assert_eq!(refused("a", "ThrottlingException", "", 400, wish).throttle().unwrap().after, wish);
        assert_eq!(no_proper_answer("a", 429, wish).throttle().unwrap().after, wish);
        assert_eq!(no_proper_answer("a", 503, wish).throttle().unwrap().after, wish);
        assert!(!no_proper_answer("a", 403, None).is_retryable());
    }

    #[test]
    fn what_aws_says_stays_on_its_line() {
        let error = error("InvalidRequestException", "a\nb\u{1b}[31m");
        assert!(format!("{error:?}").contains("AWS says: a b [31m"));
    }
}
