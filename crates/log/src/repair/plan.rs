//! What is wrong with a data directory, what can be kept of it, and what is lost. Nothing is changed here.

use super::lost::{self, Lost};
use super::replay::{LogBlock, Replayed, replay};
use super::survey::{FoundLogFile, Survey};
use crate::batch::ALIGN;
use crate::change::{Key, Versioned};
use crate::check::{CheckReport, Finding};
use crate::files::Files;
use crate::medium::OpenError;
use crate::state::State;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Asked about the catalog and the shards of a state from which changes may be missing: what does not fit, if anything.
/// Shards are keys with whether they are closed.
pub type Consistent<'a> = dyn FnMut(&Kept) -> Result<(), String> + 'a;

/// Bytes that a record takes at least.
const LEAST_RECORD_BYTES: u64 = 7;
/// A log file with this much room left would have taken any batch: none after it is missing.
const ROOM_FOR_ANY_BATCH: u64 = 40 << 20;

/// Why a directory cannot be repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It cannot be looked into.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What cannot be missed is lost.
    #[error("{problem}")]
    Hopeless {
        /// What is lost, and what helps.
        problem: String,
    },
    /// The operating system refused while the repair was under way.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// What was written does not read well.
    #[error("the repaired directory does not check clean: {problem}")]
    Unsound {
        /// The first finding.
        problem: String,
    },
}

/// What a repaired directory will hold.
#[derive(Debug, Default)]
pub struct Kept {
    /// The catalog.
    pub catalog: Vec<(Key, Versioned)>,
    /// Shards: key, first readable position, next position, whether closed.
    pub shards: Vec<(u64, u64, u64, bool)>,
}

/// The end of the log that is given up, because what comes after the damage does not fit without what is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The last batch that stays.
    pub after_batch: u64,
    /// Readable batches that are given up.
    pub batches: u64,
    /// Readable records that are given up.
    pub records: u64,
    /// What does not fit.
    pub why: String,
}

/// Where a part of a shard's records is to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A run of a segment: the indices of both.
    Segment(usize, usize),
    /// A block of a batch: its index.
    Log(usize),
}

/// Positions of a shard, and where their records are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) source: Source,
}

/// What is to be done.
pub struct Plan {
    findings: Vec<Finding>,
    hopeless: Option<String>,
    pub(super) state: State,
    pub(super) blocks: Vec<LogBlock>,
    /// Of each shard, in order.
    pub(super) pieces: BTreeMap<u64, Vec<Piece>>,
    /// Segments that stay as they are, by index.
    pub(super) keeps: Vec<bool>,
    /// All that is lost, what earlier repairs named included.
    pub(super) lost: Vec<Lost>,
    known: Vec<Lost>,
    changes_lost: Vec<(u64, u64)>,
    cut: Option<Cut>,
    batches_lost: Vec<(u64, u64)>,
}

