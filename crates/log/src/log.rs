//! The log, as its users see it.

use crate::change::{Change, Conflict, Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, Transaction, Versioned};
use crate::engine::Shared;
use crate::engine::backlog::REST;
use crate::engine::housekeeper::Housekeeper;
use crate::engine::queue::{Submission, Turn, transaction_bytes};
use crate::engine::recovery::{Recovered, recover};
use crate::engine::segment::{Damage, SegmentError};
use crate::engine::shards::Stage;
use crate::engine::writer::{Fatal, Writer};
use crate::medium::{Medium, OpenError};
use crate::record::{Block, Run};
use crate::steps::Steps;
use rheos_types::{Clock, ShardKey};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// An append, and a commit, is at most this large: what the API allows and what encoding adds. A batch takes it, with what
/// else waits, and stays far below what recovery believes ([`MAX_BATCH`](crate::batch::MAX_BATCH)).
const MAX_SUBMISSION_BYTES: usize = 32 << 20;
/// How long the writer waits for work before it closes the last batch.
pub(crate) const IDLE: Duration = Duration::from_secs(1);
/// How long a start is left in peace, unless a log file is full before.
const FIRST_HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How long the housekeeper waits before it looks by itself, such as for a disk that has room again.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Reads from files that may wait.
pub(crate) const READS_WAITING: usize = 1024;
/// Reads from files whose bytes may be in memory and not with their callers yet. A read brings whole blocks, whatever its
/// caller has room for, so this bounds what a thousand callers hold before any of them goes on.
pub(crate) const READS_RUNNING: usize = 16;
/// How often a read looks again where its records lie, when they moved from the log to a segment under it.
const READ_TRIES: usize = 3;

/// What a log may use.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of the newest batches that are kept in memory for readers.
    pub tail_bytes: usize,
    /// Bytes that may wait for the writer; beyond, appends are refused with [`LogError::Overloaded`].
    pub queue_bytes: usize,
    /// Sealed log files that may wait for their segments while these are being written; beyond, appends are refused with
    /// [`LogError::Overloaded`].
    pub backlog_files: u32,
    /// Bytes of sealed log files that are left alone while the log is busy. A start reads them all.
    pub deferred_bytes: u64,
    /// Bytes of memory that may be taken by the places of records which are in log files and not in segments yet. A log file
    /// takes no more batches before its part is a quarter of this; appends wait while sealed files have more than half.
    pub index_bytes: usize,
    /// A log file whose oldest record is older than this takes no more batches: so records of quiet shards get into segments,
    /// from which what has expired is freed.
    pub seal_after_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tail_bytes: 64 << 20,
            queue_bytes: 32 << 20,
            backlog_files: 4,
            deferred_bytes: 2 << 30,
            index_bytes: 16 << 20,
            seal_after_ms: 30 * 60_000,
        }
    }
}

/// Why something was not done, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Too much is waiting. Nothing happened; later it may.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The disk is full but for what is kept back. Nothing happened.
    #[error("the disk is full: {free_bytes} bytes are free, of which {reserve_bytes} are kept back")]
    Full {
        /// Bytes free.
        free_bytes: u64,
        /// Bytes kept back.
        reserve_bytes: u64,
    },
    /// The log has been closed. Nothing happened.
    #[error("the log is closed")]
    Stopped,
    /// The log failed while this was being done: it may have happened.
    #[error("the log failed while this was being written: it may have happened")]
    Unknown,
    /// The caller broke a bound of the format. Nothing happened.
    #[error("{0}")]
    Invalid(&'static str),
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The shard was never opened or has been dropped.
    #[error("no such shard")]
    UnknownShard,
    /// Bytes are not as they were written. Records from `next` on can be read.
    #[error("{file} is damaged at offset {offset}: positions {first} to {last} cannot be read", last = .next - 1)]
    Damaged {
        /// The file.
        file: String,
        /// The offset in it.
        offset: u64,
        /// The first position that cannot be read.
        first: u64,
        /// The first position behind the damage.
        next: u64,
    },
    /// Too many reads from files are waiting.
    #[error("too many reads are waiting")]
    Overloaded,
    /// The log has been closed.
    #[error("the log is closed")]
    Stopped,
    /// The operating system refused.
    #[error("cannot read the log")]
    Io(#[from] std::io::Error),
}

/// An append that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// When its records arrived.
    pub time_ms: u64,
    /// For each run the position of its first record, or `None`: the shard was closed or unknown when the run was
    /// sequenced, and nothing of the run was written. The change that closed it is durable and has been observed.
    pub first: Vec<Option<u64>>,
}

