//! A store in memory: for tests, for applications of one process, and as the specification of what a store does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::store::{Attribute, Change, Expect, LeaseStore, Row, StoreError, StoreFuture, Table, Updated};

/// Leases in memory. What one process knows, and what is gone with it.
#[derive(Debug, Default)]
pub struct MemoryLeaseStore {
    tables: Mutex<BTreeMap<Table, BTreeMap<String, Row>>>,
}

impl MemoryLeaseStore {
    /// A store without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<Table, BTreeMap<String, Row>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update_now(
        &self,
        table: Table,
        key: &str,
        expected: &[Expect],
        changes: &[Change],
    ) -> Result<Updated, StoreError> {
        let mut tables = self.tables();
        let rows = tables.entry(table).or_default();
        let there = rows.get(key);
        if !holds(there, expected) {
            return Ok(Updated::Refused(there.cloned()));
        }
        let mut row = there.cloned().unwrap_or_else(|| Row::from([(table.key().to_owned(), Attribute::text(key))]));
        for change in changes {
            apply(&mut row, change)?;
        }
        rows.insert(key.to_owned(), row.clone());
        Ok(Updated::Made(row))
    }
}

fn holds(row: Option<&Row>, expected: &[Expect]) -> bool {
    let attribute = |name: &str| row.and_then(|row| row.get(name));
    expected.iter().all(|expect| match expect {
        Expect::Equals(name, value) => attribute(name) == Some(value),
        Expect::Absent(name) => attribute(name).is_none(),
        Expect::Present(name) => attribute(name).is_some(),
    })
}

fn apply(row: &mut Row, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Put(name, value) => {
            row.insert((*name).to_owned(), value.clone());
        }
        Change::Delete(name) => {
            row.remove(*name);
        }
        Change::Add(name, addend) => {
            let sum = match row.get(*name) {
                None => Some(*addend),
                Some(value) => value.as_number().and_then(|number| number.checked_add(*addend)),
            };
            let sum =
                sum.ok_or_else(|| StoreError::Refused(format!("{name} is no number that {addend} can be added to")))?;
            row.insert((*name).to_owned(), Attribute::number(sum));
        }
    }
    Ok(())
}

impl LeaseStore for MemoryLeaseStore {
    fn prepare(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn scan(&self, table: Table) -> StoreFuture<'_, Vec<Row>> {
        Box::pin(async move { Ok(self.tables().entry(table).or_default().values().cloned().collect()) })
    }

    fn get<'a>(&'a self, table: Table, key: &'a str) -> StoreFuture<'a, Option<Row>> {
        Box::pin(async move { Ok(self.tables().entry(table).or_default().get(key).cloned()) })
    }

    fn keys_of<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, Vec<String>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let leases = tables.entry(Table::Leases).or_default().iter();
            let of_owner = |row: &Row| row.get("leaseOwner").and_then(Attribute::as_text) == Some(owner);
            Ok(leases.filter(|(_, row)| of_owner(row)).map(|(key, _)| key.clone()).collect())
        })
    }

    fn create(&self, table: Table, row: Row) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let Some(key) = row.get(table.key()).and_then(Attribute::as_text).map(str::to_owned) else {
                return Err(StoreError::Refused(format!("the row has no text as its {}", table.key())));
            };
            let mut tables = self.tables();
            let rows = tables.entry(table).or_default();
            if rows.contains_key(&key) {
                return Ok(false);
            }
            rows.insert(key, row);
            Ok(true)
        })
    }

    fn update<'a>(
        &'a self,
        table: Table,
        key: &'a str,
        expected: Vec<Expect>,
        changes: Vec<Change>,
    ) -> StoreFuture<'a, Updated> {
        Box::pin(async move { self.update_now(table, key, &expected, &changes) })
    }

    fn delete<'a>(&'a self, table: Table, key: &'a str, expected: Vec<Expect>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut tables = self.tables();
            let rows = tables.entry(table).or_default();
            if !holds(rows.get(key), &expected) {
                return Ok(false);
            }
            rows.remove(key);
            Ok(true)
        })
    }
}
