//! The duties of a worker that are about the fleet: leading, assigning or taking, discovering, comparing shards with leases, cleaning up.

use std::collections::BTreeMap;

use super::assignment::{Fleet, Observer, Order, orders, to_take};
use super::config::Assignment;
use super::held::Held;
use super::kinesis::{KinesisError, ShardFilter};
use super::processor::ProcessorFactory;
use super::sync::{bootstrap, missing};
use super::worker::{Shared, Worker};
use crate::lease::coordinator::{FleetVersion, LeaderLock};
use crate::lease::{Changed, Checkpoint, Lease, LeaseError};

/// Why a duty was not done this time.
#[derive(Debug, thiserror::Error)]
pub(super) enum DutyError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Kinesis(#[from] KinesisError),
    #[error("the list of shards is not whole: {0}")]
    Partial(String),
    #[error("it took so long that the leases may be others by now")]
    Slow,
}

pub(super) fn report(duty: &str, outcome: Result<(), DutyError>) {
    if let Err(error) = outcome {
        tracing::warn!("could not {duty}: {error}");
    }
}

impl Shared {
    /// Whether this worker does what one worker of a fleet is to do.
    fn is_in_charge(&self) -> bool {
        self.takes() || self.lock().is_some()
    }

    /// Leads, or watches the leader.
    pub(super) async fn keep_leading(&self) {
        // The lock of another, and since when it has not changed.
        let mut watched: Option<(LeaderLock, u64)> = None;
        loop {
            if self.config.assignment != Assignment::Take {
                report("lead", self.lead(&mut watched).await);
            }
            self.wait(self.config.leader_lock_ms / 4, None).await;
        }
    }

    async fn lead(&self, watched: &mut Option<(LeaderLock, u64)>) -> Result<(), DutyError> {
        let version = self.environment.unique_name();
        let begun_ms = self.now_ms();
        if let Some(lock) = self.lock() {
            if self.table.keep_leadership(&lock, &version).await? {
                self.set_lock(Some(LeaderLock { version, ..lock }));
                return Ok(());
            }
            // Either another leads, or the answer to the last sign of life was lost; the row says which.
            self.set_lock(None);
        }
        let me = &self.config.worker;
        let mine = LeaderLock { owner: me.clone(), version, duration_ms: self.config.leader_lock_ms };
        let there = self.table.leader().await?;
        let may_take = match &there {
            None => true,
            // This worker's own, from before it was started again, or without the answer.
            Some(lock) if lock.owner == *me => true,
            Some(lock) => match watched {
                Some((seen, since_ms)) if seen == lock => begun_ms > since_ms.saturating_add(lock.duration_ms),
                _ => {
                    *watched = Some((lock.clone(), begun_ms));
                    false
                }
            },
        };
        if may_take && self.table.take_leadership(&mine, there.as_ref()).await? {
            tracing::info!("{me} leads");
            self.set_lock(Some(mine));
            self.sync_now.notify_one();
            self.assign_now.notify_one();
        }
        Ok(())
    }

    /// Leads no more, and says so.
    pub(super) async fn stop_leading(&self) {
        self.set_lock(None);
        let outcome = async {
            // The row and not what is known: the answer to the last write may have been lost.
            match self.table.leader().await? {
                Some(lock) if lock.owner == self.config.worker => self.table.give_up_leadership(&lock).await,
                _ => Ok(()),
            }
        };
        report("give up leading", outcome.await.map_err(Into::into));
    }

    /// Makes the leases that are missing.
    pub(super) async fn keep_syncing(&self) {
        loop {
            if self.is_in_charge() {
                report("compare the shards with the leases", self.sync().await);
            }
            let jitter_ms = self.environment.below(self.config.shard_sync_interval_ms / 10 + 1);
            self.wait(self.config.shard_sync_interval_ms - jitter_ms, Some(&self.sync_now)).await;
        }
    }

