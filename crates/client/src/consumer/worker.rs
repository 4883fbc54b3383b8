//! A worker: holds leases and keeps them, and runs a processor for each.
//!
//! Its duties are loops beside each other, so that none waits for another's calls: renewing, leading (or taking), finding what was assigned,
//! comparing shards with leases, removing what is done, saying how busy it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::config::{Config, Environment};
use super::dead_letters::DeadLetters;
use super::held::{Held, Signal, Status};
use super::kinesis::Kinesis;
use super::metrics::{Measure, Meter, MetricsConfig, MetricsLevel, MetricsPublisher, RENEW_LEASE};
use super::processor::ProcessorFactory;
use super::shard::consume;
use crate::lease::coordinator::LeaderLock;
use crate::lease::{Lease, LeaseError, LeaseStore, LeaseTable};

/// The first wait after a failed beginning; it doubles up to sixteen times that.
const BEGIN_BACKOFF_MS: u64 = 500;

/// A worker of an application. [`run`](Self::run) is its whole life; dropping that is a sudden death.
pub struct Worker<F> {
    shared: Arc<Shared>,
    factory: Arc<F>,
}

/// What a worker works with.
#[derive(Clone)]
pub struct Services {
    /// Where leases are.
    pub leases: Arc<dyn LeaseStore>,
    /// The stream.
    pub kinesis: Arc<dyn Kinesis>,
    /// Where records go that cannot be processed, if the configuration says so.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// Who is told what the worker measures.
    pub metrics: Option<Arc<dyn MetricsPublisher>>,
}

impl Services {
    /// Without dead letters, and with nobody who is told what the worker measures.
    pub fn new(leases: Arc<dyn LeaseStore>, kinesis: Arc<dyn Kinesis>) -> Self {
        Self { leases, kinesis, dead_letters: None, metrics: None }
    }
}

/// To stop a worker, and to look at it, from elsewhere.
#[derive(Clone)]
pub struct WorkerHandle {
    shared: Arc<Shared>,
}

/// What all parts of a worker know.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) environment: Environment,
    pub(super) table: LeaseTable,
    pub(super) kinesis: Arc<dyn Kinesis>,
    pub(super) dead_letters: Option<Arc<dyn DeadLetters>>,
    pub(super) metrics: Option<Arc<dyn MetricsPublisher>>,
    pub(super) meter: Arc<Meter>,
    held: Mutex<BTreeMap<String, Arc<Held>>>,
    /// The lock, while this worker leads.
    pub(super) leads: Mutex<Option<LeaderLock>>,
    /// Whether workers of this fleet take what they need themselves.
    pub(super) takes: Mutex<bool>,
    /// Whether other workers of this fleet say how busy their processors are.
    fleet_reports_cpu: AtomicBool,
    pub(super) assign_now: Notify,
    pub(super) sync_now: Notify,
    pub(super) discover_now: Notify,
    released: Notify,
    stop: watch::Sender<bool>,
}

