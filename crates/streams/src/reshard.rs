//! SplitShard, MergeShards.
//!
//! The call records what is intended and makes the stream UPDATING. `reshape.rs` carries it out when it is due.
//!
//! The order of checks is the service's (`reference/api.md` §5.7).

use crate::catalog::{Intent, Mode};
use crate::facts::{
    HashKeyOutOfRange, NotActive, OnDemandStream, OverShardLimit, ShardClosed, ShardIdInvalid, StreamNotFound,
};
use crate::open::Streams;
use crate::view::{ShardView, StreamView};
use rheos_log::{LogError, Transaction};
use rheos_types::{HashKey, Namespace, ShardId, StreamName};

/// Why a shard was not split.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The stream has no such shard.
    #[error(transparent)]
    Shard(#[from] ShardIdInvalid),
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The account would have more shards than it may.
    #[error(transparent)]
    OverShardLimit(#[from] OverShardLimit),
    /// The shard was split or merged before.
    #[error(transparent)]
    Closed(#[from] ShardClosed),
    /// The hash key does not split it.
    #[error(transparent)]
    HashKey(#[from] HashKeyOutOfRange),
    /// The stream's shards are the service's to change.
    #[error(transparent)]
    OnDemand(#[from] OnDemandStream),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why two shards were not merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The stream has no such shard.
    #[error(transparent)]
    Shard(#[from] ShardIdInvalid),
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// One of them was split or merged before.
    #[error(transparent)]
    Closed(#[from] ShardClosed),
    /// The second does not begin where the first ends.
    #[error("{shard} and {adjacent} of stream {stream} are not adjacent")]
    NotAdjacent {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// The first.
        shard: ShardId,
        /// The second.
        adjacent: ShardId,
    },
    /// The stream's shards are the service's to change.
    #[error(transparent)]
    OnDemand(#[from] OnDemandStream),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Splits a shard in two: one that ends before `new_starting_hash_key`, one that begins with it.
    ///
    /// # Errors
    /// [`SplitError`].
    pub async fn split_shard(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        shard: &str,
        new_starting_hash_key: &str,
    ) -> Result<(), SplitError> {
        let id = parse_shard(namespace, name, shard)?;
        self.change(namespace, name, |view| {
            let shard = listed_shard(view, id)?;
            self.describe_limits(namespace).room_for(namespace, 1)?;
            require_provisioned(view)?;
            require_open(view, shard)?;
            let range = shard.record.range;
            let at = HashKey::parse(new_starting_hash_key).ok();
            let splits = |at: &HashKey| at.0 > range.start.0.saturating_add(1) && *at < range.end;
            let at = at.filter(splits).ok_or_else(|| HashKeyOutOfRange {
                namespace: namespace.clone(),
                stream: name.clone(),
                shard: id,
                hash_key: new_starting_hash_key.to_owned(),
                start: range.start,
                end: range.end,
            })?;
            view.require_active()?;
            Ok(Some(self.begin(view, Intent::Split { shard: id, at })))
        })
        .await
    }

    /// Merges a shard with the one whose hash range follows it.
    ///
    /// # Errors
    /// [`MergeError`].
    pub async fn merge_shards(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        shard: &str,
        adjacent: &str,
    ) -> Result<(), MergeError> {
        let id = parse_shard(namespace, name, shard)?;
        let adjacent_id = parse_shard(namespace, name, adjacent)?;
        self.change(namespace, name, |view| {
            let (shard, adjacent) = (listed_shard(view, id)?, listed_shard(view, adjacent_id)?);
            require_provisioned(view)?;
            require_open(view, shard)?;
            require_open(view, adjacent)?;
            if shard.record.range.end.0.checked_add(1) != Some(adjacent.record.range.start.0) {
                return Err(MergeError::NotAdjacent {
                    namespace: namespace.clone(),
                    stream: name.clone(),
                    shard: id,
                    adjacent: adjacent_id,
                });
            }
            view.require_active()?;
            Ok(Some(self.begin(view, Intent::Merge { shard: id, adjacent: adjacent_id })))
        })
        .await
    }

    /// Records what is intended.
    pub(crate) fn begin(&self, view: &StreamView, intent: Intent) -> Transaction {
        view.becomes(&view.record.updating(self.due_ms(), intent))
    }
}

fn parse_shard(namespace: &Namespace, name: &StreamName, text: &str) -> Result<ShardId, ShardIdInvalid> {
    ShardId::parse(text).ok_or_else(|| ShardIdInvalid {
        namespace: namespace.clone(),
        stream: name.clone(),
        shard: text.to_owned(),
    })
}

fn listed_shard(view: &StreamView, id: ShardId) -> Result<&ShardView, ShardIdInvalid> {
    let found = view.shard(id).filter(|_| view.record.status.serves());
    found.map(|shard| &**shard).ok_or_else(|| view.no_shard(id))
}

fn require_open(view: &StreamView, shard: &ShardView) -> Result<(), ShardClosed> {
    if shard.record.closed.is_none() {
        return Ok(());
    }
    Err(ShardClosed { namespace: view.namespace.clone(), stream: view.name.clone(), shard: shard.id })
}

pub(crate) fn require_provisioned(view: &StreamView) -> Result<(), OnDemandStream> {
    if view.record.mode == Mode::Provisioned {
        return Ok(());
    }
    Err(OnDemandStream { namespace: view.namespace.clone(), stream: view.name.clone() })
}
