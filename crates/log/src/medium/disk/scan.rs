//! Reading the log files from the first batch to the last, and telling a torn tail from corruption.
//!
//! At most one batch is unsynced at a time. So what follows an unreadable batch decides: if any later batch of this log
//! stands behind it, it had been durable and its loss is corruption; if none does, it is the torn end of a write that was
//! never acknowledged.

use super::super::{Location, OpenError};
use super::log_file::{self, FIRST_BATCH};
use super::manifest::Manifest;
use crate::batch::{ALIGN, HEADER, Header, HeaderAt, ParsedBatch, Place};
use crate::files::{File, Files, read_exact_at};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Where the log ends.
pub(super) struct End {
    /// The last batch, if there is any.
    pub(super) last: Option<(Location, ParsedBatch)>,
    /// Index in the manifest's list of the file that the next batch goes to, and the offset in it.
    pub(super) file: usize,
    pub(super) offset: u64,
    /// The highest batch known to be durable.
    pub(super) durable_upto: u64,
    /// The last batch in each file, by index; 0 for none.
    pub(super) last_in_file: Vec<u64>,
    /// The open files, by index.
    pub(super) files: Vec<Arc<dyn File>>,
    /// Where batches have been begun that cannot be read: by index of the file, and the offset in it.
    pub(super) unfinished: Vec<(usize, u64)>,
}

struct Scanner<'a> {
    manifest: &'a Manifest,
    files: Vec<(String, Arc<dyn File>, u64)>,
}

enum Found {
    Batch(ParsedBatch),
    Newer {
        format: u16,
        features: u32,
    },
    /// The header of a batch of ours whose rest does not verify.
    Broken,
    Nothing,
}

/// Reads every batch, hands those above `above` to `visit`, and finds the end.
pub(super) fn scan(
    files: &dyn Files,
    directory: &Path,
    manifest: &Manifest,
    above: u64,
    visit: &mut dyn FnMut(ParsedBatch, Location) -> Result<(), OpenError>,
) -> Result<End, OpenError> {
    let mut opened = Vec::with_capacity(manifest.log_files.len());
    for listed in &manifest.log_files {
        let file = log_file::open(files, directory, manifest.log_id, listed)?;
        opened.push((log_file::path(directory, listed.id).display().to_string(), file, listed.bytes));
    }
    let scanner = Scanner { manifest, files: opened };
    let mut end = End {
        last: None,
        file: 0,
        offset: FIRST_BATCH,
        durable_upto: 0,
        last_in_file: vec![0; manifest.log_files.len()],
        files: Vec::new(),
        unfinished: Vec::new(),
    };
    for index in 0..scanner.files.len() {
        let mut offset = FIRST_BATCH;
        let broken = loop {
            match scanner.batch_at(index, offset)? {
                Found::Batch(batch) => {
                    let number = batch.header.number;
                    scanner.check_order(index, offset, &batch, end.last.as_ref(), above)?;
                    let location = Location { number, file_id: manifest.log_files[index].id, offset };
                    end.durable_upto = end.durable_upto.max(batch.header.durable_upto);
                    end.last_in_file[index] = number;
                    offset += u64::from(batch.header.total);
                    (end.file, end.offset) = (index, offset);
                    if number > above {
                        visit(batch.clone(), location)?;
                    }
                    end.last = Some((location, batch));
                }
                Found::Newer { format, features } => {
                    let file = scanner.files[index].0.clone();
                    return Err(OpenError::newer(file, format, features));
                }
                Found::Broken => break true,
                Found::Nothing => break false,
            }
        };
        scanner.check_nothing_after(index, offset, end.last.as_ref(), above)?;
        end.unfinished.extend(broken.then_some((index, offset)));
    }
    end.files = scanner.files.into_iter().map(|(_, file, _)| file).collect();
    Ok(end)
}

