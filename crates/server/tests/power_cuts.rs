//! Power cuts under load, again and again: the whole server on a disk that forgets what was not synced.
//!
//! Killing a process (`crates/cli/tests/kill.rs`) leaves the page cache alone, so it cannot show a missing sync. Here the
//! disk is simulated: at a random operation it stops, and the next round starts on what a power cut could have left.
//! Writers never retry. With syncs that do nothing the same loop must fail.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and one is meant to"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64_simd::STANDARD;
use rheos_log::files::sim::{SimFiles, Unsynced};
use rheos_testkit::{Call, Home, TestServer};
use serde_json::{Value, json};
use tempfile::TempDir;

const STREAM: &str = "cut";
const CUTS: u64 = 60;

/// What is known of the records that were sent: `shard/sequence number` of those acknowledged.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeMap<String, String>,
    unknown: BTreeSet<String>,
}

/// SplitMix64: small, and the same everywhere.
fn dice(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound
}

async fn start(files: &SimFiles, directory: &Arc<TempDir>) -> TestServer {
    let home = Home::Simulated(files.clone(), directory.clone());
    let configure = |config: &mut rheos_server::Config| {
        config.limits = rheos_types::limits::Profile::Open;
        config.transition_ms = 5;
    };
    TestServer::start_with(home, configure).await
}

/// Writes until the log fails.
async fn write(server: &TestServer, round: u64, writer: usize) -> Sent {
    let mut sent = Sent::default();
    let mut connection = server.connect().await;
    for number in 0.. {
        let names: Vec<String> = (0..1 + number % 5).map(|at| format!("{round}-{writer}-{number}-{at}")).collect();
        let records: Vec<Value> =
            names.iter().map(|name| json!({"PartitionKey": name, "Data": STANDARD.encode_to_string(name)})).collect();
        let call = Call::new("PutRecords", &json!({"StreamName": STREAM, "Records": records}));
        connection.send(&server.bytes(&call)).await;
        let Some(answer) = connection.answer().await else { panic!("a failed log still answers") };
        if answer.status != 200 {
            sent.unknown.extend(names);
            return sent;
        }
        for (name, entry) in names.into_iter().zip(answer.json()["Records"].as_array().expect("entries")) {
            match (entry["ShardId"].as_str(), entry["SequenceNumber"].as_str()) {
                (Some(shard), Some(number)) => drop(sent.acknowledged.insert(name, format!("{shard}/{number}"))),
                _ => drop(sent.unknown.insert(name)),
            }
        }
    }
    sent
}