impl Plan {
    pub(crate) fn make(
        survey: &mut Survey,
        files: &Arc<dyn Files>,
        directory: &Path,
        consistent: &mut Consistent<'_>,
    ) -> Self {
        let mut findings = std::mem::take(&mut survey.findings);
        let last =
            survey.batches.values().filter(|found| found.whole).map(|found| found.header.number).max().unwrap_or(0);
        let snapshot_batch = survey.snapshot.as_ref().map_or(0, |(_, state)| state.batch);
        let hopeless = Self::is_hopeless(survey, snapshot_batch);
        let (replayed, limit, why) = Self::choose(survey, last, consistent);
        let batches_lost = Self::lost_batches(survey, last, snapshot_batch, &mut findings);
        let mut cut = None;
        let mut passed = 0;
        let mut highest = BTreeMap::new();
        if limit < last {
            let all = replay(survey, last);
            let given_up: Vec<_> = all.blocks.iter().filter(|block| block.batch > limit).collect();
            highest = all.highest(limit);
            cut = Some(Cut {
                after_batch: limit,
                batches: survey.batches.range(limit + 1..).filter(|(_, found)| found.whole).count() as u64,
                records: given_up.iter().map(|block| u64::from(block.entry.count)).sum(),
                why: why.unwrap_or_default(),
            });
            passed = survey.bytes_after(limit);
        } else if last < snapshot_batch || survey.may_have_lost_its_end(last, &mut findings) {
            passed = survey.unknown_bytes_after(last).max(1);
        }
        let mut state = replayed.state.clone();
        state.batch = state.batch.max(snapshot_batch);
        let last_ms = state.time_ms;
        let mut passed_over = Vec::new();
        // Positions that may have been given to records that are lost are given to no other, and a shard does not end in
        // silence before them.
        let keys: Vec<u64> = state.shards.keys().copied().collect();
        for key in keys {
            let Some(shard) = state.shards.get_mut(&key) else { continue };
            let behind_the_end = if shard.closed { 0 } else { passed };
            let skip = (behind_the_end + replayed.unknown_bytes(key, shard)).div_ceil(LEAST_RECORD_BYTES);
            if skip == 0 {
                continue;
            }
            let from = shard.next;
            shard.next = from.max(highest.get(&key).copied().unwrap_or(0)).saturating_add(skip);
            passed_over.push((key, from, shard.next));
        }
        let Replayed { blocks, changes_lost, .. } = replayed;
        let mut plan = Self {
            findings,
            hopeless,
            keeps: survey.segments.iter().map(|segment| segment.intact).collect(),
            state,
            blocks,
            pieces: BTreeMap::new(),
            lost: Vec::new(),
            known: lost::load(&**files, directory),
            changes_lost,
            cut,
            batches_lost,
        };
        plan.lay_out(survey);
        plan.find_lost(survey, &passed_over, last_ms);
        let unknown = plan.lost_now();
        for lost in unknown.iter().filter(|lost| !lost.passed_over) {
            let what = format!(
                "positions {} to {} of shard {} are in no file that can be read",
                lost.first,
                lost.next - 1,
                lost.shard
            );
            plan.findings.push(Finding::of("the shards", what));
        }
        plan
    }

    /// What was lost with the catalog cannot be made up for.
    fn is_hopeless(survey: &Survey, snapshot_batch: u64) -> Option<String> {
        let first = survey.batches.keys().next().copied().unwrap_or(0);
        if snapshot_batch > 0 || first == 1 {
            return None;
        }
        let began = survey.root.snapshots.is_empty() && survey.manifest.is_some() && first == 0;
        if began
            && survey.segments.is_empty()
            && survey.log_files.iter().all(|file| file.listed.is_none() || !file.is_damaged())
        {
            return None;
        }
        Some(
            "no snapshot can be read, and the log does not go back to its beginning: which streams there are, and which records belong to them, is lost. The records are still in the files. Restore one of the snapshots (objects/….snapshot) from a copy of this directory and run this again, or `rheos restore` a backup"
                .to_owned(),
        )
    }

    /// The state that most of the log leads to and that holds together: the state, the last batch in it, and why it is not
    /// the last of all.
    fn choose(survey: &mut Survey, last: u64, consistent: &mut Consistent<'_>) -> (Replayed, u64, Option<String>) {
        let mut limit = last;
        let mut why = None;
        loop {
            let replayed = replay(survey, limit);
            let Some(gap) = replayed.changes_lost.last().copied() else { return (replayed, limit, why) };
            let unfit = match &replayed.unfit {
                Some(unfit) => Some(unfit.clone()),
                None => consistent(&kept(&replayed.state)).err(),
            };
            let Some(unfit) = unfit else { return (replayed, limit, why) };
            why = Some(unfit);
            // Without what came after this gap, and then after the one before it.
            limit = gap.0 - 1;
        }
    }

