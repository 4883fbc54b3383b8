//! Immutable objects as files in `objects/`: written under a temporary name, synced, renamed, directory synced.

use super::super::ObjectWriter;
use crate::files::{File, Files, read_exact_at};
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writing to the disk is begun in steps of this many bytes, so that a batch's sync never waits behind a whole segment.
const WRITEBACK_STEP_BYTES: u64 = 1 << 20;
const UNFINISHED: &str = ".tmp";

pub(super) fn directory(data: &Path) -> PathBuf {
    data.join("objects")
}

/// Removes objects that were being written when the process ended.
pub(super) fn remove_unfinished(files: &dyn Files, data: &Path) -> io::Result<()> {
    let directory = directory(data);
    for name in files.list(&directory)? {
        if name.ends_with(UNFINISHED) {
            files.remove(&directory.join(name))?;
        }
    }
    Ok(())
}

pub(super) fn create(files: &Arc<dyn Files>, data: &Path, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
    let directory = directory(data);
    let unfinished = directory.join(format!("{name}{UNFINISHED}"));
    match files.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = files.create(&unfinished)?;
    Ok(Box::new(Writer {
        files: files.clone(),
        path: directory.join(name),
        unfinished,
        directory,
        file,
        offset: 0,
        begun: 0,
    }))
}

pub(super) fn read(files: &dyn Files, data: &Path, name: &str, offset: u64, length: usize) -> io::Result<Bytes> {
    // Opened anew for each read, which is off the hot path: open files stay few however many segments there are.
    let file = files.open(&directory(data).join(name))?;
    Ok(read_exact_at(&*file, offset, length)?.into())
}

pub(super) fn len(files: &dyn Files, data: &Path, name: &str) -> io::Result<u64> {
    files.open(&directory(data).join(name))?.len_bytes()
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
