//! Gives records to a processor until it has taken them: again after a failure, then in halves, until a record that cannot be processed stands
//! alone and the configuration decides.
//!
//! What is guaranteed: a record counts as processed only when its processor has returned `Ok` for it, or the configuration has decided and, where it
//! is to be a dead letter, the letter is durable. Nothing is processed while another worker could have the shard.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::config::{Config, Environment, Poison};
use super::dead_letters::{DeadLetter, DeadLetters};
use super::held::{Held, Signal};
use super::metrics::{Attempt, Measure, Meter, PROCESS};
use super::processor::{Batch, Checkpointer, Record, RecordProcessor, StartOver};
use crate::lease::{Checkpoint, RecordNumber};

/// How often a worker without an answer from the lease store looks whether it may go on.
const DOUBT_MS: u64 = 100;

/// The way of records to one processor.
pub(super) struct Delivery<'a> {
    pub(super) config: &'a Config,
    pub(super) environment: &'a Environment,
    pub(super) held: &'a Arc<Held>,
    pub(super) meter: &'a Meter,
    pub(super) dead_letters: Option<&'a dyn DeadLetters>,
    /// How often the processor has started over since the last checkpoint that rose.
    pub(super) starts: u32,
    /// The record that the processor was given alone when it last started over, and how often it was.
    pub(super) suspect: Option<(RecordNumber, u32)>,
    /// Records that a processor did not survive and that the configuration has decided on. They are given to none again.
    pub(super) decided: BTreeSet<RecordNumber>,
}

/// Why delivery does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    /// There is something else to do.
    Interrupted,
    /// The processor has lost what it was given since the last checkpoint.
    StartOver,
}

impl From<Interrupted> for Stopped {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// There is something else to do than to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interrupted;

impl Delivery<'_> {
    /// Gives all records to the processor, in their order.
    pub(super) async fn deliver<P: RecordProcessor>(
        &mut self,
        processor: &mut P,
        all: &[Record],
        millis_behind_latest: Option<u64>,
    ) -> Result<(), Stopped> {
        let checkpointer = Checkpointer::new(self.held.clone());
        // One that does not survive is given one record at a time, so that it shows which one it is.
        let careful = self.starts >= self.config.retry.attempts.max(1);
        let mut pieces: Vec<Range<usize>> = if careful {
            (0..all.len()).rev().map(|at| at..at + 1).collect()
        } else {
            std::iter::once(0..all.len()).collect()
        };
        let mut attempts = 0;
        while let Some(piece) = pieces.pop() {
            let records = self.unprocessed(&all[piece.clone()]);
            let [.., last] = records else {
                attempts = 0;
                continue;
            };
            if records.iter().any(|record| self.decided.contains(&record.number)) {
                // Around those on which the configuration has decided.
                if records.len() == 1 {
                    self.held.set_delivered(Some(Checkpoint::At(last.number.clone())));
                } else {
                    pieces.extend(piece.rev().map(|at| at..at + 1));
                }
                continue;
            }
            self.ready().await?;
            let before = self.held.delivered();
            self.held.set_delivered(Some(Checkpoint::At(last.number.clone())));
            let batch = Batch { records, millis_behind_latest };
            let Err(error) = self.timed(PROCESS, processor.process_records(&batch, &checkpointer)).await else {
                self.held.set_trouble(None);
                self.processed(records);
                attempts = 0;
                continue;
            };
            // What it checkpointed of the batch it has processed, and no more.
            let checkpointed = Some(self.held.checkpointed()).filter(Checkpoint::is_progress);
            self.held.set_delivered(before.max(checkpointed));
            attempts += 1;
            let cause = error.to_string();
            tracing::warn!(
                "shard {}: {} records up to {} failed, attempt {attempts}: {cause}",
                self.held.shard,
                records.len(),
                last.number
            );
            self.held.set_trouble(Some(cause.clone()));
            if error.is::<StartOver>() {
                if careful {
                    self.suspect(last, &cause).await?;
                }
                return Err(Stopped::StartOver);
            }
            let is_piece = piece.len() < all.len() && records.len() > 1;
            let may_try = if is_piece { 1 } else { self.config.retry.attempts.max(1) };
            if attempts < may_try {
                self.pause(attempts).await?;
                pieces.push(piece);
            } else if records.len() > 1 {
                let middle = piece.end - records.len() + records.len() / 2;
                pieces.extend([middle..piece.end, piece.start..middle]);
                attempts = 0;
                self.pause(1).await?;
            } else if self.poison(last, &cause, attempts).await? {
                self.held.set_delivered(Some(Checkpoint::At(last.number.clone())));
                self.held.set_trouble(None);
                attempts = 0;
            } else {
                pieces.push(piece);
            }
        }
        Ok(())
    }

