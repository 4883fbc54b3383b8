//! Where rows are that are no leases: who leads, how far migrations are, how busy the workers are.
//!
//! KCL 3.0 to 3.4 has a table for each of the two kinds beside that of the leases; KCL 3.5 has all in one, but for applications that have the
//! others already, until their operators have moved them in two steps. What decides is what a worker of KCL 3.5 decides by, so that both find the
//! same: is there a table of coordination? then, what does its row `TableMigration3.5` say?

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::DynamoDbLeaseStore;
use crate::lease::store::{Attribute, Row, StoreError, Table};

/// The row that says how far the way from three tables to one is.
const MIGRATION: &str = "TableMigration3.5";
/// The lock of the leader: in one table alone, so that there is one leader.
const LEADER: &str = "Leader";
/// What rows of workers' metrics say that they are.
const METRICS: &str = "WORKER_METRIC_STATS";

/// Where the rows are that are no leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// With the leases. It stays so.
    Together,
    /// In tables of their own.
    Apart {
        /// This worker writes its metrics into the table of the leases already.
        is_moving: bool,
    },
}

/// What is known of the layout.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// This worker is to take part in the second half of the move.
    migrates: bool,
    layout: Mutex<Option<Layout>>,
}

impl Kept {
    pub(super) fn migrating() -> Self {
        Self { migrates: true, ..Self::default() }
    }
}

/// A table of DynamoDB, and what its key is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) table: String,
    pub(super) key: &'static str,
    /// What the key is called above.
    pub(super) above: &'static str,
    /// Whether it counts as empty where it is not there.
    pub(super) may_be_missing: bool,
}

impl Place {
    /// The name of an attribute in the table.
    pub(super) fn there<'a>(&self, name: &'a str) -> &'a str {
        if name == self.above { self.key } else { name }
    }

    /// A row with the names that are used above.
    pub(super) fn above(&self, mut row: Row) -> Row {
        if self.key != self.above
            && let Some(key) = row.remove(self.key)
        {
            row.insert(self.above.to_owned(), key);
        }
        row
    }
}

impl DynamoDbLeaseStore {
    pub(super) fn leases(&self) -> Place {
        self.with_leases(Table::Leases)
    }

    fn with_leases(&self, table: Table) -> Place {
        let key = Table::Leases.key();
        Place { table: self.table.clone(), key, above: table.key(), may_be_missing: false }
    }

    fn apart(&self, table: Table) -> Place {
        let suffix = match table {
            Table::Leases => "",
            Table::Coordinator => "-CoordinatorState",
            Table::WorkerMetrics => "-WorkerMetricStats",
        };
        let may_be_missing = table != Table::Leases;
        Place { table: format!("{}{suffix}", self.table), key: table.key(), above: table.key(), may_be_missing }
    }

    fn known(&self) -> Option<Layout> {
        *self.kept.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, layout: Layout) -> Layout {
        let before = self.kept.layout.lock().unwrap_or_else(PoisonError::into_inner).replace(layout);
        if before != Some(layout) {
            tracing::debug!("rows beside the leases of {}: {layout:?}", self.table);
        }
        layout
    }

    async fn layout(&self) -> Result<Layout, StoreError> {
        match self.known() {
            Some(layout) => Ok(layout),
            None => self.look().await,
        }
    }

    /// Looks where the rows are now. Those that are together stay so.
    async fn look(&self) -> Result<Layout, StoreError> {
        let known = self.known();
        if known == Some(Layout::Together) {
            return Ok(Layout::Together);
        }
        let coordinator = self.apart(Table::Coordinator);
        if known.is_none() && self.describe(&coordinator.table).await?.is_none() {
            return Ok(self.set(Layout::Together));
        }
        let migration = self.read_place(&coordinator, MIGRATION).await?;
        let status = migration.as_ref().and_then(|row| row.get("tm")).and_then(Attribute::as_text);
        let layout = match status {
            Some("TABLE_MIGRATION_STATUS_COMPLETE") => Layout::Together,
            Some("TABLE_MIGRATION_STATUS_DEPLOYED" | "TABLE_MIGRATION_STATUS_PENDING") => {
                Layout::Apart { is_moving: self.kept.migrates }
            }
            _ => Layout::Apart { is_moving: false },
        };
        Ok(self.set(layout))
    }

    /// The tables that there have to be beside that of the leases.
    pub(super) async fn other_tables(&self) -> Result<Vec<Place>, StoreError> {
        Ok(match self.look().await? {
            Layout::Together | Layout::Apart { is_moving: true } => Vec::new(),
            Layout::Apart { is_moving: false } => {
                [Table::Coordinator, Table::WorkerMetrics].map(|table| self.apart(table)).to_vec()
            }
        })
    }

    /// Where a row is written.
    pub(super) async fn written(&self, table: Table) -> Result<Place, StoreError> {
        Ok(match (table, self.layout().await?) {
            (Table::Leases, _) | (_, Layout::Together) => self.with_leases(table),
            (Table::WorkerMetrics, Layout::Apart { is_moving: true }) => self.with_leases(table),
            (Table::Coordinator | Table::WorkerMetrics, Layout::Apart { .. }) => self.apart(table),
        })
    }

    /// Where rows may be, the first that counts first.
    pub(super) async fn places(&self, table: Table) -> Result<Vec<Place>, StoreError> {
        Ok(match (table, self.layout().await?) {
            (Table::Leases, _) | (_, Layout::Together) => vec![self.with_leases(table)],
            (_, Layout::Apart { .. }) => vec![self.apart(table), self.with_leases(table)],
        })
    }

    /// A row, wherever it is.
    pub(super) async fn read(&self, table: Table, key: &str) -> Result<Option<Row>, StoreError> {
        if table == Table::Coordinator && key == LEADER {
            // The lock moves when the move is complete; whoever looks at it has to know.
            self.look().await?;
            let place = self.written(table).await?;
            return self.read_place(&place, key).await;
        }
        for place in self.places(table).await? {
            if let Some(row) = self.read_place(&place, key).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// All rows of a kind, wherever they are. Of two with one key the one that says something newer.
    pub(super) async fn scan_table(&self, table: Table) -> Result<Vec<Row>, StoreError> {
        let mut rows: Vec<Row> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for place in self.places(table).await? {
            let is_shared = place.table == self.table && table != Table::Leases;
            let entity = (is_shared && table == Table::WorkerMetrics).then_some(METRICS);
            for row in self.scan_place(&place, entity).await? {
                if is_shared && !is_of(table, &row) {
                    continue;
                }
                if table != Table::WorkerMetrics {
                    rows.push(row);
                    continue;
                }
                let Some(key) = row.get(table.key()).and_then(Attribute::as_text) else { continue };
                let updated = |row: &Row| row.get("lut").and_then(Attribute::as_number);
                match seen.get(key).copied() {
                    Some(at) if updated(&rows[at]) < updated(&row) => rows[at] = row,
                    Some(_) => {}
                    None => {
                        seen.insert(key.to_owned(), rows.len());
                        rows.push(row);
                    }
                }
            }
        }
        Ok(rows)
    }
}

/// Whether a row in the table of the leases is of this kind.
fn is_of(table: Table, row: &Row) -> bool {
    let entity = row.get("entityType").and_then(Attribute::as_text);
    match table {
        Table::Leases => true,
        Table::WorkerMetrics => entity == Some(METRICS),
        Table::Coordinator => !matches!(entity, None | Some("LEASE" | METRICS)),
    }
}
