//! The same call in JSON and in CBOR, along the model: for tests and tools that speak both.

use base64_simd::STANDARD;
use serde_json::{Map, Value};

use super::reader::{Item, MAX_SKIPPED_DEPTH, Malformed, Reader};
use super::{BREAK, EPOCH, FALSE, NULL, TRUE, major, push_head, push_number, push_text, push_timestamp};
use crate::scalar::Timestamp;
use crate::shape::{Kind, Shape};

/// The CBOR of a body of JSON: base64 becomes bytes and seconds milliseconds where the shape says so. What does not fit the
/// shape stays what it is. `indefinite` decides which values are written without their length.
pub fn from_json(shape: &'static Shape, value: &Value, indefinite: &mut dyn FnMut(&Value) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, Some(shape), value, indefinite);
    out
}

/// How Jackson writes for the Java SDKs: lists and maps without their length, strings with it.
pub fn like_jackson(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn push(out: &mut Vec<u8>, shape: Option<&'static Shape>, value: &Value, indefinite: &mut dyn FnMut(&Value) -> bool) {
    let open = indefinite(value);
    let kind = shape.map(|shape| shape.kind);
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(truth) => out.push(if *truth { TRUE } else { FALSE }),
        Value::Number(number) => match (kind, number.as_i64(), number.as_f64()) {
            (Some(Kind::Timestamp), _, Some(seconds)) => push_timestamp(out, Timestamp::from_seconds(seconds)),
            (_, Some(number), _) => push_number(out, number),
            (_, None, number) => {
                out.push(major::SIMPLE << 5 | 27);
                out.extend_from_slice(&number.unwrap_or(f64::NAN).to_be_bytes());
            }
        },
        Value::String(text) => match (kind, STANDARD.decode_to_vec(text)) {
            (Some(Kind::Blob), Ok(bytes)) => push_string(out, major::BYTES, &bytes, open),
            _ => push_string(out, major::TEXT, text.as_bytes(), open),
        },
        Value::Array(values) => {
            let element = match kind {
                Some(Kind::List(element)) => Some(element),
                _ => None,
            };
            begin(out, major::LIST, values.len(), open);
            for value in values {
                push(out, element, value, indefinite);
            }
            end(out, open);
        }
        Value::Object(members) => {
            begin(out, major::MAP, members.len(), open);
            for (name, value) in members {
                let shape = match kind {
                    Some(Kind::Map(_, element)) => Some(element),
                    _ => shape.and_then(|shape| shape.member(name)).map(|member| member.shape),
                };
                push_text(out, name);
                push(out, shape, value, indefinite);
            }
            end(out, open);
        }
    }
}

fn begin(out: &mut Vec<u8>, major: u8, length: usize, open: bool) {
    if open {
        out.push(major << 5 | 31);
    } else {
        push_head(out, major, length as u64);
    }
}

fn end(out: &mut Vec<u8>, open: bool) {
    if open {
        out.push(BREAK);
    }
}

/// A string, in one piece or in two, cut wherever.
fn push_string(out: &mut Vec<u8>, major: u8, bytes: &[u8], open: bool) {
    begin(out, major, bytes.len(), open);
    if open {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        for piece in [first, second] {
            push_head(out, major, piece.len() as u64);
            out.extend_from_slice(piece);
        }
        out.push(BREAK);
    } else {
        out.extend_from_slice(bytes);
    }
}

/// The JSON of an answer in CBOR: bytes become base64 and milliseconds under tag 1 seconds. No body at all is null.
pub fn to_json(body: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader::new(body);
    if reader.is_at_end() {
        return Ok(Value::Null);
    }
    let value = pull(&mut reader, MAX_SKIPPED_DEPTH)?;
    if reader.is_at_end() { Ok(value) } else { Err(Malformed) }
}

fn pull(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    let deeper = depth.checked_sub(1).ok_or(Malformed)?;
    let mut is_time = false;
    while let Some(tag) = reader.tag()? {
        is_time = tag == EPOCH;
    }
    Ok(match reader.item()? {
        Item::Int(ms) if is_time => {
            let mut seconds = Vec::new();
            Timestamp(ms).push_seconds(&mut seconds);
            serde_json::from_slice(&seconds).map_err(|_| Malformed)?
        }
        // AWS writes no other number there, and clients read no other.
        _ if is_time => return Err(Malformed),
        Item::Int(number) => number.into(),
        Item::Float(number) => number.into(),
        Item::Bytes(bytes) => STANDARD.encode_to_string(&bytes).into(),
        Item::Text(text) => text.into_owned().into(),
        Item::Bool(truth) => truth.into(),
        Item::Null => Value::Null,
        Item::List(mut left) => {
            let mut values = Vec::new();
            while reader.more(&mut left)? {
                values.push(pull(reader, deeper)?);
            }
            values.into()
        }
        Item::Map(mut left) => {
            let mut members = Map::new();
            while reader.more(&mut left)? {
                let Item::Text(name) = reader.item()? else { return Err(Malformed) };
                members.insert(name.into_owned(), pull(reader, deeper)?);
            }
            members.into()
        }
    })
}