    async fn sync(&self) -> Result<(), DutyError> {
        let begun_ms = self.now_ms();
        let start = self.config.start;
        // The leases first: a lease that is removed after this was listed has children that are in the list of shards.
        let leases = self.table.list().await?;
        let wanted = if leases.is_empty() {
            let shards = self.kinesis.list_shards(start.filter()).await?;
            bootstrap(&shards, start).map_err(DutyError::Partial)?
        } else {
            let shards = self.kinesis.list_shards(ShardFilter::All).await?;
            for lease in leases.iter().filter(|lease| lease.hash_range.is_none()) {
                if let Some(shard) = shards.iter().find(|shard| shard.id == lease.shard_id()) {
                    self.table.set_hash_range(&lease.key, shard.hash_range).await?;
                }
            }
            missing(&leases, &shards, start)
        };
        for lease in &wanted {
            // What is missing may be there by now, and even done and removed again; that takes longer than this.
            if self.now_ms() > begun_ms + self.config.completed_lease_ms / 2 {
                return Err(DutyError::Slow);
            }
            if self.table.create(lease).await? {
                tracing::info!("shard {}: has a lease now, from {}", lease.shard_id(), lease.checkpoint_text());
            }
        }
        if !wanted.is_empty() {
            self.assign_now.notify_one();
        }
        Ok(())
    }

    /// Removes the lease of a shard that the stream has no more. What comes after it gets leases first.
    pub(super) async fn remove_lease_of_gone_shard(&self, held: &Held) {
        let outcome = async {
            self.sync().await?;
            if held.is_valid() {
                self.table.delete(&held.key).await?;
            }
            Ok(())
        };
        report("remove the lease of a shard that is gone", outcome.await);
    }

    /// Removes the leases of shards that are done.
    pub(super) async fn keep_cleaning(&self) {
        let mut observer = Observer::default();
        loop {
            self.wait(self.config.cleanup_interval_ms, None).await;
            report("remove leases of finished shards", self.clean(&mut observer).await);
        }
    }

    async fn clean(&self, observer: &mut Observer) -> Result<(), DutyError> {
        let in_charge = self.is_in_charge();
        if !in_charge && !self.all_held().iter().any(|held| held.is_complete()) {
            return Ok(());
        }
        let now_ms = self.now_ms();
        let leases = self.table.list().await?;
        observer.see(&leases, self.now_ms());
        let by_key: BTreeMap<&str, &Lease> = leases.iter().map(|lease| (lease.key.as_str(), lease)).collect();
        for lease in leases.iter().filter(|lease| lease.is_complete()) {
            let is_mine = lease.owner.as_deref() == Some(&*self.config.worker);
            let is_nobodys = in_charge && observer.is_free(lease, &self.config, now_ms);
            let has_aged = observer.complete_for_ms(lease, now_ms) >= self.config.completed_lease_ms;
            if (is_mine || is_nobodys) && has_aged && has_successors(lease, &by_key) {
                self.table.delete(&lease.key).await?;
                tracing::info!("shard {}: its lease is removed, the shard is done", lease.shard_id());
            }
        }
        Ok(())
    }

    /// Which way leases are shared out in this fleet, as it is now.
    async fn fleet_takes(
        &self,
        leases: &[Lease],
        live: &BTreeMap<String, u64>,
        observer: &Observer,
    ) -> Result<bool, DutyError> {
        match self.config.assignment {
            Assignment::Take => return Ok(true),
            Assignment::Leader => return Ok(false),
            Assignment::Auto => {}
        }
        Ok(match self.table.fleet_version().await? {
            FleetVersion::Two => true,
            FleetVersion::Three => false,
            // A worker that keeps leases and says nothing else about itself is one of 2.x. Nobody who leads can know it.
            FleetVersion::Unknown => {
                self.table.leader().await?.is_none()
                    && leases.iter().any(|lease| {
                        let is_silent = lease.actual_owner().is_some_and(|owner| !live.contains_key(owner));
                        is_silent && !observer.is_free(lease, &self.config, self.now_ms())
                    })
            }
        })
    }
}

