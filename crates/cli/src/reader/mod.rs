//! Reading a whole stream through the public API: all shards at once, merged by arrival, through splits and merges.
//!
//! A child shard is read only after all its parents that are being read have come to their ends, so the records of a key stay in
//! order. One request per shard is under way at a time; a service that throttles is asked less often.

mod merge;
pub(crate) mod since;
pub(crate) mod time;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Shard, ShardIteratorType};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rheos_client::aggregation::{Contents, UserRecord, unpack};

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use merge::{Merge, Next};

/// How long a shard with nothing new is left alone: four reads a second of the five that Kinesis allows.
const IDLE_PAUSE: Duration = Duration::from_millis(250);
/// The first pause after a throttled read; it doubles up to the longest.
const THROTTLE_PAUSE: Duration = Duration::from_millis(300);
const THROTTLE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A shard with so many records waiting to be handed out is not read on.
const WAITING_MAX: usize = 5_000;

/// One record as a consumer sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) shard: Arc<str>,
    pub(crate) sequence: String,
    /// Its place in an aggregated record; nothing if it is a record of its own.
    pub(crate) sub_sequence: Option<u64>,
    pub(crate) key: String,
    pub(crate) data: Vec<u8>,
    pub(crate) arrived_ms: i64,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest record.
    TrimHorizon,
    /// After the newest record there is now.
    Latest,
    /// At the first record that arrived at this time (milliseconds since 1970) or later.
    At(i64),
}

/// What reading gives.
#[derive(Debug)]
pub(crate) enum Event {
    /// The next record.
    Record(Record),
    /// Nothing is left for now. Comes again after each time that there was something.
    CaughtUp,
}

/// Reads all shards of one stream, or one of them.
pub(crate) struct StreamReader {
    service: Service,
    stream: Arc<str>,
    start: Start,
    follow_children: bool,
    /// Whether aggregated records are shown as the user records in them.
    unpacks: bool,
    cursors: Vec<Cursor>,
    merge: Merge,
    /// Shards known but not read yet, because a parent is; with their parents.
    later: HashMap<String, Vec<String>>,
    /// Shards that have been found, so that none is read twice.
    known: HashSet<String>,
    requests: FuturesUnordered<BoxFuture<'static, (usize, u64, Answer)>>,
    /// Raised by [`StreamReader::doubt_tips`]; answers to older requests do not show that a shard is at its tip.
    generation: u64,
    told_caught_up: bool,
    behind_ms: HashMap<usize, i64>,
    throttled: u64,
}

/// The place in one shard.
struct Cursor {
    shard: Arc<str>,
    start: Start,
    iterator: Option<String>,
    last_sequence: Option<String>,
    pause: Duration,
    throttle_pause: Duration,
    busy: bool,
}

enum Answer {
    Iterator(Result<String, Failure>),
    Page(Box<GetRecordsOutput>),
    Throttled,
    IteratorExpired,
    Failed(Failure),
}

