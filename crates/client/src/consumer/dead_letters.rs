//! Where records go that cannot be processed.
//!
//! A dead-letter stream holds two kinds of entries, lines of JSON: letters, and notes that a letter's record has been put back into its stream.
//! Nothing of a stream can be removed, so that a note says which letters are done.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::processor::Record;
use crate::lease::RecordNumber;

/// A record that its processor did not take, with why and where from.
#[derive(Debug, Clone)]
pub struct DeadLetter<'a> {
    /// What the processor said at the last attempt.
    pub cause: &'a str,
    /// The application whose processor it was.
    pub application: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// The shard.
    pub shard: &'a str,
    /// The record itself.
    pub record: &'a Record,
    /// How often the record was tried alone.
    pub attempts: u32,
}

/// Takes dead letters.
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps a letter. `Ok`: it is durable, and the worker goes on behind the record. An error says why not: it is tried again.
    fn send<'a>(&'a self, letter: DeadLetter<'a>) -> BoxFuture<'a, Result<(), String>>;
}

impl DeadLetter<'_> {
    /// The letter as JSON: what a dead-letter stream holds. The data is in base64, so that any bytes can be put back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut letter = self.to_json_without_data();
        letter["data"] = Value::String(base64_simd::STANDARD.encode_to_string(&self.record.data));
        letter
    }

    /// The letter of a record that is too large to be packed up in another: its data stays where it is, for as long as its stream keeps it.
    #[must_use]
    pub fn to_json_without_data(&self) -> Value {
        // A processor may say anything at any length.
        let cause: String = self.cause.chars().take(MAX_CAUSE_CHARS).collect();
        json!({
            "cause": cause,
            "application": self.application,
            "stream": self.stream,
            "shard": self.shard,
            "sequenceNumber": self.record.number.sequence_number,
            "subSequenceNumber": self.record.number.sub_sequence_number,
            "partitionKey": self.record.partition_key,
            "explicitHashKey": self.record.explicit_hash_key,
            "approximateArrivalTimestamp": self.record.arrival_ms,
            "attempts": self.attempts,
            "data": null,
        })
    }
}

/// So much is kept of what a processor said.
const MAX_CAUSE_CHARS: usize = 4_000;

/// A letter, as a dead-letter stream gives it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// What the processor said at the last attempt.
    pub cause: String,
    /// The application whose processor it was.
    pub application: String,
    /// The stream that the record is of.
    pub stream: String,
    /// The shard that it was in.
    pub shard: String,
    /// Where it was in there.
    pub number: RecordNumber,
    /// Its partition key.
    pub partition_key: String,
    /// Its explicit hash key, if it was known.
    pub explicit_hash_key: Option<String>,
    /// When it arrived, in milliseconds since 1970.
    pub arrival_ms: Option<u64>,
    /// How often it was tried alone.
    pub attempts: u64,
    /// What it is about. None: it was too large, and is in its stream only.
    pub data: Option<Bytes>,
}

/// What a record of a dead-letter stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterEntry {
    /// A letter.
    Letter(Box<KeptLetter>),
    /// The record of the letter with this sequence number was put back into its stream.
    PutBack(String),
}

impl DeadLetterEntry {
    /// What these bytes say. None: they were written by somebody else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let entry: Value = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| Some(entry.get(name)?.as_str()?.to_owned());
        if let Some(letter) = text("putBack") {
            return Some(Self::PutBack(letter));
        }
        let number = |name: &str| entry.get(name).and_then(Value::as_u64);
        let data = match entry.get("data") {
            Some(Value::String(data)) => Some(base64_simd::STANDARD.decode_to_vec(data).ok()?.into()),
            _ => None,
        };
        Some(Self::Letter(Box::new(KeptLetter {
            cause: text("cause")?,
            application: text("application")?,
            stream: text("stream")?,
            shard: text("shard")?,
            number: RecordNumber::parse(&text("sequenceNumber")?, number("subSequenceNumber")?)?,
            partition_key: text("partitionKey")?,
            explicit_hash_key: text("explicitHashKey"),
            arrival_ms: number("approximateArrivalTimestamp"),
            attempts: number("attempts")?,
            data,
        })))
    }

    /// The note that a letter's record has been put back, and where it is now.
    #[must_use]
    pub fn put_back(letter: &str, shard: &str, sequence_number: &str) -> Value {
        json!({ "putBack": letter, "shard": shard, "sequenceNumber": sequence_number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_back_as_they_were() {
        let record = Record {
            number: RecordNumber { sequence_number: "77".to_owned(), sub_sequence_number: 3 },
            partition_key: "key".to_owned(),
            explicit_hash_key: Some("5".to_owned()),
            data: Bytes::from_static(b"\0\xff"),
            arrival_ms: Some(9),
            is_aggregated: true,
        };
        let letter = DeadLetter {
            cause: "it \"failed\"\n",
            application: "app",
            stream: "words",
            shard: "shardId-000000000001",
            record: &record,
            attempts: 3,
        };
        let kept = KeptLetter {
            cause: "it \"failed\"\n".to_owned(),
            application: "app".to_owned(),
            stream: "words".to_owned(),
            shard: "shardId-000000000001".to_owned(),
            number: record.number.clone(),
            partition_key: "key".to_owned(),
            explicit_hash_key: Some("5".to_owned()),
            arrival_ms: Some(9),
            attempts: 3,
            data: Some(record.data.clone()),
        };
        let parse = |value: Value| DeadLetterEntry::parse(value.to_string().as_bytes());
        assert_eq!(parse(letter.to_json()), Some(DeadLetterEntry::Letter(Box::new(kept.clone()))));
        assert_eq!(
            parse(letter.to_json_without_data()),
            Some(DeadLetterEntry::Letter(Box::new(KeptLetter { data: None, ..kept })))
        );
        assert_eq!(parse(DeadLetterEntry::put_back("12", "s", "13")), Some(DeadLetterEntry::PutBack("12".to_owned())));
        for other in ["", "{}", "7", "not json", r#"{"cause":"x"}"#] {
            assert_eq!(DeadLetterEntry::parse(other.as_bytes()), None, "{other}");
        }
    }
}
