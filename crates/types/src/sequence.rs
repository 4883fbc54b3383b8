//! Sequence numbers, version 2: 188 bits, printed as 56 decimal digits.
//!
//! From the most significant nibble (`reference/api.md` §4.1, checked against live AWS by the kinesalite suite):
//!
//! | nibbles | field |
//! | --- | --- |
//! | 1 | constant 2 |
//! | 9 | second in which the shard was created |
//! | 1 | low nibble of the shard's number |
//! | 16 | index: 0 at the shard's start, position + 1 for a record, `7fff…` at the shard's end |
//! | 2 | 00 |
//! | 9 | second in which the record arrived |
//! | 8 | the shard's number |
//! | 1 | version, 2 |

use crate::shard::ShardId;
use std::fmt;

/// How many decimal digits a version-2 sequence number has.
pub const DIGITS: usize = 56;
/// The index of a closed shard's ending sequence number.
pub const END_INDEX: u64 = 0x7fff_ffff_ffff_ffff;
/// Seconds from here on do not fit what the service accepts.
const MAX_SECONDS: u64 = 16_025_175_000;
const TEN_TO_19: u64 = 10_000_000_000_000_000_000;

/// A position dressed for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceNumber {
    /// Epoch second in which the shard was created: tells shards of a stream's successive lives apart.
    pub shard_created_s: u64,
    /// The shard.
    pub shard: ShardId,
    /// 0 at the shard's start, position + 1 for a record, [`END_INDEX`] at its end.
    pub index: u64,
    /// Epoch second in which the record arrived.
    pub time_s: u64,
}

impl SequenceNumber {
    /// The number that a shard starts with; every record's is greater.
    #[must_use]
    pub fn shard_start(shard: ShardId, shard_created_s: u64) -> Self {
        Self { shard_created_s, shard, index: 0, time_s: shard_created_s }
    }

    /// The number of the record at `position`, which arrived in second `time_s`.
    #[must_use]
    pub fn of_record(shard: ShardId, shard_created_s: u64, position: u64, time_s: u64) -> Self {
        Self { shard_created_s, shard, index: position + 1, time_s }
    }

    /// The number that a shard which was closed in second `time_s` ends with; every record's is smaller.
    #[must_use]
    pub fn shard_end(shard: ShardId, shard_created_s: u64, time_s: u64) -> Self {
        Self { shard_created_s, shard, index: END_INDEX, time_s }
    }

    /// Reads a version-2 number. `None` for everything else: other versions, fields out of range, not a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // Three limbs of 64 bits, most significant first.
        let mut limbs = [0u64; 3];
        for chunk in [&text[..18], &text[18..37], &text[37..]] {
            let mut carry: u128 = chunk.parse().ok()?;
            let scale = 10u128.pow(chunk.len() as u32);
            for limb in limbs.iter_mut().rev() {
                let value = u128::from(*limb) * scale + carry;
                *limb = value as u64;
                carry = value >> 64;
            }
            if carry != 0 {
                return None;
            }
        }
        let low = u128::from(limbs[1]) << 64 | u128::from(limbs[2]);
        let field = |shift: u32, bits: u32| (low >> shift) as u64 & (u64::MAX >> (64 - bits));
        let index = (limbs[0] & 0xffff) << 48 | field(80, 48);
        let number = Self {
            shard_created_s: (limbs[0] >> 20) & 0xf_ffff_ffff,
            shard: ShardId(u32::try_from(field(4, 32)).ok()?),
            index,
            time_s: field(36, 36),
        };
        let valid = limbs[0] >> 56 == 2
            && field(0, 4) == 2
            && field(72, 8) == 0
            && index <= END_INDEX
            && number.shard.0 <= i32::MAX as u32
            && (limbs[0] >> 16) & 0xf == u64::from(number.shard.0 & 0xf)
            && number.shard_created_s < MAX_SECONDS
            && number.time_s < MAX_SECONDS;
        valid.then_some(number)
    }

    /// The record's position; `None` for a shard's start and end.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        (self.index > 0 && self.index < END_INDEX).then(|| self.index - 1)
    }

    /// The 56 digits, without allocating.
    #[must_use]
    pub fn digits(&self) -> Digits {
        let high = 2 << 56 | self.shard_created_s << 20 | u64::from(self.shard.0 & 0xf) << 16 | self.index >> 48;
        let low = u128::from(self.index & 0xffff_ffff_ffff) << 80
            | u128::from(self.time_s) << 36
            | u128::from(self.shard.0) << 4
            | 2;
        let mut limbs = [high, (low >> 64) as u64, low as u64];
        let mut digits = [b'0'; DIGITS];
        for end in [56, 37, 18] {
            let mut rest = 0u64;
            for limb in &mut limbs {
                let value = u128::from(rest) << 64 | u128::from(*limb);
                *limb = (value / u128::from(TEN_TO_19)) as u64;
                rest = (value % u128::from(TEN_TO_19)) as u64;
            }
            write_decimal(rest, &mut digits[end - usize::min(end, 19)..end]);
        }
        Digits(digits)
    }

    /// Whether it is of the record behind that of `before`, in the same second.
    fn follows(&self, before: &Self) -> bool {
        *self == Self { index: before.index + 1, ..*before }
    }
}

/// The decimal digits of a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits([u8; DIGITS]);

