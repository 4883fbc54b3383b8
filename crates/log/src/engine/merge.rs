//! Merging: segments in which many shards have small runs become larger ones with fewer, larger runs. Otherwise a shard with
//! a trickle of records would have a run in memory, and a place to look for, for every log file of its retention.
//!
//! A stretch of segments of one retention class that follow each other is merged when there are enough of about one size;
//! so each record is copied once for each eightfold, as in any log-structured tree. Merging ends when runs are large enough,
//! or the segment is an eighth of what the class holds: freeing, which is by whole files, stays fine enough.
//!
//! The work is done in slices, so that what is waiting for segments never waits for it. Until the new root is published
//! the old segments count; what a crash leaves of the new ones is removed at the next start.

use super::housekeeper::{Holding, Housekeeper};
use super::segment::{SegmentBuilder, SegmentRun};
use rheos_types::ShardKey;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;

/// So many segments of about one size are made into one.
const FAN_IN: usize = 8;
/// At most so many at a time.
const MOST_SOURCES: usize = 2 * FAN_IN;
/// Segments below this are of one size; from there, each eightfold is another.
const SMALLEST_BYTES: u64 = 64 << 10;
/// Runs that are this large on average are left alone.
const LARGE_RUN_BYTES: u64 = 1 << 20;
/// What may be merged however little the class holds.
const LEAST_BOUND_BYTES: u64 = 64 << 20;
/// A merged segment is at most such a part of what its class holds.
const PART_OF_CLASS: u64 = 8;
/// Bytes that one slice copies, and a little more.
const SLICE_BYTES: u64 = 8 << 20;

/// A merge under way.
pub(super) struct Merge {
    sources: Vec<String>,
    /// What is still to be copied: the output that it goes to, and the run. By output, then shard, then position.
    left: VecDeque<(usize, SegmentRun)>,
    /// The output that is being written.
    open: Option<(usize, String, SegmentBuilder)>,
    done: Vec<(String, Vec<SegmentRun>)>,
}

/// What one slice came to.
enum Slice {
    More,
    Done,
    /// A source has gone or is damaged.
    Obstructed(Option<String>),
}

impl Housekeeper {
    /// Does a slice of merging. Whether there is more to do at once.
    ///
    /// # Errors
    /// The medium's: the merge is given up, and nothing has changed.
    pub(super) fn merge_some(&mut self) -> io::Result<bool> {
        if !self.shared.backlog.is_empty() {
            // Comes again when the backlog has been worked off.
            return Ok(false);
        }
        let Some(mut merge) = self.merge.take().or_else(|| self.plan_merge()) else { return Ok(false) };
        match self.slice(&mut merge) {
            Ok(Slice::More) => {
                self.merge = Some(merge);
                Ok(true)
            }
            Ok(Slice::Done) => self.finish_merge(merge).map(|()| true),
            Ok(Slice::Obstructed(damaged)) => {
                if let Some(name) = damaged {
                    tracing::error!(segment = %name, "the segment is damaged: it is left as it is and not merged");
                    self.unmergeable.insert(name);
                }
                self.give_up(merge.written());
                Ok(false)
            }
            Err(error) => {
                self.give_up(merge.written());
                Err(error)
            }
        }
    }

    /// The next stretch to merge, if there is one and room for it.
    fn plan_merge(&mut self) -> Option<Merge> {
        let sources = self.stretch()?;
        let bytes: u64 = sources.iter().filter_map(|name| self.segments.get(name)).map(|holding| holding.bytes).sum();
        if !self.shared.medium.has_room_for_object(bytes) {
            return None;
        }
        // Each shard's runs in these, by position.
        let mut runs: BTreeMap<u64, Vec<SegmentRun>> = BTreeMap::new();
        for (key, _) in sources.iter().filter_map(|name| self.segments.get(name)).flat_map(|holding| &holding.ends) {
            if runs.contains_key(key) {
                continue;
            }
            let Some(shard) = self.shared.shards.get(ShardKey(*key)) else { continue };
            let index = shard.index();
            let here = index.segments.iter().filter(|run| sources.contains(&run.segment.name));
            runs.insert(*key, here.cloned().collect());
        }
        // A run has no gaps: where a shard has records in a file of its own in between, the rest goes to another output.
        let mut left: Vec<(usize, SegmentRun)> = Vec::new();
        for run in runs.into_values().flatten() {
            let output = match left.last() {
                Some((output, before)) if before.shard == run.shard => output + usize::from(before.next != run.first),
                _ => 0,
            };
            left.push((output, run));
        }
        left.sort_by_key(|(output, _)| *output);
        tracing::debug!(segments = sources.len(), bytes, "merging");
        Some(Merge { sources, left: left.into(), open: None, done: Vec::new() })
    }

