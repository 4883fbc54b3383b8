//! The sequencing point and the writer.
//!
//! A step function over (submissions, medium, clock): no threads and no waiting, so that a test or the simulation drives
//! it exactly. One step is one batch: every submission is checked against the *accepted* state, in order, and gets its
//! positions and its time; the batch is encoded once, written and made durable; then readers see it, observers hear of it
//! and the replies leave, in order. After sequencing nothing fails except fatally. At most one batch is unsynced.

use super::Shared;
use super::backlog::Sealed;
use super::queue::{Reply, Submission, Turn, transaction_bytes};
use super::shards::{FileLoad, LiveBatch, LiveRun, Tail};
use crate::batch::{ALIGN, Batch, BatchBuilder, ENTRY, HEADER};
use crate::change::{Change, Conflict, Transaction};
use crate::log::{Appended, LogError};
use crate::medium::{Location, Medium, NoRoom};
use crate::record::Run;
use crate::state::State;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The log cannot go on: whether the last batch is on the disk is unknown. The process must stop; opening again finds out.
#[derive(Debug, thiserror::Error)]
#[error("cannot make batch {batch} durable")]
pub struct Fatal {
    /// The batch.
    pub batch: u64,
    /// What the operating system said.
    pub source: std::io::Error,
}

enum Outcome {
    Append(Reply<Appended>, Result<Appended, LogError>),
    Commit(Reply<Vec<Result<u64, Conflict>>>, Result<Vec<Result<u64, Conflict>>, LogError>),
}

impl Outcome {
    /// Tells the caller. One that no longer waits does not need to know.
    fn send(self) {
        match self {
            Self::Append(reply, outcome) => drop(reply.send(outcome)),
            Self::Commit(reply, outcome) => drop(reply.send(outcome)),
        }
    }
}

