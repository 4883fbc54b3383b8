//! The verbs that move records.

use std::borrow::Cow;

use rheos_streams::{
    ConsumerInfo, Failure, IteratorError, LogError, OpenIteratorError, PutError, PutRecordsError, RateExceeded,
    ReadError, ShardNotFound, SubscribeError, SubscriptionEnd,
};
use rheos_types::{Namespace, ShardId, StreamName};
use rheos_wire::{ErrorBody, ErrorCode, Operation};

use super::consumer::consumer_not_active;
use super::{Fault, INTERNAL_FAILURE, expired, log_fault};

/// What is wrong with one entry of PutRecords whose others may be stored.
#[derive(Debug)]
pub(crate) struct EntryFault {
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
}

impl EntryFault {
    pub(super) const fn internal() -> Self {
        // Here the name has no suffix.
        Self { code: ErrorCode::InternalFailure.wire_name(), message: Cow::Borrowed(INTERNAL_FAILURE) }
    }
}

/// The entry's shard has had its fill for this second.
pub(crate) fn entry_throttled(namespace: &Namespace, stream: &StreamName, shard: ShardId) -> EntryFault {
    let message = format!("Rate exceeded for shard {shard} in stream {stream} under account {}.", namespace.account);
    EntryFault { code: ErrorCode::ProvisionedThroughputExceeded.wire_name(), message: message.into() }
}

/// The log has too much to do for any of the call's entries.
pub(crate) fn entry_waits() -> EntryFault {
    let message = "Rate exceeded: too much is waiting to be written. Nothing was done; try again.";
    EntryFault { code: ErrorCode::ProvisionedThroughputExceeded.wire_name(), message: message.into() }
}

/// The entry was not written, or may not have been.
pub(crate) fn entry_failed(failure: &Failure) -> EntryFault {
    match failure {
        Failure::Log(error) => match error {
            LogError::Overloaded => entry_waits(),
            LogError::Full { .. } | LogError::Stopped | LogError::Unknown | LogError::Invalid(_) => {
                EntryFault::internal()
            }
        },
        Failure::NoOpenShard | Failure::Key(_) => EntryFault::internal(),
    }
}

impl From<PutError> for Fault {
    fn from(error: PutError) -> Self {
        match error {
            PutError::NotFound(fact) => fact.into(),
            PutError::NoPartitionKey => no_partition_key("partitionKey"),
            PutError::HashKey(key) => invalid_hash_key(&key.value),
            PutError::Ordering { namespace, stream, value } => Self::invalid(format!(
                "ExclusiveMinimumSequenceNumber {value} used in PutRecord on stream {stream} under account {} is \
                 invalid.",
                namespace.account
            )),
            PutError::TooLarge { bytes, limit_bytes } => too_large("data", bytes, limit_bytes),
            PutError::Throttled(fact) => fact.into(),
            PutError::NoOpenShard => {
                Self::new(ErrorCode::InternalFailureException, INTERNAL_FAILURE).because(PutError::NoOpenShard)
            }
            PutError::Key(fact) => fact.into(),
            PutError::Log(error) => log_fault(error, ErrorCode::ProvisionedThroughputExceeded),
        }
    }
}

impl From<PutRecordsError> for Fault {
    fn from(error: PutRecordsError) -> Self {
        match error {
            PutRecordsError::NotFound(fact) => fact.into(),
            PutRecordsError::NoPartitionKey { index } => {
                no_partition_key(&format!("records.{}.member.partitionKey", index + 1))
            }
            PutRecordsError::HashKey(key) => invalid_hash_key(&key.value),
            PutRecordsError::RecordTooLarge { index, bytes, limit_bytes } => {
                too_large(&format!("records.{}.member.data", index + 1), bytes, limit_bytes)
            }
            PutRecordsError::TooLarge { bytes: _, limit_bytes } => {
                Self::invalid(format!("Records size exceeds {} MB limit", limit_bytes >> 20))
            }
            PutRecordsError::Key(fact) => fact.into(),
            PutRecordsError::Log(error) => log_fault(error, ErrorCode::ProvisionedThroughputExceeded),
        }
    }
}

/// In the words of the model's constraints, of which this was one before there were streams that spread records by
/// themselves.
fn no_partition_key(path: &str) -> Fault {
    let message = format!(
        "1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
    );
    Fault::new(ErrorCode::Validation, message)
}

/// A number that is no hash key.
pub(crate) fn invalid_hash_key(value: &str) -> Fault {
    Fault::invalid(format!(
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {value}"
    ))
}

