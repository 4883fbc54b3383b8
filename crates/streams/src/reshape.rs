//! How shards become others: what SplitShard, MergeShards, UpdateShardCount and the growth of on-demand streams have
//! recorded as an intent is carried out here, step by step, by [`Streams::tick`].
//!
//! One commit carries two transactions: *close the parents, naming their children*, and *open the children*. Each has its
//! own conditions, and the second can be made from what the first recorded. So a log that keeps the two apart (on another
//! node, say) may crash between them: the next tick finds parents closed, children named but not there, and does the
//! second. Until then nothing is lost: writers are told to try again, readers keep their iterators.
//!
//! An intent may take many such steps, each of some splits and merges (`plan.rs`). Between two of them the open shards
//! cover the key space as ever, and what is left to be done follows from the shards alone: a restart goes on from there.
//! With the last step the stream is ACTIVE.

use crate::catalog::{Child, Closed, Intent, ShardRecord, Split, Status, expect, put, shard_key, stream_key};
use crate::open::{Streams, put_stream};
use crate::plan::{Step, toward, uniform};
use crate::view::{ShardView, StreamView};
use rheos_log::{Change, Transaction};
use rheos_types::{HashKey, HashRange, ShardId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// How many splits and merges ride in one commit: a few hundred KiB of catalog.
const STEPS_PER_COMMIT: usize = 256;

/// Open shards that are closed together, and the ranges of those that take their place: one and two, or two and one.
struct Reshape<'a> {
    parents: Vec<&'a Arc<ShardView>>,
    ranges: Vec<HashRange>,
}

impl Streams {
    /// The next step of what was intended, or what is left of it: the transactions of one commit, in order. They can be
    /// committed any number of times; what was done before is not done again.
    pub(crate) fn reshape(&self, view: &StreamView, intent: &Intent) -> Vec<Transaction> {
        // A crash came between closing and opening.
        let mut orphans = BTreeMap::new();
        for closed in view.shards.iter().filter_map(|shard| shard.record.closed.as_ref()) {
            let unopened = closed.children.iter().filter(|child| !child.is_open_in(&view.record));
            orphans.extend(unopened.map(|child| (child.id, (closed.at_ms, child.clone()))));
        }
        if !orphans.is_empty() {
            return vec![self.open_children(view, intent, orphans.into_values().collect())];
        }
        let reshapes = reshapes(view, intent);
        let closings = self.closings(view, &reshapes);
        let children =
            closings.iter().flat_map(|closed| closed.children.iter().map(|child| (closed.at_ms, child.clone())));
        let opening = self.open_children(view, intent, children.collect());
        if reshapes.is_empty() {
            return vec![opening];
        }
        vec![close(view, &reshapes, &closings), opening]
    }

    /// How the parents of each will have ended.
    fn closings(&self, view: &StreamView, reshapes: &[Reshape<'_>]) -> Vec<Closed> {
        let parents = || reshapes.iter().flat_map(|reshape| &reshape.parents);
        // Later than the parents began, and no earlier than their records arrived, should the clock have been set back
        // since: what has ended by the horizon is not listed, and is dropped.
        let arrived_ms = |key| self.log.shard(key).map_or(0, |state| state.last_time_ms);
        let begun = parents().map(|parent| (parent.record.opened_ms + 1).max(arrived_ms(parent.record.key)));
        let at_ms = begun.max().unwrap_or(0).max(self.clock.wall_ms());
        let mut numbers = view.record.next_shard..;
        let closing = |reshape: &Reshape<'_>| {
            let parents_s = reshape.parents.iter().map(|parent| parent.record.created_s).max().unwrap_or(0);
            let created_s = (at_ms / 1000).max(parents_s) + 1;
            let parents: Vec<_> = reshape.parents.iter().map(|parent| parent.id).collect();
            let numbered = reshape.ranges.iter().zip(numbers.by_ref());
            let child = |(range, number): (&HashRange, u32)| Child {
                id: ShardId(number),
                range: *range,
                parents: parents.clone(),
                created_s,
            };
            Closed { at_ms, children: numbered.map(child).collect() }
        };
        reshapes.iter().map(closing).collect()
    }

