//! Shard ids as Kinesis prints them, and shard keys as the log knows them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A shard's number within its stream, printed as `shardId-000000000042`. Grows with each shard made, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl ShardId {
    /// Reads a shard id as leniently as the service: the text after the first `-` (or all of it) must be digits and at
    /// most 2147483647, so that `0`, `x-0` and `shardId-000000000000` are the same shard.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.split_once('-').map_or(text, |(_, rest)| rest);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        let value: u32 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
        (value <= i32::MAX as u32).then_some(Self(value))
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

/// What the log knows a shard by: a number that is never used twice in the life of a data directory, so that a stream
/// created again under the same name inherits nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardKey(pub u64);

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_reads_shard_ids_leniently() {
        for (text, expected) in [
            ("shardId-000000000007", Some(7)),
            ("7", Some(7)),
            ("x-0", Some(0)),
            ("a-00002147483647", Some(2_147_483_647)),
            ("a-00002147483648", None),
            ("shardId-", None),
            ("shardId", None),
            ("a-b-1", None),
            ("", None),
        ] {
            assert_eq!(ShardId::parse(text).map(|id| id.0), expected, "{text:?}");
        }
        assert_eq!(ShardId(7).to_string(), "shardId-000000000007");
    }
}
