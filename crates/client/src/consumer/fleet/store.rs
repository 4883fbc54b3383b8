//! A lease store that is slow, whose answers get lost, and whose index is behind.

use std::sync::{Arc, Mutex, PoisonError};

use super::world::Weather;
use crate::lease::store::{Change, Expect, Row, StoreError, StoreFuture, Table, Updated};
use crate::lease::{LeaseStore, MemoryLeaseStore};

/// The store as one worker meets it.
pub(super) struct SimStore {
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
        Box::pin(self.call(self.memory.update(table, key, expected, changes)))
    }

    fn delete<'a>(&'a self, table: Table, key: &'a str, expected: Vec<Expect>) -> StoreFuture<'a, bool> {
        Box::pin(self.call(self.memory.delete(table, key, expected)))
    }
}