    /// Opens children, each at the moment that its parents closed in. If nothing is left to do then, the stream is
    /// ACTIVE.
    fn open_children(&self, view: &StreamView, intent: &Intent, children: Vec<(u64, Child)>) -> Transaction {
        let mut record = view.record.clone();
        if is_done(view, intent, &children) {
            record.status = Status::Active;
            record.pending = None;
        }
        let mut transaction = Transaction::default();
        transaction.conditions.push(expect(stream_key(&view.namespace, &view.name), Some(view.version)));
        let keys = self.log.new_shard_keys(children.len() as u32);
        for ((opened_ms, child), key) in children.into_iter().zip(keys) {
            record.next_shard = record.next_shard.max(child.id.0 + 1);
            record.last_shard_second = record.last_shard_second.max(child.created_s);
            let Child { id, range, parents, created_s } = child;
            // The very moment that the parents closed in: at any time exactly one shard has a hash key.
            let shard = ShardRecord { key, range, parents, created_s, opened_ms, closed: None };
            transaction.changes.push(Change::OpenShard { shard: key, class: record.retention_hours });
            transaction.changes.push(put(shard_key(record.uid, id), &shard));
        }
        transaction.changes.push(put_stream(view, &record));
        transaction
    }
}

/// What can be done at once for an intent.
fn reshapes<'a>(view: &'a StreamView, intent: &Intent) -> Vec<Reshape<'a>> {
    let open = |id| view.shard(id).filter(|shard| shard.record.closed.is_none());
    match *intent {
        Intent::Split { shard, at } => open(shard).map(|shard| split(shard, at)).into_iter().collect(),
        Intent::Merge { shard, adjacent } => {
            open(shard).zip(open(adjacent)).map(|(shard, adjacent)| merge(shard, adjacent)).into_iter().collect()
        }
        Intent::Scale { shards } => {
            let ranges: Vec<_> = view.open.iter().map(|shard| shard.record.range).collect();
            let steps = toward(&ranges, &uniform(&ranges, shards), STEPS_PER_COMMIT);
            let reshape = |step| match step {
                Step::Split { shard, at } => split(&view.open[shard], at),
                Step::Merge { shard } => merge(&view.open[shard], &view.open[shard + 1]),
            };
            steps.into_iter().map(reshape).collect()
        }
        Intent::Grow { ref splits } => {
            let split = |&Split { shard, at }: &Split| Some(split(open(shard)?, at));
            splits.iter().filter_map(split).collect()
        }
        Intent::Settle | Intent::Remove => Vec::new(),
    }
}

fn split(shard: &Arc<ShardView>, at: HashKey) -> Reshape<'_> {
    let HashRange { start, end } = shard.record.range;
    let lower = HashRange { start, end: HashKey(at.0 - 1) };
    Reshape { parents: vec![shard], ranges: vec![lower, HashRange { start: at, end }] }
}

fn merge<'a>(shard: &'a Arc<ShardView>, adjacent: &'a Arc<ShardView>) -> Reshape<'a> {
    let range = HashRange { start: shard.record.range.start, end: adjacent.record.range.end };
    Reshape { parents: vec![shard, adjacent], ranges: vec![range] }
}

/// Whether an intent is carried out once these children are open in the place of their parents.
fn is_done(view: &StreamView, intent: &Intent, children: &[(u64, Child)]) -> bool {
    let Intent::Scale { shards } = *intent else { return true };
    let parents: HashSet<ShardId> = children.iter().flat_map(|(_, child)| child.parents.iter().copied()).collect();
    let staying = view.open.iter().filter(|shard| !parents.contains(&shard.id)).map(|shard| shard.record.range);
    let mut ranges: Vec<HashRange> = staying.chain(children.iter().map(|(_, child)| child.range)).collect();
    ranges.sort_by_key(|range| range.start);
    ranges == uniform(&ranges, shards)
}

fn close(view: &StreamView, reshapes: &[Reshape<'_>], closings: &[Closed]) -> Transaction {
    let mut transaction = Transaction::default();
    transaction.conditions.push(expect(stream_key(&view.namespace, &view.name), Some(view.version)));
    for (reshape, closed) in reshapes.iter().zip(closings) {
        for parent in &reshape.parents {
            let key = shard_key(view.record.uid, parent.id);
            transaction.conditions.push(expect(key.clone(), Some(parent.version)));
            transaction.changes.push(Change::CloseShard { shard: parent.record.key });
            transaction.changes.push(put(key, &ShardRecord { closed: Some(closed.clone()), ..parent.record.clone() }));
        }
    }
    transaction
}
