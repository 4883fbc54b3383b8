//! The records of one stream: into their lanes, out of them into calls, and over to other lanes when its shards change.
//!
//! What is held: a record is in exactly one place, a lane, a call, or among those that wait to know where their shard is, until its
//! outcome is told. Only answers, the clock and the list of shards move it on.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rheos_types::Random;
use tokio::sync::oneshot;

use super::batch::Batch;
use super::metrics::StreamMetrics;
use super::outcome::{Outcome, Reason};
use super::record::Item;
use super::routes::{Routes, sorted};
use super::settings::Settings;
use super::transport::{CallError, Entry, Placed, Shard};

/// What a step has decided, to be carried out without a lock.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) resolved: Vec<Resolved>,
    pub(super) calls: Vec<Call>,
}

/// A record whose outcome is known.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) reply: oneshot::Sender<Outcome>,
    pub(super) outcome: Outcome,
    pub(super) cost: usize,
    pub(super) epoch: u64,
}

/// A call to make.
#[derive(Debug)]
pub(super) enum Call {
    PutRecords { id: u64, stream: Arc<str>, entries: Vec<Entry> },
    ListShards { stream: Arc<str> },
}

/// What a step may use and what it leaves.
pub(super) struct Turn<'a> {
    pub(super) now_ms: u64,
    pub(super) settings: &'a Settings,
    pub(super) random: &'a dyn Random,
    /// Records of earlier flushes do not wait for others.
    pub(super) flushes: u64,
    pub(super) effects: &'a mut Effects,
}

impl Turn<'_> {
    /// A pause after so many failures in a row: doubling, and half of it random.
    pub(super) fn backoff_ms(&self, failures: u32) -> u64 {
        let doubled = self.settings.backoff_ms.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let whole = doubled.min(self.settings.backoff_max_ms).max(2);
        let dice = u64::from_be_bytes(rheos_types::random::bytes(self.random));
        whole / 2 + dice % (whole / 2 + 1)
    }
}

/// Batches that are being sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) batches: Vec<Batch>,
    pub(super) sent_ms: u64,
}

/// When the shards are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    Idle,
    DueMs(u64),
    /// The answer may be older than what was learned since; then it is asked again.
    Running {
        is_outdated: bool,
    },
}

/// The first pause between two failing lists of shards, and the longest.
const LIST_AGAIN_MS: u64 = 1000;
const LIST_AGAIN_MAX_MS: u64 = 30_000;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: Arc<str>,
    /// Nothing until the shards were asked for once.
    pub(super) routes: Option<Routes>,
    /// Accepted before that.
    waiting: VecDeque<Item>,
    /// Lanes that hold something.
    active: BTreeSet<usize>,
    /// The lane that is looked at first.
    cursor: usize,
    /// Shards that take the place of those in `routes` as soon as nothing is under way; inside, nothing if they are not known.
    next: Option<Option<Vec<Shard>>>,
    listing: Listing,
    listing_failures: u32,
    /// Lists in a row that told nothing new, though records went elsewhere than they say.
    unexplained: u32,
    /// Written in a shard that was not predicted, and it is not known yet whether that owns them.
    pub(super) undecided: Vec<(Batch, Placed)>,
    /// Batches that are being sent.
    pub(super) in_flight: usize,
    /// Entries that are ready, and their bytes, as far as is known between two steps.
    ready: (usize, usize),
    /// Calls that failed in a row.
    pub(super) failures: u32,
    pub(super) not_before_ms: u64,
    pub(super) metrics: StreamMetrics,
}

impl Stream {
    pub(super) fn new(name: Arc<str>, now_ms: u64) -> Self {
        Self {
            name,
            routes: None,
            waiting: VecDeque::new(),
            active: BTreeSet::new(),
            cursor: 0,
            next: None,
            listing: Listing::DueMs(now_ms),
            listing_failures: 0,
            unexplained: 0,
            undecided: Vec::new(),
            in_flight: 0,
            ready: (0, 0),
            failures: 0,
            not_before_ms: 0,
            metrics: StreamMetrics::default(),
        }
    }