    /// Segments of one class that follow each other and are worth merging.
    fn stretch(&self) -> Option<Vec<String>> {
        let mut classes: BTreeMap<u32, Vec<(&String, &Holding)>> = BTreeMap::new();
        for name in &self.root.segments {
            let Some(holding) = self.segments.get(name) else { continue };
            let living = holding.ends.iter().find_map(|(key, _)| self.shared.shards.get(ShardKey(*key)));
            // What nobody wants any more is freed, not merged.
            let Some(shard) = living else { continue };
            let class = shard.index().class;
            classes.entry(class).or_default().push((name, holding));
        }
        classes.into_values().find_map(|segments| self.stretch_of(&segments))
    }

    fn stretch_of(&self, segments: &[(&String, &Holding)]) -> Option<Vec<String>> {
        let all: u64 = segments.iter().map(|(_, holding)| holding.bytes).sum();
        let most = (all / PART_OF_CLASS).max(LEAST_BOUND_BYTES);
        // Segments of single shards are no part of any stretch, nor an end of one: what follows is still of the same time.
        let small: Vec<_> = segments
            .iter()
            .filter(|(_, holding)| holding.bytes / holding.ends.len().max(1) as u64 <= LARGE_RUN_BYTES)
            .collect();
        let is_free = |name: &String, holding: &Holding| !self.unmergeable.contains(name) && holding.bytes <= most / 2;
        let largest = small.iter().map(|(_, holding)| size_class(holding.bytes)).max()?;
        for size in 0..=largest {
            let mut stretch: Vec<String> = Vec::new();
            let mut bytes = 0;
            for (name, holding) in &small {
                let fits = is_free(name, holding) && size_class(holding.bytes) <= size;
                if !fits || bytes + holding.bytes > most || stretch.len() == MOST_SOURCES {
                    if stretch.len() >= FAN_IN {
                        return Some(stretch);
                    }
                    stretch.clear();
                    bytes = 0;
                }
                if fits {
                    stretch.push((*name).clone());
                    bytes += holding.bytes;
                }
            }
            if stretch.len() >= FAN_IN {
                return Some(stretch);
            }
        }
        None
    }

    fn slice(&mut self, merge: &mut Merge) -> io::Result<Slice> {
        let mut copied = 0;
        while copied < SLICE_BYTES {
            let Some((output, run)) = merge.left.pop_front() else {
                finish_output(merge)?;
                return Ok(Slice::Done);
            };
            if merge.open.as_ref().is_some_and(|(open, ..)| *open != output) {
                finish_output(merge)?;
            }
            copied += run.bytes;
            let first = self.shared.shards.get(run.shard).map(|shard| shard.index().first);
            // Gone, or expired, since the merge was planned.
            if let Some(first) = first.filter(|first| *first < run.next) {
                let (open, root, medium) = (&mut merge.open, &mut self.root, &*self.shared.medium);
                let copying = run.copy(medium, first, |entry, time_ms, records| {
                    if open.is_none() {
                        let name = root.name_object("segment");
                        let builder = SegmentBuilder::create(medium, &name)?;
                        *open = Some((output, name, builder));
                    }
                    open.as_mut().map_or(Ok(()), |(.., builder)| builder.push(entry, time_ms, records))
                });
                match copying {
                    Ok(true) => {}
                    Ok(false) => return Ok(Slice::Obstructed(Some(run.segment.name.clone()))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Slice::Obstructed(None)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Slice::More)
    }

    /// The merged segments take the place of their sources.
    fn finish_merge(&mut self, merge: Merge) -> io::Result<()> {
        let mut root = self.root.clone();
        root.replace_segments(&merge.sources, merge.done.iter().map(|(name, _)| name.clone()).collect());
        // After an error it may have been published all the same: so nothing is deleted, and the next start finds what counts.
        self.publish(root)?;
        let mut merged: HashMap<u64, Vec<SegmentRun>> = HashMap::new();
        for (name, runs) in merge.done {
            self.segments.insert(name, Holding::of(&runs));
            for run in runs {
                merged.entry(run.shard.0).or_default().push(run);
            }
        }
        for (key, runs) in merged {
            let Some(shard) = self.shared.shards.get(ShardKey(key)) else { continue };
            let mut index = shard.index();
            index.segments.retain(|run| !merge.sources.contains(&run.segment.name));
            index.segments.extend(runs);
            index.segments.make_contiguous().sort_by_key(|run| run.first);
            index.segments.shrink_to_fit();
            index.forget_trimmed();
        }
        for name in merge.sources {
            self.segments.remove(&name);
            self.shared.medium.delete_object(&name)?;
        }
        Ok(())
    }
}

impl Merge {
    /// The segments that have been begun.
    fn written(&self) -> impl Iterator<Item = &String> {
        let open = self.open.as_ref().map(|(_, name, _)| name);
        self.done.iter().map(|(name, _)| name).chain(open)
    }
}

fn finish_output(merge: &mut Merge) -> io::Result<()> {
    if let Some((_, name, builder)) = merge.open.take() {
        merge.done.push((name, builder.finish()?));
    }
    Ok(())
}

/// 0 for the smallest segments, and one more for each eightfold.
fn size_class(bytes: u64) -> u32 {
    (bytes / SMALLEST_BYTES).checked_ilog(8).map_or(0, |log| log + 1)
}
