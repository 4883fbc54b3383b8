//! Readers that follow a stream through all its shards: a child is begun when all its parents are read to their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64_simd::STANDARD;
use rheos_testkit::{Events, TestServer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Client, Dice, STREAM};

/// What a reader has seen, in the order in which it came: names, and the places where they were.
pub(crate) type Seen = Vec<(String, String)>;

/// How a reader reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// By GetRecords with one iterator after the other.
    Poll,
    /// By GetRecords, with old iterators used again and new ones of every type in between.
    Hop,
    /// By SubscribeToShard, hanging up now and then.
    Subscribe,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Poll, Self::Hop, Self::Subscribe];
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    TrimHorizon,
    Latest,
}

/// Where a reader reads, and how.
struct Source {
    server: Arc<TestServer>,
    kind: Kind,
    consumer: String,
    drained: watch::Receiver<bool>,
}

/// A reader, and its places in the shards that it begins with.
pub(crate) struct Reader {
    source: Arc<Source>,
    cursors: Vec<Cursor>,
}

impl Source {
    async fn open(&self, shard: &str, position: &str) -> Cursor {
        let client = Client::new(&self.server).await;
        let seed = shard.bytes().fold(self.kind as u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut cursor = Cursor {
            client,
            dice: Dice::new(seed),
            consumer: self.consumer.clone(),
            shard: shard.to_owned(),
            drained: self.drained.clone(),
            seen: Vec::new(),
            last: None,
            place: Place::None,
        };
        cursor.place = match self.kind {
            Kind::Poll | Kind::Hop => Place::Iterator(cursor.iterator(json!({"ShardIteratorType": position})).await),
            Kind::Subscribe => Place::Events(cursor.subscribe(json!({"Type": position})).await),
        };
        cursor
    }
}

impl Reader {
    /// Takes a place in each shard. From now on nothing is missed.
    pub(crate) async fn begin(
        server: &Arc<TestServer>,
        kind: Kind,
        start: Start,
        drained: watch::Receiver<bool>,
    ) -> Self {
        let consumer = server.consumer(STREAM, &format!("{kind:?}-{start:?}")).await;
        let (filter, position) = match start {
            Start::TrimHorizon => ("AT_TRIM_HORIZON", "TRIM_HORIZON"),
            Start::Latest => ("AT_LATEST", "LATEST"),
        };
        let source = Arc::new(Source { server: server.clone(), kind, consumer, drained });
        let listed = json!({"StreamName": STREAM, "ShardFilter": {"Type": filter}});
        let listed = server.ok("ListShards", &listed).await;
        let mut cursors = Vec::new();
        for shard in listed["Shards"].as_array().unwrap() {
            cursors.push(source.open(shard["ShardId"].as_str().unwrap(), position).await);
        }
        Self { source, cursors }
    }

    /// Reads everything there is until the stream is drained.
    pub(crate) async fn follow(self) -> Seen {
        let kind = self.source.kind;
        let mut reading = JoinSet::new();
        let mut begun = BTreeSet::new();
        let mut ended = BTreeSet::new();
        let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut seen = Vec::new();
        for cursor in self.cursors {
            begun.insert(cursor.shard.clone());
            reading.spawn(cursor.read(kind));
        }
        while let Some(end) = reading.join_next().await {
            let End { shard, seen: records, children } = end.unwrap();
            seen.extend(records);
            for child in children {
                let id = child["ShardId"].as_str().unwrap().to_owned();
                let parents: Vec<String> = child["ParentShards"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|id| id.as_str().unwrap().to_owned())
                    .collect();
                assert!(parents.contains(&shard), "{shard} names a child of others: {child}");
                waiting.insert(id, parents);
            }
            ended.insert(shard);
            let ready: Vec<String> = waiting
                .iter()
                .filter(|(_, parents)| parents.iter().all(|parent| ended.contains(parent)))
                .map(|(id, _)| id.clone())
                .collect();
            for id in ready {
                waiting.remove(&id);
                if begun.insert(id.clone()) {
                    let source = self.source.clone();
                    reading.spawn(async move { source.open(&id, "TRIM_HORIZON").await.read(kind).await });
                }
            }
        }
        assert!(waiting.is_empty(), "children whose parents never ended: {waiting:?}");
        seen
    }
}

/// How a shard was left.
struct End {
    shard: String,
    seen: Seen,
    /// None: the shard is open, and there is nothing more.
    children: Vec<Value>,
}

/// A place in a shard.
struct Cursor {
    client: Client,
    dice: Dice,
    consumer: String,
    shard: String,
    drained: watch::Receiver<bool>,
    seen: Seen,
    last: Option<Value>,
    place: Place,
}

enum Place {
    None,
    Iterator(String),
    Events(Events),
}

impl Cursor {
    async fn iterator(&mut self, mut request: Value) -> String {
        request["StreamName"] = STREAM.into();
        request["ShardId"] = self.shard.clone().into();
        let answer = self.client.ok("GetShardIterator", request).await;
        answer["ShardIterator"].as_str().unwrap().to_owned()
    }

