//! A log without threads on a simulated disk, and the model that it is compared with.

use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::disk::{Disk, DiskOptions};
use crate::{
    Appended, Change, Fatal, Housekeeper, Key, Log, LogError, OpenError, Options, RecordFlags, RunBuilder, Transaction,
    Writer, open,
};
use rheos_types::{Clock, Random, ShardKey};
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

pub(super) const DIRECTORY: &str = "/data";

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(super) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(super) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        1_700_000_000_000 + self.0.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Dice that always fall the same way.
pub(super) struct Seeded(pub(super) AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.next() as u8;
        }
    }
}

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed | 1))
    }

    pub(super) fn next(&self) -> u64 {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Relaxed);
        x >> 8
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The value of a future that needs no waiting.
pub(super) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What a shard must hold: acknowledged records, and behind them appends whose outcome nobody knows.
#[derive(Debug, Default, Clone)]
pub(super) struct Expected {
    pub(super) acknowledged: Vec<u64>,
    pub(super) unknown: Vec<Vec<u64>>,
    pub(super) first: u64,
    pub(super) closed: bool,
}

pub(super) type Model = BTreeMap<u64, Expected>;

pub(super) struct Rig {
    pub(super) files: SimFiles,
    pub(super) clock: Arc<ManualClock>,
    pub(super) log: Log,
    pub(super) writer: Writer,
    pub(super) housekeeper: Housekeeper,
    next_record: u64,
}

/// Small files and a small tail, so that rolling, recycling and cold reads happen in a test's few steps.
pub(super) const SMALL: DiskOptions = DiskOptions { log_file_bytes: Some(64 << 10) };

pub(super) fn options() -> Options {
    Options {
        tail_bytes: 48 << 10,
        queue_bytes: 8 << 20,
        backlog_files: 4,
        deferred_bytes: 0,
        index_bytes: 64 << 10,
        seal_after_ms: 2000,
    }
}

pub(super) fn record(id: u64, length: usize) -> Vec<u8> {
    let mut data = id.to_le_bytes().to_vec();
    data.resize(8 + length, id as u8);
    data
}

impl Rig {
    pub(super) fn new(files: &SimFiles) -> Self {
        Self::open(files, &Arc::default()).expect("the log opens")
    }

    pub(super) fn open(files: &SimFiles, clock: &Arc<ManualClock>) -> Result<Self, OpenError> {
        Self::open_with(files, clock, options())
    }

