//! What waits for the writer. Bounded in bytes; beyond the bound callers are turned away, so that a flood is throttled
//! and memory is not the limit.

use crate::change::{Change, Conflict, Transaction};
use crate::log::{Appended, LogError};
use crate::record::Run;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A batch takes submissions up to this many bytes, or one that is larger.
const BATCH_BYTES: usize = 8 << 20;
/// What a submission costs beside its bytes.
const OVERHEAD_BYTES: usize = 256;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// Something to be sequenced.
pub(crate) enum Submission {
    Append { runs: Vec<Run>, reply: Reply<Appended> },
    Commit { transactions: Vec<Transaction>, reply: Reply<Vec<Result<u64, Conflict>>> },
}

impl Submission {
    fn bytes(&self) -> usize {
        OVERHEAD_BYTES
            + match self {
                Self::Append { runs, .. } => runs.iter().map(|run| run.bytes().len() + 64).sum::<usize>(),
                Self::Commit { transactions, .. } => transactions.iter().map(transaction_bytes).sum::<usize>(),
            }
    }
}

/// What a transaction takes in a batch, rounded up.
pub(crate) fn transaction_bytes(transaction: &Transaction) -> usize {
    let changes = transaction.changes.iter().map(|change| match change {
        Change::Put { key, value } => 64 + key.as_str().len() + value.len(),
        Change::Delete { key } => 64 + key.as_str().len(),
        _ => 64,
    });
    changes.sum()
}

#[derive(Default)]
struct Waiting {
    submissions: VecDeque<(Submission, usize)>,
    bytes: usize,
    closed: bool,
}

pub(crate) struct Queue {
    bound_bytes: usize,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

/// What the writer finds.
pub(crate) enum Turn {
    Work(Vec<Submission>),
    /// Nothing came for a while.
    Idle,
    /// Nothing comes any more, and everything was taken.
    Closed,
}

impl Queue {
    pub(crate) fn new(bound_bytes: usize) -> Self {
        Self { bound_bytes, waiting: Mutex::default(), arrived: Condvar::new() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a submission in line, or says why not: then nothing of it happens.
    pub(crate) fn push(&self, submission: Submission) -> Result<(), LogError> {
        let bytes = submission.bytes();
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(LogError::Stopped);
        }
        if waiting.bytes > 0 && waiting.bytes + bytes > self.bound_bytes {
            return Err(LogError::Overloaded);
        }
        waiting.bytes += bytes;
        waiting.submissions.push_back((submission, bytes));
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Whether something waits, and whether nothing more may come.
    pub(crate) fn state(&self) -> (bool, bool) {
        let waiting = self.waiting();
        (!waiting.submissions.is_empty(), waiting.closed)
    }

    /// What goes into the next batch; waits up to `patience` for something to come.
    pub(crate) fn take(&self, patience: Duration) -> Turn {
        let mut waiting = self.waiting();
        if waiting.submissions.is_empty() && !waiting.closed {
            let outcome = self
                .arrived
                .wait_timeout_while(waiting, patience, |waiting| waiting.submissions.is_empty() && !waiting.closed);
            waiting = outcome.unwrap_or_else(PoisonError::into_inner).0;
        }
        if waiting.submissions.is_empty() {
            return if waiting.closed { Turn::Closed } else { Turn::Idle };
        }
        let mut taken = Vec::new();
        let mut total = 0;
        while let Some((_, bytes)) = waiting.submissions.front() {
            if total > 0 && total + bytes > BATCH_BYTES {
                break;
            }
            let Some((submission, bytes)) = waiting.submissions.pop_front() else { break };
            total += bytes;
            taken.push(submission);
        }
        waiting.bytes -= total;
        Turn::Work(taken)
    }

    /// Takes no more submissions; what is in line is still done.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.arrived.notify_all();
    }

    /// Takes no more submissions and drops what is in line: after a failure nothing may be done any more.
    pub(crate) fn fail(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.submissions.clear();
        drop(waiting);
        self.arrived.notify_all();
    }
}
