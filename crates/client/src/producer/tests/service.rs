//! A service that fails on purpose, and what a consumer that follows the KCL reads from it.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use rheos_types::{HashKey, HashRange, Random};

use crate::aggregation::{Contents, UserRecord, unpack};
use crate::producer::transport::{Answer, Entry, EntryError, Placed, Shard};

/// Dice that give the same for the same seed.
#[derive(Debug)]
pub(super) struct Dice(Mutex<u64>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    /// A number below `sides`.
    pub(super) fn roll(&self, sides: u64) -> u64 {
        u64::from_be_bytes(rheos_types::random::bytes(self)) % sides
    }

    pub(super) fn is_hit(&self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

impl Random for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in buffer {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            *byte = (*state >> 32) as u8;
        }
    }
}

/// What was stored of an entry.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) partition_key: String,
    pub(super) data: Bytes,
    pub(super) sequence: u64,
}

#[derive(Debug)]
pub(super) struct StoredShard {
    pub(super) id: String,
    pub(super) range: HashRange,
    pub(super) is_open: bool,
    pub(super) records: Vec<Stored>,
}

/// Shards and what is in them. Sequence numbers rise over all of them.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) shards: Vec<StoredShard>,
    sequence: u64,
    /// Percents of entries that are throttled, and that fail inside.
    pub(super) throttled: u64,
    pub(super) failing: u64,
}

/// A user record that a reader sees: shard, sequence number, sub-sequence number, and its number in the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) shard_id: String,
    pub(super) sequence: u64,
    pub(super) sub_sequence: Option<u64>,
}

impl Service {
    pub(super) fn new(shards: u32) -> Self {
        let shards = HashRange::uniform(shards).enumerate().map(|(at, range)| StoredShard {
            id: name(at),
            range,
            is_open: true,
            records: Vec::new(),
        });
        Self { shards: shards.collect(), sequence: 0, throttled: 0, failing: 0 }
    }

    pub(super) fn open(&self) -> Vec<usize> {
        (0..self.shards.len()).filter(|at| self.shards[*at].is_open).collect()
    }

    pub(super) fn list(&self) -> Vec<Shard> {
        let open = self.shards.iter().filter(|shard| shard.is_open);
        open.map(|shard| Shard { id: (&*shard.id).into(), range: shard.range }).collect()
    }

    /// Splits a shard, or merges it with the next one.
    pub(super) fn reshard(&mut self, dice: &Dice) {
        let open = self.open();
        let at = open[dice.roll(open.len() as u64) as usize];
        let HashRange { start, end } = self.shards[at].range;
        let neighbour =
            open.iter().copied().find(|other| Some(self.shards[*other].range.start.0) == end.0.checked_add(1));
        let ranges = match neighbour {
            Some(neighbour) if dice.is_hit(50) => {
                self.shards[neighbour].is_open = false;
                vec![HashRange { start, end: self.shards[neighbour].range.end }]
            }
            _ => {
                let middle = HashKey(start.0 + (end.0 - start.0) / 2);
                vec![HashRange { start, end: middle }, HashRange { start: HashKey(middle.0 + 1), end }]
            }
        };
        self.shards[at].is_open = false;
        for range in ranges {
            let id = name(self.shards.len());
            self.shards.push(StoredShard { id, range, is_open: true, records: Vec::new() });
        }
    }

    pub(super) fn put(&mut self, entries: &[Entry], dice: &Dice) -> Vec<Answer> {
        entries.iter().map(|entry| self.put_one(entry, dice)).collect()
    }

    fn put_one(&mut self, entry: &Entry, dice: &Dice) -> Answer {
        if dice.is_hit(self.throttled) {
            return Err(error("ProvisionedThroughputExceededException"));
        }
        let is_failing = dice.is_hit(self.failing);
        if is_failing && dice.is_hit(50) {
            return Err(error("InternalFailure"));
        }
        let hash = match &entry.explicit_hash_key {
            Some(text) => HashKey::parse(text).unwrap(),
            None => HashKey::of_partition_key(&entry.partition_key),
        };
        self.sequence += 1;
        let shard = self.shards.iter_mut().find(|shard| shard.is_open && shard.range.contains(hash)).unwrap();
        shard.records.push(Stored {
            partition_key: entry.partition_key.to_string(),
            data: entry.data.clone(),
            sequence: self.sequence,
        });
        if is_failing {
            return Err(error("InternalFailure"));
        }
        let sequence_number = self.sequence.to_string().into();
        Ok(Placed { shard_id: (&*shard.id).into(), sequence_number })
    }

    /// Where a reader sees each number: user records of aggregated records that lie in their shard as a whole, and plain ones.
    pub(super) fn read(&self) -> HashMap<u64, Vec<Seen>> {
        self.numbers(|shard, records| records.iter().all(|record| shard.range.contains(record.hash_key())))
    }

    /// As [`Self::read`], with what a reader drops.
    pub(super) fn read_everything(&self) -> HashMap<u64, Vec<Seen>> {
        self.numbers(|_, _| true)
    }

    fn numbers(&self, is_kept: impl Fn(&StoredShard, &[UserRecord<'_>]) -> bool) -> HashMap<u64, Vec<Seen>> {
        let mut seen: HashMap<u64, Vec<Seen>> = HashMap::new();
        for shard in &self.shards {
            for stored in &shard.records {
                let (records, is_aggregated) = match unpack(&stored.data) {
                    Contents::Aggregated(records) => (records, true),
                    Contents::Plain => {
                        let (partition_key, data) = (&*stored.partition_key, &*stored.data);
                        (vec![UserRecord { partition_key, data, ..UserRecord::default() }], false)
                    }
                    Contents::Malformed(why) => panic!("{why}"),
                };
                if is_aggregated && !is_kept(shard, &records) {
                    continue;
                }
                for (at, record) in records.iter().enumerate() {
                    seen.entry(number(record.data)).or_default().push(Seen {
                        shard_id: shard.id.clone(),
                        sequence: stored.sequence,
                        sub_sequence: is_aggregated.then_some(at as u64),
                    });
                }
            }
        }
        for seen in seen.values_mut() {
            seen.sort_by_key(|seen| seen.sequence);
        }
        seen
    }
}

fn name(at: usize) -> String {
    format!("shardId-{at:012}")
}

fn error(code: &str) -> EntryError {
    EntryError { code: code.into(), message: "on purpose".into() }
}

/// The number that a record's data begins with.
pub(super) fn number(data: &[u8]) -> u64 {
    u64::from_be_bytes(*data.first_chunk().unwrap())
}

/// Data of a record with this number.
pub(super) fn data(number: u64, length: usize) -> Bytes {
    let mut data = number.to_be_bytes().to_vec();
    data.resize(length.max(8), b'.');
    data.into()
}
