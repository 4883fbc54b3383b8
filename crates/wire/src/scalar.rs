//! The two scalars that differ between JSON and binary protocols: [`Blob`] and [`Timestamp`].
//!
//! Each asks the serde format whether it is human-readable, so the same generated types serve every protocol.

use std::fmt;

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes: base64 text in JSON, a byte string in binary protocols.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob(pub Bytes);

impl fmt::Debug for Blob {
    /// Says how many bytes there are and not which: records are the user's own and do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode_to_string(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        struct Binary;

        impl Visitor<'_> for Text {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
                let bytes = STANDARD.decode_to_vec(text);
                bytes.map(Blob::from).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        impl Visitor<'_> for Binary {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(Bytes::copy_from_slice(bytes)))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(bytes.into())
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            deserializer.deserialize_byte_buf(Binary)
        }
    }
}

/// The name of the newtype that a [`Timestamp`] is to binary formats, so that they can mark it as one.
pub(crate) const TIMESTAMP: &str = "rheos_wire::Timestamp";

/// A point in time in milliseconds since 1970: seconds with a fraction in JSON, whole milliseconds in binary protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The nearest millisecond to a number of seconds; what is out of range becomes the first or last moment.
    pub(crate) fn from_seconds(seconds: f64) -> Self {
        // `as` saturates, and takes what is not a number for zero.
        #[expect(clippy::cast_possible_truncation, reason = "saturation is what is wanted")]
        Self((seconds * 1000.0).round() as i64)
    }

    /// Appends the seconds, with three digits of fraction when there is one: `1400000000.123`, `1400000000`.
    pub(crate) fn push_seconds(self, out: &mut Vec<u8>) {
        use std::io::Write;

        let (sign, ms) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let written = match ms % 1000 {
            0 => write!(out, "{sign}{}", ms / 1000),
            fraction => write!(out, "{sign}{}.{fraction:03}", ms / 1000),
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_newtype_struct(TIMESTAMP, &self.0);
        }
        if self.0 % 1000 == 0 {
            return serializer.serialize_i64(self.0 / 1000);
        }
        // The shortest decimal that reads back as this number has the three digits and no more, up to the year 140000.
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 milliseconds")]
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let seconds = f64::deserialize(deserializer)?;
        if !seconds.is_finite() {
            return Err(D::Error::invalid_value(Unexpected::Float(seconds), &"seconds since 1970"));
        }
        Ok(Self::from_seconds(seconds))
    }
}
