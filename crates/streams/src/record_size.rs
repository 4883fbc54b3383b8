//! UpdateMaxRecordSize. Puts go by the new size from the moment that the change is durable; the stream is UPDATING for its
//! time all the same, as it is at the service.

use crate::catalog::{Intent, StreamRecord};
use crate::facts::{NotActive, StreamNotFound};
use crate::open::{Streams, put_stream};
use rheos_log::{LogError, Transaction};
use rheos_types::{Namespace, StreamName};

/// Why the size was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordSizeError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Sets the size of the largest record that a stream takes, within what the model allows. The same size is no change,
    /// and accepted; so are records that were stored before and are larger than a new size.
    ///
    /// # Errors
    /// [`RecordSizeError`].
    pub async fn update_max_record_size(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        kib: u32,
    ) -> Result<(), RecordSizeError> {
        self.change(namespace, name, |view| {
            if kib == view.record.max_record_kib {
                return Ok(None);
            }
            view.require_active()?;
            let updating = view.record.updating(self.due_ms(), Intent::Settle);
            let record = StreamRecord { max_record_kib: kib, ..updating };
            Ok(Some(Transaction { changes: vec![put_stream(view, &record)], ..Transaction::default() }))
        })
        .await
    }
}
