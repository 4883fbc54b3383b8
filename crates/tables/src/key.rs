//! Where an item is: its key as a value, as a place in the order of a table or an index, and as a key of the catalog.

use crate::number::Number;
use crate::value::{AttributeValue, Item, Type};
use bytes::Bytes;
use rheos_types::HashKey;
use rheos_types::hash::sha256_hex;
use serde::{Deserialize, Serialize};

/// Longer keys of items are kept under a digest of theirs: the log's keys have 1024 bytes, and the table takes some.
const KEY_TEXT_BYTES: usize = 800;

/// The type of an attribute that is part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// A text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

impl KeyType {
    /// The type of its values.
    #[must_use]
    pub fn kind(self) -> Type {
        match self {
            Self::S => Type::S,
            Self::N => Type::N,
            Self::B => Type::B,
        }
    }
}

/// The attributes that make a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    /// The attribute that says in which collection an item is.
    pub hash: String,
    /// The attribute that orders a collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

impl KeySchema {
    /// Its attributes, the hash key first.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.hash).chain(&self.range)
    }
}

/// A value that can be part of a key. Of one attribute, all have one type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyValue {
    /// Before every value. No item has it.
    First,
    S(String),
    N(Number),
    B(Bytes),
    /// Behind every value. No item has it.
    Last,
}

impl KeyValue {
    pub(crate) fn of(value: &AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(Self::S(text.clone())),
            AttributeValue::N(number) => Some(Self::N(*number)),
            AttributeValue::B(bytes) => Some(Self::B(bytes.clone())),
            _ => None,
        }
    }

    /// The value as a text that no other value has: its type, and its characters with all but letters, digits, `_`, `.`
    /// and `-` escaped.
    fn text(&self) -> String {
        match self {
            Self::S(text) => format!("S{}", escaped(text.as_bytes())),
            Self::N(number) => format!("N{number}"),
            Self::B(bytes) => format!("B{}", escaped(bytes)),
            Self::First | Self::Last => String::new(),
        }
    }
}

/// Letters, digits, `_`, `.` and `-` as they are, every other byte as `%` and two digits.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// A place in the order of a table: by the hash of the hash key, so that a scan can be divided into even segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) spread: u128,
    pub(crate) hash: KeyValue,
    pub(crate) range: Option<KeyValue>,
}

impl Place {
    /// Before every place.
    pub(crate) const FIRST: Self = Self { spread: 0, hash: KeyValue::First, range: None };
    /// Behind every place.
    pub(crate) const LAST: Self = Self { spread: u128::MAX, hash: KeyValue::Last, range: Some(KeyValue::Last) };

    pub(crate) fn new(hash: KeyValue, range: Option<KeyValue>) -> Self {
        Self { spread: HashKey::of_partition_key(&hash.text()).0, hash, range }
    }

    /// The place of an item, if it has the key with values of types that can be one.
    pub(crate) fn of(item: &Item, key: &KeySchema) -> Option<Self> {
        let hash = KeyValue::of(item.get(&key.hash)?)?;
        let range = match &key.range {
            Some(name) => Some(KeyValue::of(item.get(name)?)?),
            None => None,
        };
        Some(Self::new(hash, range))
    }

    /// The last part of the catalog's key of the item.
    pub(crate) fn text(&self) -> String {
        let hash = self.hash.text();
        let text = match &self.range {
            Some(range) => format!("{hash}/{}", range.text()),
            None => hash,
        };
        // No other text begins so.
        if text.len() > KEY_TEXT_BYTES { format!("digest-{}", sha256_hex(text.as_bytes())) } else { text }
    }
}

/// A place in the order of an index: by its own key, and by the table's among those of one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexPlace {
    pub(crate) own: Place,
    pub(crate) table: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(hash: &str, range: &str) -> Place {
        Place::new(KeyValue::S(hash.to_owned()), Some(KeyValue::S(range.to_owned())))
    }

    #[test]
    fn different_keys_have_different_texts() {
        assert_ne!(place("a/Sb", "c").text(), place("a", "Sb/c").text());
        assert_ne!(place("a%2F", "").text(), place("a/", "").text());
        assert_ne!(
            Place::new(KeyValue::S("1".into()), None).text(),
            Place::new(KeyValue::N(Number::from(1)), None).text()
        );
        assert_eq!(place("shardId-000000000001", "x y").text(), "SshardId-000000000001/Sx%20y");
    }

    #[test]
    fn long_keys_fit_and_stay_different() {
        let (a, b) = (place(&"k".repeat(2048), "a").text(), place(&"k".repeat(2048), "b").text());
        assert!(a.len() < KEY_TEXT_BYTES && a != b);
    }
}
