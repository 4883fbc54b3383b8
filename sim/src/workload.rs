//! What clients do: they put and read all the time, and now and then change what there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::client::{Client, World, is_throttle};
use crate::dice::SharedDice;
use crate::history::{Outcome, list, text};
use crate::scheduler::WORLD;

/// The namespace of the simulated world.
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/";
/// Streams that there are at most.
const STREAMS: usize = 3;
/// Shards that a stream has at most, as far as clients are concerned.
const SHARDS: usize = 8;
/// How often a put is tried.
const TRIES: u32 = 6;

/// What clients tell each other. It may be out of date.
#[derive(Clone, Default)]
pub struct Known(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    streams: BTreeMap<String, StreamKnown>,
    named: u64,
}

#[derive(Clone, Default)]
struct StreamKnown {
    /// Every shard that was ever seen, and whether it was open.
    shards: BTreeMap<String, bool>,
    ranges: BTreeMap<String, (u128, u128)>,
    consumers: Vec<String>,
    /// Where records are.
    records: Vec<(String, String)>,
}

impl Known {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of the streams that nobody has deleted.
    #[must_use]
    pub fn streams(&self) -> Vec<String> {
        self.state().streams.keys().cloned().collect()
    }

    fn add(&self, stream: &str) {
        self.state().streams.entry(stream.to_owned()).or_default();
    }

    fn with<T>(&self, stream: &str, act: impl FnOnce(&mut StreamKnown) -> T) -> Option<T> {
        self.state().streams.get_mut(stream).map(act)
    }
}

/// How much of what clients do.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Whether records may be large.
    pub large: bool,
    /// Of a thousand steps so many change shards.
    pub reshard_permille: u64,
    /// Longest pause between two steps.
    pub pause_ms: u64,
}

/// A client that works.
pub struct Worker {
    client: Client,
    known: Known,
    mix: Mix,
    sent: u64,
    subscriptions: u64,
    readers: Vec<Reader>,
}

/// A reader of a shard.
struct Reader {
    stream: String,
    shard: String,
    iterator: Option<String>,
    last: Option<String>,
}

impl Worker {
    /// A client that works.
    #[must_use]
    pub fn new(id: u64, dice: SharedDice, world: World, known: Known, mix: Mix) -> Self {
        Self { client: Client::new(id, dice, world), known, mix, sent: 0, subscriptions: 0, readers: Vec::new() }
    }

    fn below(&self, bound: u64) -> u64 {
        self.client.dice.with(|dice| dice.below(bound))
    }

    fn percent(&self, percent: u64) -> bool {
        self.client.dice.with(|dice| dice.percent(percent))
    }

