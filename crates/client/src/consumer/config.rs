//! How a worker behaves, with the defaults of the KCL where it has them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rheos_types::{Clock, Random, SystemClock, SystemRandom};

use super::cpu::{Cpu, SystemCpu};
use super::metrics::MetricsConfig;
use crate::lease::Checkpoint;

/// How a worker behaves. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Config {
    /// Names the application: its lease table and its registered consumer.
    pub application: String,
    /// The stream, for messages and dead letters.
    pub stream: String,
    /// Names this worker among all of the application.
    pub worker: String,
    /// Where reading begins if nobody has read before.
    pub start: InitialPosition,
    /// How records are got.
    pub retrieval: Retrieval,
    /// A lease without a sign of life for so long is another worker's to take.
    pub failover_ms: u64,
    /// How many leases are renewed at a time.
    pub renewals_at_once: usize,
    /// The leader loses its lock without a sign of life for so long.
    pub leader_lock_ms: u64,
    /// How often leases are shared out.
    pub assignment_interval_ms: u64,
    /// How often a worker says how busy it is.
    pub worker_metrics_interval_ms: u64,
    /// How often the shards of the stream are compared with the leases.
    pub shard_sync_interval_ms: u64,
    /// How often a shard looks whether its parents are done.
    pub parent_poll_ms: u64,
    /// How often leases of finished shards are looked at.
    pub cleanup_interval_ms: u64,
    /// A finished shard keeps its lease for at least so long.
    pub completed_lease_ms: u64,
    /// The old owner of a lease that is handed over has so long to finish.
    pub handoff_ms: u64,
    /// Processors have so long to finish when the worker stops.
    pub shutdown_grace_ms: u64,
    /// How long a shard that had no records is left alone.
    pub idle_ms: u64,
    /// How many records are asked for at once.
    pub max_records: u32,
    /// How many leases this worker holds at most.
    pub max_leases: usize,
    /// How many leases it takes away from others at once (2.x).
    pub max_leases_to_steal: usize,
    /// Who shares leases out.
    pub assignment: Assignment,
    /// By what a leader shares them out.
    pub balance: Balance,
    /// How often a batch that fails is tried.
    pub retry: Retry,
    /// What becomes of a record that cannot be processed.
    pub poison: Poison,
    /// What becomes of user records that were aggregated for another shard.
    pub misplaced: Misplaced,
    /// Whether processors are called when there are no records.
    pub call_for_empty_batches: bool,
    /// What is measured, if somebody wants to know.
    pub metrics: MetricsConfig,
}

/// Where reading begins if nobody has read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialPosition {
    /// With the oldest record.
    TrimHorizon,
    /// With what is written from now on.
    Latest,
    /// With what arrived at this time (milliseconds since 1970).
    AtTimestamp(u64),
}

/// How records are got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retrieval {
    /// GetRecords, again and again.
    Polling,
    /// SubscribeToShard; polling for as long as that is refused.
    FanOut,
}

/// Who shares leases out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// The leader, unless workers of 2.x are in the fleet.
    Auto,
    /// Each worker takes what it needs (2.x).
    Take,
    /// The leader (3.x).
    Leader,
}

/// By what a leader shares leases out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Every worker has as many shards as the others.
    Count,
    /// Every worker reads as many bytes as the others.
    Throughput,
}

/// How often a batch that fails is tried, and how long the waits between are. They double from `backoff_ms` to `max_backoff_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often the whole batch is tried before it is cut, and a single record before it counts as poison. At least 1.
    pub attempts: u32,
    /// The first wait.
    pub backoff_ms: u64,
    /// The longest wait.
    pub max_backoff_ms: u64,
}

/// What becomes of a record that cannot be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Its shard stands still until it can be.
    Stop,
    /// It is left out, with an error in the log.
    Skip,
    /// It goes to the dead letters; its shard stands still until it is there.
    DeadLetter,
}

/// What becomes of user records that were aggregated for another shard: before a split or merge, and written after it. The KPL
/// notices and writes them again, so that they come twice; other producers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// They are delivered.
    Deliver,
    /// The aggregated record that holds one is left out, as the KCL for Java does.
    Drop,
}

impl Config {
    /// The defaults.
    pub fn new(application: impl Into<String>, stream: impl Into<String>, worker: impl Into<String>) -> Self {
        let failover_ms = 10_000;
        Self {
            application: application.into(),
            stream: stream.into(),
            worker: worker.into(),
            start: InitialPosition::TrimHorizon,
            retrieval: Retrieval::Polling,
            failover_ms,
            // As many as the KCL for Java has threads for it.
            renewals_at_once: 20,
            leader_lock_ms: 3 * failover_ms,
            assignment_interval_ms: 2 * failover_ms,
            worker_metrics_interval_ms: 30_000,
            shard_sync_interval_ms: 60_000,
            parent_poll_ms: 2_000,
            cleanup_interval_ms: 60_000,
            completed_lease_ms: 300_000,
            handoff_ms: 30_000,
            shutdown_grace_ms: 30_000,
            idle_ms: 1_000,
            max_records: 10_000,
            max_leases: usize::MAX,
            max_leases_to_steal: 1,
            assignment: Assignment::Auto,
            balance: Balance::Count,
            retry: Retry { attempts: 3, backoff_ms: 500, max_backoff_ms: 30_000 },
            poison: Poison::Stop,
            misplaced: Misplaced::Deliver,
            call_for_empty_batches: false,
            metrics: MetricsConfig::default(),
        }
    }

    /// How often leases are renewed: three times before they could be taken.
    pub(super) fn renewal_interval_ms(&self) -> u64 {
        (self.failover_ms / 3).saturating_sub(25).max(1)
    }
}

impl InitialPosition {
    /// As a lease says it.
    pub(super) fn checkpoint(self) -> Checkpoint {
        match self {
            Self::TrimHorizon => Checkpoint::TrimHorizon,
            Self::Latest => Checkpoint::Latest,
            Self::AtTimestamp(_) => Checkpoint::AtTimestamp,
        }
    }

    /// Where a shard begins whose parents are being read.
    pub(super) fn of_descendants(self) -> Checkpoint {
        match self {
            Self::TrimHorizon | Self::Latest => Checkpoint::TrimHorizon,
            Self::AtTimestamp(_) => Checkpoint::AtTimestamp,
        }
    }
}

/// The machine that a worker runs on: its time, its dice, its processors and what runs its tasks. Waits go by the timers of tokio.
#[derive(Clone)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The dice.
    pub random: Arc<dyn Random>,
    /// How busy the processors are.
    pub cpu: Arc<dyn Cpu>,
    /// What runs tasks.
    pub spawn: Arc<dyn Spawn>,
}

/// Runs tasks: a parameter, so that tests decide what runs, and what dies.
pub trait Spawn: Send + Sync + 'static {
    /// Runs a task beside the one that calls.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Runs tasks in tokio's runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawn;

impl Spawn for TokioSpawn {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of Spawn")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}

impl Environment {
    /// The system's time, dice and processors, and tokio's tasks.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            cpu: Arc::new(SystemCpu),
            spawn: Arc::new(TokioSpawn),
        }
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&self, bound: u64) -> u64 {
        u64::from_le_bytes(rheos_types::random::bytes(&*self.random)) % bound.max(1)
    }

    /// A name that nobody else has drawn, as Java writes its random UUIDs.
    pub(super) fn unique_name(&self) -> String {
        let mut bytes: [u8; 16] = rheos_types::random::bytes(&*self.random);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let number = u128::from_be_bytes(bytes);
        let digits = format!("{number:032x}");
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }
}
