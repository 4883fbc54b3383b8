//! One shard from the moment that this worker has its lease to the moment that it has not: waits for the parents, reads, delivers, and ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::select;

use super::delivery::{Delivery, Interrupted, Stopped};
use super::held::{Held, Signal, State};
use super::kinesis::{ChildShard, KinesisError, ShardFilter};
use super::metrics::{INITIALIZE, Measure, PROCESS, SHUTDOWN};
use super::processor::{Batch, Checkpointer, Initialization, RecordProcessor, StartOver};
use super::reader::{Reader, ShardGone};
use super::records::user_records;
use super::sync::lease_of;
use super::worker::Shared;
use crate::lease::{Checkpoint, Lease, LeaseError};

/// How often the bytes that were read become a throughput.
const THROUGHPUT_MS: u64 = 10_000;

/// How the processing of a shard came to an end.
enum End {
    /// Every record has been processed, and the lease says so.
    Complete,
    /// There is something else to do.
    Interrupted,
    /// The service knows no such shard any more.
    Gone(String),
    /// The processor has lost what it was given since the last checkpoint.
    StartOver,
}

impl From<Stopped> for End {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Interrupted => Self::Interrupted,
            Stopped::StartOver => Self::StartOver,
        }
    }
}

impl From<Interrupted> for End {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Processes the shard of a lease until its end, or until the lease is to go, or has gone.
pub(super) async fn consume<P: RecordProcessor>(shared: Arc<Shared>, held: Arc<Held>, mut processor: P) {
    // A lease that was read is not a sign of life: nothing is processed before there was one.
    held.renew().await;
    let mut consumer = Consumer { shared: &shared, held: &held, is_initialized: false };
    let end = match consumer.run(&mut processor).await {
        Ok(end) | Err(end) => end,
    };
    let is_initialized = consumer.is_initialized;
    match end {
        // The lease stays with this worker until the children have begun.
        End::Complete => {
            held.set_state(State::Complete);
            shared.shard_has_ended();
            return;
        }
        End::Gone(what) => {
            tracing::warn!("shard {}: the stream has it no more ({what}); its lease is removed", held.shard);
            shared.remove_lease_of_gone_shard(&held).await;
            held.lose();
        }
        End::Interrupted | End::StartOver => {}
    }
    held.set_state(State::Finishing);
    let checkpointer = Checkpointer::new(held.clone());
    match held.signal() {
        Signal::HandOff { .. } | Signal::Stop if is_initialized => {
            if let Err(error) = processor.shutdown_requested(&checkpointer).await {
                tracing::warn!("shard {}: the processor did not finish: {error}", held.shard);
            }
        }
        _ => {}
    }
    let was_ours = match held.signal() {
        Signal::HandOff { to, .. } => held.let_go(Some(&to)).await,
        Signal::Stop => held.let_go(None).await,
        Signal::Run | Signal::Lost => false,
    };
    if !was_ours && is_initialized {
        shared.meter.attempt(SHUTDOWN, &held.shard, processor.lease_lost(), |()| true).await;
    }
    shared.release(&held);
}

struct Consumer<'a> {
    shared: &'a Shared,
    held: &'a Arc<Held>,
    is_initialized: bool,
}

