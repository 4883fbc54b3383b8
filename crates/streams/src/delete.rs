//! DeleteStream: the records are gone at once, the name is free once the stream has been DELETING for its time.

use crate::catalog::{Intent, Pending, Status, consumer_key, shard_key};
use crate::facts::StreamNotFound;
use crate::open::{Streams, put_stream};
use rheos_log::{Change, LogError, Transaction};
use rheos_types::{Namespace, StreamName};

/// Why a stream was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// It has consumers, and it was not said that they may go too.
    #[error("stream {stream} has consumers")]
    HasConsumers {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
    },
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Deletes a stream in any state. What was under way in it is dropped; deleting it again changes nothing. Its
    /// consumers, of whatever status, are gone at once, `with_consumers`; without, one that has any stays.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete_stream(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        with_consumers: bool,
    ) -> Result<(), DeleteError> {
        self.change(namespace, name, |view| {
            if view.record.status == Status::Deleting {
                return Ok(None);
            }
            if !with_consumers && !view.consumers.is_empty() {
                let (namespace, stream) = (view.namespace.clone(), view.name.clone());
                return Err(DeleteError::HasConsumers { namespace, stream });
            }
            let mut record = view.record.clone();
            record.last_consumer_second = view.last_consumer_second();
            record.status = Status::Deleting;
            record.pending = Some(Pending { due_ms: self.due_ms(), intent: Intent::Remove });
            let mut changes = vec![put_stream(view, &record)];
            for shard in view.shards.iter() {
                changes.push(Change::DropShard { shard: shard.record.key });
                changes.push(Change::Delete { key: shard_key(record.uid, shard.id) });
            }
            let consumers = view.consumers.keys().map(|consumer| consumer_key(record.uid, consumer));
            changes.extend(consumers.map(|key| Change::Delete { key }));
            Ok(Some(Transaction { conditions: Vec::new(), changes, frees_space: true }))
        })
        .await
    }
}
