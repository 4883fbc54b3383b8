//! AWS's CBOR 1.1: the members of awsJson 1.1 in the encoding of RFC 8949, with blobs as byte strings.
//!
//! The protocol is in no model and in no document. What is known of it is what the clients do, which since 2016 are the
//! SDKs for Java and nothing else:
//!
//! * **Points in time** are tag 1 around a whole number of *milliseconds*, where RFC 8949 §3.4.2 has seconds. Java v1 and
//!   v2 write no other form: `SdkCborGenerator.writeValue` of both writes the tag, then `Date.getTime()` or
//!   `Instant.toEpochMilli()`. GetShardIterator as captured by floci (issue 2368, pull request 2432):
//!   `c1 1b 000001a013accc38`.
//! * They *require* a whole number in answers. Java v1 takes `getLongValue()` (`SimpleTypeCborUnmarshallers`), which cuts a
//!   float of seconds to 1970; Java v2 has `UNIX_TIMESTAMP_MILLIS` for payloads (`AwsCborProtocolFactory`) and gives the text
//!   of the number to `Long.parseLong` (`StringToInstant`), which throws on a float (LocalStack issue 3134, pull requests
//!   6791 and 11286). Neither looks at the tag. Only v2 of before 2019 took seconds by mistake (aws-sdk-java-v2
//!   issue 184, pull request 979).
//! * **Maps and lists** are of indefinite length: `writeStartObject()` and `writeStartArray()` of Jackson's generator know
//!   no size. Long texts come in pieces from it, byte strings in one.
//! * **Blobs** are byte strings (`writeBinary`). Java v1 wants them so in answers (`getBinaryValue`); v2 takes text in base64
//!   as well (`unmarshallSdkBytes`).
//! * A float, or a number without the tag, comes from no SDK that was looked at. Both are milliseconds here, as LocalStack
//!   has it (pull request 11071): there is one unit in this protocol. Text for a blob is taken for base64, as in JSON.
//!
//! Reading is bounded by the body: no length is believed before its bytes are there, depth is bounded by the model where
//! values are kept and by [`MAX_SKIPPED_DEPTH`] where they are not. What is not known ends with the error for a body that
//! cannot be read: keys that are no texts, simple values other than truth values and nulls.
//!
//! The code is our own, as that for signatures is: this is the hot path of every Java client, where records are borrowed
//! from the body and answers are written without a tree, and the dialect is AWS's. A library would give the heads of items
//! and little else: `ciborium` reads into owned values only, and none knows these timestamps.

mod de;
mod reader;
mod ser;
mod translate;

use bytes::Bytes;
use rheos_types::Digits;
use serde::Serialize;

use super::write::{Format, Key};
use crate::error::{ErrorBody, ErrorCode};
use crate::scalar::Timestamp;
use crate::shape::Shape;
use crate::value::{self, Value};

pub use reader::{Item, Length, MAX_SKIPPED_DEPTH, Malformed, Reader};
pub use translate::{from_json, like_jackson, to_json};

/// CBOR, as a [`Format`].
#[derive(Clone, Copy, Debug)]
pub struct Cbor;

/// The kinds of items: the upper three bits of their first byte (RFC 8949 §3.1).
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const LIST: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

/// What ends a list, map or string of indefinite length.
const BREAK: u8 = 0xff;
const BEGIN_LIST: u8 = major::LIST << 5 | 31;
const BEGIN_MAP: u8 = major::MAP << 5 | 31;
const FALSE: u8 = major::SIMPLE << 5 | 20;
const TRUE: u8 = major::SIMPLE << 5 | 21;
const NULL: u8 = major::SIMPLE << 5 | 22;
const UNDEFINED: u8 = major::SIMPLE << 5 | 23;
/// The tag of points in time.
const EPOCH: u64 = 1;