    /// Names the batches that should be there and are not, with the place where each run of them should begin.
    fn lost_batches(survey: &Survey, last: u64, snapshot_batch: u64, findings: &mut Vec<Finding>) -> Vec<(u64, u64)> {
        let flushed_upto = survey.root.flushed_upto;
        let base = match &survey.manifest {
            Some(_) => snapshot_batch.min(flushed_upto),
            // Nothing says what the segments hold: what is missing shows in the positions.
            None => survey.batches.keys().next().map_or(0, |first| first - 1).max(snapshot_batch.min(last)),
        };
        let mut lost: Vec<(u64, u64)> = Vec::new();
        let mut expected = base + 1;
        for (number, found) in survey.batches.range(base + 1..(last + 1).max(base + 1)) {
            if *number > expected {
                lost.push((expected, *number - 1));
            }
            if !found.whole {
                lost.push((*number, *number));
            }
            expected = number + 1;
        }
        let end = snapshot_batch.max(flushed_upto);
        if last < end && last + 1 > base {
            lost.push((last.max(base) + 1, end));
        }
        lost.dedup_by(|next, before| {
            let adjoins = next.0 == before.1 + 1;
            if adjoins {
                before.1 = next.1;
            }
            adjoins
        });
        for (first, upto) in &lost {
            let (file, offset) = survey.place_of(*first);
            let which = if first == upto { format!("batch {first}") } else { format!("batches {first} to {upto}") };
            let what = format!("{which} cannot be read, and had been acknowledged");
            findings.push(Finding::at(&file, offset, what));
        }
        lost
    }

    /// Decides for every position where its record is to come from.
    fn lay_out(&mut self, survey: &Survey) {
        let mut pieces: BTreeMap<u64, Vec<Piece>> = BTreeMap::new();
        for (at, segment) in survey.segments.iter().enumerate() {
            for (run_at, run) in segment.runs.iter().enumerate() {
                if !self.state.shards.contains_key(&run.run.shard.0) {
                    continue;
                }
                let of_shard = pieces.entry(run.run.shard.0).or_default();
                let piece = |(first, next): &(u64, u64)| Piece {
                    first: *first,
                    next: *next,
                    source: Source::Segment(at, run_at),
                };
                of_shard.extend(run.readable.iter().map(piece));
            }
        }
        // A shard's runs follow each other by their positions, whatever the order of the files. Of files of which only one
        // was meant to count the records are true, and are written anew, once.
        for of_shard in pieces.values_mut() {
            of_shard.sort_by_key(|piece| piece.first);
            for pair in of_shard.windows(2).filter(|pair| pair[1].first < pair[0].next) {
                for piece in pair {
                    if let Source::Segment(at, _) = piece.source {
                        self.keeps[at] = false;
                    }
                }
            }
        }
        for at in 0..self.keeps.len() {
            if !self.keeps[at] && survey.segments[at].intact {
                let file = format!("objects/{}", survey.segments[at].name);
                let what = "it has positions of a shard that another file has as well";
                self.findings.push(Finding::of(&file, what));
            }
        }
        for (at, block) in self.blocks.iter().enumerate() {
            let entry = block.entry;
            let next = entry.first + u64::from(entry.count);
            if self.state.shards.contains_key(&entry.shard.0) {
                let piece = Piece { first: entry.first, next, source: Source::Log(at) };
                pieces.entry(entry.shard.0).or_default().push(piece);
            }
        }
        for of_shard in pieces.values_mut() {
            // Segments that stay come first where several have a position, then other segments, then the log.
            let rank = |piece: &Piece| match piece.source {
                Source::Segment(at, _) if self.keeps[at] => 0,
                Source::Segment(..) => 1,
                Source::Log(_) => 2,
            };
            let mut sorted = std::mem::take(of_shard);
            sorted.sort_by_key(|piece| (rank(piece), piece.first));
            let mut chosen: Vec<Piece> = Vec::with_capacity(sorted.len());
            for piece in sorted {
                for part in parts_beyond(&chosen, piece) {
                    let at = chosen.partition_point(|other| other.first < part.first);
                    chosen.insert(at, part);
                }
            }
            *of_shard = chosen;
        }
        self.pieces = pieces;
    }

