//! From a medium to the state before the stop: newest readable snapshot, then the log since, then the segments.

use super::Shared;
use super::backlog::{Backlog, Sealed};
use super::housekeeper::Holding;
use super::root::{Root, load_snapshot};
use super::segment::{self, OpenedSegment};
use super::shards::{FileLoad, LiveBatch, LiveRun, Shards};
use crate::batch::ParsedBatch;
use crate::change::Change;
use crate::log::Options;
use crate::medium::{Location, Medium, Objects, OpenError};
use crate::state::State;
use rheos_types::Clock;
use std::collections::HashMap;
use std::sync::Arc;

/// What recovery comes to.
pub(crate) struct Recovered {
    pub(crate) shared: Shared,
    pub(crate) state: State,
    pub(crate) root: Root,
    /// What the segments hold, by name.
    pub(crate) segments: HashMap<String, Holding>,
    /// The file that the last batch lies in.
    pub(crate) file_id: Option<u64>,
    /// What is in that file.
    pub(crate) load: FileLoad,
}

/// Reads everything back.
pub(crate) fn recover(
    medium: Arc<dyn Medium>,
    clock: Arc<dyn Clock>,
    options: Options,
) -> Result<Recovered, OpenError> {
    let root = Root::decode(medium.root().as_ref())?;
    let snapshot = newest_snapshot(&*medium, &root)?;
    let shards = Shards::default();
    let mut replay = Replay::new(snapshot, root.flushed_upto);
    let covered_upto = replay.snapshot_batch.min(root.flushed_upto);
    medium.replay(covered_upto, &mut |batch, location| replay.batch(&batch, location))?;
    replay.check_end()?;
    let Replay { state, runs, file_id, load, sealed, .. } = replay;
    for (key, shard) in &state.shards {
        let opened = shards.open(rheos_types::ShardKey(*key));
        let mut index = opened.index();
        (index.first, index.next) = (shard.first, shard.next);
        (index.closed, index.class, index.last_time_ms) = (shard.closed, shard.class, shard.last_time_ms);
    }
    let segments = load_segments(&*medium, &root, &shards)?;
    // Everything is of a format that this version knows: from here on the log is this process's.
    medium.begin()?;
    for run in runs {
        let Some(shard) = shards.get(run.entry.shard) else { continue };
        let mut index = shard.index();
        // What a segment holds already is not needed from the log.
        let covered = index.segments.back().map_or(0, |run| run.next);
        if run.next() > covered.max(index.first) {
            index.live.push_back(run);
        }
    }
    let backlog = Backlog::new(&options, sealed, &state);
    remove_orphans(&*medium, &root);
    let shared = Shared::new(medium, clock, options, &state, shards, backlog);
    Ok(Recovered { shared, state, root, segments, file_id, load })
}

/// The newest snapshot that can be read; the one before it is there for that case.
pub(crate) fn newest_snapshot(objects: &dyn Objects, root: &Root) -> Result<State, OpenError> {
    let mut newest = None;
    for snapshot in &root.snapshots {
        match load_snapshot(objects, snapshot) {
            Ok(state) => return Ok(state),
            Err(error @ OpenError::Newer { .. }) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "a snapshot cannot be read: trying the one before it");
                newest.get_or_insert(error);
            }
        }
    }
    // With one snapshot or none the whole log is still there.
    match newest {
        Some(error) if root.snapshots.len() > 1 => Err(error),
        Some(_) | None => Ok(State::default()),
    }
}

/// The state of a snapshot, brought up to date batch by batch.
pub(crate) struct Replay {
    snapshot_batch: u64,
    state: State,
    runs: Vec<LiveRun>,
    file_id: Option<u64>,
    /// What the last file holds.
    load: FileLoad,
    last: u64,
    /// Log files before the last one that hold records which no segment holds.
    sealed: Vec<Sealed>,
    flushed_upto: u64,
}

impl Replay {
    /// From a snapshot on; segments hold every record of the batches up to `flushed_upto`.
    pub(crate) fn new(snapshot: State, flushed_upto: u64) -> Self {
        Self {
            snapshot_batch: snapshot.batch,
            state: snapshot,
            runs: Vec::new(),
            file_id: None,
            load: FileLoad::default(),
            last: 0,
            sealed: Vec::new(),
            flushed_upto,
        }
    }