impl<F: ProcessorFactory> Worker<F> {
    /// A worker that has not begun.
    pub fn new(config: Config, environment: Environment, services: Services, factory: F) -> Self {
        let Services { leases, kinesis, dead_letters, metrics } = services;
        // Without anybody who wants to know, nothing is measured.
        let level = if metrics.is_some() { config.metrics.level } else { MetricsLevel::None };
        let meter = Meter::new(MetricsConfig { level, ..config.metrics }, &config.worker, environment.clock.clone());
        let shared = Shared {
            config,
            environment,
            table: LeaseTable::new(leases),
            kinesis,
            dead_letters,
            metrics,
            meter: Arc::new(meter),
            held: Mutex::default(),
            leads: Mutex::default(),
            takes: Mutex::new(false),
            fleet_reports_cpu: AtomicBool::new(false),
            assign_now: Notify::new(),
            sync_now: Notify::new(),
            discover_now: Notify::new(),
            released: Notify::new(),
            stop: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared), factory: Arc::new(factory) }
    }

    /// To stop it, and to look at it.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle { shared: self.shared.clone() }
    }

    /// Works until it is told to stop; then lets every processor finish, and gives every lease back, so that others go on at once.
    ///
    /// # Errors
    /// The lease store refuses for good what a worker needs at its beginning. Everything later is tried again.
    pub async fn run(self) -> Result<(), LeaseError> {
        let shared = &*self.shared;
        let mut stop = shared.stop.subscribe();
        let stopped = async {
            // The sender is in `self`.
            drop(stop.wait_for(|stop| *stop).await);
        };
        tokio::pin!(stopped);
        tokio::select! {
            biased;
            () = &mut stopped => return Ok(()),
            begun = self.begin() => begun?,
        }
        tokio::select! {
            biased;
            () = &mut stopped => {}
            () = self.work() => {}
        }
        self.finish().await;
        Ok(())
    }

    async fn begin(&self) -> Result<(), LeaseError> {
        let mut failures = 0u32;
        loop {
            match self.shared.table.prepare().await {
                Ok(()) => return Ok(()),
                Err(error @ LeaseError::Store(crate::lease::StoreError::Refused(_))) => return Err(error),
                Err(error) => {
                    tracing::warn!("the lease store is not ready: {error}");
                    sleep(Duration::from_millis(BEGIN_BACKOFF_MS << failures.min(4))).await;
                    failures += 1;
                }
            }
        }
    }

    async fn work(&self) {
        let shared = &*self.shared;
        tokio::join!(
            shared.keep_renewing(),
            shared.keep_reporting(),
            shared.keep_leading(),
            self.keep_assigning(),
            self.keep_discovering(),
            shared.keep_syncing(),
            shared.keep_cleaning(),
            shared.keep_publishing(),
        );
    }

    /// Every processor finishes and every lease goes back, within the time of grace.
    async fn finish(&self) {
        let shared = &*self.shared;
        let all_gone = async {
            shared.stop_reporting().await;
            loop {
                let released = shared.released.notified();
                for held in shared.all_held() {
                    held.stop();
                    // A shard that has ended has no processor any more that would let its lease go.
                    if held.is_complete() {
                        held.let_go(None).await;
                        shared.release(&held);
                    }
                }
                if shared.all_held().is_empty() {
                    return;
                }
                released.await;
            }
        };
        tokio::select! {
            biased;
            () = all_gone => {}
            () = shared.keep_renewing() => {}
            () = sleep(Duration::from_millis(shared.config.shutdown_grace_ms)) => {
                tracing::warn!("processors did not finish in {} ms; their leases are let go", shared.config.shutdown_grace_ms);
            }
        }
        for held in shared.all_held() {
            held.let_go(None).await;
        }
        shared.let_go_of_the_rest().await;
        shared.stop_leading().await;
        shared.publish().await;
    }

    /// Begins to process the shard of a lease that says that it is this worker's. `written_ms` is when this worker
    /// sent the write that made it so, if it did.
    pub(super) fn adopt(&self, lease: Lease, written_ms: Option<u64>) {
        let shared = &self.shared;
        let mut leases = shared.held();
        if leases.contains_key(&lease.key) || *shared.stop.borrow() {
            return;
        }
        tracing::info!("shard {}: {} has it, from {}", lease.shard_id(), shared.config.worker, lease.checkpoint_text());
        let held = Arc::new(Held::new(
            lease,
            &shared.config.worker,
            shared.config.failover_ms,
            shared.table.clone(),
            shared.environment.clock.clone(),
            shared.meter.clone(),
            written_ms,
        ));
        leases.insert(held.key.clone(), held.clone());
        drop(leases);
        let processor = self.factory.create(&held.shard);
        shared.environment.spawn.spawn(Box::pin(consume(shared.clone(), held, processor)));
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl WorkerHandle {
    /// Tells the worker to stop: processors finish, leases are given back, and [`Worker::run`] returns.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// The shards that this worker has, and how each is doing.
    #[must_use]
    pub fn status(&self) -> BTreeMap<String, Status> {
        self.shared.held().values().map(|held| (held.shard.clone(), held.status())).collect()
    }

    /// Whether this worker leads the fleet.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.shared.lock().is_some()
    }
}

