//! PutRecord and PutRecords: routes, sizes, limits, numbers.

use super::*;

fn entry<'a>(data: &'a [u8], key: &'a str) -> Entry<'a> {
    Entry { data, partition_key: Some(key), explicit_hash_key: None }
}

#[tokio::test]
async fn records_go_where_their_hash_says_and_answers_come_in_the_order_of_the_call() {
    let bench = Bench::open().await;
    let a = bench.create("a", 4).await;
    let keys: Vec<String> = (0..500).map(|n| format!("key{n}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| entry(key.as_bytes(), key)).collect();
    let outcomes = bench.streams.put_records(&bench.ns, &a, &entries).await.unwrap();
    let shards = bench.describe(&a).shards;
    let mut read = BTreeMap::new();
    for shard in &shards {
        let iterator = bench.iterator(&a, &shard.id.to_string(), IteratorKind::TrimHorizon).await.unwrap();
        for record in bench.read(&iterator, None).await.unwrap().iter() {
            read.insert(record.sequence_number.to_string(), (shard.clone(), record.data.to_vec()));
        }
    }
    assert_eq!(read.len(), 500);
    for (key, outcome) in keys.iter().zip(outcomes) {
        let Outcome::Stored(stored) = outcome else { panic!("{outcome:?}") };
        let (shard, data) = &read[&stored.sequence_number.to_string()];
        assert_eq!((shard.id, data.as_slice()), (stored.shard, key.as_bytes()));
        assert!(shard.range.contains(rheos_types::HashKey::of_partition_key(key)));
    }
}

#[tokio::test]
async fn an_explicit_hash_key_decides_and_must_be_below_two_to_the_128() {
    let bench = Bench::open().await;
    let a = bench.create("a", 2).await;
    assert_eq!(bench.put_at(&a, "0", "x").await.shard, ShardId(0));
    assert_eq!(bench.put_at(&a, &u128::MAX.to_string(), "x").await.shard, ShardId(1));
    let over = "340282366920938463463374607431768211456";
    let bad = Entry { explicit_hash_key: Some(over), ..entry(b"x", "k") };
    let refused = bench.streams.put_record(&bench.ns, &a, bad, None).await;
    assert!(matches!(refused, Err(PutError::HashKey(error)) if error.value == over));
    let refused = bench.streams.put_records(&bench.ns, &a, &[entry(b"x", "k"), bad]).await;
    assert!(matches!(refused, Err(PutRecordsError::HashKey(_))), "the whole call fails");
    assert_eq!(bench.drain(&a, "0").await.0.len() + bench.drain(&a, "1").await.0.len(), 2);
}

#[tokio::test]
async fn sizes_count_data_and_key_and_hold_for_a_record_and_for_a_call() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let data = vec![0; 1 << 20];
    let fits = entry(&data[..(1 << 20) - 3], "key");
    bench.streams.put_record(&bench.ns, &a, fits, None).await.unwrap();
    let large = entry(&data[..(1 << 20) - 2], "key");
    let refused = bench.streams.put_record(&bench.ns, &a, large, None).await;
    assert!(matches!(refused, Err(PutError::TooLarge { bytes: 1_048_577, limit_bytes: 1_048_576 })));
    let refused = bench.streams.put_records(&bench.ns, &a, &[fits, large]).await;
    assert!(matches!(refused, Err(PutRecordsError::RecordTooLarge { index: 1, .. })));
    bench.streams.put_records(&bench.ns, &a, &[fits; 10]).await.unwrap();
    let refused = bench.streams.put_records(&bench.ns, &a, &[fits; 11]).await;
    assert!(matches!(refused, Err(PutRecordsError::TooLarge { bytes: 11_534_336, limit_bytes: 10_485_760 })));
}

#[tokio::test]
async fn a_thousand_records_then_refusals_that_leave_a_beginning() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let entries = [entry(b"x", "k"); 400];
    let mut stored = 0;
    for expected in [400, 400, 200, 0] {
        let outcomes = bench.streams.put_records(&bench.ns, &a, &entries).await.unwrap();
        let taken = outcomes.iter().take_while(|outcome| matches!(outcome, Outcome::Stored(_))).count();
        assert_eq!(taken, expected);
        assert!(outcomes[taken..].iter().all(|outcome| matches!(outcome, Outcome::Throttled { shard: ShardId(0) })));
        stored += taken;
    }
    let refused = bench.streams.put_record(&bench.ns, &a, entry(b"x", "k"), None).await;
    assert!(matches!(refused, Err(PutError::Throttled(RateExceeded { shard: ShardId(0), .. }))));
    bench.clock.advance(5);
    let outcomes = bench.streams.put_records(&bench.ns, &a, &entries).await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored(_))).count(), 5);
    assert_eq!(bench.drain(&a, "0").await.0.len(), stored + 5);
}

