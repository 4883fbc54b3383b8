//! The history in a form that rules can be asked of.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde_json::Value;

use super::Findings;
use crate::history::{Call, History, Outcome, Sequence, data, list, number, text};

/// Records that were put so long before may have expired: the shortest retention is 24 hours, and the wall clock may have
/// been set back by minutes while the put was under way.
const SURE_MS: u64 = 23 * 3_600_000;

/// A shard of a stream.
pub(super) type Shard = (String, String);

/// One entry of one attempt of a put.
#[derive(Clone, Debug)]
pub(super) struct Put<'a> {
    pub(super) call: &'a Call,
    pub(super) at: usize,
    pub(super) index: usize,
    pub(super) stream: &'a str,
    pub(super) data: Vec<u8>,
    pub(super) hash: u128,
    pub(super) key: &'a str,
    pub(super) acked: Option<(Shard, Sequence)>,
    /// It may have been stored, or not.
    pub(super) is_unknown: bool,
}

/// A record, as a reader got it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Got {
    pub(super) sequence: Sequence,
    pub(super) data: Vec<u8>,
    pub(super) key: String,
    pub(super) arrived_ms: u64,
}

/// A shard, as it was listed at the end.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) parents: Vec<String>,
    pub(super) range: (u128, u128),
    pub(super) is_open: bool,
}

/// The history.
pub(super) struct Model<'a> {
    pub(super) history: &'a History,
    pub(super) puts: Vec<Put<'a>>,
    /// What was read at the end, of every shard from its beginning.
    pub(super) finals: BTreeMap<Shard, Vec<Got>>,
    /// Every shard of every stream at the end.
    pub(super) shards: BTreeMap<Shard, Listed>,
}

impl<'a> Model<'a> {
    pub(super) fn of(history: &'a History, findings: &mut Findings) -> Self {
        let mut model = Self { history, puts: puts_of(history), finals: BTreeMap::new(), shards: BTreeMap::new() };
        let mut iterators: BTreeMap<&str, Shard> = BTreeMap::new();
        for call in history.calls.iter().filter(|call| call.client == 0 && call.begun >= history.calm) {
            let Some(answer) = call.outcome.done() else { continue };
            match call.operation {
                "ListShards" => model.list(text(&call.input, "StreamName"), answer),
                "GetShardIterator" => {
                    let shard = (text(&call.input, "StreamName").to_owned(), text(&call.input, "ShardId").to_owned());
                    model.finals.entry(shard.clone()).or_default();
                    iterators.insert(text(answer, "ShardIterator"), shard);
                }
                "GetRecords" => {
                    let Some(shard) = iterators.get(text(&call.input, "ShardIterator")).cloned() else { continue };
                    iterators.insert(text(answer, "NextShardIterator"), shard.clone());
                    let all = model.finals.entry(shard.clone()).or_default();
                    for record in got(answer) {
                        if all.last().is_some_and(|last| last.sequence >= record.sequence) {
                            findings.add("order", format!("{shard:?}: {} comes again", record.sequence.digits()));
                        }
                        all.push(record);
                    }
                }
                _ => {}
            }
        }
        model
    }

    fn list(&mut self, stream: &str, answer: &Value) {
        for shard in list(answer, "Shards") {
            let parents = ["ParentShardId", "AdjacentParentShardId"];
            let parents = parents.iter().filter_map(|name| shard[*name].as_str()).map(str::to_owned).collect();
            let is_open = shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
            let listed = Listed { parents, range: range(shard), is_open };
            self.shards.insert((stream.to_owned(), text(shard, "ShardId").to_owned()), listed);
        }
    }

    /// Whether the stream was there at the end, and nobody had asked for its end.
    pub(super) fn is_kept(&self, stream: &str) -> bool {
        self.shards.keys().any(|(of, _)| of == stream)
    }

    /// Whether a record that was put by this call cannot have expired.
    pub(super) fn is_fresh(&self, call: &Call) -> bool {
        self.history.latest_wall_ms.saturating_sub(call.wall_ms) < SURE_MS
    }
}

/// The hash keys of a listed shard.
pub(super) fn range(shard: &Value) -> (u128, u128) {
    let bound = |name| number(text(&shard["HashKeyRange"], name)).unwrap_or(0);
    (bound("StartingHashKey"), bound("EndingHashKey"))
}

/// The records of an answer.
pub(super) fn got(answer: &Value) -> Vec<Got> {
    let got = |record: &Value| Got {
        sequence: Sequence::new(text(record, "SequenceNumber")),
        data: data(record),
        key: text(record, "PartitionKey").to_owned(),
        arrived_ms: (record["ApproximateArrivalTimestamp"].as_f64().unwrap_or(0.0) * 1000.0).round() as u64,
    };
    list(answer, "Records").iter().map(got).collect()
}

/// All entries of all puts that may have done something, or were refused.
pub(super) fn puts_of(history: &History) -> Vec<Put<'_>> {
    let mut puts = Vec::new();
    for (at, call) in history.calls.iter().enumerate() {
        let entries: Vec<&Value> = match call.operation {
            "PutRecord" => vec![&call.input],
            "PutRecords" => list(&call.input, "Records").iter().collect(),
            _ => continue,
        };
        let stream = text(&call.input, "StreamName");
        for (index, entry) in entries.into_iter().enumerate() {
            let answer = call.outcome.done().map(|answer| match call.operation {
                "PutRecord" => answer,
                _ => &answer["Records"][index],
            });
            let acked = answer.filter(|answer| answer["SequenceNumber"].is_string()).map(|answer| {
                let shard = (stream.to_owned(), text(answer, "ShardId").to_owned());
                (shard, Sequence::new(text(answer, "SequenceNumber")))
            });
            // An entry's failure that is the server's does not say that nothing happened.
            let entry_failed = answer.is_some_and(|answer| text(answer, "ErrorCode") == "InternalFailure");
            let key = text(entry, "PartitionKey");
            let hash = entry["ExplicitHashKey"].as_str().and_then(number).unwrap_or_else(|| hash_of(key));
            puts.push(Put {
                call,
                at,
                index,
                stream,
                data: data(entry),
                hash,
                key,
                acked,
                is_unknown: call.outcome == Outcome::Unknown || entry_failed,
            });
        }
    }
    puts
}

/// The hash key of a partition key.
pub(super) fn hash_of(key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(key.as_bytes()).into())
}
