//! DeregisterStreamConsumer: the consumer reads nothing any more at once, and its name is free once it has been DELETING
//! for its time.

use crate::catalog::{ConsumerRecord, ConsumerStatus};
use crate::facts::ConsumerNotFound;
use crate::open::Streams;
use rheos_log::LogError;
use rheos_types::ConsumerArn;

/// Why a consumer was not deregistered.
#[derive(Debug, thiserror::Error)]
pub enum DeregisterConsumerError {
    /// There is none.
    #[error(transparent)]
    NotFound(#[from] ConsumerNotFound),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Deregisters a consumer in any state; one that is DELETING already stays so.
    ///
    /// # Errors
    /// [`DeregisterConsumerError`].
    pub async fn deregister_consumer(&self, arn: &ConsumerArn) -> Result<(), DeregisterConsumerError> {
        self.change_consumer(arn, |_, consumer| {
            if consumer.record.status == ConsumerStatus::Deleting {
                return Ok(None);
            }
            let (status, due_ms) = (ConsumerStatus::Deleting, Some(self.due_ms()));
            Ok(Some(ConsumerRecord { status, due_ms, ..consumer.record.clone() }))
        })
        .await
    }
}
