//! A lease store that is slow, whose answers get lost, and whose index is behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rheos_types::Clock as _;

use super::defects::Defect;
use super::world::{PausedClock, Weather};
use crate::lease::store::{Change, Expect, Row, StoreError, StoreFuture, Table, Updated};
use crate::lease::{LeaseStore, MemoryLeaseStore};

/// When a worker last gave a sign of life for each of its shards: when it sent the change that was made and answered.
#[derive(Clone, Default)]
pub(super) struct Signs(Arc<Mutex<BTreeMap<String, u64>>>);

impl Signs {
    /// Of two changes that are under way at once, the one that was sent first may be answered last.
    fn add(&self, shard: &str, sent_ms: u64) {
        let mut signs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last_ms = signs.entry(shard.to_owned()).or_default();
        *last_ms = sent_ms.max(*last_ms);
    }

    pub(super) fn last_ms(&self, shard: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(shard).copied()
    }
}

/// The store as one worker meets it.
pub(super) struct SimStore {
    pub(super) signs: Signs,
    pub(super) clock: PausedClock,
    pub(super) memory: Arc<MemoryLeaseStore>,
    pub(super) weather: Weather,
    /// What the index said before.
    pub(super) old_keys: Mutex<Vec<String>>,
}

impl SimStore {
    async fn call<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.weather.travel().await;
        if self.weather.fails() {
            return Err(StoreError::Throttled("slowly".to_owned()));
        }
        let answer = work.await;
        let is_lost = self.weather.fails();
        self.weather.travel().await;
        if is_lost { Err(StoreError::Unavailable("the answer is lost".to_owned())) } else { answer }
    }
}

impl LeaseStore for SimStore {
    fn prepare(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.call(self.memory.prepare()))
    }

    fn scan(&self, table: Table) -> StoreFuture<'_, Vec<Row>> {
        Box::pin(self.call(self.memory.scan(table)))
    }

    fn get<'a>(&'a self, table: Table, key: &'a str) -> StoreFuture<'a, Option<Row>> {
        Box::pin(self.call(self.memory.get(table, key)))
    }

    fn keys_of<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, Vec<String>> {
        Box::pin(async move {
            let keys = self.call(self.memory.keys_of(owner)).await?;
            let mut old = self.old_keys.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *old, keys.clone());
            Ok(if self.weather.dice.once_in(4) { before } else { keys })
        })
    }

    fn create(&self, table: Table, row: Row) -> StoreFuture<'_, bool> {
        Box::pin(self.call(self.memory.create(table, row)))
    }

    fn update<'a>(
        &'a self,
        table: Table,
        key: &'a str,
        expected: Vec<Expect>,
        changes: Vec<Change>,
    ) -> StoreFuture<'a, Updated> {
        let sent_ms = self.clock.monotonic_ms();
        let work = self.call(async move {
            match self.weather.defect {
                Some(Defect::NoConditions) => {
                    let expected = expected.into_iter().filter(|expect| matches!(expect, Expect::Present(_)));
                    self.memory.update(table, key, expected.collect(), changes).await
                }
                Some(Defect::LostWrites) if self.weather.dice.once_in(20) => {
                    let elsewhere = MemoryLeaseStore::new();
                    if let Some(row) = self.memory.get(table, key).await? {
                        elsewhere.create(table, row).await?;
                    }
                    elsewhere.update(table, key, expected, changes).await
                }
                _ => self.memory.update(table, key, expected, changes).await,
            }
        });
        Box::pin(async move {
            let updated = work.await?;
            if let (Table::Leases, Updated::Made(_)) = (table, &updated) {
                self.signs.add(key, sent_ms);
            }
            Ok(updated)
        })
    }

    fn delete<'a>(&'a self, table: Table, key: &'a str, expected: Vec<Expect>) -> StoreFuture<'a, bool> {
        Box::pin(self.call(self.memory.delete(table, key, expected)))
    }
}
