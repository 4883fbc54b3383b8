//! Numbers as DynamoDB has them: decimals of up to 38 significant digits, exact, from 1E-130 to 9.99…E+125 on both sides
//! of zero. Two texts of the same number are the same number, and are given back in one form, without an exponent.

use std::cmp::Ordering;
use std::fmt;

/// Significant digits, at most.
const DIGITS: u32 = 38;
/// The highest place of a digit: of 9.99…E+125.
const HIGHEST: i32 = 125;
/// The lowest place of the first digit: of 1E-130.
const LOWEST: i32 = -130;

/// A number: `digits` × 10^`exponent`, with the sign apart. Zero has one form; otherwise the last digit is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Number {
    negative: bool,
    digits: u128,
    exponent: i16,
}

/// Why a text or a result is no number of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It is empty.
    #[error("The parameter cannot be converted to a numeric value")]
    Empty,
    /// It is not a decimal number.
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    NotANumber(String),
    /// It is too far from zero.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    /// It is too near to zero.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
    /// It has more than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooPrecise,
}

impl Number {
    /// Reads digits with an optional sign, point and exponent.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let not_a_number = || NumberError::NotANumber(text.chars().take(200).collect());
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..]).ok_or_else(not_a_number)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|digit| digit.is_ascii_digit()) {
            return Err(not_a_number());
        }
        let count = whole.len() + fraction.len();
        let (Some(first), Some(last)) = (digits().position(|digit| digit != b'0'), last_digit(whole, fraction)) else {
            return Ok(Self::default());
        };
        // The place of the digit at an index: of the units it is 0.
        let place = |at: usize| (whole.len() as i64) - 1 - (at as i64) + exponent;
        let (highest, lowest) = (place(first), place(last));
        debug_assert!(last < count);
        if highest > i64::from(HIGHEST) {
            return Err(NumberError::Overflow);
        }
        if highest < i64::from(LOWEST) {
            return Err(NumberError::Underflow);
        }
        if last - first >= DIGITS as usize {
            return Err(NumberError::TooPrecise);
        }
        let significant = digits().skip(first).take(last - first + 1);
        let digits = significant.fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        // Both bounds of the place hold, and 38 digits lie between: -167 at the least.
        Ok(Self { negative, digits, exponent: lowest as i16 })
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// The sum, exactly.
    ///
    /// # Errors
    /// [`NumberError`], when it has too many digits or is out of range.
    pub fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.digits == 0 {
            return Ok(other);
        }
        if other.digits == 0 {
            return Ok(self);
        }
        let lowest = self.exponent.min(other.exponent);
        let highest = self.highest().max(other.highest());
        if highest - i32::from(lowest) < DIGITS as i32 {
            // Both have at most 38 digits above the lowest place: no overflow.
            let aligned = |number: Self| number.digits * 10u128.pow(u32::from((number.exponent - lowest) as u16));
            let (a, b) = (aligned(self), aligned(other));
            let (negative, digits) = match (self.negative == other.negative, a >= b) {
                (true, _) => (self.negative, a + b),
                (false, true) => (self.negative, a - b),
                (false, false) => (other.negative, b - a),
            };
            return Self::of(negative, digits, i32::from(lowest));
        }
        self.plus_far(other, lowest, highest)
    }

    /// The sum of numbers that lie far apart: digit by digit.
    fn plus_far(self, other: Self, lowest: i16, highest: i32) -> Result<Self, NumberError> {
        let places = (highest - i32::from(lowest)) as usize + 2;
        let spread = |number: Self| {
            let mut places = vec![0i8; places];
            let (mut rest, mut at) = (number.digits, (number.exponent - lowest) as usize);
            while rest > 0 {
                places[at] = (rest % 10) as i8;
                rest /= 10;
                at += 1;
            }
            places
        };
        let (larger, smaller) = match self.compare_magnitude(other) {
            Ordering::Less => (other, self),
            Ordering::Equal | Ordering::Greater => (self, other),
        };
        let (mut sum, add) = (spread(larger), spread(smaller));
        let sign = if self.negative == other.negative { 1 } else { -1 };
        let mut carry = 0;
        for (digit, add) in sum.iter_mut().zip(add) {
            let value = *digit + sign * add + carry;
            carry = value.div_euclid(10);
            *digit = value.rem_euclid(10);
        }
        let Some(last) = sum.iter().position(|digit| *digit != 0) else { return Ok(Self::default()) };
        let first = sum.iter().rposition(|digit| *digit != 0).unwrap_or(last);
        if first - last >= DIGITS as usize {
            let too_high = i32::from(lowest) + first as i32 > HIGHEST;
            return Err(if too_high { NumberError::Overflow } else { NumberError::TooPrecise });
        }
        let digits = sum[last..=first].iter().rev().fold(0u128, |sum, digit| sum * 10 + u128::from(*digit as u8));
        Self::of(larger.negative, digits, i32::from(lowest) + last as i32)
    }

    /// The difference, exactly.
    ///
    /// # Errors
    /// As for [`Self::plus`].
    pub fn minus(self, other: Self) -> Result<Self, NumberError> {
        self.plus(Self { negative: !other.negative && other.digits != 0, ..other })
    }

    fn of(negative: bool, mut digits: u128, mut exponent: i32) -> Result<Self, NumberError> {
        if digits == 0 {
            return Ok(Self::default());
        }
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        let number = Self { negative, digits, exponent: exponent as i16 };
        if number.highest() > HIGHEST {
            return Err(NumberError::Overflow);
        }
        if number.highest() < LOWEST {
            return Err(NumberError::Underflow);
        }
        if number.count() > DIGITS { Err(NumberError::TooPrecise) } else { Ok(number) }
    }

    /// How many digits it has.
    pub(crate) fn count(self) -> u32 {
        self.digits.checked_ilog10().unwrap_or(0) + 1
    }

    /// The place of its first digit.
    pub(crate) fn highest(self) -> i32 {
        i32::from(self.exponent) + self.count() as i32 - 1
    }

    fn compare_magnitude(self, other: Self) -> Ordering {
        match (self.digits, other.digits) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            // Both with 38 digits: then the digits alone decide.
            _ => self.highest().cmp(&other.highest()).then_with(|| {
                let filled = |number: Self| number.digits * 10u128.pow(DIGITS - number.count());
                filled(self).cmp(&filled(other))
            }),
        }
    }
}

