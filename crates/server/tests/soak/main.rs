//! What consumers rely on, while a stream changes its shape all the time.
//!
//! Producers write; shards are split and merged at random and their number is changed; readers of every kind follow from
//! parents to children. Then every reader has seen every acknowledged record exactly once, where the acknowledgement said
//! it is, the records of each key in the order in which they were written, and was never left without a way to go on.
//!
//! `RHEOS_SOAK_RESHARDS=2000 cargo test -p rheos-server --test soak` goes on for longer.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that finds nothing has failed")]

mod readers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64_simd::STANDARD;
use readers::{Kind, Reader, Seen, Start};
use rheos_testkit::{Call, Connection, Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};
use tokio::sync::watch;

pub(crate) const STREAM: &str = "soak";
/// How often the stream changes its shape.
const RESHARDS: u64 = 40;
const WRITERS: usize = 3;
const KEYS: u64 = 40;
const MOST_SHARDS: u64 = 12;

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A server and one connection to it.
pub(crate) struct Client {
    pub(crate) server: Arc<TestServer>,
    connection: Connection,
}

impl Client {
    pub(crate) async fn new(server: &Arc<TestServer>) -> Self {
        Self { server: server.clone(), connection: server.connect().await }
    }

    pub(crate) async fn ok(&mut self, operation: &str, body: Value) -> Value {
        self.connection.send(&self.server.bytes(&Call::new(operation, &body))).await;
        let answer = self.connection.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{operation} {body}: {}", answer.text());
        answer.json()
    }
}

/// What producers know: where each acknowledged record is, by its name, which is `writer/key/number`.
#[derive(Default)]
struct Written {
    places: Mutex<BTreeMap<String, String>>,
    /// How many calls each writer has had answered.
    calls: [AtomicU64; WRITERS],
}

impl Written {
    fn places(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.places.lock().unwrap()
    }

    /// What is acknowledged, and all that was under way when this was called.
    async fn settled(&self) -> BTreeMap<String, String> {
        let calls = || self.calls.each_ref().map(|calls| calls.load(Ordering::SeqCst));
        let before = calls();
        while calls().iter().zip(&before).any(|(now, before)| *now < before + 2) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.places().clone()
    }
}

