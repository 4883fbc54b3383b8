//! StartStreamEncryption, StopStreamEncryption.
//!
//! From the commit of a start on, new records are sealed under a data key of the stream; from that of a stop on, they
//! are not. Records that are there stay as they are: each says for itself whether it is sealed, and under which key. So
//! a data key stays in the stream's record for as long as the stream is there, and goes with it.

use crate::catalog::{Encryption, Intent, StoredKey};
use crate::facts::{NotActive, StreamNotFound, TooOften};
use crate::keys::context;
use crate::open::{Streams, put_stream};
use crate::view::StreamView;
use rheos_log::{LogError, Transaction};
use rheos_types::limits::DATA_KEYS;
use rheos_types::{InvalidKeyId, KeyId, Namespace, Region, StreamName};

/// Why encryption was not started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// What names the key names none.
    #[error(transparent)]
    KeyId(#[from] InvalidKeyId),
    /// The key is in another region.
    #[error("key {key_id} is not in {region}")]
    OtherRegion {
        /// How it was named.
        key_id: KeyId,
        /// The stream's region.
        region: Region,
    },
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// It was done as often in 24 hours as it may be.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// The stream has been encrypted under as many keys as it can be.
    #[error("stream {stream} has {limit} data keys")]
    TooManyKeys {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// How many it can have.
        limit: usize,
    },
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Seals the stream's records from now on. A stream whose records are sealed under that key already stays as it is.
    ///
    /// # Errors
    /// [`EncryptionError`].
    pub async fn start_stream_encryption(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        key_id: &str,
    ) -> Result<(), EncryptionError> {
        let key_id = key_of(namespace, key_id)?;
        self.change(namespace, name, |view| {
            let encryption = &view.record.encryption;
            let known = encryption.keys.iter().find(|stored| stored.is(&key_id, namespace));
            if known.is_some_and(|stored| Some(stored.number) == encryption.active) {
                return Ok(None);
            }
            view.require_active()?;
            let mut changed = encryption.clone();
            let limit = view.limits.encryption_changes_per_day;
            changed.starts = view.require_seldom(&encryption.starts, limit, self.clock.wall_ms())?;
            changed.active = Some(match known {
                // A data key serves the key that it was made under as often as that is chosen.
                Some(stored) => stored.number,
                None => self.add_key(view, &mut changed, &key_id)?,
            });
            Ok(Some(self.with_encryption(view, changed)))
        })
        .await
    }

    /// Seals the stream's records no longer. A stream whose records are not sealed stays as it is. Which key is named
    /// makes no difference: there is no other that could be stopped.
    ///
    /// # Errors
    /// [`EncryptionError`].
    pub async fn stop_stream_encryption(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        key_id: &str,
    ) -> Result<(), EncryptionError> {
        key_of(namespace, key_id)?;
        self.change(namespace, name, |view| {
            let encryption = &view.record.encryption;
            if encryption.active.is_none() {
                return Ok(None);
            }
            view.require_active()?;
            let limit = view.limits.encryption_changes_per_day;
            let stops = view.require_seldom(&encryption.stops, limit, self.clock.wall_ms())?;
            Ok(Some(self.with_encryption(view, Encryption { active: None, stops, ..encryption.clone() })))
        })
        .await
    }

    /// Makes a data key under `key_id`; its number.
    fn add_key(&self, view: &StreamView, encryption: &mut Encryption, key_id: &KeyId) -> Result<u32, EncryptionError> {
        if encryption.keys.len() >= DATA_KEYS {
            let (namespace, stream) = (view.namespace.clone(), view.name.clone());
            return Err(EncryptionError::TooManyKeys { namespace, stream, limit: DATA_KEYS });
        }
        let number = encryption.keys.iter().map(|stored| stored.number + 1).max().unwrap_or(0);
        let context = context(&(view.namespace.clone(), view.name.clone()), view.record.uid, number, key_id.as_str());
        let wrapped = self.keys.make_data_key(key_id.as_str(), &context, &*self.random);
        encryption.keys.push(StoredKey { number, key_id: key_id.to_string(), wrapped });
        Ok(number)
    }

    fn with_encryption(&self, view: &StreamView, encryption: Encryption) -> Transaction {
        let mut record = view.record.updating(self.due_ms(), Intent::Settle);
        record.encryption = encryption;
        Transaction { changes: vec![put_stream(view, &record)], ..Transaction::default() }
    }
}

/// The key that somebody names for a stream of `namespace`.
fn key_of(namespace: &Namespace, key_id: &str) -> Result<KeyId, EncryptionError> {
    let key_id = KeyId::parse(key_id)?;
    if key_id.region().is_some_and(|region| *region != namespace.region) {
        return Err(EncryptionError::OtherRegion { key_id, region: namespace.region.clone() });
    }
    Ok(key_id)
}
