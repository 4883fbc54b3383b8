//! UpdateShardCount: what is refused, and how shards become as many as are wanted while writers and readers go on.

use super::*;
use crate::view::ShardView;
use rheos_types::{HashKey, HashRange};
use std::collections::{BTreeSet, VecDeque};

const DAY_MS: u64 = 24 * HOUR_MS;

impl Bench {
    async fn scale(&self, stream: &StreamName, target: u32) -> Result<ShardCountChange, ShardCountError> {
        self.streams.update_shard_count(&self.ns, stream, target).await
    }

    /// The open shards' ranges in order.
    pub(super) fn ranges(&self, stream: &StreamName) -> Vec<HashRange> {
        let view = self.streams.stream(&self.ns, stream).unwrap();
        view.open.iter().map(|shard| shard.record.range).collect()
    }
}

/// That ranges are of one size, but for what no shard of any size would notice.
pub(super) fn assert_uniform(ranges: &[HashRange], count: u32) {
    assert_eq!(ranges.len(), count as usize);
    for (is, even) in ranges.iter().zip(HashRange::uniform(count)) {
        assert!(
            is.start.0.abs_diff(even.start.0) < 1 << 40 && is.end.0.abs_diff(even.end.0) < 1 << 40,
            "{is:?} {even:?}"
        );
    }
}

/// That every closed shard leads its reader to children that take all of its keys, and that every child names as
/// parents those that led to it.
pub(super) async fn assert_lineage(bench: &Bench, stream: &StreamName) {
    let view = bench.streams.stream(&bench.ns, stream).unwrap();
    for shard in view.shards.iter() {
        let (id, record) = (shard.id, &shard.record);
        if record.closed.is_some() {
            let Onward::Ended(children) = bench.drain(stream, &id.to_string()).await.1 else { panic!("{id} leads on") };
            let keys = |range: &HashRange| range.start.max(record.range.start).0..=range.end.min(record.range.end).0;
            let shares: Vec<_> = children.iter().map(|child| keys(&child.range)).collect();
            assert_eq!(*shares[0].start(), record.range.start.0, "{id}");
            assert_eq!(*shares[shares.len() - 1].end(), record.range.end.0, "{id}");
            assert!(shares.windows(2).all(|pair| pair[0].end() + 1 == *pair[1].start()), "{id}");
            for child in &children {
                assert!(child.parents.contains(&id));
                assert_eq!(view.shard(child.id).unwrap().record.parents, child.parents);
            }
        }
        for parent in &record.parents {
            let parent = view.shard(*parent).unwrap();
            assert!(parent.record.closed.is_some() && parent.record.created_s < record.created_s, "{id}");
        }
        assert!(record.parents.len() <= 2);
    }
}

#[tokio::test]
async fn shards_become_as_many_as_are_wanted_and_of_one_size() {
    let bench = Bench::open().await;
    let a = bench.create("a", 2).await;
    for (current, target) in [(2, 3), (3, 5), (5, 4), (4, 8), (8, 1), (1, 2), (2, 1), (1, 600), (600, 7)] {
        let change = bench.scale(&a, target).await.unwrap();
        assert_eq!(change, ShardCountChange { current, target });
        let stream = bench.describe(&a).stream;
        assert_eq!((stream.status, stream.open_shards), (Status::Updating, current));
        let busy = bench.streams.split_shard(&bench.ns, &a, "0", "5").await;
        assert!(busy.is_err());
        bench.settle().await;
        assert_uniform(&bench.ranges(&a), target);
        assert_eq!(bench.status(&a), Some(Status::Active));
    }
    assert_lineage(&bench, &a).await;
}

#[tokio::test]
async fn doubling_splits_each_shard_once_and_a_shard_that_is_right_stays() {
    let bench = Bench::open().await;
    let a = bench.create("a", 2).await;
    bench.scale(&a, 4).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.list(&a, ShardFilter::AtLatest), [2, 3, 4, 5]);
    // Only the first and the last quarter are split by hand; of six shards, four are what four are to be.
    bench.streams.split_shard(&bench.ns, &a, "2", "7").await.unwrap();
    bench.settle().await;
    bench.streams.split_shard(&bench.ns, &a, "5", &(u128::MAX - 7).to_string()).await.unwrap();
    bench.settle().await;
    bench.scale(&a, 4).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.list(&a, ShardFilter::AtLatest), [3, 4, 10, 11]);
    assert_lineage(&bench, &a).await;
}