    /// The positions that no piece has.
    fn find_lost(&mut self, survey: &Survey, passed_over: &[(u64, u64, u64)], last_ms: u64) {
        for (key, shard) in &self.state.shards {
            let pieces = self.pieces.get(key).map_or(&[][..], Vec::as_slice);
            let mut position = shard.first;
            let mut after_ms = 0;
            let passed_from =
                passed_over.iter().find(|(shard, ..)| shard == key).map_or(shard.next, |(_, from, _)| *from);
            let mut lose = |first: u64, next: u64, after_ms: u64, before_ms: Option<u64>| {
                let known = next.min(passed_from);
                if first < known {
                    let lost = Lost { shard: *key, first, next: known, after_ms, before_ms, passed_over: false };
                    self.lost.push(lost);
                }
                if first.max(passed_from) < next {
                    let first = first.max(passed_from);
                    self.lost.push(Lost { shard: *key, first, next, after_ms, before_ms, passed_over: true });
                }
            };
            for piece in pieces {
                let (from_ms, to_ms) = match piece.source {
                    Source::Segment(at, run) => {
                        let run = &survey.segments[at].runs[run].run;
                        (run.first_time_ms, run.last_time_ms)
                    }
                    Source::Log(at) => (self.blocks[at].time_ms, self.blocks[at].time_ms),
                };
                if piece.first > position {
                    lose(position, piece.first, after_ms, Some(from_ms));
                }
                position = position.max(piece.next);
                after_ms = to_ms;
            }
            if position < shard.next {
                lose(position, shard.next, after_ms.min(last_ms), None);
            }
        }
    }