/// The exponent of a text, bounded: one that is far out of range stays so.
fn exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let far = 1 << 40;
    let value = digits.bytes().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(far));
    Some(if negative { -value } else { value })
}

/// Where the last digit is that is not 0, counted from the first of `whole`.
fn last_digit(whole: &str, fraction: &str) -> Option<usize> {
    let in_fraction = fraction.bytes().rposition(|digit| digit != b'0').map(|at| whole.len() + at);
    in_fraction.or_else(|| whole.bytes().rposition(|digit| digit != b'0'))
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        // At most twenty digits.
        Self::of(false, u128::from(value), 0).unwrap_or_default()
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_magnitude(*other),
            (true, true) => other.compare_magnitude(*self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let digits = self.digits.to_string();
        if self.exponent >= 0 {
            return write!(f, "{digits}{:0<1$}", "", self.exponent as usize);
        }
        let below = usize::from(self.exponent.unsigned_abs());
        if below < digits.len() {
            let (whole, fraction) = digits.split_at(digits.len() - below);
            write!(f, "{whole}.{fraction}")
        } else {
            write!(f, "0.{:0<1$}{digits}", "", below - digits.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn texts_of_one_number_have_one_form() {
        let same = [("0", "0"), ("-0.00", "0"), ("00012.500", "12.5"), ("1E3", "1000"), ("+1.5e-3", "0.0015")];
        for (text, form) in same.into_iter().chain([(".5", "0.5"), ("5.", "5"), ("-12e1", "-120"), ("0e999999", "0")]) {
            assert_eq!(number(text).to_string(), form, "{text}");
        }
        assert_eq!(number("1E125").to_string(), format!("1{}", "0".repeat(125)));
        assert_eq!(number("1E-130").to_string(), format!("0.{}1", "0".repeat(129)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["abc", "1e", "e5", ".", "-", "1 ", " 1", "0x10", "1e5.5", "--1", "1_000", "NaN", "Infinity", "१"]
        {
            assert_eq!(Number::parse(text), Err(NumberError::NotANumber(text.to_owned())), "{text}");
        }
        assert_eq!(Number::parse(""), Err(NumberError::Empty));
        assert_eq!(Number::parse("1e126"), Err(NumberError::Overflow));
        assert_eq!(Number::parse("1e99999999999999999999"), Err(NumberError::Overflow));
        assert_eq!(Number::parse("1e-131"), Err(NumberError::Underflow));
        assert_eq!(Number::parse(&"1".repeat(39)), Err(NumberError::TooPrecise));
        assert_eq!(Number::parse(&format!("{}00", "9".repeat(38))).map(|number| number.count()), Ok(38));
    }

    #[test]
    fn sums_are_exact_or_refused() {
        let plus = |a: &str, b: &str| number(a).plus(number(b)).map(|sum| sum.to_string());
        assert_eq!(plus("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(plus("-5", "5").unwrap(), "0");
        assert_eq!(plus("99", "1").unwrap(), "100");
        assert_eq!(plus("1E38", "-99999999999999999999999999999999999999").unwrap(), "1");
        assert_eq!(plus("1E38", "1"), Err(NumberError::TooPrecise));
        assert_eq!(plus("1E125", "-1E-130"), Err(NumberError::TooPrecise));
        let most = format!("{}E88", "9".repeat(38));
        assert_eq!(plus(&most, &most), Err(NumberError::Overflow));
        assert_eq!(number("3").minus(number("5")).unwrap().to_string(), "-2");
        assert_eq!(number("0").minus(number("0")).unwrap(), Number::default());
    }

    proptest! {
        #[test]
        fn it_reckons_as_integers_do(a in -1_000_000_000_000i64..1_000_000_000_000, b in -1_000_000i64..1_000_000, places in 0u32..60) {
            let shifted = |value: i64| number(&format!("{value}e-{places}"));
            prop_assert_eq!(shifted(a).plus(shifted(b)).unwrap(), shifted(a + b));
            prop_assert_eq!(shifted(a).minus(shifted(b)).unwrap(), shifted(a - b));
            prop_assert_eq!(shifted(a).cmp(&shifted(b)), a.cmp(&b));
            prop_assert_eq!(number(&shifted(a).to_string()), shifted(a));
        }

        #[test]
        fn far_apart_is_as_near(a in any::<i32>(), b in any::<i32>()) {
            let (a, b) = (number(&a.to_string()), number(&b.to_string()));
            let (lowest, highest) = (a.exponent.min(b.exponent), a.highest().max(b.highest()));
            prop_assume!(a.digits != 0 && b.digits != 0);
            prop_assert_eq!(a.plus_far(b, lowest, highest), a.plus(b));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,12}") {
            if let Ok(number) = Number::parse(&text) {
                prop_assert_eq!(Number::parse(&number.to_string()), Ok(number));
            }
        }
    }
}
