//! DescribeStream, DescribeStreamSummary, DescribeLimits: looking, without a word to the log.

use crate::catalog::{Distribution, Mode, Status};
use crate::facts::{OverOnDemandLimit, OverShardLimit, ShardIdInvalid, StreamNotFound};
use crate::monitoring::ShardMetric;
use crate::open::Streams;
use crate::view::{ShardView, StreamView};
use rheos_types::limits::DESCRIBE_STREAM_SHARDS;
use rheos_types::{HashRange, Namespace, SequenceNumber, ShardId, StreamId, StreamName};
use std::collections::BTreeSet;

/// A stream, without its shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// The account and region.
    pub namespace: Namespace,
    /// Its name.
    pub name: StreamName,
    /// Its id.
    pub id: StreamId,
    /// Where it is in its life.
    pub status: Status,
    /// Who decides about its shards.
    pub mode: Mode,
    /// How long records are kept.
    pub retention_hours: u32,
    /// When it was created.
    pub created_ms: u64,
    /// The largest record it takes.
    pub max_record_kib: u32,
    /// How many shards take records.
    pub open_shards: u32,
    /// Which metrics of its shards it has.
    pub shard_metrics: BTreeSet<ShardMetric>,
    /// How many consumers it has, whatever their status.
    pub consumers: u32,
    /// The key under which new records are sealed, as it was named; `None`: they are not sealed.
    pub key_id: Option<String>,
    /// What decides the shard of a record.
    pub distribution: Distribution,
    /// What it is kept ready for, if that was asked for.
    pub warm: Option<WarmThroughput>,
}

/// The write throughput that a stream on demand takes at once, without having had as much before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmThroughput {
    /// What was asked for, in MiB/s.
    pub target_mibps: u32,
    /// How much of it there is.
    pub current_mibps: u32,
}

impl WarmThroughput {
    /// Of a stream with so many open shards, each of which takes 1 MiB/s.
    pub(crate) fn of(target_mibps: u32, open_shards: usize) -> Self {
        Self { target_mibps, current_mibps: target_mibps.min(u32::try_from(open_shards).unwrap_or(u32::MAX)) }
    }
}

impl StreamInfo {
    pub(crate) fn of(view: &StreamView) -> Self {
        let record = &view.record;
        Self {
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            id: StreamId(record.uid.0),
            status: record.status,
            mode: record.mode,
            retention_hours: record.retention_hours,
            created_ms: record.created_ms,
            max_record_kib: record.max_record_kib,
            shard_metrics: record.shard_metrics.clone(),
            consumers: view.consumers.len() as u32,
            open_shards: view.listed_open() as u32,
            distribution: record.distribution,
            warm: record.warm_mibps.map(|target| WarmThroughput::of(target, view.listed_open())),
            key_id: record.encryption.key_id().map(str::to_owned),
        }
    }
}

/// A shard, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardInfo {
    /// Its id.
    pub id: ShardId,
    /// The shard that was split, or the first of two that were merged. It may be expired and no longer listed.
    pub parent: Option<ShardId>,
    /// The second of two that were merged.
    pub adjacent_parent: Option<ShardId>,
    /// The hash keys that it takes.
    pub range: HashRange,
    /// Smaller than the sequence number of any of its records.
    pub starting: SequenceNumber,
    /// Larger than the sequence number of any of its records; only of a closed shard.
    pub ending: Option<SequenceNumber>,
}

impl ShardInfo {
    pub(crate) fn of(shard: &ShardView) -> Self {
        let record = &shard.record;
        Self {
            id: shard.id,
            parent: record.parents.first().copied(),
            adjacent_parent: record.parents.get(1).copied(),
            range: record.range,
            starting: record.starting(shard.id),
            ending: record.ending(shard.id),
        }
    }
}

/// A stream and a page of its shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// The stream.
    pub stream: StreamInfo,
    /// Shards in order of their ids, closed ones included.
    pub shards: Vec<ShardInfo>,
    /// Whether more follow.
    pub has_more: bool,
}

