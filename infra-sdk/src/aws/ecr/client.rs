//! The client of ECR, and asking it again when a refusal may go away by itself.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use crate::aws::connect::Aws;
use crate::aws::fault::{Call, Fault, Why};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::retry::Retry;

/// The client of ECR, shared by everything that asks it.
pub(super) async fn client(aws: &Aws) -> Result<Client> {
    aws.client("ECR", |config, endpoint| {
        let mut config = aws_sdk_ecr::config::Builder::from(config);
        config.set_endpoint_url(endpoint);
        Client::from_conf(config.build())
    })
    .await
}

pub(super) fn fault<E>(call: Call<'_>, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Fault::of(call, error, error.code(), error.message())
}

/// Whether AWS refused with this code.
pub(super) fn says(fault: &Fault, wanted: &str) -> bool {
    matches!(&fault.why, Why::Refused { code, .. } if code == wanted)
}

/// Asks again while the answer says that this may help. Every request of this room can be made twice: what it sets, it
/// sets to the same.
pub(super) async fn repeated<T, A: Future<Output = Result<T>>>(ask: impl FnMut(u32) -> A) -> Result<T> {
    // Whoever waits for this stops it by dropping it.
    Retry::default().run(&CancelToken::new(), ask).await
}
