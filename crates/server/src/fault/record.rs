//! Faults in our own log: a client's mistake quietly, ours aloud and with its whole chain, but never so many that the log
//! becomes a fault of its own (a full disk fails every put there is).

use std::error::Error;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use super::chain;

/// Faults of ours that are told in one second.
const LOUD: u32 = 10;

/// What is told of a fault.
pub(crate) struct Told<'f> {
    /// Whether it is the caller's mistake.
    pub(crate) is_callers: bool,
    pub(crate) error: &'f dyn Display,
    pub(crate) cause: Option<&'f (dyn Error + Send + Sync)>,
}

/// Writes faults to our log.
#[derive(Debug, Default)]
pub(crate) struct FaultLog(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    second: u64,
    faults: u32,
}

impl FaultLog {
    /// Writes down a fault of an operation that happened at `now_ms`.
    pub(crate) fn note(&self, fault: &Told<'_>, operation: &str, request_id: &str, now_ms: u64) {
        let error = fault.error;
        if fault.is_callers {
            tracing::debug!(operation, request_id, %error, "refused");
            return;
        }
        let (is_loud, untold) = self.count(now_ms / 1000);
        if untold > 0 {
            tracing::error!(untold, "failed as often again, untold");
        }
        if is_loud {
            let cause = fault.cause.map(chain).unwrap_or_default();
            tracing::error!(operation, request_id, %error, cause, "failed");
        }
    }

    /// Whether this fault is to be told, and how many before it were not.
    fn count(&self, second: u64) -> (bool, u32) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut untold = 0;
        if current.second != second {
            untold = current.faults.saturating_sub(LOUD);
            *current = Second { second, faults: 0 };
        }
        current.faults = current.faults.saturating_add(1);
        (current.faults <= LOUD, untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_are_told_and_the_rest_are_counted() {
        let log = FaultLog::default();
        let told = (0..25).filter(|_| log.count(7).0).count();
        assert_eq!(told, 10);
        assert_eq!(log.count(8), (true, 15));
        assert_eq!(log.count(8), (true, 0));
    }
}
