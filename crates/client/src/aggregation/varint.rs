//! The primitives of protobuf: numbers of variable length, tags of fields, and a cursor over bytes that cannot leave them.

/// How a field's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Fixed numbers and groups: in no field that we know, so only their end matters.
    Other,
}

/// The bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("it ends in the middle of a field")]
    Ends,
    #[error("a number has more than ten bytes")]
    LongNumber,
    #[error("a field has a number or a type that no field has")]
    Tag,
    #[error("groups lie too deep in each other")]
    Depth,
}

/// What remains of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

/// How deep protobuf's own libraries follow groups.
const DEEPEST: u32 = 100;

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The number and the value of the next field; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        Ok(Some((number, self.value(number, wire_type)?)))
    }

    fn tag(&mut self) -> Result<(u32, u32), Broken> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Broken::Tag)?;
        if tag >> 3 == 0 { Err(Broken::Tag) } else { Ok((tag >> 3, tag & 7)) }
    }

    fn value(&mut self, number: u32, wire_type: u32) -> Result<Value<'a>, Broken> {
        match wire_type {
            0 => return self.varint().map(Value::Varint),
            1 => self.take(8)?,
            2 => {
                let length = self.varint()?;
                return self.take(usize::try_from(length).map_err(|_| Broken::Ends)?).map(Value::Bytes);
            }
            3 => {
                self.skip_group(number)?;
                return Ok(Value::Other);
            }
            5 => self.take(4)?,
            _ => return Err(Broken::Tag),
        };
        Ok(Value::Other)
    }

    /// Skips to the end of a group that has begun, without recursion: its depth is the sender's.
    fn skip_group(&mut self, number: u32) -> Result<(), Broken> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            match self.tag()? {
                (number, 4) if number == *innermost => {
                    open.pop();
                }
                (_, 4) => return Err(Broken::Tag),
                (number, 3) if open.len() < DEEPEST as usize => open.push(number),
                (_, 3) => return Err(Broken::Depth),
                (number, wire_type) => {
                    self.value(number, wire_type)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Broken::Ends)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut number = 0;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            // Of the tenth byte only one bit is left; protobuf's libraries drop the others.
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(number);
            }
        }
        Err(if self.0.len() < 10 { Broken::Ends } else { Broken::LongNumber })
    }
}

/// How many bytes a number takes.
pub(super) fn varint_len(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends a number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a field of bytes. `tag` is its number times 8 plus 2.
pub(super) fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes a field of so many bytes takes.
pub(super) fn bytes_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}
