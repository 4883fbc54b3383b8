//! What a consumer asks of Kinesis: a narrow trait, so that the same worker runs against the service and against a scripted one.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rheos_types::HashRange;

/// A shard of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shards that it came out of: none, one (a split) or two (a merge). They may be gone already.
    pub parents: Vec<String>,
    /// Which keys fall into it.
    pub hash_range: HashRange,
    /// The sequence number that it starts with.
    pub starting_sequence_number: String,
    /// Whether it takes records.
    pub is_open: bool,
}

/// Which shards are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardFilter {
    /// All that have records, and the open ones.
    All,
    /// Those that are open.
    AtLatest,
    /// Those that were open when the oldest records were written.
    AtTrimHorizon,
    /// Those that were open at this time.
    AtTimestamp(u64),
}

/// Where reading of a shard begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFrom {
    /// With the oldest record.
    TrimHorizon,
    /// With what is written from now on.
    Latest,
    /// With what arrived at this time (milliseconds since 1970) or later.
    AtTimestamp(u64),
    /// With the record of this sequence number.
    At(String),
    /// Behind the record of this sequence number.
    After(String),
}

/// A record as the shard holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRecord {
    /// Its sequence number, in decimal.
    pub sequence_number: String,
    /// Its partition key.
    pub partition_key: String,
    /// What it is about.
    pub data: Bytes,
    /// When it arrived, in milliseconds since 1970.
    pub arrival_ms: Option<u64>,
}

/// A shard that came out of one that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildShard {
    /// Its id.
    pub id: String,
    /// All its parents.
    pub parents: Vec<String>,
    /// Which keys fall into it.
    pub hash_range: HashRange,
}

/// Some records of a shard in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<ShardRecord>,
    /// Where to go on: a shard iterator, or the sequence number that a subscription has reached. None: the shard is closed and this was its end.
    pub next: Option<String>,
    /// The shards that came out of it; some if and only if `next` is none.
    pub children: Vec<ChildShard>,
    /// How much older the end of this page is than the newest record of the shard.
    pub millis_behind_latest: Option<u64>,
}

/// Why Kinesis did not answer a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KinesisError {
    /// It is asked too often.
    #[error("Kinesis throttles: {0}")]
    Throttled(String),
    /// The iterator is too old, or was never good: another one is needed.
    #[error("the shard iterator is no good any more: {0}")]
    Expired(String),
    /// There is no such shard, stream or consumer.
    #[error("not found: {0}")]
    NotFound(String),
    /// There is a subscription already that is too young to be replaced.
    #[error("in use: {0}")]
    InUse(String),
    /// No answer, or one that says to try again.
    #[error("Kinesis does not answer: {0}")]
    Unavailable(String),
    /// It will not do it, however often it is asked.
    #[error("Kinesis refuses: {0}")]
    Refused(String),
}

/// What a call of Kinesis comes to.
pub type KinesisFuture<'a, T> = BoxFuture<'a, Result<T, KinesisError>>;

/// One stream, as its consumers see it.
pub trait Kinesis: Send + Sync + 'static {
    /// Its shards, all pages.
    fn list_shards(&self, filter: ShardFilter) -> KinesisFuture<'_, Vec<Shard>>;

    /// An iterator to read a shard with.
    fn shard_iterator<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, String>;

    /// What lies at an iterator.
    fn records<'a>(&'a self, iterator: &'a str, limit: u32) -> KinesisFuture<'a, Page>;

    /// A shard's records as they come, for as long as the service likes: about five minutes. Fails with [`KinesisError::Refused`] where nothing
    /// but polling is possible.
    fn subscribe<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, Box<dyn Subscription>>;
}

/// The records of a shard as they come.
pub trait Subscription: Send {
    /// The next page, with or without records. None: the time is over, and another subscription is needed. May be dropped while it waits.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Page, KinesisError>>>;
}
