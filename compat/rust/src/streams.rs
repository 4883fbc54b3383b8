//! Streams and what is set on them.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_kinesis::client::Waiters;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    EncryptionType, Shard, ShardFilter, ShardFilterType, StreamDescriptionSummary, StreamStatus,
};

use crate::{Run, recent};

impl Run {
    pub(crate) async fn create(&self, name: &str, shards: i32, tags: &[(&str, &str)]) -> String {
        let tags: HashMap<_, _> = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let tags = Some(tags).filter(|tags| !tags.is_empty());
        self.client.create_stream().stream_name(name).shard_count(shards).set_tags(tags).send().await.unwrap();
        self.active(name).await;
        name.to_owned()
    }

    pub(crate) async fn active(&self, name: &str) {
        until!(name, *self.summary(name).await.stream_status() == StreamStatus::Active);
    }

    pub(crate) async fn summary(&self, name: &str) -> StreamDescriptionSummary {
        let answer = self.client.describe_stream_summary().stream_name(name).send().await.unwrap();
        answer.stream_description_summary.unwrap()
    }

    pub(crate) async fn shards(&self, name: &str) -> Vec<Shard> {
        self.client.list_shards().stream_name(name).send().await.unwrap().shards.unwrap()
    }

    async fn filtered(&self, name: &str, filter: ShardFilter) -> usize {
        let answer = self.client.list_shards().stream_name(name).shard_filter(filter).send().await;
        answer.unwrap().shards().len()
    }

    pub(crate) async fn open(&self, name: &str) -> Vec<Shard> {
        let latest = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build().unwrap();
        let answer = self.client.list_shards().stream_name(name).shard_filter(latest).send().await.unwrap();
        let mut shards = answer.shards.unwrap();
        shards.sort_by_key(|shard| range(shard).0);
        shards
    }
}

pub(crate) fn range(shard: &Shard) -> (u128, u128) {
    let range = shard.hash_key_range().unwrap();
    (range.starting_hash_key().parse().unwrap(), range.ending_hash_key().parse().unwrap())
}

fn filter(kind: ShardFilterType) -> aws_sdk_kinesis::types::builders::ShardFilterBuilder {
    ShardFilter::builder().r#type(kind)
}

pub(crate) async fn all(run: &Run) {
    run.test("streams", "create, wait, describe", |run| async move {
        let (client, name) = (&run.client, "described");
        client.create_stream().stream_name(name).shard_count(3).send().await.unwrap();
        // Its waiter looks every ten seconds, so it begins when there is nothing to wait for any more.
        run.active(name).await;
        let waiter = client.wait_until_stream_exists().stream_name(name);
        waiter.wait(Duration::from_secs(60)).await.unwrap();
        let found = client.describe_stream().stream_name(name).send().await.unwrap().stream_description.unwrap();
        assert_eq!(found.stream_name(), name);
        assert_eq!(found.stream_arn(), format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"));
        assert_eq!(*found.stream_status(), StreamStatus::Active);
        assert_eq!((found.shards().len(), found.has_more_shards()), (3, false));
        assert_eq!(found.retention_period_hours(), 24);
        assert_eq!(found.encryption_type(), Some(&EncryptionType::None));
        recent(Some(found.stream_creation_timestamp()));
        let summary = run.summary(name).await;
        assert_eq!(summary.open_shard_count(), 3);
        assert_eq!(summary.stream_creation_timestamp(), found.stream_creation_timestamp());
    })
    .await;
    run.test("streams", "describe in pages", |run| async move {
        run.create("pages", 5, &[]).await;
        let (mut seen, mut last) = (0, None);
        loop {
            let page = run.client.describe_stream().stream_name("pages").limit(2).set_exclusive_start_shard_id(last);
            let page = page.send().await.unwrap().stream_description.unwrap();
            seen += page.shards().len();
            last = page.shards().last().map(|shard| shard.shard_id().to_owned());
            if !page.has_more_shards() {
                break;
            }
        }
        assert_eq!(seen, 5);
    })
    .await;
    run.test("streams", "list in pages", |run| async move {
        for name in ["listed-a", "listed-b", "listed-c"] {
            run.create(name, 1, &[]).await;
        }
        let mut pages = run.client.list_streams().limit(2).into_paginator().send();
        let (mut names, mut summaries) = (Vec::new(), 0);
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            assert!(page.stream_names().len() <= 2);
            summaries += page.stream_summaries().len();
            names.extend(page.stream_names);
        }
        assert!(names.is_sorted() && names.len() >= 5, "{names:?}");
        assert_eq!(summaries, names.len());
    })
    .await;
    run.test("streams", "delete, wait", |run| async move {
        let name = run.create("deleted", 2, &[]).await;
        run.client.delete_stream().stream_name(&name).enforce_consumer_deletion(true).send().await.unwrap();
        until!("gone", run.client.describe_stream_summary().stream_name(&name).send().await.is_err());
        let waiter = run.client.wait_until_stream_not_exists().stream_name(&name);
        waiter.wait(Duration::from_secs(60)).await.unwrap();
    })
    .await;
    run.test("streams", "account limits", |run| async move {
        let limits = run.client.describe_limits().send().await.unwrap();
        assert!(limits.open_shard_count() >= 5 && limits.shard_limit() >= limits.open_shard_count(), "{limits:?}");
        assert!(limits.on_demand_stream_count_limit() >= 1, "{limits:?}");
    })
    .await;
    run.test("shards", "list in pages", |run| async move {
        let name = run.create("shards", 5, &[]).await;
        let mut page = run.client.list_shards().stream_name(&name).max_results(2).send().await.unwrap();
        let (mut pages, mut seen) = (1, page.shards().len());
        while let Some(token) = page.next_token() {
            page = run.client.list_shards().next_token(token).max_results(2).send().await.unwrap();
            pages += 1;
            seen += page.shards().len();
        }
        assert_eq!((pages, seen), (3, 5));
    })
    .await;
    run.test("shards", "filters", |run| async move {
        let name = run.create("filtered", 1, &[]).await;
        let created = *run.summary(&name).await.stream_creation_timestamp();
        run.split(&name, &run.open(&name).await[0]).await;
        let all = [
            (filter(ShardFilterType::AtLatest), 2),
            (filter(ShardFilterType::AtTrimHorizon), 1),
            (filter(ShardFilterType::FromTrimHorizon), 3),
            (filter(ShardFilterType::AfterShardId).shard_id("shardId-000000000000"), 2),
            (filter(ShardFilterType::FromTimestamp).timestamp(created), 3),
            (filter(ShardFilterType::AtTimestamp).timestamp(DateTime::from(std::time::SystemTime::now())), 2),
        ];
        for (filter, wanted) in all {
            let filter = filter.build().unwrap();
            assert_eq!(run.filtered(&name, filter.clone()).await, wanted, "{filter:?}");
        }
    })
    .await;
}
