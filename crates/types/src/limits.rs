//! Every number that the service publishes, in one place, and where it is from.
//!
//! Sources, by the letter that a number names:
//! * **Q**: "Quotas and limits" of the Kinesis Data Streams developer guide, with its tables of control-plane and data-plane
//!   calls. Read in the version that knows streaming tables and S3 delivery, so of 2026-09 or later.
//! * **A**: `reference/api.md`, state of 2026-11-23: Amazon's service model and API reference, section in brackets.
//!
//! Where they differ, Q is taken as the newer: `reference/api.md` counts most calls by account, Q says for each whether
//! it is counted by account or by stream.
//!
//! What the API itself is made of (the size of a call, of a page, of a record) holds in every profile. What is a quota
//! is in [`Limits`], which a profile lifts and an operator or a stream's tag may set (`overrides`).

mod overrides;

pub use overrides::{LimitError, Override, Setting};

use serde::{Deserialize, Serialize};

/// How old a shard iterator (Q) or a next token (A §4.3) may be.
pub const TOKEN_LIFE_MS: u64 = 300_000;
/// Bytes of data and partition key that one PutRecords call may carry (Q; 10 MiB since 2025-10).
pub const PUT_RECORDS_BYTES: usize = 10 << 20;
/// Bytes that one GetRecords answer may carry (Q); one larger record is still answered alone.
pub const GET_RECORDS_BYTES: usize = 10 << 20;
/// Records in one GetRecords answer, at most and by default (Q).
pub const GET_RECORDS_COUNT: usize = 10_000;
/// The largest record of a stream that was created without saying so, in KiB (data and partition key; A §13).
pub const DEFAULT_MAX_RECORD_KIB: u32 = 1024;
/// Shards in one DescribeStream answer, at most and by default (A §5.3).
pub const DESCRIBE_STREAM_SHARDS: usize = 100;
/// Names in one ListStreams answer, at most and by default (A §5.4).
pub const LIST_STREAMS_NAMES: usize = 100;
/// Shards in one ListShards answer unless the caller asks for another number (A §5.8).
pub const LIST_SHARDS_DEFAULT: usize = 1000;
/// Shards in one ListShards answer at most (A §5.8).
pub const LIST_SHARDS_MAX: usize = 10_000;
/// Tags on one stream (Q).
pub const TAGS: usize = 50;
/// Hours that records are kept, unless the stream says otherwise (A §5.5).
pub const DEFAULT_RETENTION_HOURS: u32 = 24;
/// The shortest and the longest retention (Q).
pub const RETENTION_HOURS: std::ops::RangeInclusive<u32> = 24..=8760;
/// Shards of a stream that was created without a count (A §5.1).
pub const DEFAULT_SHARDS: u32 = 4;
/// Shards that a stream on demand grows to by itself: its write throughput in MB/s by default, in most regions (A §13).
pub const ON_DEMAND_SHARDS: u32 = 200;
/// The highest warm throughput in MiB/s: 10 GiB/s (A §5.10).
pub const WARM_THROUGHPUT_MIBPS: u32 = 10 << 10;
/// Open shards of one stream, at most, that UpdateShardCount makes (Q).
pub const SHARD_COUNT: u32 = 10_000;
/// How long a commitment to a minimum throughput of on-demand streams lasts at least: 24 hours (A §5.10).
pub const COMMITMENT_MS: u64 = 24 * 3_600_000;
/// Bytes of one resource policy (reference/governance.md §2.2).
pub const POLICY_BYTES: usize = 20 << 10;
/// Consumers in one ListStreamConsumers answer, at most and by default (A §5.9).
pub const LIST_CONSUMERS: usize = 100;
/// How long a subscription of SubscribeToShard lives (A §8).
pub const SUBSCRIPTION_LIFE_MS: u64 = 300_000;
/// How soon after a subscription the same consumer may subscribe to the same shard again, and so take over (Q).
pub const SUBSCRIBE_AGAIN_MS: u64 = 5_000;
/// The highest limit that DescribeLimits can tell; no limit is told as this (A: the model's range of ShardLimit).
pub const HIGHEST_LIMIT_TOLD: u32 = 1_000_000;
/// Data keys of one stream, at most: one for each key that it was ever encrypted under. So that its record stays small.
pub const DATA_KEYS: usize = 500;

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
    /// As users write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Open => "open",
        }
    }

    /// The profile of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Aws, Self::Open].into_iter().find(|profile| profile.as_str() == name)
    }
}