    /// Takes an item to its lane. Gives the time at which something is to be done about it at the latest.
    pub(super) fn push(&mut self, item: Item, now_ms: u64, settings: &Settings) -> u64 {
        let Some(routes) = &mut self.routes else {
            self.waiting.push_back(item);
            return match self.listing {
                Listing::DueMs(due_ms) => due_ms,
                _ => u64::MAX,
            };
        };
        let (at, is_packed) = (routes.lane_of(item.hash), routes.is_packed);
        let Some((lane, _)) = routes.at(at) else { return now_ms };
        let before = (lane.ready.len(), lane.ready_bytes);
        lane.push(item, is_packed, now_ms, settings);
        self.active.insert(at);
        self.ready.0 += lane.ready.len() - before.0;
        self.ready.1 += lane.ready_bytes - before.1;
        let has_grown = lane.ready.len() > before.0;
        if has_grown && (self.ready.0 >= settings.collection_max_count || self.ready.1 >= settings.collection_max_bytes)
        {
            return now_ms;
        }
        // What was there before is known to whoever drives this.
        let sent_ms = lane.ready.back().filter(|_| has_grown).map_or(u64::MAX, |batch| batch.send_by_ms);
        sent_ms.min(lane.close_ms(settings).unwrap_or(u64::MAX))
    }