impl Digits {
    /// The digits, in ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; DIGITS] {
        &self.0
    }

    /// The digits as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Adds what lies between the numbers of a record and of the next one in the same second: 1 in the index.
    ///
    /// Eight digits at a time, each in a byte of a word: a digit's carries are those of the word's addition if every byte is
    /// 246 too large. No branch depends on a digit, as carries cannot be foreseen and cost more than all of this.
    fn step(&mut self) {
        const ASCII: u64 = 0x3030_3030_3030_3030;
        const TOP_BITS: u64 = 0x8080_8080_8080_8080;
        let mut carry = 0;
        for (at, word) in self.0.as_chunks_mut::<8>().0.iter_mut().rev().enumerate() {
            if at >= STEP.len() && carry == 0 {
                break;
            }
            let step = if at < STEP.len() { STEP[at] } else { TOO_LARGE };
            let (sum, first) = (u64::from_be_bytes(*word) - ASCII).overflowing_add(step);
            let (sum, second) = sum.overflowing_add(carry);
            carry = u64::from(first | second);
            // A byte that came to no carry is still too large, and has its top bit set.
            let digits = sum - ((sum & TOP_BITS) >> 7) * 246;
            *word = (digits + ASCII).to_be_bytes();
        }
    }
}

/// Every byte 246.
const TOO_LARGE: u64 = 0xf6f6_f6f6_f6f6_f6f6;

/// 2^80, where the index begins: its digits from the last ones on, eight in a word, and every byte 246 too large.
const STEP: [u64; 4] = {
    let mut words = [TOO_LARGE; 4];
    let (mut rest, mut at) = (1u128 << 80, 0);
    while rest > 0 {
        words[at / 8] += ((rest % 10) as u64) << (at % 8 * 8);
        rest /= 10;
        at += 1;
    }
    words
};

/// Writes sequence numbers one after the other: an addition where a number follows the one before, as those of records
/// that are read or written together mostly do, and the divisions only where it does not.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequenceDigits(Option<(SequenceNumber, Digits)>);

impl SequenceDigits {
    /// The digits of `number`.
    pub fn of(&mut self, number: SequenceNumber) -> &Digits {
        let digits = match self.0 {
            Some((before, mut digits)) if number.follows(&before) => {
                digits.step();
                digits
            }
            _ => number.digits(),
        };
        &self.0.insert((number, digits)).1
    }
}

/// Writes the last `into.len()` decimal digits of `value`, with leading zeros.
fn write_decimal(mut value: u64, into: &mut [u8]) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbouring_shards_start_a_known_distance_apart() {
        // api.md §4.1: the starting numbers of consecutive shards differ by this constant.
        let start = |shard| SequenceNumber::shard_start(ShardId(shard), 1_400_000_000).to_string();
        let (a, b) = (start(0), start(1));
        assert_eq!(a.len(), DIGITS);
        assert!(a.starts_with("49"));
        let digit = |text: &str, at: usize| text.as_bytes().iter().rev().nth(at).map_or(0, |digit| digit - b'0');
        let mut carry = 0;
        for at in 0..DIGITS {
            let sum = digit(&a, at) + digit("22300745198530623141535718272648361505980432", at) + carry;
            assert_eq!(digit(&b, at), sum % 10, "digit {at}");
            carry = sum / 10;
        }
    }

    #[test]
    fn a_number_of_the_real_service_reads_and_prints_the_same() {
        let text = "49590338271490256608559692538361571095921575989136588898";
        assert_eq!(SequenceNumber::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_version_2_number_is_refused() {
        for text in [
            "",
            "0",
            "5",
            "1",
            "+",
            &"9".repeat(56),
            &"0".repeat(56),
            &"4".repeat(57),
            "4959033827149025660855969253836157109592157598913658889x",
        ] {
            assert_eq!(SequenceNumber::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back(created in 0..MAX_SECONDS, shard in 0..=i32::MAX as u32, index in 0..=END_INDEX, time in 0..MAX_SECONDS) {
            let number = SequenceNumber { shard_created_s: created, shard: ShardId(shard), index, time_s: time };
            prop_assert_eq!(SequenceNumber::parse(&number.to_string()), Some(number));
        }

        #[test]
        fn numbers_of_a_shard_sort_as_text_by_index(a in 0..END_INDEX, b in 0..END_INDEX, ta in 1_400_000_000..MAX_SECONDS, tb in 1_400_000_000..MAX_SECONDS) {
            let text = |index, time_s| SequenceNumber { shard_created_s: 1_400_000_000, shard: ShardId(3), index, time_s }.to_string();
            if a != b {
                prop_assert_eq!(text(a, ta).cmp(&text(b, tb)), a.cmp(&b));
            }
        }

        #[test]
        fn numbers_that_follow_each_other_are_written_as_each_by_itself(shard in 0..=i32::MAX as u32, first in 0..END_INDEX - 40, time in 0..MAX_SECONDS - 1) {
            let mut digits = SequenceDigits::default();
            // Not every number follows the one before.
            for (index, time_s) in [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (6, 1), (5, 1), (5, 1), (6, 1)].map(|(i, t)| (first + i, time + t)) {
                let number = SequenceNumber { shard_created_s: 1_400_000_000, shard: ShardId(shard), index, time_s };
                prop_assert_eq!(*digits.of(number), number.digits());
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,140}") {
            prop_assert!(SequenceNumber::parse(&text).is_none_or(|number| number.to_string() == text));
        }
    }
}
