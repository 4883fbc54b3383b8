//! Records, written and read.

use std::collections::HashSet;

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{ChildShard, PutRecordsRequestEntry, PutRecordsResultEntry, Record, ShardIteratorType};
use futures_util::future::try_join_all;

use crate::{Run, pause, recent};

pub(crate) const FIRST: &str = "shardId-000000000000";

impl Run {
    pub(crate) fn iterator(&self, name: &str, shard: &str, kind: ShardIteratorType) -> GetShardIteratorFluentBuilder {
        self.client.get_shard_iterator().stream_name(name).shard_id(shard).shard_iterator_type(kind)
    }

    /// Every record from the iterator on, to the shard's end or to its tip, and the children if it has ended.
    pub(crate) async fn read(
        &self,
        from: GetShardIteratorFluentBuilder,
        limit: Option<i32>,
    ) -> (Vec<Record>, Vec<ChildShard>) {
        self.read_on(from.send().await.unwrap().shard_iterator, limit).await
    }

    async fn read_on(&self, mut iterator: Option<String>, limit: Option<i32>) -> (Vec<Record>, Vec<ChildShard>) {
        let mut records = Vec::new();
        loop {
            let answer = self.client.get_records().set_shard_iterator(iterator).set_limit(limit).send().await.unwrap();
            assert_eq!(answer.next_shard_iterator().is_none(), !answer.child_shards().is_empty());
            let at_tip = answer.records().is_empty() && answer.millis_behind_latest() == Some(0);
            records.extend(answer.records);
            if answer.next_shard_iterator.is_none() || at_tip {
                return (records, answer.child_shards.unwrap_or_default());
            }
            iterator = answer.next_shard_iterator;
        }
    }

    pub(crate) async fn read_all(&self, name: &str, shard: &str) -> Vec<Record> {
        self.read(self.iterator(name, shard, ShardIteratorType::TrimHorizon), None).await.0
    }

    pub(crate) async fn put(&self, name: &str, key: &str, data: &[u8]) -> (String, String) {
        let put = self.client.put_record().stream_name(name).partition_key(key).data(Blob::new(data));
        let place = put.send().await.unwrap();
        (place.shard_id, place.sequence_number)
    }

    pub(crate) async fn put_all(&self, name: &str, entries: Vec<PutRecordsRequestEntry>) -> Vec<PutRecordsResultEntry> {
        let count = entries.len();
        let answer = self.client.put_records().stream_name(name).set_records(Some(entries)).send().await.unwrap();
        assert_eq!((answer.failed_record_count(), answer.records().len()), (Some(0), count));
        answer.records
    }
}

pub(crate) fn entry(key: &str, data: impl Into<Vec<u8>>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data)).build().unwrap()
}