    /// Takes the next batch.
    pub(crate) fn batch(&mut self, batch: &ParsedBatch, location: Location) -> Result<(), OpenError> {
        let number = batch.header.number;
        let corrupt = |what: String| OpenError::Corrupt {
            file: format!("log file {:016x}", location.file_id),
            offset: location.offset,
            what,
        };
        if self.file_id.replace(location.file_id).is_some_and(|before| before != location.file_id) {
            let load = std::mem::take(&mut self.load);
            if self.last > self.flushed_upto {
                self.sealed.push(Sealed { upto: self.last, index_bytes: load.index_bytes });
            }
        }
        self.load.add(batch.entries.len(), batch.header.time_ms);
        self.last = number;
        let is_new = number > self.snapshot_batch;
        let mut changes = Vec::new();
        if is_new {
            changes =
                batch.changes().ok_or_else(|| corrupt(format!("batch {number} has a change of no known kind")))?;
            changes.iter().for_each(|change| self.state.apply(change));
            self.state.batch = number;
            self.state.time_ms = batch.header.time_ms;
        }
        let live = LiveBatch::new(location, batch.header.time_ms, None);
        for (entry, offset) in batch.blocks() {
            let Some(shard) = self.state.shards.get_mut(&entry.shard.0) else {
                // One that was dropped later, in this batch or as the snapshot knows: its records are not wanted.
                if !is_new || changes.contains(&Change::DropShard { shard: entry.shard }) {
                    continue;
                }
                return Err(corrupt(format!(
                    "batch {number} has records of shard {}, which is not there",
                    entry.shard
                )));
            };
            if is_new {
                if shard.next != entry.first {
                    return Err(corrupt(format!(
                        "batch {number} has records of shard {} from position {}, expected {}",
                        entry.shard, entry.first, shard.next
                    )));
                }
                shard.next += u64::from(entry.count);
                shard.last_time_ms = batch.header.time_ms;
            }
            self.runs.push(LiveRun::new(entry, offset, live.clone()));
        }
        Ok(())
    }

    /// Whether the batches came at least as far as the snapshot and the segments: the last batch of all is never let go of.
    pub(crate) fn check_end(&self) -> Result<(), OpenError> {
        let last = self.last;
        let known = [("the snapshot knows", self.snapshot_batch), ("the segments have", self.flushed_upto)];
        match known.into_iter().find(|(_, batch)| *batch > last) {
            Some((who, batch)) => Err(OpenError::Corrupt {
                file: "the log".to_owned(),
                offset: 0,
                what: format!("it ends with batch {last}, but {who} batch {batch}"),
            }),
            None => Ok(()),
        }
    }
}

/// Opens every segment's directory and hands its runs to their shards: what each segment holds, by name.
fn load_segments(medium: &dyn Medium, root: &Root, shards: &Shards) -> Result<HashMap<String, Holding>, OpenError> {
    let objects: &dyn Objects = medium;
    let mut segments = HashMap::new();
    for name in &root.segments {
        let directory = match segment::open(objects, name) {
            Ok(OpenedSegment::Read(directory)) => directory,
            Ok(OpenedSegment::Newer { format }) => {
                return Err(OpenError::newer(name, format, 0));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(OpenError::Missing { file: format!("objects/{name}") });
            }
            Err(source) => return Err(OpenError::Io { what: "cannot read segment", file: name.clone(), source }),
        };
        if directory.rebuilt {
            tracing::error!(segment = %name, "the segment's directory is damaged: rebuilt from its blocks");
        }
        let holding = Holding::of(&directory.runs);
        for run in directory.runs {
            if let Some(shard) = shards.get(run.shard) {
                let mut index = shard.index();
                if run.next > index.first {
                    index.segments.push_back(run);
                }
            }
        }
        segments.insert(name.clone(), holding);
    }
    // A merged segment stands among others that are older than a part of it.
    for (_, shard) in shards.all() {
        shard.index().segments.make_contiguous().sort_by_key(|run| run.first);
    }
    Ok(segments)
}

/// Deletes objects that no root names: what a crash left between writing and publishing.
fn remove_orphans(medium: &dyn Medium, root: &Root) {
    let removed = medium.list_objects().and_then(|names| {
        names.iter().filter(|name| !root.names(name)).try_for_each(|name| medium.delete_object(name))
    });
    if let Err(error) = removed {
        tracing::warn!(%error, "cannot delete objects that nothing names: trying again at the next start");
    }
}
