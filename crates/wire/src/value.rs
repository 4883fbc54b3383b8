//! A request body as a tree, read along the shape of the operation's input.
//!
//! Reading along the shape keeps depth and memory bounded whatever is sent: members that the model does not know are
//! skipped without being kept (Kinesis ignores them), values of a wrong kind are kept as no more than their kind, and
//! there are at most [`MAX_NODES`] values.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::shape::{Kind, Shape};

/// A value as it came in. After [`crate::check`] its kind is that of its shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent, or said to be.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(String),
    /// Bytes: from binary protocols, or from a text in base64 once that has been checked.
    Bytes(Vec<u8>),
    /// A point in time in milliseconds: from binary protocols, or from a number once that has been checked.
    Timestamp(i64),
    /// Values in order.
    List(Vec<Value>),
    /// Names and values in order, repetitions included.
    Map(Vec<(String, Value)>),
}

/// A number in a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one that fits.
    Int(i64),
    /// Any other.
    Float(f64),
}

impl Value {
    /// The value of a member of a structure: of the last one, when the name is repeated.
    pub fn take(members: &mut [(String, Value)], name: &str) -> Value {
        let found = members.iter_mut().rev().find(|(member, _)| member == name);
        found.map_or(Value::Null, |(_, value)| std::mem::replace(value, Value::Null))
    }
}

/// How many values a tree has at most. The largest legal request, PutRecords with 500 records, has some 2,000; lists of
/// identifiers may go up to 10,000.
pub const MAX_NODES: usize = 1 << 15;

impl Number {
    /// Fractions are cut off downwards; what is too large or too small becomes the largest or smallest.
    pub(crate) fn whole(self) -> i64 {
        match self {
            Self::Int(number) => number,
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
            Self::Float(number) => number.floor() as i64,
        }
    }

    /// With its fraction.
    pub(crate) fn fractional(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "that is what a double is")]
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

/// Reads a value along `shape` from any serde format. What says a number where the shape has a point in time means
/// milliseconds in binary formats; in others [`crate::check`] takes it for seconds.
pub fn read<'de, D: Deserializer<'de>>(shape: &'static Shape, deserializer: D) -> Result<Value, D::Error> {
    let binary = !deserializer.is_human_readable();
    read_along(shape, deserializer, MAX_NODES, binary)
}

/// The same where a number means seconds whatever the format, and with another bound on the number of values.
pub(crate) fn read_seconds<'de, D: Deserializer<'de>>(
    shape: &'static Shape,
    deserializer: D,
    max_nodes: usize,
) -> Result<Value, D::Error> {
    read_along(shape, deserializer, max_nodes, false)
}

fn read_along<'de, D: Deserializer<'de>>(
    shape: &'static Shape,
    deserializer: D,
    max_nodes: usize,
    binary: bool,
) -> Result<Value, D::Error> {
    let left = Cell::new(max_nodes);
    Along { shape, left: &left, binary }.deserialize(deserializer)
}

#[derive(Clone, Copy)]
struct Along<'a> {
    shape: &'static Shape,
    left: &'a Cell<usize>,
    binary: bool,
}

impl Along<'_> {
    fn number(self, number: Number) -> Value {
        match self.shape.kind {
            Kind::Timestamp if self.binary => Value::Timestamp(number.whole()),
            _ => Value::Number(number),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Along<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Along<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(self.number(Number::Int(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "only for what is beyond every bound of the model")]
        let number = i64::try_from(number).map_or(Number::Float(number as f64), Number::Int);
        Ok(self.number(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(self.number(Number::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_owned()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        if let Kind::List(element) = self.shape.kind {
            while let Some(value) = seq.next_element_seed(Along { shape: element, ..self })? {
                list.push(value);
            }
        } else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let shape = match self.shape.kind {
                Kind::Structure(_) => self.shape.member(&name).map(|member| member.shape),
                Kind::Map(_, value) => Some(value),
                _ => None,
            };
            match shape {
                Some(shape) => members.push((name.into_owned(), map.next_value_seed(Along { shape, ..self })?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Map(members))
    }
}

/// A name, borrowed where the format can.
pub(crate) struct Name<'de>(pub(crate) Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