/// In the words of the model's constraints, which know the largest record of all streams and not of this one.
fn too_large(path: &str, bytes: usize, limit_bytes: usize) -> Fault {
    let message = format!(
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim={bytes} cap={bytes}]' at '{path}' failed \
         to satisfy constraint: Member must have length less than or equal to {limit_bytes}"
    );
    Fault::new(ErrorCode::Validation, message)
}

impl From<IteratorError> for Fault {
    fn from(error: IteratorError) -> Self {
        start(error, Operation::GetShardIterator)
    }
}

/// Where a reader wants to begin, as `operation` takes it.
fn start(error: IteratorError, operation: Operation) -> Fault {
    match error {
        IteratorError::ShardId(fact) => fact.into(),
        IteratorError::NotFound(fact) => fact.into(),
        IteratorError::SequenceMismatch { kind, given } => Fault::invalid(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                 TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and also {} \
                 StartingSequenceNumber.",
            kind.as_str(),
            if given { "a" } else { "no" }
        )),
        IteratorError::SequenceInvalid { namespace, stream, shard, value } => {
            Fault::invalid(format!("{}.", bad_number(operation, &namespace, &stream, shard, &value)))
        }
        IteratorError::OtherStream { namespace, stream, shard, value } => {
            let number = bad_number(operation, &namespace, &stream, shard, &value);
            Fault::invalid(format!("{number} because it did not come from this stream."))
        }
        IteratorError::OtherShard { encoded, shard } => Fault::invalid(format!(
            "Invalid StartingSequenceNumber. It encodes {encoded}, while it was used in a call to a shard with \
                 {shard}"
        )),
        IteratorError::NoTimestamp => Fault::invalid(
            "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
        ),
        IteratorError::FutureTimestamp { timestamp_ms, now_ms } => Fault::invalid(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                 timestampInMillis: {timestamp_ms}, currentTimestampInMillis: {now_ms}"
        )),
        IteratorError::Throttled(fact) => fact.into(),
        IteratorError::Read(error) => error.into(),
    }
}

fn bad_number(operation: Operation, namespace: &Namespace, stream: &StreamName, shard: ShardId, value: &str) -> String {
    format!(
        "StartingSequenceNumber {value} used in {} on shard {shard} in stream {stream} under account {} is invalid",
        operation.name(),
        namespace.account
    )
}

impl From<OpenIteratorError> for Fault {
    fn from(error: OpenIteratorError) -> Self {
        match error {
            OpenIteratorError::Invalid => Self::invalid("Invalid ShardIterator."),
            OpenIteratorError::Expired { issued_ms, now_ms } => {
                Self::new(ErrorCode::ExpiredIterator, expired("Iterator", "iterator", issued_ms, now_ms))
            }
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(fact) => fact.into(),
            ReadError::Throttled(fact @ RateExceeded { .. }) => fact.into(),
            ReadError::Read(error) => error.into(),
            ReadError::Sealed(sealed) => (*sealed).into(),
        }
    }
}

impl From<SubscribeError> for Fault {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Consumer(fact) => fact.into(),
            SubscribeError::NotActive(consumer) => consumer_not_active(&consumer),
            SubscribeError::Start(error) => start(error, Operation::SubscribeToShard),
            SubscribeError::InUse { consumer, shard } => another_subscription(&consumer, shard),
            SubscribeError::RateExceeded { consumer, shard } => {
                let message = format!("Rate exceeded for consumer {} on shard {shard}.", consumer.arn());
                Self::new(ErrorCode::LimitExceeded, message)
            }
        }
    }
}

impl From<SubscriptionEnd> for Fault {
    fn from(end: SubscriptionEnd) -> Self {
        match end {
            SubscriptionEnd::TakenOver { consumer, shard } => another_subscription(&consumer, shard),
            SubscriptionEnd::Consumer(fact) => fact.into(),
            SubscriptionEnd::Shard { consumer, shard } => {
                ShardNotFound { namespace: consumer.namespace, stream: consumer.stream, shard }.into()
            }
            SubscriptionEnd::Sealed(sealed) => (*sealed).into(),
            SubscriptionEnd::Read(error) => {
                let Self { body, cause } = error.into();
                // The one code among those that an event may carry.
                let code = ErrorCode::InternalFailureException;
                Self { body: ErrorBody { code, ..body }, cause }
            }
        }
    }
}

fn another_subscription(consumer: &ConsumerInfo, shard: ShardId) -> Fault {
    let message = format!(
        "Another active subscription exists for this consumer: {}:{}:{}:{}:{shard}",
        consumer.namespace.account,
        consumer.stream,
        consumer.name,
        consumer.created_ms / 1000
    );
    Fault::new(ErrorCode::ResourceInUse, message)
}