pub(crate) async fn all(run: &Run) {
    run.test("records", "bytes come back as they were", |run| async move {
        let name = run.create("bytes", 1, &[]).await;
        let every: Vec<u8> = (0..=255).collect();
        let (shard, number) = run.put(&name, "käse-鍵-🔑", &every).await;
        assert_eq!(shard, FIRST);
        run.put(&name, "empty", b"").await;
        let found = run.read_all(&name, FIRST).await;
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].data().as_ref(), every);
        assert_eq!((found[0].partition_key(), found[0].sequence_number()), (Some("käse-鍵-🔑"), number.as_str()));
        recent(found[0].approximate_arrival_timestamp());
        assert_eq!(found[1].data().as_ref(), b"");
    })
    .await;
    run.test("records", "batches, pages, explicit hash keys", |run| async move {
        let name = run.create("batches", 2, &[]).await;
        for batch in 0..2 {
            let numbered = |i: i32| {
                let data = Blob::new((batch * 500 + i).to_string());
                PutRecordsRequestEntry::builder()
                    .partition_key("same")
                    .explicit_hash_key("0")
                    .data(data)
                    .build()
                    .unwrap()
            };
            let places = run.put_all(&name, (0..500).map(numbered).collect()).await;
            assert!(places.iter().all(|place| place.shard_id() == Some(FIRST)));
        }
        let (found, _) = run.read(run.iterator(&name, FIRST, ShardIteratorType::TrimHorizon), Some(300)).await;
        let found: Vec<_> = found.iter().map(|record| String::from_utf8_lossy(record.data().as_ref())).collect();
        assert_eq!(found, (0..1000).map(|i| i.to_string()).collect::<Vec<_>>());
    })
    .await;
    run.test("records", "every kind of iterator", |run| async move {
        use ShardIteratorType as Kind;
        let name = run.create("iterators", 1, &[]).await;
        let latest = run.iterator(&name, FIRST, Kind::Latest).send().await.unwrap().shard_iterator;
        let mut numbers = Vec::new();
        for i in 0..5 {
            numbers.push(run.put(&name, "k", &[i]).await.1);
            pause().await;
        }
        let found = run.read_all(&name, FIRST).await;
        let third = found[3].approximate_arrival_timestamp().copied().unwrap();
        let from = |kind: Kind| run.iterator(&name, FIRST, kind);
        for (from, wanted) in [
            (from(Kind::TrimHorizon), 5),
            (from(Kind::AtSequenceNumber).starting_sequence_number(&numbers[2]), 3),
            (from(Kind::AfterSequenceNumber).starting_sequence_number(&numbers[2]), 2),
            (from(Kind::AtTimestamp).timestamp(third), 2),
            (from(Kind::Latest), 0),
        ] {
            let shown = format!("{from:?}");
            assert_eq!(run.read(from, None).await.0.len(), wanted, "{shown}");
        }
        assert_eq!(run.read_on(latest, None).await.0.len(), 5);
    })
    .await;
    run.test("records", "ten mebibytes in a request and in an answer", |run| async move {
        let name = run.create("large", 1, &[]).await;
        let content = |i: u8| [i, 0xff].repeat((1 << 19) - 1);
        run.put_all(&name, (0..10).map(|i| entry(&i.to_string(), content(i))).collect()).await;
        let found = run.read_all(&name, FIRST).await;
        assert_eq!(found.len(), 10);
        for (i, record) in (0..).zip(&found) {
            assert!(record.data().as_ref() == content(i), "record {i} is another");
        }
    })
    .await;
    run.test("records", "a hundred requests at once", |run| async move {
        let name = run.create("parallel", 4, &[]).await;
        let put = |i: i32| {
            let key = i.to_string();
            run.client.put_record().stream_name(&name).partition_key(&key).data(Blob::new(key)).send()
        };
        try_join_all((0..100).map(put)).await.unwrap();
        let mut seen = HashSet::new();
        for shard in run.shards(&name).await {
            seen.extend(run.read_all(&name, shard.shard_id()).await.into_iter().map(|record| record.data.into_inner()));
        }
        assert_eq!(seen.len(), 100);
    })
    .await;
    run.test("records", "throttled in part", |run| async move {
        let name = run.create("throttled", 1, &[("rheos:limits", "aws")]).await;
        let impatient = run.connect(|config| config.retry_config(RetryConfig::disabled()));
        let entries = (0..400).map(|_| entry("k", vec![b'x'; 10_000])).collect();
        let answer = impatient.put_records().stream_name(&name).set_records(Some(entries)).send().await.unwrap();
        let failed = answer.records().iter().filter_map(|entry| entry.error_code()).collect::<Vec<_>>();
        assert!(failed.iter().all(|code| *code == "ProvisionedThroughputExceededException"), "{failed:?}");
        assert!((1..400).contains(&failed.len()) && answer.failed_record_count() == i32::try_from(failed.len()).ok());
        for _ in 0..20 {
            let put = impatient.put_record().stream_name(&name).partition_key("k").data(Blob::new(vec![0; 900_000]));
            if let Err(error) = put.send().await {
                assert!(error.into_service_error().is_provisioned_throughput_exceeded_exception());
                return;
            }
        }
        panic!("never throttled");
    })
    .await;
}
