//! Where records go that cannot be processed.

use futures_util::future::BoxFuture;
use serde_json::json;

use super::processor::Record;

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
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "cause": self.cause,
            "application": self.application,
            "stream": self.stream,
            "shard": self.shard,
            "sequenceNumber": self.record.number.sequence_number,
            "subSequenceNumber": self.record.number.sub_sequence_number,
            "partitionKey": self.record.partition_key,
            "explicitHashKey": self.record.explicit_hash_key,
            "approximateArrivalTimestamp": self.record.arrival_ms,
            "attempts": self.attempts,
            "data": base64_simd::STANDARD.encode_to_string(&self.record.data),
        })
    }
}
