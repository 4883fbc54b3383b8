//! awsJson 1.1: blobs are texts in base64, timestamps are seconds with a fraction.

use base64_simd::STANDARD;
use bytes::Bytes;
use rheos_types::Digits;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::write::{Format, Key};
use crate::content_type::Protocol;
use crate::error::{ErrorBody, ErrorCode};
use crate::operation::{Input, Operation};
use crate::scalar::Timestamp;
use crate::shape::Shape;
use crate::text::{push_decimal, push_json_string};
use crate::value::{self, Value};

/// JSON, as a [`Format`].
#[derive(Clone, Copy, Debug)]
pub struct Json;

/// The writer of records, in JSON.
pub type RecordsWriter<'o> = super::RecordsWriter<'o, Json>;

/// [`decode`](super::decode) for JSON.
pub fn decode<I: Input>(body: &[u8]) -> Result<I, ErrorBody> {
    super::decode(Protocol::Json, body)
}

/// [`decode_value`](super::decode_value) for JSON.
pub fn decode_value(operation: Operation, body: &[u8]) -> Result<Value, ErrorBody> {
    super::decode_value(Protocol::Json, operation, body)
}

/// The tree of a body that is one value of JSON, in UTF-8, and has no more values than this.
pub(crate) fn parse(shape: &'static Shape, body: &[u8], max_nodes: usize) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = value::read_seconds(shape, &mut json, max_nodes).ok()?;
    json.end().ok()?;
    Some(value)
}

/// Whether a body is one JSON object.
pub fn is_object(body: &[u8]) -> bool {
    let object = |text: &str| text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    let valid = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    std::str::from_utf8(body).is_ok_and(|text| object(text) && valid(text))
}

/// Writes an output; see [`encode`](super::encode).
pub fn encode<O: Serialize>(output: &O) -> Result<Bytes, ErrorBody> {
    // Only keys that are no texts can fail, and the outputs have none.
    let body = serde_json::to_vec(output).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))?;
    Ok(if body == b"null" { Bytes::new() } else { body.into() })
}

impl Format for Json {
    #[inline]
    fn first(out: &mut Vec<u8>, key: Key) {
        out.extend_from_slice(key.json_first.as_bytes());
    }

    #[inline]
    fn next(out: &mut Vec<u8>, key: Key) {
        out.extend_from_slice(key.json_next.as_bytes());
    }

    #[inline]
    fn end_map(out: &mut Vec<u8>) {
        out.push(b'}');
    }

    #[inline]
    fn begin_list(out: &mut Vec<u8>) {
        out.push(b'[');
    }

    #[inline]
    fn item(out: &mut Vec<u8>, is_first: bool) {
        if !is_first {
            out.push(b',');
        }
    }

    #[inline]
    fn end_list(out: &mut Vec<u8>) {
        out.push(b']');
    }

    #[inline]
    fn text(out: &mut Vec<u8>, text: &str) {
        push_json_string(out, text);
    }

    #[inline]
    fn digits(out: &mut Vec<u8>, digits: &Digits) {
        out.push(b'"');
        out.extend_from_slice(digits.as_bytes());
        out.push(b'"');
    }

    #[inline]
    fn number(out: &mut Vec<u8>, number: i64) {
        push_decimal(out, number);
    }

    #[inline]
    fn timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
        timestamp.push_seconds(out);
    }

    #[inline]
    fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
        out.push(b'"');
        STANDARD.encode_append(bytes, out);
        out.push(b'"');
    }

    #[inline]
    fn blob_bytes(bytes: usize) -> usize {
        // A third more for base64.
        bytes / 3 * 4 + 6
    }
}
