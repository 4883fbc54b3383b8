//! The verbs over a log in memory, with a clock that stands still until a test moves it.

mod accounts;
mod appending;
mod calls;
mod consistency;
mod consumers;
mod encryption;
mod iterators;
mod lifecycle;
mod listings;
mod on_demand;
mod policies;
mod reading;
mod resharding;
mod restarts;
mod retention;
mod settings;
mod shard_counts;
mod subscribing;

use crate::*;
use rheos_log::{Log, memory_log};
use rheos_types::limits::Profile;
use rheos_types::seal::RootKey;
use rheos_types::{
    AccountId, Clock, Namespace, Random, Region, ResourceArn, SequenceNumber, ShardId, StreamArn, StreamName,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const START_MS: u64 = 1_700_000_000_000;
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// Time that a test moves.
#[derive(Debug)]
pub(crate) struct ManualClock {
    wall_ms: AtomicU64,
    monotonic_ms: AtomicU64,
}

impl ManualClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
        self.monotonic_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Moves the wall clock only.
    pub(crate) fn set_wall(&self, ms: u64) {
        self.wall_ms.store(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Ordering::SeqCst)
    }
}

/// Bytes that differ from call to call, the same in every run.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        buffer.iter_mut().zip(count.iter().cycle()).for_each(|(byte, value)| *byte = *value);
    }
}

/// Streams over a log in memory.
pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: Log,
    pub(crate) streams: Arc<Streams>,
    pub(crate) ns: Namespace,
    config: Config,
    random: Arc<Counting>,
    pub(crate) root: Arc<RootKey>,
}

impl Bench {
    /// With the limits of the service.
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// Without limits.
    pub(crate) async fn open() -> Self {
        Self::with(Config { limits: Profile::Open.limits(), ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let clock =
            Arc::new(ManualClock { wall_ms: AtomicU64::new(START_MS), monotonic_ms: AtomicU64::new(1_000_000) });
        let log = memory_log(clock.clone());
        let random = Arc::new(Counting::default());
        let root = Arc::new(RootKey::new(&[7; 32]));
        let streams = Streams::open(log.clone(), clock.clone(), random.clone(), root.clone(), config).await.unwrap();
        let ns =
            Namespace { account: AccountId::new("000000000000").unwrap(), region: Region::new("us-east-1").unwrap() };
        Self { clock, log, streams: Arc::new(streams), ns, config, random, root }
    }

    /// Opens the log's streams anew: all that is not in the log is gone.
    pub(crate) async fn restart(&mut self) {
        self.streams = Arc::new(self.reopen().await.unwrap());
    }

    pub(crate) async fn reopen(&self) -> Result<Streams, OpenError> {
        let (log, clock, random) = (self.log.clone(), self.clock.clone(), self.random.clone());
        Streams::open(log, clock, random, self.root.clone(), self.config).await
    }

    /// Lets all that is under way come to its end.
    pub(crate) async fn settle(&self) {
        self.clock.advance(self.config.transition_ms);
        loop {
            let tick = self.streams.tick().await;
            assert!(tick.problems.is_empty(), "{:?}", tick.problems);
            if tick.next_ms > self.clock.wall_ms() {
                return;
            }
        }
    }

    /// Asks for a stream, which is then CREATING.
    pub(crate) async fn begin(&self, name: &str, shards: u32) -> Result<(), CreateError> {
        let name = name_of(name);
        let request = CreateStream { shard_count: Some(shards), ..CreateStream::of(&name) };
        self.streams.create_stream(&self.ns, request).await
    }

    /// Makes a stream that is ACTIVE.
    pub(crate) async fn create(&self, name: &str, shards: u32) -> StreamName {
        self.begin(name, shards).await.unwrap();
        self.settle().await;
        name_of(name)
    }

    pub(crate) async fn put(&self, stream: &StreamName, key: &str, data: &str) -> Stored {
        let entry = Entry { data: data.as_bytes(), partition_key: Some(key), explicit_hash_key: None };
        self.streams.put_record(&self.ns, stream, entry, None).await.unwrap()
    }

    /// Puts a record where a hash key says.
    pub(crate) async fn put_at(&self, stream: &StreamName, hash_key: &str, data: &str) -> Stored {
        let entry = Entry { data: data.as_bytes(), partition_key: Some("k"), explicit_hash_key: Some(hash_key) };
        self.streams.put_record(&self.ns, stream, entry, None).await.unwrap()
    }

    pub(crate) async fn iterator(
        &self,
        stream: &StreamName,
        shard: &str,
        kind: IteratorKind,
    ) -> Result<String, IteratorError> {
        let request = IteratorRequest { shard, kind, sequence_number: None, timestamp_ms: None };
        self.streams.get_shard_iterator(&self.ns, stream, request).await
    }

    pub(crate) async fn iterator_from(
        &self,
        stream: &StreamName,
        shard: &str,
        kind: IteratorKind,
        number: SequenceNumber,
    ) -> String {
        let number = number.to_string();
        let request = IteratorRequest { shard, kind, sequence_number: Some(&number), timestamp_ms: None };
        self.streams.get_shard_iterator(&self.ns, stream, request).await.unwrap()
    }

    pub(crate) async fn read(&self, iterator: &str, limit: Option<u32>) -> Result<Records, ReadError> {
        let iterator = self.streams.open_iterator(iterator).unwrap();
        self.streams.get_records(&iterator, limit, usize::MAX).await
    }

    /// What an iterator reads, as text.
    pub(crate) async fn texts(&self, iterator: &str) -> Vec<String> {
        texts(&self.read(iterator, None).await.unwrap())
    }

    /// A shard's records from the oldest to the newest, and how it goes on.
    pub(crate) async fn drain(&self, stream: &StreamName, shard: &str) -> (Vec<String>, Onward) {
        let mut iterator = self.iterator(stream, shard, IteratorKind::TrimHorizon).await.unwrap();
        let mut all = Vec::new();
        loop {
            let records = self.read(&iterator, None).await.unwrap();
            all.extend(texts(&records));
            match records.onward {
                Onward::Next(next) if records.millis_behind_latest > 0 => iterator = next,
                onward => return (all, onward),
            }
        }
    }

    pub(crate) fn arn(&self, stream: &StreamName) -> ResourceArn {
        ResourceArn::Stream(StreamArn { namespace: self.ns.clone(), name: stream.clone() })
    }

    pub(crate) fn describe(&self, stream: &StreamName) -> StreamDescription {
        self.streams.describe_stream(&self.ns, stream, None, None).unwrap()
    }

    pub(crate) fn status(&self, stream: &StreamName) -> Option<Status> {
        self.streams.describe_stream_summary(&self.ns, stream).ok().map(|stream| stream.status)
    }

    /// The numbers of the shards that a filter lists.
    pub(crate) fn list(&self, stream: &StreamName, filter: ShardFilter<'_>) -> Vec<u32> {
        let request = ListShards { filter, ..ListShards::default() };
        let page = self.streams.list_shards(&self.ns, stream, request).unwrap();
        page.shards.iter().map(|shard| shard.id.0).collect()
    }
}

pub(crate) fn name_of(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

pub(crate) fn texts(records: &Records) -> Vec<String> {
    let texts: Vec<_> = records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect();
    assert_eq!(texts.len(), records.count());
    texts
}

pub(crate) fn next(records: Records) -> String {
    match records.onward {
        Onward::Next(iterator) => iterator,
        Onward::Ended(children) => panic!("ended with {children:?}"),
    }
}

pub(crate) fn ids(children: &[ChildShard]) -> Vec<ShardId> {
    children.iter().map(|child| child.id).collect()
}
