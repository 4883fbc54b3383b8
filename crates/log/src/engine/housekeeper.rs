//! Housekeeping: records of sealed log files go into segments, a snapshot covers their changes, a new root makes it so;
//! only then may the log files be used again. A step function, like the writer; everything here can be tried again.

use super::Shared;
use super::backlog::Due;
use super::merge::Merge;
use super::root::{Root, SnapshotRef, encode_snapshot};
use super::segment::{SegmentBuilder, SegmentRun};
use super::shards::{LiveRun, Shard};
use crate::batch::BlockEntry;
use crate::record::Block;
use crate::state::State;
use rheos_types::ShardKey;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A shard with this much to write gets a file of its own, so that it can be freed by itself.
pub(crate) const OWN_FILE_BYTES: u64 = 4 << 20;

/// Bytes of records that a block of a segment has, about: larger ones of the log are written in parts.
const PART_BYTES: usize = 64 << 10;

/// The housekeeper.
pub struct Housekeeper {
    pub(super) shared: Arc<Shared>,
    pub(super) root: Root,
    /// What each segment holds.
    pub(super) segments: HashMap<String, Holding>,
    /// Segments that are being merged.
    pub(super) merge: Option<Merge>,
    /// Damaged ones, which stay as they are.
    pub(super) unmergeable: HashSet<String>,
}

/// What a segment holds.
#[derive(Debug)]
pub(crate) struct Holding {
    /// Bytes of its runs.
    pub(super) bytes: u64,
    /// Shards and the positions that their runs end at.
    pub(super) ends: Box<[(u64, u64)]>,
}

impl Holding {
    pub(crate) fn of(runs: &[SegmentRun]) -> Self {
        let ends = runs.iter().map(|run| (run.shard.0, run.next)).collect();
        Self { bytes: runs.iter().map(|run| run.bytes).sum(), ends }
    }
}

/// A shard's blocks to be written.
struct Work {
    key: ShardKey,
    shard: Arc<Shard>,
    runs: Vec<LiveRun>,
    bytes: u64,
}

impl Housekeeper {
    pub(crate) fn new(shared: Arc<Shared>, root: Root, segments: HashMap<String, Holding>) -> Self {
        Self { shared, root, segments, merge: None, unmergeable: HashSet::new() }
    }

    /// Does what there is to do.
    ///
    /// # Errors
    /// The medium's: nothing is lost and the next step tries again.
    pub fn step(&mut self) -> io::Result<()> {
        // Freeing comes first: on a full disk it makes the room that the rest needs.
        let done = self.free().and_then(|()| self.maintain()).and_then(|()| self.flush());
        if done.is_err() {
            self.shared.backlog.failed();
        }
        done?;
        self.free()?;
        // Last, and in slices: nobody waits for it, and everything else goes before.
        if self.merge_some()? {
            self.shared.housekeeping.wake();
        }
        Ok(())
    }

    fn maintain(&self) -> io::Result<()> {
        self.shared.medium.maintain(self.shared.backlog.is_log_busy(self.shared.clock.monotonic_ms()))
    }

    /// Writes the records of sealed log files to segments and lets the log files go.
    fn flush(&mut self) -> io::Result<()> {
        loop {
            let may_wait = self.shared.medium.files_that_may_wait(self.shared.options.deferred_bytes);
            let Some(due) = self.shared.backlog.due(may_wait, self.shared.clock.monotonic_ms()) else { return Ok(()) };
            self.write_out(&due)?;
            self.shared.backlog.written(&due);
            // Readers know by now where the records of these log files are.
            self.maintain()?;
        }
    }

    fn write_out(&mut self, due: &Due) -> io::Result<()> {
        let (sealed_upto, state) = (due.sealed_upto, &due.state);
        let mut written: Vec<(String, Vec<Work>, Vec<SegmentRun>)> = Vec::new();
        let plan = self.plan(sealed_upto, state);
        let snapshot = SnapshotRef { name: self.root.name_object("snapshot"), batch: state.batch };
        for (name, works) in plan {
            let bytes = works.iter().map(|work| work.bytes).sum::<u64>();
            if !self.shared.medium.has_room_for_object(bytes) {
                self.give_up(written.iter().map(|(name, ..)| name));
                return Err(io::ErrorKind::StorageFull.into());
            }
            match self.write_segment(&name, &works) {
                Ok(runs) => written.push((name, works, runs)),
                Err(error) => {
                    self.give_up(written.iter().map(|(name, ..)| name));
                    return Err(error);
                }
            }
        }
        let mut object = self.shared.medium.create_object(&snapshot.name)?;
        object.write(&encode_snapshot(state))?;
        object.finish()?;
        let mut root = self.root.clone();
        root.snapshots.insert(0, snapshot);
        let old_snapshots = root.snapshots.split_off(root.snapshots.len().min(2));
        root.segments.extend(written.iter().map(|(name, ..)| name.clone()));
        root.flushed_upto = sealed_upto;
        self.publish(root)?;

        for (name, works, runs) in written {
            self.segments.insert(name, Holding::of(&runs));
            for (work, run) in works.iter().zip(runs) {
                let mut index = work.shard.index();
                while index.live.front().is_some_and(|live| live.next() <= run.next) {
                    index.live.pop_front();
                }
                index.segments.push_back(run);
                index.forget_trimmed();
            }
        }
        old_snapshots.iter().try_for_each(|snapshot| self.shared.medium.delete_object(&snapshot.name))
    }

