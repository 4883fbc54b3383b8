//! The engine: sequencing, writing, reading and housekeeping over any medium.
//!
//! * [`queue`]: what waits for the writer, bounded
//! * [`writer`]: the one sequencing point; a step function
//! * [`shards`]: what readers see; the tail in memory
//! * [`backlog`]: log files that are to become segments
//! * [`segment`]: immutable files written behind the log
//! * [`root`]: snapshots and segments that count
//! * [`housekeeper`]: segments, snapshots and freeing files; a step function
//! * [`merge`]: small segments made into larger ones, in slices
//! * [`recovery`]: from a medium to the state before the stop

pub(crate) mod backlog;
pub(crate) mod housekeeper;
mod merge;
pub(crate) mod queue;
pub(crate) mod recovery;
pub(crate) mod root;
pub(crate) mod segment;
pub(crate) mod shards;
pub(crate) mod writer;

use crate::change::{Key, Versioned};
use crate::log::{Observer, Options};
use crate::medium::Medium;
use crate::state::{Catalog, State};
use backlog::{Backlog, Sealed};
use queue::Queue;
use rheos_types::Clock;
use shards::Shards;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// What the writer, the housekeeper and the readers share.
pub(crate) struct Shared {
    pub(crate) medium: Arc<dyn Medium>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) shards: Shards,
    pub(crate) queue: Queue,
    pub(crate) backlog: Backlog,
    /// The lowest shard key not given out.
    pub(crate) next_shard_key: AtomicU64,
    pub(crate) housekeeping: Signal,
    /// Becomes true when the writer has ended.
    pub(crate) ended: tokio::sync::watch::Sender<bool>,
    /// A shard was dropped or trimmed since segments were last looked through.
    pub(crate) something_died: AtomicBool,
    /// Bytes of all batches since the log was opened.
    pub(crate) written_bytes: AtomicU64,
    catalog: RwLock<Catalog>,
    observers: RwLock<Vec<Arc<dyn Observer>>>,
}

impl Shared {
    pub(crate) fn new(
        medium: Arc<dyn Medium>,
        clock: Arc<dyn Clock>,
        options: Options,
        recovered: &State,
        shards: Shards,
        backlog: Backlog,
    ) -> Self {
        Self {
            medium,
            clock,
            shards,
            queue: Queue::new(options.queue_bytes),
            backlog,
            options,
            next_shard_key: AtomicU64::new(recovered.next_shard_key),
            housekeeping: Signal::default(),
            ended: tokio::sync::watch::Sender::new(false),
            something_died: AtomicBool::new(true),
            written_bytes: AtomicU64::new(0),
            catalog: RwLock::new(recovered.catalog.clone()),
            observers: RwLock::default(),
        }
    }

    /// The durable catalog. The map is shared, so this costs next to nothing.
    pub(crate) fn catalog(&self) -> Catalog {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_catalog(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }

    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        self.observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    fn tell(&self, news: &[(Key, Option<Versioned>)]) {
        for observer in self.observers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            observer.applied(news);
        }
    }

    /// A log file takes no more; `state` holds after a batch behind it.
    fn sealed(&self, file: Sealed, state: State) {
        self.backlog.push(file, state, self.clock.monotonic_ms());
        self.housekeeping.wake();
    }

    /// The lowest of `count` fresh shard keys.
    pub(crate) fn reserve_shard_keys(&self, count: u32) -> u64 {
        self.next_shard_key.fetch_add(u64::from(count), Ordering::Relaxed)
    }
}

/// Wakes one waiting thread. A wake-up that comes before the wait is not lost.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Default)]
struct SignalState {
    woken: bool,
    stopped: bool,
}

impl Signal {
    pub(crate) fn wake(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).woken = true;
        self.changed.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.changed.notify_all();
    }

    /// Whether a wake-up has come that nobody has waited for yet.
    pub(crate) fn is_woken(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).woken
    }

    /// Waits for a wake-up, or for `patience` to pass; `false` once stopped.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.changed.wait_timeout_while(state, patience, |state| !state.woken && !state.stopped);
        let (mut state, _) = outcome.unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        !state.stopped
    }
}
