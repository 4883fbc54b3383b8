//! Faults that are injected on purpose. Their codes are the service's, their texts say whose they are.

use rheos_wire::{ErrorBody, ErrorCode, Operation};

use super::EntryFault;
use crate::chaos::{EntryRefusal, Injection};

/// What is answered instead of an operation's answer; `None`: its own answer, or no answer at all.
pub(crate) fn injected(injection: Injection, operation: Operation) -> Option<ErrorBody> {
    let error = match injection {
        Injection::Throttle => {
            ErrorBody::new(throttling(operation), "Rate exceeded (injected by --chaos). Nothing was done; try again.")
        }
        Injection::Failure => ErrorBody::new(
            ErrorCode::InternalFailureException,
            "Internal failure (injected by --chaos). Nothing was done; try again.",
        ),
        Injection::Unavailable => ErrorBody::new(
            ErrorCode::ServiceUnavailable,
            "Service unavailable (injected by --chaos). Nothing was done; try again.",
        ),
        Injection::Unknown => ErrorBody::new(
            ErrorCode::InternalFailureException,
            "Internal failure (injected by --chaos): it may have happened.",
        ),
        Injection::Entries(_) | Injection::Drop { .. } => return None,
    };
    Some(error)
}

/// The error by which the model lets an operation say that it is called too often.
fn throttling(operation: Operation) -> ErrorCode {
    let codes = [ErrorCode::ProvisionedThroughputExceeded, ErrorCode::LimitExceeded, ErrorCode::Throttling];
    let declared = codes.into_iter().find(|code| operation.errors().contains(code));
    declared.unwrap_or(ErrorCode::LimitExceeded)
}

/// One entry of PutRecords.
pub(crate) fn injected_entry(refusal: EntryRefusal) -> EntryFault {
    match refusal {
        EntryRefusal::Throttle => EntryFault {
            code: ErrorCode::ProvisionedThroughputExceeded.wire_name(),
            message: "Rate exceeded (injected by --chaos).".into(),
        },
        EntryRefusal::Failure => EntryFault::internal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_an_error_for_too_often() {
        for operation in Operation::ALL {
            assert!(operation.errors().contains(&throttling(*operation)), "{}", operation.name());
        }
        assert_eq!(throttling(Operation::PutRecord), ErrorCode::ProvisionedThroughputExceeded);
        assert_eq!(throttling(Operation::ListShards), ErrorCode::LimitExceeded);
    }
}