    fn pick<T: Clone>(&self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| self.client.dice.with(|dice| dice.of(all).clone()))
    }

    /// Makes so many steps.
    pub async fn work(mut self, steps: u64) {
        for _ in 0..steps {
            let streams = self.known.streams();
            let Some(stream) = self.pick(&streams) else {
                self.create().await;
                continue;
            };
            match self.below(1000) {
                roll if roll < self.mix.reshard_permille => self.reshard(&stream).await,
                _ => self.step(&stream).await,
            }
            if self.percent(70) {
                self.client.pause(self.mix.pause_ms).await;
            }
        }
    }

    async fn step(&mut self, stream: &str) {
        match self.below(1000) {
            0..300 => self.put_record(stream).await,
            300..550 => self.put_records(stream).await,
            550..880 => self.read(stream).await,
            880..910 => self.list_shards(stream).await,
            910..940 => self.tags(stream).await,
            940..960 => self.subscribe(stream),
            960..970 => self.register(stream).await,
            970..980 => self.retention(stream).await,
            980..990 => self.create().await,
            990..994 => self.delete(stream).await,
            _ => self.client.pause(3_000).await,
        }
    }

    /// A record that is like no other.
    fn record(&mut self) -> Value {
        self.sent += 1;
        let mut data = format!("{}-{}-", self.client.id, self.sent);
        let padding = match self.below(100) {
            0..80 => self.below(100),
            80..98 => self.below(2_000),
            _ if self.mix.large => self.below(60_000),
            _ => self.below(10_000),
        };
        data.extend(std::iter::repeat_n('x', padding as usize));
        let key = format!("k{}", self.below(12));
        let mut record = json!({ "Data": STANDARD.encode_to_string(&data), "PartitionKey": key });
        if self.percent(20) {
            let hash = match self.below(4) {
                0 => 0,
                1 => u128::MAX,
                2 => 1 << 127,
                _ => u128::from(self.below(u64::MAX)) << 64,
            };
            record["ExplicitHashKey"] = json!(hash.to_string());
        }
        record
    }

    async fn put_record(&mut self, stream: &str) {
        let mut input = self.record();
        input["StreamName"] = json!(stream);
        if let Outcome::Done(answer) = self.client.insist("PutRecord", &input, TRIES).await {
            self.remember(stream, &answer);
        }
    }

    fn remember(&self, stream: &str, put: &Value) {
        let record = (text(put, "ShardId").to_owned(), text(put, "SequenceNumber").to_owned());
        self.known.with(stream, |known| {
            known.records.push(record);
            if known.records.len() > 50 {
                known.records.remove(0);
            }
        });
    }

    async fn put_records(&mut self, stream: &str) {
        let most = if self.percent(5) { 100 } else { 15 };
        let count = 1 + self.below(most);
        let mut records: Vec<Value> = (0..count).map(|_| self.record()).collect();
        for attempt in 0..TRIES {
            let input = json!({ "StreamName": stream, "Records": records });
            match self.client.call("PutRecords", input).await {
                Outcome::Done(answer) => {
                    let results = list(&answer, "Records");
                    for result in results.iter().filter(|result| result["SequenceNumber"].is_string()).take(2) {
                        self.remember(stream, result);
                    }
                    let failed = results.iter().map(|result| result["ErrorCode"].is_string());
                    records = records.into_iter().zip(failed).filter(|(_, failed)| *failed).map(|(it, _)| it).collect();
                    if records.is_empty() {
                        return;
                    }
                }
                Outcome::Refused { code, .. } if !is_throttle(&code) => return,
                Outcome::Refused { .. } | Outcome::NotSent | Outcome::Unknown => {}
            }
            self.client.pause(50 << attempt).await;
        }
    }

    async fn read(&mut self, stream: &str) {
        if self.readers.is_empty() || (self.readers.len() < 6 && self.percent(15)) {
            let shards: Vec<String> =
                self.known.with(stream, |known| known.shards.keys().cloned().collect()).unwrap_or_default();
            match self.pick(&shards) {
                Some(shard) => {
                    let reader = Reader { stream: stream.to_owned(), shard, iterator: None, last: None };
                    self.readers.push(reader);
                }
                None => return self.list_shards(stream).await,
            }
        }
        let index = self.below(self.readers.len() as u64) as usize;
        let reader = &self.readers[index];
        let Some(iterator) = reader.iterator.clone() else {
            let mut input = json!({ "StreamName": reader.stream, "ShardId": reader.shard });
            match &reader.last {
                Some(last) => {
                    input["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
                    input["StartingSequenceNumber"] = json!(last);
                }
                None => self.begin(&reader.stream, &mut input, &reader.shard),
            }
            let outcome = self.client.call("GetShardIterator", input).await;
            let gone = matches!(&outcome, Outcome::Refused { code, .. } if !is_throttle(code));
            if let Outcome::Done(answer) = &outcome {
                self.readers[index].iterator = Some(text(answer, "ShardIterator").to_owned());
            } else if gone {
                self.readers.swap_remove(index);
            }
            return;
        };
        let mut input = json!({ "ShardIterator": iterator });
        if self.percent(50) {
            input["Limit"] = json!(1 + self.below(20));
        }
        match self.client.call("GetRecords", input).await {
            Outcome::Done(answer) => {
                let reader = &mut self.readers[index];
                if let Some(last) = list(&answer, "Records").last() {
                    reader.last = Some(text(last, "SequenceNumber").to_owned());
                }
                reader.iterator = answer["NextShardIterator"].as_str().map(str::to_owned);
                if reader.iterator.is_none() {
                    self.readers.swap_remove(index);
                }
            }
            Outcome::Refused { code, .. } if code == "ExpiredIteratorException" => self.readers[index].iterator = None,
            Outcome::Refused { code, .. } if !is_throttle(&code) => drop(self.readers.swap_remove(index)),
            Outcome::Refused { .. } | Outcome::NotSent | Outcome::Unknown => self.client.pause(100).await,
        }
    }

    /// Where a reader begins.
    fn begin(&self, stream: &str, input: &mut Value, shard: &str) {
        let records: Vec<String> = self
            .known
            .with(stream, |known| {
                let here = known.records.iter().filter(|(of, _)| of == shard);
                here.map(|(_, sequence)| sequence.clone()).collect()
            })
            .unwrap_or_default();
        let kind = match (self.below(5), self.pick(&records)) {
            (0, _) => "LATEST",
            (1, Some(sequence)) => {
                input["StartingSequenceNumber"] = json!(sequence);
                "AT_SEQUENCE_NUMBER"
            }
            (2, Some(sequence)) => {
                input["StartingSequenceNumber"] = json!(sequence);
                "AFTER_SEQUENCE_NUMBER"
            }
            (3, _) => {
                use rheos_types::Clock as _;
                let now_ms = self.client.world.clock.wall_ms();
                input["Timestamp"] = json!((now_ms - self.below(5_000)) as f64 / 1000.0);
                "AT_TIMESTAMP"
            }
            _ => "TRIM_HORIZON",
        };
        input["ShardIteratorType"] = json!(kind);
    }

    async fn list_shards(&mut self, stream: &str) {
        let outcome = self.client.call("ListShards", json!({ "StreamName": stream })).await;
        let Outcome::Done(answer) = outcome else { return };
        self.known.with(stream, |known| {
            for shard in list(&answer, "Shards") {
                let is_open = shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
                let id = text(shard, "ShardId").to_owned();
                let bound = |name| text(&shard["HashKeyRange"], name).parse().unwrap_or(0);
                known.ranges.insert(id.clone(), (bound("StartingHashKey"), bound("EndingHashKey")));
                known.shards.insert(id, is_open);
            }
        });
    }

    async fn reshard(&mut self, stream: &str) {
        self.list_shards(stream).await;
        let open: Vec<(String, (u128, u128))> = self
            .known
            .with(stream, |known| {
                let open = known.shards.iter().filter(|(_, is_open)| **is_open);
                open.filter_map(|(id, _)| Some((id.clone(), *known.ranges.get(id)?))).collect()
            })
            .unwrap_or_default();
        let Some((shard, (from, to))) = self.pick(&open) else { return };
        match self.below(5) {
            0 | 1 if open.len() < SHARDS => {
                let middle = from + (to - from) / 2 + 1;
                let at = if self.percent(80) { middle } else { from + 1 + u128::from(self.below(1_000_000)) };
                let input =
                    json!({ "StreamName": stream, "ShardToSplit": shard, "NewStartingHashKey": at.to_string() });
                self.client.call("SplitShard", input).await;
            }
            2 | 3 => {
                let next = open.iter().find(|(_, (begin, _))| to.checked_add(1) == Some(*begin));
                let Some((other, _)) = next else { return };
                let input = json!({ "StreamName": stream, "ShardToMerge": shard, "AdjacentShardToMerge": other });
                self.client.call("MergeShards", input).await;
            }
            _ => {
                let count = (1 + self.below(2 * open.len() as u64)).min(SHARDS as u64);
                let input =
                    json!({ "StreamName": stream, "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING" });
                self.client.call("UpdateShardCount", input).await;
            }
        }
        self.client.pause(300).await;
        self.list_shards(stream).await;
    }

    async fn create(&mut self) {
        let name = {
            let mut state = self.known.state();
            if state.streams.len() >= STREAMS {
                return;
            }
            state.named += 1;
            format!("s{}", state.named)
        };
        let input = json!({ "StreamName": name, "ShardCount": 1 + self.below(3) });
        let outcome = self.client.insist("CreateStream", &input, TRIES).await;
        // A retry finds the stream that the attempt before has made.
        if outcome.done().is_some() || outcome.code() == Some("ResourceInUseException") {
            self.known.add(&name);
            self.client.pause(500).await;
            self.list_shards(&name).await;
        }
    }

    async fn delete(&mut self, stream: &str) {
        if self.known.streams().len() < 2 {
            return;
        }
        self.known.state().streams.remove(stream);
        let input = json!({ "StreamName": stream, "EnforceConsumerDeletion": true });
        self.client.insist("DeleteStream", &input, TRIES).await;
    }

    async fn tags(&mut self, stream: &str) {
        if self.percent(60) {
            let value = self.below(1_000_000).to_string();
            let input = json!({ "StreamName": stream, "Tags": { format!("of-{}", self.client.id): value } });
            self.client.call("AddTagsToStream", input).await;
        } else {
            self.client.call("ListTagsForStream", json!({ "StreamName": stream })).await;
        }
    }

    async fn retention(&mut self, stream: &str) {
        let input = json!({ "StreamName": stream, "RetentionPeriodHours": 24 + self.below(24) });
        let up = self.percent(70);
        let operation = if up { "IncreaseStreamRetentionPeriod" } else { "DecreaseStreamRetentionPeriod" };
        self.client.call(operation, input).await;
    }

    async fn register(&mut self, stream: &str) {
        let name = format!("c{}", self.below(3));
        let input = json!({ "StreamARN": format!("{ARN}{stream}"), "ConsumerName": name });
        if let Outcome::Done(answer) = self.client.call("RegisterStreamConsumer", input).await {
            let arn = text(&answer["Consumer"], "ConsumerARN").to_owned();
            self.known.with(stream, |known| known.consumers.push(arn));
        }
    }

    /// Subscribes beside everything else.
    fn subscribe(&mut self, stream: &str) {
        let known = self.known.with(stream, |known| known.clone()).unwrap_or_default();
        let shards: Vec<String> = known.shards.keys().cloned().collect();
        let (Some(arn), Some(shard)) = (self.pick(&known.consumers), self.pick(&shards)) else { return };
        let mut start = json!({});
        self.begin(stream, &mut start, &shard);
        let position = json!({
            "Type": start["ShardIteratorType"],
            "SequenceNumber": start["StartingSequenceNumber"],
            "Timestamp": start["Timestamp"],
        });
        let position: Value = position
            .as_object()
            .map(|members| {
                members.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
            })
            .unwrap_or_default();
        self.subscriptions += 1;
        let id = self.client.id * 1_000 + self.subscriptions;
        let dice = SharedDice::new(self.below(u64::MAX), "subscriber");
        let patience_ms = self.below(20_000);
        let mut client = Client::new(id, dice, self.client.world.clone());
        let input = json!({ "ConsumerARN": arn, "ShardId": shard, "StartingPosition": position });
        self.client.world.sim.spawn(WORLD, async move {
            client.subscribe(input, patience_ms).await;
        });
    }
}