impl Consumer<'_> {
    async fn run<P: RecordProcessor>(&mut self, processor: &mut P) -> Result<End, End> {
        let (shared, held) = (self.shared, self.held);
        if held.is_complete() {
            return Ok(End::Complete);
        }
        let mut delivery = Delivery {
            config: &shared.config,
            environment: &shared.environment,
            held,
            meter: &shared.meter,
            dead_letters: shared.dead_letters.as_deref(),
            starts: 0,
            suspect: None,
            decided: BTreeSet::new(),
        };
        let lease = held.lease().await;
        self.parents_are_done(&delivery, &lease).await?;
        loop {
            let begun_at = held.checkpointed();
            let outcome = async {
                self.initialize(&delivery, processor).await?;
                let children = self.read_to_the_end(&mut delivery, processor, &begun_at, &lease).await?;
                held.set_state(State::Finishing);
                self.end(&delivery, processor, &children).await
            };
            match outcome.await {
                Ok(()) => return Ok(End::Complete),
                Err(End::StartOver) => {}
                Err(end) => return Err(end),
            }
            // Once more from the checkpoint: what it was given since is lost to the processor.
            delivery.starts = if held.checkpointed() > begun_at { 0 } else { delivery.starts.saturating_add(1) };
            held.set_delivered(Some(held.checkpointed()).filter(Checkpoint::is_progress));
            delivery.pause(delivery.starts + 1).await?;
        }
    }

    async fn initialize<P: RecordProcessor>(&mut self, delivery: &Delivery<'_>, processor: &mut P) -> Result<(), End> {
        let held = self.held;
        held.set_state(State::Initializing);
        let start = Initialization {
            shard: held.shard.clone(),
            checkpoint: held.checkpointed(),
            pending: held.lease().await.pending,
            fencing_token: held.fencing_token,
        };
        let mut failures = 0;
        loop {
            delivery.ready().await?;
            self.is_initialized = true;
            let Err(error) = delivery.timed(INITIALIZE, processor.initialize(&start)).await else { break };
            failures += 1;
            self.failed("initialize", &error.to_string());
            delivery.pause(failures).await?;
        }
        held.set_state(State::Processing);
        held.set_trouble(None);
        Ok(())
    }

    /// Waits until every record of the parents has been processed: until their leases say so, or are gone, which they are only after that.
    async fn parents_are_done(&self, delivery: &Delivery<'_>, lease: &Lease) -> Result<(), End> {
        for parent in &lease.parents {
            loop {
                match self.shared.table.get(parent).await {
                    Ok(None) => break,
                    Ok(Some(parent)) if parent.is_complete() => break,
                    Ok(Some(_)) => self.held.set_trouble(None),
                    Err(error) => self.held.set_trouble(Some(error.to_string())),
                }
                delivery.wait(self.shared.config.parent_poll_ms).await?;
            }
        }
        Ok(())
    }

    async fn read_to_the_end<P: RecordProcessor>(
        &self,
        delivery: &mut Delivery<'_>,
        processor: &mut P,
        checkpoint: &Checkpoint,
        lease: &Lease,
    ) -> Result<Vec<ChildShard>, End> {
        let (shared, held) = (self.shared, self.held);
        let mut reader =
            Reader::new(&*shared.kinesis, &shared.environment, &shared.meter, &shared.config, &held.shard, checkpoint);
        let mut throughput = Throughput::new(shared.environment.clock.monotonic_ms(), lease.throughput_kbps);
        loop {
            let page = select! {
                biased;
                _ = held.interrupted() => return Err(End::Interrupted),
                page = reader.next() => page,
            };
            let page = match page {
                Ok(page) => page,
                Err(ShardGone(what)) => {
                    if self.is_gone().await {
                        return Err(End::Gone(what));
                    }
                    self.failed("read", &what);
                    delivery.pause(1).await?;
                    continue;
                }
            };
            held.set_millis_behind(page.millis_behind_latest);
            if let Some(behind_ms) = page.millis_behind_latest {
                shared.meter.add(Measure::MillisBehindLatest, &held.shard, behind_ms);
            }
            let bytes = page.records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
            if let Some(kbps) = throughput.add(bytes, shared.environment.clock.monotonic_ms()) {
                held.set_throughput(kbps);
            }
            let records = user_records(page.records, checkpoint, lease.hash_range, shared.config.misplaced);
            if !records.is_empty() {
                delivery.deliver(processor, &records, page.millis_behind_latest).await?;
            } else if shared.config.call_for_empty_batches {
                delivery.ready().await?;
                let batch = Batch { records: &[], millis_behind_latest: page.millis_behind_latest };
                let checkpointer = Checkpointer::new(held.clone());
                if let Err(error) = delivery.timed(PROCESS, processor.process_records(&batch, &checkpointer)).await {
                    self.failed("process no records", &error.to_string());
                    if error.is::<StartOver>() {
                        return Err(End::StartOver);
                    }
                    delivery.pause(1).await?;
                }
            }
            if page.next.is_none() {
                return Ok(page.children);
            }
        }
    }

    /// Whether the stream has the shard no more: the service says that there is no such shard, and its list says the same.
    async fn is_gone(&self) -> bool {
        match self.shared.kinesis.list_shards(ShardFilter::All).await {
            Ok(shards) => !shards.iter().any(|shard| shard.id == self.held.shard),
            Err(error) => {
                self.failed("list shards", &error.to_string());
                false
            }
        }
    }

    /// The shard has ended: its children get their leases first, so that somebody reads on whatever happens to this worker; then the
    /// processor and the lease are told.
    async fn end<P: RecordProcessor>(
        &self,
        delivery: &Delivery<'_>,
        processor: &mut P,
        children: &[ChildShard],
    ) -> Result<(), End> {
        let held = self.held;
        let mut failures = 0;
        loop {
            delivery.ready().await?;
            let Err(error) = self.make_children(children).await else { break };
            failures += 1;
            self.failed("make the leases of the children", &error.to_string());
            delivery.pause(failures).await?;
        }
        held.end_of_shard();
        let checkpointer = Checkpointer::new(held.clone());
        failures = 0;
        loop {
            delivery.ready().await?;
            let error = match delivery.timed(SHUTDOWN, processor.shard_ended(&checkpointer)).await {
                Ok(()) => match held.checkpoint(Checkpoint::ShardEnd).await {
                    Ok(()) => return Ok(()),
                    Err(error) => error.to_string(),
                },
                // All of it is checkpointed: nothing is left that the processor could have lost.
                Err(error) if error.is::<StartOver>() && held.is_complete() => return Ok(()),
                Err(error) if error.is::<StartOver>() => return Err(End::StartOver),
                Err(error) => error.to_string(),
            };
            failures += 1;
            self.failed("end", &error);
            delivery.pause(failures).await?;
        }
    }

    async fn make_children(&self, children: &[ChildShard]) -> Result<(), EndError> {
        let table = &self.shared.table;
        for child in children {
            if table.get(&child.id).await?.is_some() {
                continue;
            }
            for parent in child.parents.iter().filter(|parent| **parent != self.held.shard) {
                if table.get(parent).await?.is_none() {
                    self.make_other_parent(parent).await?;
                }
            }
            let lease = Lease {
                parents: child.parents.iter().cloned().collect(),
                hash_range: Some(child.hash_range),
                ..Lease::new(&child.id, self.shared.config.start.of_descendants())
            };
            // A worker that has lost the shard meanwhile makes nothing: its successor may have done all this long ago.
            if !self.held.is_valid() {
                return Err(EndError::Late);
            }
            table.create(&lease).await?;
        }
        let ids = children.iter().map(|child| child.id.clone()).collect();
        table.set_children(&self.held.key, &ids).await?;
        Ok(())
    }

    /// A merged shard waits for both its parents. One without a lease, while there is no lease of the child, has never been read: it is
    /// read, unless its records are gone.
    async fn make_other_parent(&self, parent: &str) -> Result<(), EndError> {
        let shards = self.shared.kinesis.list_shards(ShardFilter::All).await?;
        let Some(shard) = shards.iter().find(|shard| shard.id == parent) else { return Ok(()) };
        let lease = lease_of(shard, self.shared.config.start.of_descendants());
        self.shared.table.create(&lease).await?;
        Ok(())
    }

    fn failed(&self, what: &str, why: &str) {
        tracing::warn!("shard {}: could not {what}: {why}", self.held.shard);
        self.held.set_trouble(Some(format!("could not {what}: {why}")));
    }
}

#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Kinesis(#[from] KinesisError),
    #[error("the lease was not renewed in time")]
    Late,
}

/// Bytes read, as kilobytes in a second, averaged so that the last window counts for half.
struct Throughput {
    bytes: usize,
    since_ms: u64,
    average: Option<f64>,
}

impl Throughput {
    fn new(now_ms: u64, average: Option<f64>) -> Self {
        Self { bytes: 0, since_ms: now_ms, average }
    }

    fn add(&mut self, bytes: usize, now_ms: u64) -> Option<f64> {
        self.bytes += bytes;
        let elapsed_ms = now_ms.saturating_sub(self.since_ms);
        if elapsed_ms < THROUGHPUT_MS {
            return None;
        }
        let kbps = self.bytes as f64 / elapsed_ms as f64;
        self.average = Some(self.average.map_or(kbps, |average| (average + kbps) / 2.0));
        (self.bytes, self.since_ms) = (0, now_ms);
        self.average
    }
}
