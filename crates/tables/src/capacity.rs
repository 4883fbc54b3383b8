//! How much capacity a call would have consumed. Nothing is limited by it.

use crate::catalog::{IndexProjection, IndexRecord, TableRecord};
use crate::value::{AttributeValue, Item, size_bytes};
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
            let [was, is] = [before, after].map(|item| in_index(item?, record, index));
            let size = |shown: &Shown<'_>| shown.iter().map(|(name, value)| name.len() + value.size_bytes()).sum();
            let cost = match (&was, &is) {
                (None, None) => 0.0,
                (Some(one), None) | (None, Some(one)) => units(size(one)),
                (Some(was), Some(is)) if was == is => 0.0,
                (Some(was), Some(is)) if index.key.names().all(|name| was.get(name) == is.get(name)) => {
                    units(size(was).max(size(is)))
                }
                (Some(was), Some(is)) => units(size(was)) + units(size(is)),
            };
            if cost > 0.0 {
                capacity.indexes.insert(name.clone(), cost);
            }
        }
        capacity
    }
}

/// What an index shows of an item.
type Shown<'a> = BTreeMap<&'a String, &'a AttributeValue>;

/// The same; `None` for an item that is not in the index.
fn in_index<'a>(item: &'a Item, record: &TableRecord, index: &IndexRecord) -> Option<Shown<'a>> {
    let has_key = index.key.names().all(|name| item.contains_key(name));
    has_key.then(|| shown(item, record, &index.projection, index.key.names()))
}

fn shown<'a, 'b>(
    item: &'a Item,
    record: &'b TableRecord,
    projection: &'b IndexProjection,
    own_key: impl Iterator<Item = &'b String>,
) -> Shown<'a> {
    let more: &[String] = match projection {
        IndexProjection::All => return item.iter().collect(),
        IndexProjection::KeysOnly => &[],
        IndexProjection::Include(names) => names,
    };
    own_key.chain(record.key.names()).chain(more).filter_map(|name| item.get_key_value(name)).collect()
}

/// A copy of what an index shows of an item.
pub(crate) fn projected<'a>(
    item: &Item,
    record: &'a TableRecord,
    projection: &'a IndexProjection,
    own_key: impl Iterator<Item = &'a String>,
) -> Item {
    let shown = shown(item, record, projection, own_key).into_iter();
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}