#[tokio::test]
async fn a_mebibyte_a_second() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let data = vec![0; 1 << 19];
    let half = entry(&data[1..], "k");
    bench.streams.put_record(&bench.ns, &a, half, None).await.unwrap();
    bench.streams.put_record(&bench.ns, &a, half, None).await.unwrap();
    let refused = bench.streams.put_record(&bench.ns, &a, entry(b"", "k"), None).await;
    assert!(matches!(refused, Err(PutError::Throttled(_))));
    bench.clock.advance(500);
    bench.streams.put_record(&bench.ns, &a, half, None).await.unwrap();
}

#[tokio::test]
async fn numbers_grow_and_the_number_to_exceed_is_checked() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let put = async |ordering: Option<&str>| bench.streams.put_record(&bench.ns, &a, entry(b"x", "k"), ordering).await;
    let mut last = bench.describe(&a).shards[0].starting.to_string();
    for _ in 0..5 {
        let stored = put(Some(&last)).await.unwrap().sequence_number.to_string();
        assert!(stored > last);
        last = stored;
    }
    // A clock that is set back makes no number of ours one of the future.
    bench.clock.set_wall(START_MS - HOUR_MS);
    put(Some(&last)).await.unwrap();
    let of_future = SequenceNumber::of_record(ShardId(0), bench.describe(&a).shards[0].starting.shard_created_s, 99, 1);
    for bad in ["0", "abc", &of_future.to_string()] {
        let refused = put(Some(bad)).await;
        assert!(matches!(refused, Err(PutError::Ordering { value, .. }) if value == bad), "{bad}");
    }
    let elsewhere = |s| SequenceNumber::of_record(ShardId(3), s, 7, s).to_string();
    put(Some(&elsewhere(START_MS / 1000 - 2 * 3600))).await.unwrap();
    assert!(matches!(put(Some(&elsewhere(START_MS / 1000 + 10))).await, Err(PutError::Ordering { .. })));
}

/// Absent is not empty: an empty key is one (the server refuses it before it comes here), none is none.
#[tokio::test]
async fn a_record_without_partition_key_is_refused_and_nothing_of_its_call_is_written() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let keyless = Entry { data: b"x", partition_key: None, explicit_hash_key: Some("5") };
    let refused = bench.streams.put_record(&bench.ns, &a, keyless, None).await;
    assert!(matches!(refused, Err(PutError::NoPartitionKey)), "{refused:?}");
    let refused = bench.streams.put_records(&bench.ns, &a, &[entry(b"y", "k"), keyless]).await;
    assert!(matches!(refused, Err(PutRecordsError::NoPartitionKey { index: 1 })), "{refused:?}");
    let nowhere = bench.streams.put_record(&bench.ns, &name_of("b"), keyless, None).await;
    assert!(matches!(nowhere, Err(PutError::NotFound(_))), "the stream is looked up first");
    assert_eq!(bench.drain(&a, "0").await.0, [""; 0]);
}
