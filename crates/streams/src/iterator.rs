//! GetShardIterator: five ways to say where to begin, each turned into a position when the iterator is made, and for
//! good. The iterator holds that position; it can be used again until it expires.

use crate::facts::{RateExceeded, ShardIdInvalid, ShardNotFound};
use crate::open::Streams;
use crate::view::{ShardView, StreamView};
use rheos_types::limits::{Call, TOKEN_LIFE_MS};
use rheos_types::token::ShardIterator;
use rheos_types::{Namespace, SequenceNumber, ShardId, StreamName};
use std::sync::Arc;

/// Where an iterator begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IteratorKind {
    /// The oldest record that is kept.
    TrimHorizon,
    /// After the newest record there is now.
    Latest,
    /// The record of a sequence number.
    AtSequenceNumber,
    /// The one after it.
    AfterSequenceNumber,
    /// The first record that arrived at a time or later.
    AtTimestamp,
}

impl IteratorKind {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::AtSequenceNumber => "AT_SEQUENCE_NUMBER",
            Self::AfterSequenceNumber => "AFTER_SEQUENCE_NUMBER",
            Self::AtTimestamp => "AT_TIMESTAMP",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IteratorRequest<'a> {
    /// The shard.
    pub shard: &'a str,
    /// Where to begin.
    pub kind: IteratorKind,
    /// For the two kinds that need it.
    pub sequence_number: Option<&'a str>,
    /// For the kind that needs it, in epoch milliseconds.
    pub timestamp_ms: Option<u64>,
}