    /// Which blocks go into which new segment: one per retention class, and one for each shard with much to write.
    fn plan(&mut self, sealed_upto: u64, state: &State) -> Vec<(String, Vec<Work>)> {
        let mut sets: BTreeMap<u32, Vec<Work>> = BTreeMap::new();
        let mut plan = Vec::new();
        for (key, shard) in self.shared.shards.all() {
            let (runs, first): (Vec<_>, u64) = {
                let index = shard.index();
                let sealed = index.live.iter().take_while(|run| run.batch.location.number <= sealed_upto);
                (sealed.cloned().collect(), index.first)
            };
            let runs: Vec<_> = runs.into_iter().filter(|run| run.next() > first).collect();
            if runs.is_empty() {
                continue;
            }
            let bytes = runs.iter().map(|run| u64::from(run.entry.bytes)).sum();
            let work = Work { key, shard, runs, bytes };
            if bytes >= OWN_FILE_BYTES {
                plan.push((self.root.name_object("segment"), vec![work]));
            } else {
                let class = state.shards.get(&key.0).map_or(0, |shard| shard.class);
                sets.entry(class).or_default().push(work);
            }
        }
        plan.extend(sets.into_values().map(|works| (self.root.name_object("segment"), works)));
        plan
    }

    fn write_segment(&self, name: &str, works: &[Work]) -> io::Result<Vec<SegmentRun>> {
        let mut builder = SegmentBuilder::create(&*self.shared.medium, name)?;
        for work in works {
            for run in &work.runs {
                let block = match run.in_memory() {
                    Some(block) => block,
                    None => run.read_log(&*self.shared.medium)?.ok_or_else(|| damaged(work.key, run))?,
                };
                push(&mut builder, &run.entry, &block)?;
            }
        }
        builder.finish()
    }

    /// Deletes segments that no root will name.
    pub(super) fn give_up<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        for name in names {
            if let Err(error) = self.shared.medium.delete_object(name) {
                tracing::warn!(%error, segment = %name, "cannot delete an unneeded segment: the next start does");
            }
        }
    }

    pub(super) fn publish(&mut self, root: Root) -> io::Result<()> {
        self.shared.medium.publish(&root.encode()?, root.covered_upto())?;
        self.root = root;
        Ok(())
    }

    /// Deletes segments in which nothing is wanted any more: every run's shard is gone or has been trimmed beyond it.
    fn free(&mut self) -> io::Result<()> {
        if !self.shared.something_died.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let freed = self.free_dead();
        if freed.is_err() {
            self.shared.something_died.store(true, Ordering::Relaxed);
        }
        freed
    }

    fn free_dead(&mut self) -> io::Result<()> {
        let is_dead = |(shard, next): &(u64, u64)| {
            self.shared.shards.get(ShardKey(*shard)).is_none_or(|shard| *next <= shard.index().first)
        };
        let mut dead: Vec<String> = self
            .segments
            .iter()
            .filter(|(_, holding)| holding.ends.iter().all(is_dead))
            .map(|(name, _)| name.clone())
            .collect();
        if dead.is_empty() {
            return Ok(());
        }
        // The same history does the same to the disk, every time.
        dead.sort_unstable();
        let mut root = self.root.clone();
        root.segments.retain(|name| !dead.contains(name));
        self.publish(root)?;
        for name in dead {
            self.segments.remove(&name);
            self.shared.medium.delete_object(&name)?;
        }
        Ok(())
    }
}

/// Adds a block, a large one in parts: a reader reads and verifies whole blocks, and may want a few records only.
pub(crate) fn push(builder: &mut SegmentBuilder, entry: &BlockEntry, block: &Block) -> io::Result<()> {
    if block.len_bytes() <= 2 * PART_BYTES {
        return builder.push(*entry, block.time_ms(), block.bytes());
    }
    // The parts are vouched for anew, and only if all of it is as it was written. Once over all of it costs a tenth of
    // putting the checksums of the parts together.
    if crc32c::crc32c(block.bytes()) != entry.crc {
        return builder.push(*entry, block.time_ms(), block.bytes());
    }
    let mut rest = block.clone();
    while let Some(part) = rest.part(rest.first(), usize::MAX, PART_BYTES) {
        let (first, count, length) = (part.first(), part.count(), part.len_bytes());
        let crc = crc32c::crc32c(part.bytes());
        builder.push(
            BlockEntry { shard: entry.shard, first, count, bytes: length as u32, crc },
            part.time_ms(),
            part.bytes(),
        )?;
        rest = Block::new(first + u64::from(count), rest.count() - count, rest.time_ms(), rest.bytes().slice(length..));
    }
    Ok(())
}

fn damaged(key: ShardKey, run: &LiveRun) -> io::Error {
    let place = run.batch.location;
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "log file {:016x} is damaged at offset {}: positions {} to {} of shard {key}",
            place.file_id,
            place.offset,
            run.entry.first,
            run.next() - 1
        ),
    )
}
