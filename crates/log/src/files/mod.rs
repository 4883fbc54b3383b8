//! Files as a parameter: everything that the log does to a disk goes through [`Files`], so that a test can lose what was
//! not synced, fill the disk or fail a sync.

#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod system;

pub use system::SystemFiles;

use std::io;
use std::path::Path;
use std::sync::Arc;

/// What some file systems keep in their topmost directory: a new disk that has it counts as empty.
const LOST_AND_FOUND: &str = "lost+found";

/// A file system. Errors are the operating system's.
pub trait Files: Send + Sync + 'static {
    /// Creates a directory and its missing parents, for the owner alone and durably; an existing one is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names of what is in a directory, in no order, but for [`LOST_AND_FOUND`].
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading alone: of what somebody else may own, such as a backup on a read-only disk.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }
    /// Makes a new, empty file, for the owner alone; one that exists is an error.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Renames a file, replacing the target. Durable once the directory is synced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a file, if there is one.
    fn remove_if_there(&self, path: &Path) -> io::Result<()> {
        match self.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
    /// Gives a file these contents, durably and at one stroke: whoever opens it finds the old ones or the new.
    fn replace(&self, directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = directory.join(format!("{name}.new"));
        self.remove_if_there(&new)?;
        let file = self.create(&new)?;
        file.write_at(bytes, 0)?;
        file.sync_data()?;
        self.rename(&new, &directory.join(name))?;
        self.sync_dir(directory)
    }
    /// Makes a directory's entries durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes that can still be written on the disk that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Takes the lock file at `path` until the guard is dropped; `None` if somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the contents durable (`fdatasync`): bytes and length, not the name.
    fn sync_data(&self) -> io::Result<()>;
    /// Asks for these bytes to be written to the disk soon, without waiting and without promising anything: so that a
    /// later [`Self::sync_data`] finds little left to do, and others' syncs do not queue behind a mountain.
    fn start_writeback(&self, offset: u64, length: u64) -> io::Result<()>;
    /// The length in bytes.
    fn len_bytes(&self) -> io::Result<u64>;
    /// Makes the file `length` bytes long with its space reserved, so that writing inside cannot run out of space.
    fn allocate(&self, length: u64) -> io::Result<()>;
}

/// Reads exactly `length` bytes.
///
/// # Errors
/// `UnexpectedEof` if the file ends before.
pub fn read_exact_at(file: &dyn File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    if file.read_at(&mut buffer, offset)? != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(buffer)
}

/// The names in a directory, none if it is not there.
pub(crate) fn absent_is_empty(names: io::Result<Vec<String>>) -> io::Result<Vec<String>> {
    match names {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names,
    }
}
