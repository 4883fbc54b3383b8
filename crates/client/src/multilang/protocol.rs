//! The messages between the daemon and the program of a shard: lines of JSON.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::consumer::{Batch, CheckpointError, Initialization};
use crate::lease::RecordNumber;

/// How programs are told the end, which the KCL has changed once; everything else has stayed. kclpy and the KCL for Ruby from 2.0 on know the new words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `shutdown` with a reason, as from the KCL 1.x.
    One,
    /// `leaseLost` and `shardEnded`, as from the KCL 2.x and 3.x.
    #[default]
    Two,
}

impl Protocol {
    /// Somebody else has the shard now.
    #[must_use]
    pub fn lease_lost(self) -> Value {
        match self {
            Self::One => json!({"action": "shutdown", "reason": "ZOMBIE"}),
            Self::Two => json!({"action": "leaseLost"}),
        }
    }

    /// All records of the shard were given: the program has to checkpoint.
    #[must_use]
    pub fn shard_ended(self) -> Value {
        match self {
            Self::One => json!({"action": "shutdown", "reason": "TERMINATE"}),
            Self::Two => json!({"action": "shardEnded"}),
        }
    }
}

/// What a program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Write down how far it has come.
    Checkpoint {
        /// None: everything that it was given.
        sequence_number: Option<String>,
        /// None: the first user record with the sequence number.
        sub_sequence_number: Option<u64>,
    },
    /// It has done what it was told.
    Status {
        /// What that was.
        response_for: String,
    },
}

/// All members that any message of a program has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    action: String,
    response_for: Option<String>,
    #[serde(borrow, alias = "checkpoint")]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow)]
    sub_sequence_number: Option<&'a RawValue>,
}

/// What a line says. None: it is no message; programs print whatever they like.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Said> {
    let message: Message<'_> = serde_json::from_slice(line).ok()?;
    match message.action.as_str() {
        "checkpoint" => Some(Said::Checkpoint {
            sequence_number: text(message.sequence_number)?,
            sub_sequence_number: match text(message.sub_sequence_number)? {
                None => None,
                Some(digits) => Some(digits.parse().ok()?),
            },
        }),
        "status" => Some(Said::Status { response_for: message.response_for? }),
        _ => None,
    }
}

/// A text, or the digits of a number: to Java they are the same, and programs say either. The outer None: it is neither.
fn text(value: Option<&RawValue>) -> Option<Option<String>> {
    let Some(value) = value.map(RawValue::get) else { return Some(None) };
    match value.as_bytes().first()? {
        b'"' => serde_json::from_str(value).ok().map(Some),
        b'-' | b'0'..=b'9' => Some(Some(value.to_owned())),
        _ => None,
    }
}

/// The first message to a program.
#[must_use]
pub fn initialize(start: &Initialization) -> Value {
    json!({
        "action": "initialize",
        "shardId": start.shard,
        "sequenceNumber": start.checkpoint.text(),
        "subSequenceNumber": start.checkpoint.sub_sequence_number(),
    })
}

/// Records for a program.
#[must_use]
pub fn process_records(batch: &Batch<'_>) -> Value {
    let records = batch.records.iter().map(|record| {
        json!({
            "action": "record",
            "data": base64_simd::STANDARD.encode_to_string(&record.data),
            "partitionKey": record.partition_key,
            "sequenceNumber": record.number.sequence_number,
            "approximateArrivalTimestamp": record.arrival_ms,
            "subSequenceNumber": record.number.sub_sequence_number,
        })
    });
    json!({
        "action": "processRecords",
        "records": records.collect::<Vec<_>>(),
        "millisBehindLatest": batch.millis_behind_latest,
    })
}

/// The answer to a checkpoint.
#[must_use]
pub fn checkpointed(sequence_number: Option<&str>, sub: Option<u64>, refusal: Option<&Refusal>) -> Value {
    json!({
        "action": "checkpoint",
        "sequenceNumber": sequence_number,
        "subSequenceNumber": sub,
        "error": refusal.map(java_name),
    })
}

/// The record that a checkpoint names, if it names one.
#[must_use]
pub fn record_number(sequence_number: &str, sub: Option<u64>) -> Option<RecordNumber> {
    RecordNumber::parse(sequence_number, sub.unwrap_or(0))
}

/// Why a checkpoint that a program asked for was not written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It names no record.
    #[error("that is no sequence number")]
    NoNumber,
    /// It cannot be written down now.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// The exception of Java whose name programs know.
fn java_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoNumber | Refusal::Checkpoint(CheckpointError::OutOfRange { .. }) => "IllegalArgumentException",
        Refusal::Checkpoint(CheckpointError::LeaseLost) => "ShutdownException",
        Refusal::Checkpoint(CheckpointError::NotNow(_)) => "InvalidStateException",
        Refusal::Checkpoint(CheckpointError::Throttled(_)) => "ThrottlingException",
        Refusal::Checkpoint(CheckpointError::Store(_)) => "KinesisClientLibDependencyException",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kclpy_node_and_ruby_say_is_understood() {
        let checkpoint = |sequence_number: Option<&str>, sub_sequence_number| Said::Checkpoint {
            sequence_number: sequence_number.map(str::to_owned),
            sub_sequence_number,
        };
        for (line, said) in [
            (
                r#"{"action": "checkpoint", "sequenceNumber": "7", "subSequenceNumber": 2}"#,
                Some(checkpoint(Some("7"), Some(2))),
            ),
            (r#"{"action":"checkpoint","sequenceNumber":"7"}"#, Some(checkpoint(Some("7"), None))),
            (r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null}"#, Some(checkpoint(None, None))),
            (r#"{"action":"checkpoint"}"#, Some(checkpoint(None, None))),
            (
                r#"{"action":"checkpoint","sequenceNumber":49590338271490256608559692538361571095921575989136588898,"subSequenceNumber":"3"}"#,
                Some(checkpoint(Some("49590338271490256608559692538361571095921575989136588898"), Some(3))),
            ),
            (r#"{"action":"checkpoint","sequenceNumber":{"of":"7"}}"#, None),
            (r#"{"action":"checkpoint","sequenceNumber":"7","subSequenceNumber":-1}"#, None),
            (
                r#"{"responseFor": "processRecords", "action": "status"}"#,
                Some(Said::Status { response_for: "processRecords".to_owned() }),
            ),
            ("", None),
            ("hello", None),
            (r#"{"action":"status"}"#, None),
            (r#"{"action":"initialize"}"#, None),
        ] {
            assert_eq!(parse(line.as_bytes()), said, "{line}");
        }
    }

    #[test]
    fn absent_members_are_null_as_from_java() {
        assert_eq!(
            checkpointed(None, None, None).to_string(),
            r#"{"action":"checkpoint","error":null,"sequenceNumber":null,"subSequenceNumber":null}"#
        );
    }
}
