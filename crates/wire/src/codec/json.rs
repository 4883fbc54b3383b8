//! awsJson 1.1: requests into typed inputs, outputs into bodies.
//!
//! [`decode`] and [`encode`] serve every operation. The four that carry records have ways of their own that copy less:
//! [`put_records`] and [`put_record`] to read, [`RecordsWriter`] and [`PutRecordsWriter`] to write.

mod put;
mod write;

use bytes::Bytes;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::error::{ErrorBody, ErrorCode};
use crate::operation::{Input, Operation};
use crate::value::{self, Value};
use crate::{check, constraints, typed};

pub use put::{PutRecordRef, PutRecordsRef, RecordRef, put_record, put_records};
pub use write::{ChildShardRef, PutOutcome, PutRecordsWriter, RecordFields, RecordsWriter, write_put_record};

/// Reads the input of an operation: parses the body, checks types, then constraints.
///
/// The error is the whole answer to the caller.
pub fn decode<I: Input>(body: &[u8]) -> Result<I, ErrorBody> {
    let value = decode_value(I::OPERATION, body)?;
    typed::from_value(value).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))
}

/// Reads the input of an operation into a tree that has passed all checks. For operations without types, and for
/// whoever wants to see a request without knowing its type.
pub fn decode_value(operation: Operation, body: &[u8]) -> Result<Value, ErrorBody> {
    let shape = operation.input();
    let value = parse(operation, body).ok_or(ErrorBody::bare(ErrorCode::Serialization))?;
    let value = check::check(shape, value)?;
    constraints::check(shape, &value)?;
    Ok(value)
}

/// The tree of a body that is one JSON object, in UTF-8.
fn parse(operation: Operation, body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = value::read(operation.input(), &mut json).ok()?;
    json.end().ok()?;
    matches!(value, Value::Map(_)).then_some(value)
}

/// Whether a body is one JSON object. AWS finds out before it looks at the signature; who verifies first needs this only
/// to tell which of two errors comes first.
pub fn is_object(body: &[u8]) -> bool {
    let object = |text: &str| text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    let valid = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    std::str::from_utf8(body).is_ok_and(|text| object(text) && valid(text))
}

/// Writes an output. Operations without one (`()`) answer with an empty body.
pub fn encode<O: Serialize>(output: &O) -> Result<Bytes, ErrorBody> {
    // Only keys that are no texts can fail, and the outputs have none.
    let body = serde_json::to_vec(output).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))?;
    Ok(if body == b"null" { Bytes::new() } else { body.into() })
}

#[cfg(test)]
mod tests;
