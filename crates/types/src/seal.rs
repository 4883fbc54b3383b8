//! Sealing of records at rest: the keys, and the bytes of a sealed record.
//!
//! ```text
//! root key ──wraps──► data key ──derives──► subkey ──AES-256-GCM──► a record's data
//! (a file)            (a stream's,          (one for a salt)
//!                      in the catalog)
//! ```
//!
//! # No nonce twice
//! AES-GCM breaks when one key meets one nonce twice. A counter alone would begin again after a restart, and in each
//! copy of a data directory; random nonces alone are good for 2^32 records of a key, which a busy stream writes in a
//! day. So a sealed record carries a salt of 96 random bits and a counter. The salt, drawn when a process first seals
//! under a data key and again after 2^32 records, derives a subkey (HMAC-SHA256 of the data key); the counter is the
//! nonce under that. Two processes would have to draw the same salt: after a million openings of one stream the odds
//! are 2^-57.
//!
//! # What a record is bound to
//! [`Binding`]: stream ARN, shard and partition key are authenticated with the data. The data key is the stream's alone.
//! A record's position is not known before it is sequenced, and is not bound.

use crate::arn::StreamArn;
use crate::random::Random;
use crate::shard::ShardId;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use std::sync::{Arc, Mutex, PoisonError};

const SALT_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// Number of the data key (4), salt (12), counter (8).
const HEADER_LEN: usize = 4 + SALT_LEN + 8;
/// How many bytes a sealed record's data is longer than the data that was sealed.
pub const SEALED_OVERHEAD_BYTES: usize = HEADER_LEN + TAG_LEN;
/// How many records are sealed under one subkey: 2^32, as many invocations as NIST SP 800-38D allows a key.
const RECORDS_PER_SUBKEY: u64 = 1 << 32;

const ROOT_ID_LEN: usize = 8;
const KEY_LEN: usize = 32;
const WRAPPED_LEN: usize = ROOT_ID_LEN + NONCE_LEN + KEY_LEN + TAG_LEN;

// What each use of a key is told apart by.
const ROOT_ID: &[u8] = b"rheos root key id 1";
const ROOT_WRAPS: &[u8] = b"rheos root key wraps 1";
const DATA_SEALS: &[u8] = b"rheos data key seals 1";
const RECORD: &[u8] = b"rheos record 1";
const DATA_KEY: &[u8] = b"rheos data key 1";

/// Why a wrapped data key stays wrapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// Another root key wrapped it.
    #[error("it is wrapped under root key {needed}, and the root key here is {present}")]
    OtherRoot {
        /// The id of the key that wrapped it.
        needed: String,
        /// The id of the key that was to unwrap it.
        present: String,
    },
    /// Its bytes have been changed, or it belongs to something else.
    #[error("its wrapped bytes are damaged, or are another key's")]
    Damaged,
}

/// The sealed bytes are not what was sealed under this key and for this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its bytes have been changed, or belong elsewhere")]
pub struct Unopenable;

/// The key under which data keys are wrapped.
pub struct RootKey {
    id: String,
    wraps: LessSafeKey,
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootKey({})", self.id)
    }
}

impl RootKey {
    /// The root key that these secret bytes are.
    #[must_use]
    pub fn new(secret: &[u8; KEY_LEN]) -> Self {
        let derive = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let id = &hmac::sign(&derive, ROOT_ID);
        let id = id.as_ref().iter().take(ROOT_ID_LEN).map(|byte| format!("{byte:02x}")).collect();
        Self { id, wraps: aead_key(hmac::sign(&derive, ROOT_WRAPS).as_ref()) }
    }

