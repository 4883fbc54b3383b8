//! What workers do to leases: every change with what it expects, exactly as the KCL for Java does it, so that workers of both can share a
//! table.
//!
//! Two rules keep a shard with one worker at a time. A change of a lease expects either the counter that was read, which everything
//! that matters raises, or the owners that were read. And a row that exists is only ever updated, so that attributes that others know stay.

use std::collections::BTreeSet;
use std::sync::Arc;

use rheos_types::HashRange;

use super::checkpoint::Checkpoint;
use super::codec::{InvalidLease, Lease, Pending, attribute, texts, throughput};
use super::store::{Attribute, Change, Expect, LeaseStore, Row, StoreError, Table, Updated};

/// The leases of an application in their store.
#[derive(Clone)]
pub struct LeaseTable {
    store: Arc<dyn LeaseStore>,
}

/// Why leases cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The store did not do it, or did not say so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row makes no sense.
    #[error(transparent)]
    Invalid(#[from] InvalidLease),
}

/// What became of a change of a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// It was made; this is the lease now.
    Made(Lease),
    /// The lease is not what was expected. As it is, if it is still there.
    Refused(Option<Lease>),
}

/// What a checkpoint changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Everything up to here has been processed. What was prepared is gone.
    Checkpoint(Checkpoint),
    /// This is going to be the checkpoint.
    Prepare(Pending),
}

impl LeaseTable {
    /// The leases in this store.
    #[must_use]
    pub fn new(store: Arc<dyn LeaseStore>) -> Self {
        Self { store }
    }

    /// The store itself, for rows that are no leases.
    pub(crate) fn store(&self) -> &dyn LeaseStore {
        &*self.store
    }

