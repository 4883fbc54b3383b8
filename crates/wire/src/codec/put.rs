//! PutRecord and PutRecords, read without copying what need not be copied.
//!
//! The fast path takes texts out of the body where they lie, and data where it lies there as it is (CBOR); data in base64
//! (JSON) is decoded into one buffer of the caller's. It only ever *accepts*: whatever is unusual (a repeated member, an escape that is not valid, a value of another type, a
//! broken constraint) goes the slow way, which knows the exact errors. What the fast path accepts the slow one accepts
//! with the same values; a property test holds that.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64_simd::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cbor;
use super::decode;
use crate::content_type::Protocol;
use crate::error::ErrorBody;
use crate::generated::{PutRecordInput, PutRecordsInput};
use crate::text::java_length;
use crate::value::Name;

/// The input of PutRecords, borrowing from the body.
#[derive(Debug, PartialEq)]
pub struct PutRecordsRef<'a> {
    /// `StreamName`
    pub stream_name: Option<Cow<'a, str>>,
    /// `StreamARN`
    pub stream_arn: Option<Cow<'a, str>>,
    /// `StreamId`
    pub stream_id: Option<Cow<'a, str>>,
    /// `DryRun`
    pub dry_run: Option<bool>,
    /// `Records`, 1 to 500.
    pub records: Vec<RecordRef<'a>>,
}

/// The input of PutRecord, borrowing from the body.
#[derive(Debug, PartialEq)]
pub struct PutRecordRef<'a> {
    /// `StreamName`
    pub stream_name: Option<Cow<'a, str>>,
    /// `StreamARN`
    pub stream_arn: Option<Cow<'a, str>>,
    /// `StreamId`
    pub stream_id: Option<Cow<'a, str>>,
    /// `DryRun`
    pub dry_run: Option<bool>,
    /// `SequenceNumberForOrdering`
    pub sequence_number_for_ordering: Option<Cow<'a, str>>,
    /// The record itself.
    pub record: RecordRef<'a>,
}

/// A record to put.
#[derive(Debug, PartialEq)]
pub struct RecordRef<'a> {
    /// `PartitionKey`
    pub partition_key: Option<Cow<'a, str>>,
    /// `ExplicitHashKey`
    pub explicit_hash_key: Option<Cow<'a, str>>,
    /// `Data`
    pub data: DataRef<'a>,
}

/// Where data is.
#[derive(Clone, Debug, PartialEq)]
pub enum DataRef<'a> {
    /// In the body.
    Body(&'a [u8]),
    /// In the caller's buffer.
    Arena(Range<usize>),
}

impl DataRef<'_> {
    /// The data; `arena` is the buffer that the record was read with.
    pub fn of<'s>(&'s self, arena: &'s [u8]) -> &'s [u8] {
        match self {
            Self::Body(data) => data,
            Self::Arena(range) => &arena[range.clone()],
        }
    }
}

/// Reads the input of PutRecords. Data that is not in the body as it is goes to the end of `arena`, which after an error
/// holds what it held before.
pub fn put_records<'a>(
    protocol: Protocol,
    body: &'a [u8],
    arena: &mut Vec<u8>,
) -> Result<PutRecordsRef<'a>, ErrorBody> {
    let start = arena.len();
    if let Some(input) = put_records_fast(protocol, body, arena) {
        return Ok(input);
    }
    arena.truncate(start);
    put_records_slow(protocol, body, arena)
}

/// Reads the input of PutRecord, like [`put_records`].
pub fn put_record<'a>(protocol: Protocol, body: &'a [u8], arena: &mut Vec<u8>) -> Result<PutRecordRef<'a>, ErrorBody> {
    let start = arena.len();
    if let Some(input) = put_record_fast(protocol, body, arena) {
        return Ok(input);
    }
    arena.truncate(start);
    put_record_slow(protocol, body, arena)
}

pub(crate) fn put_records_slow<'a>(
    protocol: Protocol,
    body: &[u8],
    arena: &mut Vec<u8>,
) -> Result<PutRecordsRef<'a>, ErrorBody> {
    let input: PutRecordsInput = decode(protocol, body)?;
    let mut record = |record: crate::generated::PutRecordsRequestEntry| RecordRef {
        partition_key: record.partition_key.map(Cow::Owned),
        explicit_hash_key: record.explicit_hash_key.map(Cow::Owned),
        data: append(arena, &record.data.0),
    };
    Ok(PutRecordsRef {
        stream_name: input.stream_name.map(Cow::Owned),
        stream_arn: input.stream_arn.map(Cow::Owned),
        stream_id: input.stream_id.map(Cow::Owned),
        dry_run: input.dry_run,
        records: input.records.into_iter().map(&mut record).collect(),
    })
}