    /// What the key is called: it follows from the key and does not give it away.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes a data key: itself, and wrapped for `context`, as text.
    #[must_use]
    #[expect(clippy::expect_used, reason = "sealing fails only beyond 2^36 bytes")]
    pub fn make_data_key(&self, context: &[u8], random: &dyn Random) -> (DataKey, String) {
        let mut secret: [u8; KEY_LEN] = crate::random::bytes(random);
        let key = DataKey::new(&secret);
        let nonce: [u8; NONCE_LEN] = crate::random::bytes(random);
        let tag = self
            .wraps
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), wrap_aad(context), &mut secret)
            .expect("32 bytes can be sealed");
        let mut wrapped = Vec::with_capacity(WRAPPED_LEN);
        wrapped.extend_from_slice(&self.id_bytes());
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(&secret);
        wrapped.extend_from_slice(tag.as_ref());
        (key, base64_simd::STANDARD.encode_to_string(wrapped))
    }

    /// Unwraps what [`Self::make_data_key`] wrapped for the same `context`.
    ///
    /// # Errors
    /// [`UnwrapError`].
    pub fn unwrap_data_key(&self, wrapped: &str, context: &[u8]) -> Result<DataKey, UnwrapError> {
        let bytes = base64_simd::STANDARD.decode_to_vec(wrapped).map_err(|_| UnwrapError::Damaged)?;
        let bytes: [u8; WRAPPED_LEN] = bytes.try_into().map_err(|_| UnwrapError::Damaged)?;
        let (id, rest) = bytes.split_at(ROOT_ID_LEN);
        if id != self.id_bytes() {
            let needed = id.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(UnwrapError::OtherRoot { needed, present: self.id.clone() });
        }
        let (nonce, sealed) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnwrapError::Damaged)?;
        let mut sealed = sealed.to_vec();
        let secret =
            self.wraps.open_in_place(nonce, wrap_aad(context), &mut sealed).map_err(|_| UnwrapError::Damaged)?;
        let secret: &[u8; KEY_LEN] = (&*secret).try_into().map_err(|_| UnwrapError::Damaged)?;
        Ok(DataKey::new(secret))
    }

    fn id_bytes(&self) -> [u8; ROOT_ID_LEN] {
        let mut bytes = [0; ROOT_ID_LEN];
        for (byte, digits) in bytes.iter_mut().zip(self.id.as_bytes().chunks(2)) {
            *byte = std::str::from_utf8(digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
        }
        bytes
    }
}

fn wrap_aad(context: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([DATA_KEY, context].concat())
}

#[expect(clippy::expect_used, reason = "SHA-256 gives 32 bytes, which make a key")]
fn aead_key(bytes: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes make a key"))
}

/// A key from which the subkeys of a stream's records are derived.
pub struct DataKey {
    derives: hmac::Key,
    current: Mutex<Option<(Arc<Subkey>, u64)>>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey")
    }
}

/// A key of one salt.
struct Subkey {
    salt: [u8; SALT_LEN],
    key: LessSafeKey,
}

impl DataKey {
    fn new(secret: &[u8; KEY_LEN]) -> Self {
        Self { derives: hmac::Key::new(hmac::HMAC_SHA256, secret), current: Mutex::new(None) }
    }

    fn subkey(&self, salt: [u8; SALT_LEN]) -> Arc<Subkey> {
        let mut context = hmac::Context::with_key(&self.derives);
        context.update(DATA_SEALS);
        context.update(&salt);
        Arc::new(Subkey { salt, key: aead_key(context.sign().as_ref()) })
    }

    /// Seals up to `records` records; `number` is what the key is called in them.
    pub fn sealing(&self, number: u32, records: u32, random: &dyn Random) -> Sealing {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || (self.subkey(crate::random::bytes(random)), 0);
        let (subkey, used) = match current.take() {
            Some((subkey, used)) if used + u64::from(records) <= RECORDS_PER_SUBKEY => (subkey, used),
            _ => fresh(),
        };
        let end = used + u64::from(records);
        *current = Some((subkey.clone(), end));
        Sealing { number, subkey, next: used, end }
    }

    /// Opens records, many of which have one salt.
    pub fn opening(&self) -> Opening<'_> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Opening { key: self, subkey: current.as_ref().map(|(subkey, _)| subkey.clone()) }
    }
}

/// Seals records, each with a nonce of its own.
pub struct Sealing {
    number: u32,
    subkey: Arc<Subkey>,
    next: u64,
    end: u64,
}

impl Sealing {
    /// Appends `data` to `buffer`, sealed for a place.
    ///
    /// # Panics
    /// If more records are sealed than were announced: nothing may be sealed with a nonce of somebody else's.
    #[expect(clippy::expect_used, reason = "sealing fails only beyond 2^36 bytes")]
    pub fn seal(&mut self, bound_to: &[u8], data: &[u8], buffer: &mut Vec<u8>) {
        assert!(self.next < self.end, "more records than announced");
        let counter = self.next;
        self.next += 1;
        buffer.reserve(SEALED_OVERHEAD_BYTES + data.len());
        buffer.extend_from_slice(&self.number.to_le_bytes());
        buffer.extend_from_slice(&self.subkey.salt);
        buffer.extend_from_slice(&counter.to_le_bytes());
        let start = buffer.len();
        buffer.extend_from_slice(data);
        let sealed = &mut buffer[start..];
        let tag = self.subkey.key.seal_in_place_separate_tag(nonce(counter), Aad::from(bound_to), sealed);
        buffer.extend_from_slice(tag.expect("a record can be sealed").as_ref());
    }
}