    pub(super) fn open_with(files: &SimFiles, clock: &Arc<ManualClock>, options: Options) -> Result<Self, OpenError> {
        let disk = Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), SMALL, &Seeded::new(7))?;
        let opened = open(Arc::new(disk), clock.clone(), options)?;
        Ok(Self {
            files: files.clone(),
            clock: clock.clone(),
            log: opened.log,
            writer: opened.writer,
            housekeeper: opened.housekeeper,
            next_record: 1,
        })
    }

    /// Stops without closing, as a kill does, and opens again on the disk that a power cut may have left.
    pub(super) fn power_cut(self, unsynced: Unsynced) -> Result<Self, OpenError> {
        let next_record = self.next_record;
        let (files, clock) = (self.files.crash(unsynced), self.clock.clone());
        drop(self);
        Ok(Self { next_record, ..Self::open(&files, &clock)? })
    }

    /// Stops without closing and opens again: the page cache survives.
    pub(super) fn kill(self) -> Result<Self, OpenError> {
        let next_record = self.next_record;
        let (files, clock) = (self.files.clone(), self.clock.clone());
        drop(self);
        Ok(Self { next_record, ..Self::open(&files, &clock)? })
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>) -> Result<u64, LogError> {
        let commit = self.log.commit(vec![Transaction { changes, ..Transaction::default() }]);
        self.writer.turn().map_err(|_| LogError::Unknown)?;
        now(commit).expect("answered")?.pop().expect("one outcome").map_err(|_| LogError::Invalid("conflict"))
    }

    pub(super) fn put(&mut self, key: &str, value: &str) -> Result<u64, LogError> {
        self.commit(vec![Change::Put { key: Key::new(key), value: value.as_bytes().to_vec().into() }])
    }

    pub(super) fn open_shards(&mut self, count: u32) -> Vec<ShardKey> {
        let keys: Vec<_> = self.log.new_shard_keys(count).collect();
        self.commit(keys.iter().map(|shard| Change::OpenShard { shard: *shard, class: 24 }).collect()).expect("open");
        keys
    }

    /// Queues an append of `count` records of `length` bytes to each of `shards`: their numbers and the answer.
    #[expect(clippy::type_complexity, reason = "a test helper")]
    pub(super) fn queue(
        &mut self,
        shards: &[ShardKey],
        count: u64,
        length: usize,
    ) -> (Vec<(ShardKey, Vec<u64>)>, impl Future<Output = Result<Appended, LogError>> + use<>) {
        let mut runs = Vec::new();
        let mut numbers = Vec::new();
        for shard in shards {
            let mut run = RunBuilder::new(*shard);
            let ids: Vec<u64> = (self.next_record..self.next_record + count).collect();
            self.next_record += count;
            for id in &ids {
                run.push(Some(&format!("key-{id}")), &record(*id, length), RecordFlags::NONE);
            }
            runs.push(run.finish());
            numbers.push((*shard, ids));
        }
        (numbers, self.log.append(runs))
    }

    /// Appends and records in the model what came of it.
    pub(super) fn append(
        &mut self,
        model: &mut Model,
        shards: &[ShardKey],
        count: u64,
        length: usize,
    ) -> Result<(), Fatal> {
        let (numbers, answer) = self.queue(shards, count, length);
        let turned = self.writer.turn();
        match now(answer) {
            Some(Ok(appended)) => {
                for ((shard, ids), first) in numbers.into_iter().zip(appended.first) {
                    let expected = model.entry(shard.0).or_default();
                    assert_eq!(first.is_none(), expected.closed, "a run is left out exactly where its shard is closed");
                    if let Some(first) = first {
                        assert_eq!(first, expected.acknowledged.len() as u64, "positions have no gaps");
                        expected.acknowledged.extend(ids);
                    }
                }
            }
            // Not answered: the writer failed, and the runs may be there.
            None | Some(Err(LogError::Unknown)) => {
                for (shard, ids) in numbers {
                    model.entry(shard.0).or_default().unknown.push(ids);
                }
            }
            Some(Err(_)) => {}
        }
        turned.map(drop)
    }

    /// All records of a shard that can be read.
    pub(super) fn read_all(&self, shard: ShardKey) -> Vec<u64> {
        let mut records = Vec::new();
        let mut position = 0;
        loop {
            let blocks = now(self.log.read(shard, position, 7, 5000)).expect("no threads").expect("readable");
            if blocks.is_empty() {
                return records;
            }
            for (at, record) in blocks.iter().flat_map(|block| block.records()) {
                let id = u64::from_le_bytes(record.data[..8].try_into().expect("eight bytes"));
                assert_eq!(record.partition_key, Some(&*format!("key-{id}")));
                assert!(at >= position, "positions rise");
                position = at + 1;
                records.push(id);
            }
        }
    }

    /// Holds the log to the model: all that was acknowledged, once, in order; what nobody knows whole or not at all.
    pub(super) fn check(&self, model: &mut Model) {
        for (key, expected) in model.iter_mut() {
            let read = self.read_all(ShardKey(*key));
            let known = &expected.acknowledged[expected.first as usize..];
            assert!(
                read.starts_with(known),
                "shard {key} lost acknowledged records: has {} of {}",
                read.len(),
                known.len()
            );
            let mut rest = &read[known.len()..];
            for ids in expected.unknown.drain(..) {
                if let Some(left) = rest.strip_prefix(&ids[..]) {
                    rest = left;
                    expected.acknowledged.extend(ids);
                }
            }
            assert!(rest.is_empty(), "shard {key} has records that nobody wrote: {rest:?}");
        }
    }
}
