//! What is set on a stream and shown: metrics of shards, the size of records.

use super::*;
use std::collections::BTreeSet;

#[tokio::test]
async fn metrics_are_added_and_taken_and_outlast_a_restart() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let set = |metrics: &[ShardMetric]| metrics.iter().copied().collect::<BTreeSet<_>>();
    let (some, other) =
        (set(&[ShardMetric::IncomingBytes, ShardMetric::OutgoingBytes]), set(&[ShardMetric::IncomingBytes]));
    let enabled = bench.streams.enable_monitoring(&bench.ns, &a, &some).await.unwrap();
    assert_eq!(enabled, Monitoring { current: BTreeSet::new(), desired: some.clone() });
    let all = bench.streams.enable_monitoring(&bench.ns, &a, &ShardMetric::ALL.into()).await.unwrap();
    assert_eq!(all, Monitoring { current: some, desired: ShardMetric::ALL.into() });
    let disabled = bench.streams.disable_monitoring(&bench.ns, &a, &other).await.unwrap();
    assert_eq!(disabled.desired.len(), 6);
    bench.restart().await;
    assert_eq!(bench.describe(&a).stream.shard_metrics, disabled.desired);
    assert_eq!(bench.status(&a), Some(Status::Active), "nothing takes time");
    let none = bench.streams.disable_monitoring(&bench.ns, &a, &ShardMetric::ALL.into()).await.unwrap();
    assert_eq!(none.desired, BTreeSet::new());
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    let refused = bench.streams.enable_monitoring(&bench.ns, &a, &other).await;
    assert!(matches!(refused, Err(MonitoringError::NotActive(_))));
}

#[tokio::test]
async fn puts_go_by_the_size_of_records_as_it_is_set() {
    let mut bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let put = async |bench: &Bench, bytes: usize| {
        let data = vec![b'x'; bytes];
        let entry = Entry { data: &data, partition_key: Some("k"), explicit_hash_key: None };
        bench.streams.put_record(&bench.ns, &a, entry, None).await
    };
    assert!(matches!(put(&bench, 2 << 20).await, Err(PutError::TooLarge { .. })));
    bench.streams.update_max_record_size(&bench.ns, &a, 10_240).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Updating));
    bench.restart().await;
    assert!(put(&bench, 2 << 20).await.is_ok(), "while it is UPDATING");
    let refused = bench.streams.update_max_record_size(&bench.ns, &a, 1024).await;
    assert!(matches!(refused, Err(RecordSizeError::NotActive(_))));
    bench.streams.update_max_record_size(&bench.ns, &a, 10_240).await.unwrap();
    bench.settle().await;
    let described = bench.describe(&a).stream;
    assert_eq!((described.status, described.max_record_kib), (Status::Active, 10_240));
    bench.streams.update_max_record_size(&bench.ns, &a, 1024).await.unwrap();
    bench.settle().await;
    assert!(matches!(put(&bench, 2 << 20).await, Err(PutError::TooLarge { limit_bytes: 1_048_576, .. })));
    let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    assert_eq!(bench.read(&iterator, None).await.unwrap().count(), 1, "what is larger stays");
}
