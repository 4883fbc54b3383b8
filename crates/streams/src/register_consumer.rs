//! RegisterStreamConsumer.
//!
//! A registration writes the stream's record again, unchanged: so it excludes other registrations, which count the same
//! consumers, and the deletion of the stream, which has to know them all.

use crate::catalog::{ConsumerRecord, ConsumerStatus, Mode, consumer_key, expect, stream_key};
use crate::consumer::{ConsumerInfo, put_consumer};
use crate::facts::{NotActive, StreamNotFound};
use crate::open::{Streams, put_stream};
use crate::tags::{TagRefusal, check_tags};
use crate::view::StreamView;
use rheos_log::{LogError, Transaction};
use rheos_types::{ConsumerName, Namespace, StreamName};
use std::collections::BTreeMap;

/// How often a registration is decided again because another change of the stream came first. As many at once as a
/// stream may have consumers should all succeed.
const ATTEMPTS: usize = 64;

/// Why a consumer was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterConsumerError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream is being created or deleted.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// It has one of that name, in whatever state.
    #[error("stream {stream} has a consumer {consumer}")]
    Exists {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// The consumer.
        consumer: ConsumerName,
    },
    /// It has as many as it may.
    #[error("stream {stream} has {limit} consumers")]
    TooMany {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// How many it may have.
        limit: u32,
    },
    /// As many as may be are being created.
    #[error("{limit} consumers of stream {stream} are being created")]
    TooManyCreating {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// How many may be created at a time.
        limit: u32,
    },
    /// The tags are not acceptable.
    #[error(transparent)]
    Tags(#[from] TagRefusal),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Registers a consumer with a stream that is ACTIVE or UPDATING. It is CREATING once this is answered, and ACTIVE
    /// soon after.
    ///
    /// # Errors
    /// [`RegisterConsumerError`].
    pub async fn register_consumer(
        &self,
        namespace: &Namespace,
        stream: &StreamName,
        name: &ConsumerName,
        tags: &BTreeMap<String, String>,
    ) -> Result<ConsumerInfo, RegisterConsumerError> {
        for _ in 0..ATTEMPTS {
            let view = self.stream(namespace, stream)?;
            self.check_registration(&view, name, tags)?;
            let now_ms = self.clock.wall_ms();
            let record = ConsumerRecord {
                created_ms: now_ms.max((view.record.last_consumer_second + 1) * 1000),
                status: ConsumerStatus::Creating,
                tags: tags.clone(),
                due_ms: Some(self.due_ms()),
                policy: None,
            };
            let transaction = Transaction {
                conditions: vec![
                    expect(stream_key(namespace, stream), Some(view.version)),
                    expect(consumer_key(view.record.uid, name), None),
                ],
                changes: vec![put_stream(&view, &view.record), put_consumer(&view, name, &record)],
                frees_space: false,
            };
            if self.commit(transaction).await?.is_ok() {
                return Ok(ConsumerInfo::new(namespace, stream, name, &record));
            }
        }
        Err(LogError::Overloaded.into())
    }

    fn check_registration(
        &self,
        view: &StreamView,
        name: &ConsumerName,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), RegisterConsumerError> {
        if !view.record.status.serves() {
            return Err(view.not_active().into());
        }
        check_tags(tags.iter())?;
        let (namespace, stream) = (view.namespace.clone(), view.name.clone());
        if view.consumers.contains_key(name) {
            return Err(RegisterConsumerError::Exists { namespace, stream, consumer: name.clone() });
        }
        let advantage = view.record.mode == Mode::OnDemand && self.billing_commitment(&view.namespace);
        let limits = &view.limits;
        let limit = if advantage { limits.consumers_per_advantage_stream } else { limits.consumers_per_stream };
        if let Some(limit) = limit.filter(|limit| view.consumers.len() >= *limit as usize) {
            return Err(RegisterConsumerError::TooMany { namespace, stream, limit });
        }
        let is_creating = |status| status == ConsumerStatus::Creating;
        let creating = view.consumers.values().filter(|consumer| is_creating(consumer.record.status)).count();
        match view.limits.consumers_creating {
            Some(limit) if creating >= limit as usize => {
                Err(RegisterConsumerError::TooManyCreating { namespace, stream, limit })
            }
            Some(_) | None => Ok(()),
        }
    }
}
