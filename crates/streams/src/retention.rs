//! IncreaseStreamRetentionPeriod, DecreaseStreamRetentionPeriod.
//!
//! What has expired stays expired: the commit that raises the retention also records the horizon as it was. Reads go by
//! the horizon from the moment that the commit is durable, so that a decrease makes old records unreadable at once; the
//! log learns of it by the next check of what has expired.

use crate::catalog::Intent;
use crate::facts::{NotActive, StreamNotFound};
use crate::open::{Streams, put_stream};
use crate::view::StreamView;
use rheos_log::{Change, LogError, Transaction};
use rheos_types::limits::RETENTION_HOURS;
use rheos_types::{Namespace, StreamName};

/// Why the retention was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Less than the service keeps.
    #[error("{hours} hours are less than {minimum}")]
    TooShort {
        /// What was asked for.
        hours: u32,
        /// The shortest retention.
        minimum: u32,
    },
    /// More than the service keeps.
    #[error("{hours} hours are more than {maximum}")]
    TooLong {
        /// What was asked for.
        hours: u32,
        /// The longest retention.
        maximum: u32,
    },
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// An increase to less than there is.
    #[error("stream {stream} keeps {existing} hours: {hours} are no increase")]
    Shorter {
        /// The stream.
        stream: StreamName,
        /// What was asked for.
        hours: u32,
        /// What there is.
        existing: u32,
    },
    /// A decrease to more than there is.
    #[error("stream {stream} keeps {existing} hours: {hours} are no decrease")]
    Longer {
        /// The stream.
        stream: StreamName,
        /// What was asked for.
        hours: u32,
        /// What there is.
        existing: u32,
    },
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Keeps records longer. The same number of hours is no change, and accepted.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub async fn increase_retention(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        hours: u32,
    ) -> Result<(), RetentionError> {
        let shorter = |existing| RetentionError::Shorter { stream: name.clone(), hours, existing };
        self.set_retention(namespace, name, hours, |existing| (hours < existing).then(|| shorter(existing))).await
    }

    /// Keeps records for less long. The same number of hours is no change, and accepted.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub async fn decrease_retention(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        hours: u32,
    ) -> Result<(), RetentionError> {
        let longer = |existing| RetentionError::Longer { stream: name.clone(), hours, existing };
        self.set_retention(namespace, name, hours, |existing| (hours > existing).then(|| longer(existing))).await
    }

    /// Sets the retention unless `refuse` has something against it, given what it is now.
    async fn set_retention(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        hours: u32,
        refuse: impl Fn(u32) -> Option<RetentionError>,
    ) -> Result<(), RetentionError> {
        check_range(hours)?;
        self.change(namespace, name, |view| match refuse(view.record.retention_hours) {
            Some(refusal) => Err(refusal),
            None => self.retention_change(view, hours),
        })
        .await
    }

    fn retention_change(&self, view: &StreamView, hours: u32) -> Result<Option<Transaction>, RetentionError> {
        if hours == view.record.retention_hours {
            return Ok(None);
        }
        view.require_active()?;
        let mut record = view.record.updating(self.due_ms(), Intent::Settle);
        record.horizon_ms = self.horizon_ms(&record);
        record.retention_hours = hours;
        let mut changes = vec![put_stream(view, &record)];
        let open = view.open.iter();
        changes.extend(open.map(|shard| Change::SetShardClass { shard: shard.record.key, class: hours }));
        // The way out of a full disk that loses no stream.
        let frees_space = hours < view.record.retention_hours;
        Ok(Some(Transaction { conditions: Vec::new(), changes, frees_space }))
    }
}

fn check_range(hours: u32) -> Result<(), RetentionError> {
    let (minimum, maximum) = RETENTION_HOURS.into_inner();
    if hours < minimum {
        Err(RetentionError::TooShort { hours, minimum })
    } else if hours > maximum {
        Err(RetentionError::TooLong { hours, maximum })
    } else {
        Ok(())
    }
}