    /// Makes the tables where they are not there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn prepare(&self) -> Result<(), LeaseError> {
        Ok(self.store.prepare().await?)
    }

    /// Every lease, by its key. A row that makes no sense is left out, with a warning: one bad row must not stop all shards.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self) -> Result<Vec<Lease>, LeaseError> {
        let rows = self.store.scan(Table::Leases).await?;
        let mut leases = Vec::with_capacity(rows.len());
        for row in &rows {
            match Lease::from_row(row) {
                Ok(lease) => leases.extend(lease),
                Err(invalid) => tracing::warn!("{invalid}; it is left alone"),
            }
        }
        leases.sort_by(|one, another| one.key.cmp(&another.key));
        Ok(leases)
    }

    /// One lease, as it is now.
    ///
    /// # Errors
    /// Those of the store; [`LeaseError::Invalid`] if the row makes no sense.
    pub async fn get(&self, key: &str) -> Result<Option<Lease>, LeaseError> {
        let row = self.store.get(Table::Leases, key).await?;
        Ok(row.map(|row| Lease::from_row(&row)).transpose()?.flatten())
    }

    /// The keys of the leases that this worker owns, or did a moment ago.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keys_of(&self, owner: &str) -> Result<Vec<String>, LeaseError> {
        Ok(self.store.keys_of(owner).await?)
    }

    /// Makes a lease unless it is there. Whether it did.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn create(&self, lease: &Lease) -> Result<bool, LeaseError> {
        Ok(self.store.create(Table::Leases, lease.to_row()).await?)
    }

    /// A sign of life of the lease's owner. With `while_handed_over` also of the old one, who still processes the shard.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn renew(&self, lease: &Lease, while_handed_over: bool) -> Result<Changed, LeaseError> {
        let mut expected = vec![counter_of(lease)];
        if !while_handed_over {
            expected.push(Expect::Absent(attribute::CHECKPOINT_OWNER));
        }
        let mut changes = vec![next_counter(lease)];
        changes.extend(lease.throughput_kbps.map(|kbps| Change::Put(attribute::THROUGHPUT, throughput(kbps))));
        self.change(&lease.key, expected, changes).await
    }

    /// The worker makes itself the owner, as workers of 2.x do.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn take(&self, lease: &Lease, worker: &str) -> Result<Changed, LeaseError> {
        let mut changes = vec![
            next_counter(lease),
            Change::Put(attribute::OWNER, Attribute::text(worker)),
            Change::Delete(attribute::CHECKPOINT_OWNER),
        ];
        if lease.owner.as_deref() != Some(worker) {
            changes.push(Change::Add(attribute::SWITCHES, 1));
        }
        self.change(&lease.key, vec![counter_of(lease)], changes).await
    }

    /// The leader, or the old owner at the end of a handover, makes a worker the owner. Java expects the owners that were read; here the
    /// counter too, so that an owner that gave a sign of life meanwhile keeps its lease.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn assign(&self, lease: &Lease, worker: &str) -> Result<Changed, LeaseError> {
        let mut changes = vec![
            Change::Put(attribute::OWNER, Attribute::text(worker)),
            Change::Delete(attribute::CHECKPOINT_OWNER),
            Change::Add(attribute::COUNTER, 1),
        ];
        if lease.actual_owner() != Some(worker) {
            changes.push(Change::Add(attribute::SWITCHES, 1));
        }
        let expected = vec![
            counter_of(lease),
            is(attribute::OWNER, lease.owner.as_deref()),
            is(attribute::CHECKPOINT_OWNER, lease.checkpoint_owner.as_deref()),
        ];
        self.change(&lease.key, expected, changes).await
    }

    /// The leader asks the owner to hand the lease over to `worker`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start_handoff(&self, lease: &Lease, worker: &str) -> Result<Changed, LeaseError> {
        let Some(owner) = lease.owner.as_deref() else { return Ok(Changed::Refused(Some(lease.clone()))) };
        let expected = vec![is(attribute::OWNER, Some(owner)), Expect::Absent(attribute::CHECKPOINT_OWNER)];
        let changes = vec![
            Change::Put(attribute::OWNER, Attribute::text(worker)),
            Change::Put(attribute::CHECKPOINT_OWNER, Attribute::text(owner)),
        ];
        self.change(&lease.key, expected, changes).await
    }

    /// Nobody owns the lease any more; during a handover the new owner has it at once.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn evict(&self, lease: &Lease) -> Result<Changed, LeaseError> {
        let mut changes = vec![Change::Delete(attribute::CHECKPOINT_OWNER), Change::Add(attribute::COUNTER, 1)];
        if lease.checkpoint_owner.is_none() {
            changes.push(Change::Delete(attribute::OWNER));
        }
        let expected = vec![Expect::Present(attribute::KEY), is(attribute::OWNER, lease.owner.as_deref())];
        self.change(&lease.key, expected, changes).await
    }

    /// How far the shard has been processed. Refused unless the lease's counter is what it was: an owner that has lost the lease cannot
    /// write over its successor's progress.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn checkpoint(&self, lease: &Lease, progress: &Progress) -> Result<Changed, LeaseError> {
        let mut changes = vec![next_counter(lease)];
        match progress {
            Progress::Checkpoint(checkpoint) => changes.extend([
                Change::Put(attribute::CHECKPOINT, Attribute::text(checkpoint.text())),
                Change::Put(attribute::CHECKPOINT_SUB, Attribute::number(checkpoint.sub_sequence_number())),
                Change::Put(attribute::SWITCHES, Attribute::number(0)),
                Change::Delete(attribute::PENDING),
                Change::Delete(attribute::PENDING_SUB),
                Change::Delete(attribute::PENDING_STATE),
            ]),
            Progress::Prepare(pending) => changes.extend([
                Change::Put(attribute::PENDING, Attribute::text(pending.checkpoint.text())),
                Change::Put(attribute::PENDING_SUB, Attribute::number(pending.checkpoint.sub_sequence_number())),
                match &pending.state {
                    Some(state) => Change::Put(attribute::PENDING_STATE, Attribute::B(state.clone())),
                    None => Change::Delete(attribute::PENDING_STATE),
                },
            ]),
        }
        self.change(&lease.key, vec![counter_of(lease)], changes).await
    }

    /// The shards that came out of this one. Whether the lease is still there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_children(&self, key: &str, children: &BTreeSet<String>) -> Result<bool, LeaseError> {
        let Some(children) = texts(children) else { return Ok(true) };
        self.change_meta(key, vec![Change::Put(attribute::CHILDREN, children)]).await
    }

    /// Which keys fall into the shard. Whether the lease is still there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_hash_range(&self, key: &str, range: HashRange) -> Result<bool, LeaseError> {
        let changes = vec![
            Change::Put(attribute::HASH_START, Attribute::text(range.start.to_string())),
            Change::Put(attribute::HASH_END, Attribute::text(range.end.to_string())),
        ];
        self.change_meta(key, changes).await
    }

    /// Where an operator wants the shard to be read from: whoever holds the lease loses it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reset(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<Changed, LeaseError> {
        let changes = vec![
            next_counter(lease),
            Change::Delete(attribute::OWNER),
            Change::Delete(attribute::CHECKPOINT_OWNER),
            Change::Put(attribute::CHECKPOINT, Attribute::text(checkpoint.text())),
            Change::Put(attribute::CHECKPOINT_SUB, Attribute::number(checkpoint.sub_sequence_number())),
            Change::Put(attribute::SWITCHES, Attribute::number(0)),
            Change::Delete(attribute::PENDING),
            Change::Delete(attribute::PENDING_SUB),
            Change::Delete(attribute::PENDING_STATE),
        ];
        self.change(&lease.key, vec![counter_of(lease)], changes).await
    }

    /// The lease is gone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, key: &str) -> Result<(), LeaseError> {
        self.store.delete(Table::Leases, key, Vec::new()).await?;
        Ok(())
    }

    async fn change(&self, key: &str, expected: Vec<Expect>, changes: Vec<Change>) -> Result<Changed, LeaseError> {
        let lease = |row: Row| Lease::from_row(&row);
        match self.store.update(Table::Leases, key, expected, changes).await? {
            Updated::Made(row) => match lease(row)? {
                Some(lease) => Ok(Changed::Made(lease)),
                None => Ok(Changed::Refused(None)),
            },
            Updated::Refused(row) => Ok(Changed::Refused(row.map(lease).transpose()?.flatten())),
        }
    }

    async fn change_meta(&self, key: &str, changes: Vec<Change>) -> Result<bool, LeaseError> {
        let changed = self.change(key, vec![Expect::Present(attribute::KEY)], changes).await?;
        Ok(matches!(changed, Changed::Made(_)))
    }
}

fn counter_of(lease: &Lease) -> Expect {
    Expect::Equals(attribute::COUNTER, Attribute::number(lease.counter))
}

fn next_counter(lease: &Lease) -> Change {
    Change::Put(attribute::COUNTER, Attribute::number(lease.next_counter()))
}

fn is(name: &'static str, value: Option<&str>) -> Expect {
    match value {
        Some(value) => Expect::Equals(name, Attribute::text(value)),
        None => Expect::Absent(name),
    }
}