/// Writes until told to stop.
async fn write(server: Arc<TestServer>, writer: usize, written: Arc<Written>, stop: watch::Receiver<bool>) {
    let dice = Dice::new(writer as u64 + 1);
    let mut client = Client::new(&server).await;
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    while !*stop.borrow() {
        let names: Vec<String> = (0..1 + dice.below(20))
            .map(|_| {
                let key = dice.below(KEYS);
                let number = next.entry(key).or_default();
                *number += 1;
                format!("{writer}/{key}/{number:06}")
            })
            .collect();
        let entry = |name: &String| {
            let key = name.split('/').nth(1).unwrap();
            json!({"PartitionKey": key, "Data": STANDARD.encode_to_string(name)})
        };
        let records: Vec<Value> = names.iter().map(entry).collect();
        let answer = client.ok("PutRecords", json!({"StreamName": STREAM, "Records": records})).await;
        assert_eq!(answer["FailedRecordCount"], 0, "{answer}");
        for (name, stored) in names.into_iter().zip(answer["Records"].as_array().unwrap()) {
            let (shard, number) = (stored["ShardId"].as_str().unwrap(), stored["SequenceNumber"].as_str().unwrap());
            written.places().insert(name, format!("{shard}/{number}"));
        }
        written.calls[writer].fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Changes the shape of the stream at random.
async fn reshape(server: &Arc<TestServer>, dice: &Dice, times: u64) {
    let mut client = Client::new(server).await;
    for _ in 0..times {
        let listed = client.ok("ListShards", json!({"StreamName": STREAM, "ShardFilter": {"Type": "AT_LATEST"}})).await;
        let mut open: Vec<(u128, u128, String)> = Vec::new();
        for shard in listed["Shards"].as_array().unwrap() {
            let hash = |name: &str| shard["HashKeyRange"][name].as_str().unwrap().parse::<u128>().unwrap();
            open.push((hash("StartingHashKey"), hash("EndingHashKey"), shard["ShardId"].as_str().unwrap().to_owned()));
        }
        open.sort();
        let covers = |pair: &[(u128, u128, String)]| pair[0].1.checked_add(1) == Some(pair[1].0);
        assert!(open.windows(2).all(covers) && open[0].0 == 0 && open[open.len() - 1].1 == u128::MAX, "{open:?}");
        let at = dice.below(open.len() as u64) as usize;
        let (start, end, shard) = &open[at];
        match dice.below(3) {
            0 if (open.len() as u64) < MOST_SHARDS => {
                let middle = start + (end - start) / 2 + 1;
                let split =
                    json!({"StreamName": STREAM, "ShardToSplit": shard, "NewStartingHashKey": middle.to_string()});
                client.ok("SplitShard", split).await;
            }
            1 if at + 1 < open.len() => {
                let merge =
                    json!({"StreamName": STREAM, "ShardToMerge": shard, "AdjacentShardToMerge": open[at + 1].2});
                client.ok("MergeShards", merge).await;
            }
            _ => {
                let target = 1 + dice.below(MOST_SHARDS);
                let change =
                    json!({"StreamName": STREAM, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
                client.ok("UpdateShardCount", change).await;
            }
        }
        server.wait_until_active(STREAM).await;
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
    }
}

/// Holds what a reader has seen to what was written. `since`: what was acknowledged before the reader began is none of its
/// business, if it began at the tip.
fn check(who: &str, seen: &Seen, written: &BTreeMap<String, String>, since: &BTreeMap<String, String>) {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut places: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, place) in seen {
        let (key, number) = name.rsplit_once('/').unwrap();
        let before = last.insert(key.to_owned(), number.to_owned());
        assert!(before.as_deref() < Some(number), "{who}: {name} after {before:?}");
        assert_eq!(places.insert(name, place), None, "{who}: {name} twice");
    }
    for (name, place) in written {
        match places.remove(name.as_str()) {
            Some(found) => assert_eq!(found, place, "{who}: {name}"),
            None => assert!(since.contains_key(name), "{who} has not seen {name} at {place}"),
        }
    }
    assert_eq!(places, BTreeMap::new(), "{who} has seen what nobody wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_sees_every_record_once_and_in_order_whatever_happens_to_the_shards() {
    let reshards = std::env::var("RHEOS_SOAK_RESHARDS").ok().and_then(|text| text.parse().ok()).unwrap_or(RESHARDS);
    let server = TestServer::start_with(Home::directory(), |config| {
        config.limits = Profile::Open;
        config.transition_ms = 5;
    })
    .await;
    let server = Arc::new(server);
    server.create_stream(STREAM, 3).await;
    let written = Arc::<Written>::default();
    let (stop, stopped) = watch::channel(false);
    let (done, drained) = watch::channel(false);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(server.clone(), writer, written.clone(), stopped.clone())))
        .collect();
    let follow = async |kind, start| {
        let reader = Reader::begin(&server, kind, start, drained.clone()).await;
        (format!("{kind:?} from {start:?}"), tokio::spawn(reader.follow()))
    };
    let mut from_the_start = Vec::new();
    for kind in Kind::ALL {
        from_the_start.push(follow(kind, Start::TrimHorizon).await);
    }
    let dice = Dice::new(20_261_123);
    reshape(&server, &dice, reshards / 2).await;
    // In the middle of it all, others begin at the tip. What was written before is none of their business.
    let mut from_the_tip = Vec::new();
    for kind in Kind::ALL {
        let reader = follow(kind, Start::Latest).await;
        from_the_tip.push((reader, written.settled().await));
    }
    reshape(&server, &dice, reshards - reshards / 2).await;
    stop.send_replace(true);
    for writer in writers {
        writer.await.unwrap();
    }
    done.send_replace(true);
    let written = written.places().clone();
    assert!(written.len() as u64 > reshards * 10, "the writers hardly came to write: {}", written.len());
    for (who, reader) in from_the_start {
        check(&who, &reader.await.unwrap(), &written, &BTreeMap::new());
    }
    for ((who, reader), before) in from_the_tip {
        check(&who, &reader.await.unwrap(), &written, &before);
    }
}
