//! Sealed tokens: shard iterators and next tokens.
//!
//! A token carries its own state, so that any node can continue it and none has to remember it. It is sealed with
//! AES-256-GCM-SIV (which forgives a repeated nonce) under a key that all nodes share, so that nobody can make one up.
//! A shard iterator has the outer shape that the service's have (`reference/api.md` §4.2): base64 of eight bytes
//! `00…01` and then `144 + 16 * floor((length of the stream's name + 2) / 16)` more.

use crate::name::{AccountId, Namespace, Region, StreamName};
use crate::random::Random;
use crate::shard::{ShardId, ShardKey};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const TAG_LEN: usize = 16;
const PREFIX: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
/// Next tokens carry another prefix, so that neither kind is taken for the other.
const NEXT_PREFIX: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 2];
/// The longest text worth decoding: a next token holds one name and a filter, an iterator less than 512 characters.
const MAX_TEXT: usize = 4096;

/// Not a token of ours: not base64, another key, another kind, or changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token was not made here or has been changed")]
pub struct InvalidToken;

/// Where a reader continues in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIterator {
    /// When the iterator was made: it is good for five minutes from then.
    pub issued_ms: u64,
    /// The account and region of the stream.
    pub namespace: Namespace,
    /// The stream's name, for messages: `shard_key` alone says which shard is meant.
    pub stream: StreamName,
    /// The shard, as users know it.
    pub shard: ShardId,
    /// The shard, as the log knows it: a stream created again has other keys.
    pub shard_key: ShardKey,
    /// The next record to read.
    pub position: u64,
    /// The read that gave this iterator found nothing: its reader has come to the tip, and asks again.
    pub at_tip: bool,
}

/// Seals and opens tokens.
pub struct Sealer {
    key: LessSafeKey,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer under a secret key.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the key's length is in its type")]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).expect("32 bytes make a key")) }
    }

    /// Seals a shard iterator.
    #[must_use]
    pub fn seal_iterator(&self, iterator: &ShardIterator, random: &dyn Random) -> String {
        let name = iterator.stream.as_str().as_bytes();
        let region = iterator.namespace.region.as_str().as_bytes();
        let mut body = Vec::with_capacity(300);
        body.extend_from_slice(&iterator.issued_ms.to_le_bytes());
        body.extend_from_slice(&iterator.shard_key.0.to_le_bytes());
        body.extend_from_slice(&iterator.position.to_le_bytes());
        body.extend_from_slice(&iterator.shard.0.to_le_bytes());
        body.extend_from_slice(iterator.namespace.account.as_str().as_bytes());
        body.push(region.len() as u8);
        body.extend_from_slice(region);
        body.push(name.len() as u8);
        body.extend_from_slice(name);
        // There is room for it whatever the lengths of the names. Older iterators have a zero here.
        body.push(u8::from(iterator.at_tip));
        body.resize(iterator_body_len(name.len()), 0);
        self.seal(PREFIX, body, random)
    }

    /// Opens a shard iterator; one wrapped in quotation marks is taken too, as the service does.
    ///
    /// # Errors
    /// [`InvalidToken`] for anything that [`Self::seal_iterator`] under this key did not make. Age is the caller's to judge.
    pub fn open_iterator(&self, text: &str) -> Result<ShardIterator, InvalidToken> {
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let body = self.open(PREFIX, text)?;
        let iterator = decode_iterator(&body).ok_or(InvalidToken)?;
        (body.len() == iterator_body_len(iterator.stream.as_str().len())).then_some(iterator).ok_or(InvalidToken)
    }

    /// Seals the state of a paged listing, made at `issued_ms`.
    #[must_use]
    pub fn seal_next(&self, issued_ms: u64, state: &[u8], random: &dyn Random) -> String {
        let mut body = Vec::with_capacity(state.len() + 64);
        body.extend_from_slice(&issued_ms.to_le_bytes());
        body.extend_from_slice(state);
        self.seal(NEXT_PREFIX, body, random)
    }

    /// Opens what [`Self::seal_next`] made: when it was made, and the state.
    ///
    /// # Errors
    /// [`InvalidToken`] for anything else.
    pub fn open_next(&self, text: &str) -> Result<(u64, Vec<u8>), InvalidToken> {
        let body = self.open(NEXT_PREFIX, text)?;
        let (issued_ms, state) = body.split_first_chunk::<8>().ok_or(InvalidToken)?;
        Ok((u64::from_le_bytes(*issued_ms), state.to_vec()))
    }

    /// Seals any bytes as the body of an iterator or of a next token: what nobody without the key can do.
    #[cfg(feature = "fuzz")]
    #[must_use]
    pub fn seal_any(&self, is_iterator: bool, body: &[u8], random: &dyn Random) -> String {
        self.seal(if is_iterator { PREFIX } else { NEXT_PREFIX }, body.to_vec(), random)
    }

    #[expect(clippy::expect_used, reason = "sealing fails only beyond 2^36 bytes")]
    fn seal(&self, prefix: [u8; 8], mut body: Vec<u8>, random: &dyn Random) -> String {
        let nonce: [u8; NONCE_LEN] = crate::random::bytes(random);
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(prefix), &mut body)
            .expect("a token is short");
        let mut sealed = Vec::with_capacity(prefix.len() + NONCE_LEN + body.len());
        sealed.extend_from_slice(&prefix);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        base64_simd::STANDARD.encode_to_string(&sealed)
    }

    fn open(&self, prefix: [u8; 8], text: &str) -> Result<Vec<u8>, InvalidToken> {
        if text.len() > MAX_TEXT {
            return Err(InvalidToken);
        }
        let sealed = base64_simd::STANDARD.decode_to_vec(text).map_err(|_| InvalidToken)?;
        let rest = sealed.strip_prefix(&prefix).ok_or(InvalidToken)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(InvalidToken)?;
        let mut body = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(nonce, Aad::from(prefix), &mut body).map_err(|_| InvalidToken)?.len();
        body.truncate(length);
        Ok(body)
    }
}

