//! Errors of the services beside Kinesis, and how what all have in common becomes one of them.

use std::error::Error;
use std::sync::Arc;

use rheos_wire::neighbour::{Code, ServiceError};
use rheos_wire::{ErrorBody, ErrorCode};

use super::Told;

/// An error of a neighbour on its way out: what the caller is told, and why, for our own log.
#[derive(Debug)]
pub(crate) struct ServiceFault {
    pub(crate) error: ServiceError,
    pub(crate) cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl ServiceFault {
    /// What our log says of it.
    pub(crate) fn told(&self) -> Told<'_> {
        Told { is_callers: self.error.code.is_callers(), error: &self.error, cause: self.cause.as_deref() }
    }
}

impl From<ServiceError> for ServiceFault {
    fn from(error: ServiceError) -> Self {
        Self { error, cause: None }
    }
}

impl From<ErrorBody> for ServiceFault {
    fn from(body: ErrorBody) -> Self {
        Self { error: body.into(), cause: None }
    }
}

/// For a name that is none of an operation.
pub(crate) fn unknown_operation() -> ErrorBody {
    ErrorBody::bare(ErrorCode::UnknownOperation)
}

/// For a body that is larger than any may be once it is inflated.
pub(crate) fn too_large_inflated(limit_bytes: usize) -> ServiceFault {
    const TOO_LARGE: Code = Code::client("RequestEntityTooLargeException").with_status(413);
    ServiceError::new(TOO_LARGE, format!("The inflated body is larger than {limit_bytes} bytes.")).into()
}