/// What is durable of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardInfo {
    /// The first position that may be read.
    pub first: u64,
    /// The position behind the last record.
    pub next: u64,
    /// No record comes any more.
    pub closed: bool,
    /// When the last record arrived; 0 if there was none.
    pub last_time_ms: u64,
}

/// Hears of changes of the catalog.
pub trait Observer: Send + Sync {
    /// Called by the writer, in order, when changes are durable and before their replies leave. `None`: deleted. Must be
    /// quick and must not wait for the log.
    fn applied(&self, changes: &[(Key, Option<Versioned>)]);
}

/// Starts threads: a parameter, so that tests run without.
pub trait Spawn {
    /// Runs `work` on a thread of this name.
    ///
    /// # Errors
    /// The operating system's.
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()>;
}

pub(crate) type ReadJob = Box<dyn FnOnce() + Send>;

/// What one stage of a read came to.
enum Fetched {
    /// Blocks; none: there is nothing left.
    Blocks(Vec<Block>),
    /// The records are not there, or not any more: it is an error only if looking again finds nothing better.
    Moved(ReadError),
    /// An error for good.
    Failed(ReadError),
}

/// The way to the threads that read from files.
struct Readers {
    jobs: SyncSender<ReadJob>,
    waiting: Semaphore,
    running: Semaphore,
}

impl Readers {
    fn new(jobs: SyncSender<ReadJob>) -> Self {
        Self { jobs, waiting: Semaphore::new(READS_WAITING), running: Semaphore::new(READS_RUNNING) }
    }
}

/// A log. Clones are the same log.
#[derive(Clone)]
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    readers: Arc<OnceLock<Readers>>,
}

/// The steps of an opened log, for whoever drives them: threads ([`Opened::start`]), a test or the simulation.
pub struct Opened {
    /// The log.
    pub log: Log,
    /// Makes batches.
    pub writer: Writer,
    /// Works behind the log.
    pub housekeeper: Housekeeper,
}

/// Opens the log on a medium: recovers the state before the last stop.
///
/// On `Ok` everything that was ever acknowledged and not trimmed is readable, and whatever is readable is durable.
///
/// # Errors
/// [`OpenError`] says what is wrong and what to do.
pub fn open(medium: Arc<dyn Medium>, clock: Arc<dyn Clock>, options: Options) -> Result<Opened, OpenError> {
    let Recovered { shared, state, root, segments, file_id, load } = recover(medium, clock, options)?;
    let shared = Arc::new(shared);
    Ok(Opened {
        writer: Writer::new(shared.clone(), state, file_id, load),
        housekeeper: Housekeeper::new(shared.clone(), root, segments),
        log: Log { shared, readers: Arc::default() },
    })
}

impl Opened {
    /// The log, and its steps for a driver that has no threads: see [`Steps`].
    #[must_use]
    pub fn into_steps(self) -> (Log, Steps) {
        let Self { log, writer, housekeeper } = self;
        let (sender, receiver) = sync_channel::<ReadJob>(READS_WAITING);
        drop(log.readers.set(Readers::new(sender)));
        let steps = Steps::new(log.shared.clone(), writer, housekeeper, receiver);
        (log, steps)
    }

