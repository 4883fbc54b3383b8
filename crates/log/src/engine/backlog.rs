//! Log files that take no more batches and whose records are not in segments yet.
//!
//! Segments are written when the log rests. While it is busy its sealed files are left alone up to a bound, so that a burst has
//! the disk to itself; beyond the bound the oldest are written out, and beyond a second one the writer waits.

use crate::log::Options;
use crate::state::State;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A log is busy that fills a file within so long: it writes more than 64 MB a second into files of the full size.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// So many files are written to segments together: more would keep the ones that are done from being used again.
const TOGETHER: usize = 4;

/// A log file that takes no more batches.
pub(crate) struct Sealed {
    /// Its last batch.
    pub(crate) upto: u64,
    /// What it takes in memory to find its records.
    pub(crate) index_bytes: usize,
}

/// The files whose records are to be written to segments now.
pub(crate) struct Due {
    files: usize,
    /// Their last batch.
    pub(crate) sealed_upto: u64,
    /// The state after a batch behind them.
    pub(crate) state: State,
}

#[derive(Default)]
struct Waiting {
    /// In the order of their batches.
    files: VecDeque<Sealed>,
    index_bytes: usize,
    /// The state after a batch behind them.
    state: Option<State>,
    /// When the last two files were sealed. One alone says nothing: the first of a new log is a small one.
    sealed_ms: [Option<u64>; 2],
    /// So many may be left alone while the log is busy.
    may_wait: usize,
    /// The last attempt to write segments failed: waiting for it would help nobody.
    is_stuck: bool,
}

pub(crate) struct Backlog {
    bound_files: usize,
    bound_index_bytes: usize,
    waiting: Mutex<Waiting>,
    shrank: Condvar,
}

