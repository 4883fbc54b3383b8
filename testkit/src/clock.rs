//! Time that a test can move.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rheos_types::{Clock, SystemClock};

/// The real time, and what has been added to it. So waits that are real still end, and nobody has to wait for hours.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    real: SystemClock,
    added_ms: Arc<AtomicU64>,
    /// The real times, wall and monotonic, at which it was stopped.
    stopped: Arc<OnceLock<(u64, u64)>>,
}

impl TestClock {
    /// Moves both clocks on.
    pub fn advance(&self, ms: u64) {
        self.added_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl TestClock {
    /// Stops time for good, but for what [`Self::advance`] adds: for tests of what may happen within a second. What
    /// waits for real time (a client, a socket) still gets it.
    pub fn stop(&self) {
        self.stopped.get_or_init(|| (self.real.wall_ms(), self.real.monotonic_ms()));
    }
}

impl Clock for TestClock {
    fn wall_ms(&self) -> u64 {
        self.stopped.get().map_or_else(|| self.real.wall_ms(), |stopped| stopped.0)
            + self.added_ms.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.stopped.get().map_or_else(|| self.real.monotonic_ms(), |stopped| stopped.1)
            + self.added_ms.load(Ordering::Relaxed)
    }
}
