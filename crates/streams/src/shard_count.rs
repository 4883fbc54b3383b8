//! UpdateShardCount.
//!
//! The call records the count that is wanted and makes the stream UPDATING; `reshape.rs` splits and merges until the
//! shards are that many, all of one size.

use crate::catalog::Intent;
use crate::facts::{NotActive, OnDemandStream, OverShardLimit, StreamNotFound, TooOften};
use crate::open::Streams;
use crate::reshard::require_provisioned;
use crate::view::StreamView;
use rheos_log::{LogError, Transaction};
use rheos_types::limits::SHARD_COUNT;
use rheos_types::{Namespace, StreamName};

/// What was asked of a stream's shards, and what there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCountChange {
    /// Open shards when the call was decided.
    pub current: u32,
    /// Open shards that there will be.
    pub target: u32,
}

/// Why the number of shards was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ShardCountError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream's shards are the service's to change.
    #[error(transparent)]
    OnDemand(#[from] OnDemandStream),
    /// More than any stream may have.
    #[error("{} shards are more than {limit}", change.target)]
    TooMany {
        /// What was asked for.
        change: ShardCountChange,
        /// What a stream may have.
        limit: u32,
    },
    /// More than the stream may grow to at once.
    #[error("{} shards are more than double of {}", change.target, change.current)]
    OverDouble {
        /// What was asked for.
        change: ShardCountChange,
    },
    /// Less than the stream may shrink to at once.
    #[error("{} shards are less than half of {}", change.target, change.current)]
    BelowHalf {
        /// What was asked for.
        change: ShardCountChange,
    },
    /// The account would have more shards than it may.
    #[error(transparent)]
    OverShardLimit(#[from] OverShardLimit),
    /// It has been changed as often as it may be for now.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Gives a stream so many shards (at least 1), all of one size. The number there is already is no change, and
    /// accepted, whatever the sizes.
    ///
    /// # Errors
    /// [`ShardCountError`].
    pub async fn update_shard_count(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        target: u32,
    ) -> Result<ShardCountChange, ShardCountError> {
        self.change_and_tell(namespace, name, |view| {
            require_provisioned(view)?;
            let change = ShardCountChange { current: view.open.len() as u32, target: target.max(1) };
            if change.target == change.current {
                return Ok((None, change));
            }
            check(view, change)?;
            self.describe_limits(namespace).room_for(namespace, change.target.saturating_sub(change.current))?;
            view.require_active()?;
            Ok((Some(self.scaling(view, change)?), change))
        })
        .await
    }

    fn scaling(&self, view: &StreamView, change: ShardCountChange) -> Result<Transaction, TooOften> {
        let now_ms = self.clock.wall_ms();
        let limit = view.limits.shard_count_updates_per_day;
        let updates = view.require_seldom(&view.record.shard_count_updates, limit, now_ms)?;
        let mut record = view.record.updating(self.due_ms(), Intent::Scale { shards: change.target });
        record.shard_count_updates = updates;
        Ok(view.becomes(&record))
    }
}

fn check(view: &StreamView, change: ShardCountChange) -> Result<(), ShardCountError> {
    if change.target > SHARD_COUNT {
        return Err(ShardCountError::TooMany { change, limit: SHARD_COUNT });
    }
    let Some(factor) = view.limits.shard_count_factor else { return Ok(()) };
    if change.target > change.current.saturating_mul(factor) {
        return Err(ShardCountError::OverDouble { change });
    }
    if change.target.saturating_mul(factor) < change.current {
        return Err(ShardCountError::BelowHalf { change });
    }
    Ok(())
}
