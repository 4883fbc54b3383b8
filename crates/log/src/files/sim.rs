//! A file system in memory that forgets at a crash what was not synced, and fails when it is told to.
//!
//! A file has its *live* contents and its *durable* ones (as of its last sync) with the writes since; a directory has
//! durable entries and the changes since. [`SimFiles::crash`] gives the disk as a power cut could leave it;
//! [`SimFiles::record`] keeps everything that is done, so that every image that a power cut could have left at any moment
//! can be made afterwards. What counts as possible is said in `images.rs`.

mod contents;
mod disk;
mod images;
mod record;
#[cfg(test)]
mod tests;

pub use images::{CrashPoint, Image};
pub use record::{Record, Replay};

use super::{File, Files};
use contents::Contents;
use disk::{Disk, Operation};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a power cut does to writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them are lost.
    Lost,
    /// All of them arrived.
    Kept,
    /// Each sector, length and change of a directory flips a coin; the seed says how.
    Torn(u64),
}

/// The disk and how it behaves.
#[derive(Debug, Default)]
struct State {
    disk: Disk,
    record: Option<Record>,
    locked: Vec<PathBuf>,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    ignore_syncs: bool,
    ignore_syncs_of: Option<fn(&Path) -> bool>,
    ignore_same_writes: bool,
    fail_syncs: bool,
    fail_sync_after: Option<u64>,
    capacity: u64,
}

/// A simulated disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimFiles(Arc<Mutex<State>>);

impl Default for SimFiles {
    fn default() -> Self {
        Self::of(Disk::default(), u64::MAX)
    }
}

impl SimFiles {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn of(disk: Disk, capacity: u64) -> Self {
        Self(Arc::new(Mutex::new(State { disk, capacity, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many operations that change the disk were made so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// From the given operation on, every operation fails as after a power cut.
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// Operations and syncs work again, as for the next process after a kill: what was written is as it was, synced or not.
    pub fn revive(&self) {
        let mut state = self.state();
        (state.crash_at, state.crashed) = (None, false);
        (state.fail_syncs, state.fail_sync_after) = (false, None);
    }

    /// A sync says that it worked and does nothing: the defect that crash tests must notice.
    pub fn ignore_syncs(&self, ignore: bool) {
        self.state().ignore_syncs = ignore;
    }

    /// The same for some files and directories only, by the path that they were opened or created under.
    pub fn ignore_syncs_of(&self, ignored: fn(&Path) -> bool) {
        self.state().ignore_syncs_of = Some(ignored);
    }

    /// A write of the bytes that are there already does nothing: then nobody can write again what a failed sync left
    /// clean.
    pub fn ignore_same_writes(&self, ignore: bool) {
        self.state().ignore_same_writes = ignore;
    }

    /// Every sync fails, leaving the written bytes readable and not durable, as a real failed fsync does: the pages count
    /// as clean, and a later sync says that all is well without writing them.
    pub fn fail_syncs(&self, fail: bool) {
        self.state().fail_syncs = fail;
    }

    /// After so many syncs that work one fails; after that they work again.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.state().fail_sync_after = Some(syncs);
    }

    /// Memory gets short: what a failed sync left clean is read again from the disk, which may have it or not.
    pub fn evict(&self, seed: u64) {
        self.state().apply(Operation::Evict { seed });
    }

    /// The size of the disk.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// How many bytes the files have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().disk.used()
    }

    /// The disk as a power cut now could leave it: a new disk, with nothing locked and no fault set.
    #[must_use]
    pub fn crash(&self, unsynced: Unsynced) -> Self {
        let state = self.state();
        let (disk, capacity) = (state.disk.clone(), state.capacity);
        drop(state);
        CrashPoint::new(disk, capacity, 0, 0).of(unsynced).files
    }

    /// The power is cut: the disk is from now on what [`Self::crash`] gives, and no fault is set. A record goes on.
    pub fn lose_power(&self, unsynced: Unsynced) {
        let disk = self.crash(unsynced).state().disk.clone();
        let mut state = self.state();
        state.apply(Operation::PowerCut(disk));
        *state = State {
            disk: std::mem::take(&mut state.disk),
            record: state.record.take(),
            operations: state.operations,
            capacity: state.capacity,
            ..State::default()
        };
    }

    /// From now on everything that is done is recorded (but for [`Self::flip`] and [`Self::replace`]).
    pub fn record(&self) {
        let mut state = self.state();
        state.record = Some(Record { base: state.disk.clone(), capacity: state.capacity, operations: Vec::new() });
    }

    /// How many operations have been recorded.
    #[must_use]
    pub fn recorded(&self) -> usize {
        self.state().record.as_ref().map_or(0, Record::len)
    }

    /// Ends the recording: what was recorded.
    #[must_use]
    pub fn take_record(&self) -> Option<Record> {
        self.state().record.take()
    }

    /// Changes a byte of a file where it lies: rot.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) {
        let mut state = self.state();
        let inode = *state.disk.live.get(path).unwrap_or_else(|| panic!("no file {}", path.display()));
        if let Some(inode) = state.disk.inodes.get_mut(&inode) {
            let offset = offset as usize;
            for contents in [&mut inode.live, &mut inode.durable] {
                let mut byte = [0];
                assert_eq!(contents.read(&mut byte, offset), 1, "{} ends before {offset}", path.display());
                for (index, sector) in contents.with(&[byte[0] ^ mask], offset) {
                    contents.set(index, sector);
                }
            }
        }
    }

    /// The contents of a file, if it exists.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.disk.live.get(path).and_then(|inode| state.disk.inodes.get(inode)).map(|inode| inode.live.to_bytes())
    }