impl Shared {
    pub(super) fn held(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all_held(&self) -> Vec<Arc<Held>> {
        self.held().values().cloned().collect()
    }

    pub(super) fn lock(&self) -> Option<LeaderLock> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_lock(&self, lock: Option<LeaderLock>) {
        *self.leads.lock().unwrap_or_else(PoisonError::into_inner) = lock;
    }

    pub(super) fn takes(&self) -> bool {
        *self.takes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_takes(&self, takes: bool) {
        *self.takes.lock().unwrap_or_else(PoisonError::into_inner) = takes;
    }

    pub(super) fn fleet_reports_cpu(&self) -> bool {
        self.fleet_reports_cpu.load(Ordering::Relaxed)
    }

    pub(super) fn set_fleet_reports_cpu(&self, reports: bool) {
        self.fleet_reports_cpu.store(reports, Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.environment.clock.monotonic_ms()
    }

    /// A wait, or less if somebody wants it.
    pub(super) async fn wait(&self, ms: u64, early: Option<&Notify>) {
        let timer = sleep(Duration::from_millis(ms.max(1)));
        match early {
            None => timer.await,
            Some(early) => tokio::select! {
                biased;
                () = early.notified() => {}
                () = timer => {}
            },
        }
    }

    /// This worker has the shard no more.
    pub(super) fn release(&self, held: &Arc<Held>) {
        let mut leases = self.held();
        if leases.get(&held.key).is_some_and(|there| Arc::ptr_eq(there, held)) {
            leases.remove(&held.key);
        }
        drop(leases);
        self.released.notify_one();
        self.assign_now.notify_one();
    }

    /// A shard of this worker's is complete: its children wait for their owners.
    pub(super) fn shard_has_ended(&self) {
        self.assign_now.notify_one();
        self.released.notify_one();
    }

    async fn keep_renewing(&self) {
        loop {
            let (begun_ms, all) = (self.now_ms(), self.all_held());
            self.meter.add(Measure::CurrentLeases, "", all.len() as u64);
            let renewals = stream::iter(all).map(|held| async move { (self.renew(&held).await, held).1 });
            let mut renewals = renewals.buffer_unordered(self.config.renewals_at_once.max(1));
            while let Some(held) = renewals.next().await {
                if held.is_lost() && held.is_complete() {
                    self.release(&held);
                }
                self.end_a_late_handover(&held).await;
            }
            drop(renewals);
            self.meter.add(Measure::RenewAllLeasesTime, "", self.now_ms() - begun_ms);
            self.wait(self.config.renewal_interval_ms(), None).await;
        }
    }

    async fn renew(&self, held: &Held) {
        if held.is_lost() {
            return;
        }
        self.meter.attempt(RENEW_LEASE, "", held.renew(), |renewed| *renewed).await;
        if held.is_lost() {
            self.meter.add(Measure::LostLeases, "", 1);
        }
    }

    /// The processor of a lease that is handed over has so long; then the new owner gets the lease all the same.
    async fn end_a_late_handover(&self, held: &Arc<Held>) {
        let Signal::HandOff { to, since_ms } = held.signal() else { return };
        let is_late = self.now_ms() > since_ms + self.config.handoff_ms;
        if is_late || held.is_complete() {
            held.let_go(Some(&to)).await;
            if held.is_complete() {
                self.release(held);
            }
        }
    }

    /// Leases that say that they are this worker's, and that it does not hold: a change was made whose answer never came.
    async fn let_go_of_the_rest(&self) {
        let me = &self.config.worker;
        let keys = match self.table.keys_of(me).await {
            Ok(keys) => keys,
            Err(error) => return tracing::warn!("leases may be left: {error}"),
        };
        for key in keys {
            let gone = match self.table.get(&key).await {
                Ok(Some(lease)) if lease.owner.as_deref() == Some(me) && lease.checkpoint_owner.is_none() => {
                    self.table.evict(&lease).await.map(drop)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = gone {
                tracing::warn!("the lease {key} was not let go: {error}");
            }
        }
    }
}
