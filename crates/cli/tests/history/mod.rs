//! Writers that never retry, what they know of each record, and whether a server has it all: what was acknowledged is
//! there once, where its acknowledgement said, in order and in the shard of its key; a record whose outcome was never
//! learned is there once or not at all; shards are consistent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rheos_types::HashKey;
use serde_json::{Value, json};

use super::server::{Caller, Server, wait_active};

pub(crate) const STREAM: &str = "killed";
pub(crate) const WRITERS: u64 = 4;
const KEYS: u64 = 16;
const MAX_SHARDS: usize = 6;

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A record: who wrote it, and the how-manieth of that writer it is.
pub(crate) type Id = (u64, u64);

/// What a writer knows of a record that it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was acknowledged, there.
    Stored { shard: String, sequence_number: String },
    /// The service said that it was not stored.
    Refused,
    /// No answer came, or one that leaves it open.
    Unknown,
}

pub(crate) fn start(data: &Path, flags: &[&str]) -> Server {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rheos"));
    command.args(["serve", "--dev", "--limits", "open", "--listen", "127.0.0.1:0"]).args(flags);
    command.arg("--data-dir").arg(data);
    Server::spawn(command, &data.with_extension("log"))
}

pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Writes until the connection breaks, and tells `learn` of each record what is known of it. `killed` is true before the
/// server is killed.
pub(crate) fn write(
    address: &str,
    killed: &AtomicBool,
    writer: u64,
    first: u64,
    mut dice: Dice,
    mut learn: impl FnMut(Id, Known),
) {
    let Ok(mut caller) = Caller::connect(address) else { return };
    let mut number = first;
    loop {
        let count = if dice.below(3) == 0 { 1 } else { 1 + dice.below(30) };
        let ids: Vec<Id> = (number..number + count).map(|number| (writer, number)).collect();
        number += count;
        let records: Vec<Value> = ids.iter().map(|id| record(*id, &mut dice)).collect();
        let (operation, mut input) =
            if count == 1 { ("PutRecord", records[0].clone()) } else { ("PutRecords", json!({ "Records": records })) };
        input["StreamName"] = json!(STREAM);
        let outcome = caller.call(operation, &input);
        let Ok(answer) = outcome else {
            ids.into_iter().for_each(|id| learn(id, Known::Unknown));
            // Nothing but the kill may break a connection.
            assert!(killed.load(Ordering::SeqCst) || Caller::connect(address).is_err(), "{outcome:?}");
            return;
        };
        match (answer.status, &answer.body["Records"]) {
            (200, Value::Array(entries)) => {
                ids.into_iter().zip(entries).for_each(|(id, entry)| learn(id, learned(entry)))
            }
            (200, _) => learn(ids[0], learned(&answer.body)),
            (400, _) => ids.into_iter().for_each(|id| learn(id, Known::Refused)),
            _ => ids.into_iter().for_each(|id| learn(id, Known::Unknown)),
        }
    }
}

fn record((writer, number): Id, dice: &mut Dice) -> Value {
    let padding = if dice.below(50) == 0 { dice.below(200_000) } else { dice.below(600) };
    let data = format!("{writer}:{number}:{}", "x".repeat(padding as usize));
    let data = base64_simd::STANDARD.encode_to_string(data);
    json!({ "PartitionKey": format!("w{writer}-k{}", number % KEYS), "Data": data })
}

/// What the answer for one record says.
fn learned(entry: &Value) -> Known {
    match (entry["ShardId"].as_str(), entry["SequenceNumber"].as_str(), entry["ErrorCode"].as_str()) {
        (Some(shard), Some(number), None) => {
            Known::Stored { shard: shard.to_owned(), sequence_number: number.to_owned() }
        }
        (_, _, Some("ProvisionedThroughputExceededException")) => Known::Refused,
        _ => Known::Unknown,
    }
}

