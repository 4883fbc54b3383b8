//! The keys that a stream's records are sealed under, as this process has them.
//!
//! A stream's data keys lie wrapped in its record of the catalog. A view unwraps each once, when it first sees it, and
//! hands it on to the views after it: putting and reading take no lock for a key, and ask nobody.

use crate::catalog::{Encryption, StreamUid};
use rheos_types::seal::{DataKey, RootKey, UnwrapError, data_key_context};
use rheos_types::{Namespace, Random, StreamArn, StreamName};
use std::fmt;
use std::sync::Arc;

/// Who keeps the keys that data keys are wrapped under: until there is a key service, one root key for all.
///
/// The log's writer waits for [`Self::unwrap_data_key`] when a stream's encryption begins: neither may wait for a disk
/// or a network.
pub trait KeyService: Send + Sync + 'static {
    /// Makes a data key under the key `key_id`, wrapped so that it is good for `context` only.
    fn make_data_key(&self, key_id: &str, context: &[u8], random: &dyn Random) -> String;

    /// Unwraps a data key that was made under `key_id` for `context`.
    ///
    /// # Errors
    /// [`UnwrapError`].
    fn unwrap_data_key(&self, key_id: &str, context: &[u8], wrapped: &str) -> Result<DataKey, UnwrapError>;
}

/// One key for all key ids: which one somebody names is kept and bound, and makes no other difference.
impl KeyService for RootKey {
    fn make_data_key(&self, _key_id: &str, context: &[u8], random: &dyn Random) -> String {
        RootKey::make_data_key(self, context, random).1
    }

    fn unwrap_data_key(&self, _key_id: &str, context: &[u8], wrapped: &str) -> Result<DataKey, UnwrapError> {
        RootKey::unwrap_data_key(self, wrapped, context)
    }
}

/// A data key of a stream cannot be had: nothing that needs it can be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("data key {number} of stream {stream} in account {} cannot be had", namespace.account)]
pub struct KeyUnavailable {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The key's number.
    pub number: u32,
    /// Why.
    pub source: UnwrapError,
}

/// A data key, or why there is none.
type Key = Result<DataKey, KeyUnavailable>;

/// All data keys of a stream.
#[derive(Clone, Default)]
pub(crate) struct StreamKeys {
    keys: Vec<(u32, Arc<Key>)>,
    active: Option<u32>,
}

impl fmt::Debug for StreamKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKeys({}, active: {:?})", self.keys.len(), self.active)
    }
}

impl StreamKeys {
    /// Those that the stream's record has. What `before` has is taken from there: a number never means another key.
    pub(crate) fn of(
        name: &(Namespace, StreamName),
        uid: StreamUid,
        encryption: &Encryption,
        before: &Self,
        service: &dyn KeyService,
    ) -> Self {
        let key = |stored: &crate::catalog::StoredKey| {
            let number = stored.number;
            if let Some(known) = before.get(number) {
                return (number, known.clone());
            }
            let context = context(name, uid, number, &stored.key_id);
            let key = service.unwrap_data_key(&stored.key_id, &context, &stored.wrapped);
            let unavailable = |source| {
                let (namespace, stream) = name.clone();
                KeyUnavailable { namespace, stream, number, source }
            };
            (number, Arc::new(key.map_err(unavailable)))
        };
        Self { keys: encryption.keys.iter().map(key).collect(), active: encryption.active }
    }

    fn get(&self, number: u32) -> Option<&Arc<Key>> {
        // They are in the order in which they were made.
        let at = self.keys.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        Some(&self.keys[at].1)
    }

    /// Whether nothing was ever sealed.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The data key of this number, if the stream has it.
    pub(crate) fn key(&self, number: u32) -> Option<Result<&DataKey, &KeyUnavailable>> {
        self.get(number).map(|key| (**key).as_ref())
    }

    /// The data key that new records are sealed under, and its number. `None`: they are not sealed.
    pub(crate) fn active(&self) -> Result<Option<(u32, &DataKey)>, &KeyUnavailable> {
        let Some(number) = self.active else { return Ok(None) };
        // The record that names it has it: they are written together.
        self.key(number).transpose().map(|key| key.map(|key| (number, key)))
    }

    /// The first that cannot be had.
    pub(crate) fn first_unavailable(&self) -> Option<&KeyUnavailable> {
        self.keys.iter().find_map(|(_, key)| (**key).as_ref().err())
    }
}

/// What a data key is good for.
pub(crate) fn context(name: &(Namespace, StreamName), uid: StreamUid, number: u32, key_id: &str) -> Vec<u8> {
    let (namespace, name) = name.clone();
    data_key_context(&StreamArn { namespace, name }, uid.0, number, key_id)
}
