//! The rows beside the leases: who leads, which version of the KCL the fleet runs, and how busy each worker is.
//!
//! The leader holds a lock of the DynamoDB lock client: a row whose version changes with every sign of life. Nobody compares clocks: a lock is
//! free when its version has not changed for as long as it says, by the watch of whoever wants it.

use std::collections::BTreeMap;

use super::store::{Attribute, Change, Expect, Row, Table, Updated};
use super::table::{LeaseError, LeaseTable};

/// The key of the leader's row.
const LEADER: &str = "Leader";
/// The key of the row that says which version of the KCL the fleet runs.
const MIGRATION: &str = "Migration3.0";
/// The metric that says how busy the processors are.
const CPU: &str = "C";
/// The KCL lets a worker use its processors whole.
const CPU_LIMIT_PERCENT: u64 = 100;
/// Says that the worker can work with the single table of 3.5.
const SUPPORT_CODE: u64 = 1;

mod attribute {
    pub(super) const OWNER: &str = "ownerName";
    pub(super) const DURATION: &str = "leaseDuration";
    pub(super) const VERSION: &str = "recordVersionNumber";
    pub(super) const ENTITY: &str = "entityType";
    pub(super) const UPDATED: &str = "lut";
    pub(super) const STATS: &str = "sts";
    pub(super) const RANGES: &str = "opr";
    pub(super) const SUPPORT: &str = "sup";
}

/// Who leads, as the row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderLock {
    /// The worker.
    pub owner: String,
    /// Changes with every sign of life.
    pub version: String,
    /// Free if the version stays the same for so long.
    pub duration_ms: u64,
}

/// What a worker says about itself every half minute.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerMetrics {
    /// Which worker.
    pub worker: String,
    /// Wall clock seconds of its last word.
    pub updated_s: u64,
    /// The last samples of each metric; -1 where taking one failed.
    pub samples: BTreeMap<String, Vec<f64>>,
    /// How much of each metric the worker may use: of whatever is in `samples`, and more than 0.
    pub limits: BTreeMap<String, u64>,
}

/// How the workers of the fleet share leases out, as the migration row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetVersion {
    /// Nobody has said.
    Unknown,
    /// Each worker takes leases (2.x, and 3.x while it migrates).
    Two,
    /// The leader assigns them.
    Three,
}

impl LeaseTable {
    /// Who leads.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn leader(&self) -> Result<Option<LeaderLock>, LeaseError> {
        let row = self.store().get(Table::Coordinator, LEADER).await?;
        Ok(row.as_ref().and_then(LeaderLock::from_row))
    }

    /// Takes the lock, which is free, or has `held` as its last holder. Whether that came true.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn take_leadership(&self, lock: &LeaderLock, held: Option<&LeaderLock>) -> Result<bool, LeaseError> {
        let Some(held) = held else {
            let mut row = Row::from([(Table::Coordinator.key().to_owned(), Attribute::text(LEADER))]);
            for change in lock.changes() {
                if let Change::Put(name, value) = change {
                    row.insert(name.to_owned(), value);
                }
            }
            return Ok(self.store().create(Table::Coordinator, row).await?);
        };
        let expected = vec![Expect::Equals(attribute::VERSION, Attribute::text(&held.version))];
        let updated = self.store().update(Table::Coordinator, LEADER, expected, lock.changes()).await?;
        Ok(matches!(updated, Updated::Made(_)))
    }

    /// A sign of life of the leader: the lock gets another version. Whether it was still the leader's.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep_leadership(&self, lock: &LeaderLock, version: &str) -> Result<bool, LeaseError> {
        let next = LeaderLock { version: version.to_owned(), ..lock.clone() };
        let updated = self.store().update(Table::Coordinator, LEADER, lock.expected(), next.changes()).await?;
        Ok(matches!(updated, Updated::Made(_)))
    }

    /// The leader leads no more.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn give_up_leadership(&self, lock: &LeaderLock) -> Result<(), LeaseError> {
        self.store().delete(Table::Coordinator, LEADER, lock.expected()).await?;
        Ok(())
    }

    /// How the fleet shares leases out.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn fleet_version(&self) -> Result<FleetVersion, LeaseError> {
        let row = self.store().get(Table::Coordinator, MIGRATION).await?;
        let state = row.as_ref().and_then(|row| row.get("cv")).and_then(Attribute::as_text);
        Ok(match state {
            Some("CLIENT_VERSION_2X" | "CLIENT_VERSION_UPGRADE_FROM_2X") => FleetVersion::Two,
            Some("CLIENT_VERSION_3X" | "CLIENT_VERSION_3X_WITH_ROLLBACK") => FleetVersion::Three,
            _ => FleetVersion::Unknown,
        })
    }

    /// Says how busy a worker is.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_worker_metrics(&self, metrics: &WorkerMetrics) -> Result<(), LeaseError> {
        let samples = metrics.samples.iter().map(|(name, values)| (name.clone(), list(values)));
        let limits = metrics.limits.iter();
        let limits = limits.map(|(name, limit)| (name.clone(), Attribute::L(vec![Attribute::number(*limit)])));
        let changes = vec![
            Change::Put(attribute::ENTITY, Attribute::text("WORKER_METRIC_STATS")),
            Change::Put(attribute::UPDATED, Attribute::number(metrics.updated_s)),
            Change::Put(attribute::STATS, Attribute::M(samples.collect())),
            Change::Put(attribute::RANGES, Attribute::M(limits.collect())),
            Change::Put(attribute::SUPPORT, Attribute::number(SUPPORT_CODE)),
        ];
        self.store().update(Table::WorkerMetrics, &metrics.worker, Vec::new(), changes).await?;
        Ok(())
    }

    /// What every worker has said about itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_worker_metrics(&self) -> Result<Vec<WorkerMetrics>, LeaseError> {
        let rows = self.store().scan(Table::WorkerMetrics).await?;
        let mut metrics: Vec<_> = rows.iter().filter_map(WorkerMetrics::from_row).collect();
        metrics.sort_by(|one, another| one.worker.cmp(&another.worker));
        Ok(metrics)
    }

    /// Forgets a worker that has said nothing since.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_worker_metrics(&self, metrics: &WorkerMetrics) -> Result<bool, LeaseError> {
        let expected = vec![Expect::Equals(attribute::UPDATED, Attribute::number(metrics.updated_s))];
        Ok(self.store().delete(Table::WorkerMetrics, &metrics.worker, expected).await?)
    }
}

