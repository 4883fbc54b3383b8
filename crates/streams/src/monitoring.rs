//! EnableEnhancedMonitoring, DisableEnhancedMonitoring: which metrics of single shards a stream is to have.

use crate::catalog::StreamRecord;
use crate::facts::{NotActive, StreamNotFound};
use crate::open::{Streams, put_stream};
use rheos_log::{LogError, Transaction};
use rheos_types::{Namespace, StreamName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A metric of a single shard, as the API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's, and say it")]
pub enum ShardMetric {
    IncomingBytes,
    IncomingRecords,
    OutgoingBytes,
    OutgoingRecords,
    WriteProvisionedThroughputExceeded,
    ReadProvisionedThroughputExceeded,
    IteratorAgeMilliseconds,
}

impl ShardMetric {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::IncomingBytes,
        Self::IncomingRecords,
        Self::OutgoingBytes,
        Self::OutgoingRecords,
        Self::WriteProvisionedThroughputExceeded,
        Self::ReadProvisionedThroughputExceeded,
        Self::IteratorAgeMilliseconds,
    ];
}

/// The metrics of a stream's shards, before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitoring {
    /// Before.
    pub current: BTreeSet<ShardMetric>,
    /// After.
    pub desired: BTreeSet<ShardMetric>,
}

/// Why the metrics were not changed.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Adds metrics to those that an ACTIVE stream has of its shards. It stays ACTIVE.
    ///
    /// # Errors
    /// [`MonitoringError`].
    pub async fn enable_monitoring(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        metrics: &BTreeSet<ShardMetric>,
    ) -> Result<Monitoring, MonitoringError> {
        self.set_monitoring(namespace, name, |current| current | metrics).await
    }

    /// Takes metrics from those that an ACTIVE stream has of its shards. It stays ACTIVE.
    ///
    /// # Errors
    /// [`MonitoringError`].
    pub async fn disable_monitoring(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        metrics: &BTreeSet<ShardMetric>,
    ) -> Result<Monitoring, MonitoringError> {
        self.set_monitoring(namespace, name, |current| current - metrics).await
    }

    async fn set_monitoring(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        desired: impl Fn(&BTreeSet<ShardMetric>) -> BTreeSet<ShardMetric>,
    ) -> Result<Monitoring, MonitoringError> {
        self.change_and_tell(namespace, name, |view| {
            view.require_active()?;
            let current = view.record.shard_metrics.clone();
            let told = Monitoring { desired: desired(&current), current };
            if told.desired == told.current {
                return Ok((None, told));
            }
            let record = StreamRecord { shard_metrics: told.desired.clone(), ..view.record.clone() };
            let transaction = Transaction { changes: vec![put_stream(view, &record)], ..Transaction::default() };
            Ok((Some(transaction), told))
        })
        .await
    }
}
