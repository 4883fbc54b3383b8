//! The medium: where the log lives. A handful of methods, each with its guarantee, is all that the engine asks of a
//! disk, of a bucket or of memory; `tests/conformance.rs` holds every medium to them.
//!
//! 1. **Durable**: when [`Medium::append`] returns `Ok`, the batch is read at every later opening until it is dropped.
//! 2. **In order**: batches are numbered without gaps; an opening reads them in order, or refuses.
//! 3. **Fenced**: after an opening has succeeded, no append of an earlier one does.
//! 4. **Unknown is fatal**: after a failed append nobody knows whether the batch is there; no further one may follow.
//! 5. **Atomic root**: a later opening sees the root as it was before or after [`Medium::publish`], never a mixture, and
//!    after `Ok` the new one.
//! 6. **Whole objects**: an object that [`ObjectWriter::finish`] has accepted is durable and complete. One that no root
//!    names may vanish at the next opening.

pub mod disk;
pub mod memory;

use crate::batch::{Batch, ParsedBatch};
use bytes::Bytes;
use std::io;

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The batch's number.
    pub number: u64,
    /// The log file, or what the medium has in its place.
    pub file_id: u64,
    /// The offset in it.
    pub offset: u64,
}

/// Reads immutable objects: segments and snapshots.
pub trait Objects: Send + Sync + 'static {
    /// Reads bytes of an object.
    ///
    /// # Errors
    /// The operating system's, `NotFound` for an absent object and `UnexpectedEof` beyond its end.
    fn read_object(&self, name: &str, offset: u64, length: usize) -> io::Result<Bytes>;

    /// An object's length.
    ///
    /// # Errors
    /// The operating system's, `NotFound` for an absent object.
    fn object_len(&self, name: &str) -> io::Result<u64>;

    /// Names of all objects, in no order.
    ///
    /// # Errors
    /// The operating system's.
    fn list_objects(&self) -> io::Result<Vec<String>>;
}

/// Keeps batches, objects and one root.
pub trait Medium: Objects {
    /// What no other log has, and nobody knows who only writes records: a random number where what is kept may rot.
    fn log_id(&self) -> u128;

    /// The root as last published; `None` for a new log.
    fn root(&self) -> Option<Bytes>;

    /// Hands every batch above number `above` to `visit`, in order. Changes nothing of what is kept. Called once.
    ///
    /// # Errors
    /// Damage, a gap, a format of the future, or what `visit` returned.
    fn replay(
        &self,
        above: u64,
        visit: &mut dyn FnMut(ParsedBatch, Location) -> Result<(), OpenError>,
    ) -> Result<(), OpenError>;

    /// Takes the log over. Called once, after [`Self::replay`] and after everything else of the log was found to be of a
    /// known format: so what a newer version wrote is refused as it is. On `Ok` what was handed out is durable, and
    /// batches may be appended.
    ///
    /// # Errors
    /// The operating system's.
    fn begin(&self) -> Result<(), OpenError>;

    /// Whether a batch of `length` bytes can be appended without touching what is kept back for background work and for
    /// changes that free space (`frees_space`).
    ///
    /// # Errors
    /// [`NoRoom`] says how much is free and how much is kept back.
    fn admit(&self, length: usize, frees_space: bool) -> Result<(), NoRoom>;

    /// Writes a batch and makes it durable.
    ///
    /// # Errors
    /// Whatever the error, it is unknown whether the batch is there: the log has to stop.
    fn append(&self, batch: &mut Batch) -> io::Result<Location>;

    /// Lets the next batch, of `length` bytes, begin a new file, if one is ready that it fits and the disk has room; whether
    /// it will.
    fn seal(&self, length: usize) -> bool;

    /// Reads bytes of a batch that lies at `location`, `offset` bytes into it. What comes back has not been verified:
    /// the file may have been recycled since.
    ///
    /// # Errors
    /// The operating system's, and `NotFound` for a file that is gone.
    fn read(&self, location: Location, offset: usize, length: usize) -> io::Result<Bytes>;

