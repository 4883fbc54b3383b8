//! How much capacity a call would have consumed. Nothing is limited by it.

use crate::catalog::{IndexProjection, TableRecord};
use crate::value::{Item, size_bytes};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How much of it a caller wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReturnConsumedCapacity {
    /// Of the table and of each index.
    Indexes,
    /// In all.
    Total,
    /// Nothing.
    #[default]
    None,
}

/// Units of a table and its indexes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Capacity {
    /// Of the table itself.
    pub table: f64,
    /// Of each index.
    pub indexes: BTreeMap<String, f64>,
}

impl Capacity {
    /// In all.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.table + self.indexes.values().sum::<f64>()
    }

    pub(crate) fn add(&mut self, other: &Self, times: f64) {
        self.table += other.table * times;
        for (name, units) in &other.indexes {
            *self.indexes.entry(name.clone()).or_default() += units * times;
        }
    }

    /// Of reading so many bytes: units of 4 KiB, half of each unless it is consistent.
    pub(crate) fn of_read(bytes: usize, consistent: bool) -> f64 {
        let units = bytes.div_ceil(4096).max(1) as f64;
        if consistent { units } else { units / 2.0 }
    }

    /// Of one write: units of 1 KiB of the larger of both items, and of each index that shows another thing than before.
    pub(crate) fn of_write(record: &TableRecord, before: Option<&Item>, after: Option<&Item>) -> Self {
        let units = |bytes: usize| bytes.div_ceil(1024).max(1) as f64;
        let larger = before.map_or(0, size_bytes).max(after.map_or(0, size_bytes));
        let mut capacity = Self { table: units(larger), indexes: BTreeMap::new() };
        for (name, index) in &record.indexes {
            let shown = |item: Option<&Item>| {
                let item = item?;
                let has_key = index.key.names().all(|name| item.contains_key(name));
                has_key.then(|| projected(item, record, &index.projection, index.key.names()))
            };
            let (was, is) = (shown(before), shown(after));
            let cost = match (&was, &is) {
                (None, None) => 0.0,
                (Some(one), None) | (None, Some(one)) => units(size_bytes(one)),
                (Some(was), Some(is)) if was == is => 0.0,
                (Some(was), Some(is)) if index.key.names().all(|name| was.get(name) == is.get(name)) => {
                    units(size_bytes(was).max(size_bytes(is)))
                }
                (Some(was), Some(is)) => units(size_bytes(was)) + units(size_bytes(is)),
            };
            if cost > 0.0 {
                capacity.indexes.insert(name.clone(), cost);
            }
        }
        capacity
    }
}

/// What an index shows of an item.
pub(crate) fn projected<'a>(
    item: &Item,
    record: &'a TableRecord,
    projection: &'a IndexProjection,
    own_key: impl Iterator<Item = &'a String>,
) -> Item {
    let more: &[String] = match projection {
        IndexProjection::All => return item.clone(),
        IndexProjection::KeysOnly => &[],
        IndexProjection::Include(names) => names,
    };
    let names = own_key.chain(record.key.names()).chain(more);
    names.filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
}
