//! Streams on demand grow: a shard that takes more than half of what a shard is for is split.
//!
//! So every shard has room for twice what goes into it, and the stream for twice of the most that it has taken so far,
//! as AWS describes it (`reference/api.md` §13), whether the keys are spread evenly or not. What a shard is for is what
//! limits it; where nothing does, it is what AWS publishes: then the shards say how many consumers share the work.
//!
//! [`Streams::tick`] looks at the loads from time to time, records which shards are to be split as an intent, due at
//! once, and `reshape.rs` carries it out. The stream stays ACTIVE. Streams do not shrink.

use crate::catalog::{Intent, Pending, Split, Status, expect, stream_key};
use crate::load::Load;
use crate::open::Streams;
use crate::tick::TickProblem;
use crate::view::{ShardView, StreamView};
use rheos_types::limits::{Limits, ON_DEMAND_SHARDS, Profile};
use rheos_types::{HashKey, HashRange};
use std::sync::PoisonError;

/// How often the loads are looked at. A peak shorter than this is a burst, which the limit's own second allows for.
pub(crate) const LOOK_MS: u64 = 10_000;
/// How many shards of a stream are split at once.
const SPLITS: usize = 256;

impl Streams {
    /// Looks at the loads of streams on demand, if that is due, and records which shards are to be split. When to look
    /// again (wall time); `None` if there is nothing to look at.
    pub(crate) async fn grow(&self, now_ms: u64, problems: &mut Vec<TickProblem>) -> Option<u64> {
        if !self.views.any_on_demand() {
            return None;
        }
        if !self.look_is_due(now_ms) {
            return Some(self.next_look(|next_ms| *next_ms));
        }
        // Of one namespace after the other, so that what one stream takes of the account's shards is known to the next.
        for view in self.views.on_demand() {
            let splits = self.hot(&view);
            if splits.is_empty() {
                continue;
            }
            let mut record = view.record.clone();
            record.pending = Some(Pending { due_ms: now_ms, intent: Intent::Grow { splits } });
            let mut transaction = view.becomes(&record);
            transaction.conditions.push(expect(stream_key(&view.namespace, &view.name), Some(view.version)));
            // After a conflict it has other things to do; if it is still hot then, the next look finds it.
            if let Err(source) = self.commit(transaction).await {
                let (namespace, stream) = (view.namespace.clone(), view.name.clone());
                problems.push(TickProblem::Growth { namespace, stream, source });
            }
        }
        Some(self.next_look(|next_ms| *next_ms))
    }

    fn look_is_due(&self, now_ms: u64) -> bool {
        self.next_look(|next_ms| {
            // Too far ahead: the clock was set back.
            let due = *next_ms <= now_ms || *next_ms > now_ms.saturating_add(LOOK_MS);
            if due {
                *next_ms = now_ms.saturating_add(LOOK_MS);
            }
            due
        })
    }

    fn next_look<T>(&self, f: impl FnOnce(&mut u64) -> T) -> T {
        f(&mut self.next_look_ms.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The shards of a stream that are to be split, the hottest first, as many as there is room for.
    fn hot(&self, view: &StreamView) -> Vec<Split> {
        let now_ms = self.clock.monotonic_ms();
        let load = |shard: &ShardView| shard.memory.buckets.write(|bucket| bucket.load.take(now_ms));
        let loads: Vec<_> = view.open.iter().map(|shard| (shard, load(shard))).collect();
        if view.record.status != Status::Active || view.record.pending.is_some() {
            return Vec::new();
        }
        let mut hot: Vec<(u64, Split)> = loads
            .iter()
            .filter_map(|(shard, load)| {
                let percent = percent(load, &view.limits, now_ms);
                let at = split_at(shard.record.range, load.keys).filter(|_| percent > 50)?;
                Some((percent, Split { shard: shard.id, at }))
            })
            .collect();
        if hot.is_empty() {
            return Vec::new();
        }
        hot.sort_by_key(|(percent, split)| (std::cmp::Reverse(*percent), split.shard));
        let most = ON_DEMAND_SHARDS.max(view.record.warm_mibps.unwrap_or(0)) as usize;
        let left = self.describe_limits(&view.namespace).shards_left();
        let room = most.saturating_sub(view.open.len()).min(left).min(SPLITS);
        hot.into_iter().take(room).map(|(_, split)| split).collect()
    }
}

/// How much of what a shard is for went into it, whichever of bytes and records is more.
fn percent(load: &Load, limits: &Limits, now_ms: u64) -> u64 {
    let aws = Profile::Aws.limits();
    let elapsed_ms = u128::from(load.age_ms(now_ms).max(LOOK_MS));
    let share = |amount: u64, per_s: Option<u64>| {
        let capacity = u128::from(per_s.unwrap_or(u64::MAX)) * elapsed_ms;
        u64::try_from(u128::from(amount) * 100_000 / capacity.max(1)).unwrap_or(u64::MAX)
    };
    let bytes = share(load.bytes, limits.write_bytes_per_s.or(aws.write_bytes_per_s));
    bytes.max(share(load.records, limits.write_records_per_s.or(aws.write_records_per_s)))
}

/// Where a shard is split that took records from the lowest to the highest of `keys`: in the middle of its range, or,
/// if all of it would go to one of the children, between them. Not at all if it was one key: the child would be as hot.
fn split_at(range: HashRange, keys: Option<(HashKey, HashKey)>) -> Option<HashKey> {
    let middle = |low: HashKey, high: HashKey| (low < high).then(|| HashKey(low.0 + (high.0 - low.0) / 2 + 1));
    let at = middle(range.start, range.end)?;
    match keys {
        Some((low, high)) if at <= low || high < at => middle(low, high),
        _ => Some(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_split_where_both_children_have_something_to_do() {
        let range = |start, end| HashRange { start: HashKey(start), end: HashKey(end) };
        let at = |range, keys: Option<(u128, u128)>| {
            split_at(range, keys.map(|(low, high)| (HashKey(low), HashKey(high)))).map(|key| key.0)
        };
        assert_eq!(at(range(0, 99), None), Some(50));
        assert_eq!(at(range(0, 99), Some((10, 90))), Some(50));
        assert_eq!(at(range(0, 99), Some((49, 50))), Some(50));
        assert_eq!(at(range(0, 99), Some((10, 20))), Some(16));
        assert_eq!(at(range(0, 99), Some((60, 61))), Some(61));
        assert_eq!(at(range(0, 99), Some((7, 7))), None);
        assert_eq!((at(range(5, 5), None), at(range(5, 6), None)), (None, Some(6)));
        assert_eq!(at(HashRange::ALL, None), Some(1 << 127));
    }
}
