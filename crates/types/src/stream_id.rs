//! Stream ids: another name of a stream, `[a-z0-9]{20}-[a-z0-9]{3}` (`reference/api.md` §3), that tells it from all others
//! of its name, before and after it.
//!
//! An id is the stream's number with 54 check bits, in base 36: the number and 39 of them before the hyphen, the other 15
//! after it. Whoever has an id can be told at once whether it was made here; nothing has to be stored for that.

use md5::{Digest, Md5};
use std::fmt;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const CHECK_BITS: u32 = 39;
const TAIL_BITS: u32 = 15;

/// A stream's id, made of a number that no other stream of the data directory ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub u64);

impl StreamId {
    /// Reads an id; `None` if none was ever printed so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.split_once('-')?;
        let (head, tail) = (digits(head, 20)?, digits(tail, 3)?);
        let id = Self(u64::try_from(head >> CHECK_BITS).ok()?);
        (id.parts() == (head, tail)).then_some(id)
    }

    /// The numbers before and after the hyphen.
    fn parts(self) -> (u128, u128) {
        let digest = Md5::new_with_prefix(b"stream id").chain_update(self.0.to_be_bytes()).finalize();
        let check = u128::from_be_bytes(digest.into()) >> (128 - CHECK_BITS - TAIL_BITS);
        let head = u128::from(self.0) << CHECK_BITS | check >> TAIL_BITS;
        (head, check & ((1 << TAIL_BITS) - 1))
    }
}

/// Reads exactly `count` digits of base 36.
fn digits(text: &str, count: usize) -> Option<u128> {
    if text.len() != count {
        return None;
    }
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit);
    // 36^20 is less than 2^104.
    text.bytes().try_fold(0, |number, digit| Some(number * 36 + value(digit)? as u128))
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"00000000000000000000-000";
        let (mut head, mut tail) = self.parts();
        for (place, digit) in text.iter_mut().enumerate().rev() {
            let rest = match place {
                0..20 => &mut head,
                20 => continue,
                _ => &mut tail,
            };
            *digit = DIGITS[(*rest % 36) as usize];
            *rest /= 36;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_stay_as_they_are() {
        // Clients keep them: were one to print otherwise in another version, it would be lost.
        let printed: Vec<_> = [0, 7, u64::MAX].map(|number| StreamId(number).to_string()).into();
        assert_eq!(printed, ["0000000000003vh5dp6y-cwj", "000000000001hw1mflmq-jn6", "rb7f16q855gqvj3vpmsv-3su"]);
    }

    #[test]
    fn what_was_never_printed_is_none() {
        for text in ["", "-", "abcdefghij0123456789-abc", "00000000000000000000-000", "é", &"z".repeat(24)] {
            assert_eq!(StreamId::parse(text), None, "{text}");
        }
        assert_eq!(StreamId::parse(&StreamId(7).to_string().to_uppercase()), None);
    }

    proptest! {
        #[test]
        fn an_id_reads_back_and_has_the_form_of_the_model(number in any::<u64>()) {
            let text = StreamId(number).to_string();
            let (head, tail) = text.split_once('-').unwrap();
            prop_assert_eq!((head.len(), tail.len()), (20, 3));
            prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert_eq!(StreamId::parse(&text), Some(StreamId(number)));
        }

        #[test]
        fn a_changed_digit_is_noticed(number in any::<u64>(), place in 0..24_usize, digit in 0..36_usize) {
            let mut text = StreamId(number).to_string().into_bytes();
            prop_assume!(text[place] != DIGITS[digit]);
            text[place] = DIGITS[digit];
            prop_assert_eq!(StreamId::parse(std::str::from_utf8(&text).unwrap()), None);
        }
    }
}
