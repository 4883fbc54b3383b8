//! GetRecords: bounds, how far behind, limits.

use super::*;

#[tokio::test]
async fn a_limit_cuts_within_a_block_and_the_next_iterator_goes_on_there() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let texts_in: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let entries: Vec<_> = texts_in
        .iter()
        .map(|text| Entry { data: text.as_bytes(), partition_key: Some("k"), explicit_hash_key: None })
        .collect();
    bench.streams.put_records(&bench.ns, &a, &entries).await.unwrap();
    let mut iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    bench.clock.advance(1234);
    let mut read = Vec::new();
    for (count, behind) in [(3, 1234), (3, 1234), (3, 1234), (1, 0), (0, 0)] {
        let records = bench.read(&iterator, Some(3)).await.unwrap();
        assert_eq!((records.count(), records.millis_behind_latest), (count, behind));
        assert_eq!(records.bytes(), count * 2, "a digit and its key");
        read.extend(texts(&records));
        iterator = next(records);
    }
    assert_eq!(read, texts_in);
}

#[tokio::test]
async fn records_carry_what_was_put() {
    let bench = Bench::open().await;
    let a = bench.create("a", 4).await;
    let stored = bench.put(&a, "ключ", "data").await;
    let iterator = bench.iterator(&a, &stored.shard.to_string(), IteratorKind::TrimHorizon).await.unwrap();
    let records = bench.read(&iterator, None).await.unwrap();
    let record = records.iter().next().unwrap();
    assert_eq!(record.sequence_number, stored.sequence_number);
    assert_eq!((record.partition_key, record.data), (Some("ключ"), &b"data"[..]));
    assert_eq!(record.time_ms, bench.clock.wall_ms());
}

#[tokio::test]
async fn an_answer_has_ten_mebibytes_at_most() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let megabyte = "x".repeat(1_000_000);
    for _ in 0..12 {
        bench.put(&a, "k", &megabyte).await;
    }
    bench.clock.advance(1);
    let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    let records = bench.read(&iterator, None).await.unwrap();
    assert_eq!(records.count(), 10);
    assert!(records.millis_behind_latest > 0);
    let rest = bench.read(&next(records), None).await.unwrap();
    assert_eq!((rest.count(), rest.millis_behind_latest), (2, 0));
}

#[tokio::test]
async fn five_reads_a_second_and_then_one_each_fifth() {
    let bench = Bench::new().await;
    let a = bench.create("a", 2).await;
    let iterator = bench.iterator(&a, "0", IteratorKind::Latest).await.unwrap();
    for _ in 0..5 {
        bench.read(&iterator, None).await.unwrap();
    }
    let refused = bench.read(&iterator, None).await;
    assert!(matches!(refused, Err(ReadError::Throttled(RateExceeded { shard: ShardId(0), .. }))));
    let other = bench.iterator(&a, "1", IteratorKind::Latest).await.unwrap();
    bench.read(&other, None).await.unwrap();
    bench.streams.add_tags(&bench.arn(&a), &[("a".to_owned(), "b".to_owned())].into()).await.unwrap();
    assert!(bench.read(&iterator, None).await.is_err(), "a change of the stream fills no bucket");
    bench.clock.advance(200);
    bench.read(&iterator, None).await.unwrap();
    assert!(bench.read(&iterator, None).await.is_err());
}

#[tokio::test]
async fn after_ten_mebibytes_a_shard_is_silent_for_five_seconds() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let data = "x".repeat((1 << 20) - 100);
    for _ in 0..11 {
        bench.put(&a, "k", &data).await;
        bench.clock.advance(1000);
    }
    let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    let records = bench.read(&iterator, None).await.unwrap();
    assert_eq!(records.count(), 10);
    let iterator = next(records);
    bench.clock.advance(4990);
    assert!(matches!(bench.read(&iterator, None).await, Err(ReadError::Throttled(_))));
    bench.clock.advance(10);
    assert_eq!(bench.read(&iterator, None).await.unwrap().count(), 1);
}

#[tokio::test]
async fn a_tag_lifts_a_streams_limits() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    assert_eq!(bench.streams.profile_of(&bench.ns, &a), Profile::Aws);
    bench.streams.add_tags(&bench.arn(&a), &[("rheos:limits".to_owned(), "open".to_owned())].into()).await.unwrap();
    assert_eq!(bench.streams.profile_of(&bench.ns, &a), Profile::Open);
    let iterator = bench.iterator(&a, "0", IteratorKind::Latest).await.unwrap();
    for _ in 0..100 {
        bench.read(&iterator, None).await.unwrap();
    }
}
