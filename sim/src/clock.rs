//! The clock: monotonic time is the runtime's, which stands still while anything can be done; the wall clock is that and
//! whatever somebody sets it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rheos_types::Clock;
use tokio::time::Instant;

/// When the simulated world begins.
const EPOCH_MS: i64 = 1_750_000_000_000;

/// The clocks of the simulated world. Clones are the same clocks.
#[derive(Clone, Debug)]
pub struct SimClock {
    begun: Instant,
    offset_ms: Arc<AtomicI64>,
    latest_ms: Arc<AtomicU64>,
}

impl SimClock {
    /// A clock that begins now. To be made in a runtime whose time is paused.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is an implementation of Clock, over the paused time of the runtime"
    )]
    pub fn new() -> Self {
        Self { begun: Instant::now(), offset_ms: Arc::default(), latest_ms: Arc::default() }
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sets the wall clock forward, or back.
    pub fn jump(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
        self.wall_ms();
    }

    /// The latest time that the wall clock has ever shown.
    #[must_use]
    pub fn latest_ms(&self) -> u64 {
        self.wall_ms();
        self.latest_ms.load(Ordering::Relaxed)
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> u64 {
        let now = EPOCH_MS + self.elapsed_ms() as i64 + self.offset_ms.load(Ordering::Relaxed);
        let now = u64::try_from(now).unwrap_or(0);
        self.latest_ms.fetch_max(now, Ordering::Relaxed);
        now
    }

    fn monotonic_ms(&self) -> u64 {
        self.elapsed_ms()
    }
}