impl LeaderLock {
    fn from_row(row: &Row) -> Option<Self> {
        let text = |name| row.get(name).and_then(Attribute::as_text);
        // A lock without a duration is one that nobody keeps: it is free as soon as it was seen.
        let duration_ms = text(attribute::DURATION).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        Some(Self {
            owner: text(attribute::OWNER)?.to_owned(),
            version: text(attribute::VERSION)?.to_owned(),
            duration_ms,
        })
    }

    fn changes(&self) -> Vec<Change> {
        vec![
            Change::Put(attribute::OWNER, Attribute::text(&self.owner)),
            Change::Put(attribute::DURATION, Attribute::text(self.duration_ms.to_string())),
            Change::Put(attribute::VERSION, Attribute::text(&self.version)),
            Change::Put(attribute::ENTITY, Attribute::text("LEADER")),
        ]
    }

    fn expected(&self) -> Vec<Expect> {
        vec![
            Expect::Equals(attribute::VERSION, Attribute::text(&self.version)),
            Expect::Equals(attribute::OWNER, Attribute::text(&self.owner)),
        ]
    }
}

impl WorkerMetrics {
    /// What a worker says that is there, and if it is known how busy its processors are: in per cent, the newest last.
    #[must_use]
    pub fn new(worker: String, updated_s: u64, cpu_percent: Option<Vec<f64>>) -> Self {
        let limits = cpu_percent.iter().map(|_| (CPU.to_owned(), CPU_LIMIT_PERCENT)).collect();
        let samples = cpu_percent.into_iter().map(|percent| (CPU.to_owned(), percent)).collect();
        Self { worker, updated_s, samples, limits }
    }

    /// Whether the worker says how busy its processors are.
    #[must_use]
    pub fn has_cpu(&self) -> bool {
        self.limits.contains_key(CPU) && self.samples.contains_key(CPU)
    }

    fn from_row(row: &Row) -> Option<Self> {
        let key = row.get(Table::WorkerMetrics.key()).or_else(|| row.get(Table::Leases.key()));
        let samples = numbers(row.get(attribute::STATS));
        let limits = numbers(row.get(attribute::RANGES)).into_iter();
        Some(Self {
            worker: key?.as_text()?.to_owned(),
            updated_s: row.get(attribute::UPDATED)?.as_number()?,
            samples,
            limits: limits.filter_map(|(name, values)| Some((name, *values.first()? as u64))).collect(),
        })
    }

    /// Whether a sample of the metric could not be taken, so that nobody knows how busy the worker is.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.samples.values().any(|samples| samples.last().is_some_and(|sample| *sample < 0.0))
    }
}

fn list(values: &[f64]) -> Attribute {
    Attribute::L(values.iter().map(|value| Attribute::N(format!("{value}"))).collect())
}

fn numbers(attribute: Option<&Attribute>) -> BTreeMap<String, Vec<f64>> {
    let Some(Attribute::M(map)) = attribute else { return BTreeMap::new() };
    let of_list = |value: &Attribute| match value {
        Attribute::L(values) => values
            .iter()
            .filter_map(|value| match value {
                Attribute::N(digits) => digits.parse().ok(),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    map.iter().map(|(name, value)| (name.clone(), of_list(value))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lease::{LeaseStore, MemoryLeaseStore};

    #[tokio::test]
    async fn a_row_of_metrics_is_as_the_kcl_reads_it() {
        let store = Arc::new(MemoryLeaseStore::default());
        let table = LeaseTable::new(store.clone());
        table.prepare().await.unwrap();
        let n = |digits: &str| Attribute::N(digits.to_owned());
        let map = |values| Attribute::M([("C".to_owned(), Attribute::L(values))].into());
        for (percent, samples, limits) in [
            (Some(vec![0.0, 33.333333, 100.0]), map(vec![n("0"), n("33.333333"), n("100")]), map(vec![n("100")])),
            (None, Attribute::M(BTreeMap::new()), Attribute::M(BTreeMap::new())),
        ] {
            let metrics = WorkerMetrics::new("a".to_owned(), 7, percent.clone());
            assert_eq!(metrics.has_cpu(), percent.is_some());
            table.put_worker_metrics(&metrics).await.unwrap();
            let rows = store.scan(Table::WorkerMetrics).await.unwrap();
            let expected = Row::from([
                (Table::WorkerMetrics.key().to_owned(), Attribute::text("a")),
                ("entityType".to_owned(), Attribute::text("WORKER_METRIC_STATS")),
                ("lut".to_owned(), n("7")),
                ("sts".to_owned(), samples),
                // Whole numbers, or Java does not read the row.
                ("opr".to_owned(), limits),
                ("sup".to_owned(), n("1")),
            ]);
            assert_eq!(rows, [expected]);
            assert_eq!(table.list_worker_metrics().await.unwrap(), [metrics]);
        }
    }
}
