//! The bytes of a simulated file, in sectors that all copies share.

use std::sync::Arc;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;

/// Sectors are compared by this before they are compared by their bytes, and images by what it adds up to.
fn fingerprint(bytes: &[u8; SECTOR]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0x9e37_79b9_7f4a_7c15, |sum, word| mix(sum ^ u64::from_le_bytes(*word)))
}

/// Spreads every bit of a number over all of them.
pub(super) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    number ^ (number >> 29)
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    fingerprint: u64,
    bytes: [u8; SECTOR],
}

/// One sector; `None`: zeros.
pub(super) type Sector = Option<Arc<Filled>>;

fn sector(bytes: &[u8; SECTOR]) -> Sector {
    (*bytes != [0; SECTOR]).then(|| Arc::new(Filled { fingerprint: fingerprint(bytes), bytes: *bytes }))
}

fn bytes_of(sector: &Sector) -> [u8; SECTOR] {
    sector.as_ref().map_or([0; SECTOR], |filled| filled.bytes)
}

/// Contents and length of a file. A clone shares the bytes until one of the two is written to.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Those behind the last one are zeros.
    sectors: Arc<Vec<Sector>>,
    length: usize,
}

impl Contents {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut contents = Self { length: bytes.len(), ..Self::default() };
        for (index, sector) in contents.with(bytes, 0) {
            contents.set(index, sector);
        }
        contents
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(&mut bytes, 0);
        bytes
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// How many sectors the length takes.
    pub(super) fn sectors(&self) -> usize {
        self.length.div_ceil(SECTOR)
    }

    pub(super) fn sector(&self, index: usize) -> Sector {
        self.sectors.get(index).cloned().flatten()
    }

    /// The sectors that are not zeros.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, &Sector)> {
        self.sectors.iter().enumerate().filter(|(_, sector)| sector.is_some())
    }

    /// Sets a sector, whatever the length.
    pub(super) fn set(&mut self, index: usize, sector: Sector) {
        if index >= self.sectors.len() {
            if sector.is_none() {
                return;
            }
            Arc::make_mut(&mut self.sectors).resize(index + 1, None);
        }
        Arc::make_mut(&mut self.sectors)[index] = sector;
    }

    /// Changes the length. Bytes that were cut off are zeros when the file grows again.
    pub(super) fn set_length(&mut self, length: usize) {
        if length < self.length {
            let kept = length.div_ceil(SECTOR);
            if self.sectors.len() > kept {
                Arc::make_mut(&mut self.sectors).truncate(kept);
            }
            if !length.is_multiple_of(SECTOR) {
                let mut bytes = bytes_of(&self.sector(kept - 1));
                bytes[length % SECTOR..].fill(0);
                self.set(kept - 1, sector(&bytes));
            }
        }
        self.length = length;
    }

    /// The sectors that writing `bytes` at `offset` leaves.
    pub(super) fn with(&self, bytes: &[u8], offset: usize) -> Vec<(usize, Sector)> {
        let mut sectors = Vec::with_capacity(bytes.len() / SECTOR + 2);
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let (index, start) = (at / SECTOR, at % SECTOR);
            let (part, behind) = rest.split_at(rest.len().min(SECTOR - start));
            let written = if let Ok(whole) = <&[u8; SECTOR]>::try_from(part) {
                sector(whole)
            } else {
                let mut whole = bytes_of(&self.sector(index));
                whole[start..start + part.len()].copy_from_slice(part);
                sector(&whole)
            };
            sectors.push((index, written));
            at += part.len();
            rest = behind;
        }
        sectors
    }

    /// Reads up to `buffer.len()` bytes: how many there were.
    pub(super) fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        let offset = offset.min(self.length);
        let count = buffer.len().min(self.length - offset);
        let mut filled = 0;
        while filled < count {
            let (index, start) = ((offset + filled) / SECTOR, (offset + filled) % SECTOR);
            let step = (SECTOR - start).min(count - filled);
            let into = &mut buffer[filled..filled + step];
            match self.sectors.get(index) {
                Some(Some(sector)) => into.copy_from_slice(&sector.bytes[start..start + step]),
                Some(None) | None => into.fill(0),
            }
            filled += step;
        }
        count
    }

    /// A number that two files share only if their bytes are the same, but for a chance of 2⁻⁶⁴.
    pub(super) fn fingerprint(&self) -> u64 {
        self.filled().fold(mix(self.length as u64), |sum, (index, sector)| {
            let sector = sector.as_ref().map_or(0, |filled| filled.fingerprint);
            sum.wrapping_add(mix(sector ^ mix(index as u64 + 1)))
        })
    }
}
