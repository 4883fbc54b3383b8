//! Which shard a record will fall into: the shards as ListShards told them last, with what each can still take.

use std::sync::Arc;

use rheos_types::{HashKey, HashRange};

use super::bucket::Bucket;
use super::lane::Lane;
use super::settings::Settings;
use super::transport::Shard;

/// A shard's limits, in records and in bytes a second.
const SHARD_RECORDS_PER_S: f64 = 1000.0;
const SHARD_BYTES_PER_S: f64 = (1 << 20) as f64;
/// How often what waits for a shard's rate is sent: the KPL's.
const DRAIN_MS: u64 = 25;
/// Lanes of a shard where order is strict and nothing is packed, as each lane sends one record at a time.
const LANES_OF_SINGLE_RECORDS: usize = 32;
/// Parts of the hash keys where the shards are not known.
const UNKNOWN_PARTS: u32 = 8;

/// A shard, or a part of the hash keys where the shards are not known.
#[derive(Debug)]
pub(super) struct Part {
    /// Its shard; nothing if that is not known.
    pub(super) id: Option<Arc<str>>,
    pub(super) range: HashRange,
    records: Option<Bucket>,
    bytes: Option<Bucket>,
    /// Throttled answers in a row.
    pub(super) failures: u32,
    pub(super) not_before_ms: u64,
    /// Until then it gathers what it can take.
    drained_ms: u64,
}

/// Where records go, and the lanes that they wait in.
#[derive(Debug)]
pub(super) struct Routes {
    /// By their hash keys, which they cover without gaps.
    pub(super) parts: Vec<Part>,
    pub(super) lanes: Vec<Lane>,
    lanes_per_part: usize,
    /// Whether records are packed.
    pub(super) is_packed: bool,
    /// Counts changes of routes.
    pub(super) version: u64,
}

/// The shards by their hash keys, if they cover them once and without gaps. In the middle of a change they may not.
pub(super) fn sorted(mut shards: Vec<Shard>) -> Option<Vec<Shard>> {
    shards.sort_by_key(|shard| shard.range.start);
    let begins = shards.first()?.range.start == HashKey(0);
    let ends = shards.last()?.range.end == HashKey::MAX;
    let follow = shards.windows(2).all(|pair| pair[0].range.end.0.checked_add(1) == Some(pair[1].range.start.0));
    (begins && ends && follow).then_some(shards)
}

impl Part {
    fn new(id: Option<Arc<str>>, range: HashRange, settings: &Settings, now_ms: u64) -> Self {
        // Where a record goes is not known there, so neither is what that can take.
        let share = settings.rate_limit_percent.filter(|_| id.is_some()).map(|percent| f64::from(percent) / 100.0);
        Self {
            id,
            range,
            records: share.map(|share| Bucket::new(SHARD_RECORDS_PER_S * share, now_ms)),
            bytes: share.map(|share| Bucket::new(SHARD_BYTES_PER_S * share, now_ms)),
            failures: 0,
            not_before_ms: 0,
            drained_ms: 0,
        }
    }

    /// When it takes an entry of so many bytes.
    pub(super) fn ready_ms(&mut self, bytes: usize, now_ms: u64) -> u64 {
        let records = self.records.as_mut().map_or(now_ms, |bucket| bucket.ready_ms(1, now_ms));
        let bytes = self.bytes.as_mut().map_or(now_ms, |bucket| bucket.ready_ms(bytes, now_ms));
        records.max(bytes).max(self.not_before_ms).max(self.drained_ms)
    }

    /// What waits for its rate goes together now and then, not in a call of its own as soon as the rate allows one record more.
    pub(super) fn drain(&mut self, bytes: usize, now_ms: u64) {
        if self.not_before_ms <= now_ms && self.ready_ms(bytes, now_ms) > now_ms {
            self.drained_ms = self.drained_ms.max(now_ms + DRAIN_MS);
        }
    }

    pub(super) fn take(&mut self, bytes: usize, now_ms: u64) {
        if let (Some(records), Some(of_bytes)) = (&mut self.records, &mut self.bytes) {
            records.take(1, now_ms);
            of_bytes.take(bytes, now_ms);
        }
    }
}

impl Routes {
    /// Routes over known shards.
    pub(super) fn of(shards: Vec<Shard>, version: u64, settings: &Settings, now_ms: u64) -> Self {
        let is_packed = settings.aggregation_enabled;
        let lanes_per_part = if settings.strict_order && !is_packed { LANES_OF_SINGLE_RECORDS } else { 1 };
        let parts = shards.into_iter().map(|shard| Part::new(Some(shard.id), shard.range, settings, now_ms));
        Self::with(parts.collect(), lanes_per_part, is_packed, version)
    }

