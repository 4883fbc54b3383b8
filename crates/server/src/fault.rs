//! From what happened to what the caller is told: the one place where the errors of the streams, the log and the
//! services become errors of AWS, and where their texts are kept. The texts are a wire contract: clients match on them
//! (`reference/api.md` §5–§7 says where each was seen; the others are our own).
//!
//! | where | what |
//! | --- | --- |
//! | here | what a fault is, and the facts that several verbs share |
//! | [`control`] | the verbs that change and describe streams |
//! | [`consumer`] | the verbs of consumers |
//! | [`data`] | the verbs that move records |
//! | [`chaos`] | faults on purpose |
//! | [`resource`] | what hangs on streams and consumers: policies |
//! | [`encryption`] | the verbs that start and stop it, and keys that cannot be had |
//! | [`request`] | what is wrong with a request before any verb is called |
//! | [`shape`] | the verbs that change how many shards a stream has, and who decides about them |
//! | [`service`] | the services beside Kinesis, and what they have in common |
//! | [`cloudwatch`] | metrics that cannot be taken or read |
//! | [`dynamodb`] | the lease tables |
//! | [`record`] | faults in our own log |

mod chaos;
mod cloudwatch;
mod consumer;
mod control;
mod data;
mod dynamodb;
mod encryption;
mod record;
mod request;
mod resource;
mod service;
mod shape;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use rheos_log::ReadError;
use rheos_streams::{
    CallsExceeded, HashKeyOutOfRange, LogError, NotActive, OnDemandStream, OverShardLimit, RateExceeded, ShardClosed,
    ShardIdInvalid, ShardNotFound, StreamNotFound, TokenError,
};
use rheos_types::limits::TOKEN_LIFE_MS;
use rheos_types::time::java_date;
use rheos_wire::{ErrorBody, ErrorCode};

pub(crate) use chaos::{injected, injected_entry};
pub(crate) use consumer::register_consumer;
pub(crate) use control::{change_tags, create_stream};
pub(crate) use data::{EntryFault, entry_failed, entry_throttled, entry_waits, invalid_hash_key};
pub(crate) use dynamodb::{not_read, of_operation, of_table, table_broken_off};
pub(crate) use encryption::change_encryption;
pub(crate) use record::{FaultLog, Told};
pub(crate) use service::{ServiceFault, too_large_inflated, unknown_operation};

/// What is called an internal failure in the entries of PutRecords.
const INTERNAL_FAILURE: &str = "Internal Service Failure";

/// An error on its way out: what the caller is told, and why, for our own log.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) body: ErrorBody,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    fn new(code: ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self { body: ErrorBody::new(code, message), cause: None }
    }

    fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What our log says of it.
    pub(crate) fn told(&self) -> Told<'_> {
        let is_callers = self.body.code.fault() == rheos_wire::error::Fault::Client;
        Told { is_callers, error: &self.body, cause: self.cause.as_deref() }
    }

    /// What an operation that broke off answers: it may have happened.
    pub(crate) fn broken_off() -> Self {
        Self::new(ErrorCode::InternalFailureException, "The operation broke off: it may have happened.")
    }
}

/// An error and everything behind it, on one line.
pub(crate) fn chain(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        // Writing to a string does not fail.
        let _written = write!(text, ": {error}");
        next = error.source();
    }
    text
}

impl From<ErrorBody> for Fault {
    fn from(body: ErrorBody) -> Self {
        Self { body, cause: None }
    }
}

// Facts

impl From<StreamNotFound> for Fault {
    fn from(StreamNotFound { namespace, stream }: StreamNotFound) -> Self {
        let message = format!("Stream {stream} under account {} not found.", namespace.account);
        Self::new(ErrorCode::ResourceNotFound, message)
    }
}

impl From<ShardIdInvalid> for Fault {
    fn from(ShardIdInvalid { namespace, stream, shard }: ShardIdInvalid) -> Self {
        let message = format!("Could not find shard {shard} in stream {stream} under account {}.", namespace.account);
        Self::new(ErrorCode::ResourceNotFound, message)
    }
}

impl From<ShardNotFound> for Fault {
    fn from(ShardNotFound { namespace, stream, shard }: ShardNotFound) -> Self {
        let message = format!("Shard {shard} in stream {stream} under account {} does not exist", namespace.account);
        Self::new(ErrorCode::ResourceNotFound, message)
    }
}

impl From<NotActive> for Fault {
    fn from(NotActive { namespace, stream, status }: NotActive) -> Self {
        let (account, status) = (&namespace.account, status.as_str());
        let message = format!("Stream {stream} under account {account} not ACTIVE, instead in state {status}");
        Self::new(ErrorCode::ResourceInUse, message)
    }
}

impl From<ShardClosed> for Fault {
    fn from(ShardClosed { namespace, stream, shard }: ShardClosed) -> Self {
        Self::invalid(format!(
            "Shard {shard} in stream {stream} under account {} has already been merged or split, and thus is not \
             eligible for merging or splitting.",
            namespace.account
        ))
    }
}

