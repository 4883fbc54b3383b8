//! Secrets, the signing keys derived from them, and a cache of these.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::TERMINATOR;

/// The secret half of an access key.
#[derive(Clone)]
pub struct SecretKey(Box<str>);

impl SecretKey {
    /// Wraps a secret as its owner was given it.
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for whoever has to keep it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(...)")
    }
}

impl PartialEq for SecretKey {
    /// Takes as long wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for SecretKey {}

/// Derives the key that signs everything of one day, region and service.
pub(crate) fn derive(secret: &SecretKey, date: &str, region: &str, service: &str) -> hmac::Key {
    let mut seed = Vec::with_capacity(4 + secret.0.len());
    seed.extend_from_slice(b"AWS4");
    seed.extend_from_slice(secret.0.as_bytes());
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
    for part in [date, region, service, TERMINATOR] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

/// Signing keys by credential (`key id/date/region/service/aws4_request`). Deriving one takes four keyed hashes, and a
/// client signs with the same one all day.
///
/// Keys enter after a signature made with them has been verified, so only those who hold a secret can fill the cache.
/// It is emptied when it is full, which costs each client one derivation.
pub struct SigningKeyCache {
    capacity: usize,
    keys: Mutex<HashMap<Box<str>, (SecretKey, hmac::Key)>>,
}

impl SigningKeyCache {
    /// A cache of at most so many keys.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, keys: Mutex::new(HashMap::new()) }
    }

    /// The key for a credential, unless the secret has changed since.
    pub(crate) fn get(&self, credential: &str, secret: &SecretKey) -> Option<hmac::Key> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(credential).filter(|(known, _)| known == secret).map(|(_, key)| key.clone())
    }

    pub(crate) fn put(&self, credential: &str, secret: &SecretKey, key: hmac::Key) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= self.capacity {
            keys.clear();
        }
        if self.capacity > 0 {
            keys.insert(credential.into(), (secret.clone(), key));
        }
    }
}

impl fmt::Debug for SigningKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeyCache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
