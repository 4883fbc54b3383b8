//! Accounts, regions, and the names of streams and their consumers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a name was refused: the text says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {what}: expected {expected}")]
pub struct InvalidName {
    /// What was being read, such as `account id`.
    pub what: &'static str,
    /// What it looked like.
    pub value: String,
    /// What would have been right.
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`InvalidName`] says what would be right.
            pub fn new(value: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(value) {
                    Ok(Self(value.into()))
                } else {
                    Err(InvalidName { what: $what, value: value.chars().take(160).collect(), expected: $expected })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(value: String) -> Result<Self, InvalidName> {
                Self::new(&value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// Twelve digits.
    AccountId,
    "account id",
    "twelve digits",
    |value| value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
);

name!(
    /// A region such as `us-east-1`: 1 to 32 lower-case letters, digits and hyphens.
    Region,
    "region",
    "1 to 32 lower-case letters, digits and hyphens, such as us-east-1",
    |value| (1..=32).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

name!(
    /// A stream's name: 1 to 128 letters, digits, `_`, `.` and `-`, case-sensitive.
    StreamName,
    "stream name",
    "1 to 128 letters, digits, '_', '.' and '-'",
    |value| (1..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
);

name!(
    /// The name of a consumer of a stream: 1 to 128 letters, digits, `_`, `.` and `-`, case-sensitive.
    ConsumerName,
    "consumer name",
    "1 to 128 letters, digits, '_', '.' and '-'",
    |value| (1..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
);

name!(
    /// The name of a lease table: 3 to 255 letters, digits, `_`, `.` and `-`, case-sensitive.
    TableName,
    "table name",
    "3 to 255 letters, digits, '_', '.' and '-'",
    |value| (3..=255).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
);

/// One account in one region: stream names are unique within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Namespace {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}
