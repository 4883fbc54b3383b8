//! How far apart the events of a subscription are.
//!
//! The more subscriptions there are, the more records ride in each event: waking one for every batch of the log would cost
//! producers more than the records do. Whoever has caught up is told within some tens of milliseconds at the latest, as
//! with the service. Whoever is behind is given more as fast as the connection takes it, unless the machine has no time left:
//! then subscribers together get a share of what producers write, so that they cannot take the machine from those.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Subscriptions for which events are kept apart by one millisecond more.
const PER_MS: u64 = 4;
/// The most that events are kept apart while the machine has time.
const LONGEST_MS: u64 = 50;
/// A timer that goes off this late, on the average, says that the machine has no time left.
const LATE_MS: u64 = 3;
/// One that is later than this says that its reader does not read.
const LATEST_MS: u64 = 20;
/// Timers over which the average goes.
const TIMERS: u64 = 16;
/// Of this many bytes written, as many are given to subscribers as [`GIVEN`] says.
const WRITTEN: u64 = 4;
/// See [`WRITTEN`]. Giving a byte costs about as much as taking one, so that producers keep more than half.
const GIVEN: u64 = 3;
/// What subscribers get however little is written.
const LEAST_BYTES_PER_S: u64 = 64 << 20;
/// How often the rate of writing is looked at.
const LOOK_MS: u64 = 200;

/// What is known of the machine.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How late timers are, times [`TIMERS`].
    late: AtomicU64,
    written: Mutex<Written>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Written {
    at_ms: u64,
    bytes: u64,
    per_s: u64,
}

impl Pace {
    /// A timer went off so late.
    pub(super) fn timer_was_late(&self, late_ms: u64) {
        let average = self.late.load(Ordering::Relaxed);
        // Two at a time may lose one of them, which does not matter.
        self.late.store(average - average / TIMERS + late_ms.min(LATEST_MS), Ordering::Relaxed);
    }

    /// How long a subscription pauses that is one of `active` and has been given `bytes`. Producers have written
    /// `written_bytes` since the start.
    pub(super) fn pause_ms(&self, active: u64, bytes: u64, is_behind: bool, written_bytes: u64, now_ms: u64) -> u64 {
        let pause_ms = (active / PER_MS).min(LONGEST_MS);
        if !is_behind {
            return pause_ms;
        }
        if self.late.load(Ordering::Relaxed) < LATE_MS * TIMERS {
            return pause_ms / 4;
        }
        let all_per_s = (self.written_per_s(written_bytes, now_ms) / WRITTEN * GIVEN).max(LEAST_BYTES_PER_S);
        (bytes.saturating_mul(active).saturating_mul(1000) / all_per_s).max(pause_ms / 4)
    }

    fn written_per_s(&self, bytes: u64, now_ms: u64) -> u64 {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed_ms = now_ms.saturating_sub(written.at_ms);
        if elapsed_ms >= LOOK_MS {
            let per_s = bytes.saturating_sub(written.bytes).saturating_mul(1000) / elapsed_ms;
            *written = Written { at_ms: now_ms, bytes, per_s };
        }
        written.per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_few_subscriptions_are_hardly_held_up_and_many_are_told_at_intervals() {
        let pace = Pace::default();
        assert_eq!(pace.pause_ms(1, MIB, false, 0, 0), 0);
        assert_eq!(pace.pause_ms(4, MIB, false, 0, 0), 1);
        assert_eq!(pace.pause_ms(10_000, MIB, false, 0, 0), LONGEST_MS);
        assert_eq!(pace.pause_ms(200, MIB, true, 0, 0), 12, "whoever is behind catches up");
    }

    #[test]
    fn on_a_machine_without_time_subscribers_get_a_share_of_what_is_written() {
        let pace = Pace::default();
        (0..100).for_each(|_| pace.timer_was_late(5));
        let first = pace.pause_ms(200, MIB, true, 0, 1_000);
        assert_eq!(first, 200 * 1000 / 64, "nothing is known to be written: the least");
        // 200 MiB a second are written; 150 are for 200 subscriptions.
        let pause_ms = pace.pause_ms(200, MIB, true, 200 * MIB, 2_000);
        assert_eq!(pause_ms, 200 * 1000 / 150);
        assert_eq!(pace.pause_ms(200, MIB, true, 210 * MIB, 2_100), pause_ms, "not looked at again so soon");
        (0..100).for_each(|_| pace.timer_was_late(0));
        assert_eq!(pace.pause_ms(200, MIB, true, 400 * MIB, 3_000), 12);
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_taken_for_a_slow_machine_for_long() {
        let pace = Pace::default();
        pace.timer_was_late(60_000);
        assert_eq!(pace.pause_ms(200, MIB, true, 0, 1_000), 12);
    }
}
