//! SplitShard, MergeShards.
//!
//! The call records what is intended and makes the stream UPDATING. When that is due, one commit carries two
//! transactions: *close the parents, naming their children*, and *open the children, make the stream ACTIVE*. Each has
//! its own conditions, and the second can be made from what the first recorded. So a log that keeps the two apart (on
//! another node, say) may crash between them: the next tick finds parents closed, children named but not there, and does
//! the second. Until then nothing is lost: writers are told to try again, readers keep their iterators.
//!
//! The order of checks is the service's (`reference/api.md` §5.7).

use crate::catalog::{Child, Closed, Intent, Mode, Pending, ShardRecord, Status, expect, put, shard_key, stream_key};
use crate::facts::{
    HashKeyOutOfRange, NotActive, OnDemandStream, OverShardLimit, ShardClosed, ShardIdInvalid, StreamNotFound,
};
use crate::open::{Streams, put_stream};
use crate::view::{ShardView, StreamView};
use rheos_log::{Change, LogError, Transaction};
use rheos_types::{HashKey, HashRange, Namespace, ShardId, StreamName};
use std::sync::Arc;

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
    fn begin(&self, view: &StreamView, intent: Intent) -> Transaction {
        let mut record = view.record.clone();
        record.status = Status::Updating;
        record.pending = Some(Pending { due_ms: self.due_ms(), intent });
        Transaction { changes: vec![put_stream(view, &record)], ..Transaction::default() }
    }

    /// Carries out what was intended, or what is left of it: the transactions of one commit, in order. They can be
    /// committed any number of times; what was done before is not done again.
    pub(crate) fn reshard(&self, view: &StreamView, intent: &Intent) -> Vec<Transaction> {
        let parents: Vec<&Arc<ShardView>> = view.shards.iter().filter(|shard| intent.closes(shard.id)).collect();
        let closed = parents.iter().find_map(|parent| parent.record.closed.clone());
        let closed = closed.unwrap_or_else(|| self.plan(view, intent, &parents));
        let mut transactions = Vec::with_capacity(2);
        if parents.iter().any(|parent| parent.record.closed.is_none()) {
            transactions.push(close(view, &parents, &closed));
        }
        transactions.push(self.open_children(view, &closed));
        transactions
    }

    fn plan(&self, view: &StreamView, intent: &Intent, parents: &[&Arc<ShardView>]) -> Closed {
        // No earlier than the parents began, should the clock have been set back since.
        let opened_ms = parents.iter().map(|parent| parent.record.opened_ms).max().unwrap_or(0);
        let at_ms = self.clock.wall_ms().max(opened_ms);
        let parents_s = parents.iter().map(|parent| parent.record.created_s).max().unwrap_or(0);
        let created_s = (at_ms / 1000).max(parents_s) + 1;
        let range = |id| view.shard(id).map_or(HashRange::ALL, |shard| shard.record.range);
        let (ranges, parents) = match *intent {
            Intent::Split { shard, at } => {
                let HashRange { start, end } = range(shard);
                let lower = HashRange { start, end: HashKey(at.0 - 1) };
                (vec![lower, HashRange { start: at, end }], vec![shard])
            }
            Intent::Merge { shard, adjacent } => {
                let merged = HashRange { start: range(shard).start, end: range(adjacent).end };
                (vec![merged], vec![shard, adjacent])
            }
            Intent::Settle | Intent::Remove => (Vec::new(), Vec::new()),
        };
        let numbered = ranges.into_iter().zip(view.record.next_shard..);
        let child = |(range, number)| Child { id: ShardId(number), range, parents: parents.clone(), created_s };
        Closed { at_ms, children: numbered.map(child).collect() }
    }

    fn open_children(&self, view: &StreamView, closed: &Closed) -> Transaction {
        let mut record = view.record.clone();
        record.status = Status::Active;
        record.pending = None;
        let mut transaction = Transaction::default();
        transaction.conditions.push(expect(stream_key(&view.namespace, &view.name), Some(view.version)));
        let keys = self.log.new_shard_keys(closed.children.len() as u32);
        for (child, key) in closed.children.iter().zip(keys) {
            record.next_shard = record.next_shard.max(child.id.0 + 1);
            record.last_shard_second = record.last_shard_second.max(child.created_s);
            let shard = ShardRecord {
                key,
                range: child.range,
                parents: child.parents.clone(),
                created_s: child.created_s,
                // The very moment that the parents closed in: at any time exactly one shard has a hash key.
                opened_ms: closed.at_ms,
                closed: None,
            };
            transaction.changes.push(Change::OpenShard { shard: key, class: record.retention_hours });
            transaction.changes.push(put(shard_key(record.uid, child.id), &shard));
        }
        transaction.changes.push(put_stream(view, &record));
        transaction
    }
}

fn close(view: &StreamView, parents: &[&Arc<ShardView>], closed: &Closed) -> Transaction {
    let mut transaction = Transaction::default();
    transaction.conditions.push(expect(stream_key(&view.namespace, &view.name), Some(view.version)));
    for parent in parents {
        let key = shard_key(view.record.uid, parent.id);
        transaction.conditions.push(expect(key.clone(), Some(parent.version)));
        transaction.changes.push(Change::CloseShard { shard: parent.record.key });
        transaction.changes.push(put(key, &ShardRecord { closed: Some(closed.clone()), ..parent.record.clone() }));
    }
    transaction
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

fn require_provisioned(view: &StreamView) -> Result<(), OnDemandStream> {
    if view.record.mode == Mode::Provisioned {
        return Ok(());
    }
    Err(OnDemandStream { namespace: view.namespace.clone(), stream: view.name.clone() })
}