impl Scanner<'_> {
    fn read(&self, index: usize, offset: u64, length: usize) -> Result<Option<Vec<u8>>, OpenError> {
        let (name, file, bytes) = &self.files[index];
        if offset + length as u64 > *bytes {
            return Ok(None);
        }
        match read_exact_at(&**file, offset, length) {
            Ok(read) => Ok(Some(read)),
            // A file shorter than the manifest says ends here: what is missing is judged as any unreadable batch is.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(OpenError::Io { what: "cannot read", file: name.clone(), source }),
        }
    }

    /// Whether a header that says so is one of this file at this offset: not one left from another life of the file, nor
    /// bytes of a record.
    fn belongs(&self, index: usize, offset: u64, place: Place) -> bool {
        place.log_id == self.manifest.log_id
            && place.file_id == self.manifest.log_files[index].id
            && place.offset == offset
            && place.generation <= self.manifest.generation
    }

    fn batch_at(&self, index: usize, offset: u64) -> Result<Found, OpenError> {
        let Some(head) = self.read(index, offset, HEADER)? else { return Ok(Found::Nothing) };
        let header = match Header::decode(&head) {
            HeaderAt::Valid(header) if self.belongs(index, offset, header.place) => header,
            HeaderAt::Newer { place, format, features } if self.belongs(index, offset, place) => {
                return Ok(Found::Newer { format, features });
            }
            // Zeros, or what an earlier life of the file left.
            HeaderAt::Valid(_) | HeaderAt::Newer { .. } | HeaderAt::Invalid => return Ok(Found::Nothing),
        };
        let Some(bytes) = self.read(index, offset, header.total as usize)? else { return Ok(Found::Broken) };
        Ok(ParsedBatch::parse(header, Bytes::from(bytes)).map_or(Found::Broken, Found::Batch))
    }

    fn check_order(
        &self,
        index: usize,
        offset: u64,
        batch: &ParsedBatch,
        last: Option<&(Location, ParsedBatch)>,
        above: u64,
    ) -> Result<(), OpenError> {
        let number = batch.header.number;
        let wanted = match last {
            Some((_, last)) => last.header.number + 1,
            // What came before the first batch here must be covered by the snapshot.
            None => number.min(above + 1),
        };
        let generation = last.map_or(0, |(_, last)| last.header.place.generation);
        if number == wanted && batch.header.place.generation >= generation {
            return Ok(());
        }
        let what = if number == wanted {
            format!("batch {number} is of an older opening than the batch before it")
        } else {
            format!("batch {number} stands where batch {wanted} should")
        };
        Err(OpenError::Corrupt { file: self.files[index].0.clone(), offset, what })
    }

    /// The batch behind `covered` should stand there, since a later one was begun.
    fn missing(&self, index: usize, offset: u64, covered: u64, which: &str) -> OpenError {
        let what = format!("no readable batch, but {which}, so that batch {} had been acknowledged", covered + 1);
        OpenError::Corrupt { file: self.files[index].0.clone(), offset, what }
    }

    /// Nothing readable ends a file at `offset`. That is as it should be unless a later batch stands behind: in this file
    /// at any boundary, or as a first batch with too high a number in a later one.
    fn check_nothing_after(
        &self,
        index: usize,
        offset: u64,
        last: Option<&(Location, ParsedBatch)>,
        above: u64,
    ) -> Result<(), OpenError> {
        // What came before the first batch in the log must be covered by the snapshot.
        let covered = last.map_or(above, |(_, last)| last.header.number);
        const WINDOW: usize = 1 << 20;
        let mut at = offset;
        while at < self.files[index].2 {
            let length = WINDOW.min((self.files[index].2 - at) as usize);
            let Some(window) = self.read(index, at, length)? else { break };
            for (step, page) in window.chunks(ALIGN).enumerate() {
                let place = at + (step * ALIGN) as u64;
                // What stands here and was being written is the next one. Whatever stands behind was written after it.
                if let HeaderAt::Valid(header) = Header::decode(page)
                    && self.belongs(index, place, header.place)
                    && (place > offset || header.number.saturating_sub(1) > covered)
                {
                    let which = format!("batch {} follows at offset {place}", header.number);
                    return Err(self.missing(index, offset, covered, &which));
                }
            }
            at += length as u64;
        }
        for later in index + 1..self.files.len() {
            let Some(head) = self.read(later, FIRST_BATCH, HEADER)? else { continue };
            let HeaderAt::Valid(header) = Header::decode(&head) else { continue };
            if !self.belongs(later, FIRST_BATCH, header.place) {
                continue;
            }
            if header.number.saturating_sub(1) > covered {
                // A file between in which no batch begins is where it should be.
                let (at, offset) = if later > index + 1 { (index + 1, FIRST_BATCH) } else { (index, offset) };
                let which = format!("batch {} follows in {}", header.number, self.files[later].0);
                return Err(self.missing(at, offset, covered, &which));
            }
            break;
        }
        Ok(())
    }
}