    /// Routes where the shards are not known: nothing is packed, as it might be for several.
    pub(super) fn unknown(version: u64, settings: &Settings, now_ms: u64) -> Self {
        let parts = HashRange::uniform(UNKNOWN_PARTS).map(|range| Part::new(None, range, settings, now_ms));
        let lanes_per_part = if settings.strict_order { LANES_OF_SINGLE_RECORDS } else { 1 };
        Self::with(parts.collect(), lanes_per_part, false, version)
    }

    fn with(parts: Vec<Part>, lanes_per_part: usize, is_packed: bool, version: u64) -> Self {
        let mut lanes = Vec::new();
        lanes.resize_with(parts.len() * lanes_per_part, Lane::default);
        Self { parts, lanes, lanes_per_part, is_packed, version }
    }

    /// What the shards have taken lately is known of those that stay.
    pub(super) fn keep_rates_of(&mut self, mut before: Self) {
        for part in &mut self.parts {
            let same = before.parts.iter_mut().find(|other| other.id.is_some() && other.id == part.id);
            if let Some(other) = same {
                std::mem::swap(part, other);
                part.range = other.range;
            }
        }
    }

    /// The lane of a hash key.
    pub(super) fn lane_of(&self, hash: HashKey) -> usize {
        let part = self.parts.partition_point(|part| part.range.end < hash);
        // Every key of a partition has the same low bits too.
        part * self.lanes_per_part + (hash.0 % self.lanes_per_part as u128) as usize
    }

    /// The lane at this place, and the part that it belongs to.
    pub(super) fn at(&mut self, lane: usize) -> Option<(&mut Lane, &mut Part)> {
        Some((self.lanes.get_mut(lane)?, self.parts.get_mut(lane / self.lanes_per_part)?))
    }

    /// The hash keys of a shard, if it is one of these.
    pub(super) fn range_of(&self, shard_id: &str) -> Option<HashRange> {
        self.parts.iter().find(|part| part.id.as_deref() == Some(shard_id)).map(|part| part.range)
    }

    /// Whether these are routes over exactly those shards.
    pub(super) fn are_over(&self, shards: &[Shard]) -> bool {
        self.parts.len() == shards.len()
            && self
                .parts
                .iter()
                .zip(shards)
                .all(|(part, shard)| part.id.as_ref() == Some(&shard.id) && part.range == shard.range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: u32) -> Vec<Shard> {
        let ranges = HashRange::uniform(count).enumerate();
        ranges.map(|(at, range)| Shard { id: format!("shardId-{at:012}").into(), range }).collect()
    }

    #[test]
    fn a_key_goes_to_the_shard_that_owns_it() {
        let routes = Routes::of(shards(3), 1, &Settings::default(), 0);
        for part in 0..3 {
            let range = routes.parts[part].range;
            assert_eq!((routes.lane_of(range.start), routes.lane_of(range.end)), (part, part));
        }
    }

    #[test]
    fn shards_that_leave_gaps_are_no_map() {
        assert!(sorted(shards(4)).is_some());
        assert_eq!(sorted(Vec::new()), None);
        for missing in 0..4 {
            let mut some = shards(4);
            some.remove(missing);
            assert_eq!(sorted(some), None);
        }
        let mut twice = shards(4);
        twice.push(twice[0].clone());
        assert_eq!(sorted(twice), None);
    }

    #[test]
    fn what_a_shard_took_is_kept_over_a_change() {
        let settings = Settings::default();
        let mut before = Routes::of(shards(2), 1, &settings, 0);
        before.parts[1].take(100 << 20, 0);
        let mut halves = shards(2);
        let cut = halves[0].range.start.0 + (halves[0].range.end.0 / 2);
        let upper = HashRange { start: HashKey(cut + 1), end: halves[0].range.end };
        halves[0] =
            Shard { id: "shardId-000000000002".into(), range: HashRange { end: HashKey(cut), ..halves[0].range } };
        halves.insert(1, Shard { id: "shardId-000000000003".into(), range: upper });
        let mut after = Routes::of(halves, 2, &settings, 0);
        after.keep_rates_of(before);
        assert_eq!(after.parts[0].ready_ms(1, 0), 0);
        assert!(after.parts[2].ready_ms(1, 0) > 60_000);
    }
}
