//! What an application implements, and what it is given.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::held::Held;
use crate::lease::{Checkpoint, Pending, RecordNumber};

/// Why a processor could not do its work.
pub type ProcessorError = Box<dyn std::error::Error + Send + Sync>;

/// A [`ProcessorError`] of a processor that has lost what it was given since the last checkpoint, such as one whose process has died: it is
/// initialized again, and what lies behind the checkpoint is given to it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartOver(
    /// Why.
    pub String,
);

/// Processes one shard. A worker makes one for each shard that it gets, and calls it from one task at a time.
pub trait RecordProcessor: Send + 'static {
    /// Called first, with the place where reading begins. An error: it is called again, after a while.
    fn initialize(&mut self, start: &Initialization) -> impl Future<Output = Result<(), ProcessorError>> + Send;

    /// Called with records in the order of the shard. When it returns `Ok` they count as processed.
    ///
    /// An error: the same records are given again, after a while; then in halves, until the one that cannot be processed stands alone and
    /// the configuration decides what becomes of it ([`Poison`](super::Poison)). What was checkpointed is not given again. So a processor may see
    /// a record more than once, and none is left out without anybody knowing.
    fn process_records(
        &mut self,
        batch: &Batch<'_>,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send;

    /// Another worker has the shard now. Nothing can be checkpointed any more.
    fn lease_lost(&mut self) -> impl Future<Output = ()> + Send;

    /// Every record of a closed shard has been processed. `Ok` says that nothing is left to do: the worker marks the shard as done, and its
    /// children begin. An error: it is called again, after a while.
    fn shard_ended(&mut self, checkpointer: &Checkpointer) -> impl Future<Output = Result<(), ProcessorError>> + Send;

    /// The shard goes to another worker, or the worker stops. What is checkpointed here will not be processed again.
    fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send;
}

/// Makes the processors of a worker.
pub trait ProcessorFactory: Send + Sync + 'static {
    /// What it makes.
    type Processor: RecordProcessor;

    /// A processor for a shard.
    fn create(&self, shard: &str) -> Self::Processor;
}

impl<P: RecordProcessor, F: Fn(&str) -> P + Send + Sync + 'static> ProcessorFactory for F {
    type Processor = P;

    fn create(&self, shard: &str) -> P {
        self(shard)
    }
}

/// Where a processor begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialization {
    /// The shard.
    pub shard: String,
    /// How far it has been processed.
    pub checkpoint: Checkpoint,
    /// What an owner before had prepared and not committed.
    pub pending: Option<Pending>,
    /// Another one each time that the lease changes hands, and rising: a sink can refuse writes with a lower one.
    pub fencing_token: u64,
}

/// Some records of a shard.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The records, in their order.
    pub records: &'a [Record],
    /// How much older the end of what was read is than the newest record of the shard, in milliseconds of arrival.
    pub millis_behind_latest: Option<u64>,
}

/// A user record: one that came alone, or one of those that came together in an aggregated record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is: the sequence number and the sub-sequence number.
    pub number: RecordNumber,
    /// Its partition key.
    pub partition_key: String,
    /// Its explicit hash key, if it came in an aggregated record that said so.
    pub explicit_hash_key: Option<String>,
    /// What it is about.
    pub data: Bytes,
    /// When it arrived, in milliseconds since 1970.
    pub arrival_ms: Option<u64>,
    /// Whether it came in an aggregated record.
    pub is_aggregated: bool,
}

/// Writes down how far a shard has been processed. May be cloned and used later, from wherever.
#[derive(Clone)]
pub struct Checkpointer {
    held: Arc<Held>,
}

/// Why a checkpoint was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Another worker has the shard: what was processed since the last checkpoint is processed again there.
    #[error("the lease is lost: another worker has the shard")]
    LeaseLost,
    /// No checkpoint can be written at this moment of a processor's life.
    #[error("nothing can be checkpointed {0}")]
    NotNow(&'static str),
    /// The place lies before the last checkpoint or behind what was delivered.
    #[error("{wanted} lies outside of what can be checkpointed: from {from} to {to}")]
    OutOfRange {
        /// What was asked for.
        wanted: Checkpoint,
        /// The last checkpoint.
        from: Checkpoint,
        /// The last record that was delivered.
        to: Checkpoint,
    },
    /// The lease store throttles. The checkpoint was not written, and can be tried again.
    #[error("the lease store throttles: {0}")]
    Throttled(String),
    /// The lease store did not do it, or did not say so. It can be tried again.
    #[error("the checkpoint was not written: {0}")]
    Store(String),
}

impl Checkpointer {
    pub(super) fn new(held: Arc<Held>) -> Self {
        Self { held }
    }

    /// Everything that was delivered has been processed. At the end of a closed shard: all of it.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        let checkpoint = self.held.delivered().ok_or(CheckpointError::NotNow("before anything was delivered"))?;
        self.held.checkpoint(checkpoint).await
    }

    /// Everything up to this record has been processed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn checkpoint_at(&self, number: &RecordNumber) -> Result<(), CheckpointError> {
        self.held.checkpoint(Checkpoint::At(number.clone())).await
    }

    /// Writes down where the checkpoint is going to be, with bytes of the application's. Whoever is initialized next is told of both, unless
    /// [`Prepared::commit`] or another checkpoint comes first.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn prepare(&self, number: &RecordNumber, state: Option<Bytes>) -> Result<Prepared, CheckpointError> {
        let checkpoint = Checkpoint::At(number.clone());
        self.held.prepare(Pending { checkpoint: checkpoint.clone(), state }).await?;
        Ok(Prepared { held: self.held.clone(), checkpoint })
    }
}

/// A checkpoint that was prepared.
pub struct Prepared {
    held: Arc<Held>,
    checkpoint: Checkpoint,
}

impl Prepared {
    /// Makes it the checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn commit(self) -> Result<(), CheckpointError> {
        self.held.checkpoint(self.checkpoint).await
    }
}
