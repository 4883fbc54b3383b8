//! A disk that is watched: what is read from it, how many files are open; and a moment for others between opening a file
//! and reading it.

use crate::files::sim::SimFiles;
use crate::files::{File, Files};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
pub(super) struct Watched {
    files: SimFiles,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    reads: AtomicU64,
    read_bytes: AtomicU64,
    open_files: AtomicU64,
    between: Mutex<Option<Between>>,
}

/// The end of a name, and what is done when a file with such a name has been opened.
type Between = (&'static str, Box<dyn FnOnce() + Send>);

struct WatchedFile(Arc<dyn File>, Arc<Seen>);

impl Drop for WatchedFile {
    fn drop(&mut self) {
        self.1.open_files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watched {
    pub(super) fn new(files: &SimFiles) -> Self {
        Self { files: files.clone(), seen: Arc::default() }
    }

    /// Does `act` once, when a file whose name ends with `end` has been opened and not been read yet.
    pub(super) fn once_opened(&self, end: &'static str, act: impl FnOnce() + Send + 'static) {
        *self.between() = Some((end, Box::new(act)));
    }

    fn between(&self) -> std::sync::MutexGuard<'_, Option<Between>> {
        self.seen.between.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        self.seen.open_files.fetch_add(1, Ordering::Relaxed);
        Arc::new(WatchedFile(file, self.seen.clone()))
    }

    pub(super) fn reads(&self) -> u64 {
        self.seen.reads.load(Ordering::Relaxed)
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.seen.read_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn open_files(&self) -> u64 {
        self.seen.open_files.load(Ordering::Relaxed)
    }
}

impl Files for Watched {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.files.create_dir(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.files.list(directory)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let opened = self.files.open(path).map(|file| self.watch(file));
        let between = self.between().take_if(|(end, _)| path.to_string_lossy().ends_with(*end));
        if let Some((_, act)) = between {
            act();
        }
        opened
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.files.create(path).map(|file| self.watch(file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.files.sync_dir(path)
    }
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.files.free_bytes(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.files.lock(path)
    }
}

impl File for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.reads.fetch_add(1, Ordering::Relaxed);
        self.1.read_bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn start_writeback(&self, offset: u64, length: u64) -> io::Result<()> {
        self.0.start_writeback(offset, length)
    }
    fn len_bytes(&self) -> io::Result<u64> {
        self.0.len_bytes()
    }
    fn allocate(&self, length: u64) -> io::Result<()> {
        self.0.allocate(length)
    }
}