/// Begins a split or a merge; whether it was accepted.
pub(crate) fn reshard(caller: &mut Caller, dice: &mut Dice) -> bool {
    let shards = shards(caller);
    let mut open: Vec<&Shard> = shards.iter().filter(|shard| !shard.closed).collect();
    open.sort_by_key(|shard| shard.range.0);
    let splits = open.len() == 1 || (open.len() < MAX_SHARDS && dice.below(3) > 0);
    let at = dice.below(open.len() as u64 - u64::from(!splits)) as usize;
    let (operation, input) = if splits {
        let (low, high) = open[at].range;
        let middle = low + (high - low) / 100 * u128::from(20 + dice.below(60));
        ("SplitShard", json!({ "ShardToSplit": open[at].id, "NewStartingHashKey": middle.to_string() }))
    } else {
        ("MergeShards", json!({ "ShardToMerge": open[at].id, "AdjacentShardToMerge": open[at + 1].id }))
    };
    let mut input = input;
    input["StreamName"] = json!(STREAM);
    let answer = caller.call(operation, &input).unwrap();
    assert_eq!(answer.status, 200, "{operation} {input}: {}", answer.body);
    true
}

pub(crate) struct Shard {
    id: String,
    range: (u128, u128),
    closed: bool,
    parents: Vec<String>,
}

pub(crate) fn shards(caller: &mut Caller) -> Vec<Shard> {
    let mut shards = Vec::new();
    let mut input = json!({ "StreamName": STREAM, "MaxResults": 50 });
    loop {
        let page = caller.call("ListShards", &input).unwrap().ok();
        shards.extend(page["Shards"].as_array().unwrap().iter().map(|shard| {
            Shard {
                id: shard["ShardId"].as_str().unwrap().to_owned(),
                range: (hash(&shard["HashKeyRange"]["StartingHashKey"]), hash(&shard["HashKeyRange"]["EndingHashKey"])),
                closed: shard["SequenceNumberRange"]["EndingSequenceNumber"].is_string(),
                parents: ["ParentShardId", "AdjacentParentShardId"]
                    .iter()
                    .filter_map(|member| shard[member].as_str().map(str::to_owned))
                    .collect(),
            }
        }));
        match page["NextToken"].as_str() {
            Some(token) => input = json!({ "NextToken": token, "MaxResults": 50 }),
            None => return shards,
        }
    }
}

fn hash(text: &Value) -> u128 {
    text.as_str().unwrap().parse().unwrap()
}

/// Open shards cover the hash keys exactly once; a shard is closed if and only if it has children, which cover it.
pub(crate) fn check_lineage(shards: &[Shard]) {
    let open: Vec<_> = shards.iter().filter(|shard| !shard.closed).map(|shard| shard.range).collect();
    check_cover(open, (0, u128::MAX), "the open shards");
    for shard in shards {
        let children: Vec<_> = shards.iter().filter(|child| child.parents.contains(&shard.id)).collect();
        assert_eq!(shard.closed, !children.is_empty(), "{}: closed, and {} children", shard.id, children.len());
        for parent in &shard.parents {
            assert!(parent < &shard.id, "{} comes after its parent {parent}", shard.id);
        }
        let within = children.iter().map(|child| (child.range.0.max(shard.range.0), child.range.1.min(shard.range.1)));
        if shard.closed {
            check_cover(within.collect(), shard.range, &shard.id);
        }
    }
}

fn check_cover(mut ranges: Vec<(u128, u128)>, whole: (u128, u128), of: &str) {
    ranges.sort_unstable();
    assert_eq!(ranges.first().map(|range| range.0), Some(whole.0), "{of}");
    assert_eq!(ranges.last().map(|range| range.1), Some(whole.1), "{of}");
    for pair in ranges.windows(2) {
        assert_eq!(pair[0].1.checked_add(1), Some(pair[1].0), "{of}: {ranges:?}");
    }
}

