//! CBOR from serde, for the outputs of all operations: maps and lists of indefinite length, as AWS writes them.

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::reader::Malformed;
use super::{
    BEGIN_LIST, BEGIN_MAP, BREAK, EPOCH, FALSE, NULL, TRUE, major, push_bytes, push_head, push_number, push_text,
};
use crate::scalar::TIMESTAMP;

impl ser::Error for Malformed {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Appends to this.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    time: Time,
}

/// What the number of a timestamp is.
#[derive(Clone, Copy)]
enum Time {
    /// Whole milliseconds.
    Milliseconds,
    /// Seconds with a fraction.
    Seconds,
    /// The number that comes next is of milliseconds, and is to be written in seconds.
    Now,
}

/// In a list, map or structure that a break ends.
pub(super) struct Open<'o>(Writer<'o>);

impl Open<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Malformed> {
        value.serialize(Writer { out: self.0.out, time: self.0.time })
    }

    fn close(self) {
        self.0.out.push(BREAK);
    }
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, time: Time::Milliseconds }
    }

    pub(super) fn of_seconds(out: &'o mut Vec<u8>) -> Self {
        Self { out, time: Time::Seconds }
    }

    fn open(self, begin: u8) -> Open<'o> {
        self.out.push(begin);
        Open(self)
    }
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = Malformed;
    type SerializeSeq = Open<'o>;
    type SerializeTuple = Open<'o>;
    type SerializeTupleStruct = Open<'o>;
    type SerializeTupleVariant = Impossible<(), Malformed>;
    type SerializeMap = Open<'o>;
    type SerializeStruct = Open<'o>;
    type SerializeStructVariant = Impossible<(), Malformed>;

    fn serialize_bool(self, truth: bool) -> Result<(), Malformed> {
        self.out.push(if truth { TRUE } else { FALSE });
        Ok(())
    }

    fn serialize_i8(self, number: i8) -> Result<(), Malformed> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<(), Malformed> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<(), Malformed> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<(), Malformed> {
        match self.time {
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 milliseconds")]
            Time::Now => return self.serialize_f64(number as f64 / 1000.0),
            Time::Milliseconds | Time::Seconds => push_number(self.out, number),
        }
        Ok(())
    }

    fn serialize_u8(self, number: u8) -> Result<(), Malformed> {
        self.serialize_u64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<(), Malformed> {
        self.serialize_u64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<(), Malformed> {
        self.serialize_u64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<(), Malformed> {
        push_head(self.out, major::UNSIGNED, number);
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Result<(), Malformed> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Malformed> {
        self.out.push(major::SIMPLE << 5 | 27);
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, letter: char) -> Result<(), Malformed> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Malformed> {
        push_text(self.out, text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Malformed> {
        push_bytes(self.out, bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Malformed> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Malformed> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Malformed> {
        self.out.push(NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Malformed> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Malformed> {
        self.serialize_str(variant)
    }

    /// The one newtype that means something is the timestamp's.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Malformed> {
        if name != TIMESTAMP {
            return value.serialize(self);
        }
        push_head(self.out, major::TAG, EPOCH);
        let time = match self.time {
            Time::Milliseconds => Time::Milliseconds,
            Time::Seconds | Time::Now => Time::Now,
        };
        value.serialize(Writer { time, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Malformed> {
        let mut map = self.open(BEGIN_MAP);
        push_text(map.0.out, variant);
        map.add(value)?;
        map.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'o>, Malformed> {
        Ok(self.open(BEGIN_LIST))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'o>, Malformed> {
        Ok(self.open(BEGIN_LIST))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'o>, Malformed> {
        Ok(self.open(BEGIN_LIST))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Malformed> {
        Err(Malformed)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'o>, Malformed> {
        Ok(self.open(BEGIN_MAP))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'o>, Malformed> {
        Ok(self.open(BEGIN_MAP))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Malformed> {
        Err(Malformed)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! list {
    ($($trait:ident $add:ident),*) => {
        $(impl ser::$trait for Open<'_> {
            type Ok = ();
            type Error = Malformed;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Malformed> {
                self.add(value)
            }

            fn end(self) -> Result<(), Malformed> {
                self.close();
                Ok(())
            }
        })*
    };
}

list!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field);

impl ser::SerializeMap for Open<'_> {
    type Ok = ();
    type Error = Malformed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Malformed> {
        self.add(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Malformed> {
        self.add(value)
    }

    fn end(self) -> Result<(), Malformed> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeStruct for Open<'_> {
    type Ok = ();
    type Error = Malformed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Malformed> {
        push_text(self.0.out, name);
        self.add(value)
    }

    fn end(self) -> Result<(), Malformed> {
        self.close();
        Ok(())
    }
}
