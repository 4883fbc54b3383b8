//! Items, one by one, from a slice.

use std::borrow::Cow;

use super::{BREAK, NULL, UNDEFINED, major};

/// Why bytes cannot be read: they are no CBOR, or something else than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not the CBOR that was expected")]
pub struct Malformed;

/// An item, or the beginning of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// A whole number.
    Int(i64),
    /// Any other number, and whole ones that do not fit.
    Float(f64),
    /// A byte string; borrowed when it comes in one piece.
    Bytes(Cow<'a, [u8]>),
    /// A text, likewise.
    Text(Cow<'a, str>),
    /// A list, whose elements follow.
    List(Length),
    /// A map, whose keys and values follow.
    Map(Length),
    /// A truth value.
    Bool(bool),
    /// `null` or `undefined`.
    Null,
}

/// How much of a list or map is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This many elements or members.
    Known(u64),
    /// All until a break.
    UntilBreak,
}

/// How deep what is skipped may be nested: as deep as `serde_json` reads by default.
pub const MAX_SKIPPED_DEPTH: usize = 128;

/// Reads items from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The first byte of an item, taken apart, and the number that follows it.
struct Head {
    major: u8,
    /// The lower five bits: 31 for an indefinite length or a break, and for major type 7 the kind.
    info: u8,
    argument: u64,
}

impl Head {
    const fn is_indefinite(&self) -> bool {
        self.info == 31
    }

    fn length(&self) -> Length {
        if self.is_indefinite() { Length::UntilBreak } else { Length::Known(self.argument) }
    }
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything has been read.
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes a tag, if one is next.
    pub fn tag(&mut self) -> Result<Option<u64>, Malformed> {
        if self.rest.first().is_none_or(|byte| byte >> 5 != major::TAG) {
            return Ok(None);
        }
        Ok(Some(self.head()?.argument))
    }

    /// Takes a null, if one is next.
    #[inline]
    pub(super) fn null(&mut self) -> bool {
        let is_null = matches!(self.rest, [NULL | UNDEFINED, ..]);
        if is_null {
            self.rest = &self.rest[1..];
        }
        is_null
    }

    /// The next item, without its tags. Of lists and maps only the beginning.
    #[inline]
    pub fn item(&mut self) -> Result<Item<'a>, Malformed> {
        let head = self.untagged()?;
        Ok(match head.major {
            major::UNSIGNED => {
                i64::try_from(head.argument).map_or_else(|_| Item::Float(float(head.argument)), Item::Int)
            }
            major::NEGATIVE => i64::try_from(head.argument)
                .map_or_else(|_| Item::Float(-1.0 - float(head.argument)), |n| Item::Int(!n)),
            major::BYTES => Item::Bytes(self.string(&head)?),
            major::TEXT => Item::Text(text(self.string(&head)?)?),
            major::LIST => Item::List(head.length()),
            major::MAP => Item::Map(head.length()),
            _ => match head.info {
                20 | 21 => Item::Bool(head.info == 21),
                22 | 23 => Item::Null,
                25 => Item::Float(half(head.argument)),
                26 => Item::Float(f32::from_bits(u32::try_from(head.argument).map_err(|_| Malformed)?).into()),
                27 => Item::Float(f64::from_bits(head.argument)),
                _ => return Err(Malformed),
            },
        })
    }

    /// Whether another element or member of a list or map follows; once not, never again.
    #[inline]
    pub fn more(&mut self, left: &mut Length) -> Result<bool, Malformed> {
        match left {
            Length::Known(0) => Ok(false),
            Length::Known(count) => {
                *count -= 1;
                Ok(true)
            }
            Length::UntilBreak if self.at_break()? => {
                *left = Length::Known(0);
                Ok(false)
            }
            Length::UntilBreak => Ok(true),
        }
    }

    /// Passes over an item with everything in it, as deep as [`MAX_SKIPPED_DEPTH`]. Whether its texts are UTF-8 is not
    /// looked at.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.skip_within(MAX_SKIPPED_DEPTH)
    }

    fn skip_within(&mut self, depth: usize) -> Result<(), Malformed> {
        let head = self.untagged()?;
        match head.major {
            major::BYTES | major::TEXT => self.pieces(&head, |_| ()),
            major::LIST | major::MAP => {
                let depth = depth.checked_sub(1).ok_or(Malformed)?;
                let mut left = head.length();
                while self.more(&mut left)? {
                    self.skip_within(depth)?;
                    if head.major == major::MAP {
                        self.skip_within(depth)?;
                    }
                }
                Ok(())
            }
            major::SIMPLE if head.is_indefinite() => Err(Malformed),
            _ => Ok(()),
        }
    }

    /// The head of the next item that is no tag.
    #[inline]
    fn untagged(&mut self) -> Result<Head, Malformed> {
        loop {
            let head = self.head()?;
            if head.major != major::TAG {
                return Ok(head);
            }
        }
    }

    #[inline]
    fn head(&mut self) -> Result<Head, Malformed> {
        let (&first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        let (major, info) = (first >> 5, first & 31);
        let argument = match info {
            0..=23 => info.into(),
            24 => u8::from_be_bytes(self.array()?).into(),
            25 => u16::from_be_bytes(self.array()?).into(),
            26 => u32::from_be_bytes(self.array()?).into(),
            27 => u64::from_be_bytes(self.array()?),
            31 if matches!(major, major::BYTES | major::TEXT | major::LIST | major::MAP | major::SIMPLE) => 0,
            _ => return Err(Malformed),
        };
        Ok(Head { major, info, argument })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a break, if one is next. There has to be something.
    #[inline]
    fn at_break(&mut self) -> Result<bool, Malformed> {
        let (&next, rest) = self.rest.split_first().ok_or(Malformed)?;
        if next == BREAK {
            self.rest = rest;
        }
        Ok(next == BREAK)
    }

    /// The content of a string, piece by piece.
    fn pieces(&mut self, head: &Head, mut each: impl FnMut(&'a [u8])) -> Result<(), Malformed> {
        if !head.is_indefinite() {
            each(self.take(head.argument)?);
            return Ok(());
        }
        while !self.at_break()? {
            let piece = self.head()?;
            if piece.major != head.major || piece.is_indefinite() {
                return Err(Malformed);
            }
            each(self.take(piece.argument)?);
        }
        Ok(())
    }

    fn string(&mut self, head: &Head) -> Result<Cow<'a, [u8]>, Malformed> {
        if !head.is_indefinite() {
            return self.take(head.argument).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        self.pieces(head, |piece| whole.extend_from_slice(piece))?;
        Ok(Cow::Owned(whole))
    }
}

/// Of a text in pieces only the whole need be UTF-8, which is milder than RFC 8949 §3.2.3 and does no harm.
fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Malformed> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Malformed),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed),
    }
}

#[expect(clippy::cast_precision_loss, reason = "only for what is beyond every bound of the model")]
fn float(number: u64) -> f64 {
    number as f64
}

/// A float of sixteen bits (RFC 8949, appendix D).
fn half(bits: u64) -> f64 {
    let mantissa = float(bits & 0x3ff);
    let magnitude = match bits >> 10 & 0x1f {
        0 => mantissa * 2f64.powi(-24),
        31 if bits & 0x3ff == 0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (mantissa + 1024.0) * 2f64.powi(i32::try_from(exponent).unwrap_or(0) - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}