impl From<OnDemandStream> for Fault {
    fn from(OnDemandStream { namespace, stream }: OnDemandStream) -> Self {
        let account = &namespace.account;
        let message = format!("Request is invalid. Stream {stream} under account {account} is in On-Demand mode.");
        Self::new(ErrorCode::Validation, message)
    }
}

impl From<OverShardLimit> for Fault {
    fn from(OverShardLimit { namespace, open, limit, additional }: OverShardLimit) -> Self {
        let message = format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: \
             {open}. Limit: {limit}. Number of additional shards that would have resulted from this request: \
             {additional}. Refer to the AWS Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to \
             request higher limits.",
            namespace.account, namespace.region
        );
        Self::new(ErrorCode::LimitExceeded, message)
    }
}

impl From<HashKeyOutOfRange> for Fault {
    fn from(out: HashKeyOutOfRange) -> Self {
        let HashKeyOutOfRange { namespace, stream, shard, hash_key, start, end } = out;
        Self::invalid(format!(
            "NewStartingHashKey {hash_key} used in SplitShard() on shard {shard} in stream {stream} under account {} is \
             not both greater than one plus the shard's StartingHashKey {start} and less than the shard's \
             EndingHashKey {end}.",
            namespace.account
        ))
    }
}

impl From<RateExceeded> for Fault {
    fn from(RateExceeded { namespace, stream, shard }: RateExceeded) -> Self {
        let message =
            format!("Rate exceeded for shard {shard} in stream {stream} under account {}.", namespace.account);
        Self::new(ErrorCode::ProvisionedThroughputExceeded, message)
    }
}

/// Both texts are the service's: botocore#821 has the first, graylog-plugin-integrations#341 the second.
impl From<CallsExceeded> for Fault {
    fn from(CallsExceeded { namespace, stream, call: _ }: CallsExceeded) -> Self {
        let account = &namespace.account;
        let message = match stream {
            Some(stream) => format!("Rate exceeded for stream {stream} under account {account}."),
            None => format!("Rate exceeded for account {account}."),
        };
        Self::new(ErrorCode::LimitExceeded, message)
    }
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::invalid("Invalid NextToken."),
            TokenError::Expired { issued_ms, now_ms } => {
                Self::new(ErrorCode::ExpiredNextToken, expired("NextToken", "token", issued_ms, now_ms))
            }
        }
    }
}

fn expired(what: &str, noun: &str, issued_ms: u64, now_ms: u64) -> String {
    format!(
        "{what} expired. The {noun} was created at time {} while right now it is {} which is further in the future than \
         the tolerated delay of {TOKEN_LIFE_MS} milliseconds.",
        java_date(issued_ms),
        java_date(now_ms)
    )
}

// The log

/// The log's refusal of a change. Of records, [`data`] says the same with another code for what comes too fast.
impl From<LogError> for Fault {
    fn from(error: LogError) -> Self {
        log_fault(error, ErrorCode::LimitExceeded)
    }
}

fn log_fault(error: LogError, too_fast: ErrorCode) -> Fault {
    match error {
        LogError::Overloaded => {
            Fault::new(too_fast, "Rate exceeded: too much is waiting to be written. Nothing was done; try again.")
        }
        LogError::Full { free_bytes, reserve_bytes } => {
            let message = format!(
                "The disk is full: {free_bytes} bytes are free, of which {reserve_bytes} are kept back. Nothing was \
                 written. Reads and deletions go on; delete a stream, shorten a retention period or add space."
            );
            Fault::new(ErrorCode::InternalFailureException, message).because(error)
        }
        LogError::Stopped => {
            Fault::new(ErrorCode::ServiceUnavailable, "The server is stopping. Nothing was done.").because(error)
        }
        LogError::Unknown => {
            let message = "The log failed while this was being written: it may have happened.";
            Fault::new(ErrorCode::InternalFailureException, message).because(error)
        }
        LogError::Invalid(_) => Fault::new(ErrorCode::InternalFailureException, INTERNAL_FAILURE).because(error),
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::UnknownShard => Self::new(ErrorCode::ResourceNotFound, "The shard does not exist any more."),
            ReadError::Damaged { file, offset, first, next } => {
                let message = format!(
                    "Records {first} to {} of the shard cannot be read: {file} is damaged at offset {offset}. Later \
                     ones can: run `rheos log check` for the extent, and restore the file from a copy.",
                    next.saturating_sub(1)
                );
                Self::new(ErrorCode::InternalFailureException, message).because(error)
            }
            ReadError::Overloaded => {
                let message = "Rate exceeded: too many reads are waiting for the disk. Try again.";
                Self::new(ErrorCode::ProvisionedThroughputExceeded, message)
            }
            ReadError::Stopped => {
                Self::new(ErrorCode::ServiceUnavailable, "The server is stopping. Nothing was read.").because(error)
            }
            ReadError::Io(_) => Self::new(ErrorCode::InternalFailureException, INTERNAL_FAILURE).because(error),
        }
    }
}
