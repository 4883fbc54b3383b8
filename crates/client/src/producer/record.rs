//! A record on its way: what the user gave, and what has become of it so far.

use std::sync::Arc;

use bytes::Bytes;
use rheos_types::HashKey;
use tokio::sync::oneshot;

use super::outcome::{Attempt, Outcome, Reason, Refused, Unwritten};
use super::settings::ITEM_BYTES;
use crate::aggregation::UserRecord;

/// A user record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name or the ARN of the stream.
    pub stream: Arc<str>,
    /// 1 to 256 characters.
    pub partition_key: String,
    /// A number from 0 to 2^128-1 in decimal, in place of the hash of the partition key.
    pub explicit_hash_key: Option<String>,
    /// With the key at most 10 MiB, and no more than its stream allows.
    pub data: Bytes,
    /// Never packed with others, whatever the settings.
    pub alone: bool,
}

/// Key and data of one record.
const RECORD_BYTES: usize = 10 << 20;
/// Characters of a partition key.
const KEY_CHARACTERS: usize = 256;

impl Record {
    /// A record that falls where the hash of its key says.
    #[must_use]
    pub fn new(stream: impl Into<Arc<str>>, partition_key: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            stream: stream.into(),
            partition_key: partition_key.into(),
            explicit_hash_key: None,
            data: data.into(),
            alone: false,
        }
    }

    /// The bytes of a call's limit.
    pub(super) fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }

    /// The permits it takes.
    pub(super) fn cost(&self) -> usize {
        self.bytes() + self.explicit_hash_key.as_ref().map_or(0, String::len) + ITEM_BYTES
    }

    /// Where it falls, if it is a record that Kinesis could take.
    pub(super) fn check(&self) -> Result<HashKey, Refused> {
        let wrong = |what: String| Err(Refused::Invalid(what));
        if self.stream.is_empty() {
            return wrong(String::from("the stream has no name"));
        }
        // Counting characters is only needed where the bytes do not say it.
        match self.partition_key.len() {
            0 => return wrong(String::from("the partition key is empty; it must have 1 to 256 characters")),
            1..=KEY_CHARACTERS => {}
            _ => match self.partition_key.chars().count() {
                count if count > KEY_CHARACTERS => {
                    return wrong(format!("the partition key has {count} characters; it must have 1 to 256"));
                }
                _ => {}
            },
        }
        if self.bytes() > RECORD_BYTES {
            return wrong(format!("key and data have {} bytes; 10485760 are allowed", self.bytes()));
        }
        match &self.explicit_hash_key {
            None => Ok(HashKey::of_partition_key(&self.partition_key)),
            Some(text) => HashKey::parse(text).map_err(|error| Refused::Invalid(error.to_string())),
        }
    }
}

/// A record that was accepted and has no outcome yet.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: Record,
    pub(super) hash: HashKey,
    /// What it takes of the bytes that may be outstanding.
    pub(super) cost: usize,
    /// In order of acceptance.
    pub(super) id: u64,
    /// Which flush it belongs to: the number of flushes before it.
    pub(super) epoch: u64,
    pub(super) accepted_ms: u64,
    pub(super) deadline_ms: u64,
    /// Those that failed.
    pub(super) attempts: Vec<Attempt>,
    /// An attempt ended without an answer.
    pub(super) may_have_been_written: bool,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Attempts that are kept to be told.
const ATTEMPTS_KEPT: usize = 32;

impl Item {
    pub(super) fn user_record(&self) -> UserRecord<'_> {
        UserRecord {
            partition_key: &self.record.partition_key,
            explicit_hash_key: self.record.explicit_hash_key.as_deref(),
            data: &self.record.data,
            tags: Vec::new(),
        }
    }

    pub(super) fn failed(&mut self, attempt: Attempt, may_have_been_written: bool) {
        self.may_have_been_written |= may_have_been_written;
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }

    pub(super) fn unwritten(&mut self, reason: Reason) -> Outcome {
        Err(Unwritten {
            reason,
            may_have_been_written: self.may_have_been_written,
            attempts: std::mem::take(&mut self.attempts),
        })
    }
}
