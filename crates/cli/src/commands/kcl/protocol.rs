//! The messages between the daemon and the program of a shard: lines of JSON.

use rheos_client::consumer::{Batch, CheckpointError, Initialization};
use rheos_client::lease::RecordNumber;
use serde::Deserialize;
use serde_json::{Value, json};

/// What a program says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub(super) enum Said {
    /// Write down how far it has come.
    #[serde(rename_all = "camelCase")]
    Checkpoint {
        /// None: everything that it was given.
        #[serde(default, alias = "checkpoint")]
        sequence_number: Option<String>,
        #[serde(default)]
        sub_sequence_number: Option<u64>,
    },
    /// It has done what it was told.
    #[serde(rename_all = "camelCase")]
    Status {
        /// What that was.
        response_for: String,
    },
}

/// What a line says. None: it is no message; programs print whatever they like.
pub(super) fn parse(line: &[u8]) -> Option<Said> {
    serde_json::from_slice(line).ok()
}

pub(super) fn initialize(start: &Initialization) -> Value {
    json!({
        "action": "initialize",
        "shardId": start.shard,
        "sequenceNumber": start.checkpoint.text(),
        "subSequenceNumber": start.checkpoint.sub_sequence_number(),
    })
}

pub(super) fn process_records(batch: &Batch<'_>) -> Value {
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
pub(super) fn checkpointed(sequence_number: Option<&str>, sub: Option<u64>, refusal: Option<&Refusal>) -> Value {
    json!({
        "action": "checkpoint",
        "sequenceNumber": sequence_number,
        "subSequenceNumber": sub,
        "error": refusal.map(java_name),
    })
}

/// The record that a checkpoint names, if it names one.
pub(super) fn record_number(sequence_number: &str, sub: Option<u64>) -> Option<RecordNumber> {
    RecordNumber::parse(sequence_number, sub.unwrap_or(0))
}

/// Why a checkpoint that a program asked for was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It names no record.
    #[error("that is no sequence number")]
    NoNumber,
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