    async fn subscribe(&mut self, from: Value) -> Events {
        loop {
            match self.client.server.subscribe(&self.consumer, &self.shard, &from).await {
                Ok(events) => return events,
                // The server has not noticed yet that the one before has hung up.
                Err(answer) => assert_eq!(answer.json()["__type"], "ResourceInUseException", "{}", answer.text()),
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn read(mut self, kind: Kind) -> End {
        loop {
            let was_drained = *self.drained.borrow();
            let (page, next) = match &mut self.place {
                Place::Iterator(iterator) => {
                    let limit = 1 + self.dice.below(60);
                    let page = json!({"ShardIterator": iterator, "Limit": limit});
                    (self.client.ok("GetRecords", page).await, "NextShardIterator")
                }
                Place::Events(events) => match events.next().await {
                    Some(frame) => {
                        assert_eq!(frame.kind(), "SubscribeToShardEvent", "{:?}", frame.payload);
                        (frame.payload, "ContinuationSequenceNumber")
                    }
                    None => panic!("a subscription to {} ended by itself", self.shard),
                },
                Place::None => unreachable!("there is a place between two pages"),
            };
            let next = page[next].as_str().map(str::to_owned);
            let children = page["ChildShards"].as_array().cloned().unwrap_or_default();
            assert_eq!(next.is_none(), !children.is_empty(), "{}: {page}", self.shard);
            let records = page["Records"].as_array().unwrap();
            records.iter().for_each(|record| self.take(record));
            let Some(next) = next else { return self.end(children) };
            if was_drained && records.is_empty() && page["MillisBehindLatest"] == 0 {
                return self.end(Vec::new());
            }
            self.go_on(kind, next).await;
        }
    }

    fn take(&mut self, record: &Value) {
        let number = record["SequenceNumber"].as_str().unwrap();
        let last = self.last.as_ref().and_then(|last| last["SequenceNumber"].as_str());
        assert!(last.is_none_or(|last| last < number), "{}: {number} after {last:?}", self.shard);
        let name = String::from_utf8(STANDARD.decode_to_vec(record["Data"].as_str().unwrap()).unwrap()).unwrap();
        self.seen.push((name, format!("{}/{number}", self.shard)));
        self.last = Some(record.clone());
    }

    fn end(self, children: Vec<Value>) -> End {
        End { shard: self.shard, seen: self.seen, children }
    }

    /// Goes on with what the answer gave, or in another way that comes to the same place.
    async fn go_on(&mut self, kind: Kind, next: String) {
        match (kind, self.last.clone(), self.dice.below(8)) {
            (Kind::Hop, Some(last), way @ 0..=3) if way < 3 || self.seen.len() < 30 => {
                let number = last["SequenceNumber"].clone();
                let request = match way {
                    0 => json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": number}),
                    1 => json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number}),
                    2 => {
                        let time = last["ApproximateArrivalTimestamp"].clone();
                        json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time})
                    }
                    _ => json!({"ShardIteratorType": "TRIM_HORIZON"}),
                };
                let mut iterator = self.iterator(request).await;
                if way > 0 {
                    iterator = self.skip_to(iterator, &last).await;
                }
                self.place = Place::Iterator(iterator);
            }
            (Kind::Subscribe, _, 0) => {
                let from = json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": next});
                // The connection first: the consumer has only one subscription to the shard.
                self.place = Place::None;
                self.place = Place::Events(self.subscribe(from).await);
            }
            (Kind::Subscribe, ..) => {}
            (Kind::Poll | Kind::Hop, ..) => self.place = Place::Iterator(next),
        }
    }

    /// Reads on, up to and with the record that was seen last.
    async fn skip_to(&mut self, mut iterator: String, last: &Value) -> String {
        loop {
            // One at a time near the end: what lies behind is not to be read here.
            let page = self.client.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": 1})).await;
            let record = &page["Records"][0];
            assert!(record["SequenceNumber"].as_str() <= last["SequenceNumber"].as_str(), "went past {last}: {record}");
            if record["SequenceNumber"] == last["SequenceNumber"] {
                assert_eq!(record, last);
                // It is the last of a closed shard, perhaps: then there is no way on but to begin after it.
                let after = json!({
                    "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last["SequenceNumber"]
                });
                return match page["NextShardIterator"].as_str() {
                    Some(next) => next.to_owned(),
                    None => self.iterator(after).await,
                };
            }
            iterator = page["NextShardIterator"].as_str().unwrap().to_owned();
        }
    }
}
