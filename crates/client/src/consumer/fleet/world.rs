//! A stream in memory whose shards split and merge, and a service in front of it that is slow, fails, and answers late.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rheos_types::{Clock, HashKey, HashRange, Random};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::super::cpu::{Cpu, CpuTime};
use super::super::kinesis::{
    ChildShard, Kinesis, KinesisError, KinesisFuture, Page, ReadFrom, Shard, ShardFilter, ShardRecord, Subscription,
};
use super::defects::Defect;
use crate::aggregation::{Packer, UserRecord};
use crate::lease::RecordNumber;

/// The dice of a seed. Clones are the same dice.
#[derive(Clone)]
pub(super) struct Dice(Arc<Mutex<u64>>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)))
    }

    pub(super) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Once in so many times.
    pub(super) fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}

impl Random for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.next() as u8;
        }
    }
}

/// The paused time of the runtime.
#[derive(Clone, Copy)]
pub(super) struct PausedClock(Instant);

impl PausedClock {
    #[expect(clippy::disallowed_methods, reason = "an implementation of Clock, over the paused time of the runtime")]
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for PausedClock {
    fn wall_ms(&self) -> u64 {
        1_750_000_000_000 + self.monotonic_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        // Not 0: a process begins after its machine.
        3_600_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Processors of which half is used.
pub(super) struct HalfBusy;

impl Cpu for HalfBusy {
    fn time(&self, now_ms: u64) -> Option<CpuTime> {
        Some(CpuTime { used: now_ms / 2, available: now_ms })
    }
}

/// How a worker's calls fare: its dice, and whether it stands still.
#[derive(Clone)]
pub(super) struct Weather {
    pub(super) dice: Dice,
    /// One call in so many fails; 0: none.
    pub(super) trouble: watch::Receiver<u64>,
    pub(super) is_frozen: Arc<AtomicBool>,
    /// What is broken on purpose.
    pub(super) defect: Option<Defect>,
}

impl Weather {
    /// The way there or back: takes a while.
    pub(super) async fn travel(&self) {
        self.thaw().await;
        let is_slow = *self.trouble.borrow() > 0 && self.dice.once_in(200);
        let ms = if is_slow { self.dice.below(12_000) } else { self.dice.below(40) };
        sleep(Duration::from_millis(ms)).await;
        self.thaw().await;
    }

    /// Not by a `watch`: that wakes in an order of its own dice.
    async fn thaw(&self) {
        while self.is_frozen.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(250)).await;
        }
    }

    pub(super) fn fails(&self) -> bool {
        let trouble = *self.trouble.borrow();
        trouble > 0 && self.dice.once_in(trouble)
    }
}

/// A stream. Clones are the same.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) shards: BTreeMap<String, SimShard>,
    last_number: u64,
    last_shard: u64,
}

pub(super) struct SimShard {
    pub(super) id: String,
    pub(super) parents: Vec<String>,
    pub(super) children: Vec<String>,
    range: HashRange,
    start: u64,
    pub(super) is_open: bool,
    records: Vec<SimRecord>,
    /// The user records by sequence and sub-sequence number, and the index of each.
    users: BTreeMap<(u64, u64), usize>,
}

#[derive(Clone)]
struct SimRecord {
    number: u64,
    data: Bytes,
}

/// Digits whose number of places grows, as those of real sequence numbers do not: comparing texts would not do.
fn digits(number: u64) -> String {
    (number * 7).to_string()
}