    /// Starts the writer, the housekeeper and `readers` threads for reads from files. `on_fatal` is called when the log
    /// cannot go on; it should end the process, since only a new opening finds out what the disk has.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(
        self,
        spawn: &dyn Spawn,
        readers: usize,
        on_fatal: impl FnOnce(Fatal) + Send + 'static,
    ) -> std::io::Result<Log> {
        let Self { log, mut writer, mut housekeeper } = self;
        let shared = log.shared.clone();
        spawn.spawn(
            "log-writer",
            Box::new(move || {
                if let Err(fatal) = run_writer(&shared, &mut writer) {
                    shared.queue.fail();
                    on_fatal(fatal);
                }
                shared.housekeeping.stop();
                shared.ended.send_replace(true);
            }),
        )?;
        let shared = log.shared.clone();
        spawn.spawn(
            "log-housekeeper",
            Box::new(move || {
                // Not at once: the first batches of a start would wait behind the zeros of a spare file.
                let mut patience = FIRST_HOUSEKEEPING;
                while shared.housekeeping.wait(patience) {
                    if let Err(error) = housekeeper.step() {
                        tracing::warn!(%error, "housekeeping failed: records stay in the log files, trying again");
                    }
                    patience = if shared.backlog.is_left_alone() { REST } else { HOUSEKEEPING };
                }
            }),
        )?;
        let (sender, receiver) = sync_channel::<ReadJob>(READS_WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..readers {
            let receiver = receiver.clone();
            spawn.spawn("log-reader", Box::new(move || run_reader(&receiver)))?;
        }
        drop(log.readers.set(Readers::new(sender)));
        Ok(log)
    }
}

fn run_writer(shared: &Shared, writer: &mut Writer) -> Result<(), Fatal> {
    loop {
        shared.backlog.wait();
        match shared.queue.take(IDLE) {
            Turn::Work(submissions) => writer.step(submissions)?,
            Turn::Idle => writer.close_batch()?,
            Turn::Closed => return writer.close_batch(),
        }
    }
}