/// The writer.
pub struct Writer {
    shared: Arc<Shared>,
    accepted: State,
    durable_upto: u64,
    builder: BatchBuilder,
    tail: Tail,
    /// Changes of this batch, in order.
    changes: Vec<Change>,
    /// The file that the last batch went to.
    file_id: Option<u64>,
    /// What is in that file.
    load: FileLoad,
    /// The last batch is empty and says that everything before is durable.
    is_closed: bool,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, recovered: State, file_id: Option<u64>, load: FileLoad) -> Self {
        let tail = Tail::new(shared.options.tail_bytes);
        let durable_upto = recovered.batch;
        Self {
            shared,
            accepted: recovered,
            durable_upto,
            builder: BatchBuilder::default(),
            tail,
            changes: Vec::new(),
            file_id,
            load,
            is_closed: false,
        }
    }

    /// Makes one batch of what is queued, without waiting; `false` if nothing was. For a driver that has no threads.
    ///
    /// # Errors
    /// [`Fatal`]: nothing more may be written. What was taken was not answered: its outcome is unknown.
    pub fn turn(&mut self) -> Result<bool, Fatal> {
        match self.shared.queue.take(Duration::ZERO) {
            Turn::Work(submissions) => self.step(submissions).map(|()| true),
            Turn::Idle | Turn::Closed => Ok(false),
        }
    }

    #[cfg(test)]
    pub(crate) fn tail_bytes(&self) -> usize {
        self.tail.held_bytes()
    }

    /// Makes one batch of `submissions` durable and answers them.
    pub(crate) fn step(&mut self, submissions: Vec<Submission>) -> Result<(), Fatal> {
        let time_ms = self.accepted.time_ms.max(self.shared.clock.wall_ms());
        self.accepted.time_ms = time_ms;
        let medium = self.shared.medium.clone();
        let mut room = Room::new(&*medium);
        let mut outcomes = Vec::with_capacity(submissions.len());
        for submission in submissions {
            outcomes.push(match submission {
                Submission::Append { runs, reply } => {
                    let outcome = match room.admit(&runs) {
                        Ok(()) => Ok(self.sequence(runs, time_ms)),
                        Err(NoRoom { free_bytes, reserve_bytes }) => Err(LogError::Full { free_bytes, reserve_bytes }),
                    };
                    Outcome::Append(reply, outcome)
                }
                Submission::Commit { transactions, reply } => {
                    let outcome = match room.admit_changes(&transactions) {
                        Ok(()) => Ok(transactions.into_iter().map(|transaction| self.accept(transaction)).collect()),
                        Err(NoRoom { free_bytes, reserve_bytes }) => Err(LogError::Full { free_bytes, reserve_bytes }),
                    };
                    Outcome::Commit(reply, outcome)
                }
            });
        }
        if !self.builder.is_empty() {
            self.write(time_ms)?;
        }
        // Refusals wait for the batch as well: a caller that is told of a closed shard finds the change that closed it.
        outcomes.into_iter().for_each(Outcome::send);
        Ok(())
    }

    /// Nothing came for a while, or the log is being closed: an empty batch says that all before it is durable, so that
    /// rot of the last one can be told from a torn write.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn close_batch(&mut self) -> Result<(), Fatal> {
        // What is closed already is closed once more only in another file, for which this one can be given to segments.
        let is_done = self.is_closed && !(self.is_full(self.shared.clock.wall_ms()) && self.shared.medium.seal(ALIGN));
        if is_done || self.accepted.batch == 0 || self.shared.medium.admit(ALIGN, true).is_err() {
            return Ok(());
        }
        self.write(self.accepted.time_ms)?;
        self.is_closed = true;
        Ok(())
    }

    /// Gives the records of `runs` their positions. A run whose shard is closed or unknown is left out.
    fn sequence(&mut self, runs: Vec<Run>, time_ms: u64) -> Appended {
        let mut first = Vec::with_capacity(runs.len());
        for run in runs {
            let position = self.accepted.append(run.shard(), run.count(), time_ms);
            first.push(position);
            if let Some(position) = position {
                self.builder.push_run(run, position);
            }
        }
        Appended { time_ms, first }
    }

    /// Checks a transaction against the accepted state and applies it there: the catalog's version after it.
    fn accept(&mut self, transaction: Transaction) -> Result<u64, Conflict> {
        for condition in &transaction.conditions {
            let found = self.accepted.catalog.get(&condition.key).map(|value| value.version);
            if found != condition.version {
                return Err(Conflict { key: condition.key.clone(), found });
            }
        }
        for mut change in transaction.changes {
            // What a trim means is settled here: it applies the same to any order of this batch's records and changes.
            if let Change::TrimShard { shard, below } = &mut change
                && let Some(state) = self.accepted.shards.get(&shard.0)
            {
                *below = (*below).min(state.next);
            }
            self.accepted.apply(&change);
            self.builder.push_change(&change);
            self.changes.push(change);
        }
        Ok(self.accepted.next_version)
    }

    /// Whether the file that batches go to has enough, though it has room: its index takes too much memory, or its records
    /// have waited long enough for a segment.
    fn is_full(&self, now_ms: u64) -> bool {
        let options = &self.shared.options;
        let is_old = |first_ms| now_ms.saturating_sub(first_ms) >= options.seal_after_ms;
        self.load.index_bytes >= options.index_bytes / 4 || self.load.first_ms.is_some_and(is_old)
    }

    fn write(&mut self, time_ms: u64) -> Result<(), Fatal> {
        let number = self.accepted.batch + 1;
        let mut batch = self.builder.finish(number, self.durable_upto, time_ms);
        // Without a file that is ready the next batch asks again.
        if self.is_full(self.shared.clock.wall_ms()) && !self.shared.medium.seal(batch.len_bytes()) {
            tracing::debug!("no log file is ready: the present one goes on");
        }
        self.accepted.batch = number;
        let location = self.shared.medium.append(&mut batch).map_err(|source| Fatal { batch: number, source })?;
        self.durable_upto = number;
        self.is_closed = false;
        let blocks = batch.block_count();
        self.publish(batch, location);
        self.note_roll(location);
        self.load.add(blocks, time_ms);
        Ok(())
    }

    /// The batch is durable: readers and observers learn of it.
    fn publish(&mut self, batch: Batch, location: Location) {
        let parsed = batch.into_parsed();
        let mut changed = BTreeSet::new();
        let mut trimmed = false;
        let mut touched = Vec::new();
        for change in self.changes.drain(..) {
            match change {
                Change::Put { key, .. } | Change::Delete { key } => {
                    changed.insert(key);
                }
                Change::OpenShard { shard, class } => self.shared.shards.open(shard).index().class = class,
                Change::CloseShard { shard } => {
                    if let Some(shard) = self.shared.shards.get(shard) {
                        shard.index().closed = true;
                        touched.push(shard);
                    }
                }
                Change::DropShard { shard } => {
                    touched.extend(self.shared.shards.drop_shard(shard));
                    trimmed = true;
                }
                Change::TrimShard { shard, below } => {
                    if let Some(shard) = self.shared.shards.get(shard) {
                        let mut index = shard.index();
                        index.first = index.first.max(below);
                        index.forget_trimmed();
                        trimmed = true;
                    }
                }
                Change::SetShardClass { shard, class } => {
                    if let Some(shard) = self.shared.shards.get(shard) {
                        shard.index().class = class;
                    }
                }
            }
        }
        if !changed.is_empty() {
            self.shared.set_catalog(self.accepted.catalog.clone());
        }
        let live = LiveBatch::new(location, parsed.header.time_ms, Some(parsed.bytes().clone()));
        for (entry, offset) in parsed.blocks() {
            let Some(shard) = self.shared.shards.get(entry.shard) else { continue };
            let mut index = shard.index();
            index.next = entry.first + u64::from(entry.count);
            index.last_time_ms = live.time_ms;
            index.live.push_back(LiveRun::new(entry, offset, live.clone()));
            drop(index);
            touched.push(shard);
        }
        self.tail.push(live, parsed.bytes().len());
        self.shared.written_bytes.fetch_add(parsed.bytes().len() as u64, Ordering::Relaxed);
        if !changed.is_empty() {
            // The accepted state is durable by now: a key's last value in this batch is the one to tell.
            let news: Vec<_> = changed
                .into_iter()
                .map(|key| {
                    let value = self.accepted.catalog.get(&key).cloned();
                    (key, value)
                })
                .collect();
            self.shared.tell(&news);
        }
        // Last: whoever is woken by the end of a shard finds its children.
        touched.iter().for_each(|shard| shard.wake());
        if trimmed {
            self.shared.something_died.store(true, Ordering::Relaxed);
            self.shared.housekeeping.wake();
        }
    }

    /// The batch went to a new file: the one before takes no more and can be written to segments. The state after this
    /// batch is what a snapshot that covers the old file needs.
    fn note_roll(&mut self, location: Location) {
        if self.file_id.replace(location.file_id).is_some_and(|before| before != location.file_id) {
            let FileLoad { index_bytes, .. } = std::mem::take(&mut self.load);
            self.shared.sealed(Sealed { upto: location.number - 1, index_bytes }, self.accepted.clone());
        }
    }
}

/// Keeps account of the batch's size while it is put together.
struct Room<'a> {
    medium: &'a dyn Medium,
    length: usize,
}

impl<'a> Room<'a> {
    fn new(medium: &'a dyn Medium) -> Self {
        Self { medium, length: HEADER + ALIGN }
    }

    fn admit(&mut self, runs: &[Run]) -> Result<(), NoRoom> {
        let length = self.length + runs.iter().map(|run| run.bytes().len() + ENTRY).sum::<usize>();
        self.medium.admit(length, false)?;
        self.length = length;
        Ok(())
    }

    fn admit_changes(&mut self, transactions: &[Transaction]) -> Result<(), NoRoom> {
        let frees_space = transactions.iter().all(|transaction| transaction.frees_space);
        let length = self.length + transactions.iter().map(transaction_bytes).sum::<usize>();
        self.medium.admit(length, frees_space)?;
        self.length = length;
        Ok(())
    }
}
