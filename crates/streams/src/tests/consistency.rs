//! Whether a catalog from which changes may be missing still holds together.

use super::*;
use crate::catalog::{SHARDS, ShardRecord, decode};
use rheos_log::{Key, Versioned};

type Catalog = Vec<(Key, Versioned)>;

/// The catalog, and its shards as the log has them.
fn state(bench: &Bench) -> (Catalog, Vec<(u64, u64, u64, bool)>) {
    let catalog = bench.log.scan("");
    let records = catalog.iter().filter(|(key, _)| key.as_str().starts_with(SHARDS));
    let of_log = records.map(|(_, value)| {
        let record: ShardRecord = decode(&value.value).unwrap();
        let info = bench.log.shard(record.key).unwrap();
        (record.key.0, info.first, info.next, info.closed)
    });
    let of_log = of_log.collect();
    (catalog, of_log)
}

#[tokio::test]
async fn every_state_on_the_way_holds_together_and_no_shard_may_be_missing() {
    let bench = Bench::open().await;
    let a = bench.create("a", 2).await;
    let before_split = state(&bench);
    assert_eq!(consistent(&before_split.0, &before_split.1), Ok(()));
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    let (catalog, of_log) = state(&bench);
    assert_eq!(consistent(&catalog, &of_log), Ok(()), "UPDATING");
    bench.settle().await;
    bench.streams.merge_shards(&bench.ns, &a, "2", "3").await.unwrap();
    bench.settle().await;
    let (catalog, of_log) = state(&bench);
    assert_eq!(consistent(&catalog, &of_log), Ok(()));
    assert_eq!(shard_names(&catalog)[&of_log[0].0], "a shardId-000000000000");

    for (key, value) in catalog.iter().filter(|(key, _)| key.as_str().starts_with(SHARDS)) {
        let record: ShardRecord = decode(&value.value).unwrap();
        let without: Catalog = catalog.iter().filter(|(other, _)| other != key).cloned().collect();
        let said = consistent(&without, &of_log);
        assert_eq!(said.is_err(), record.closed.is_none(), "{key}: {said:?}");
    }
    for at in 0..of_log.len() {
        let mut other = of_log.clone();
        other[at].3 ^= true;
        assert!(consistent(&catalog, &other).unwrap_err().ends_with("open in one place and closed in another"));
        other.remove(at);
        assert!(consistent(&catalog, &other).unwrap_err().ends_with("of stream a is not in the log"));
    }
    bench.begin("b", 1).await.unwrap();
    let creating = state(&bench);
    assert_eq!(consistent(&creating.0, &creating.1), Ok(()), "CREATING");

    // The stream as it was before, with the shards that came later.
    let is_shard = |key: &Key| key.as_str().starts_with(SHARDS);
    let mut mixed: Catalog = before_split.0.into_iter().filter(|(key, _)| !is_shard(key)).collect();
    mixed.extend(catalog.into_iter().filter(|(key, _)| is_shard(key)));
    assert!(consistent(&mixed, &of_log).unwrap_err().ends_with("newer than the stream knows"));
}
