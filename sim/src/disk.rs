//! The disk: the log's simulated file system, with what happens to it written down and trouble on demand.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use rheos_log::files::sim::{SimFiles, Unsynced};
use rheos_log::files::{File, Files};

use crate::trace::{Trace, digest, trace};

/// A disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<State>);

struct State {
    files: SimFiles,
    trace: Trace,
    /// Syncs until all fail; below zero: none does.
    failing_sync: AtomicI64,
    /// Syncs say that they worked, and did nothing: a defect that the checker must notice.
    lies: AtomicBool,
    /// A crash takes the last write, though it was synced: another such defect.
    forgets: AtomicBool,
    last_write: Mutex<Option<(String, u64, usize)>>,
}

impl SimDisk {
    /// An empty disk of so many bytes.
    #[must_use]
    pub fn new(capacity: u64, trace: Trace) -> Self {
        let files = SimFiles::new();
        files.set_capacity(capacity);
        Self(Arc::new(State {
            files,
            trace,
            failing_sync: AtomicI64::new(-1),
            lies: AtomicBool::new(false),
            forgets: AtomicBool::new(false),
            last_write: Mutex::default(),
        }))
    }

    fn files(&self) -> &SimFiles {
        &self.0.files
    }

    /// The power goes: the disk is what a power cut leaves, or all of it when only the process died.
    pub fn cut(&self, unsynced: Unsynced) {
        trace!(self.0.trace, "the disk after a crash: {unsynced:?}");
        self.files().lose_power(unsynced);
        self.files().ignore_syncs(self.0.lies.load(Relaxed));
        if self.0.forgets.load(Relaxed) {
            self.forget_last_write();
        }
        self.0.failing_sync.store(-1, Relaxed);
    }

    /// After so many syncs that work all fail, and leave what was written readable and not durable ([`SimFiles::fail_syncs`]).
    pub fn fail_sync_after(&self, syncs: i64) {
        self.0.failing_sync.store(syncs, Relaxed);
    }

    /// No sync fails any more.
    pub fn heal(&self) {
        self.0.failing_sync.store(-1, Relaxed);
        self.files().revive();
    }

    /// From the change after so many others on everything fails, as in the middle of a power cut.
    pub fn lose_power_after(&self, operations: u64) {
        let files = self.files();
        files.crash_at(files.operations() + operations);
    }

    /// Another size.
    pub fn set_capacity(&self, bytes: u64) {
        self.files().set_capacity(bytes);
    }

    /// Bytes that can be written.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.files().free_bytes(Path::new("/")).unwrap_or(0)
    }

    /// Syncs do nothing from now on.
    pub fn lie_about_syncs(&self) {
        self.0.lies.store(true, Relaxed);
        self.files().ignore_syncs(true);
    }

    /// From now on each crash takes the last write of a log file.
    pub fn lose_last_writes(&self) {
        self.0.forgets.store(true, Relaxed);
    }

    fn forget_last_write(&self) {
        let last = self.0.last_write.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((name, offset, length)) = last else { return };
        // One that is gone has nothing to forget.
        let Ok(file) = self.files().open(Path::new(&name)) else { return };
        let _forgotten = file.write_at(&vec![0; length], offset).and_then(|()| file.sync_data());
    }

    fn note(&self, event: std::fmt::Arguments<'_>) {
        self.0.trace.note(format_args!("disk: {event}"));
    }

    /// Counts a sync that is about to be made, and has it fail if it is its turn.
    fn count_sync(&self) {
        match self.0.failing_sync.load(Relaxed) {
            left if left < 0 => {}
            0 => {
                self.note(format_args!("the sync fails"));
                self.files().fail_syncs(true);
            }
            left => self.0.failing_sync.store(left - 1, Relaxed),
        }
    }
}

impl Files for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.files().create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.files().list(directory)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = self.files().open(path)?;
        Ok(Arc::new(SimFile { file, disk: self.clone(), name: path.display().to_string() }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.note(format_args!("create {}", path.display()));
        let file = self.files().create(path)?;
        Ok(Arc::new(SimFile { file, disk: self.clone(), name: path.display().to_string() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(format_args!("rename {} to {}", from.display(), to.display()));
        self.files().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note(format_args!("remove {}", path.display()));
        self.files().remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.note(format_args!("sync {}", path.display()));
        self.count_sync();
        self.files().sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.files().free_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.files().lock(path)
    }
}

struct SimFile {
    file: Arc<dyn File>,
    disk: SimDisk,
    name: String,
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let written = self.file.write_at(bytes, offset);
        let (length, digest, done) = (bytes.len(), digest(bytes), written.is_ok());
        if self.name.contains("/log/") || self.name.ends_with(".log") {
            let last = Some((self.name.clone(), offset, bytes.len()));
            *self.disk.0.last_write.lock().unwrap_or_else(PoisonError::into_inner) = last;
        }
        self.disk.note(format_args!("write {} at {offset}: {length} bytes {digest:016x} {done}", self.name));
        written
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.note(format_args!("sync {}", self.name));
        self.disk.count_sync();
        self.file.sync_data()
    }

    fn start_writeback(&self, offset: u64, length: u64) -> io::Result<()> {
        self.file.start_writeback(offset, length)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.file.len_bytes()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.disk.note(format_args!("allocate {}: {length} bytes", self.name));
        self.file.allocate(length)
    }
}