    /// Adds what a start would refuse, unless it is named already.
    pub(crate) fn add(&mut self, finding: Finding) {
        if !self.findings.iter().any(|other| other.file == finding.file) {
            self.findings.push(finding);
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why nothing can be done, if nothing can.
    pub(super) fn hopeless(&self) -> Option<&str> {
        self.hopeless.as_deref()
    }

    /// Records that are lost, by their positions, without those that an earlier repair has named.
    #[must_use]
    pub fn lost_now(&self) -> Vec<Lost> {
        lost::beyond(&self.lost, &self.known)
    }

    /// Batches that cannot be read, or not as a whole, by the numbers of the first and the last of a row.
    #[must_use]
    pub fn batches_lost(&self) -> &[(u64, u64)] {
        &self.batches_lost
    }

    /// Batches whose changes of the catalog may be lost, though what comes after them is kept.
    #[must_use]
    pub fn changes_lost(&self) -> &[(u64, u64)] {
        &self.changes_lost
    }

    /// The end of the log that is given up, if it is.
    #[must_use]
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// What stays.
    #[must_use]
    pub fn kept(&self) -> Kept {
        kept(&self.state)
    }

    /// Records that can be read.
    #[must_use]
    pub fn records(&self) -> u64 {
        let readable = |(key, pieces): (&u64, &Vec<Piece>)| -> u64 {
            let first = self.state.shards.get(key).map_or(0, |shard| shard.first);
            pieces.iter().map(|piece| piece.next.saturating_sub(piece.first.max(first))).sum()
        };
        self.pieces.iter().map(readable).sum()
    }

    pub(crate) fn describe(&self, report: &mut CheckReport) {
        report.last_batch = self.state.batch;
        report.keys = self.state.catalog.size();
        report.shards = self.state.shards.size();
        report.records = self.records();
        report.known_lost = self.known.clone();
        if let Some(hopeless) = &self.hopeless {
            report.findings.push(Finding::of("objects", hopeless));
        }
    }
}

fn kept(state: &State) -> Kept {
    Kept {
        catalog: state.catalog.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        shards: state.shards.iter().map(|(key, shard)| (*key, shard.first, shard.next, shard.closed)).collect(),
    }
}

/// The parts of `piece` that `chosen`, which is in order, does not have.
fn parts_beyond(chosen: &[Piece], piece: Piece) -> Vec<Piece> {
    let mut parts = Vec::new();
    let mut first = piece.first;
    let from = chosen.partition_point(|other| other.next <= first);
    for other in &chosen[from..] {
        if other.first >= piece.next {
            break;
        }
        if other.first > first {
            parts.push(Piece { first, next: other.first, ..piece });
        }
        first = first.max(other.next);
    }
    if first < piece.next {
        parts.push(Piece { first, ..piece });
    }
    parts
}

impl Survey {
    /// Where batch `number` should begin: behind the one before it, or where its own header stands.
    fn place_of(&self, number: u64) -> (String, u64) {
        if let Some(found) = self.batches.get(&number) {
            return (self.log_files[found.file].name.clone(), found.header.place.offset);
        }
        match self.batches.range(..number).next_back() {
            Some((_, before)) => {
                let end = before.header.place.offset + u64::from(before.header.total);
                let file = &self.log_files[before.file];
                // Nothing fits any more behind the end of a file: then it is the next one.
                let next = self.log_files.get(before.file + 1).filter(|_| end + ALIGN as u64 > file.len_bytes());
                next.map_or_else(|| (file.name.clone(), end), |next| (next.name.clone(), ALIGN as u64))
            }
            None => {
                let first = self.log_files.first();
                (first.map_or_else(|| "log".to_owned(), |file| file.name.clone()), ALIGN as u64)
            }
        }
    }

    /// Bytes of log files between two batches: what those between them had at most.
    pub(super) fn bytes_between(&self, before: u64, after: u64) -> u64 {
        let until = self.batches.get(&after).map_or(0, |after| {
            let files = &self.log_files[..after.file];
            files.iter().map(FoundLogFile::full_bytes).sum::<u64>() + after.header.place.offset
        });
        let from = self.batches.get(&before).map_or(0, |before| {
            let files = &self.log_files[..before.file];
            files.iter().map(FoundLogFile::full_bytes).sum::<u64>()
                + before.header.place.offset
                + u64::from(before.header.total)
        });
        until.saturating_sub(from).max(1)
    }

    /// Bytes of log files behind batch `last`: what a log that ends there gives up, at most.
    fn bytes_after(&self, last: u64) -> u64 {
        let end = self
            .batches
            .get(&last)
            .map(|found| (found.file, found.header.place.offset + u64::from(found.header.total)));
        let (file, offset) = end.unwrap_or((0, 0));
        let lengths = self.log_files.iter().skip(file).map(FoundLogFile::full_bytes);
        lengths.sum::<u64>().saturating_sub(offset)
    }

    /// Whether batches behind the last one that can be read may have been acknowledged.
    fn may_have_lost_its_end(&self, last: u64, findings: &mut Vec<Finding>) -> bool {
        if let Some(number) = self.batches.range(last + 1..).next_back().map(|(number, _)| number)
            && *number > last + 1
        {
            let (file, offset) = self.place_of(last + 1);
            let later = format!(
                "batches {} to {} cannot be read, and had been acknowledged: batch {number} was begun",
                last + 1,
                number - 1
            );
            findings.push(Finding::at(&file, offset, later));
            return true;
        }
        let Some(end) = self.batches.get(&last) else {
            return self.log_files.iter().any(|file| file.listed.is_some() && file.is_damaged());
        };
        let room =
            self.log_files[end.file].len_bytes().saturating_sub(end.header.place.offset + u64::from(end.header.total));
        if self.log_files[end.file].is_damaged() {
            return true;
        }
        room < ROOM_FOR_ANY_BATCH
            && self.log_files[end.file + 1..].iter().any(|file| file.listed.is_some() && file.is_damaged())
    }
}
