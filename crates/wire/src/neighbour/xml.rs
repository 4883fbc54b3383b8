//! Answers of the query protocol: XML from serde. Members are elements, elements of lists are called `member`, those of
//! maps `entry` with a `key` and a `value`.

use base64_simd::STANDARD;
use bytes::Bytes;
use rheos_types::time::civil;
use serde::ser::{self, Impossible, Serialize, Serializer};

use crate::error::{ErrorBody, ErrorCode};
use crate::scalar::TIMESTAMP;
use crate::service::Service;
use crate::text::{push_decimal, push_xml_text};

/// A whole answer: `<OpResponse><OpResult>…</OpResult><ResponseMetadata>…`. Without an output there is no result.
pub fn answer<O: Serialize>(
    service: Service,
    operation: &str,
    output: Option<&O>,
    request_id: &str,
) -> Result<Bytes, ErrorBody> {
    let namespace = service.query().map_or("", |query| query.xml_namespace);
    let mut out = format!("<{operation}Response xmlns=\"{namespace}\">").into_bytes();
    if let Some(output) = output {
        let result = format!("{operation}Result");
        element(&mut out, &result, output).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))?;
    }
    out.extend_from_slice(b"<ResponseMetadata><RequestId>");
    push_xml_text(&mut out, request_id);
    out.extend_from_slice(format!("</RequestId></ResponseMetadata></{operation}Response>\n").as_bytes());
    Ok(out.into())
}

/// Why something cannot be said in XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no form for it in XML")]
struct Unsayable;

impl ser::Error for Unsayable {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

fn element<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) -> Result<(), Unsayable> {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    value.serialize(Content { out, is_timestamp: false })?;
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    Ok(())
}

/// Writes what is inside an element.
struct Content<'o> {
    out: &'o mut Vec<u8>,
    /// The number is of milliseconds.
    is_timestamp: bool,
}

/// `2026-11-29T16:25:00Z`, with three digits of fraction where there is one.
fn push_iso(out: &mut Vec<u8>, epoch_ms: i64) {
    let ms = u64::try_from(epoch_ms).unwrap_or(0);
    let (year, month, day) = civil(ms / 86_400_000);
    let (hour, minute, second) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if ms % 1000 > 0 {
        text.push_str(&format!(".{:03}", ms % 1000));
    }
    text.push('Z');
    out.extend_from_slice(text.as_bytes());
}

impl<'o> Serializer for Content<'o> {
    type Ok = ();
    type Error = Unsayable;
    type SerializeSeq = Inside<'o>;
    type SerializeTuple = Impossible<(), Unsayable>;
    type SerializeTupleStruct = Impossible<(), Unsayable>;
    type SerializeTupleVariant = Impossible<(), Unsayable>;
    type SerializeMap = Inside<'o>;
    type SerializeStruct = Inside<'o>;
    type SerializeStructVariant = Impossible<(), Unsayable>;

    fn serialize_bool(self, truth: bool) -> Result<(), Unsayable> {
        self.out.extend_from_slice(if truth { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, number: i8) -> Result<(), Unsayable> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<(), Unsayable> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<(), Unsayable> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<(), Unsayable> {
        if self.is_timestamp {
            push_iso(self.out, number);
        } else {
            push_decimal(self.out, number);
        }
        Ok(())
    }

    fn serialize_u8(self, number: u8) -> Result<(), Unsayable> {
        self.serialize_i64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<(), Unsayable> {
        self.serialize_i64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<(), Unsayable> {
        self.serialize_i64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<(), Unsayable> {
        self.serialize_str(&number.to_string())
    }

    fn serialize_f32(self, number: f32) -> Result<(), Unsayable> {
        self.serialize_f64(number.into())
    }

    /// In the shortest decimal that reads back, as Java spells it where it is not a plain number.
    fn serialize_f64(self, number: f64) -> Result<(), Unsayable> {
        let text = match number {
            number if number.is_nan() => "NaN".to_owned(),
            number if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
            number => format!("{number:?}"),
        };
        self.serialize_str(&text)
    }

    fn serialize_char(self, letter: char) -> Result<(), Unsayable> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Unsayable> {
        push_xml_text(self.out, text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Unsayable> {
        STANDARD.encode_append(bytes, self.out);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unsayable> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unsayable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unsayable> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unsayable> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unsayable> {
        self.serialize_str(variant)
    }

    /// The one newtype that means something is the timestamp's.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Unsayable> {
        value.serialize(Content { is_timestamp: name == TIMESTAMP, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unsayable> {
        element(self.out, variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'o>, Unsayable> {
        Ok(Inside(self.out))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unsayable> {
        Err(Unsayable)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unsayable> {
        Err(Unsayable)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unsayable> {
        Err(Unsayable)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'o>, Unsayable> {
        Ok(Inside(self.out))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside<'o>, Unsayable> {
        Ok(Inside(self.out))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unsayable> {
        Err(Unsayable)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// In a list, a map or a structure.
struct Inside<'o>(&'o mut Vec<u8>);

impl ser::SerializeSeq for Inside<'_> {
    type Ok = ();
    type Error = Unsayable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsayable> {
        element(self.0, "member", value)
    }

    fn end(self) -> Result<(), Unsayable> {
        Ok(())
    }
}

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Unsayable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unsayable> {
        self.0.extend_from_slice(b"<entry>");
        element(self.0, "key", key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsayable> {
        element(self.0, "value", value)?;
        self.0.extend_from_slice(b"</entry>");
        Ok(())
    }

    fn end(self) -> Result<(), Unsayable> {
        Ok(())
    }
}

impl ser::SerializeStruct for Inside<'_> {
    type Ok = ();
    type Error = Unsayable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unsayable> {
        element(self.0, name, value)
    }

    fn end(self) -> Result<(), Unsayable> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;
    use crate::scalar::Timestamp;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Point {
        at: Timestamp,
        values: Vec<f64>,
        by_name: BTreeMap<&'static str, f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<&'static str>,
        label: &'static str,
    }

    #[test]
    fn members_lists_and_maps_have_their_elements() {
        let point = Point {
            at: Timestamp(1_764_432_000_500),
            values: vec![1.0, 0.1],
            by_name: [("p50", 2.5)].into(),
            unit: None,
            label: "a<b",
        };
        let text = answer(Service::CloudWatch, "Get", Some(&point), "id").unwrap();
        let expected = "<GetResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><GetResult>\
                        <At>2025-11-29T16:00:00.500Z</At><Values><member>1.0</member><member>0.1</member></Values>\
                        <ByName><entry><key>p50</key><value>2.5</value></entry></ByName><Label>a&lt;b</Label>\
                        </GetResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetResponse>\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_answers_with_nothing_has_no_result() {
        let text = answer(Service::CloudWatch, "Put", None::<&()>, "id").unwrap();
        assert!(!text.windows(9).any(|part| part == b"PutResult"));
    }
}
