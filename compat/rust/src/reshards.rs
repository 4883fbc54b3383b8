//! Splits and merges, and readers that follow them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_kinesis::types::{Record, ScalingType, Shard, ShardIteratorType};
use tokio::task::JoinHandle;

use crate::records::{FIRST, entry};
use crate::streams::range;
use crate::{Run, refused};

/// Keys that a writer uses in turn.
const KEYS: usize = 8;

impl Run {
    pub(crate) async fn split(&self, name: &str, shard: &Shard) {
        let (low, high) = range(shard);
        let middle = low + (high - low) / 2 + 1;
        let split = self.client.split_shard().stream_name(name).shard_to_split(shard.shard_id());
        split.new_starting_hash_key(middle.to_string()).send().await.unwrap();
        self.active(name).await;
    }

    pub(crate) async fn merge(&self, name: &str, low: &Shard, high: &Shard) {
        let merge = self.client.merge_shards().stream_name(name).shard_to_merge(low.shard_id());
        merge.adjacent_shard_to_merge(high.shard_id()).send().await.unwrap();
        self.active(name).await;
    }

    /// Writes numbered records until it is stopped, and says then how many.
    pub(crate) fn writer(&self, name: &str) -> (Arc<AtomicBool>, JoinHandle<usize>) {
        let (stop, run, name) = (Arc::new(AtomicBool::new(false)), self.clone(), name.to_owned());
        let stopped = stop.clone();
        let work = tokio::spawn(async move {
            let mut written = 0;
            while !stopped.load(Ordering::Relaxed) {
                let numbered = |at: usize| entry(&format!("key {}", at % KEYS), at.to_string());
                run.put_all(&name, (written..written + 2 * KEYS).map(numbered).collect()).await;
                written += 2 * KEYS;
            }
            written
        });
        (stop, work)
    }
}

/// What a reader has seen: the records of every key in order, each once.
#[derive(Default)]
pub(crate) struct Journal {
    last: HashMap<String, usize>,
    pub(crate) total: usize,
}

impl Journal {
    pub(crate) fn add(&mut self, record: &Record) {
        let at: usize = String::from_utf8_lossy(record.data().as_ref()).parse().unwrap();
        let key = record.partition_key().unwrap().to_owned();
        let before = self.last.insert(key.clone(), at);
        let follows = before.map_or(at < KEYS, |before| at == before + KEYS);
        assert!(follows, "{key}: {at} comes after {before:?}");
        self.total += 1;
    }
}

pub(crate) async fn all(run: &Run) {
    run.test("reshards", "split, merge, children", |run| async move {
        let name = run.create("resharded", 1, &[]).await;
        run.put(&name, "k", b"before").await;
        run.split(&name, &run.open(&name).await[0]).await;
        let children = run.open(&name).await;
        assert_eq!((children.len(), children[1].parent_shard_id()), (2, Some(FIRST)));
        let (found, named) = run.read(run.iterator(&name, FIRST, ShardIteratorType::TrimHorizon), None).await;
        assert_eq!((found.len(), named.len()), (1, 2));
        assert_eq!(named[0].parent_shards(), [FIRST]);
        run.merge(&name, &children[0], &children[1]).await;
        let merged = run.open(&name).await;
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].parent_shard_id(), Some(children[0].shard_id()));
        assert_eq!(merged[0].adjacent_parent_shard_id(), Some(children[1].shard_id()));
        assert_eq!(run.put(&name, "k", b"after").await.0, merged[0].shard_id());
    })
    .await;
    run.test("reshards", "to a number of shards", |run| async move {
        let name = run.create("scaled", 2, &[]).await;
        let to = |count| {
            let update = run.client.update_shard_count().stream_name(&name).target_shard_count(count);
            update.scaling_type(ScalingType::UniformScaling)
        };
        for count in [4, 2, 2] {
            let answer = to(count).send().await.unwrap();
            assert_eq!((answer.target_shard_count(), answer.stream_name()), (Some(count), Some(name.as_str())));
            run.active(&name).await;
            assert_eq!(run.open(&name).await.len(), usize::try_from(count).unwrap());
        }
        assert_eq!(range(&run.open(&name).await[1]).0, 1 << 127);
        refused(to(0).send().await, "ValidationException", "Member must have value greater than or equal to 1");
    })
    .await;
    run.test("reshards", "a reader follows while writers go on", |run| async move {
        let name = run.create("followed", 1, &[]).await;
        let (stop, work) = run.writer(&name);
        run.split(&name, &run.open(&name).await[0]).await;
        run.split(&name, &run.open(&name).await[1]).await;
        let open = run.open(&name).await;
        run.merge(&name, &open[0], &open[1]).await;
        stop.store(true, Ordering::Relaxed);
        let written = work.await.unwrap();
        let (mut seen, mut walked) = (Journal::default(), HashSet::new());
        let mut queue = VecDeque::from([FIRST.to_owned()]);
        while let Some(shard) = queue.pop_front() {
            let (found, children) =
                run.read(run.iterator(&name, &shard, ShardIteratorType::TrimHorizon), Some(100)).await;
            found.iter().for_each(|record| seen.add(record));
            walked.insert(shard);
            for child in children {
                if child.parent_shards().iter().all(|parent| walked.contains(parent)) {
                    queue.push_back(child.shard_id);
                }
            }
        }
        assert!(written > 0 && seen.total == written, "{} of {written}", seen.total);
    })
    .await;
}
