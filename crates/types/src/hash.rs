//! Hash keys: where in the 128-bit key space a record falls, and which part of it a shard owns.

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A point in the key space `0 ..= 2^128 - 1`. Printed and serialized in decimal, as the API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashKey(pub u128);

/// The text is not a decimal number below 2^128.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hash key {0:?} is not a decimal number in [0, 2^128-1]")]
pub struct InvalidHashKey(pub String);

impl HashKey {
    /// The last point of the key space.
    pub const MAX: Self = Self(u128::MAX);

    /// Where a partition key falls: the MD5 of its UTF-8 bytes as an unsigned big-endian number.
    #[must_use]
    pub fn of_partition_key(key: &str) -> Self {
        Self(u128::from_be_bytes(Md5::digest(key.as_bytes()).into()))
    }

    /// Reads a decimal number without sign or leading zeros.
    ///
    /// # Errors
    /// [`InvalidHashKey`] if it is none, or is 2^128 or more.
    pub fn parse(text: &str) -> Result<Self, InvalidHashKey> {
        let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
        match text.parse() {
            Ok(value) if canonical => Ok(Self(value)),
            _ => Err(InvalidHashKey(text.chars().take(160).collect())),
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for HashKey {
    type Error = InvalidHashKey;
    fn try_from(text: String) -> Result<Self, InvalidHashKey> {
        Self::parse(&text)
    }
}

impl From<HashKey> for String {
    fn from(key: HashKey) -> Self {
        key.0.to_string()
    }
}

/// The SHA-256 of some bytes, in hexadecimal: for names that must not be made to collide.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A part of the key space, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRange {
    /// The first key of the range.
    pub start: HashKey,
    /// The last key of the range.
    pub end: HashKey,
}

impl HashRange {
    /// The whole key space.
    pub const ALL: Self = Self { start: HashKey(0), end: HashKey::MAX };

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Cuts the key space into `count` ranges as Kinesis does at creation: each `floor(2^128 / count)` wide, the last
    /// one up to 2^128 - 1.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn uniform(count: u32) -> impl ExactSizeIterator<Item = Self> {
        assert!(count > 0, "a stream has at least one shard");
        let count = u128::from(count);
        // floor(2^128 / n) without leaving u128: 2^128 = (2^128 - 1) + 1.
        // With one shard the width is 2^128 itself, which wraps to 0 and is not used.
        let width = (u128::MAX / count).wrapping_add(u128::from(u128::MAX % count == count - 1));
        (0..count as u32).map(move |index| {
            let index = u128::from(index);
            let last = index + 1 == count;
            let start = index.wrapping_mul(width);
            Self { start: HashKey(start), end: if last { HashKey::MAX } else { HashKey(start + (width - 1)) } }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_shards_are_cut_as_the_real_service_cuts_them() {
        let ranges: Vec<_> = HashRange::uniform(4).map(|r| (r.start.to_string(), r.end.to_string())).collect();
        assert_eq!(ranges[0], ("0".to_owned(), "85070591730234615865843651857942052863".to_owned()));
        assert_eq!(ranges[3].1, "340282366920938463463374607431768211455");
    }

    #[test]
    fn any_count_covers_the_whole_space_without_gaps() {
        for count in [1, 2, 3, 5, 7, 500, 10_000] {
            let ranges: Vec<_> = HashRange::uniform(count).collect();
            assert_eq!(ranges[0].start, HashKey(0));
            assert_eq!(ranges[ranges.len() - 1].end, HashKey::MAX);
            assert!(ranges.windows(2).all(|w| w[0].end.0 + 1 == w[1].start.0), "{count}");
        }
    }

    #[test]
    fn a_partition_key_hashes_as_unsigned_big_endian_md5() {
        // md5("a") = 0cc175b9c0f1b6a831c399e269772661
        assert_eq!(HashKey::of_partition_key("a").0, 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn numbers_must_be_canonical_and_below_two_to_the_128() {
        assert!(HashKey::parse("340282366920938463463374607431768211455").is_ok());
        for text in ["340282366920938463463374607431768211456", "-1", "+1", "01", "", "0x1", "1 "] {
            assert!(HashKey::parse(text).is_err(), "{text:?}");
        }
    }
}