    /// What a processor does, measured.
    pub(super) async fn timed<T, E>(&self, attempt: Attempt, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.meter.attempt(attempt, &self.held.shard, work, Result::is_ok).await
    }

    fn processed(&self, records: &[Record]) {
        let bytes = records.iter().map(|record| record.data.len() as u64).sum();
        self.meter.add(Measure::RecordsProcessed, &self.held.shard, records.len() as u64);
        self.meter.add(Measure::DataBytesProcessed, &self.held.shard, bytes);
    }

    /// A processor has not survived this record alone. After as many times as a record is tried, the configuration decides.
    async fn suspect(&mut self, record: &Record, cause: &str) -> Result<(), Interrupted> {
        let before = self.suspect.take().filter(|(number, _)| *number == record.number);
        let times = before.map_or(1, |(_, times)| times + 1);
        self.suspect = Some((record.number.clone(), times));
        if times >= self.config.retry.attempts.max(1) && self.poison(record, cause, times).await? {
            self.decided.insert(record.number.clone());
        }
        Ok(())
    }

    /// Those behind the checkpoint: what the processor has checkpointed before it failed is not given to it again.
    fn unprocessed<'r>(&self, records: &'r [Record]) -> &'r [Record] {
        let checkpoint = self.held.checkpointed();
        let done = records.partition_point(|record| Checkpoint::At(record.number.clone()) <= checkpoint);
        &records[done..]
    }

    /// Decides on a record that cannot be processed. Whether the shard goes on behind it.
    async fn poison(&self, record: &Record, cause: &str, attempts: u32) -> Result<bool, Interrupted> {
        match self.config.poison {
            Poison::Stop => {
                self.pause(attempts).await?;
                Ok(false)
            }
            Poison::Skip => {
                tracing::error!("shard {}: the record {} is left out: {cause}", self.held.shard, record.number);
                self.meter.add(Measure::RecordsSkipped, &self.held.shard, 1);
                Ok(true)
            }
            Poison::DeadLetter => {
                let Some(dead_letters) = self.dead_letters else {
                    tracing::error!("shard {}: there is no place for dead letters", self.held.shard);
                    self.pause(attempts).await?;
                    return Ok(false);
                };
                let letter = DeadLetter {
                    cause,
                    application: &self.config.application,
                    stream: &self.config.stream,
                    shard: &self.held.shard,
                    record,
                    attempts,
                };
                let mut failures = 0;
                while let Err(why) = dead_letters.send(letter.clone()).await {
                    failures += 1;
                    let trouble = format!("the dead letter of {} was not taken: {why}", record.number);
                    tracing::error!("shard {}: {trouble}", self.held.shard);
                    self.held.set_trouble(Some(trouble));
                    self.pause(failures).await?;
                    self.ready().await?;
                }
                tracing::error!("shard {}: the record {} is a dead letter: {cause}", self.held.shard, record.number);
                self.meter.add(Measure::DeadLetters, &self.held.shard, 1);
                Ok(true)
            }
        }
    }

    /// Waits until the lease is certainly this worker's.
    pub(super) async fn ready(&self) -> Result<(), Interrupted> {
        loop {
            if self.held.signal() != Signal::Run {
                return Err(Interrupted);
            }
            if self.held.is_valid() {
                return Ok(());
            }
            self.wait(DOUBT_MS).await?;
        }
    }

    /// The wait after a number of failures.
    pub(super) async fn pause(&self, failures: u32) -> Result<(), Interrupted> {
        let retry = &self.config.retry;
        let longest = retry.max_backoff_ms.max(1);
        let wait_ms = (retry.backoff_ms.max(1) << failures.saturating_sub(1).min(20)).min(longest);
        self.wait(wait_ms - self.environment.below(wait_ms / 4 + 1)).await
    }

    /// Waits, unless there is something else to do.
    pub(super) async fn wait(&self, ms: u64) -> Result<(), Interrupted> {
        tokio::select! {
            biased;
            _ = self.held.interrupted() => Err(Interrupted),
            () = sleep(Duration::from_millis(ms)) => Ok(()),
        }
    }
}
