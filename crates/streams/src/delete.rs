//! DeleteStream: the records are gone at once, the name is free once the stream has been DELETING for its time.

use crate::catalog::{Intent, Pending, Status, shard_key};
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
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Deletes a stream in any state. What was under way in it is dropped; deleting it again changes nothing.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete_stream(&self, namespace: &Namespace, name: &StreamName) -> Result<(), DeleteError> {
        self.change(namespace, name, |view| {
            if view.record.status == Status::Deleting {
                return Ok(None);
            }
            let mut record = view.record.clone();
            record.status = Status::Deleting;
            record.pending = Some(Pending { due_ms: self.due_ms(), intent: Intent::Remove });
            let mut changes = vec![put_stream(view, &record)];
            for shard in view.shards.iter() {
                changes.push(Change::DropShard { shard: shard.record.key });
                changes.push(Change::Delete { key: shard_key(record.uid, shard.id) });
            }
            Ok(Some(Transaction { conditions: Vec::new(), changes, frees_space: true }))
        })
        .await
    }
}