    /// Does what is due, making at most `room` calls with records. Gives when there is something to do again without an answer.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_>, room: usize) -> (Vec<Sent>, Option<u64>) {
        if matches!(self.listing, Listing::DueMs(due_ms) if due_ms <= turn.now_ms) {
            self.listing = Listing::Running { is_outdated: false };
            turn.effects.calls.push(Call::ListShards { stream: Arc::clone(&self.name) });
        }
        self.change_routes(turn);
        self.expire(turn);
        let mut sent = Vec::new();
        if self.next.is_none() {
            self.close_due(turn);
            while sent.len() < room
                && let Some(batches) = self.gather(turn)
            {
                sent.push(Sent { batches, sent_ms: turn.now_ms });
            }
        }
        let next_ms = self.next_ms(turn, sent.len() < room);
        (sent, next_ms)
    }

    /// Gives up what has no time left, wherever it waits.
    fn expire(&mut self, turn: &mut Turn<'_>) {
        while self.waiting.front().is_some_and(|item| item.deadline_ms <= turn.now_ms) {
            if let Some(item) = self.waiting.pop_front() {
                self.give_up(item, Reason::Expired, turn);
            }
        }
        let Some(mut routes) = self.routes.take() else { return };
        for &at in &self.active {
            let Some((lane, _)) = routes.at(at) else { continue };
            for batch in lane.take_late(turn.now_ms) {
                let (not_before_ms, share) = (batch.not_before_ms, batch.share);
                let (late, rest): (Vec<_>, Vec<_>) =
                    batch.items.into_iter().partition(|item| item.deadline_ms <= turn.now_ms);
                if let Some(rest) = Batch::repacked(rest, turn.now_ms, turn.settings) {
                    let rest = Batch { not_before_ms, share: share.min(rest.share), ..rest };
                    lane.again(rest, turn.now_ms, turn.settings);
                }
                for item in late {
                    self.metrics.user_record_expired += 1;
                    give_up(item, Reason::Expired, &mut self.metrics, turn);
                }
            }
        }
        self.routes = Some(routes);
    }

    fn close_due(&mut self, turn: &Turn<'_>) {
        let Some(routes) = &mut self.routes else { return };
        for &at in &self.active {
            let Some((lane, _)) = routes.at(at) else { continue };
            lane.wake(turn.now_ms);
            let is_due = lane.close_ms(turn.settings).is_some_and(|due_ms| due_ms <= turn.now_ms);
            if is_due || lane.filling_epoch() < turn.flushes {
                lane.close(turn.now_ms, turn.settings);
            }
        }
    }

    /// The batches of one call, if one is due: it is full, or one of them has waited long enough.
    fn gather(&mut self, turn: &Turn<'_>) -> Option<Vec<Batch>> {
        // Where order is strict, what is undecided may have to go before what waits.
        if turn.now_ms < self.not_before_ms || (turn.settings.strict_order && !self.undecided.is_empty()) {
            return None;
        }
        let (settings, now_ms) = (turn.settings, turn.now_ms);
        let routes = self.routes.as_mut()?;
        let (mut count, mut bytes, mut is_due) = (0, 0, false);
        for &at in &self.active {
            if let Some((lane, part)) = routes.at(at)
                && can_send(lane, part, now_ms, settings)
            {
                count += if settings.strict_order { 1 } else { lane.ready.len() };
                bytes += lane.ready_bytes;
                is_due |= lane.ready.front().is_some_and(|front| due_ms(front, turn) <= now_ms);
            }
        }
        if !is_due && count < settings.collection_max_count && bytes < settings.collection_max_bytes {
            return None;
        }
        let (mut batches, mut bytes, mut share) = (Vec::new(), 0, settings.collection_max_count);
        let (mut first_served, version) = (None, routes.version);
        let order: Vec<usize> =
            self.active.range(self.cursor..).chain(self.active.range(..self.cursor)).copied().collect();
        for at in order {
            let Some((lane, part)) = routes.at(at) else { continue };
            while can_send(lane, part, now_ms, settings)
                && let Some(next) = lane.ready.front()
                && batches.len() < share.min(next.share)
                && (batches.is_empty() || bytes + next.entry.bytes() <= settings.collection_max_bytes)
                && let Some(batch) = lane.pop()
            {
                bytes += batch.entry.bytes();
                share = share.min(batch.share);
                part.take(batch.entry.bytes(), now_ms);
                lane.in_flight += 1;
                first_served.get_or_insert(at);
                batches.push(Batch { lane: at, version, shard: part.id.clone(), ..batch });
            }
            if let Some(front) = lane.ready.front() {
                part.drain(front.entry.bytes(), now_ms);
            }
            if lane.is_idle() {
                self.active.remove(&at);
            }
            if batches.len() >= share {
                break;
            }
        }
        // Who comes after is the first of the next call, so that no shard starves.
        self.cursor = first_served.map_or(0, |at| at + 1);
        self.in_flight += batches.len();
        (!batches.is_empty()).then_some(batches)
    }

    /// When time alone makes something due.
    fn next_ms(&mut self, turn: &Turn<'_>, has_room: bool) -> Option<u64> {
        let mut next_ms = self.waiting.front().map_or(u64::MAX, |item| item.deadline_ms);
        if let Listing::DueMs(due_ms) = self.listing {
            next_ms = next_ms.min(due_ms);
        }
        let is_changing = self.next.is_some();
        self.ready = (0, 0);
        if let Some(routes) = &mut self.routes {
            for &at in &self.active {
                let Some((lane, part)) = routes.at(at) else { continue };
                self.ready.0 += lane.ready.len();
                self.ready.1 += lane.ready_bytes;
                for batch in &lane.pausing {
                    next_ms = next_ms.min(batch.not_before_ms);
                }
                next_ms = next_ms.min(lane.deadline_ms);
                if let Some(front) = lane.ready.front() {
                    let is_held = turn.settings.strict_order && (lane.in_flight > 0 || !self.undecided.is_empty());
                    if has_room && !is_changing && !is_held {
                        let part_ms = part.ready_ms(front.entry.bytes(), turn.now_ms);
                        let can_ms = front.not_before_ms.max(part_ms).max(self.not_before_ms);
                        next_ms = next_ms.min(can_ms.max(due_ms(front, turn)));
                    }
                }
                if !is_changing {
                    next_ms = next_ms.min(lane.close_ms(turn.settings).unwrap_or(u64::MAX));
                }
            }
        }
        (next_ms < u64::MAX).then_some(next_ms.max(turn.now_ms + 1))
    }

    /// Puts a batch back to where its items belong now.
    pub(super) fn again(&mut self, batch: Batch, turn: &Turn<'_>) {
        let Some(routes) = &mut self.routes else { return self.waiting.extend(batch.items) };
        if batch.version != routes.version {
            return self.route(batch.items, turn);
        }
        let at = batch.lane;
        if let Some((lane, _)) = routes.at(at) {
            lane.again(batch, turn.now_ms, turn.settings);
            self.active.insert(at);
        }
    }

    /// Takes items to the lanes of their keys. They come in order and to the end.
    pub(super) fn route(&mut self, items: Vec<Item>, turn: &Turn<'_>) {
        for item in items {
            self.push(item, turn.now_ms, turn.settings);
        }
    }

    /// Has the shards listed soon.
    pub(super) fn list_soon(&mut self, now_ms: u64) {
        match self.listing {
            Listing::Idle => self.listing = Listing::DueMs(now_ms),
            Listing::DueMs(due_ms) => self.listing = Listing::DueMs(due_ms.min(now_ms + LIST_AGAIN_MS)),
            Listing::Running { .. } => self.listing = Listing::Running { is_outdated: true },
        }
    }

    /// The shards were listed, or could not be.
    pub(super) fn listed(&mut self, listed: Result<Vec<Shard>, CallError>, turn: &Turn<'_>) {
        let shards = match listed {
            Ok(shards) => sorted(shards),
            Err(error) => {
                self.metrics.error(&error.code, 1);
                None
            }
        };
        let was_outdated = self.listing == Listing::Running { is_outdated: true };
        let is_same = match (&self.routes, &shards) {
            (Some(routes), Some(shards)) => routes.are_over(shards),
            _ => false,
        };
        if shards.is_none() {
            let pause_ms = (LIST_AGAIN_MS as f64 * 1.5_f64.powi(self.listing_failures.min(16) as i32)) as u64;
            self.listing = Listing::DueMs(turn.now_ms + pause_ms.min(LIST_AGAIN_MAX_MS));
            self.listing_failures += 1;
        } else {
            self.listing = if was_outdated && is_same { Listing::DueMs(turn.now_ms) } else { Listing::Idle };
            self.listing_failures = 0;
        }
        match shards {
            Some(_) if is_same && was_outdated => {}
            Some(_) if is_same && self.undecided.is_empty() => self.next = None,
            Some(shards) if is_same => {
                self.unexplained += 1;
                // Once it may have been a shard that has gone again. Twice, and where records go is not known.
                self.next = Some(Some(shards).filter(|_| self.unexplained == 1));
                if self.unexplained > 1 {
                    self.unexplained = 0;
                    self.listing = Listing::DueMs(turn.now_ms + LIST_AGAIN_MAX_MS);
                }
            }
            Some(shards) => {
                self.unexplained = 0;
                self.next = Some(Some(shards));
            }
            None if self.routes.is_none() || (self.next.is_none() && !self.undecided.is_empty()) => {
                self.next = Some(None)
            }
            None => {}
        }
    }

    /// Changes to other shards, if that is due. Where order is strict nothing may be under way: what comes back goes before what waits.
    fn change_routes(&mut self, turn: &mut Turn<'_>) {
        if self.next.is_none() || (turn.settings.strict_order && self.in_flight > 0) {
            return;
        }
        let Some(shards) = self.next.take() else { return };
        let before = self.routes.take();
        let version = before.as_ref().map_or(1, |routes| routes.version + 1);
        let mut routes = match shards {
            Some(shards) => Routes::of(shards, version, turn.settings, turn.now_ms),
            None => Routes::unknown(version, turn.settings, turn.now_ms),
        };
        let mut items: Vec<Item> = std::mem::take(&mut self.waiting).into();
        if let Some(mut before) = before {
            items.extend(before.lanes.iter_mut().flat_map(super::lane::Lane::drain));
            routes.keep_rates_of(before);
        }
        self.routes = Some(routes);
        self.active.clear();
        self.ready = (0, 0);
        for (batch, placed) in std::mem::take(&mut self.undecided) {
            items.extend(self.decide(batch, placed, turn));
        }
        items.sort_by_key(|item| item.id);
        self.route(items, turn);
    }

    /// A record has its outcome: it was not written.
    pub(super) fn give_up(&mut self, item: Item, reason: Reason, turn: &mut Turn<'_>) {
        if reason == Reason::Expired {
            self.metrics.user_record_expired += 1;
        }
        give_up(item, reason, &mut self.metrics, turn);
    }

    /// Everything that is nowhere else: for when there will be no more steps.
    pub(super) fn abandon(&mut self) -> Vec<Item> {
        let mut items: Vec<Item> = std::mem::take(&mut self.waiting).into();
        items.extend(std::mem::take(&mut self.undecided).into_iter().flat_map(|(batch, _)| batch.items));
        if let Some(routes) = &mut self.routes {
            items.extend(routes.lanes.iter_mut().flat_map(super::lane::Lane::drain));
        }
        items
    }
}

fn give_up(mut item: Item, reason: Reason, metrics: &mut StreamMetrics, turn: &mut Turn<'_>) {
    metrics.user_records_failed += 1;
    let outcome = item.unwritten(reason);
    resolve(item, outcome, turn.effects);
}

/// The record has its outcome.
pub(super) fn resolve(item: Item, outcome: Outcome, effects: &mut Effects) {
    effects.resolved.push(Resolved { reply: item.reply, outcome, cost: item.cost, epoch: item.epoch });
}

/// When a batch has waited long enough for others.
fn due_ms(batch: &Batch, turn: &Turn<'_>) -> u64 {
    if batch.epoch < turn.flushes { 0 } else { batch.send_by_ms }
}

/// Whether the first batch of a lane may be sent now.
fn can_send(lane: &super::lane::Lane, part: &mut super::routes::Part, now_ms: u64, settings: &Settings) -> bool {
    let Some(front) = lane.ready.front() else { return false };
    front.not_before_ms <= now_ms
        && !(settings.strict_order && lane.in_flight > 0)
        && part.ready_ms(front.entry.bytes(), now_ms) <= now_ms
}
