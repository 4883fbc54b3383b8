//! The type check: every value is of the kind that its shape asks for, or a SerializationException says which is not.
//!
//! The first failure in the order of the model is reported, before any constraint is looked at. The texts are those of
//! AWS (api.md §2.6), class names included: clients match on them. What passes is brought into one form: whole numbers in
//! range, truth values out of texts, bytes out of base64, milliseconds out of seconds; nulls are dropped.

use std::borrow::Cow;
use std::collections::HashMap;

use base64_simd::STANDARD;

use crate::error::{ErrorBody, ErrorCode};
use crate::scalar::Timestamp;
use crate::shape::{Kind, Member, Shape};
use crate::value::{Number, Value};

/// How much of an offending text an error repeats.
const MAX_QUOTED: usize = 4096;

/// Checks a value against a shape and brings it into the form described above.
pub fn check(shape: &'static Shape, value: Value) -> Result<Value, ErrorBody> {
    match (shape.kind, value) {
        (_, Value::Null) => Ok(Value::Null),

        (Kind::Structure(members), Value::Map(values)) => structure(members, values),
        (Kind::List(element), Value::List(values)) => {
            values.into_iter().map(|value| check(element, value)).collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::Map(_, element), Value::Map(values)) => map(element, values),
        (_, Value::List(_)) => Err(refuse("Start of list found where not expected")),
        (_, Value::Map(_)) => Err(refuse("Start of structure or map found where not expected.")),
        (Kind::Structure(_), _) => Err(refuse("Expected null")),
        (Kind::List(_), _) => Err(refuse("Expected list or null")),
        (Kind::Map(..), _) => Err(refuse("Expected map or null")),

        (Kind::String, value @ Value::String(_)) => Ok(value),
        (Kind::String, value) => Err(no_conversion(&value, "an String")),

        (Kind::Integer, Value::Number(number)) => Ok(number.whole().clamp(i32::MIN.into(), i32::MAX.into()).into()),
        (Kind::Integer, value) => Err(no_conversion(&value, "an Integer")),
        (Kind::Long, Value::Number(number)) => Ok(number.whole().into()),
        (Kind::Long, value) => Err(no_conversion(&value, "an Long")),

        (Kind::Double, Value::Number(number)) => Ok(Value::Number(Number::Float(number.fractional()))),
        // What JSON has no number for.
        (Kind::Double, Value::String(text)) => match text.as_str() {
            "NaN" => Ok(Value::Number(Number::Float(f64::NAN))),
            "Infinity" => Ok(Value::Number(Number::Float(f64::INFINITY))),
            "-Infinity" => Ok(Value::Number(Number::Float(f64::NEG_INFINITY))),
            _ => Err(no_conversion(&Value::String(text), "an Double")),
        },
        (Kind::Double, value) => Err(no_conversion(&value, "an Double")),

        (Kind::Boolean, value @ Value::Bool(_)) => Ok(value),
        (Kind::Boolean, Value::String(text)) => truth(&text).map(Value::Bool),
        (Kind::Boolean, value) => Err(no_conversion(&value, "an Boolean")),

        (Kind::Timestamp, value @ Value::Timestamp(_)) => Ok(value),
        (Kind::Timestamp, Value::Number(Number::Int(seconds))) => Ok(Value::Timestamp(seconds.saturating_mul(1000))),
        (Kind::Timestamp, Value::Number(Number::Float(seconds))) => {
            Ok(Value::Timestamp(Timestamp::from_seconds(seconds).0))
        }
        (Kind::Timestamp, value) => Err(no_conversion(&value, "milliseconds since epoch")),

        (Kind::Blob, value @ Value::Bytes(_)) => Ok(value),
        (Kind::Blob, Value::String(text)) => match STANDARD.decode_to_vec(&text) {
            Ok(bytes) => Ok(Value::Bytes(bytes)),
            Err(_) => Err(base64_error(&text)),
        },
        (Kind::Blob, value) => Err(no_conversion(&value, "a Blob")),
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Number::Int(number))
    }
}

fn structure(members: &[Member], mut values: Vec<(String, Value)>) -> Result<Value, ErrorBody> {
    let mut checked = Vec::with_capacity(values.len().min(members.len()));
    for member in members {
        let value = check(member.shape, Value::take(&mut values, member.name))?;
        if value != Value::Null {
            checked.push((member.name.to_owned(), value));
        }
    }
    Ok(Value::Map(checked))
}

/// Where a key is repeated the last value stays, in the place of the first.
fn map(element: &'static Shape, values: Vec<(String, Value)>) -> Result<Value, ErrorBody> {
    let mut checked: Vec<(String, Value)> = Vec::with_capacity(values.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(values.len());
    for (key, value) in values {
        let value = check(element, value)?;
        match places.get(&key) {
            Some(&place) => checked[place].1 = value,
            None => {
                places.insert(key.clone(), checked.len());
                checked.push((key, value));
            }
        }
    }
    Ok(Value::Map(checked))
}

fn truth(text: &str) -> Result<bool, ErrorBody> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "TRUE" | "1" | "YES" => Ok(true),
        "FALSE" | "0" | "NO" => Ok(false),
        _ => Err(refuse(format!("'{}' can not be converted to an Boolean", quoted(&upper)))),
    }
}

fn no_conversion(value: &Value, to: &str) -> ErrorBody {
    let class = match value {
        Value::Bool(_) => "class java.lang.Boolean",
        Value::Number(_) => "class com.amazon.coral.value.json.numbers.TruncatingBigNumber",
        Value::String(_) => "class java.lang.String",
        Value::Bytes(_) => "class java.nio.HeapByteBuffer",
        Value::Timestamp(_) => "class java.util.Date",
        // These have been told apart before anything is converted.
        Value::Null | Value::List(_) | Value::Map(_) => "class java.lang.Object",
    };
    refuse(format!("{class} can not be converted to {to}"))
}

/// What is wrong with a text that is not base64 in the standard alphabet with padding.
pub(crate) fn base64_error(text: &str) -> ErrorBody {
    let reason = match (text.len() % 4, stray(text)) {
        (0, Some(stray)) => format!("Invalid Base64 character: '{stray}'"),
        (0, None) => "Invalid last non-pad Base64 character dectected".to_owned(),
        // Java counts UTF-16 units; so does this, where it makes a difference.
        _ => format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            crate::text::java_length(text)
        ),
    };
    refuse(format!("'{}' can not be converted to a Blob: {reason}", quoted(text)))
}

/// The first character that is not of the alphabet, or is padding before the end.
fn stray(text: &str) -> Option<char> {
    let content = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    content.chars().find(|letter| !letter.is_ascii_alphanumeric() && !matches!(letter, '+' | '/'))
}

fn quoted(text: &str) -> &str {
    crate::text::prefix(text, MAX_QUOTED)
}

fn refuse(message: impl Into<Cow<'static, str>>) -> ErrorBody {
    ErrorBody::new(ErrorCode::Serialization, message)
}

#[cfg(test)]
mod tests;