impl StreamReader {
    /// Finds the shards and prepares to read them; with `only`, one shard without its children.
    pub(crate) async fn open(service: &Service, stream: &str, start: Start, only: Option<&str>) -> Outcome<Self> {
        let shards = list_shards(service, stream).await?;
        let mut reader = Self {
            service: service.clone(),
            stream: Arc::from(stream),
            start,
            follow_children: only.is_none(),
            unpacks: true,
            cursors: Vec::new(),
            merge: Merge::default(),
            later: HashMap::new(),
            known: HashSet::new(),
            requests: FuturesUnordered::new(),
            generation: 0,
            told_caught_up: false,
            behind_ms: HashMap::new(),
            throttled: 0,
        };
        let mut found = false;
        for shard in &shards {
            let closed = shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_some());
            let wanted = only.is_none_or(|only| only == shard.shard_id());
            // A closed shard has nothing newer than now.
            let skipped = start == Start::Latest && closed;
            if wanted && !skipped {
                found = true;
                reader.later.insert(shard.shard_id().to_owned(), parents(shard));
                reader.known.insert(shard.shard_id().to_owned());
            }
        }
        if !found {
            let what = only.map_or_else(|| String::from("shards"), |only| format!("open shard {only}"));
            return Err(Failure::new(format!("{stream} has no {what}")));
        }
        reader.open_ready(start);
        Ok(reader)
    }

    /// Gives aggregated records as they are stored.
    pub(crate) fn without_unpacking(self) -> Self {
        Self { unpacks: false, ..self }
    }

    /// The next record, or the news that nothing is left for now. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Outcome<Event> {
        loop {
            match self.merge.next() {
                Next::Record(record) => {
                    self.told_caught_up = false;
                    return Ok(Event::Record(record));
                }
                Next::CaughtUp if !self.told_caught_up && self.later.is_empty() => {
                    self.told_caught_up = true;
                    return Ok(Event::CaughtUp);
                }
                Next::CaughtUp | Next::Wait => {}
            }
            self.ask();
            match self.requests.next().await {
                Some((lane, generation, answer)) => self.take(lane, generation, answer).await?,
                // Every shard is closed and read: nothing will ever come.
                None => std::future::pending().await,
            }
        }
    }

    /// Makes the next [`Event::CaughtUp`] mean that every shard was found empty after this call.
    pub(crate) fn doubt_tips(&mut self) {
        self.generation += 1;
        self.told_caught_up = false;
        self.merge.doubt_tips();
        for cursor in &mut self.cursors {
            cursor.pause = Duration::ZERO;
        }
    }

    /// How far the shard that is furthest behind is behind its newest record, as the service says.
    pub(crate) fn behind_ms(&self) -> i64 {
        self.behind_ms.values().copied().max().unwrap_or(0)
    }

    /// How many reads the service has refused because they were too many.
    pub(crate) fn throttled(&self) -> u64 {
        self.throttled
    }

    /// Sends a request for each shard that has none under way and room for an answer.
    fn ask(&mut self) {
        for lane in 0..self.cursors.len() {
            let full = self.merge.waiting(lane) >= WAITING_MAX;
            let cursor = &mut self.cursors[lane];
            if cursor.busy || full || self.merge.has_ended(lane) {
                continue;
            }
            cursor.busy = true;
            let (service, generation) = (self.service.clone(), self.generation);
            match &cursor.iterator {
                Some(iterator) => {
                    let (iterator, pause) = (iterator.clone(), cursor.pause);
                    self.requests.push(Box::pin(async move {
                        tokio::time::sleep(pause).await;
                        (lane, generation, get_records(&service, iterator).await)
                    }));
                }
                None => {
                    let (stream, shard) = (self.stream.clone(), cursor.shard.clone());
                    let (start, after) = (cursor.start, cursor.last_sequence.clone());
                    let pause = cursor.pause;
                    self.requests.push(Box::pin(async move {
                        tokio::time::sleep(pause).await;
                        (lane, generation, get_iterator(&service, &stream, &shard, start, after).await)
                    }));
                }
            }
        }
    }

    async fn take(&mut self, lane: usize, generation: u64, answer: Answer) -> Outcome {
        let cursor = &mut self.cursors[lane];
        cursor.busy = false;
        match answer {
            Answer::Iterator(iterator) => {
                cursor.iterator = Some(iterator?);
                cursor.pause = Duration::ZERO;
            }
            Answer::Throttled => {
                self.throttled += 1;
                cursor.pause = cursor.throttle_pause;
                cursor.throttle_pause = (cursor.throttle_pause * 2).min(THROTTLE_PAUSE_MAX);
            }
            Answer::IteratorExpired => cursor.iterator = None,
            Answer::Failed(failure) => return Err(failure),
            Answer::Page(page) => self.take_page(lane, generation, *page).await?,
        }
        Ok(())
    }

    async fn take_page(&mut self, lane: usize, generation: u64, page: GetRecordsOutput) -> Outcome {
        let cursor = &mut self.cursors[lane];
        cursor.throttle_pause = THROTTLE_PAUSE;
        cursor.iterator = page.next_shard_iterator;
        let behind_ms = page.millis_behind_latest.unwrap_or(0);
        self.behind_ms.insert(lane, behind_ms);
        let empty = page.records.is_empty();
        if let Some(last) = page.records.last() {
            cursor.last_sequence = Some(last.sequence_number().to_owned());
        }
        cursor.pause = if empty { IDLE_PAUSE } else { Duration::ZERO };
        if !empty {
            let shard = cursor.shard.clone();
            let stored = page.records.into_iter().map(|record| owned(&shard, record));
            if self.unpacks {
                self.merge.fetched(lane, stored.flat_map(unpacked));
            } else {
                self.merge.fetched(lane, stored);
            }
        } else if behind_ms == 0 && generation == self.generation {
            self.merge.at_tip(lane);
        }
        if self.cursors[lane].iterator.is_none() {
            self.merge.ended(lane);
            self.behind_ms.remove(&lane);
            let children = page.child_shards.unwrap_or_default();
            let children = children.into_iter().map(|child| (child.shard_id, child.parent_shards)).collect();
            self.find_children(lane, children).await?;
        }
        Ok(())
    }

    /// The shards that follow a closed one. Emulators that do not name them in the last answer list them.
    async fn find_children(&mut self, lane: usize, mut children: Vec<(String, Vec<String>)>) -> Outcome {
        if self.follow_children {
            if children.is_empty() {
                let parent = self.cursors[lane].shard.clone();
                let all = list_shards(&self.service, &self.stream).await?;
                let all = all.iter().map(|shard| (shard.shard_id().to_owned(), parents(shard)));
                children = all.filter(|(_, parents)| parents.iter().any(|id| **id == *parent)).collect();
            }
            for (child, parents) in children {
                if self.known.insert(child.clone()) {
                    self.later.insert(child, parents);
                }
            }
        }
        let start = match self.start {
            // Records of a child may be older than the time asked for, if the parent was already closed by then.
            Start::At(time) => Start::At(time),
            Start::TrimHorizon | Start::Latest => Start::TrimHorizon,
        };
        self.open_ready(start);
        Ok(())
    }

    /// Begins to read every known shard none of whose parents is still to be read.
    fn open_ready(&mut self, start: Start) {
        let reading: HashSet<&str> = (0..self.cursors.len())
            .filter(|lane| !self.merge.has_ended(*lane))
            .map(|lane| &*self.cursors[lane].shard)
            .chain(self.later.keys().map(String::as_str))
            .collect();
        let ready = |parents: &[String]| !parents.iter().any(|parent| reading.contains(parent.as_str()));
        let mut ready: Vec<String> =
            self.later.iter().filter(|(_, parents)| ready(parents)).map(|(shard, _)| shard.clone()).collect();
        ready.sort();
        for shard in ready {
            self.later.remove(&shard);
            self.merge.open();
            self.cursors.push(Cursor {
                shard: Arc::from(shard),
                start,
                iterator: None,
                last_sequence: None,
                pause: Duration::ZERO,
                throttle_pause: THROTTLE_PAUSE,
                busy: false,
            });
        }
    }
}