/// Which data key a sealed record names. `None` if the bytes are none of a sealed record.
#[must_use]
pub fn key_number(sealed: &[u8]) -> Option<u32> {
    let number = sealed.first_chunk::<4>()?;
    (sealed.len() >= SEALED_OVERHEAD_BYTES).then(|| u32::from_le_bytes(*number))
}

/// Opens records that were sealed under one data key.
pub struct Opening<'a> {
    key: &'a DataKey,
    subkey: Option<Arc<Subkey>>,
}

impl Opening<'_> {
    /// Appends to `buffer` what was sealed for a place.
    ///
    /// # Errors
    /// [`Unopenable`]; the buffer is then as it was.
    pub fn open(&mut self, bound_to: &[u8], sealed: &[u8], buffer: &mut Vec<u8>) -> Result<(), Unopenable> {
        let (header, sealed) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(Unopenable)?;
        let (salt, counter) = header[4..].split_first_chunk::<SALT_LEN>().ok_or(Unopenable)?;
        let counter = u64::from_le_bytes(*counter.first_chunk::<8>().ok_or(Unopenable)?);
        let subkey = match self.subkey.take() {
            Some(subkey) if subkey.salt == *salt => subkey,
            _ => self.key.subkey(*salt),
        };
        let start = buffer.len();
        buffer.extend_from_slice(sealed);
        let opened = subkey.key.open_in_place(nonce(counter), Aad::from(bound_to), &mut buffer[start..]);
        let length = opened.map(|data| data.len());
        self.subkey = Some(subkey);
        buffer.truncate(start + *length.as_ref().unwrap_or(&0));
        length.map(drop).map_err(|_| Unopenable)
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..8].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// What the records of one shard are bound to.
#[derive(Debug, Clone)]
pub struct Binding {
    bytes: Vec<u8>,
    of_shard: usize,
}

impl Binding {
    /// Of a shard of a stream.
    #[must_use]
    pub fn new(stream: &StreamArn, shard: ShardId) -> Self {
        let arn = bound_arn(stream);
        let mut bytes = Vec::with_capacity(RECORD.len() + arn.len() + 64);
        bytes.extend_from_slice(RECORD);
        bytes.extend_from_slice(&(arn.len() as u32).to_le_bytes());
        bytes.extend_from_slice(arn.as_bytes());
        bytes.extend_from_slice(&shard.0.to_le_bytes());
        let of_shard = bytes.len();
        Self { bytes, of_shard }
    }

    /// Of a record of the shard.
    pub fn of(&mut self, partition_key: Option<&str>) -> &[u8] {
        self.bytes.truncate(self.of_shard);
        if let Some(key) = partition_key {
            self.bytes.push(1);
            self.bytes.extend_from_slice(key.as_bytes());
        } else {
            self.bytes.push(0);
        }
        &self.bytes
    }
}

/// What a stream's wrapped data key is bound to: the ARN, `uid` (which no other stream of the name has or had), the
/// key's number, and the key of the key service that it is wrapped for.
#[must_use]
pub fn data_key_context(stream: &StreamArn, uid: u64, number: u32, key_id: &str) -> Vec<u8> {
    let arn = bound_arn(stream);
    let mut context = (arn.len() as u32).to_le_bytes().to_vec();
    context.extend_from_slice(arn.as_bytes());
    context.extend_from_slice(&uid.to_le_bytes());
    context.extend_from_slice(&number.to_le_bytes());
    context.extend_from_slice(key_id.as_bytes());
    context
}

/// The stream's ARN as it is bound: part of the format, whatever partition ARNs may be shown with one day.
fn bound_arn(stream: &StreamArn) -> String {
    format!("arn:aws:kinesis:{}:{}:stream/{}", stream.namespace.region, stream.namespace.account, stream.name)
}

#[cfg(test)]
mod tests;