pub(crate) fn put_record_slow<'a>(
    protocol: Protocol,
    body: &[u8],
    arena: &mut Vec<u8>,
) -> Result<PutRecordRef<'a>, ErrorBody> {
    let input: PutRecordInput = decode(protocol, body)?;
    Ok(PutRecordRef {
        stream_name: input.stream_name.map(Cow::Owned),
        stream_arn: input.stream_arn.map(Cow::Owned),
        stream_id: input.stream_id.map(Cow::Owned),
        dry_run: input.dry_run,
        sequence_number_for_ordering: input.sequence_number_for_ordering.map(Cow::Owned),
        record: RecordRef {
            partition_key: input.partition_key.map(Cow::Owned),
            explicit_hash_key: input.explicit_hash_key.map(Cow::Owned),
            data: append(arena, &input.data.0),
        },
    })
}

fn append<'a>(arena: &mut Vec<u8>, data: &[u8]) -> DataRef<'a> {
    let start = arena.len();
    arena.extend_from_slice(data);
    DataRef::Arena(start..arena.len())
}

pub(crate) fn put_records_fast<'a>(
    protocol: Protocol,
    body: &'a [u8],
    arena: &mut Vec<u8>,
) -> Option<PutRecordsRef<'a>> {
    let input: PutRecords<'a> = parse(protocol, body)?;
    let records = input.records?.0;
    if records.is_empty() {
        return None;
    }
    let text: usize = records.iter().map(|record| record.data.as_ref().map_or(0, Raw::to_decode)).sum();
    arena.reserve(STANDARD.estimated_decoded_length(text));
    let mut checked = Vec::with_capacity(records.len());
    for record in records {
        checked.push(RecordRef {
            data: data(record.data?, arena)?,
            partition_key: text_where(record.partition_key, is_partition_key)?,
            explicit_hash_key: text_where(record.explicit_hash_key, |text| is_number(text, 39))?,
        });
    }
    Some(PutRecordsRef {
        records: checked,
        stream_name: text_where(input.stream_name, is_stream_name)?,
        stream_arn: text_where(input.stream_arn, is_stream_arn)?,
        // Nobody sends it: it is reserved (api.md §1).
        stream_id: text_where(input.stream_id, |_| false)?,
        dry_run: input.dry_run,
    })
}

pub(crate) fn put_record_fast<'a>(protocol: Protocol, body: &'a [u8], arena: &mut Vec<u8>) -> Option<PutRecordRef<'a>> {
    let input: PutRecord<'a> = parse(protocol, body)?;
    Some(PutRecordRef {
        stream_name: text_where(input.stream_name, is_stream_name)?,
        stream_arn: text_where(input.stream_arn, is_stream_arn)?,
        stream_id: text_where(input.stream_id, |_| false)?,
        dry_run: input.dry_run,
        sequence_number_for_ordering: text_where(input.sequence_number, |text| is_number(text, 129))?,
        record: RecordRef {
            partition_key: text_where(input.partition_key, is_partition_key)?,
            explicit_hash_key: text_where(input.explicit_hash_key, |text| is_number(text, 39))?,
            data: data(input.data?, arena)?,
        },
    })
}

fn parse<'a, T: Deserialize<'a>>(protocol: Protocol, body: &'a [u8]) -> Option<T> {
    match protocol {
        Protocol::Json => {
            let text = std::str::from_utf8(body).ok()?;
            let mut json = serde_json::Deserializer::from_str(text);
            let input = T::deserialize(&mut json).ok()?;
            json.end().ok()?;
            Some(input)
        }
        Protocol::Cbor => {
            let mut reader = cbor::Reader::new(body);
            let input = T::deserialize(&mut reader).ok()?;
            reader.is_at_end().then_some(input)
        }
    }
}

/// A text that is absent or right; `None` is a text that is not.
fn text_where<'a>(text: Option<Name<'a>>, right: impl Fn(&str) -> bool) -> Option<Option<Cow<'a, str>>> {
    match text {
        None => Some(None),
        Some(Name(text)) => right(&text).then_some(Some(text)),
    }
}

/// The most data a record can hold, in bytes.
const MAX_DATA: usize = 10_485_760;

fn data<'a>(raw: Raw<'a>, arena: &mut Vec<u8>) -> Option<DataRef<'a>> {
    match raw {
        Raw::Bytes(data) => (data.len() <= MAX_DATA).then_some(DataRef::Body(data)),
        Raw::Base64(text) => {
            let start = arena.len();
            STANDARD.decode_append(text.as_bytes(), arena).ok()?;
            (arena.len() - start <= MAX_DATA).then_some(DataRef::Arena(start..arena.len()))
        }
    }
}

