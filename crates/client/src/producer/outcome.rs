//! What becomes of a record: whether it was accepted, and then whether and where it was written.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// Why a record was not accepted. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No stream would take it.
    #[error("not a record: {0}")]
    Invalid(String),
    /// As many bytes are outstanding as may be. Only `try_put` says so; `put` waits.
    #[error("the producer is full: wait, or use put, which does")]
    Full,
    /// The producer was closed, or what drives it has ended.
    #[error("the producer is closed")]
    Closed,
}

/// The outcome of an accepted record.
pub type Outcome = Result<Written, Unwritten>;

/// Kinesis has the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its shard.
    pub shard_id: Arc<str>,
    /// The sequence number of the record of Kinesis that holds it.
    pub sequence_number: Arc<str>,
    /// Its place in an aggregated record; nothing if it travelled alone.
    pub sub_sequence_number: Option<u64>,
    /// The attempts before, which failed. If one of them may have been carried out all the same, so that the record may be there twice,
    /// [`Self::may_be_there_twice`] says so.
    pub failed_attempts: Vec<Attempt>,
    /// Whether an earlier attempt ended without an answer, or in a shard where not every reader looks for it.
    pub may_be_there_twice: bool,
}

/// The record was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", if *.may_have_been_written { "; it may have been written all the same" } else { "" })]
pub struct Unwritten {
    /// Why.
    pub reason: Reason,
    /// Whether an attempt ended without an answer. Else it is certain that the record was not written.
    pub may_have_been_written: bool,
    /// All attempts; of very many the last.
    pub attempts: Vec<Attempt>,
}

/// Why a record was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its time had run out (`record_ttl_ms`).
    #[error("it could not be written in time")]
    Expired,
    /// It was throttled, and is not to be tried again then (`fail_if_throttled`).
    #[error("it was throttled")]
    Throttled,
    /// The service refuses it and would refuse it again.
    #[error("{code}: {message}")]
    Refused {
        /// The error's code.
        code: Arc<str>,
        /// The error's text.
        message: Arc<str>,
    },
    /// What drives the producer ended before it was done.
    #[error("the producer ended before the record was written")]
    Abandoned,
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From the record's acceptance to the beginning of the call.
    pub delay_ms: u64,
    /// From there to its end.
    pub duration_ms: u64,
    /// The error's code. `Wrong Shard` is ours: it was written where a reader that follows the KCL does not accept it.
    pub code: Arc<str>,
    /// The error's text.
    pub message: Arc<str>,
}

/// The outcome of a record, some time. Whoever does not want to know drops it; the record is written all the same.
#[derive(Debug)]
#[must_use = "the outcome says whether the record was written"]
pub struct Pending(pub(super) oneshot::Receiver<Outcome>);

impl Future for Pending {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.0).poll(context).map(|answer| {
            let abandoned = Unwritten { reason: Reason::Abandoned, may_have_been_written: true, attempts: Vec::new() };
            answer.unwrap_or(Err(abandoned))
        })
    }
}
