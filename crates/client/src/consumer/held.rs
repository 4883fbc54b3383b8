//! A lease that this worker holds: renewed by the worker, checkpointed by the shard's processor, and given away or lost.
//!
//! What is guaranteed: a checkpoint that was acknowledged is in the store, and was written by the lease's owner. The counter does that: every write
//! expects the one that this worker wrote or read last. A write without an answer may have been made; so when the store refuses the next one,
//! the row decides whether this worker's own lost write is the reason or another worker's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rheos_types::Clock;
use tokio::sync::watch;
use tokio::time::sleep;

use super::metrics::{Meter, UPDATE_LEASE};
use super::processor::CheckpointError;
use crate::lease::store::StoreError;
use crate::lease::{Changed, Checkpoint, Lease, LeaseError, LeaseTable, Pending, Progress};

/// A checkpoint is tried so often when the store does not answer.
const CHECKPOINT_ATTEMPTS: u32 = 4;
/// The first wait between these; it doubles.
const CHECKPOINT_BACKOFF_MS: u64 = 100;

/// What a shard's processor is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    /// Go on.
    Run,
    /// The leader wants another worker to have the shard: finish, then give it away.
    HandOff {
        /// To whom.
        to: String,
        /// Since when, by the monotonic clock.
        since_ms: u64,
    },
    /// The worker stops: finish, then let go.
    Stop,
    /// Another worker has the shard.
    Lost,
}

/// A lease that this worker holds.
pub(super) struct Held {
    pub(super) key: String,
    pub(super) shard: String,
    /// Rises whenever the lease changes hands.
    pub(super) fencing_token: u64,
    /// The lease as this worker wrote or read it last. Whoever writes holds it, so that each write knows the counter of the one before.
    lease: tokio::sync::Mutex<Lease>,
    facts: Mutex<Facts>,
    signal: watch::Sender<Signal>,
    worker: String,
    failover_ms: u64,
    table: LeaseTable,
    clock: Arc<dyn Clock>,
    meter: Arc<Meter>,
}

struct Facts {
    /// When the last write that counts was sent: nobody takes the lease for a failover time from then. None: there was none yet, and what was
    /// read may be old.
    renewed_ms: Option<u64>,
    checkpoint: Checkpoint,
    /// The last record that the processor was given, or the end of the shard.
    delivered: Option<Checkpoint>,
    /// The last record of a shard that has ended: a checkpoint there is one of the whole shard.
    last_of_shard: Option<Checkpoint>,
    is_complete: bool,
    throughput_kbps: Option<f64>,
    status: Status,
}

/// How a shard is doing, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What the shard is at.
    pub state: State,
    /// How much older the end of what was read is than the newest record of the shard, in milliseconds of arrival. Kinesis does not
    /// say how many records that is.
    pub millis_behind_latest: Option<u64>,
    /// Why the shard does not go on, if it does not.
    pub trouble: Option<String>,
}

/// What a shard is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its parents have records that were not processed.
    WaitingForParents,
    /// Its processor begins.
    Initializing,
    /// Its records are processed.
    Processing,
    /// Its processor finishes: the shard has ended, or goes to another worker.
    Finishing,
    /// Every record has been processed.
    Complete,
}

/// Why a refused write was refused.
enum Verdict {
    /// The row is still this worker's: the lease was read again.
    Mine,
    /// It is not.
    Lost,
}