/// The tree of a body that is one item.
pub(super) fn parse(shape: &'static Shape, body: &[u8]) -> Option<Value> {
    let mut reader = Reader::new(body);
    let value = value::read(shape, &mut reader).ok()?;
    reader.is_at_end().then_some(value)
}

/// The same where time is counted in seconds, whole or not, as in RPC v2.
pub(crate) fn parse_seconds(shape: &'static Shape, body: &[u8], max_nodes: usize) -> Option<Value> {
    let mut reader = Reader::new(body);
    let value = value::read_seconds(shape, &mut reader, max_nodes).ok()?;
    reader.is_at_end().then_some(value)
}

/// Whether a body is one map.
pub fn is_map(body: &[u8]) -> bool {
    let mut reader = Reader::new(body);
    let map = matches!(Reader::new(body).item(), Ok(Item::Map(_)));
    map && reader.skip().is_ok() && reader.is_at_end()
}

/// Writes an output; see [`encode`](super::encode).
pub fn encode<O: Serialize>(output: &O) -> Result<Bytes, ErrorBody> {
    let mut body = Vec::new();
    output.serialize(ser::Writer::new(&mut body)).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))?;
    Ok(if body == [NULL] { Bytes::new() } else { body.into() })
}

/// The same with seconds for time, as in RPC v2.
pub(crate) fn encode_seconds<O: Serialize>(output: &O) -> Result<Bytes, ErrorBody> {
    let mut body = Vec::new();
    output.serialize(ser::Writer::of_seconds(&mut body)).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))?;
    Ok(body.into())
}

/// Appends the head of an item in its shortest form.
#[inline]
fn push_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    if let Ok(byte) = u8::try_from(argument) {
        if byte < 24 {
            out.push(major | byte);
        } else {
            out.extend_from_slice(&[major | 24, byte]);
        }
    } else if let Ok(short) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(word) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

/// Appends the head of a map of so many members, which have to follow.
pub(crate) fn push_map(out: &mut Vec<u8>, members: u64) {
    push_head(out, major::MAP, members);
}

/// Appends a text.
#[inline]
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_head(out, major::TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a byte string.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_head(out, major::BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a whole number.
fn push_number(out: &mut Vec<u8>, number: i64) {
    match u64::try_from(number) {
        Ok(number) => push_head(out, major::UNSIGNED, number),
        // -1 - n, of which n is the complement.
        Err(_) => push_head(out, major::NEGATIVE, (!number).unsigned_abs()),
    }
}

/// Appends a point in time: tag 1 around whole milliseconds.
fn push_timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
    push_head(out, major::TAG, EPOCH);
    push_number(out, timestamp.0);
}

impl Format for Cbor {
    #[inline]
    fn first(out: &mut Vec<u8>, key: Key) {
        out.push(BEGIN_MAP);
        push_text(out, key.name);
    }

    #[inline]
    fn next(out: &mut Vec<u8>, key: Key) {
        push_text(out, key.name);
    }

    #[inline]
    fn end_map(out: &mut Vec<u8>) {
        out.push(BREAK);
    }

    #[inline]
    fn begin_list(out: &mut Vec<u8>) {
        out.push(BEGIN_LIST);
    }

    #[inline]
    fn item(_: &mut Vec<u8>, _: bool) {}

    #[inline]
    fn end_list(out: &mut Vec<u8>) {
        out.push(BREAK);
    }

    #[inline]
    fn text(out: &mut Vec<u8>, text: &str) {
        push_text(out, text);
    }

    #[inline]
    fn digits(out: &mut Vec<u8>, digits: &Digits) {
        push_text(out, digits.as_str());
    }

    #[inline]
    fn number(out: &mut Vec<u8>, number: i64) {
        push_number(out, number);
    }

    #[inline]
    fn timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
        push_timestamp(out, timestamp);
    }

    #[inline]
    fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
        push_bytes(out, bytes);
    }

    #[inline]
    fn blob_bytes(bytes: usize) -> usize {
        bytes + 9
    }
}

#[cfg(test)]
mod tests;