fn run_reader(jobs: &Mutex<Receiver<ReadJob>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

impl Log {
    /// Queues `runs` at once, in the order of the calls; the future resolves when all of it is durable.
    ///
    /// Dropping the future does not take the append back.
    ///
    /// # Errors
    /// [`LogError`] says whether nothing happened or something may have.
    pub fn append(&self, runs: Vec<Run>) -> impl Future<Output = Result<Appended, LogError>> + Send + use<> {
        let bytes: usize = runs.iter().map(|run| run.bytes().len()).sum();
        let queued = if bytes > MAX_SUBMISSION_BYTES {
            Err(LogError::Invalid("an append of more than 32 MiB"))
        } else if runs.is_empty() || runs.iter().any(|run| run.count() == 0) {
            Err(LogError::Invalid("an append without records"))
        } else if self.shared.backlog.is_stuck() {
            Err(LogError::Overloaded)
        } else {
            self.submit(|reply| Submission::Append { runs, reply })
        };
        answer(queued)
    }

    /// Queues `transactions` at once. Each is checked by itself, in order, and they ride in one batch; the future resolves
    /// when it is durable: for each the catalog's version after it, or the condition that did not hold.
    ///
    /// # Errors
    /// [`LogError`] says whether nothing happened or something may have.
    pub fn commit(
        &self,
        transactions: Vec<Transaction>,
    ) -> impl Future<Output = Result<Vec<Result<u64, Conflict>>, LogError>> + Send + use<> {
        let fits = |change: &Change| match change {
            Change::Put { key, value } => key.as_str().len() <= MAX_KEY_BYTES && value.len() <= MAX_VALUE_BYTES,
            Change::Delete { key } => key.as_str().len() <= MAX_KEY_BYTES,
            _ => true,
        };
        let queued = if !transactions.iter().flat_map(|transaction| &transaction.changes).all(fits) {
            Err(LogError::Invalid("a key of more than 1 KiB or a value of more than 1 MiB"))
        } else if transactions.iter().map(transaction_bytes).sum::<usize>() > MAX_SUBMISSION_BYTES {
            Err(LogError::Invalid("a commit of more than 32 MiB"))
        } else {
            self.submit(|reply| Submission::Commit { transactions, reply })
        };
        answer(queued)
    }

    fn submit<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Submission,
    ) -> Result<oneshot::Receiver<Result<T, LogError>>, LogError> {
        let (reply, receiver) = oneshot::channel();
        self.shared.queue.push(make(reply)).map(|()| receiver)
    }

    /// A key's durable value.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Versioned> {
        self.shared.catalog().get(key).cloned()
    }

    /// The durable keys that begin with `prefix`, in order.
    #[must_use]
    pub fn scan(&self, prefix: &str) -> Vec<(Key, Versioned)> {
        let catalog = self.shared.catalog();
        let from = catalog.range(Key::new(prefix)..);
        from.take_while(|(key, _)| key.as_str().starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// What is durable of a shard; `None` if it was never opened or has been dropped.
    #[must_use]
    pub fn shard(&self, shard: ShardKey) -> Option<ShardInfo> {
        let shard = self.shared.shards.get(shard)?;
        let index = shard.index();
        Some(ShardInfo {
            first: index.first.min(index.next),
            next: index.next,
            closed: index.closed,
            last_time_ms: index.last_time_ms,
        })
    }

    /// Waits until a shard has a record at position `from` or later, or gets no more, or is gone. Returns at once if that
    /// is so already; may return without reason.
    pub async fn wait(&self, shard: ShardKey, from: u64) {
        if let Some(shard) = self.shared.shards.get(shard) {
            shard.wait(|index| index.next > from || index.closed).await;
        }
    }

    /// How many bytes have been written since the log was opened.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.shared.written_bytes.load(Ordering::Relaxed)
    }

    /// Fresh shard keys, for the transaction that opens the shards. Keys that no such transaction used may be given out
    /// again after a restart.
    pub fn new_shard_keys(&self, count: u32) -> impl Iterator<Item = ShardKey> + use<> {
        let first = self.shared.reserve_shard_keys(count);
        (first..first + u64::from(count)).map(ShardKey)
    }

    /// Registers an observer, before the first commit that it is to hear of.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.observe(observer);
    }

    /// Durable records of a shard from position `from` on, or from the first readable one if that is later: at least one
    /// if there is any, then as many as stay within both bounds.
    ///
    /// # Errors
    /// [`ReadError`]. Records that were read before damage was met are returned; the next read meets it.
    pub async fn read(
        &self,
        shard: ShardKey,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Block>, ReadError> {
        let shard = self.shared.shards.get(shard).ok_or(ReadError::UnknownShard)?;
        let mut blocks: Vec<Block> = Vec::new();
        let (mut records, mut bytes, mut tries) = (0usize, 0usize, 0usize);
        let mut position = from;
        while records < max_records && (bytes == 0 || bytes < max_bytes) {
            let (left, room) = (max_records - records, max_bytes.saturating_sub(bytes).max(1));
            let stage = {
                let index = shard.index();
                position = position.max(index.first);
                index.stage(position, left, room)
            };
            let found = match self.fetch(stage, position, left, room).await? {
                Fetched::Blocks(found) if found.is_empty() => break,
                Fetched::Blocks(found) => found,
                Fetched::Moved(_) if tries < READ_TRIES => {
                    tries += 1;
                    continue;
                }
                Fetched::Moved(error) | Fetched::Failed(error) if blocks.is_empty() => return Err(error),
                Fetched::Moved(_) | Fetched::Failed(_) => break,
            };
            for block in found {
                // The first record is always returned; later ones only within the bound.
                if bytes > 0 && bytes + block.len_bytes() > max_bytes {
                    return Ok(blocks);
                }
                records += block.count() as usize;
                bytes += block.len_bytes();
                position = block.first() + u64::from(block.count());
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    /// Gets what a stage of a read points to: up to `left` records and, after the first, up to `room` bytes.
    ///
    /// # Errors
    /// When no reader can be had; then nothing was read.
    async fn fetch(&self, stage: Stage, position: u64, left: usize, room: usize) -> Result<Fetched, ReadError> {
        Ok(match stage {
            Stage::End => Fetched::Blocks(Vec::new()),
            Stage::Memory(blocks) => Fetched::Blocks(blocks),
            Stage::Log(run) => {
                let (medium, place, next) = (self.shared.medium.clone(), run.batch.location, run.next());
                let damaged = ReadError::Damaged {
                    file: format!("log file {:016x}", place.file_id),
                    offset: place.offset,
                    first: position,
                    next,
                };
                match self.on_reader(move || run.read_log(&*medium)).await? {
                    Ok(Some(block)) => match block.part(position, left, room) {
                        Some(part) => Fetched::Blocks(vec![part.apart_from(block.len_bytes())]),
                        // It is as it was written, and does not hold the records that it should.
                        None => Fetched::Failed(damaged),
                    },
                    // Perhaps recycled under the read: then a segment has the records by now. If not, it is damage.
                    Ok(None) => Fetched::Moved(damaged),
                    Err(error) => Fetched::Moved(error.into()),
                }
            }
            Stage::Segment(run) => {
                let (medium, name) = (self.shared.medium.clone(), run.segment.name.clone());
                match self.on_reader(move || run.read(&*medium, position, left, room)).await? {
                    Ok(blocks) => Fetched::Blocks(blocks),
                    // Freed under the read.
                    Err(SegmentError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                        Fetched::Moved(error.into())
                    }
                    Err(error) => Fetched::Failed(segment_error(name, error)),
                }
            }
            Stage::Hole { next } => Fetched::Failed(ReadError::Damaged {
                file: "the segments of the shard".to_owned(),
                offset: 0,
                first: position,
                next,
            }),
        })
    }

    /// The first position whose record arrived at or after `time_ms`; the position behind the last one if there is none.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn position_at(&self, shard: ShardKey, time_ms: u64) -> Result<u64, ReadError> {
        let shard = self.shared.shards.get(shard).ok_or(ReadError::UnknownShard)?;
        for _ in 0..READ_TRIES {
            let (first, found) = {
                let index = shard.index();
                let at = index.segments.partition_point(|run| run.last_time_ms < time_ms);
                match index.segments.get(at) {
                    Some(run) => (index.first, Err(run.clone())),
                    None => {
                        let at = index.live.partition_point(|run| run.batch.time_ms < time_ms);
                        (index.first, Ok(index.live.get(at).map_or(index.next, |run| run.entry.first)))
                    }
                }
            };
            let run = match found {
                Ok(position) => return Ok(position.max(first)),
                Err(run) => run,
            };
            let (medium, name) = (self.shared.medium.clone(), run.segment.name.clone());
            match self.on_reader(move || run.position_at(&*medium, time_ms)).await? {
                Ok(position) => return Ok(position.max(first)),
                Err(SegmentError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(segment_error(name, error)),
            }
        }
        Err(ReadError::Io(std::io::ErrorKind::NotFound.into()))
    }

    /// Does `work`, which waits for files, on a reader's thread; here where there is none.
    async fn on_reader<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReadError> {
        let Some(readers) = self.readers.get() else { return Ok(work()) };
        let waiting = readers.waiting.try_acquire().map_err(|_| ReadError::Overloaded)?;
        // Until the caller has what was read. Never closed.
        let _running = readers.running.acquire().await.map_err(|_| ReadError::Stopped)?;
        drop(waiting);
        let (reply, receiver) = oneshot::channel();
        let job: ReadJob = Box::new(move || drop(reply.send(work())));
        readers.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => ReadError::Overloaded,
            TrySendError::Disconnected(_) => ReadError::Stopped,
        })?;
        receiver.await.map_err(|_| ReadError::Stopped)
    }

    #[cfg(test)]
    pub(crate) fn stall_housekeeping(&self) {
        self.shared.backlog.failed();
    }

    #[cfg(test)]
    pub(crate) fn has_no_backlog(&self) -> bool {
        self.shared.backlog.is_empty()
    }

    /// How many segments hold records of a shard.
    #[cfg(test)]
    pub(crate) fn runs(&self, shard: ShardKey) -> Option<usize> {
        Some(self.shared.shards.get(shard)?.index().segments.len())
    }

    /// Takes no more; what is queued is still written, and an empty batch closes the log.
    pub fn close(&self) {
        self.shared.queue.close();
    }

    /// Resolves when the writer's thread has ended after [`Self::close`].
    pub async fn closed(&self) {
        // The sender lives in what this log shares, so that waiting ends only with the value.
        drop(self.shared.ended.subscribe().wait_for(|ended| *ended).await);
    }
}

async fn answer<T>(queued: Result<oneshot::Receiver<Result<T, LogError>>, LogError>) -> Result<T, LogError> {
    match queued {
        // A writer that went without an answer failed.
        Ok(receiver) => receiver.await.unwrap_or(Err(LogError::Unknown)),
        Err(error) => Err(error),
    }
}

fn segment_error(name: String, error: SegmentError) -> ReadError {
    match error {
        SegmentError::Damaged(Damage { offset, first, next }) => {
            ReadError::Damaged { file: format!("objects/{name}"), offset, first, next }
        }
        SegmentError::Io(error) => ReadError::Io(error),
    }
}