impl Held {
    /// A lease whose row says that this worker owns it. `written_ms` is when this worker sent the write that made it
    /// so, if it did.
    pub(super) fn new(
        lease: Lease,
        worker: &str,
        failover_ms: u64,
        table: LeaseTable,
        clock: Arc<dyn Clock>,
        meter: Arc<Meter>,
        written_ms: Option<u64>,
    ) -> Self {
        let checkpoint = lease.checkpoint.clone().unwrap_or(Checkpoint::TrimHorizon);
        let facts = Facts {
            renewed_ms: written_ms,
            is_complete: lease.is_complete(),
            checkpoint,
            delivered: None,
            last_of_shard: None,
            throughput_kbps: lease.throughput_kbps,
            status: Status { state: State::WaitingForParents, millis_behind_latest: None, trouble: None },
        };
        Self {
            key: lease.key.clone(),
            shard: lease.shard_id().to_owned(),
            fencing_token: lease.counter,
            lease: tokio::sync::Mutex::new(lease),
            facts: Mutex::new(facts),
            signal: watch::Sender::new(Signal::Run),
            worker: worker.to_owned(),
            failover_ms,
            table,
            clock,
            meter,
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal.borrow().clone()
    }

    /// Comes back when there is something else to do than to go on.
    pub(super) async fn interrupted(&self) -> Signal {
        let mut signal = self.signal.subscribe();
        match signal.wait_for(|signal| *signal != Signal::Run).await {
            Ok(signal) => signal.clone(),
            Err(_) => Signal::Lost,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        *self.signal.borrow() == Signal::Lost
    }

    /// The worker stops. A handover that has begun goes on as one.
    pub(super) fn stop(&self) {
        self.signal.send_if_modified(|signal| {
            let runs = *signal == Signal::Run;
            if runs {
                *signal = Signal::Stop;
            }
            runs
        });
    }

    pub(super) fn lose(&self) {
        self.signal.send_if_modified(|signal| std::mem::replace(signal, Signal::Lost) != Signal::Lost);
    }

    fn hand_off(&self, to: &str) {
        let since_ms = self.clock.monotonic_ms();
        tracing::debug!("shard {}: {} is to hand it over to {to}", self.shard, self.worker);
        self.signal.send_if_modified(|signal| {
            let is_new = matches!(signal, Signal::Run | Signal::Stop);
            if is_new {
                *signal = Signal::HandOff { to: to.to_owned(), since_ms };
            }
            is_new
        });
    }

    /// Whether nobody else can have taken the lease yet.
    pub(super) fn is_valid(&self) -> bool {
        let renewed_ms = self.facts().renewed_ms;
        let until_ms = renewed_ms.map_or(0, |renewed_ms| renewed_ms + self.failover_ms);
        !self.is_lost() && self.clock.monotonic_ms() < until_ms
    }

    pub(super) fn checkpointed(&self) -> Checkpoint {
        self.facts().checkpoint.clone()
    }

    pub(super) fn delivered(&self) -> Option<Checkpoint> {
        self.facts().delivered.clone()
    }

    /// From now on checkpoints up to here are fine.
    pub(super) fn set_delivered(&self, delivered: Option<Checkpoint>) {
        self.facts().delivered = delivered;
    }

    /// The shard has ended, and every record of it has been processed.
    pub(super) fn end_of_shard(&self) {
        let mut facts = self.facts();
        let last = facts.delivered.replace(Checkpoint::ShardEnd);
        facts.last_of_shard = last.filter(|last| *last != Checkpoint::ShardEnd);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.facts().is_complete
    }

    pub(super) fn set_throughput(&self, kbps: f64) {
        self.facts().throughput_kbps = Some(kbps);
    }

    pub(super) fn status(&self) -> Status {
        self.facts().status.clone()
    }

    pub(super) fn set_state(&self, state: State) {
        self.facts().status.state = state;
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.facts().status.trouble = trouble;
    }

    pub(super) fn set_millis_behind(&self, millis: Option<u64>) {
        self.facts().status.millis_behind_latest = millis;
    }

    pub(super) async fn lease(&self) -> Lease {
        self.lease.lock().await.clone()
    }

    fn written(&self, lease: &mut Lease, now: Lease, sent_ms: u64) {
        let handed_to = (now.checkpoint_owner.as_deref() == Some(&*self.worker)).then(|| now.owner.clone()).flatten();
        *lease = now;
        self.facts().renewed_ms = Some(sent_ms);
        if let Some(to) = handed_to {
            self.hand_off(&to);
        }
    }

    /// Looks at the row that a write met instead of what it expected.
    fn judge(&self, lease: &mut Lease, there: Option<Lease>) -> Verdict {
        let Some(there) = there else { return Verdict::Lost };
        let is_mine = there.actual_owner() == Some(&*self.worker);
        // One more is this worker's own write, whose answer was lost: whoever takes a lease away changes its owner too.
        let is_next = there.counter == lease.counter || there.counter == lease.next_counter();
        if !is_mine || !is_next {
            return Verdict::Lost;
        }
        let to = there.checkpoint_owner.is_some().then(|| there.owner.clone()).flatten();
        *lease = there;
        if let Some(to) = to {
            self.hand_off(&to);
        }
        Verdict::Mine
    }

    /// A sign of life. Whether the store has taken it.
    pub(super) async fn renew(&self) -> bool {
        let mut lease = self.lease.lock().await;
        // Twice, because a row that was read again is renewed at once.
        for _ in 0..2 {
            if self.is_lost() {
                return false;
            }
            lease.throughput_kbps = self.facts().throughput_kbps;
            let sent_ms = self.clock.monotonic_ms();
            let while_handed_over = lease.checkpoint_owner.is_some();
            match self.table.renew(&lease, while_handed_over).await {
                Ok(Changed::Made(now)) => {
                    self.written(&mut lease, now, sent_ms);
                    return true;
                }
                Ok(Changed::Refused(there)) => {
                    if let Verdict::Lost = self.judge(&mut lease, there) {
                        tracing::info!("shard {}: {} has lost the lease", self.shard, self.worker);
                        self.lose();
                        return false;
                    }
                }
                Err(error) => {
                    tracing::warn!("shard {}: the lease was not renewed: {error}", self.shard);
                    return false;
                }
            }
        }
        false
    }

    /// Writes a checkpoint. One behind the last checkpoint or before what was delivered.
    pub(super) async fn checkpoint(&self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let checkpoint = self.check(checkpoint)?;
        if checkpoint == self.checkpointed() && self.lease.lock().await.pending.is_none() {
            return Ok(());
        }
        let write = self.write(Progress::Checkpoint(checkpoint));
        self.meter.attempt(UPDATE_LEASE, &self.shard, write, Result::is_ok).await
    }

    /// Writes down what is going to be the checkpoint.
    pub(super) async fn prepare(&self, pending: Pending) -> Result<(), CheckpointError> {
        let checkpoint = self.check(pending.checkpoint)?;
        self.write(Progress::Prepare(Pending { checkpoint, ..pending })).await
    }

    fn check(&self, wanted: Checkpoint) -> Result<Checkpoint, CheckpointError> {
        let facts = self.facts();
        let to = facts.delivered.clone().ok_or(CheckpointError::NotNow("before anything was delivered"))?;
        if wanted < facts.checkpoint || wanted > to {
            return Err(CheckpointError::OutOfRange { wanted, from: facts.checkpoint.clone(), to });
        }
        // The last record of a shard that has ended stands for the whole shard.
        let is_end = to == Checkpoint::ShardEnd && facts.last_of_shard.as_ref() == Some(&wanted);
        Ok(if is_end { Checkpoint::ShardEnd } else { wanted })
    }

    async fn write(&self, progress: Progress) -> Result<(), CheckpointError> {
        let mut lease = self.lease.lock().await;
        let mut failed = None;
        for attempt in 0..CHECKPOINT_ATTEMPTS {
            if self.is_lost() {
                return Err(CheckpointError::LeaseLost);
            }
            let sent_ms = self.clock.monotonic_ms();
            match self.table.checkpoint(&lease, &progress).await {
                Ok(Changed::Made(now)) => {
                    self.written(&mut lease, now, sent_ms);
                    self.has_written(progress);
                    return Ok(());
                }
                Ok(Changed::Refused(there)) => {
                    if let Verdict::Lost = self.judge(&mut lease, there) {
                        tracing::info!(
                            "shard {}: {} has lost the lease, a checkpoint was refused",
                            self.shard,
                            self.worker
                        );
                        self.lose();
                        return Err(CheckpointError::LeaseLost);
                    }
                    let is_there = match &progress {
                        Progress::Checkpoint(checkpoint) => {
                            lease.checkpoint.as_ref() == Some(checkpoint) && lease.pending.is_none()
                        }
                        Progress::Prepare(pending) => lease.pending.as_ref() == Some(pending),
                    };
                    if is_there {
                        self.has_written(progress);
                        return Ok(());
                    }
                }
                Err(error) => {
                    failed = Some(error);
                    sleep(Duration::from_millis(CHECKPOINT_BACKOFF_MS << attempt)).await;
                }
            }
        }
        Err(match failed {
            Some(LeaseError::Store(StoreError::Throttled(why))) => CheckpointError::Throttled(why),
            Some(error) => CheckpointError::Store(error.to_string()),
            None => CheckpointError::Store("other writes of this worker came between, again and again".to_owned()),
        })
    }

    fn has_written(&self, progress: Progress) {
        if let Progress::Checkpoint(checkpoint) = progress {
            let mut facts = self.facts();
            facts.is_complete = checkpoint == Checkpoint::ShardEnd;
            facts.checkpoint = checkpoint;
        }
    }

    /// Gives the lease to the worker that is to have it, or to nobody. Whether the row says so. Afterwards it is lost to this worker.
    pub(super) async fn let_go(&self, to: Option<&str>) -> bool {
        let mut lease = self.lease.lock().await;
        let mut has_gone = false;
        for _ in 0..3 {
            if self.is_lost() {
                break;
            }
            let changed = match to {
                Some(to) => self.table.assign(&lease, to).await,
                None => self.table.evict(&lease).await,
            };
            match changed {
                Ok(Changed::Made(now)) => {
                    *lease = now;
                    has_gone = true;
                    break;
                }
                Ok(Changed::Refused(there)) => {
                    if let Verdict::Lost = self.judge(&mut lease, there) {
                        break;
                    }
                }
                Err(error) => tracing::warn!("shard {}: the lease was not let go: {error}", self.shard),
            }
        }
        self.lose();
        has_gone
    }
}
