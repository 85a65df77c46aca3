//! Bodies as they stand on the wire, so that a field which this version of AWS's SDK does not know is carried all the same.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecs::error::BoxError;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// Keeps the body of an answer. AWS adds fields to task definitions several times a year; what is read into the SDK's
/// types and written back loses those that came later than the SDK.
#[derive(Clone, Debug, Default)]
pub(super) struct Body(Arc<Mutex<Vec<u8>>>);

impl Body {
    /// What was answered, as JSON.
    pub(super) fn json(&self) -> Result<Value> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "AWS answered with something that is no task definition")
                .because(error)
                .hint("check that AWS_ENDPOINT_URL names a service that answers as AWS does")
                .retryable()
        })
    }
}

impl Intercept for Body {
    fn name(&self) -> &'static str {
        "Body"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().unwrap_or_default();
        bytes.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}