impl World {
    pub(super) fn new(shards: u64) -> Self {
        let world = Self(Arc::default());
        let mut state = world.state();
        for range in HashRange::uniform(shards as u32) {
            state.new_shard(Vec::new(), range);
        }
        drop(state);
        world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a record with so many user records; 0: a plain one.
    pub(super) fn put(&self, dice: &Dice, users: u64) {
        let mut state = self.state();
        state.last_number += 1 + dice.below(40);
        let number = state.last_number;
        let open: Vec<String> =
            state.shards.values().filter(|shard| shard.is_open).map(|shard| shard.id.clone()).collect();
        let shard = &open[dice.below(open.len() as u64) as usize];
        let data = if users == 0 {
            Bytes::from(format!("{number}"))
        } else {
            let mut packer = Packer::new();
            for user in 0..users {
                let (key, data) = (format!("k{user}"), format!("{number}:{user}"));
                packer.push(&UserRecord { partition_key: &key, data: data.as_bytes(), ..UserRecord::default() });
            }
            packer.take().unwrap().data
        };
        let shard = state.shards.get_mut(shard).unwrap();
        shard.records.push(SimRecord { number, data });
        for user in 0..users.max(1) {
            let index = shard.users.len();
            shard.users.insert((number, user), index);
        }
    }

    /// Splits a shard, or merges two neighbours.
    pub(super) fn reshape(&self, dice: &Dice) {
        let mut state = self.state();
        let mut open: Vec<(HashRange, String)> = state.open();
        open.sort_by_key(|(range, _)| range.start);
        let at = dice.below(open.len() as u64) as usize;
        if open.len() > 1 && (open.len() > 5 || dice.once_in(2)) {
            let at = at.min(open.len() - 2);
            let ((left, one), (right, another)) = (open[at].clone(), open[at + 1].clone());
            let range = HashRange { start: left.start, end: right.end };
            let child = state.new_shard(vec![one.clone(), another.clone()], range);
            for parent in [one, another] {
                state.close(&parent, vec![child.clone()]);
            }
        } else {
            let (range, parent) = open[at].clone();
            let middle = range.start.0 + (range.end.0 - range.start.0) / 2;
            let left = HashRange { start: range.start, end: HashKey(middle) };
            let right = HashRange { start: HashKey(middle + 1), end: range.end };
            let children = [left, right].map(|range| state.new_shard(vec![parent.clone()], range)).to_vec();
            state.close(&parent, children);
        }
    }
}

impl State {
    fn new_shard(&mut self, parents: Vec<String>, range: HashRange) -> String {
        let id = format!("shardId-{:012}", self.last_shard);
        self.last_shard += 1;
        self.last_number += 1;
        let (start, children, records, users) = (self.last_number, Vec::new(), Vec::new(), BTreeMap::new());
        let shard = SimShard { id: id.clone(), parents, children, range, start, is_open: true, records, users };
        self.shards.insert(id.clone(), shard);
        id
    }

    fn open(&self) -> Vec<(HashRange, String)> {
        self.shards.values().filter(|shard| shard.is_open).map(|shard| (shard.range, shard.id.clone())).collect()
    }

    fn close(&mut self, shard: &str, children: Vec<String>) {
        let shard = self.shards.get_mut(shard).unwrap();
        shard.is_open = false;
        shard.children = children;
    }

    /// How many user records a shard has.
    pub(super) fn user_records(&self, shard: &str) -> usize {
        self.shards[shard].users.len()
    }

    /// The index of a user record in its shard.
    pub(super) fn index(&self, shard: &str, number: &RecordNumber) -> Option<usize> {
        let sequence_number = number.sequence_number.parse::<u64>().ok()? / 7;
        self.shards.get(shard)?.users.get(&(sequence_number, number.sub_sequence_number)).copied()
    }

    fn page(&self, shard: &str, at: usize, weather: &Weather) -> Result<(Page, usize), KinesisError> {
        let limit = 1 + weather.dice.below(12) as usize;
        let shard = self.shards.get(shard).ok_or_else(|| KinesisError::NotFound(shard.to_owned()))?;
        let end = (at + limit).min(shard.records.len());
        let records = shard.records[at..end].iter().map(|record| ShardRecord {
            sequence_number: digits(record.number),
            partition_key: "a".to_owned(),
            data: record.data.clone(),
            arrival_ms: None,
        });
        let is_early = weather.defect == Some(Defect::EarlyEnd) && end > at;
        let is_end = !shard.is_open && (end == shard.records.len() || is_early);
        let children = shard.children.iter().filter(|_| is_end).map(|child| {
            let child = &self.shards[child];
            let parents = if weather.defect == Some(Defect::NoParents) { Vec::new() } else { child.parents.clone() };
            ChildShard { id: child.id.clone(), parents, hash_range: child.range }
        });
        let is_lossy = weather.defect == Some(Defect::LostRecords) && weather.dice.once_in(20);
        let page = Page {
            records: records.skip(usize::from(is_lossy)).collect(),
            next: (!is_end).then(|| format!("{}/{end}", shard.id)),
            children: children.collect(),
            millis_behind_latest: Some((shard.records.len() - end) as u64),
        };
        Ok((page, end))
    }

