//! Every number that the service publishes, in one place: `reference/api.md` §5–§8 and §13 (the public quota pages and
//! API model as of 2026-11).

use serde::{Deserialize, Serialize};

/// How old a shard iterator or a next token may be.
pub const TOKEN_LIFE_MS: u64 = 300_000;
/// Bytes of data and partition key that one PutRecords call may carry (10 MiB since 2025-10).
pub const PUT_RECORDS_BYTES: usize = 10 << 20;
/// Bytes that one GetRecords answer may carry; one larger record is still answered alone.
pub const GET_RECORDS_BYTES: usize = 10 << 20;
/// Records in one GetRecords answer, at most and by default.
pub const GET_RECORDS_COUNT: usize = 10_000;
/// The largest record of a stream that was created without saying so, in KiB (data and partition key).
pub const DEFAULT_MAX_RECORD_KIB: u32 = 1024;
/// Shards in one DescribeStream answer, at most and by default.
pub const DESCRIBE_STREAM_SHARDS: usize = 100;
/// Names in one ListStreams answer, at most and by default.
pub const LIST_STREAMS_NAMES: usize = 100;
/// Shards in one ListShards answer unless the caller asks for another number.
pub const LIST_SHARDS_DEFAULT: usize = 1000;
/// Shards in one ListShards answer at most.
pub const LIST_SHARDS_MAX: usize = 10_000;
/// Tags on one stream.
pub const TAGS: usize = 50;
/// Hours that records are kept, unless the stream says otherwise.
pub const DEFAULT_RETENTION_HOURS: u32 = 24;
/// The shortest and the longest retention.
pub const RETENTION_HOURS: std::ops::RangeInclusive<u32> = 24..=8760;
/// Shards of a stream that was created without a count.
pub const DEFAULT_SHARDS: u32 = 4;
/// On-demand streams in an account.
pub const ON_DEMAND_STREAMS: u32 = 50;

/// Open shards of one stream, at most, that UpdateShardCount makes.
pub const SHARD_COUNT: u32 = 10_000;
/// How long a commitment to a minimum throughput of on-demand streams lasts at least: 24 hours.
pub const COMMITMENT_MS: u64 = 24 * 3_600_000;
/// Consumers in one ListStreamConsumers answer, at most and by default.
pub const LIST_CONSUMERS: usize = 100;
/// How long a subscription of SubscribeToShard lives.
pub const SUBSCRIPTION_LIFE_MS: u64 = 300_000;
/// How soon after a subscription the same consumer may subscribe to the same shard again, and so take over.
pub const SUBSCRIBE_AGAIN_MS: u64 = 5_000;

/// Which of the service's artificial limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What Amazon Kinesis publishes, exactly.
    #[default]
    Aws,
    /// No artificial limits: only what memory and disk impose.
    Open,
}

impl Profile {
    /// The limits of the profile.
    #[must_use]
    pub fn limits(self) -> Limits {
        match self {
            Self::Aws => Limits {
                write_bytes_per_s: Some(1 << 20),
                write_records_per_s: Some(1000),
                read_bytes_per_s: Some(2 << 20),
                reads_per_s: Some(5),
                subscribe_bytes_per_s: Some(2 << 20),
                subscribe_calls_per_s: Some(1),
                shards_per_account: 20_000,
                streams_creating: Some(5),
                shard_count_factor: Some(2),
                shard_count_updates_per_day: Some(10),
                consumers_per_stream: 20,
                consumers_per_advantage_stream: 50,
                consumers_creating: Some(5),
            },
            Self::Open => Limits {
                write_bytes_per_s: None,
                write_records_per_s: None,
                read_bytes_per_s: None,
                reads_per_s: None,
                subscribe_bytes_per_s: None,
                subscribe_calls_per_s: None,
                shards_per_account: 1_000_000,
                streams_creating: None,
                shard_count_factor: None,
                shard_count_updates_per_day: None,
                consumers_per_stream: 1000,
                consumers_per_advantage_stream: 1000,
                consumers_creating: None,
            },
        }
    }
}

/// The limits in force. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a second into one shard (data and partition keys).
    pub write_bytes_per_s: Option<u64>,
    /// Records a second into one shard.
    pub write_records_per_s: Option<u64>,
    /// Bytes a second out of one shard by GetRecords.
    pub read_bytes_per_s: Option<u64>,
    /// GetRecords calls a second on one shard.
    pub reads_per_s: Option<u64>,
    /// Bytes a second out of one shard to one consumer by SubscribeToShard.
    pub subscribe_bytes_per_s: Option<u64>,
    /// SubscribeToShard calls a second of one consumer on one shard.
    pub subscribe_calls_per_s: Option<u64>,
    /// Open shards in one account and region.
    pub shards_per_account: u32,
    /// Streams that may be in CREATING at a time.
    pub streams_creating: Option<u32>,
    /// By which factor at most UpdateShardCount makes a stream larger or smaller.
    pub shard_count_factor: Option<u32>,
    /// UpdateShardCount calls on one stream in 24 hours.
    pub shard_count_updates_per_day: Option<u32>,
    /// Consumers of one stream.
    pub consumers_per_stream: u32,
    /// Consumers of one on-demand stream whose account has the commitment to minimum throughput ("On-demand Advantage").
    pub consumers_per_advantage_stream: u32,
    /// Consumers of one stream that may be in CREATING at a time.
    pub consumers_creating: Option<u32>,
}
