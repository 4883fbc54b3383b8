//! `DryRun` of puts: what would be refused is refused; what would be written is not, and is answered with the error that
//! says so.

use rheos_streams::{Entry, Status, StreamNotFound};
use rheos_types::{HashKey, StreamName};

use super::{Kinesis, RequestError};
use crate::auth::Caller;
use crate::fault::{Fault, invalid_hash_key};

/// What a put of these entries would be answered with, limits apart. `too_large` makes the error for an entry (counted
/// from 0), its bytes and the largest that the stream takes.
pub(super) fn put(
    kinesis: &Kinesis,
    caller: &Caller,
    stream: &StreamName,
    entries: &[Entry<'_>],
    too_large: impl Fn(usize, usize, usize) -> Fault,
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
    for (index, entry) in entries.iter().enumerate() {
        if let Some(key) = entry.explicit_hash_key.filter(|key| HashKey::parse(key).is_err()) {
            return invalid_hash_key(key);
        }
        let bytes = entry.data.len() + entry.partition_key.len();
        if bytes > limit_bytes {
            return too_large(index, bytes, limit_bytes);
        }
    }
    RequestError::WouldHaveSucceeded.into()
}