    fn place(&self, shard: &str, from: &ReadFrom) -> Result<usize, KinesisError> {
        let records = &self.shards.get(shard).ok_or_else(|| KinesisError::NotFound(shard.to_owned()))?.records;
        let number = |digits: &String| digits.parse::<u64>().unwrap() / 7;
        Ok(match from {
            ReadFrom::TrimHorizon | ReadFrom::AtTimestamp(_) => 0,
            ReadFrom::Latest => records.len(),
            ReadFrom::At(digits) => records.partition_point(|record| record.number < number(digits)),
            ReadFrom::After(digits) => records.partition_point(|record| record.number <= number(digits)),
        })
    }

    fn list(&self, filter: ShardFilter) -> Vec<Shard> {
        let wanted = self.shards.values().filter(|shard| match filter {
            ShardFilter::All => true,
            ShardFilter::AtLatest => shard.is_open,
            ShardFilter::AtTrimHorizon | ShardFilter::AtTimestamp(_) => shard.parents.is_empty(),
        });
        let shards = wanted.map(|shard| Shard {
            id: shard.id.clone(),
            parents: shard.parents.clone(),
            hash_range: shard.range,
            starting_sequence_number: digits(shard.start),
            is_open: shard.is_open,
        });
        shards.collect()
    }
}

/// The service as one worker meets it.
pub(super) struct SimKinesis {
    pub(super) world: World,
    pub(super) weather: Weather,
}

impl SimKinesis {
    async fn call<T>(&self, answer: impl FnOnce(&State) -> Result<T, KinesisError>) -> Result<T, KinesisError> {
        self.weather.travel().await;
        if self.weather.fails() {
            return Err(match self.weather.dice.below(3) {
                0 => KinesisError::Throttled("slowly".to_owned()),
                1 => KinesisError::Expired("too old".to_owned()),
                _ => KinesisError::Unavailable("nobody there".to_owned()),
            });
        }
        let answer = answer(&self.world.state());
        self.weather.travel().await;
        answer
    }
}

impl Kinesis for SimKinesis {
    fn list_shards(&self, filter: ShardFilter) -> KinesisFuture<'_, Vec<Shard>> {
        Box::pin(self.call(move |state| {
            let mut shards = state.list(filter);
            if self.weather.defect == Some(Defect::NoParents) {
                shards.iter_mut().for_each(|shard| shard.parents.clear());
            }
            Ok(shards)
        }))
    }

    fn shard_iterator<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, String> {
        Box::pin(self.call(move |state| Ok(format!("{shard}/{}", state.place(shard, from)?))))
    }

    fn records<'a>(&'a self, iterator: &'a str, _limit: u32) -> KinesisFuture<'a, Page> {
        Box::pin(self.call(move |state| {
            let (shard, at) = iterator.split_once('/').unwrap();
            Ok(state.page(shard, at.parse().unwrap(), &self.weather)?.0)
        }))
    }

    fn subscribe<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, Box<dyn Subscription>> {
        Box::pin(async move {
            let at = self.call(|state| state.place(shard, from)).await?;
            let (world, weather) = (self.world.clone(), self.weather.clone());
            let events_left = 3 + weather.dice.below(60);
            let subscription = SimSubscription { world, weather, shard: shard.to_owned(), at, events_left };
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        })
    }
}

struct SimSubscription {
    world: World,
    weather: Weather,
    shard: String,
    at: usize,
    events_left: u64,
}

impl Subscription for SimSubscription {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Page, KinesisError>>> {
        Box::pin(async move {
            sleep(Duration::from_millis(self.weather.dice.below(2_000))).await;
            self.weather.travel().await;
            if self.events_left == 0 {
                return None;
            }
            if self.weather.fails() {
                return Some(Err(KinesisError::Unavailable("cut".to_owned())));
            }
            self.events_left -= 1;
            let page = self.world.state().page(&self.shard, self.at, &self.weather);
            Some(page.map(|(mut page, at)| {
                self.at = at;
                // A continuation is a sequence number.
                let last = page.records.last().map(|record| record.sequence_number.clone());
                page.next = page.next.map(|_| last.unwrap_or_else(|| self.before()));
                page
            }))
        })
    }
}

impl SimSubscription {
    /// The number of the record before the place, or of the shard's start.
    fn before(&self) -> String {
        let state = self.world.state();
        let shard = &state.shards[&self.shard];
        digits(self.at.checked_sub(1).map_or(shard.start, |at| shard.records[at].number))
    }
}
