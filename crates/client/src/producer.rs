//! A producer: the job of the Kinesis Producer Library, inside the program.
//!
//! It takes user records and gives each an outcome: where it was written, or why it was not. In between it packs records of one shard
//! into aggregated records ([`crate::aggregation`]), gathers those into PutRecords calls, stays within what shards take, and tries
//! again what failed.
//!
//! ```text
//! put ─► lane of the shard that the key falls into ─► aggregated record ─► call ─► outcome
//!  │       (ListShards)                                (size, count, age)  (size, count, age, rate)
//!  └ waits while too many bytes are outstanding         └◄── again: throttled, failed, in another shard than predicted
//! ```
//!
//! # What is guaranteed
//! * Every record that `put` accepted gets exactly one outcome, as long as its [`Driver`] runs: when its time has run out
//!   (`record_ttl_ms`), or as soon as the call that it is in by then has ended, and, if it came into another shard than predicted, the list
//!   of shards after it. If the driver is dropped, the outcome says so.
//! * `Ok` means: Kinesis has acknowledged the record, in a shard that owns its hash key, so that a consumer that follows the KCL
//!   delivers it. It may be there twice if an attempt before ended without an answer; the outcome says so.
//! * An error that does not say that the record may have been written means that it was not.
//! * Records that are outstanding have at most `max_outstanding_bytes`.
//! * With `strict_order` a record of a key is not sent before the one accepted before it was acknowledged or given up, whatever fails
//!   and however shards are split and merged meanwhile. A call that is taken for lost may still be carried out: then records are
//!   there twice, the first of each in order.
//!
//! A lost process loses what is outstanding: who needs more keeps a record until its outcome.
//!
//! The state is a step function in `core` that knows no clock, no dice, no runtime and no network. Puts and the driver step it under a
//! lock that is never held over an await.

mod answers;
mod batch;
mod bucket;
mod core;
mod driver;
#[cfg(feature = "aws")]
mod kinesis;
mod lane;
mod metrics;
mod outcome;
mod record;
mod routes;
mod settings;
mod stream;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use rheos_types::{Clock, HashKey, Random};
use tokio::sync::{Notify, Semaphore};

pub use driver::Driver;
#[cfg(feature = "aws")]
pub use kinesis::KinesisTransport;
pub use metrics::{Metrics, StreamMetrics};
pub use outcome::{Attempt, Outcome, Pending, Reason, Refused, Unwritten, Written};
pub use record::Record;
pub use settings::{ITEM_BYTES, InvalidSettings, Settings};
pub use transport::{Answer, CallError, CallErrorKind, Entry, EntryError, Placed, Shard, Transport};

/// Writes user records. Clones are the same producer; when the last one is dropped, what was accepted is still written.
#[derive(Debug, Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

/// What producer and driver share.
struct Shared {
    core: Mutex<core::Core>,
    /// There is something to do earlier than the driver thinks.
    work: Notify,
    /// Outcomes were told.
    settled: Notify,
    /// Bytes that may still be outstanding.
    budget: Semaphore,
    budget_bytes: usize,
    request_timeout_ms: u64,
}

/// Lives as long as somebody may put.
struct Handle {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn with<T>(&self, step: impl FnOnce(&mut core::Core) -> T) -> T {
        step(&mut self.core.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Producer {
    /// A producer, and what drives it. The clock must count as tokio's timers do.
    ///
    /// # Errors
    /// [`InvalidSettings`] if a setting contradicts the service or another one.
    pub fn new<T: Transport>(
        transport: T,
        settings: Settings,
        clock: impl Clock,
        random: impl Random,
    ) -> Result<(Self, Driver<T>), InvalidSettings> {
        settings.check()?;
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let shared = Arc::new(Shared {
            work: Notify::new(),
            settled: Notify::new(),
            budget: Semaphore::new(settings.max_outstanding_bytes),
            budget_bytes: settings.max_outstanding_bytes,
            request_timeout_ms: settings.request_timeout_ms,
            core: Mutex::new(core::Core::new(settings)),
        });
        let driver = Driver {
            shared: Arc::clone(&shared),
            transport: Arc::new(transport),
            random: Arc::new(random),
            clock: Arc::clone(&clock),
        };
        Ok((Self { handle: Arc::new(Handle { shared, clock }) }, driver))
    }

    /// Takes a record, as soon as it may be outstanding beside the others: whoever puts faster than the service takes waits here. The
    /// outcome is what the returned [`Pending`] resolves to.
    ///
    /// Records are accepted in the order of the calls. Dropping the future before it is ready leaves the record unaccepted.
    ///
    /// # Errors
    /// [`Refused`], never [`Refused::Full`]: nothing happened.
    pub async fn put(&self, record: Record) -> Result<Pending, Refused> {
        let hash = record.check()?;
        let permits = self.permits(&record);
        let permit = self.handle.shared.budget.acquire_many(permits).await.map_err(|_| Refused::Closed)?;
        self.accept(record, hash, permit)
    }

    /// Takes a record if it may be outstanding beside the others now.
    ///
    /// # Errors
    /// [`Refused`]: nothing happened.
    pub fn try_put(&self, record: Record) -> Result<Pending, Refused> {
        let hash = record.check()?;
        let permits = self.permits(&record);
        match self.handle.shared.budget.try_acquire_many(permits) {
            Ok(permit) => self.accept(record, hash, permit),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(Refused::Full),
            Err(tokio::sync::TryAcquireError::Closed) => Err(Refused::Closed),
        }
    }

    /// A record larger than all that may be outstanding is outstanding alone.
    fn permits(&self, record: &Record) -> u32 {
        u32::try_from(record.cost().min(self.handle.shared.budget_bytes)).unwrap_or(u32::MAX)
    }

    fn accept(
        &self,
        record: Record,
        hash: HashKey,
        permit: tokio::sync::SemaphorePermit<'_>,
    ) -> Result<Pending, Refused> {
        let shared = &self.handle.shared;
        let now_ms = self.handle.clock.monotonic_ms();
        let permits = permit.num_permits();
        let pushed = shared.with(|core| (!core.is_closed).then(|| core.push(record, hash, permits, now_ms)));
        let (receiver, wakes) = pushed.ok_or(Refused::Closed)?;
        // Given back with the outcome.
        permit.forget();
        if wakes {
            shared.work.notify_one();
        }
        Ok(Pending(receiver))
    }

    /// Sends what was accepted so far without waiting for more, and waits until all of it has its outcome.
    pub async fn flush(&self) {
        let shared = &self.handle.shared;
        let flush = shared.with(core::Core::flush);
        shared.work.notify_one();
        loop {
            let settled = shared.settled.notified();
            if shared.with(|core| core.is_flushed(flush)) {
                return;
            }
            settled.await;
        }
    }

    /// Accepts no more, and waits until everything that was accepted has its outcome.
    pub async fn close(&self) {
        let shared = &self.handle.shared;
        shared.with(|core| core.is_closed = true);
        shared.budget.close();
        self.flush().await;
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.handle.shared.with(|core| core.metrics())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|core| core.is_closed = true);
        self.shared.work.notify_one();
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}