impl Backlog {
    /// With the files that a start found, and the state after all of them.
    pub(crate) fn new(options: &Options, found: Vec<Sealed>, state: &State) -> Self {
        let waiting = Waiting {
            index_bytes: found.iter().map(|file| file.index_bytes).sum(),
            state: (!found.is_empty()).then(|| state.clone()),
            files: found.into(),
            ..Waiting::default()
        };
        Self {
            bound_files: options.backlog_files as usize,
            bound_index_bytes: options.index_bytes / 2,
            waiting: Mutex::new(waiting),
            shrank: Condvar::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log file takes no more; `state` holds after a batch behind it.
    pub(crate) fn push(&self, file: Sealed, state: State, now_ms: u64) {
        let mut waiting = self.waiting();
        waiting.index_bytes += file.index_bytes;
        waiting.files.push_back(file);
        waiting.state = Some(state);
        waiting.sealed_ms = [waiting.sealed_ms[1], Some(now_ms)];
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().files.is_empty()
    }

    /// Whether files wait for no other reason than that the log is busy.
    pub(crate) fn is_left_alone(&self) -> bool {
        let waiting = self.waiting();
        !waiting.files.is_empty() && !waiting.is_stuck
    }

    /// Whether the log writes so much that segments had better wait.
    pub(crate) fn is_log_busy(&self, now_ms: u64) -> bool {
        self.waiting().is_log_busy(now_ms)
    }

    /// What is to be written to segments now, if anything is; `may_wait` files need not be while the log is busy.
    pub(crate) fn due(&self, may_wait: usize, now_ms: u64) -> Option<Due> {
        let mut waiting = self.waiting();
        waiting.may_wait = may_wait;
        let beyond = waiting.files.len().saturating_sub(may_wait);
        // A fourth of the whole index, which is what one file may take.
        let is_index_large = waiting.index_bytes > self.bound_index_bytes / 2;
        let files = if is_index_large || waiting.is_stuck || !waiting.is_log_busy(now_ms) {
            waiting.files.len().min(TOGETHER)
        } else {
            beyond.min(TOGETHER)
        };
        let last = waiting.files.get(files.checked_sub(1)?)?;
        Some(Due { files, sealed_upto: last.upto, state: waiting.state.clone()? })
    }

    /// Segments hold the records of these files now.
    pub(crate) fn written(&self, due: &Due) {
        let mut waiting = self.waiting();
        waiting.is_stuck = false;
        let freed: usize = waiting.files.drain(..due.files).map(|file| file.index_bytes).sum();
        waiting.index_bytes -= freed;
        if waiting.files.is_empty() {
            waiting.state = None;
        }
        drop(waiting);
        self.shrank.notify_all();
    }

    /// Segments cannot be written at the moment.
    pub(crate) fn failed(&self) {
        self.waiting().is_stuck = true;
        self.shrank.notify_all();
    }

    /// Whether too many files wait and nothing is being done about it: the disk is full, say.
    pub(crate) fn is_stuck(&self) -> bool {
        let waiting = self.waiting();
        waiting.is_stuck && self.is_long(&waiting)
    }

    fn is_long(&self, waiting: &Waiting) -> bool {
        waiting.files.len() > self.bound_files + waiting.may_wait || waiting.index_bytes > self.bound_index_bytes
    }

    fn holds_writer(&self, waiting: &Waiting) -> bool {
        self.is_long(waiting) && !waiting.is_stuck
    }

    /// Whether [`Self::wait`] would wait.
    pub(crate) fn would_wait(&self) -> bool {
        self.holds_writer(&self.waiting())
    }

    /// Waits while too many files wait for their segments, unless that is stuck. What producers send meanwhile waits in the
    /// queue, up to its bound: so the slower of log and segments sets the pace.
    pub(crate) fn wait(&self) {
        drop(self.shrank.wait_while(self.waiting(), |waiting| self.holds_writer(waiting)));
    }
}

impl Waiting {
    fn is_log_busy(&self, now_ms: u64) -> bool {
        let [Some(before_ms), Some(last_ms)] = self.sealed_ms else { return false };
        let is_short = |from_ms, to_ms: u64| u128::from(to_ms.saturating_sub(from_ms)) < REST.as_millis();
        is_short(before_ms, last_ms) && is_short(last_ms, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: fn() -> Options = || Options { backlog_files: 2, index_bytes: 800, ..Options::default() };

    /// A log that has sealed so many files, one a millisecond, the last at 3000 ms.
    fn busy(count: u64, index_bytes: usize) -> Backlog {
        let backlog = Backlog::new(&OPTIONS(), Vec::new(), &State::default());
        (1..=count).for_each(|upto| backlog.push(Sealed { upto, index_bytes }, State::default(), 3000 - count + upto));
        backlog
    }

    fn due(backlog: &Backlog, may_wait: usize, now_ms: u64) -> Option<u64> {
        backlog.due(may_wait, now_ms).map(|due| due.sealed_upto)
    }

    #[test]
    fn a_busy_log_has_its_files_left_alone_and_a_resting_one_has_not() {
        let backlog = busy(6, 1);
        assert_eq!(due(&backlog, 6, 3999), None);
        assert_eq!(due(&backlog, 5, 3999), Some(1), "only what is beyond the bound");
        assert_eq!(due(&backlog, 6, 4000), Some(4), "the oldest, a few at a time");
        assert_eq!(due(&backlog, 0, 3000), Some(4), "nothing may wait");
        backlog.written(&backlog.due(6, 4000).expect("due"));
        assert_eq!(due(&backlog, 6, 4000), Some(6));
        backlog.written(&backlog.due(6, 4000).expect("due"));
        assert_eq!(due(&backlog, 0, 9000), None);
    }

    #[test]
    fn a_file_that_took_long_to_fill_is_written_at_once() {
        let backlog = Backlog::new(&OPTIONS(), Vec::new(), &State::default());
        for (upto, now_ms, expected) in [(1, 2000, Some(1)), (2, 2999, None), (3, 3999, Some(3))] {
            backlog.push(Sealed { upto, index_bytes: 1 }, State::default(), now_ms);
            assert_eq!(due(&backlog, 9, now_ms), expected, "{upto}");
        }
    }

    #[test]
    fn what_a_start_finds_is_written_at_once() {
        let found = vec![Sealed { upto: 7, index_bytes: 0 }, Sealed { upto: 9, index_bytes: 0 }];
        let backlog = Backlog::new(&OPTIONS(), found, &State::default());
        assert_eq!(due(&backlog, 99, 0), Some(9));
    }

    #[test]
    fn an_index_that_grows_too_large_does_not_wait() {
        assert_eq!(due(&busy(2, 100), 9, 3000), None);
        assert_eq!(due(&busy(2, 101), 9, 3000), Some(2));
    }

    #[test]
    fn the_writer_waits_only_for_what_is_being_done() {
        let backlog = busy(5, 1);
        assert!(backlog.would_wait());
        assert_eq!(due(&backlog, 3, 3000), Some(2));
        assert!(!backlog.would_wait(), "three may wait and two more are on their way");
        backlog.push(Sealed { upto: 6, index_bytes: 1 }, State::default(), 3000);
        assert!(backlog.would_wait() && !backlog.is_stuck());
        backlog.failed();
        assert!(!backlog.would_wait() && backlog.is_stuck());
        assert_eq!(due(&backlog, 9, 3000), Some(4), "what failed is tried again");
        backlog.written(&backlog.due(9, 3000).expect("due"));
        assert!(!backlog.would_wait() && !backlog.is_stuck());
    }
}