/// Whether every child of a finished shard has begun, and nothing before it is left.
fn has_successors(lease: &Lease, leases: &BTreeMap<&str, &Lease>) -> bool {
    let has_begun = |child: &String| {
        let checkpoint = leases.get(child.as_str()).and_then(|lease| lease.checkpoint.as_ref());
        checkpoint.is_some_and(|checkpoint| !matches!(checkpoint, Checkpoint::TrimHorizon | Checkpoint::AtTimestamp))
    };
    let parents_are_gone = !lease.parents.iter().any(|parent| leases.contains_key(parent.as_str()));
    !lease.children.is_empty() && lease.children.iter().all(has_begun) && parents_are_gone
}

impl<F: ProcessorFactory> Worker<F> {
    /// Assigns, if it leads; takes, where workers take.
    pub(super) async fn keep_assigning(&self) {
        let mut observer = Observer::default();
        let shared = self.shared();
        loop {
            report("share leases out", self.assign(&mut observer).await);
            shared.wait(shared.config.assignment_interval_ms, Some(&shared.assign_now)).await;
        }
    }

    async fn assign(&self, observer: &mut Observer) -> Result<(), DutyError> {
        let shared = self.shared();
        let (config, me) = (&shared.config, &shared.config.worker);
        // The rows were read after this time and before that one: what has not changed since is at least so old, and no older.
        let now_ms = shared.now_ms();
        let leases = shared.table.list().await?;
        observer.see(&leases, shared.now_ms());
        let live = shared.live_workers().await?;
        let takes = shared.fleet_takes(&leases, &live, observer).await?;
        if takes && !shared.takes() {
            shared.sync_now.notify_one();
        }
        shared.set_takes(takes);
        if takes {
            let is_free = |lease: &Lease| observer.is_free(lease, config, now_ms);
            let held = shared.held().clone();
            let taken = to_take(&leases, is_free, me, config, |bound| shared.environment.below(bound));
            for lease in taken.into_iter().filter(|lease| !held.contains_key(&lease.key)) {
                let sent_ms = shared.now_ms();
                if let Changed::Made(lease) = shared.table.take(&lease, me).await? {
                    self.adopt(lease, Some(sent_ms));
                }
            }
        } else if shared.lock().is_some() {
            let live = observer.without_dead(&leases, live, config, now_ms);
            let workers = live.into_keys().map(|worker| (worker, config.max_leases)).collect();
            let fleet = Fleet { leases: &leases, workers: &workers, balance: config.balance };
            for order in orders(&fleet, |lease| observer.is_free(lease, config, now_ms)) {
                let (lease, to, changed) = match &order {
                    Order::Assign(lease, to) => (lease, to, shared.table.assign(lease, to).await?),
                    Order::HandOff(lease, to) => (lease, to, shared.table.start_handoff(lease, to).await?),
                };
                tracing::debug!("{me}: {} goes to {to}: {}", lease.key, matches!(changed, Changed::Made(_)));
            }
        }
        shared.discover_now.notify_one();
        Ok(())
    }

    /// Finds the leases that others, or this worker's lost calls, have made this worker's.
    pub(super) async fn keep_discovering(&self) {
        let shared = self.shared();
        loop {
            report("look for new leases", self.discover().await);
            let interval_ms = (shared.config.assignment_interval_ms / 2).saturating_sub(25);
            shared.wait(interval_ms, Some(&shared.discover_now)).await;
        }
    }

    async fn discover(&self) -> Result<(), DutyError> {
        let shared = self.shared();
        let me = &shared.config.worker;
        for key in shared.table.keys_of(me).await? {
            if shared.held().contains_key(&key) {
                continue;
            }
            let lease = shared.table.get(&key).await?;
            // What is still being handed over is its old owner's.
            if let Some(lease) =
                lease.filter(|lease| lease.owner.as_deref() == Some(me) && lease.checkpoint_owner.is_none())
            {
                self.adopt(lease, None);
            }
        }
        Ok(())
    }
}