/// 1 to 256 UTF-16 units, of which there are never more than bytes.
fn is_partition_key(text: &str) -> bool {
    !text.is_empty() && (text.len() <= 256 || java_length(text) <= 256)
}

/// `[a-zA-Z0-9_.-]+`, 1 to 128.
fn is_stream_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(known)
}

/// `arn:aws.*:kinesis:.*:\d{12}:stream/\S+`, for those that look as they should.
fn is_stream_arn(text: &str) -> bool {
    let mut parts = text.split(':');
    let mut next = || parts.next().unwrap_or_default();
    let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    next() == "arn"
        && next().strip_prefix("aws").is_some_and(word)
        && next() == "kinesis"
        && word(next())
        && matches!(next().as_bytes(), account if account.len() == 12 && account.iter().all(u8::is_ascii_digit))
        && next().strip_prefix("stream/").is_some_and(is_stream_name)
        && parts.next().is_none()
        && text.len() <= 2048
}

/// `^(0|([1-9]\d{0,N}))$`
fn is_number(text: &str, digits: usize) -> bool {
    text == "0"
        || (text.len() <= digits
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.bytes().next().is_some_and(|first| first != b'0'))
}

/// A structure that borrows from the body. Unlike a derived implementation it takes objects only, and no member twice.
macro_rules! borrowed {
    ($(#[$doc:meta])* struct $name:ident { $($field:ident: $of:ty = $wire:literal,)* }) => {
        $(#[$doc])*
        struct $name<'de> { $($field: Option<$of>,)* }

        impl<'de> Deserialize<'de> for $name<'de> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Object;

                impl<'de> Visitor<'de> for Object {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name<'de>, A::Error> {
                        $(let mut $field: Option<Option<$of>> = None;)*
                        while let Some(Name(name)) = map.next_key()? {
                            match name.as_ref() {
                                $($wire if $field.is_none() => $field = Some(map.next_value()?),)*
                                $($wire => return Err(A::Error::duplicate_field($wire)),)*
                                _ => { map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok($name { $($field: $field.flatten(),)* })
                    }
                }

                deserializer.deserialize_map(Object)
            }
        }
    };
}

borrowed! {
    struct PutRecords {
        records: Records<'de> = "Records",
        stream_name: Name<'de> = "StreamName",
        stream_arn: Name<'de> = "StreamARN",
        stream_id: Name<'de> = "StreamId",
        dry_run: bool = "DryRun",
    }
}

borrowed! {
    struct PutRecord {
        data: Raw<'de> = "Data",
        partition_key: Name<'de> = "PartitionKey",
        explicit_hash_key: Name<'de> = "ExplicitHashKey",
        sequence_number: Name<'de> = "SequenceNumberForOrdering",
        stream_name: Name<'de> = "StreamName",
        stream_arn: Name<'de> = "StreamARN",
        stream_id: Name<'de> = "StreamId",
        dry_run: bool = "DryRun",
    }
}

borrowed! {
    struct Record {
        data: Raw<'de> = "Data",
        partition_key: Name<'de> = "PartitionKey",
        explicit_hash_key: Name<'de> = "ExplicitHashKey",
    }
}

/// Data as the protocol has it.
enum Raw<'de> {
    Base64(Cow<'de, str>),
    Bytes(&'de [u8]),
}

impl Raw<'_> {
    /// How long the text is that has to be decoded.
    fn to_decode(&self) -> usize {
        match self {
            Self::Base64(text) => text.len(),
            Self::Bytes(_) => 0,
        }
    }
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Name::deserialize(deserializer).map(|Name(text)| Self::Base64(text))
        } else {
            // A byte string in one piece. In pieces, or as a text, it goes the slow way.
            Deserialize::deserialize(deserializer).map(Self::Bytes)
        }
    }
}

/// The records of one request, of which there are no more than there may be.
struct Records<'de>(Vec<Record<'de>>);

const MAX_RECORDS: usize = 500;

impl<'de> Deserialize<'de> for Records<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Records<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Records<'de>, A::Error> {
                // Of the size that it may come to: a list that grows would be moved again and again.
                let mut records = Vec::with_capacity(MAX_RECORDS);
                while let Some(record) = seq.next_element()? {
                    if records.len() == MAX_RECORDS {
                        return Err(A::Error::invalid_length(MAX_RECORDS + 1, &self));
                    }
                    records.push(record);
                }
                Ok(Records(records))
            }
        }

        deserializer.deserialize_seq(List)
    }
}
