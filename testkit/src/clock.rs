//! Time that a test can move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rheos_types::{Clock, SystemClock};

/// The real time, and what has been added to it. So waits that are real still end, and nobody has to wait for hours.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    real: SystemClock,
    added_ms: Arc<AtomicU64>,
}

impl TestClock {
    /// Moves both clocks on.
    pub fn advance(&self, ms: u64) {
        self.added_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn wall_ms(&self) -> u64 {
        self.real.wall_ms() + self.added_ms.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.real.monotonic_ms() + self.added_ms.load(Ordering::Relaxed)
    }
}
