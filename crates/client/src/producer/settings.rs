//! What a producer can be told. The names, and the defaults where they make sense, are the KPL's.

use rheos_types::limits::PUT_RECORDS_BYTES;

use crate::aggregation::{MAGIC, Packer};

/// How a producer batches, retries and bounds itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether user records are packed into aggregated records (true). Every consumer must then unpack them.
    pub aggregation_enabled: bool,
    /// An aggregated record is closed before it has more bytes (51 200).
    pub aggregation_max_bytes: usize,
    /// An aggregated record is closed when it has so many user records (no limit).
    pub aggregation_max_count: usize,
    /// Records in a PutRecords call (500).
    pub collection_max_count: usize,
    /// Bytes of keys and data in a PutRecords call (5 MiB). A larger record travels alone. Kinesis takes 10 MiB, others 5.
    pub collection_max_bytes: usize,
    /// How long a record may wait for others before it is sent, in milliseconds (100).
    pub record_max_buffered_ms: u64,
    /// How long after it was accepted a record is given up, in milliseconds (30 000). One that is on its way then is given up, or not,
    /// when the call has ended.
    pub record_ttl_ms: u64,
    /// How much of a shard's 1000 records and 1 MiB a second is sent, in percent (150); nothing for no limit. More than 100 makes sense
    /// while others write little.
    pub rate_limit_percent: Option<u32>,
    /// A record that Kinesis throttles fails at once instead of being tried again (false).
    pub fail_if_throttled: bool,
    /// PutRecords calls at a time (24).
    pub max_connections: usize,
    /// How long a call may take, in milliseconds (6000). Then its records are tried again, though they may have been written.
    pub request_timeout_ms: u64,
    /// The first pause before a retry, in milliseconds (100). It doubles with each failure in a row, and half of it is random.
    pub backoff_ms: u64,
    /// The longest such pause, in milliseconds (5000).
    pub backoff_max_ms: u64,
    /// Bytes of records, with [`ITEM_BYTES`] for each, that may be outstanding: accepted and without an outcome (64 MiB). Beyond,
    /// `put` waits and `try_put` refuses. What is packed for sending is a copy: memory is at most about three times this.
    pub max_outstanding_bytes: usize,
    /// The later records of a partition key never overtake an earlier one that is tried again (false). A shard then has one
    /// record of Kinesis under way at a time.
    pub strict_order: bool,
}

/// What a record costs against [`Settings::max_outstanding_bytes`] beyond its own bytes.
pub const ITEM_BYTES: usize = 256;

/// The most bytes of an aggregated record: what a record of any stream may have.
const AGGREGATION_LIMIT_BYTES: usize = 1 << 20;

/// The settings contradict the service or each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}; it must be {must}")]
pub struct InvalidSettings {
    name: &'static str,
    value: u64,
    must: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aggregation_enabled: true,
            aggregation_max_bytes: 51_200,
            aggregation_max_count: usize::MAX,
            collection_max_count: 500,
            collection_max_bytes: 5 << 20,
            record_max_buffered_ms: 100,
            record_ttl_ms: 30_000,
            rate_limit_percent: Some(150),
            fail_if_throttled: false,
            max_connections: 24,
            request_timeout_ms: 6000,
            backoff_ms: 100,
            backoff_max_ms: 5000,
            max_outstanding_bytes: 64 << 20,
            strict_order: false,
        }
    }
}

impl Settings {
    /// Says which setting is wrong, if one is.
    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        let least = (MAGIC.len() + 64) as u64;
        let limit = PUT_RECORDS_BYTES as u64;
        let outstanding = tokio::sync::Semaphore::MAX_PERMITS as u64;
        let rules = [
            (
                "aggregation_max_bytes",
                self.aggregation_max_bytes as u64,
                least..=AGGREGATION_LIMIT_BYTES as u64,
                "from 68 bytes to 1 MiB",
            ),
            ("aggregation_max_count", self.aggregation_max_count as u64, 1..=u64::MAX, "1 or more"),
            ("collection_max_count", self.collection_max_count as u64, 1..=500, "from 1 to 500"),
            ("collection_max_bytes", self.collection_max_bytes as u64, 1..=limit, "from 1 byte to 10 MiB"),
            ("record_max_buffered_ms", self.record_max_buffered_ms, 0..=self.record_ttl_ms, "at most record_ttl_ms"),
            ("record_ttl_ms", self.record_ttl_ms, 1..=u64::from(u32::MAX), "from 1 ms to 49 days"),
            (
                "rate_limit_percent",
                u64::from(self.rate_limit_percent.unwrap_or(100)),
                1..=u64::from(u32::MAX),
                "1 or more, or absent",
            ),
            ("max_connections", self.max_connections as u64, 1..=1024, "from 1 to 1024"),
            ("request_timeout_ms", self.request_timeout_ms, 1..=u64::from(u32::MAX), "from 1 ms to 49 days"),
            ("backoff_ms", self.backoff_ms, 1..=self.backoff_max_ms, "from 1 ms to backoff_max_ms"),
            ("backoff_max_ms", self.backoff_max_ms, 1..=u64::from(u32::MAX), "from 1 ms to 49 days"),
            ("max_outstanding_bytes", self.max_outstanding_bytes as u64, 1..=outstanding, "1 or more"),
        ];
        match rules.into_iter().find(|(_, value, allowed, _)| !allowed.contains(value)) {
            Some((name, value, _, must)) => Err(InvalidSettings { name, value, must }),
            None => Ok(()),
        }
    }

    /// How long an aggregated record is filled. The rest of the time that a record may wait is for gathering a call.
    pub(super) fn fill_ms(&self) -> u64 {
        self.record_max_buffered_ms - self.linger_ms()
    }

    /// How long a full record waits for others to share its call.
    pub(super) fn linger_ms(&self) -> u64 {
        (self.record_max_buffered_ms / 5).min(50)
    }

    /// Whether a user record would make the packer's record larger than allowed.
    pub(super) fn is_full(&self, packer: &Packer, with: &crate::aggregation::UserRecord<'_>) -> bool {
        packer.count() >= self.aggregation_max_count || !packer.fits(with, self.aggregation_max_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_a_wrong_setting_is_named() {
        assert_eq!(Settings::default().check(), Ok(()));
        let wrong = Settings { collection_max_count: 501, ..Settings::default() }.check().unwrap_err();
        assert_eq!(wrong.to_string(), "collection_max_count is 501; it must be from 1 to 500");
        let wrong = Settings { record_ttl_ms: 99, ..Settings::default() }.check().unwrap_err();
        assert_eq!(wrong.to_string(), "record_max_buffered_ms is 100; it must be at most record_ttl_ms");
    }
}
