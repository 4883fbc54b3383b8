//! What a log must hold: the same rules as the engine's, in their simplest form.

use super::super::rig::{now, record};
use crate::{Change, Key, Log, Transaction};
use rheos_types::ShardKey;
use std::collections::BTreeMap;

/// A shard as a reader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShardView {
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) closed: bool,
    /// The number in each record from `first` on.
    pub(super) records: Vec<u64>,
}

/// Everything that can be read from a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) shards: BTreeMap<u64, ShardView>,
    /// Versions and values.
    pub(super) catalog: BTreeMap<String, (u64, Vec<u8>)>,
}

/// What is asked of a log at once.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// Records of this length, by their numbers, for each shard.
    Append {
        runs: Vec<(u64, Vec<u64>)>,
        length: usize,
    },
    Commit(Vec<Transaction>),
}

/// What a log answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Appended(Vec<Option<u64>>),
    /// The version after each transaction; `None`: a condition did not hold.
    Committed(Vec<Option<u64>>),
}

/// What a log must hold after some requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) view: View,
    version: u64,
}

impl From<View> for Model {
    fn from(view: View) -> Self {
        // Not what was last given: a deletion may have had that. Whoever goes on from here does not compare versions.
        Self { view, version: 0 }
    }
}

impl Model {
    pub(super) fn apply(&mut self, request: &Request) -> Answer {
        match request {
            Request::Append { runs, .. } => {
                Answer::Appended(runs.iter().map(|(shard, numbers)| self.append(*shard, numbers)).collect())
            }
            Request::Commit(transactions) => {
                Answer::Committed(transactions.iter().map(|transaction| self.commit(transaction)).collect())
            }
        }
    }

    fn append(&mut self, shard: u64, numbers: &[u64]) -> Option<u64> {
        let shard = self.view.shards.get_mut(&shard).filter(|shard| !shard.closed)?;
        let first = shard.next;
        shard.next += numbers.len() as u64;
        shard.records.extend(numbers);
        Some(first)
    }

    fn commit(&mut self, transaction: &Transaction) -> Option<u64> {
        let version = |key: &Key| self.view.catalog.get(key.as_str()).map(|(version, _)| *version);
        if transaction.conditions.iter().any(|condition| version(&condition.key) != condition.version) {
            return None;
        }
        transaction.changes.iter().for_each(|change| self.change(change));
        Some(self.version)
    }

    fn change(&mut self, change: &Change) {
        let View { shards, catalog } = &mut self.view;
        match change {
            Change::Put { key, value } => {
                self.version += 1;
                catalog.insert(key.as_str().to_owned(), (self.version, value.to_vec()));
            }
            Change::Delete { key } => {
                self.version += 1;
                catalog.remove(key.as_str());
            }
            Change::OpenShard { shard, .. } => drop(shards.entry(shard.0).or_default()),
            Change::CloseShard { shard } => {
                if let Some(shard) = shards.get_mut(&shard.0) {
                    shard.closed = true;
                }
            }
            Change::DropShard { shard } => drop(shards.remove(&shard.0)),
            Change::TrimShard { shard, below } => {
                if let Some(shard) = shards.get_mut(&shard.0) {
                    let below = (*below).min(shard.next).max(shard.first);
                    shard.records.drain(..(below - shard.first) as usize);
                    shard.first = below;
                }
            }
            Change::SetShardClass { .. } => {}
        }
    }
}

/// Reads everything that there is in a log whose shard keys are below `shards`.
pub(super) fn observe(log: &Log, shards: u64) -> Result<View, String> {
    let mut view = View::default();
    for key in 0..shards {
        let shard = ShardKey(key);
        let Some(info) = log.shard(shard) else { continue };
        let records = read(log, shard, info.first, info.next)?;
        view.shards.insert(key, ShardView { first: info.first, next: info.next, closed: info.closed, records });
    }
    for (key, versioned) in log.scan("") {
        view.catalog.insert(key.as_str().to_owned(), (versioned.version, versioned.value.to_vec()));
    }
    Ok(view)
}

fn read(log: &Log, shard: ShardKey, first: u64, next: u64) -> Result<Vec<u64>, String> {
    let mut records = Vec::new();
    let mut position = first;
    loop {
        let blocks = now(log.read(shard, position, 50, 100_000)).ok_or("a read waits though there are no threads")?;
        let blocks =
            blocks.map_err(|error| format!("shard {shard} cannot be read from position {position}: {error}"))?;
        if blocks.is_empty() {
            break;
        }
        for (at, found) in blocks.iter().flat_map(|block| block.records()) {
            if at != position {
                return Err(format!("shard {shard} has position {at} where {position} should be"));
            }
            position += 1;
            let number = found.data.first_chunk().map(|number| u64::from_le_bytes(*number));
            let number = number.ok_or_else(|| format!("shard {shard} has a record without number at {at}"))?;
            if found.data != record(number, found.data.len() - 8) || found.partition_key != Some(&*key(number)) {
                return Err(format!("shard {shard} has a record at {at} that nobody wrote"));
            }
            records.push(number);
        }
    }
    if position != next {
        return Err(format!("shard {shard} ends at {position}, and says that it ends at {next}"));
    }
    Ok(records)
}

/// The partition key of a record.
pub(super) fn key(number: u64) -> String {
    format!("key-{number}")
}

/// How two views differ, for people.
pub(super) fn difference(found: &View, expected: &View) -> String {
    let mut lines = Vec::new();
    let keys = found.shards.keys().chain(expected.shards.keys()).collect::<std::collections::BTreeSet<_>>();
    for key in keys {
        match (found.shards.get(key), expected.shards.get(key)) {
            (Some(found), Some(expected)) if found == expected => {}
            (Some(found), Some(expected)) => lines.push(format!(
                "shard {key} is {}..{} closed {} with {} records, expected {}..{} closed {} with {}",
                found.first,
                found.next,
                found.closed,
                found.records.len(),
                expected.first,
                expected.next,
                expected.closed,
                expected.records.len()
            )),
            (found, _) => lines.push(format!("shard {key} is {}", if found.is_some() { "there" } else { "missing" })),
        }
    }
    if found.catalog != expected.catalog {
        lines.push(format!("the catalog is {:?}, expected {:?}", found.catalog, expected.catalog));
    }
    lines.join("; ")
}
