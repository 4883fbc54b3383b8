//! What expires, what comes back (nothing), and what a wrong clock can do.

use super::*;

#[tokio::test]
async fn hours_are_checked_and_the_same_number_is_no_change() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let (up, down) = (
        async |hours| bench.streams.increase_retention(&bench.ns, &a, hours).await,
        async |hours| bench.streams.decrease_retention(&bench.ns, &a, hours).await,
    );
    assert!(matches!(up(23).await, Err(RetentionError::TooShort { hours: 23, minimum: 24 })));
    assert!(matches!(down(8761).await, Err(RetentionError::TooLong { hours: 8761, maximum: 8760 })));
    up(24).await.unwrap();
    down(24).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Active), "nothing to do");
    assert!(matches!(down(25).await, Err(RetentionError::Longer { hours: 25, existing: 24, .. })));
    up(168).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Updating));
    up(168).await.unwrap();
    assert!(matches!(down(24).await, Err(RetentionError::NotActive(_))));
    bench.settle().await;
    assert!(matches!(up(24).await, Err(RetentionError::Shorter { hours: 24, existing: 168, .. })));
    assert_eq!(bench.describe(&a).stream.retention_hours, 168);
}

#[tokio::test]
async fn records_expire_and_a_reader_among_them_goes_on_at_the_first_that_has_not() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let iterator_at = async || bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    let old = bench.put(&a, "k", "old").await;
    bench.clock.advance(23 * HOUR_MS);
    bench.put(&a, "k", "young").await;
    assert_eq!(bench.texts(&iterator_at().await).await, ["old", "young"]);
    bench.clock.advance(HOUR_MS + 1);
    assert_eq!(bench.texts(&iterator_at().await).await, ["young"], "before anything was removed");
    let from_old = bench.iterator_from(&a, "0", IteratorKind::AtSequenceNumber, old.sequence_number).await;
    assert_eq!(bench.texts(&from_old).await, ["young"], "no error");
    bench.clock.advance(HOUR_MS / 4);
    let from_old = bench.iterator_from(&a, "0", IteratorKind::AtSequenceNumber, old.sequence_number).await;
    assert!(bench.streams.tick().await.problems.is_empty());
    assert_eq!(bench.texts(&from_old).await, ["young"]);
    assert_eq!(first_of(&bench, &a), 1, "the log was told");
    bench.clock.advance(24 * HOUR_MS);
    let iterator = iterator_at().await;
    let records = bench.read(&iterator, None).await.unwrap();
    assert_eq!((records.count(), records.millis_behind_latest), (0, 0));
    bench.put(&a, "k", "new").await;
    assert_eq!(bench.texts(&next(records)).await, ["new"]);
}

/// The first position that the log keeps of a stream's first shard.
fn first_of(bench: &Bench, stream: &StreamName) -> u64 {
    let view = bench.streams.stream(&bench.ns, stream).unwrap();
    bench.log.shard(view.shards[0].record.key).unwrap().first
}

#[tokio::test]
async fn a_decrease_hides_at_once_and_an_increase_brings_nothing_back() {
    let mut bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    bench.streams.increase_retention(&bench.ns, &a, 72).await.unwrap();
    bench.settle().await;
    bench.put(&a, "k", "old").await;
    bench.clock.advance(30 * HOUR_MS);
    bench.put(&a, "k", "young").await;
    assert_eq!(bench.drain(&a, "0").await.0, ["old", "young"]);
    bench.streams.decrease_retention(&bench.ns, &a, 24).await.unwrap();
    assert_eq!(bench.drain(&a, "0").await.0, ["young"], "while it is still UPDATING");
    bench.settle().await;
    bench.streams.increase_retention(&bench.ns, &a, 8760).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.drain(&a, "0").await.0, ["young"]);
    bench.restart().await;
    assert_eq!(bench.drain(&a, "0").await.0, ["young"]);
}

#[tokio::test]
async fn a_closed_shard_goes_when_all_it_had_has_expired_and_its_children_still_name_it() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    bench.put(&a, "k", "old").await;
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.settle().await;
    let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    bench.clock.advance(23 * HOUR_MS);
    bench.streams.tick().await;
    assert_eq!(bench.describe(&a).shards.len(), 3);
    bench.clock.advance(HOUR_MS + 60_001);
    bench.streams.tick().await;
    assert_eq!(bench.describe(&a).shards.len(), 3, "readers at its end may still ask where to go on");
    assert_eq!(bench.list(&a, ShardFilter::FromTrimHorizon), [1, 2], "though it is of no use to others");
    assert_eq!(bench.drain(&a, "0").await.0, [""; 0]);
    bench.clock.advance(300_000);
    bench.streams.tick().await;
    let shards = bench.describe(&a).shards;
    assert_eq!(shards.iter().map(|shard| shard.id.0).collect::<Vec<_>>(), [1, 2]);
    assert!(shards.iter().all(|shard| shard.parent == Some(ShardId(0))));
    assert!(bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.is_err());
    assert!(bench.streams.open_iterator(&iterator).is_err());

    // The retention goes up; the past of the stream begins where the shard ended all the same.
    bench.streams.increase_retention(&bench.ns, &a, 8760).await.unwrap();
    bench.settle().await;
    for filter in [ShardFilter::AtTrimHorizon, ShardFilter::FromTrimHorizon, ShardFilter::AtTimestamp(START_MS)] {
        assert_eq!(bench.list(&a, filter), [1, 2], "{filter:?}");
    }
}

#[tokio::test]
async fn a_wall_clock_that_runs_away_deletes_nothing() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    bench.put(&a, "k", "x").await;
    bench.clock.set_wall(START_MS + 1000 * HOUR_MS);
    bench.streams.tick().await;
    assert_eq!(first_of(&bench, &a), 0);
    assert_eq!(bench.drain(&a, "0").await.0, ["x"]);
    bench.clock.set_wall(START_MS + 1000);
    bench.streams.tick().await;
    assert_eq!(bench.drain(&a, "0").await.0, ["x"]);
}

#[tokio::test]
async fn many_streams_are_searched_in_steps() {
    let bench = Bench::open().await;
    for name in ["a", "b", "c"] {
        bench.begin(name, 200).await.unwrap();
    }
    bench.settle().await;
    for name in ["a", "b", "c"] {
        bench.put_at(&name_of(name), "0", "x").await;
    }
    bench.clock.advance(25 * HOUR_MS);
    let now_ms = bench.clock.wall_ms();
    assert_eq!(bench.streams.tick().await.next_ms, now_ms, "there is more to do at once");
    assert_eq!(bench.streams.tick().await.next_ms, now_ms + 60_000);
    for name in ["a", "b", "c"] {
        assert_eq!(first_of(&bench, &name_of(name)), 1);
    }
}