#[tokio::test]
async fn a_count_is_refused_before_anything_changes() {
    let bench = Bench::new().await;
    let a = bench.create("a", 5).await;
    let nowhere = bench.scale(&name_of("b"), 5).await;
    assert!(matches!(nowhere, Err(ShardCountError::NotFound(_))));
    for (target, fits) in [(11, false), (10, true), (3, true), (2, false), (1, false)] {
        let result = bench.scale(&a, target).await;
        match result {
            Ok(_) if fits => {
                bench.settle().await;
                bench.scale(&a, 5).await.unwrap();
                bench.settle().await;
            }
            Err(ShardCountError::OverDouble { change }) => assert_eq!((change.current, change.target), (5, 11)),
            Err(ShardCountError::BelowHalf { change }) if !fits => assert!(target < 3 && change.current == 5),
            other => panic!("{target}: {other:?}"),
        }
    }
    let many = bench.scale(&a, 10_001).await;
    assert!(matches!(many, Err(ShardCountError::TooMany { limit: 10_000, .. })));
    bench.create("b", 19_992).await;
    let full = bench.scale(&a, 9).await;
    assert!(matches!(full, Err(ShardCountError::OverShardLimit(OverShardLimit { additional: 4, .. }))));
    bench.streams.split_shard(&bench.ns, &a, &bench.list(&a, ShardFilter::AtLatest)[0].to_string(), "9").await.unwrap();
    assert!(matches!(bench.scale(&a, 4).await, Err(ShardCountError::NotActive(_))));
    bench.settle().await;
    assert_eq!(bench.describe(&a).stream.open_shards, 6);
}

#[tokio::test]
async fn ten_times_in_a_day_and_what_changes_nothing_does_not_count() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    for n in 0..10 {
        bench.clock.advance(HOUR_MS);
        assert!(bench.scale(&a, 5).await.is_err());
        let target = bench.describe(&a).stream.open_shards;
        assert_eq!(bench.scale(&a, target).await.unwrap(), ShardCountChange { current: target, target });
        assert_eq!(bench.status(&a), Some(Status::Active), "nothing to do is done");
        bench.scale(&a, 3 - target).await.unwrap();
        bench.settle().await;
        assert_eq!(bench.describe(&a).stream.open_shards, 1 + (n + 1) % 2);
    }
    bench.restart().await;
    let refused = bench.scale(&a, 2).await;
    assert!(matches!(refused, Err(ShardCountError::TooOften(TooOften { limit: 10, .. }))), "{refused:?}");
    bench.clock.advance(DAY_MS - 9 * HOUR_MS);
    bench.scale(&a, 2).await.unwrap();
}

