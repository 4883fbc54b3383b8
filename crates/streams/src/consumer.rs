//! Consumers: readers with a name that a stream knows of, so that shards are pushed to them (SubscribeToShard). What they
//! are, and DescribeStreamConsumer.
//!
//! A consumer is CREATING, then ACTIVE, then, once it is deregistered, DELETING for a while, and gone. Its creation second
//! is a part of its ARN. It exceeds that of every consumer of the stream's name that is gone, so that an ARN names one
//! consumer for good.

use crate::catalog::{ConsumerRecord, consumer_key, expect, put};
use crate::facts::{ConsumerNotFound, StreamNotFound};
use crate::open::{ATTEMPTS, Streams};
use crate::view::{ConsumerView, StreamView};
use rheos_log::{Change, LogError, Transaction};
use rheos_types::{ConsumerArn, ConsumerName, Namespace, StreamArn, StreamName};

pub use crate::catalog::ConsumerStatus;

/// A consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Where its stream is.
    pub namespace: Namespace,
    /// Its stream.
    pub stream: StreamName,
    /// Its name.
    pub name: ConsumerName,
    /// When it was registered; the second is in its ARN.
    pub created_ms: u64,
    /// Where it is in its life.
    pub status: ConsumerStatus,
}

impl ConsumerInfo {
    pub(crate) fn of(stream: &StreamView, consumer: &ConsumerView) -> Self {
        Self::new(&stream.namespace, &stream.name, &consumer.name, &consumer.record)
    }

    pub(crate) fn new(
        namespace: &Namespace,
        stream: &StreamName,
        name: &ConsumerName,
        record: &ConsumerRecord,
    ) -> Self {
        let (created_ms, status) = (record.created_ms, record.status);
        Self { namespace: namespace.clone(), stream: stream.clone(), name: name.clone(), created_ms, status }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> ConsumerArn {
        let stream = StreamArn { namespace: self.namespace.clone(), name: self.stream.clone() };
        ConsumerArn { stream, name: self.name.clone(), created_s: self.created_ms / 1000 }
    }
}

/// Why a consumer cannot be described by its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescribeConsumerError {
    /// There is no such stream.
    #[error(transparent)]
    Stream(#[from] StreamNotFound),
    /// The stream has no such consumer.
    #[error(transparent)]
    Consumer(#[from] ConsumerNotFound),
}

impl Streams {
    /// The consumer of this ARN, whatever its status: the one of that name and creation second, and no other.
    ///
    /// # Errors
    /// [`ConsumerNotFound`].
    pub fn consumer(&self, arn: &ConsumerArn) -> Result<ConsumerInfo, ConsumerNotFound> {
        let stream = self.views.get(&arn.stream.namespace, &arn.stream.name).ok_or_else(|| not_found(arn))?;
        Ok(ConsumerInfo::of(&stream, find(&stream, arn)?))
    }

    /// A stream's consumer of this name, whatever its status.
    ///
    /// # Errors
    /// [`DescribeConsumerError`].
    pub fn consumer_named(
        &self,
        namespace: &Namespace,
        stream: &StreamName,
        name: &ConsumerName,
    ) -> Result<ConsumerInfo, DescribeConsumerError> {
        let view = self.stream(namespace, stream)?;
        let consumer = view.consumers.get(name).ok_or_else(|| view.no_consumer(name))?;
        Ok(ConsumerInfo::of(&view, consumer))
    }

    /// Changes a consumer: reads it, lets `decide` make its other record, and commits that on condition that the record
    /// is still what was read. Otherwise decides again. `None` from `decide` leaves it as it is.
    pub(crate) async fn change_consumer<E>(
        &self,
        arn: &ConsumerArn,
        decide: impl Fn(&StreamView, &ConsumerView) -> Result<Option<ConsumerRecord>, E>,
    ) -> Result<(), E>
    where
        E: From<ConsumerNotFound> + From<LogError>,
    {
        for _ in 0..ATTEMPTS {
            let stream = self.views.get(&arn.stream.namespace, &arn.stream.name).ok_or_else(|| not_found(arn))?;
            let consumer = find(&stream, arn)?;
            let Some(record) = decide(&stream, consumer)? else { return Ok(()) };
            let transaction = Transaction {
                conditions: vec![expect(consumer_key(stream.record.uid, &arn.name), Some(consumer.version))],
                changes: vec![put_consumer(&stream, &arn.name, &record)],
                frees_space: false,
            };
            if self.commit(transaction).await?.is_ok() {
                return Ok(());
            }
        }
        // As with streams: whoever changes one consumer that often at once is asked to come back.
        Err(LogError::Overloaded.into())
    }
}

/// The stream's consumer of this ARN.
pub(crate) fn find<'a>(stream: &'a StreamView, arn: &ConsumerArn) -> Result<&'a ConsumerView, ConsumerNotFound> {
    let named = stream.consumers.get(&arn.name);
    let consumer = named.filter(|consumer| consumer.record.created_ms / 1000 == arn.created_s);
    consumer.map(AsRef::as_ref).ok_or_else(|| not_found(arn))
}

pub(crate) fn not_found(arn: &ConsumerArn) -> ConsumerNotFound {
    let (namespace, stream) = (arn.stream.namespace.clone(), arn.stream.name.clone());
    ConsumerNotFound { namespace, stream, consumer: arn.name.clone() }
}

/// The change that gives a consumer another record.
pub(crate) fn put_consumer(stream: &StreamView, name: &ConsumerName, record: &ConsumerRecord) -> Change {
    put(consumer_key(stream.record.uid, name), record)
}
