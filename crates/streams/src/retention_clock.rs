//! The clock that decides what is too old to keep.
//!
//! A wall clock that is set ahead by mistake would have everything deleted. So deletion trusts wall time only as far as
//! monotonic time, which nobody sets, has come along; when the wall clock runs away, deletion pauses. A jump that has
//! stood for an hour is believed: it was the mistake before that was put right, or the machine slept (monotonic time
//! does not count sleep).

/// How far wall time may run ahead before it is not believed.
const SLACK_MS: u64 = 60_000;
/// How long it must have done so before it is.
const BELIEVED_AFTER_MS: u64 = 3_600_000;

/// Wall time that is never far ahead of what monotonic time vouches for.
#[derive(Debug)]
pub(crate) struct RetentionClock {
    wall_ms: u64,
    monotonic_ms: u64,
    /// Since when (monotonic) the wall clock has been too far ahead.
    ahead_since: Option<u64>,
}

impl RetentionClock {
    pub(crate) fn new(wall_ms: u64, monotonic_ms: u64) -> Self {
        Self { wall_ms, monotonic_ms, ahead_since: None }
    }

    /// The time to judge age by, given what the clocks say.
    pub(crate) fn now(&mut self, wall_ms: u64, monotonic_ms: u64) -> u64 {
        let elapsed = monotonic_ms.saturating_sub(self.monotonic_ms);
        let vouched_for = self.wall_ms.saturating_add(elapsed).saturating_add(SLACK_MS);
        if wall_ms <= vouched_for {
            self.ahead_since = None;
            return wall_ms;
        }
        let since = *self.ahead_since.get_or_insert(monotonic_ms);
        if monotonic_ms.saturating_sub(since) < BELIEVED_AFTER_MS {
            return vouched_for;
        }
        *self = Self::new(wall_ms, monotonic_ms);
        wall_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn follows_a_sane_clock_and_one_that_is_set_back() {
        let mut clock = RetentionClock::new(10 * DAY, 5);
        assert_eq!(clock.now(10 * DAY + 1000, 1005), 10 * DAY + 1000);
        assert_eq!(clock.now(9 * DAY, 2005), 9 * DAY);
    }

    #[test]
    fn pauses_when_the_wall_runs_away_and_goes_on_when_it_comes_back() {
        let mut clock = RetentionClock::new(10 * DAY, 0);
        assert_eq!(clock.now(400 * DAY, 1000), 10 * DAY + 1000 + SLACK_MS);
        assert_eq!(clock.now(10 * DAY + 2000, 2000), 10 * DAY + 2000);
    }

    #[test]
    fn believes_a_jump_that_has_stood_for_an_hour() {
        let mut clock = RetentionClock::new(10 * DAY, 0);
        assert!(clock.now(11 * DAY, 1000) < 10 * DAY + 2 * SLACK_MS);
        assert!(clock.now(11 * DAY + 3_000_000, 3_000_000) < 11 * DAY);
        assert_eq!(clock.now(11 * DAY + 3_601_000, 3_601_000), 11 * DAY + 3_601_000);
        assert_eq!(clock.now(11 * DAY + 3_602_000, 3_602_000), 11 * DAY + 3_602_000);
    }
}