/// A crash after every single transaction of a large change: nothing is lost, and what is left is done.
#[tokio::test]
async fn a_change_of_count_is_finished_wherever_it_was_cut() {
    let mut bench = Bench::open().await;
    let a = bench.create("a", 5).await;
    let mut written = Vec::new();
    bench.scale(&a, 7).await.unwrap();
    bench.clock.advance(100);
    let (mut cuts, mut complete) = (0, 0);
    while let Some(pending) = bench.streams.stream(&bench.ns, &a).unwrap().record.pending.clone() {
        let view = bench.streams.stream(&bench.ns, &a).unwrap();
        let mut steps = bench.streams.reshape(&view, &pending.intent);
        steps.truncate(1);
        bench.log.commit(steps).await.unwrap()[0].as_ref().unwrap();
        bench.restart().await;
        cuts += 1;
        for sixteenth in 0..16_u128 {
            let (hash, text) = ((sixteenth << 124).to_string(), format!("{cuts}:{sixteenth}"));
            let entry = Entry { data: text.as_bytes(), partition_key: Some("k"), explicit_hash_key: Some(&hash) };
            match bench.streams.put_record(&bench.ns, &a, entry, None).await {
                Ok(_) => written.push(text),
                Err(PutError::NoOpenShard) => {}
                Err(error) => panic!("{error}"),
            }
        }
        complete += usize::from(bench.ranges(&a).windows(2).all(|pair| pair[0].end.0 + 1 == pair[1].start.0));
    }
    assert!(cuts >= 4 && complete >= 2, "{cuts} {complete}");
    assert_uniform(&bench.ranges(&a), 7);
    assert_eq!(bench.status(&a), Some(Status::Active));
    assert_lineage(&bench, &a).await;
    let mut read = Vec::new();
    for shard in bench.list(&a, ShardFilter::FromTrimHorizon) {
        read.extend(bench.drain(&a, &shard.to_string()).await.0);
    }
    read.sort();
    written.sort();
    assert_eq!(read, written);
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

async fn change_somehow(bench: &Bench, a: &StreamName, dice: &mut Dice) {
    let view = bench.streams.stream(&bench.ns, a).unwrap();
    let open: Vec<&Arc<ShardView>> = view.open.iter().collect();
    let at = dice.roll(open.len());
    match dice.roll(3) {
        0 if open.len() < 40 => {
            let range = open[at].record.range;
            let middle = (range.start.0 + (range.end.0 - range.start.0) / 2).to_string();
            match bench.streams.split_shard(&bench.ns, a, &open[at].id.to_string(), &middle).await {
                Ok(()) | Err(SplitError::HashKey(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        1 if at > 0 => {
            let (one, two) = (open[at - 1].id.to_string(), open[at].id.to_string());
            bench.streams.merge_shards(&bench.ns, a, &one, &two).await.unwrap();
        }
        _ => {
            bench.scale(a, 1 + dice.roll(30) as u32).await.unwrap();
        }
    }
}

/// Reads as a consumer library does: the shards of the trim horizon, and then whatever shards it is led to once all
/// of their parents are read. Answers the records in the order in which they were read.
async fn follow(bench: &Bench, a: &StreamName) -> Vec<String> {
    let mut left: VecDeque<u32> = bench.list(a, ShardFilter::AtTrimHorizon).into();
    let (mut ended, mut seen): (BTreeSet<ShardId>, BTreeSet<u32>) = Default::default();
    let mut read = Vec::new();
    while let Some(shard) = left.pop_front() {
        assert!(seen.insert(shard), "no shard is led to twice");
        let (texts, onward) = bench.drain(a, &shard.to_string()).await;
        read.extend(texts);
        ended.insert(ShardId(shard));
        let Onward::Ended(children) = onward else { continue };
        let ready = children.iter().filter(|child| child.parents.iter().all(|parent| ended.contains(parent)));
        left.extend(ready.map(|child| child.id.0));
    }
    assert_eq!(seen.len(), bench.list(a, ShardFilter::FromTrimHorizon).len(), "lineage leads to every shard");
    read
}

/// Writers that wait for each answer before they put the next record of their key, while the stream's shards are split,
/// merged and changed in number at random: whoever follows the lineage reads every record once, each key's in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_read_once_and_in_order_through_any_change_of_shards() {
    const WRITERS: usize = 6;
    const CALLS: usize = 60;
    for seed in 1..=3 {
        let bench = Bench::open().await;
        let a = bench.create("a", 3).await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (streams, ns, a) = (bench.streams.clone(), bench.ns.clone(), a.clone());
            writers.spawn(async move {
                for call in 0..CALLS {
                    // Keys of this writer alone, several in a call.
                    let texts: Vec<_> = (0..5).map(|key| format!("{writer}.{key}:{call}")).collect();
                    let keys: Vec<_> = texts.iter().map(|text| text.split(':').next().unwrap()).collect();
                    let entries: Vec<_> = texts
                        .iter()
                        .zip(&keys)
                        .map(|(text, key)| Entry {
                            data: text.as_bytes(),
                            partition_key: Some(key),
                            explicit_hash_key: None,
                        })
                        .collect();
                    for outcome in streams.put_records(&ns, &a, &entries).await.unwrap() {
                        assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        let mut dice = Dice(seed);
        let mut changes = 0;
        while !writers.is_empty() || changes < 12 {
            change_somehow(&bench, &a, &mut dice).await;
            bench.settle().await;
            let ranges = bench.ranges(&a);
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (HashKey(0), HashKey::MAX));
            assert!(ranges.windows(2).all(|pair| pair[0].end.0 + 1 == pair[1].start.0));
            changes += 1;
            while writers.try_join_next().map(Result::unwrap).is_some() {}
            tokio::task::yield_now().await;
        }
        let mut read: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for text in follow(&bench, &a).await {
            let (key, call) = text.split_once(':').unwrap();
            read.entry(key.to_owned()).or_default().push(call.parse().unwrap());
        }
        assert_eq!(read.len(), WRITERS * 5);
        for (key, calls) in read {
            assert_eq!(calls, (0..CALLS).collect::<Vec<_>>(), "{key}, seed {seed}");
        }
        assert_lineage(&bench, &a).await;
    }
}
