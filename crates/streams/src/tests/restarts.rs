//! Streams opened again on the same log, in the middle of everything.

use super::*;
use crate::catalog::{Intent, Pending, StreamUid};

#[tokio::test]
async fn every_transition_is_finished_after_a_restart() {
    let mut bench = Bench::open().await;
    bench.begin("creating", 3).await.unwrap();
    let creating = name_of("creating");
    bench.restart().await;
    assert_eq!(bench.status(&creating), Some(Status::Creating));
    bench.settle().await;
    assert_eq!(bench.describe(&creating).stream.open_shards, 3);

    bench.put_at(&creating, "5", "x").await;
    bench.streams.split_shard(&bench.ns, &creating, "0", "1000").await.unwrap();
    bench.restart().await;
    assert_eq!(bench.status(&creating), Some(Status::Updating));
    bench.put_at(&creating, "5", "y").await;
    bench.settle().await;
    assert_eq!(bench.list(&creating, ShardFilter::AtLatest), [1, 2, 3, 4]);
    assert_eq!(bench.drain(&creating, "0").await.0, ["x", "y"]);

    bench.streams.merge_shards(&bench.ns, &creating, "3", "4").await.unwrap();
    bench.restart().await;
    bench.settle().await;
    assert_eq!(bench.list(&creating, ShardFilter::AtLatest), [1, 2, 5]);

    bench.streams.increase_retention(&bench.ns, &creating, 48).await.unwrap();
    bench.restart().await;
    bench.settle().await;
    let stream = bench.describe(&creating).stream;
    assert_eq!((stream.status, stream.retention_hours), (Status::Active, 48));

    bench.streams.delete_stream(&bench.ns, &creating, false).await.unwrap();
    bench.restart().await;
    assert_eq!(bench.status(&creating), Some(Status::Deleting));
    bench.settle().await;
    assert_eq!(bench.status(&creating), None);
    assert_eq!(bench.log.scan("shard/").len() + bench.log.scan("stream/").len(), 0, "nothing is left behind");
}

/// A crash after the parents were closed and before the children were opened, on a log that keeps the two apart.
#[tokio::test]
async fn a_reshard_cut_in_two_is_finished_and_loses_no_reader() {
    let mut bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    bench.put_at(&a, "5", "x").await;
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.clock.advance(100);
    let view = bench.streams.stream(&bench.ns, &a).unwrap();
    let Some(Pending { intent, .. }) = &view.record.pending else { panic!("{view:?}") };
    let mut steps = bench.streams.reshape(&view, intent);
    assert_eq!(steps.len(), 2);
    steps.truncate(1);
    bench.log.commit(steps).await.unwrap()[0].as_ref().unwrap();
    bench.restart().await;

    let entry = Entry { data: b"y", partition_key: Some("k"), explicit_hash_key: None };
    assert!(matches!(bench.streams.put_record(&bench.ns, &a, entry, None).await, Err(PutError::NoOpenShard)));
    let outcomes = bench.streams.put_records(&bench.ns, &a, &[entry]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Failed(Failure::NoOpenShard)]));
    let (read, onward) = bench.drain(&a, "0").await;
    assert_eq!(read, ["x"]);
    let Onward::Next(iterator) = onward else { panic!("no children yet: the reader stays") };
    let closed_ms = bench.clock.wall_ms();

    bench.clock.advance(5000);
    assert!(bench.streams.tick().await.problems.is_empty());
    assert_eq!(bench.status(&a), Some(Status::Active));
    let Onward::Ended(children) = bench.read(&iterator, None).await.unwrap().onward else { panic!("it has ended") };
    assert_eq!(ids(&children), [ShardId(1), ShardId(2)]);
    assert_eq!(bench.put_at(&a, "5", "y").await.shard, ShardId(1));
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(closed_ms)), [1, 2], "a full cover at any time");
    bench.streams.split_shard(&bench.ns, &a, "1", "10").await.unwrap();
    bench.settle().await;
    assert_eq!(bench.list(&a, ShardFilter::AtLatest), [2, 3, 4]);
}

#[tokio::test]
async fn a_step_that_is_done_twice_is_done_once() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.clock.advance(100);
    let view = bench.streams.stream(&bench.ns, &a).unwrap();
    let intent = Intent::Split { shard: ShardId(0), at: rheos_types::HashKey(1000) };
    let again = bench.streams.reshape(&view, &intent);
    assert!(bench.streams.tick().await.problems.is_empty());
    let results = bench.log.commit(again).await.unwrap();
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(bench.list(&a, ShardFilter::FromTrimHorizon), [0, 1, 2]);
    let (one, two) = tokio::join!(bench.streams.tick(), bench.streams.tick());
    assert!(one.problems.is_empty() && two.problems.is_empty());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_keeps_the_streams_closed() {
    let bench = Bench::open().await;
    let key = crate::catalog::shard_key(StreamUid(1), ShardId(0));
    let damage = rheos_log::Change::Put { key: key.clone(), value: bytes::Bytes::from_static(b"{}") };
    let elsewhere = Bench::open().await;
    let transaction = rheos_log::Transaction { changes: vec![damage], ..Default::default() };
    let log = memory_log(bench.clock.clone());
    log.commit(vec![transaction]).await.unwrap()[0].as_ref().unwrap();
    let (clock, random, root) = (bench.clock.clone(), elsewhere.random.clone(), bench.root.clone());
    let opened = Streams::open(log, clock, random, root, Config::default()).await;
    assert!(matches!(opened, Err(OpenError::Damaged { key: named }) if named == key.as_str()));
}