fn iterator_body_len(name_len: usize) -> usize {
    152 + 16 * ((name_len + 2) / 16) - PREFIX.len() - NONCE_LEN - TAG_LEN
}

fn decode_iterator(body: &[u8]) -> Option<ShardIterator> {
    let mut fields = Fields(body);
    let mut iterator = ShardIterator {
        issued_ms: fields.u64()?,
        shard_key: ShardKey(fields.u64()?),
        position: fields.u64()?,
        shard: ShardId(u32::from_le_bytes(fields.take(4)?.try_into().ok()?)),
        namespace: Namespace {
            account: AccountId::new(fields.text(12)?).ok()?,
            region: Region::new(fields.counted_text()?).ok()?,
        },
        stream: StreamName::new(fields.counted_text()?).ok()?,
        at_tip: false,
    };
    iterator.at_tip = fields.take(1)? != [0];
    Some(iterator)
}

/// What is left to read of a token's body.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self, count: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(count)?).ok()
    }

    fn counted_text(&mut self) -> Option<&'a str> {
        let count = usize::from(*self.take(1)?.first()?);
        self.text(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;
    use proptest::prelude::*;

    fn iterator(name: &str) -> ShardIterator {
        ShardIterator {
            issued_ms: 1_579_066_282_123,
            namespace: Namespace {
                account: AccountId::new("000000000000").unwrap(),
                region: Region::new(&"r".repeat(32)).unwrap(),
            },
            stream: StreamName::new(name).unwrap(),
            shard: ShardId(3),
            shard_key: ShardKey(77),
            position: 1 << 40,
            at_tip: name.len().is_multiple_of(2),
        }
    }

    #[test]
    fn iterators_of_every_name_length_open_again_and_have_the_services_shape() {
        let sealer = Sealer::new(&[7; 32]);
        for length in 1..=128 {
            let made = iterator(&"n".repeat(length));
            let text = sealer.seal_iterator(&made, &SystemRandom);
            assert!(text.len() <= 512);
            let bytes = base64_simd::STANDARD.decode_to_vec(&text).unwrap();
            assert_eq!(bytes.len(), 152 + 16 * ((length + 2) / 16));
            assert_eq!(bytes[..8], PREFIX);
            assert_eq!(sealer.open_iterator(&text), Ok(made.clone()));
            assert_eq!(sealer.open_iterator(&format!("\"{text}\"")), Ok(made));
        }
    }

    #[test]
    fn a_changed_or_foreign_token_is_refused() {
        let sealer = Sealer::new(&[7; 32]);
        let text = sealer.seal_iterator(&iterator("orders"), &SystemRandom);
        assert_eq!(Sealer::new(&[8; 32]).open_iterator(&text), Err(InvalidToken));
        let mut bytes = base64_simd::STANDARD.decode_to_vec(&text).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(
                sealer.open_iterator(&base64_simd::STANDARD.encode_to_string(&bytes)),
                Err(InvalidToken),
                "{at}"
            );
            bytes[at] ^= 1;
        }
        let next = sealer.seal_next(5, b"state", &SystemRandom);
        assert_eq!(sealer.open_iterator(&next), Err(InvalidToken));
        assert_eq!(sealer.open_next(&next), Ok((5, b"state".to_vec())));
        assert_eq!(sealer.open_next(&text), Err(InvalidToken));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,300}") {
            let sealer = Sealer::new(&[7; 32]);
            drop(sealer.open_iterator(&text));
            drop(sealer.open_next(&text));
        }
    }
}
