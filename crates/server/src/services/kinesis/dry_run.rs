//! `DryRun` of puts: what would be refused is refused; what would be written is not, and is answered with the error that
//! says so.

use rheos_streams::{Distribution, Entry, Status, StreamNotFound};
use rheos_types::{HashKey, StreamName};

use super::{Kinesis, RequestError};
use crate::auth::Caller;
use crate::fault::{Fault, invalid_hash_key};

/// What is wrong with one entry.
pub(super) enum Refusal {
    NoPartitionKey,
    TooLarge { bytes: usize, limit_bytes: usize },
}

/// What a put of these entries would be answered with, limits apart. `refused` makes the error for an entry (counted
/// from 0) and what is wrong with it.
pub(super) fn put(
    kinesis: &Kinesis,
    caller: &Caller,
    stream: &StreamName,
    entries: &[Entry<'_>],
    refused: impl Fn(usize, Refusal) -> Fault,
) -> Fault {
    let not_found = || StreamNotFound { namespace: caller.namespace.clone(), stream: stream.clone() };
    let stream = match kinesis.streams.describe_stream_summary(&caller.namespace, stream) {
        Ok(stream) => stream,
        Err(fact) => return fact.into(),
    };
    if matches!(stream.status, Status::Creating | Status::Deleting) {
        return not_found().into();
    }
    let limit_bytes = stream.max_record_kib as usize * 1024;
    let spreads = stream.distribution == Distribution::Auto;
    if let Some(index) = entries.iter().position(|entry| entry.partition_key.is_none() && !spreads) {
        return refused(index, Refusal::NoPartitionKey);
    }
    for (index, entry) in entries.iter().enumerate() {
        if let Some(key) = entry.explicit_hash_key.filter(|key| !spreads && HashKey::parse(key).is_err()) {
            return invalid_hash_key(key);
        }
        let bytes = entry.data.len() + entry.partition_key.map_or(0, str::len);
        if bytes > limit_bytes {
            return refused(index, Refusal::TooLarge { bytes, limit_bytes });
        }
    }
    RequestError::WouldHaveSucceeded.into()
}