/// Reads everything that there is, from the beginning, when nothing fails any more.
///
/// # Errors
/// What could not be read, though nothing fails.
pub async fn read_everything(client: &mut Client, known: &Known) -> Result<(), String> {
    for stream in known.streams() {
        let mut answer = Value::Null;
        for _ in 0..200 {
            let summary = insist(client, "DescribeStreamSummary", json!({ "StreamName": stream })).await?;
            answer = summary["StreamDescriptionSummary"].clone();
            if answer["StreamStatus"] == "ACTIVE" {
                break;
            }
            client.pause(200).await;
        }
        if answer["StreamStatus"] != "ACTIVE" {
            return Err(format!("stream {stream} does not become active: {answer}"));
        }
        insist(client, "ListTagsForStream", json!({ "StreamName": stream })).await?;
        let shards = insist(client, "ListShards", json!({ "StreamName": stream })).await?;
        for shard in list(&shards, "Shards") {
            let input =
                json!({ "StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
            let begun = insist(client, "GetShardIterator", input).await?;
            let mut next = begun["ShardIterator"].as_str().map(str::to_owned);
            while let Some(iterator) = next {
                let answer = insist(client, "GetRecords", json!({ "ShardIterator": iterator })).await?;
                next = answer["NextShardIterator"].as_str().map(str::to_owned);
                let is_tip = list(&answer, "Records").is_empty() && answer["MillisBehindLatest"] == 0;
                let is_open = shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
                if is_tip && is_open {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Calls when nothing fails: there is an answer, and it is not an error but for too many calls.
async fn insist(client: &mut Client, operation: &'static str, input: Value) -> Result<Value, String> {
    match client.insist(operation, &input, 40).await {
        Outcome::Done(answer) => Ok(answer),
        other => Err(format!("{operation} {input}: {other:?}, though nothing fails any more")),
    }
}
