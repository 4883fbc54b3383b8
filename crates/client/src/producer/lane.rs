//! A lane: the records of one part of the hash keys, in their order.

use std::collections::VecDeque;

use super::batch::Batch;
use super::record::Item;
use super::settings::Settings;
use crate::aggregation::Packer;

/// Records that share a shard, from acceptance until they are sent.
#[derive(Debug)]
pub(super) struct Lane {
    /// The batch that is being filled.
    filling: Vec<Item>,
    packer: Packer,
    /// When its oldest item was accepted, and the oldest flush that one belongs to.
    oldest_ms: u64,
    oldest_epoch: u64,
    /// Full ones, the oldest first.
    pub(super) ready: VecDeque<Batch>,
    /// Those that pause before a retry, where others may overtake them.
    pub(super) pausing: Vec<Batch>,
    /// Bytes of the entries that are ready.
    pub(super) ready_bytes: usize,
    /// Batches that are being sent.
    pub(super) in_flight: usize,
    /// Nothing that is ready or pauses is given up before.
    pub(super) deadline_ms: u64,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            filling: Vec::new(),
            packer: Packer::new(),
            oldest_ms: 0,
            oldest_epoch: 0,
            ready: VecDeque::new(),
            pausing: Vec::new(),
            ready_bytes: 0,
            in_flight: 0,
            deadline_ms: u64::MAX,
        }
    }
}

impl Lane {
    pub(super) fn is_idle(&self) -> bool {
        self.filling.is_empty() && self.ready.is_empty() && self.pausing.is_empty()
    }

    /// When the batch that is being filled is closed at the latest; nothing if none is.
    pub(super) fn close_ms(&self, settings: &Settings) -> Option<u64> {
        (!self.filling.is_empty()).then(|| self.oldest_ms + settings.fill_ms())
    }

    /// The oldest flush that something in the batch being filled belongs to.
    pub(super) fn filling_epoch(&self) -> u64 {
        if self.filling.is_empty() { u64::MAX } else { self.oldest_epoch }
    }

    /// Takes an item to the end. What it does not fit in with is closed.
    pub(super) fn push(&mut self, item: Item, is_packed: bool, now_ms: u64, settings: &Settings) {
        if !is_packed || item.record.alone {
            self.close(now_ms, settings);
            self.fill(item);
            return self.close(now_ms, settings);
        }
        if !self.filling.is_empty() && settings.is_full(&self.packer, &item.user_record()) {
            self.close(now_ms, settings);
        }
        self.packer.push(&item.user_record());
        self.fill(item);
        if self.packer.bytes() >= settings.aggregation_max_bytes
            || self.packer.count() >= settings.aggregation_max_count
        {
            self.close(now_ms, settings);
        }
    }

    fn fill(&mut self, item: Item) {
        let is_first = self.filling.is_empty();
        self.oldest_ms = if is_first { item.accepted_ms } else { self.oldest_ms.min(item.accepted_ms) };
        self.oldest_epoch = if is_first { item.epoch } else { self.oldest_epoch.min(item.epoch) };
        self.filling.push(item);
    }

    /// Makes what was filled so far ready.
    pub(super) fn close(&mut self, now_ms: u64, settings: &Settings) {
        let items = std::mem::take(&mut self.filling);
        if let Some(batch) = Batch::of(items, &mut self.packer, now_ms, settings) {
            self.ready_bytes += batch.entry.bytes();
            self.deadline_ms = self.deadline_ms.min(batch.deadline_ms);
            self.ready.push_back(batch);
        }
    }

    /// Takes a batch back that is to be sent again. Where order is strict its pause is the lane's.
    pub(super) fn again(&mut self, batch: Batch, now_ms: u64, settings: &Settings) {
        self.deadline_ms = self.deadline_ms.min(batch.deadline_ms);
        if batch.not_before_ms > now_ms && !settings.strict_order {
            self.pausing.push(batch);
        } else {
            self.put_back(batch);
        }
    }

    /// Puts a batch before whatever was accepted later.
    fn put_back(&mut self, batch: Batch) {
        self.ready_bytes += batch.entry.bytes();
        let at = self.ready.iter().take_while(|other| other.id() < batch.id()).count();
        self.ready.insert(at, batch);
    }

    /// Puts back what has paused long enough.
    pub(super) fn wake(&mut self, now_ms: u64) {
        while let Some(at) = self.pausing.iter().position(|batch| batch.not_before_ms <= now_ms) {
            let batch = self.pausing.swap_remove(at);
            self.put_back(batch);
        }
    }

    /// Takes out what holds an item whose time has run out.
    pub(super) fn take_late(&mut self, now_ms: u64) -> Vec<Batch> {
        if now_ms < self.deadline_ms {
            return Vec::new();
        }
        // What was sent meanwhile made the bound too early, so this comes about once in the time that a record has.
        let is_late = |batch: &Batch| batch.deadline_ms <= now_ms;
        let (late, ready): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready).into_iter().partition(is_late);
        let (late_too, pausing): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pausing).into_iter().partition(is_late);
        (self.ready, self.pausing) = (ready.into(), pausing);
        self.ready_bytes = self.ready.iter().map(|batch| batch.entry.bytes()).sum();
        let deadlines = self.ready.iter().chain(&self.pausing).map(|batch| batch.deadline_ms);
        self.deadline_ms = deadlines.min().unwrap_or(u64::MAX);
        late.into_iter().chain(late_too).collect()
    }

    pub(super) fn pop(&mut self) -> Option<Batch> {
        let batch = self.ready.pop_front()?;
        self.ready_bytes -= batch.entry.bytes();
        Some(batch)
    }

    /// Everything that is not being sent.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Item> {
        self.ready_bytes = 0;
        self.packer = Packer::new();
        let batches = std::mem::take(&mut self.ready).into_iter().chain(std::mem::take(&mut self.pausing));
        batches.flat_map(|batch| batch.items).chain(std::mem::take(&mut self.filling))
    }
}