/// What a limit is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of an account in one region together.
    Account,
    /// One stream.
    Stream,
    /// One shard of a stream.
    Shard,
    /// One registered consumer on one shard.
    ConsumerShard,
}

impl Scope {
    /// As documents name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account and region",
            Self::Stream => "stream",
            Self::Shard => "shard",
            Self::ConsumerShard => "consumer and shard",
        }
    }

    /// Whether a stream may choose the limit for itself: not, if it shares it with other streams.
    #[must_use]
    pub const fn is_of_a_stream(self) -> bool {
        match self {
            Self::Account => false,
            Self::Stream | Self::Shard | Self::ConsumerShard => true,
        }
    }
}

/// The highest number that a limit may be set to: beyond it lies no limit, and below it no sum overflows.
const HIGHEST: u64 = 1_000_000_000_000;
/// The same for counts.
const HIGHEST_COUNT: u64 = 1_000_000_000;
/// The highest number of times in 24 hours that a limit may be set to: so many are remembered.
pub const HIGHEST_PER_DAY: usize = 64;

/// A limit that can be set by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What it is counted for.
    pub scope: Scope,
    /// What it is, as a sentence.
    pub what: &'static str,
    /// The highest number it can be set to.
    highest: u64,
}

/// Makes [`Limits`], and the table of them by which users set them.
macro_rules! limits {
    ($($name:ident: $type:ty, $scope:ident, $aws:expr, $highest:expr, $what:literal;)*) => {
        /// The limits in force. `None` is no limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            /// The profile that they began with.
            pub profile: Profile,
            $(#[doc = $what] pub $name: Option<$type>,)*
            /// Calls of each operation in a second.
            pub calls_per_s: CallRates,
        }

        impl Limits {
            /// What Amazon Kinesis publishes.
            const AWS: Self = Self { profile: Profile::Aws, $($name: Some($aws),)* calls_per_s: CallRates::AWS };
            /// None.
            const OPEN: Self = Self { profile: Profile::Open, $($name: None,)* calls_per_s: CallRates::OPEN };
            /// Every limit but the rates of calls.
            pub const NAMED: &[Named] = &[$(Named {
                name: stringify!($name),
                scope: Scope::$scope,
                what: $what,
                highest: $highest as u64,
            },)*];

            /// The limit of this name, but for the rates of calls.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<Option<u64>> {
                match name {
                    $(stringify!($name) => Some(self.$name.map(u64::from)),)*
                    _ => None,
                }
            }

            fn set(&mut self, named: &Named, value: Option<u64>) {
                $(if named.name == stringify!($name) {
                    self.$name = value.map(|value| <$type>::try_from(value).unwrap_or(<$type>::MAX));
                })*
            }
        }
    };
}

limits! {
    // Q, "Data stream throughput" and the data plane's table.
    write_bytes_per_s: u64, Shard, 1 << 20, HIGHEST, "Bytes a second into one shard (data and partition keys).";
    write_records_per_s: u64, Shard, 1000, HIGHEST, "Records a second into one shard.";
    // Q, "Data read rate per shard".
    read_bytes_per_s: u64, Shard, 2 << 20, HIGHEST, "Bytes a second out of one shard by GetRecords.";
    reads_per_s: u64, Shard, 5, HIGHEST, "GetRecords calls a second on one shard.";
    // A §8 and §13.
    subscribe_bytes_per_s: u64, ConsumerShard, 2 << 20, HIGHEST, "Bytes a second out of one shard to one consumer by SubscribeToShard.";
    // Q, "Number of shards": of the largest regions; 1,000 or 6,000 elsewhere.
    shards_per_account: u32, Account, 20_000, HIGHEST_COUNT, "Open shards in one account and region.";
    // Q, row CreateStream.
    streams_creating: u32, Account, 5, HIGHEST_COUNT, "Streams that may be in CREATING at a time.";
    // Q, "Number of data streams".
    on_demand_streams: u32, Account, 50, HIGHEST_COUNT, "On-demand streams in one account and region.";
    // Q, "Number of registered consumers per data stream", and row RegisterStreamConsumer.
    consumers_per_stream: u32, Stream, 20, HIGHEST_COUNT, "Consumers of one stream.";
    consumers_per_advantage_stream: u32, Stream, 50, HIGHEST_COUNT, "Consumers of one on-demand stream whose account has the commitment to minimum throughput (On-demand Advantage).";
    consumers_creating: u32, Stream, 5, HIGHEST_COUNT, "Consumers of one stream that may be in CREATING at a time.";
    // A §5.7, which has what Q refers to for UpdateShardCount.
    shard_count_factor: u32, Stream, 2, HIGHEST_COUNT, "By which factor at most UpdateShardCount makes a stream larger or smaller.";
    shard_count_updates_per_day: u32, Stream, 10, HIGHEST_PER_DAY, "UpdateShardCount calls on one stream in 24 hours.";
    // A §5.10.
    mode_switches_per_day: u32, Stream, 2, HIGHEST_PER_DAY, "Switches of one stream's mode in 24 hours.";
    // A §5.10 and §13.
    encryption_changes_per_day: u32, Stream, 25, HIGHEST_PER_DAY, "Starts of one stream's encryption in 24 hours, and as many stops.";
}

