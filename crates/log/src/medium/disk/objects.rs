//! Immutable objects as files in `objects/`: written under a temporary name, synced, renamed, directory synced.

use super::super::{ObjectWriter, Objects};
use crate::files::{File, Files, read_exact_at};
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writing to the disk is begun in steps of this many bytes, so that a batch's sync never waits behind a whole segment.
const WRITEBACK_STEP_BYTES: u64 = 1 << 20;
const UNFINISHED: &str = ".tmp";

/// The objects of a data directory.
pub struct DiskObjects {
    files: Arc<dyn Files>,
    directory: PathBuf,
}

impl DiskObjects {
    /// The objects of the data directory `data`, whether its log is open or not.
    #[must_use]
    pub fn new(files: Arc<dyn Files>, data: &Path) -> Self {
        Self { files, directory: data.join("objects") }
    }

    pub(crate) fn create_directory(&self) -> io::Result<()> {
        self.files.create_dir(&self.directory)
    }

    /// Removes objects that were being written when the process ended.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        let names = self.list_objects()?;
        names.iter().filter(|name| name.ends_with(UNFINISHED)).try_for_each(|name| self.delete(name))
    }

    pub(crate) fn create(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
        let unfinished = format!("{name}{UNFINISHED}");
        self.delete(&unfinished)?;
        let file = self.files.create(&self.directory.join(&unfinished))?;
        Ok(Box::new(Writer {
            files: self.files.clone(),
            directory: self.directory.clone(),
            unfinished: self.directory.join(unfinished),
            path: self.directory.join(name),
            file,
            offset: 0,
            begun: 0,
        }))
    }

    pub(crate) fn delete(&self, name: &str) -> io::Result<()> {
        self.files.remove_if_there(&self.directory.join(name))
    }
}

impl Objects for DiskObjects {
    fn read_object(&self, name: &str, offset: u64, length: usize) -> io::Result<Bytes> {
        // Opened anew for each read, which is off the hot path: open files stay few however many segments there are.
        let file = self.files.open_read(&self.directory.join(name))?;
        Ok(read_exact_at(&*file, offset, length)?.into())
    }

    fn object_len(&self, name: &str) -> io::Result<u64> {
        self.files.open_read(&self.directory.join(name))?.len_bytes()
    }

    fn list_objects(&self) -> io::Result<Vec<String>> {
        self.files.list(&self.directory)
    }
}

struct Writer {
    files: Arc<dyn Files>,
    directory: PathBuf,
    unfinished: PathBuf,
    path: PathBuf,
    file: Arc<dyn File>,
    offset: u64,
    begun: u64,
}

impl ObjectWriter for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        if self.offset - self.begun >= WRITEBACK_STEP_BYTES {
            self.file.start_writeback(self.begun, self.offset - self.begun)?;
            self.begun = self.offset;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.file.sync_data()?;
        self.files.rename(&self.unfinished, &self.path)?;
        self.files.sync_dir(&self.directory)
    }
}
