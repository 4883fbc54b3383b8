//! Time that a test can move.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rheos_types::{Clock, SystemClock};

/// The real time, and what has been added to it. So waits that are real still end, and nobody has to wait for hours.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    real: SystemClock,
    /// How long ago the wall clock is.
    behind_ms: u64,
    added_ms: Arc<AtomicU64>,
    /// The real times, wall and monotonic, at which it was stopped.
    stopped: Arc<OnceLock<(u64, u64)>>,
}

impl TestClock {
    /// A clock whose wall time begins at `wall_ms`, in the past: for data that must not be older than it was made to be.
    #[must_use]
    pub fn starting_at(wall_ms: u64) -> Self {
        let real = SystemClock::default();
        Self { behind_ms: real.wall_ms().saturating_sub(wall_ms), real, ..Self::default() }
    }

    /// Moves both clocks on.
    pub fn advance(&self, ms: u64) {
        self.added_ms.fetch_add(ms, Ordering::Relaxed);
    }

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
            - self.behind_ms
    }

    fn monotonic_ms(&self) -> u64 {
        self.stopped.get().map_or_else(|| self.real.monotonic_ms(), |stopped| stopped.1)
            + self.added_ms.load(Ordering::Relaxed)
    }
}