/// Makes [`Call`] and [`CallRates::AWS`] from one table.
macro_rules! calls {
    ($($name:ident $per_s:literal $scope:ident,)*) => {
        /// An operation whose calls have a published rate.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Call {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name,)*
        }

        impl Call {
            /// All of them, by name.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The operation's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What its calls are counted for.
            #[must_use]
            pub const fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }
        }

        impl CallRates {
            const AWS: Self = Self([$(Some($per_s),)*]);
            const OPEN: Self = Self([None; Call::ALL.len()]);
        }
    };
}

calls! {
    // All of Q's two tables, unless a line says otherwise. GetRecords, PutRecord and PutRecords are limits of their own, above.
    AddTagsToStream 5 Account,
    CreateStream 5 Account,
    DecreaseStreamRetentionPeriod 5 Stream,
    DeleteResourcePolicy 5 Account,
    DeleteStream 5 Account,
    DeregisterStreamConsumer 5 Stream,
    DescribeAccountSettings 5 Account,
    DescribeLimits 1 Account,
    DescribeStream 10 Account,
    DescribeStreamConsumer 20 Stream,
    DescribeStreamSummary 20 Account,
    DisableEnhancedMonitoring 5 Stream,
    EnableEnhancedMonitoring 5 Stream,
    GetResourcePolicy 5 Account,
    GetShardIterator 5 Shard,
    IncreaseStreamRetentionPeriod 5 Stream,
    ListShards 1000 Stream,
    ListStreamConsumers 5 Stream,
    ListStreams 5 Account,
    // A §13 ("tags 5"); Q has no row, so counted like its older sister ListTagsForStream.
    ListTagsForResource 5 Stream,
    // Q; the API reference still says by account.
    ListTagsForStream 5 Stream,
    MergeShards 5 Stream,
    PutResourcePolicy 5 Account,
    RegisterStreamConsumer 5 Stream,
    RemoveTagsFromStream 5 Stream,
    SplitShard 5 Stream,
    SubscribeToShard 1 ConsumerShard,
    // A §13; Q has no row, so counted like AddTagsToStream.
    TagResource 5 Account,
    // A §13; Q has no row, so counted like RemoveTagsFromStream.
    UntagResource 5 Stream,
    UpdateAccountSettings 5 Account,
    // A §5.7; Q's row has no number, but counts it by stream.
    UpdateShardCount 10 Stream,
    UpdateStreamWarmThroughput 5 Account,
}

impl Call {
    /// The operation of this name, if its calls have a rate.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.binary_search_by(|call| call.name().cmp(name)).ok().map(|at| Self::ALL[at])
    }
}

/// How often a second each operation may be called. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRates([Option<u64>; Call::ALL.len()]);

impl CallRates {
    /// How often a second this one may be called.
    #[must_use]
    pub const fn of(&self, call: Call) -> Option<u64> {
        self.0[call as usize]
    }
}

impl Profile {
    /// The limits of the profile.
    #[must_use]
    pub const fn limits(self) -> Limits {
        match self {
            Self::Aws => Limits::AWS,
            Self::Open => Limits::OPEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_by_their_names() {
        assert!(Call::ALL.is_sorted_by_key(|call| call.name()), "for the binary search");
        assert!(Call::ALL.iter().all(|call| Call::from_name(call.name()) == Some(*call)));
        assert_eq!(Call::from_name("PutRecords"), None);
    }

    #[test]
    fn open_lifts_all_that_aws_limits() {
        let (aws, open) = (Profile::Aws.limits(), Profile::Open.limits());
        for Named { name, .. } in Limits::NAMED {
            assert!(aws.get(name).unwrap().is_some() && open.get(name) == Some(None), "{name}");
        }
        for call in Call::ALL {
            assert!(aws.calls_per_s.of(*call).is_some() && open.calls_per_s.of(*call).is_none(), "{call:?}");
        }
        assert_eq!(aws.calls_per_s.of(Call::DescribeStream), Some(10));
    }
}