/// Reads every shard from its beginning to its end and compares with what the writers know: how many records there are.
pub(crate) fn check_everything(server: &Server, sent: &HashMap<Id, Known>) -> usize {
    let mut caller = server.connect();
    wait_active(&mut caller, STREAM);
    let shards = shards(&mut caller);
    check_lineage(&shards);
    let mut found: HashMap<Id, (String, String)> = HashMap::new();
    let mut newest_of_key: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    // Shard ids rise from parents to children.
    for shard in &shards {
        let mut last = String::new();
        for (key, data, number) in records(&mut caller, shard) {
            let hash = HashKey::of_partition_key(&key).0;
            assert!((shard.range.0..=shard.range.1).contains(&hash), "{key} does not belong into {}", shard.id);
            assert!(number > last && number.len() == 56, "{}: {number} after {last}", shard.id);
            let mut parts = data.split(':');
            let (writer, counter) = (part(parts.next()), part(parts.next()));
            let id = (writer, counter);
            assert_eq!(key, format!("w{writer}-k{}", counter % KEYS));
            let before = found.insert(id, (shard.id.clone(), number.clone()));
            assert_eq!(before, None, "{id:?} is there twice");
            let newest = newest_of_key.insert((writer, counter % KEYS), counter);
            assert!(newest.is_none_or(|newest| newest < counter), "{id:?} stands behind {newest:?}");
            last = number;
        }
    }
    for (id, known) in sent {
        match (known, found.get(id)) {
            (Known::Stored { shard, sequence_number }, Some(there)) => {
                assert_eq!(there, &(shard.clone(), sequence_number.clone()), "{id:?} is not where it was acknowledged");
            }
            (Known::Stored { .. }, None) => panic!("{id:?} was acknowledged and is lost: {known:?}"),
            (Known::Refused, Some(there)) => panic!("{id:?} was refused and is there: {there:?}"),
            (Known::Unknown, _) | (Known::Refused, None) => {}
        }
    }
    let strangers: BTreeSet<_> = found.keys().filter(|id| !sent.contains_key(id)).collect();
    assert!(strangers.is_empty(), "nobody sent {strangers:?}");
    found.len()
}

fn part(text: Option<&str>) -> u64 {
    text.unwrap().parse().unwrap()
}

/// Every record of a shard: key, data and sequence number.
fn records(caller: &mut Caller, shard: &Shard) -> Vec<(String, String, String)> {
    let start = json!({ "StreamName": STREAM, "ShardId": shard.id, "ShardIteratorType": "TRIM_HORIZON" });
    let mut iterator = caller.call("GetShardIterator", &start).unwrap().ok()["ShardIterator"].clone();
    let mut records = Vec::new();
    loop {
        let page = caller.call("GetRecords", &json!({ "ShardIterator": iterator })).unwrap().ok();
        let text = |record: &Value, member: &str| record[member].as_str().unwrap().to_owned();
        let entries = page["Records"].as_array().unwrap();
        records.extend(entries.iter().map(|record| {
            let data = base64_simd::STANDARD.decode_to_vec(text(record, "Data")).unwrap();
            (text(record, "PartitionKey"), String::from_utf8(data).unwrap(), text(record, "SequenceNumber"))
        }));
        let has_children = page["ChildShards"].as_array().is_some_and(|children| !children.is_empty());
        assert_eq!(page["NextShardIterator"].is_null(), has_children);
        if has_children {
            assert!(shard.closed, "{} names children and is open", shard.id);
            return records;
        }
        if entries.is_empty() && page["MillisBehindLatest"] == 0 && !shard.closed {
            return records;
        }
        iterator = page["NextShardIterator"].clone();
    }
}

/// `rheos log check` finds nothing wrong.
pub(crate) fn check_directory(data: &Path) {
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_rheos"));
    let output = check.args(["log", "check", "--data-dir"]).arg(data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", said.trim_end());
}