    /// Replaces a file's contents, durably.
    pub fn replace(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        if let Some(inode) = state.disk.live.get(path).copied().and_then(|inode| state.disk.inodes.get_mut(&inode)) {
            inode.replace(Contents::from_bytes(&bytes));
        }
    }

    /// Every file's path.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().disk.live.keys().cloned().collect()
    }

    /// The files whose names end with this extension.
    #[must_use]
    pub fn paths_of(&self, extension: &str) -> Vec<PathBuf> {
        self.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == extension)).collect()
    }
}

impl State {
    /// Counts an operation that changes the disk; fails from the crash on.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.crash_at.is_some_and(|at| self.operations >= at) {
            self.crashed = true;
        }
        self.alive()
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("simulated power cut")) } else { Ok(()) }
    }

    fn apply(&mut self, operation: Operation) {
        self.disk.apply(&operation);
        if let Some(record) = &mut self.record {
            record.operations.push(operation);
        }
    }

    fn lookup(&self, path: &Path) -> io::Result<u64> {
        self.disk.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn live(&self, inode: u64) -> io::Result<&Contents> {
        self.disk.inodes.get(&inode).map(|inode| &inode.live).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn reserve(&self, inode: u64, length: usize) -> io::Result<()> {
        let more = length.saturating_sub(self.live(inode)?.length()) as u64;
        if more > 0 && self.disk.used().saturating_add(more) > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self, path: &Path, sync: impl FnOnce(bool) -> Operation) -> io::Result<()> {
        self.operate()?;
        let fails = match &mut self.fail_sync_after {
            Some(0) => {
                self.fail_sync_after = None;
                true
            }
            Some(syncs) => {
                *syncs -= 1;
                false
            }
            None => false,
        };
        if fails || self.fail_syncs {
            self.apply(sync(false));
            return Err(io::Error::other("simulated sync failure"));
        }
        if !self.ignore_syncs && !self.ignore_syncs_of.is_some_and(|ignored| ignored(path)) {
            self.apply(sync(true));
        }
        Ok(())
    }
}

impl Files for SimFiles {
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        self.state().operate()
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        Ok(state
            .disk
            .live
            .keys()
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.alive()?;
        let inode = state.lookup(path)?;
        Ok(SimFile::open(self, &mut state, path, inode))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.operate()?;
        if state.disk.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.disk.next_inode;
        state.apply(Operation::Create { path: path.to_path_buf(), inode });
        Ok(SimFile::open(self, &mut state, path, inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.lookup(from)?;
        state.apply(Operation::Rename { from: from.to_path_buf(), to: to.to_path_buf() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.lookup(path)?;
        state.apply(Operation::Remove { path: path.to_path_buf() });
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.state().sync(path, |works| Operation::SyncDirectory { path: path.to_path_buf(), works })
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let state = self.state();
        state.alive()?;
        Ok(state.capacity.saturating_sub(state.disk.used()))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut state = self.state();
        state.alive()?;
        if state.locked.iter().any(|locked| locked == path) {
            return Ok(None);
        }
        state.locked.push(path.to_path_buf());
        Ok(Some(Box::new(SimLock { files: self.clone(), path: path.to_path_buf() })))
    }
}

struct SimLock {
    files: SimFiles,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.files.state().locked.retain(|locked| *locked != self.path);
    }
}

struct SimFile {
    files: SimFiles,
    path: PathBuf,
    inode: u64,
}

impl SimFile {
    fn open(files: &SimFiles, state: &mut State, path: &Path, inode: u64) -> Arc<dyn File> {
        if let Some(inode) = state.disk.inodes.get_mut(&inode) {
            inode.handles += 1;
        }
        Arc::new(Self { files: files.clone(), path: path.to_path_buf(), inode })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Some(inode) = self.files.state().disk.inodes.get_mut(&self.inode) {
            inode.handles = inode.handles.saturating_sub(1);
        }
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.files.state();
        state.alive()?;
        Ok(state.live(self.inode)?.read(buffer, usize::try_from(offset).unwrap_or(usize::MAX)))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.files.state();
        state.alive()?;
        // A write that the power cut interrupts may have arrived in part: it counts as written and not synced.
        let outcome = state.operate();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        state.reserve(self.inode, end)?;
        let live = state.live(self.inode)?;
        let mut sectors = live.with(bytes, start);
        if state.ignore_same_writes {
            sectors.retain(|(index, sector)| live.sector(*index) != *sector);
        }
        state.apply(Operation::Write { inode: self.inode, sectors, end });
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        let inode = self.inode;
        self.files.state().sync(&self.path, |works| Operation::Sync { inode, works })
    }

    fn start_writeback(&self, _offset: u64, _length: u64) -> io::Result<()> {
        self.files.state().alive()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        let state = self.files.state();
        state.alive()?;
        Ok(state.live(self.inode)?.length() as u64)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.files.state();
        state.operate()?;
        state.reserve(self.inode, length as usize)?;
        state.apply(Operation::Allocate { inode: self.inode, length: length as usize });
        Ok(())
    }
}