/// All shards of a stream, closed ones included.
pub(crate) async fn list_shards(service: &Service, stream: &str) -> Outcome<Vec<Shard>> {
    let mut shards = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let request = service.client.list_shards();
        let request = match token.take() {
            Some(token) => request.next_token(token),
            None => request.stream_name(stream),
        };
        let answer = request.send().await;
        let answer =
            answer.map_err(|e| Failure::service(format!("list the shards of {stream}"), &service.endpoint, &e))?;
        shards.extend(answer.shards.unwrap_or_default());
        match answer.next_token {
            Some(next) => token = Some(next),
            None => return Ok(shards),
        }
    }
}

async fn get_iterator(service: &Service, stream: &str, shard: &str, start: Start, after: Option<String>) -> Answer {
    let request = service.client.get_shard_iterator().stream_name(stream).shard_id(shard);
    let request = match (after, start) {
        (Some(sequence), _) => {
            request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(sequence)
        }
        (None, Start::TrimHorizon) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
        (None, Start::Latest) => request.shard_iterator_type(ShardIteratorType::Latest),
        (None, Start::At(time)) => {
            request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(time))
        }
    };
    match request.send().await {
        Ok(answer) => Answer::Iterator(
            answer.shard_iterator.ok_or_else(|| Failure::new(format!("{} gave no shard iterator", service.endpoint))),
        ),
        Err(error) if is_throttle(error.code()) => Answer::Throttled,
        Err(error) => Answer::Failed(Failure::service(format!("read {shard} of {stream}"), &service.endpoint, &error)),
    }
}

async fn get_records(service: &Service, iterator: String) -> Answer {
    match service.client.get_records().shard_iterator(iterator).send().await {
        Ok(page) => Answer::Page(Box::new(page)),
        Err(error) if is_throttle(error.code()) => Answer::Throttled,
        Err(SdkError::ServiceError(reason)) if matches!(reason.err(), GetRecordsError::ExpiredIteratorException(_)) => {
            Answer::IteratorExpired
        }
        Err(error) => Answer::Failed(Failure::service("read records", &service.endpoint, &error)),
    }
}

/// Whether a later try may succeed because others ask less.
pub(crate) fn is_throttle(code: Option<&str>) -> bool {
    matches!(code, Some("ProvisionedThroughputExceededException" | "LimitExceededException" | "ThrottlingException"))
}

fn parents(shard: &Shard) -> Vec<String> {
    [shard.parent_shard_id(), shard.adjacent_parent_shard_id()].into_iter().flatten().map(str::to_owned).collect()
}

fn owned(shard: &Arc<str>, record: aws_sdk_kinesis::types::Record) -> Record {
    let arrived_ms = record.approximate_arrival_timestamp().map_or(0, time::milliseconds);
    Record {
        shard: shard.clone(),
        sub_sequence: None,
        sequence: record.sequence_number,
        key: record.partition_key.unwrap_or_default(),
        data: record.data.into_inner(),
        arrived_ms,
    }
}

/// The user records of an aggregated record; any other is one. So is one whose packing is damaged: nothing is hidden.
fn unpacked(record: Record) -> Vec<Record> {
    let Contents::Aggregated(user_records) = unpack(&record.data) else { return vec![record] };
    let one = |(at, user_record): (usize, &UserRecord<'_>)| Record {
        shard: record.shard.clone(),
        sequence: record.sequence.clone(),
        sub_sequence: Some(at as u64),
        key: user_record.partition_key.to_owned(),
        data: user_record.data.to_vec(),
        arrived_ms: record.arrived_ms,
    };
    user_records.iter().enumerate().map(one).collect()
}