/// Why a stream cannot be described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// There is none.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// What was named to start after is no shard id.
    #[error(transparent)]
    Shard(#[from] ShardIdInvalid),
}

/// What an account has, and may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimits {
    /// Open shards it may have; `None`: as many as there is room for.
    pub shard_limit: Option<u32>,
    /// Open shards it has, those of streams being created included.
    pub open_shards: u32,
    /// On-demand streams it has.
    pub on_demand_streams: u32,
    /// On-demand streams it may have; `None`: as many as there is room for.
    pub on_demand_stream_limit: Option<u32>,
}

impl AccountLimits {
    /// Whether one more stream on demand is within the limit.
    pub(crate) fn room_on_demand(&self, namespace: &Namespace) -> Result<(), OverOnDemandLimit> {
        let Some(limit) = self.on_demand_stream_limit.filter(|limit| self.on_demand_streams >= *limit) else {
            return Ok(());
        };
        Err(OverOnDemandLimit { namespace: namespace.clone(), limit })
    }

    /// How many more open shards are within the limit.
    pub(crate) fn shards_left(&self) -> usize {
        self.shard_limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.open_shards) as usize)
    }

    /// Whether `additional` more open shards are within the limit.
    pub(crate) fn room_for(&self, namespace: &Namespace, additional: u32) -> Result<(), OverShardLimit> {
        let open = self.open_shards;
        let Some(limit) = self.shard_limit.filter(|limit| open.saturating_add(additional) > *limit) else {
            return Ok(());
        };
        Err(OverShardLimit { namespace: namespace.clone(), open, limit, additional })
    }
}

impl Streams {
    /// Describes a stream with at most 100 of its shards, those after `exclusive_start_shard_id`.
    ///
    /// # Errors
    /// [`DescribeError`].
    pub fn describe_stream(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        limit: Option<u32>,
        exclusive_start_shard_id: Option<&str>,
    ) -> Result<StreamDescription, DescribeError> {
        let view = self.stream(namespace, name)?;
        let after = parse_start(&view, exclusive_start_shard_id)?;
        let limit = limit.map_or(DESCRIBE_STREAM_SHARDS, |limit| DESCRIBE_STREAM_SHARDS.min(limit as usize));
        let later = after_shard(view.listed(), after);
        Ok(StreamDescription {
            stream: StreamInfo::of(&view),
            shards: later.iter().take(limit).map(|shard| ShardInfo::of(shard)).collect(),
            has_more: later.len() > limit,
        })
    }

    /// Describes a stream without its shards.
    ///
    /// # Errors
    /// [`StreamNotFound`].
    pub fn describe_stream_summary(
        &self,
        namespace: &Namespace,
        name: &StreamName,
    ) -> Result<StreamInfo, StreamNotFound> {
        Ok(StreamInfo::of(&*self.stream(namespace, name)?))
    }

    /// What the account has in this region, and may have.
    #[must_use]
    pub fn describe_limits(&self, namespace: &Namespace) -> AccountLimits {
        let streams = self.views.of_namespace(namespace);
        AccountLimits {
            shard_limit: self.config.limits.shards_per_account,
            open_shards: streams.iter().map(|view| view.open.len() as u32).sum(),
            on_demand_streams: streams.iter().filter(|view| view.record.mode == Mode::OnDemand).count() as u32,
            on_demand_stream_limit: self.config.limits.on_demand_streams,
        }
    }
}

/// Reads the shard id that a page starts after.
pub(crate) fn parse_start(view: &StreamView, text: Option<&str>) -> Result<Option<ShardId>, ShardIdInvalid> {
    let parse = |text| ShardId::parse(text).ok_or_else(|| view.no_shard(text));
    text.map(parse).transpose()
}

/// The shards after the one of this id, whether it is there or not.
pub(crate) fn after_shard(
    shards: &[std::sync::Arc<ShardView>],
    after: Option<ShardId>,
) -> &[std::sync::Arc<ShardView>] {
    let skip = after.map_or(0, |after| shards.partition_point(|shard| shard.id <= after));
    &shards[skip..]
}