/// Changes the number of shards, again and again.
async fn scale(server: &TestServer, seed: u64) -> std::convert::Infallible {
    let mut state = seed;
    let mut connection = server.connect().await;
    loop {
        let target = 1 + dice(&mut state, 9);
        let body = json!({"StreamName": STREAM, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
        connection.send(&server.bytes(&Call::new("UpdateShardCount", &body))).await;
        // It is refused while the last change is under way, and once the log has failed.
        if connection.answer().await.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// That the open shards cover the hash keys exactly once, are of one size, and that every shard that was left behind
/// leads to others.
async fn check_shards(server: &TestServer) {
    server.wait_until_active(STREAM).await;
    let page = server.ok("ListShards", &json!({"StreamName": STREAM})).await;
    let shards = page["Shards"].as_array().expect("shards");
    let number =
        |range: &Value, end: &str| -> u128 { range[end].as_str().expect("a hash key").parse().expect("a number") };
    let is_open = |shard: &&Value| shard["SequenceNumberRange"].get("EndingSequenceNumber").is_none();
    let mut open: Vec<(u128, u128)> = shards
        .iter()
        .filter(is_open)
        .map(|shard| &shard["HashKeyRange"])
        .map(|range| (number(range, "StartingHashKey"), number(range, "EndingHashKey")))
        .collect();
    open.sort_unstable();
    assert_eq!((open[0].0, open[open.len() - 1].1), (0, u128::MAX));
    assert!(open.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{open:?}");
    let sizes: Vec<u128> = open.iter().map(|(start, end)| end - start).collect();
    let (least, most) = (sizes.iter().min(), sizes.iter().max());
    assert!(least.zip(most).is_some_and(|(least, most)| most - least < 1 << 40), "{sizes:?}");
    let parents: BTreeSet<&str> = shards
        .iter()
        .flat_map(|shard| [shard.get("ParentShardId"), shard.get("AdjacentParentShardId")])
        .filter_map(|parent| parent?.as_str())
        .collect();
    let left = shards.iter().filter(|shard| !is_open(shard)).map(|shard| shard["ShardId"].as_str().expect("an id"));
    left.for_each(|id| assert!(parents.contains(id), "{id} leads nowhere"));
    assert!(parents.len() > 10, "hardly any shard was split or merged: {parents:?}");
}

/// Every record there is, as `shard/sequence number`. Panics on one that is there twice or out of order.
async fn read(server: &TestServer) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let shards = server.ok("ListShards", &json!({"StreamName": STREAM})).await;
    for shard in shards["Shards"].as_array().expect("shards") {
        let id = shard["ShardId"].as_str().expect("an id");
        let mut iterator = server.iterator(STREAM, id, "TRIM_HORIZON").await;
        let mut last = String::new();
        loop {
            let page = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
            for record in page["Records"].as_array().expect("records") {
                let data = STANDARD.decode_to_vec(record["Data"].as_str().expect("data")).expect("base64");
                let number = record["SequenceNumber"].as_str().expect("a number").to_owned();
                assert!(number > last, "{id}: {number} after {last}");
                let name = String::from_utf8(data).expect("a name");
                let before = found.insert(name.clone(), format!("{id}/{number}"));
                assert_eq!(before, None, "{name} is there twice");
                last = number;
            }
            match page["NextShardIterator"].as_str() {
                Some(next) if page["Records"].as_array().is_some_and(|records| !records.is_empty()) => {
                    iterator = next.to_owned();
                }
                _ => break,
            }
        }
    }
    found
}

/// Runs the loop: how many acknowledged records were lost.
async fn cuts(count: u64, seed: u64, ignore_syncs: bool, scales: bool) -> (usize, usize) {
    let mut state = seed;
    let mut files = SimFiles::new();
    let directory = Arc::new(TempDir::new().expect("a temporary directory"));
    let mut sent = Sent::default();
    let server = start(&files, &directory).await;
    server.create_stream(STREAM, 3).await;
    server.stop().await;
    for round in 0..count {
        files = files.crash(Unsynced::Kept);
        files.ignore_syncs(ignore_syncs);
        let server = start(&files, &directory).await;
        files.crash_at(files.operations() + 1 + dice(&mut state, 120));
        let writers = async {
            tokio::join!(
                write(&server, round, 0),
                write(&server, round, 1),
                write(&server, round, 2),
                write(&server, round, 3)
            )
        };
        let scaler = async { if scales { scale(&server, seed + round).await } else { std::future::pending().await } };
        let (a, b, c, d) = tokio::select! {
            known = writers => known,
            never = scaler => match never {},
        };
        for known in [a, b, c, d] {
            sent.acknowledged.extend(known.acknowledged);
            sent.unknown.extend(known.unknown);
        }
        server.stop().await;
        let cut = if dice(&mut state, 2) == 0 { Unsynced::Lost } else { Unsynced::Torn(dice(&mut state, u64::MAX)) };
        files = files.crash(cut);
    }
    let server = start(&files, &directory).await;
    if scales {
        check_shards(&server).await;
    }
    let found = read(&server).await;
    server.stop().await;
    let report =
        rheos_log::check(&(Arc::new(files) as Arc<dyn rheos_log::files::Files>), directory.path()).expect("checks");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    for name in found.keys() {
        assert!(sent.acknowledged.contains_key(name) || sent.unknown.contains(name), "nobody wrote {name}");
    }
    let lost = sent.acknowledged.iter().filter(|(name, place)| found.get(*name) != Some(*place)).count();
    (sent.acknowledged.len(), lost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_power_cut_loses_what_was_acknowledged() {
    let (acknowledged, lost) = cuts(CUTS, 20_261_123, false, false).await;
    assert_eq!(lost, 0, "of {acknowledged} acknowledged records");
    assert!(acknowledged > CUTS as usize * 20, "the writers hardly came to write: {acknowledged}");
}

/// Nor in the middle of splits and merges; and whatever was cut is finished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_power_cut_in_a_change_of_shards_loses_anything() {
    let (acknowledged, lost) = cuts(CUTS / 3, 20_261_124, false, true).await;
    assert_eq!(lost, 0, "of {acknowledged} acknowledged records");
    assert!(acknowledged > CUTS as usize * 5, "the writers hardly came to write: {acknowledged}");
}

/// The loop would notice a missing `fdatasync`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_syncs_the_loop_fails() {
    let broken = tokio::spawn(cuts(2, 7, true, false)).await;
    let noticed = broken.map_or(true, |(_, lost)| lost > 0);
    assert!(noticed, "two power cuts without syncs lost nothing");
}
