//! The state of a producer as a step function: no clock, no dice, no runtime and no calls of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use rheos_types::{HashKey, Random};
use tokio::sync::oneshot;

use super::metrics::Metrics;
use super::outcome::Outcome;
use super::record::{Item, Record};
use super::settings::Settings;
use super::stream::{Call, Effects, Sent, Stream, Turn};
use super::transport::{Answer, CallError, Shard};

/// All streams of a producer.
pub(super) struct Core {
    settings: Settings,
    streams: BTreeMap<Arc<str>, Stream>,
    /// Calls that are running, by their id: the stream, and what is in them.
    calls: HashMap<u64, (Arc<str>, Sent)>,
    next_call: u64,
    next_item: u64,
    /// Flushes that were asked for.
    flushes: u64,
    /// How many records are outstanding, by the number of flushes before them; the first is of `oldest_epoch`.
    outstanding: VecDeque<u64>,
    oldest_epoch: u64,
    outstanding_bytes: u64,
    /// When whoever drives this looks again by itself.
    sleeps_until_ms: u64,
    /// No more records are accepted.
    pub(super) is_closed: bool,
}

/// A call that has ended, and how.
pub(super) enum Ended {
    PutRecords(u64, Result<Vec<Answer>, CallError>),
    ListShards(Arc<str>, Result<Vec<Shard>, CallError>),
}

impl Core {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            streams: BTreeMap::new(),
            calls: HashMap::new(),
            next_call: 0,
            next_item: 0,
            flushes: 0,
            outstanding: VecDeque::from([0]),
            oldest_epoch: 0,
            outstanding_bytes: 0,
            sleeps_until_ms: u64::MAX,
            is_closed: false,
        }
    }

    /// Accepts a record. Says whether whoever drives this has to look before the time that it was told.
    pub(super) fn push(
        &mut self,
        record: Record,
        hash: HashKey,
        cost: usize,
        now_ms: u64,
    ) -> (oneshot::Receiver<Outcome>, bool) {
        let (reply, receiver) = oneshot::channel();
        self.outstanding_bytes += cost as u64;
        if let Some(count) = self.outstanding.back_mut() {
            *count += 1;
        }
        if !self.streams.contains_key(&record.stream) {
            self.streams.insert(Arc::clone(&record.stream), Stream::new(Arc::clone(&record.stream), now_ms));
        }
        let Some(stream) = self.streams.get_mut(&record.stream) else { return (receiver, false) };
        stream.metrics.user_records_received += 1;
        let item = Item {
            hash,
            cost,
            id: self.next_item,
            epoch: self.flushes,
            accepted_ms: now_ms,
            deadline_ms: now_ms + self.settings.record_ttl_ms,
            attempts: Vec::new(),
            may_have_been_written: false,
            reply,
            record,
        };
        self.next_item += 1;
        let due_ms = stream.push(item, now_ms, &self.settings);
        // At the limit of calls nothing can be done before an answer, which wakes by itself.
        let wakes =
            due_ms < self.sleeps_until_ms && (due_ms > now_ms || self.calls.len() < self.settings.max_connections);
        if wakes {
            self.sleeps_until_ms = due_ms;
        }
        (receiver, wakes)
    }

    /// Does what is due. Gives when to look again without an answer or a record.
    pub(super) fn poll(&mut self, random: &dyn Random, now_ms: u64, effects: &mut Effects) -> Option<u64> {
        let mut next_ms = None;
        for stream in self.streams.values_mut() {
            let room = self.settings.max_connections - self.calls.len().min(self.settings.max_connections);
            let flushes = if self.is_closed { u64::MAX } else { self.flushes };
            let mut turn = Turn { now_ms, settings: &self.settings, random, flushes, effects };
            let (sent, stream_ms) = stream.poll(&mut turn, room);
            for sent in sent {
                let id = self.next_call;
                self.next_call += 1;
                let entries = sent.batches.iter().map(|batch| batch.entry.clone()).collect();
                effects.calls.push(Call::PutRecords { id, stream: Arc::clone(&stream.name), entries });
                self.calls.insert(id, (Arc::clone(&stream.name), sent));
            }
            next_ms = match (next_ms, stream_ms) {
                (Some(a), Some(b)) => Some(u64::min(a, b)),
                (one, other) => one.or(other),
            };
        }
        self.sleeps_until_ms = next_ms.unwrap_or(u64::MAX);
        next_ms
    }

    /// A call has ended.
    pub(super) fn ended(&mut self, ended: Ended, random: &dyn Random, now_ms: u64, effects: &mut Effects) {
        let mut turn = Turn { now_ms, settings: &self.settings, random, flushes: self.flushes, effects };
        match ended {
            Ended::PutRecords(id, result) => {
                let Some((name, sent)) = self.calls.remove(&id) else { return };
                if let Some(stream) = self.streams.get_mut(&name) {
                    stream.answered(sent, result, &mut turn);
                }
            }
            Ended::ListShards(name, listed) => {
                if let Some(stream) = self.streams.get_mut(&name) {
                    stream.listed(listed, &turn);
                }
            }
        }
    }

    /// A record's outcome was told.
    pub(super) fn settled(&mut self, epoch: u64, cost: usize) {
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(cost as u64);
        let at = usize::try_from(epoch.saturating_sub(self.oldest_epoch)).unwrap_or(usize::MAX);
        if let Some(count) = self.outstanding.get_mut(at) {
            *count = count.saturating_sub(1);
        }
        while self.outstanding.len() > 1 && self.outstanding.front() == Some(&0) {
            self.outstanding.pop_front();
            self.oldest_epoch += 1;
        }
    }

    /// Sends everything that was accepted so far without waiting for more. Gives what [`Self::is_flushed`] asks for.
    pub(super) fn flush(&mut self) -> u64 {
        // Flushes of nothing are one.
        if self.outstanding.back() != Some(&0) {
            self.flushes += 1;
            self.outstanding.push_back(0);
        }
        self.flushes
    }

    /// Whether everything that was accepted before that flush has its outcome.
    pub(super) fn is_flushed(&self, flush: u64) -> bool {
        self.oldest_epoch >= flush || self.is_empty()
    }

    /// Whether everything has its outcome.
    pub(super) fn is_empty(&self) -> bool {
        self.outstanding.iter().all(|count| *count == 0)
    }

    /// Lets go of every record: whoever waits for its outcome learns that there will be none.
    pub(super) fn abandon(&mut self) {
        self.is_closed = true;
        self.calls.clear();
        for stream in self.streams.values_mut() {
            drop(stream.abandon());
        }
        self.outstanding = VecDeque::from([0]);
        self.oldest_epoch = self.flushes;
        self.outstanding_bytes = 0;
    }

    pub(super) fn metrics(&self) -> Metrics {
        Metrics {
            streams: self.streams.iter().map(|(name, stream)| (name.to_string(), stream.metrics.clone())).collect(),
            user_records_pending: self.outstanding.iter().sum(),
            outstanding_bytes: self.outstanding_bytes,
        }
    }
}
