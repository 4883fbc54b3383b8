//! Metrics of single shards, from the wire and back.

use std::collections::BTreeSet;

use rheos_streams::{Monitoring, ShardMetric};
use rheos_types::{StreamArn, StreamName};
use rheos_wire::generated::{EnhancedMetrics, EnhancedMonitoringOutput, MetricsName};

use crate::auth::Caller;

/// What is asked for; `ALL` is all of them.
pub(super) fn read(names: &[MetricsName]) -> BTreeSet<ShardMetric> {
    let metric = |name: &MetricsName| match name {
        MetricsName::IncomingBytes => Some(ShardMetric::IncomingBytes),
        MetricsName::IncomingRecords => Some(ShardMetric::IncomingRecords),
        MetricsName::OutgoingBytes => Some(ShardMetric::OutgoingBytes),
        MetricsName::OutgoingRecords => Some(ShardMetric::OutgoingRecords),
        MetricsName::WriteProvisionedThroughputExceeded => Some(ShardMetric::WriteProvisionedThroughputExceeded),
        MetricsName::ReadProvisionedThroughputExceeded => Some(ShardMetric::ReadProvisionedThroughputExceeded),
        MetricsName::IteratorAgeMilliseconds => Some(ShardMetric::IteratorAgeMilliseconds),
        MetricsName::All => None,
    };
    // One that is none by itself is all of them, and so is everything.
    names.iter().map(metric).collect::<Option<_>>().unwrap_or_else(|| ShardMetric::ALL.into())
}

fn names(metrics: &BTreeSet<ShardMetric>) -> Vec<MetricsName> {
    let name = |metric: &ShardMetric| match metric {
        ShardMetric::IncomingBytes => MetricsName::IncomingBytes,
        ShardMetric::IncomingRecords => MetricsName::IncomingRecords,
        ShardMetric::OutgoingBytes => MetricsName::OutgoingBytes,
        ShardMetric::OutgoingRecords => MetricsName::OutgoingRecords,
        ShardMetric::WriteProvisionedThroughputExceeded => MetricsName::WriteProvisionedThroughputExceeded,
        ShardMetric::ReadProvisionedThroughputExceeded => MetricsName::ReadProvisionedThroughputExceeded,
        ShardMetric::IteratorAgeMilliseconds => MetricsName::IteratorAgeMilliseconds,
    };
    metrics.iter().map(name).collect()
}

/// As the two operations answer: what there was, and what there is.
pub(super) fn output(caller: &Caller, name: StreamName, monitoring: &Monitoring) -> EnhancedMonitoringOutput {
    EnhancedMonitoringOutput {
        stream_name: Some(name.to_string()),
        stream_arn: Some(StreamArn { namespace: caller.namespace.clone(), name }.to_string()),
        current_shard_level_metrics: Some(names(&monitoring.current)),
        desired_shard_level_metrics: Some(names(&monitoring.desired)),
    }
}

/// As streams are described: one list of metrics, which may be empty.
pub(super) fn described(metrics: &BTreeSet<ShardMetric>) -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics { shard_level_metrics: Some(names(metrics)) }]
}
