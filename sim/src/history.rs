//! What was asked, when, and what was answered: all that the checker sees.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use serde_json::Value;

/// A call of an operation, one attempt of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who called.
    pub client: u64,
    /// What.
    pub operation: &'static str,
    /// With what.
    pub input: Value,
    /// The logical time at which it was sent.
    pub begun: u64,
    /// The logical time at which its outcome was known, or known to be unknown.
    pub ended: u64,
    /// The same as milliseconds since the beginning.
    pub begun_ms: u64,
    /// The same as milliseconds since the beginning.
    pub ended_ms: u64,
    /// The wall clock when it was sent.
    pub wall_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done. The events of a subscription are an array, as far as they came.
    Done(Value),
    /// An error of the caller's, or for now: nothing was done.
    Refused {
        /// Which.
        code: String,
        /// In words.
        message: String,
    },
    /// It was not sent.
    NotSent,
    /// There was no answer, or an error of the server's: it may have been done.
    Unknown,
}

impl Outcome {
    /// The answer, if it was done.
    #[must_use]
    pub fn done(&self) -> Option<&Value> {
        match self {
            Self::Done(answer) => Some(answer),
            Self::Refused { .. } | Self::NotSent | Self::Unknown => None,
        }
    }

    /// The error's code, if it was refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Done(_) | Self::NotSent | Self::Unknown => None,
        }
    }
}

/// All calls in the order in which they ended, and what the checker is told beside them.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The calls.
    pub calls: Vec<Call>,
    /// From this logical time on nothing failed and nobody wrote: everything was read from the beginning to the end.
    pub calm: u64,
    /// Whether the published limits were in force.
    pub is_limited: bool,
    /// How far the wall clock ever was, ahead of where it began and behind the furthest it had been.
    pub latest_wall_ms: u64,
    /// Logical times at which a server started. What it counts begins anew.
    pub starts_ms: Vec<u64>,
}

/// A text in a value.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The elements of an array in a value.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A hash key.
pub(crate) fn number(text: &str) -> Option<u128> {
    text.parse().ok()
}

/// Bytes in base64.
pub(crate) fn data(value: &Value) -> Vec<u8> {
    STANDARD.decode_to_vec(text(value, "Data")).unwrap_or_default()
}

/// Sequence numbers, ordered as numbers: longer ones are larger, and of the same length the digits decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(usize, String);

impl Sequence {
    /// From its digits.
    #[must_use]
    pub fn new(digits: &str) -> Self {
        let digits = digits.trim_start_matches('0');
        Self(digits.len(), digits.to_owned())
    }

    /// Its digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.1
    }
}

/// Counts of things, for the summary.
pub type Counts = BTreeMap<&'static str, u64>;
