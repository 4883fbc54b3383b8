//! Bytes to typed inputs and typed outputs to bytes.
//!
//! | where | what |
//! | --- | --- |
//! | here | what every operation needs: [`decode`] and [`encode`], in the protocol of the request |
//! | [`json`], [`cbor`] | the protocols |
//! | [`put_records`], [`put_record`] | ways of their own for the inputs that carry records, which copy less |
//! | [`RecordsWriter`], [`PutRecordsWriter`] | and for the outputs that carry them or are sent for each, in any [`Format`] |

pub mod cbor;
pub mod json;
pub(crate) mod put;
mod write;

use bytes::Bytes;
use serde::Serialize;

use crate::content_type::Protocol;
use crate::error::{ErrorBody, ErrorCode};
use crate::operation::{Input, Operation};
use crate::value::{MAX_NODES, Value};
use crate::{check, constraints, typed};

pub use cbor::Cbor;
pub use json::Json;
pub use put::{DataRef, PutRecordRef, PutRecordsRef, RecordRef, put_record, put_records};
pub use write::{
    ChildShardRef, Format, Key, PutOutcome, PutRecordsWriter, RecordFields, RecordsWriter, write_put_record,
};

/// Calls a function that is generic over the [`Format`] with the format of a [`Protocol`].
#[macro_export]
macro_rules! in_format {
    ($protocol:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $protocol {
            $crate::Protocol::Json => $function::<$crate::codec::Json>($($argument),*),
            $crate::Protocol::Cbor => $function::<$crate::codec::Cbor>($($argument),*),
        }
    };
}

/// Reads the input of an operation: parses the body, checks types, then constraints.
///
/// The error is the whole answer to the caller.
pub fn decode<I: Input>(protocol: Protocol, body: &[u8]) -> Result<I, ErrorBody> {
    let value = decode_value(protocol, I::OPERATION, body)?;
    typed::from_value(value).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))
}

/// Reads the input of an operation into a tree that has passed all checks. For operations without types, and for
/// whoever wants to see a request without knowing its type.
pub fn decode_value(protocol: Protocol, operation: Operation, body: &[u8]) -> Result<Value, ErrorBody> {
    let shape = operation.input();
    let value = match protocol {
        Protocol::Json => json::parse(shape, body, MAX_NODES),
        Protocol::Cbor => cbor::parse(shape, body),
    };
    let value = value.filter(|value| matches!(value, Value::Map(_)));
    let value = check::check(shape, value.ok_or(ErrorBody::bare(ErrorCode::Serialization))?)?;
    constraints::check(shape, &value)?;
    Ok(value)
}

/// Writes an output. Operations without one (`()`) answer with an empty body.
pub fn encode<O: Serialize>(protocol: Protocol, output: &O) -> Result<Bytes, ErrorBody> {
    match protocol {
        Protocol::Json => json::encode(output),
        Protocol::Cbor => cbor::encode(output),
    }
}

/// Whether a body is one map. AWS finds out before it looks at the signature; who verifies first needs this only to tell
/// which of two errors comes first.
pub fn is_map(protocol: Protocol, body: &[u8]) -> bool {
    match protocol {
        Protocol::Json => json::is_object(body),
        Protocol::Cbor => cbor::is_map(body),
    }
}

#[cfg(test)]
mod tests;