    /// Replaces the root and lets go of batches up to number `unneeded`: they can be read until the next
    /// [`Self::maintain`], so that readers can be told before where the records are now.
    ///
    /// # Errors
    /// The operating system's; the old root stands, and nothing was let go.
    fn publish(&self, root: &[u8], unneeded: u64) -> io::Result<()>;

    /// Does what keeps appends fast, such as preparing the next file, and frees what was let go; as little of it as will do
    /// while the log `is_busy`. Called off the path of acknowledgements.
    ///
    /// # Errors
    /// The operating system's; nothing is lost.
    fn maintain(&self, is_busy: bool) -> io::Result<()>;

    /// So many log files may wait for their segments while the log is busy, though not more than `bytes` of them. 0: none need
    /// to, as writing segments takes nothing from the log here.
    fn files_that_may_wait(&self, bytes: u64) -> usize;

    /// Begins an object.
    ///
    /// # Errors
    /// The operating system's.
    fn create_object(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>>;

    /// Deletes an object; an absent one is no error.
    ///
    /// # Errors
    /// The operating system's.
    fn delete_object(&self, name: &str) -> io::Result<()>;

    /// Whether there is room for an object of `length` bytes (from what is kept back for background work).
    fn has_room_for_object(&self, length: u64) -> bool;
}

/// An object being written.
pub trait ObjectWriter: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// The operating system's; the object is to be given up.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the object durable and visible.
    ///
    /// # Errors
    /// The operating system's; whether the object is there is unknown.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// The disk has room, but not beyond what is kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full: {free_bytes} bytes are free, of which {reserve_bytes} are kept back")]
pub struct NoRoom {
    /// Bytes free on the disk.
    pub free_bytes: u64,
    /// Bytes kept back for background work and for changes that free space.
    pub reserve_bytes: u64,
}

/// Why a log could not be opened. Nothing on the medium was changed, but for the rewriting of valid batches.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is in use by another process; stop that one first, or choose another --data-dir")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// Written by a later version.
    #[error(
        "{file} was written by a newer version of Rheos (format {format}, unknown feature bits {features:#x}): start that version, or restore a backup made by this one"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its format.
        format: u32,
        /// The feature bits that are not known here.
        features: u32,
    },
    /// Bytes that were durable are not as they were written.
    #[error(
        "{file} is damaged at offset {offset}: {what}. Acknowledged records would be lost by going on: run `rheos log check` for the extent, then `rheos restore` a backup or `rheos log repair` the directory"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// The offset of the first byte that cannot be trusted.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// A file that the manifest names is not there.
    #[error(
        "{file} is missing although the manifest names it: restore it, or the whole directory, from a copy, or run `rheos log check` for what is lost without it"
    )]
    Missing {
        /// The file.
        file: String,
    },
    /// There are files of a log and no manifest.
    #[error(
        "{file} is missing, though there are files of a log: restore it, or the whole directory, from a copy, or run `rheos log repair`, which makes it from them"
    )]
    NoManifest {
        /// The manifest.
        file: String,
    },
    /// There is nothing of a log, or no more of it than a first start leaves that did not come to its end.
    #[error("there is no log in {directory}")]
    NoLog {
        /// The directory.
        directory: String,
    },
    /// Something was being done to the directory and did not come to its end, or it is not there to be opened.
    #[error("{file}: {what}")]
    Unfinished {
        /// The file that says so.
        file: String,
        /// What it is, and what to do.
        what: String,
    },
    /// The operating system refused.
    #[error("{what} {file}")]
    Io {
        /// What was tried, such as `cannot read`.
        what: &'static str,
        /// The file.
        file: String,
        /// The operating system's error.
        source: io::Error,
    },
}

impl OpenError {
    /// A file of a format, or with features, that this version does not know.
    pub(crate) fn newer(file: impl Into<String>, format: impl Into<u32>, features: u32) -> Self {
        Self::Newer { file: file.into(), format: format.into(), features }
    }
}
