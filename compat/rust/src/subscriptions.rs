//! SubscribeToShard.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::types::builders::StartingPositionBuilder;
use aws_sdk_kinesis::types::{
    ChildShard, Record, ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use tokio::task::JoinSet;

use crate::Run;
use crate::records::FIRST;
use crate::reshards::Journal;

fn at(kind: ShardIteratorType) -> StartingPositionBuilder {
    StartingPosition::builder().r#type(kind)
}

fn after(number: &str) -> StartingPosition {
    at(ShardIteratorType::AfterSequenceNumber).sequence_number(number).build().unwrap()
}

impl Run {
    /// Hands over events until it is told that this was enough, or the subscription ends.
    async fn subscribe(
        &self,
        consumer: &str,
        shard: &str,
        from: StartingPosition,
        mut enough: impl FnMut(SubscribeToShardEvent) -> bool,
    ) {
        let mut answer = loop {
            let subscribe = self.client.subscribe_to_shard().consumer_arn(consumer).shard_id(shard);
            match subscribe.starting_position(from.clone()).send().await {
                Ok(answer) => break answer,
                // The subscription before may not have ended yet where the server is.
                Err(error) if error.code() == Some("ResourceInUseException") => crate::pause().await,
                Err(error) => panic!("{error:?}"),
            }
        };
        while let Some(event) = answer.event_stream.recv().await.unwrap() {
            let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else { panic!("{event:?}") };
            // What the model requires is an empty text to this SDK where it is absent.
            assert_eq!(event.continuation_sequence_number().is_empty(), !event.child_shards().is_empty());
            if enough(event) {
                return;
            }
        }
    }

    async fn some(&self, consumer: &str, from: StartingPosition, count: usize) -> (Vec<Record>, String) {
        let (mut found, mut next) = (Vec::new(), String::new());
        let collect = |event: SubscribeToShardEvent| {
            found.extend(event.records);
            next = event.continuation_sequence_number;
            found.len() >= count
        };
        self.subscribe(consumer, FIRST, from, collect).await;
        assert_eq!(found.len(), count);
        (found, next)
    }

    async fn put_numbers(&self, name: &str, numbers: std::ops::Range<u8>) {
        for number in numbers {
            self.put(name, "k", &[number]).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Reads one shard to its end, and gives its children.
async fn read_to_end(
    run: Run,
    consumer: String,
    shard: String,
    seen: Arc<Mutex<Journal>>,
) -> (String, Vec<ChildShard>) {
    let (mut from, mut children) = (at(ShardIteratorType::TrimHorizon).build().unwrap(), None);
    while children.is_none() {
        let (mut events, mut next) = (0, None);
        let note = |event: SubscribeToShardEvent| {
            let mut seen = seen.lock().unwrap();
            event.records().iter().for_each(|record| seen.add(record));
            events += 1;
            if event.child_shards().is_empty() {
                next = Some(event.continuation_sequence_number);
            } else {
                children = event.child_shards;
            }
            // Begin anew now and then, as after five minutes.
            children.is_none() && events == 5
        };
        run.subscribe(&consumer, &shard, from.clone(), note).await;
        from = next.map_or(from, |next| after(&next));
    }
    (shard, children.unwrap())
}

pub(crate) async fn all(run: &Run) {
    run.test("subscriptions", "begin anywhere, go on where they were", |run| async move {
        use ShardIteratorType as Kind;
        let name = run.create("pushed", 1, &[]).await;
        let consumer = run.register(run.summary(&name).await.stream_arn(), "reader").await;
        run.put_numbers(&name, 0..5).await;
        let (early, next) = run.some(&consumer, at(Kind::TrimHorizon).build().unwrap(), 5).await;
        crate::recent(early[0].approximate_arrival_timestamp());
        run.put_numbers(&name, 5..10).await;
        let (late, _) = run.some(&consumer, after(&next), 5).await;
        assert_eq!(late[0].data().as_ref(), [5]);
        let from = at(Kind::AtSequenceNumber).sequence_number(late[2].sequence_number()).build().unwrap();
        assert_eq!(run.some(&consumer, from, 3).await.0[0].data().as_ref(), [7]);
        let arrival = late[1].approximate_arrival_timestamp().copied();
        let from = at(Kind::AtTimestamp).set_timestamp(arrival).build().unwrap();
        assert_eq!(run.some(&consumer, from, 4).await.0[0].data().as_ref(), [6]);
        let newest = at(Kind::Latest).build().unwrap();
        let (writer, stream) = (run.clone(), name.clone());
        let mut writing = None;
        let pushed = |event: SubscribeToShardEvent| {
            if writing.is_none() {
                let (writer, stream) = (writer.clone(), stream.clone());
                writing = Some(tokio::spawn(async move { writer.put_numbers(&stream, 10..11).await }));
            }
            event.records().iter().any(|record| record.data().as_ref() == [10])
        };
        run.subscribe(&consumer, FIRST, newest, pushed).await;
    })
    .await;
    run.test("subscriptions", "refused with the class of the error", |run| async move {
        let name = run.create("refused", 1, &[]).await;
        let consumer = run.register(run.summary(&name).await.stream_arn(), "reader").await;
        let subscribe = run.client.subscribe_to_shard().consumer_arn(&consumer).shard_id("shardId-000000000007");
        let refused = subscribe.starting_position(at(ShardIteratorType::TrimHorizon).build().unwrap()).send().await;
        assert!(refused.unwrap_err().into_service_error().is_resource_not_found_exception());
    })
    .await;
    run.test("subscriptions", "across splits and merges, with nothing lost or doubled", |run| async move {
        let name = run.create("fanned", 1, &[]).await;
        let consumer = run.register(run.summary(&name).await.stream_arn(), "reader").await;
        let seen = Arc::new(Mutex::new(Journal::default()));
        let walking = tokio::spawn({
            let (run, seen) = (run.clone(), seen.clone());
            async move {
                let (mut readers, mut ended, mut begun) = (JoinSet::new(), HashSet::new(), HashSet::new());
                readers.spawn(read_to_end(run.clone(), consumer.clone(), FIRST.to_owned(), seen.clone()));
                while let Some(read) = readers.join_next().await {
                    let (shard, children) = read.unwrap();
                    ended.insert(shard);
                    for child in children {
                        let is_ready = child.parent_shards().iter().all(|parent| ended.contains(parent));
                        if is_ready && begun.insert(child.shard_id.clone()) {
                            readers.spawn(read_to_end(run.clone(), consumer.clone(), child.shard_id, seen.clone()));
                        }
                    }
                }
            }
        });
        let (stop, work) = run.writer(&name);
        run.split(&name, &run.open(&name).await[0]).await;
        run.split(&name, &run.open(&name).await[1]).await;
        let open = run.open(&name).await;
        run.merge(&name, &open[0], &open[1]).await;
        stop.store(true, Ordering::Relaxed);
        let written = work.await.unwrap();
        until!("everything is read", walking.is_finished() || seen.lock().unwrap().total >= written);
        assert_eq!(seen.lock().unwrap().total, written);
        assert!(written > 0 && !walking.is_finished());
        walking.abort();
    })
    .await;
}
