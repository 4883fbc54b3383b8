//! What all subscriptions share: how many there are, the memory for events that are on their way, and their pace.
//!
//! A subscription holds memory for one event at most, from before it is read until the connection has taken it. What an
//! event may hold shrinks as subscriptions become more, so that all of them together, every one with a reader that has
//! stopped reading, hold half of the memory there is, and the other half is for those who read.

mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use pace::Pace;

/// What is counted: kibibytes.
const UNIT: usize = 1024;
/// Bytes of records in one event, apart from a record that is larger by itself.
const EVENT_BYTES: usize = 256 << 10;
/// The same, when there are very many subscriptions.
const LEAST_EVENT_BYTES: usize = 8 << 10;
/// How many bytes a byte of records takes: as it is read, in base64, and the members around it.
const GROWTH: usize = 3;
/// Bytes of records for each of which an event may hold one record: small ones grow most, so that they are counted too.
const RECORD_BYTES: usize = 128;

/// All subscriptions.
#[derive(Debug)]
pub(crate) struct Subscribers {
    active: AtomicUsize,
    memory: Arc<Semaphore>,
    /// Half of it: events with a single record that is larger than their share may take no more together, so that they
    /// never keep the others out.
    large: Arc<Semaphore>,
    memory_bytes: usize,
    pace: Pace,
    /// Becomes true when the server stops.
    stopped: watch::Receiver<bool>,
}

impl Subscribers {
    /// With `memory_bytes` for events.
    pub(crate) fn new(memory_bytes: usize, stopped: watch::Receiver<bool>) -> Self {
        let units = (memory_bytes / UNIT).min(Semaphore::MAX_PERMITS);
        let (memory, large) = (Arc::new(Semaphore::new(units)), Arc::new(Semaphore::new(units / 2)));
        Self { active: AtomicUsize::new(0), memory, large, memory_bytes, pace: Pace::default(), stopped }
    }

    /// The memory that records of `bytes` take, but no more than such a part of all there is.
    fn units(&self, bytes: usize, part: usize) -> u32 {
        let units = (bytes * GROWTH / UNIT).min(self.memory_bytes / UNIT / part);
        // What does not fit into 32 bits is more memory than there is.
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// Counts one subscription for as long as the place is kept.
    pub(crate) fn enter(self: &Arc<Self>) -> Place {
        self.active.fetch_add(1, Ordering::Relaxed);
        Place(self.clone())
    }

    /// Resolves when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // The sender lives as long as the server.
        drop(stopped.wait_for(|stopped| *stopped).await);
    }
}

/// A subscription's place among all.
#[derive(Debug)]
pub(crate) struct Place(Arc<Subscribers>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    fn others(&self) -> usize {
        self.0.active.load(Ordering::Relaxed)
    }

    /// How long the subscription pauses that has been given `bytes`, see [`pace`].
    pub(crate) fn pause_ms(&self, bytes: u64, is_behind: bool, written_bytes: u64, now_ms: u64) -> u64 {
        self.0.pace.pause_ms(self.others() as u64, bytes, is_behind, written_bytes, now_ms)
    }

    /// A timer of the subscription went off so late.
    pub(crate) fn timer_was_late(&self, late_ms: u64) {
        self.0.pace.timer_was_late(late_ms);
    }

    /// Waits for the memory of an event, which is to have room for a record of `least` bytes.
    pub(crate) async fn room(&self, least: usize) -> Room {
        let share = self.0.memory_bytes / 2 / GROWTH / self.others().max(1);
        let usual = share.clamp(LEAST_EVENT_BYTES, EVENT_BYTES);
        let bytes = usual.max(least);
        let large = if bytes > usual {
            self.0.large.clone().acquire_many_owned(self.0.units(bytes, 2)).await.ok()
        } else {
            None
        };
        let permit = self.0.memory.clone().acquire_many_owned(self.0.units(bytes, 1)).await.ok();
        Room { bytes, records: (bytes / RECORD_BYTES).max(1), permit, _large: large }
    }
}

/// Memory for an event.
#[derive(Debug)]
pub(crate) struct Room {
    /// How many bytes of records may be read into it.
    pub(crate) bytes: usize,
    /// How many records.
    pub(crate) records: usize,
    permit: Option<OwnedSemaphorePermit>,
    _large: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Holds the memory until the event has been sent. What the event does not need is given back at once.
    pub(crate) fn carry(mut self, event: Vec<u8>) -> Bytes {
        let needed = event.len().div_ceil(UNIT);
        if let Some(permit) = &mut self.permit {
            let unneeded = permit.num_permits().saturating_sub(needed);
            drop(permit.split(unneeded));
        }
        Bytes::from_owner(Carried { event, _room: self })
    }
}

struct Carried {
    event: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Carried {
    fn as_ref(&self) -> &[u8] {
        &self.event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn subscribers(memory_bytes: usize) -> Arc<Subscribers> {
        // Whoever stops it has gone: nobody asks in these tests.
        Arc::new(Subscribers::new(memory_bytes, watch::channel(false).1))
    }

    #[tokio::test]
    async fn an_event_holds_what_it_needs_until_it_has_been_sent() {
        let subscribers = subscribers(32 << 20);
        let place = subscribers.enter();
        let free = subscribers.memory.available_permits();
        let room = place.room(0).await;
        assert_eq!(room.bytes, EVENT_BYTES);
        assert_eq!(free - subscribers.memory.available_permits(), EVENT_BYTES * GROWTH / UNIT);
        let event = room.carry(vec![0; 10 * UNIT]);
        assert_eq!(free - subscribers.memory.available_permits(), 10);
        drop(event);
        assert_eq!(subscribers.memory.available_permits(), free);
    }

    #[tokio::test]
    async fn many_that_do_not_read_leave_memory_to_those_who_do() {
        let subscribers = subscribers(32 << 20);
        let places: Vec<_> = (0..1000).map(|_| subscribers.enter()).collect();
        let mut held = Vec::new();
        for place in &places[..500] {
            let room = place.room(0).await;
            let bytes = room.bytes;
            held.push(room.carry(vec![0; bytes * GROWTH]));
        }
        assert!(subscribers.memory.available_permits() > (16 << 20) / UNIT);
        drop(places);
        assert_eq!(subscribers.enter().others(), 1);
    }

    #[tokio::test]
    async fn large_records_that_nobody_takes_leave_half_of_the_memory_to_small_ones() {
        let subscribers = subscribers(32 << 20);
        let place = subscribers.enter();
        let mut held = Vec::new();
        while let Ok(room) = tokio::time::timeout(Duration::from_millis(10), place.room(1 << 20)).await {
            assert_eq!(room.bytes, 1 << 20);
            held.push(room.carry(vec![0; GROWTH << 20]));
        }
        assert_eq!(held.len(), 5);
        place.room(0).await;
        held.clear();
        // One that is larger than all of it comes alone.
        let room = place.room(64 << 20).await;
        assert_eq!((room.bytes, subscribers.memory.available_permits()), (64 << 20, 0));
    }
}
