//! How far a shard has been processed: Java's `ExtendedSequenceNumber`.

use std::cmp::Ordering;
use std::fmt;

/// A place in a shard up to which everything has been processed, or the place where reading is to begin.
///
/// Ordered as the KCL orders them: `AT_TIMESTAMP`, `TRIM_HORIZON`, `LATEST`, records, `SHARD_END`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkpoint {
    /// Begin at the application's configured time.
    AtTimestamp,
    /// Begin with the oldest record.
    TrimHorizon,
    /// Begin with what is written from now on.
    Latest,
    /// This record and all before it.
    At(RecordNumber),
    /// Every record of a shard that is closed.
    ShardEnd,
}

/// Which user record of a shard: the sequence number of the record that carried it, and its index in that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordNumber {
    /// The decimal digits of the sequence number.
    pub sequence_number: String,
    /// The index in an aggregated record; 0 for all others.
    pub sub_sequence_number: u64,
}

/// The text is neither a decimal number nor one of the words that a checkpoint may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no checkpoint: it is a sequence number, TRIM_HORIZON, LATEST, AT_TIMESTAMP or SHARD_END")]
pub struct InvalidCheckpoint(pub String);

impl Checkpoint {
    /// Reads the two attributes of a lease.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] if the text is none.
    pub fn parse(text: &str, sub_sequence_number: u64) -> Result<Self, InvalidCheckpoint> {
        match text {
            "AT_TIMESTAMP" => Ok(Self::AtTimestamp),
            "TRIM_HORIZON" => Ok(Self::TrimHorizon),
            "LATEST" => Ok(Self::Latest),
            "SHARD_END" => Ok(Self::ShardEnd),
            digits => RecordNumber::parse(digits, sub_sequence_number)
                .map(Self::At)
                .ok_or_else(|| InvalidCheckpoint(digits.chars().take(160).collect())),
        }
    }

    /// As the attribute `checkpoint` says it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::AtTimestamp => "AT_TIMESTAMP",
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::At(number) => &number.sequence_number,
            Self::ShardEnd => "SHARD_END",
        }
    }

    /// As the attribute `checkpointSubSequenceNumber` says it.
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        match self {
            Self::At(number) => number.sub_sequence_number,
            _ => 0,
        }
    }

    /// Whether a consumer has written it, rather than the one who made the lease.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        matches!(self, Self::At(_) | Self::ShardEnd)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::AtTimestamp => 0,
            Self::TrimHorizon => 1,
            Self::Latest => 2,
            Self::At(_) => 3,
            Self::ShardEnd => 4,
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(number) => number.fmt(f),
            other => f.write_str(other.text()),
        }
    }
}

impl Ord for Checkpoint {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::At(one), Self::At(another)) => one.cmp(another),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Checkpoint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RecordNumber {
    /// A record by its digits. `None` if the text is no decimal number; leading zeros are dropped, so that numbers compare.
    #[must_use]
    pub fn parse(digits: &str, sub_sequence_number: u64) -> Option<Self> {
        // Sequence numbers have 56 digits, those of DynamoDB Streams 21 to 40; the API takes no more than 128.
        if digits.is_empty() || digits.len() > 128 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        let sequence_number = if significant.is_empty() { "0" } else { significant }.to_owned();
        Some(Self { sequence_number, sub_sequence_number })
    }
}

impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sequence_number)?;
        if self.sub_sequence_number > 0 { write!(f, ":{}", self.sub_sequence_number) } else { Ok(()) }
    }
}

impl Ord for RecordNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, another) = (&self.sequence_number, &other.sequence_number);
        // Without leading zeros the longer number is the larger one.
        one.len()
            .cmp(&another.len())
            .then_with(|| one.cmp(another))
            .then_with(|| self.sub_sequence_number.cmp(&other.sub_sequence_number))
    }
}

impl PartialOrd for RecordNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(digits: &str, sub: u64) -> Checkpoint {
        Checkpoint::parse(digits, sub).unwrap()
    }

    #[test]
    fn checkpoints_are_ordered_as_the_kcl_orders_them() {
        let ascending = [
            Checkpoint::AtTimestamp,
            Checkpoint::TrimHorizon,
            Checkpoint::Latest,
            at("0", 0),
            at("9", 7),
            at("10", 0),
            at("10", 1),
            at("49590338271490256608559692538361571095921575989136588898", 0),
            at("149590338271490256608559692538361571095921575989136588898", 0),
            Checkpoint::ShardEnd,
        ];
        assert!(ascending.windows(2).all(|pair| pair[0] < pair[1]), "{ascending:?}");
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        for text in ["", "-1", "12a", "trim_horizon", "1.5", " 1"] {
            assert!(Checkpoint::parse(text, 0).is_err(), "{text:?}");
        }
        assert!(Checkpoint::parse(&"1".repeat(129), 0).is_err());
    }

    #[test]
    fn texts_come_back_as_they_were() {
        for text in ["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST", "SHARD_END", "42"] {
            assert_eq!(at(text, 0).text(), text);
        }
        assert_eq!(at("007", 3), at("7", 3));
        assert_eq!((at("42", 3).sub_sequence_number(), at("LATEST", 3).sub_sequence_number()), (3, 0));
    }
}
