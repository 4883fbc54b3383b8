//! When a thing was done lately: for limits of so many times in a rolling window (`reference/api.md` §13: UpdateShardCount
//! 10 in 24 hours, UpdateStreamMode 2, changes of encryption 25 each).
//!
//! Whoever has such a limit keeps a [`History`] as a field of the stream's record (`#[serde(default)]`), asks
//! [`History::allows`] with the number from [`rheos_types::limits::Limits`] before it does the thing, and puts
//! [`History::with`] into the record that it commits. So the count survives a restart, and what was refused or failed
//! does not count.

use serde::{Deserialize, Serialize};

/// The window of all these limits.
const WINDOW_MS: u64 = 24 * 3_600_000;
/// How many times are remembered: no limit can be higher.
const REMEMBERED: usize = rheos_types::limits::HIGHEST_PER_DAY;

/// The times (epoch milliseconds) at which a thing was done in the last 24 hours, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct History(Vec<u64>);

impl History {
    /// Whether the thing may be done once more at `now_ms`, if it may be done `limit` times in 24 hours. `None` is no
    /// limit.
    pub(crate) fn allows(&self, limit: Option<u32>, now_ms: u64) -> bool {
        limit.is_none_or(|limit| self.recent(now_ms).count() < limit as usize)
    }

    /// The history once the thing has been done at `now_ms`.
    #[must_use]
    pub(crate) fn with(&self, now_ms: u64) -> Self {
        let mut times: Vec<u64> = self.recent(now_ms).chain([now_ms]).collect();
        times.drain(..times.len().saturating_sub(REMEMBERED));
        Self(times)
    }

    /// What counts at `now_ms`. A time that lies ahead was noted before the clock was set back: it was a moment ago.
    fn recent(&self, now_ms: u64) -> impl Iterator<Item = u64> {
        self.0.iter().map(move |time_ms| (*time_ms).min(now_ms)).filter(move |ms| now_ms - ms < WINDOW_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_times_in_any_24_hours() {
        let start = 1_700_000_000_000;
        let mut history = History::default();
        assert!(!history.allows(Some(0), start));
        for ms in [0, 10] {
            assert!(history.allows(Some(2), start + ms));
            history = history.with(start + ms);
        }
        assert!(!history.allows(Some(2), start + 20));
        assert!(history.allows(None, start + 20) && history.allows(Some(3), start + 20));
        assert!(!history.allows(Some(2), start + WINDOW_MS - 1));
        assert!(history.allows(Some(2), start + WINDOW_MS), "the first has left the window");
        history = history.with(start + WINDOW_MS);
        assert!(!history.allows(Some(2), start + WINDOW_MS));
        assert_eq!(history, History(vec![start + 10, start + WINDOW_MS]));
    }

    #[test]
    fn it_does_not_grow_and_a_clock_that_was_set_back_frees_nothing_and_blocks_for_no_longer() {
        let mut history = History::default();
        (0..1000).for_each(|ms| history = history.with(5000 + ms));
        assert_eq!(history.0.len(), REMEMBERED);
        assert!(!history.allows(Some(64), 1000));
        let history = history.with(1000);
        assert!(history.allows(Some(1), 1000 + WINDOW_MS));
    }
}