/// Why there is no iterator.
#[derive(Debug, thiserror::Error)]
pub enum IteratorError {
    /// This cannot be read as a shard id.
    #[error(transparent)]
    ShardId(#[from] ShardIdInvalid),
    /// There is no such shard or stream, or it is not in service.
    #[error(transparent)]
    NotFound(#[from] ShardNotFound),
    /// A sequence number was given where none belongs, or none where one does.
    #[error("{} and sequence number given: {given}", kind.as_str())]
    SequenceMismatch {
        /// The kind asked for.
        kind: IteratorKind,
        /// Whether a sequence number was given.
        given: bool,
    },
    /// The sequence number is not one.
    #[error("{value:?} is no sequence number of {shard}")]
    SequenceInvalid {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: ShardId,
        /// The sequence number as it was given.
        value: String,
    },
    /// The sequence number is of another stream, or of one that had this name before.
    #[error("{value:?} is of another stream")]
    OtherStream {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: ShardId,
        /// The sequence number as it was given.
        value: String,
    },
    /// The sequence number is of another shard.
    #[error("a sequence number of {encoded} was used with {shard}")]
    OtherShard {
        /// The shard that it is of.
        encoded: ShardId,
        /// The shard it was used with.
        shard: ShardId,
    },
    /// A time is needed and none was given.
    #[error("no timestamp")]
    NoTimestamp,
    /// The time lies in the future.
    #[error("timestamp {timestamp_ms} is after now, {now_ms}")]
    FutureTimestamp {
        /// The time given.
        timestamp_ms: u64,
        /// The time it is.
        now_ms: u64,
    },
    /// Iterators of the shard were asked for too often.
    #[error(transparent)]
    Throttled(#[from] RateExceeded),
    /// The log could not find the time's position.
    #[error(transparent)]
    Read(#[from] rheos_log::ReadError),
}

/// Why an iterator is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenIteratorError {
    /// It was not made here.
    #[error("the iterator was not made here")]
    Invalid,
    /// It is older than its life.
    #[error("the iterator of {issued_ms} has expired by {now_ms}")]
    Expired {
        /// When it was made.
        issued_ms: u64,
        /// When it was used.
        now_ms: u64,
    },
}

impl Streams {
    /// Makes an iterator.
    ///
    /// # Errors
    /// [`IteratorError`].
    pub async fn get_shard_iterator(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        request: IteratorRequest<'_>,
    ) -> Result<String, IteratorError> {
        let (view, shard) = self.shard_to_read(namespace, name, request.shard)?;
        let start = self.start(&view, &shard, &request)?;
        let per_s = view.limits.calls_per_s.of(Call::GetShardIterator);
        if !shard.memory.buckets.calls.take(Call::GetShardIterator, per_s, self.clock.monotonic_ms()) {
            return Err(RateExceeded { namespace: namespace.clone(), stream: name.clone(), shard: shard.id }.into());
        }
        let position = self.find(&shard, start).await?;
        Ok(self.seal_iterator(&view, &shard, position, false))
    }

    /// The shard that a reader names.
    pub(crate) fn shard_to_read(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        shard: &str,
    ) -> Result<(Arc<StreamView>, Arc<ShardView>), IteratorError> {
        let id = ShardId::parse(shard).ok_or_else(|| ShardIdInvalid {
            namespace: namespace.clone(),
            stream: name.clone(),
            shard: shard.to_owned(),
        })?;
        let not_found = || ShardNotFound { namespace: namespace.clone(), stream: name.clone(), shard: id };
        let view = self.serving(namespace, name).map_err(|_| not_found())?;
        let shard = view.shard(id).ok_or_else(not_found)?.clone();
        Ok((view, shard))
    }

    /// The position at which a reader begins.
    pub(crate) async fn start_position(
        &self,
        view: &StreamView,
        shard: &ShardView,
        request: &IteratorRequest<'_>,
    ) -> Result<u64, IteratorError> {
        self.find(shard, self.start(view, shard, request)?).await
    }

    async fn find(&self, shard: &ShardView, start: Start) -> Result<u64, IteratorError> {
        match start {
            Start::At(position) => Ok(position),
            Start::From(timestamp_ms) => Ok(self.log.position_at(shard.record.key, timestamp_ms).await?),
        }
    }

    /// Checks where a reader wants to begin.
    fn start(
        &self,
        view: &StreamView,
        shard: &ShardView,
        request: &IteratorRequest<'_>,
    ) -> Result<Start, IteratorError> {
        let not_found =
            || ShardNotFound { namespace: view.namespace.clone(), stream: view.name.clone(), shard: shard.id };
        let state = self.log.shard(shard.record.key).ok_or_else(not_found)?;
        Ok(match request.kind {
            IteratorKind::TrimHorizon | IteratorKind::Latest if request.sequence_number.is_some() => {
                return Err(IteratorError::SequenceMismatch { kind: request.kind, given: true });
            }
            IteratorKind::TrimHorizon => Start::At(state.first),
            IteratorKind::Latest => Start::At(state.next),
            IteratorKind::AtSequenceNumber | IteratorKind::AfterSequenceNumber => {
                let Some(value) = request.sequence_number else {
                    return Err(IteratorError::SequenceMismatch { kind: request.kind, given: false });
                };
                // A number beyond the end (the shard's ending number above all) stands for the end.
                Start::At(sequence_position(view, shard, request.kind, value)?.min(state.next))
            }
            IteratorKind::AtTimestamp => {
                let timestamp_ms = request.timestamp_ms.ok_or(IteratorError::NoTimestamp)?;
                let now_ms = self.clock.wall_ms();
                if timestamp_ms > now_ms {
                    return Err(IteratorError::FutureTimestamp { timestamp_ms, now_ms });
                }
                Start::From(timestamp_ms)
            }
        })
    }

    /// Opens an iterator: the caller may then see what it reads.
    ///
    /// # Errors
    /// [`OpenIteratorError`] if it is not one of ours, or too old.
    pub fn open_iterator(&self, text: &str) -> Result<ShardIterator, OpenIteratorError> {
        let iterator = self.sealer.open_iterator(text).map_err(|_| OpenIteratorError::Invalid)?;
        let (issued_ms, now_ms) = (iterator.issued_ms, self.clock.wall_ms());
        // One from the future was made here all the same, before the clock was set back; not by more than its own life.
        if issued_ms.saturating_sub(now_ms) > TOKEN_LIFE_MS {
            return Err(OpenIteratorError::Invalid);
        }
        if now_ms.saturating_sub(issued_ms) > TOKEN_LIFE_MS {
            return Err(OpenIteratorError::Expired { issued_ms, now_ms });
        }
        Ok(iterator)
    }

    pub(crate) fn seal_iterator(&self, view: &StreamView, shard: &ShardView, position: u64, at_tip: bool) -> String {
        let iterator = ShardIterator {
            issued_ms: self.clock.wall_ms(),
            namespace: view.namespace.clone(),
            stream: view.name.clone(),
            shard: shard.id,
            shard_key: shard.record.key,
            position,
            at_tip,
        };
        self.sealer.seal_iterator(&iterator, &*self.random)
    }
}

/// Where a reader begins, before the log is asked.
enum Start {
    At(u64),
    /// With the first record of this time or later.
    From(u64),
}

/// The position that a sequence number of this shard stands for.
fn sequence_position(
    view: &StreamView,
    shard: &ShardView,
    kind: IteratorKind,
    value: &str,
) -> Result<u64, IteratorError> {
    let (namespace, stream) = (view.namespace.clone(), view.name.clone());
    let shown = || value.chars().take(160).collect();
    let Some(number) = SequenceNumber::parse(value) else {
        return Err(IteratorError::SequenceInvalid { namespace, stream, shard: shard.id, value: shown() });
    };
    if number.shard != shard.id {
        return Err(IteratorError::OtherShard { encoded: number.shard, shard: shard.id });
    }
    if number.shard_created_s != shard.record.created_s {
        return Err(IteratorError::OtherStream { namespace, stream, shard: shard.id, value: shown() });
    }
    // The index is the position plus one: it is the position after. Index 0 is the shard's start, before its records.
    Ok(match kind {
        IteratorKind::AfterSequenceNumber => number.index,
        _ => number.index.saturating_sub(1),
    })
}
