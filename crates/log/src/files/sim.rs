//! A file system in memory that forgets at a crash what was not synced, and fails when it is told to.
//!
//! A file has its *live* contents and its *durable* ones (as of its last sync) with the writes since; a directory has
//! live and durable entries. [`SimFiles::crash`] gives the disk as a power cut could leave it: of each unsynced write any
//! 512-byte sector may or may not have arrived, of each unsynced directory the old or the new entries.

use super::{File, Files};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: usize = 512;

/// What a power cut does to writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them are lost.
    Lost,
    /// All of them arrived.
    Kept,
    /// Each sector and each directory flips a coin; the seed says how.
    Torn(u64),
}

#[derive(Debug, Default, Clone)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, usize)>,
}

#[derive(Debug, Default)]
struct Disk {
    inodes: HashMap<u64, Inode>,
    live: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    locked: Vec<PathBuf>,
    next_inode: u64,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    ignore_syncs: bool,
    fail_syncs: bool,
    capacity: u64,
}

/// A simulated disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimFiles(Arc<Mutex<Disk>>);

impl Default for SimFiles {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Disk { capacity: u64::MAX, ..Disk::default() })))
    }
}

impl SimFiles {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many operations that change the disk were made so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// From the given operation on, every operation fails as after a power cut.
    pub fn crash_at(&self, operation: u64) {
        self.disk().crash_at = Some(operation);
    }

    /// A sync says that it worked and does nothing: the defect that crash tests must notice.
    pub fn ignore_syncs(&self, ignore: bool) {
        self.disk().ignore_syncs = ignore;
    }

    /// Every sync fails, leaving the written bytes readable and not durable, as a real failed fsync does.
    pub fn fail_syncs(&self, fail: bool) {
        self.disk().fail_syncs = fail;
    }

    /// The size of the disk.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().capacity = bytes;
    }

    /// The disk as a power cut now could leave it: a new disk, with nothing locked and no fault set.
    #[must_use]
    pub fn crash(&self, unsynced: Unsynced) -> Self {
        let disk = self.disk();
        let mut random = match unsynced {
            Unsynced::Torn(seed) => seed | 1,
            Unsynced::Lost | Unsynced::Kept => 1,
        };
        let mut arrived = || match unsynced {
            Unsynced::Lost => false,
            Unsynced::Kept => true,
            Unsynced::Torn(_) => {
                // xorshift: enough for choosing sectors.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random >> 33 & 1 == 0
            }
        };
        let mut entries = BTreeMap::new();
        let directories: std::collections::BTreeSet<_> = disk
            .live
            .keys()
            .chain(disk.durable.keys())
            .filter_map(|path| path.parent().map(Path::to_path_buf))
            .collect();
        for directory in directories {
            let source = if arrived() { &disk.live } else { &disk.durable };
            entries.extend(
                source.iter().filter(|(path, _)| path.parent() == Some(&directory)).map(|(p, i)| (p.clone(), *i)),
            );
        }
        let mut inodes = HashMap::new();
        for inode in entries.values() {
            let Some(source) = disk.inodes.get(inode) else { continue };
            let mut bytes = source.durable.clone();
            if source.live.len() > bytes.len() && arrived() {
                bytes.resize(source.live.len(), 0);
            }
            for (start, end) in &source.unsynced {
                let mut at = *start;
                while at < *end {
                    let next = (at / SECTOR + 1) * SECTOR;
                    let stop = next.min(*end);
                    if arrived() && stop <= source.live.len() {
                        if bytes.len() < stop {
                            bytes.resize(stop, 0);
                        }
                        bytes[at..stop].copy_from_slice(&source.live[at..stop]);
                    }
                    at = stop;
                }
            }
            inodes.insert(*inode, Inode { live: bytes.clone(), durable: bytes, unsynced: Vec::new() });
        }
        let next_inode = disk.next_inode;
        Self(Arc::new(Mutex::new(Disk {
            inodes,
            live: entries.clone(),
            durable: entries,
            next_inode,
            capacity: disk.capacity,
            ..Disk::default()
        })))
    }

    /// Changes a byte of a file where it lies: rot.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) {
        let mut disk = self.disk();
        let inode = *disk.live.get(path).unwrap_or_else(|| panic!("no file {}", path.display()));
        if let Some(inode) = disk.inodes.get_mut(&inode) {
            inode.live[offset as usize] ^= mask;
            inode.durable[offset as usize] ^= mask;
        }
    }

    /// The contents of a file, if it exists.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.disk();
        disk.live.get(path).and_then(|inode| disk.inodes.get(inode)).map(|inode| inode.live.clone())
    }

    /// Replaces a file's contents, durably.
    pub fn replace(&self, path: &Path, bytes: Vec<u8>) {
        let mut disk = self.disk();
        if let Some(inode) = disk.live.get(path).copied().and_then(|inode| disk.inodes.get_mut(&inode)) {
            *inode = Inode { live: bytes.clone(), durable: bytes, unsynced: Vec::new() };
        }
    }

    /// Every file's path.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.disk().live.keys().cloned().collect()
    }
}

impl Disk {
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

    fn used(&self) -> u64 {
        self.live.values().filter_map(|inode| self.inodes.get(inode)).map(|inode| inode.live.len() as u64).sum()
    }

    fn grow(&mut self, inode: u64, length: usize) -> io::Result<()> {
        let current = self.inodes.get(&inode).map_or(0, |inode| inode.live.len());
        if length > current {
            let more = (length - current) as u64;
            if self.used().saturating_add(more) > self.capacity {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(inode) = self.inodes.get_mut(&inode) {
                inode.live.resize(length, 0);
            }
        }
        Ok(())
    }

    fn lookup(&self, path: &Path) -> io::Result<u64> {
        self.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for SimFiles {
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        self.disk().operate()
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        disk.alive()?;
        Ok(disk
            .live
            .keys()
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = self.disk();
        disk.alive()?;
        let inode = disk.lookup(path)?;
        Ok(Arc::new(SimFile { files: self.clone(), inode }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.operate()?;
        if disk.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.next_inode;
        disk.next_inode += 1;
        disk.inodes.insert(inode, Inode::default());
        disk.live.insert(path.to_path_buf(), inode);
        Ok(Arc::new(SimFile { files: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        let inode = disk.lookup(from)?;
        disk.live.remove(from);
        disk.live.insert(to.to_path_buf(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        disk.lookup(path)?;
        disk.live.remove(path);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        if disk.fail_syncs {
            return Err(io::Error::other("simulated sync failure"));
        }
        if !disk.ignore_syncs {
            disk.durable.retain(|entry, _| entry.parent() != Some(path));
            let live: Vec<_> = disk
                .live
                .iter()
                .filter(|(entry, _)| entry.parent() == Some(path))
                .map(|(p, i)| (p.clone(), *i))
                .collect();
            disk.durable.extend(live);
        }
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let disk = self.disk();
        disk.alive()?;
        Ok(disk.capacity.saturating_sub(disk.used()))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut disk = self.disk();
        disk.alive()?;
        if disk.locked.iter().any(|locked| locked == path) {
            return Ok(None);
        }
        disk.locked.push(path.to_path_buf());
        Ok(Some(Box::new(SimLock { files: self.clone(), path: path.to_path_buf() })))
    }
}

struct SimLock {
    files: SimFiles,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.files.disk().locked.retain(|locked| *locked != self.path);
    }
}

struct SimFile {
    files: SimFiles,
    inode: u64,
}

impl SimFile {
    fn with<T>(&self, disk: &mut Disk, act: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        disk.inodes.get_mut(&self.inode).map(act).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.files.disk();
        disk.alive()?;
        self.with(&mut disk, |inode| {
            let start = inode.live.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
            let count = buffer.len().min(inode.live.len() - start);
            buffer[..count].copy_from_slice(&inode.live[start..start + count]);
            count
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.alive()?;
        // A write that the power cut interrupts may have arrived in part: it counts as written and not synced.
        let outcome = disk.operate();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        disk.grow(self.inode, end)?;
        self.with(&mut disk, |inode| {
            inode.live[start..end].copy_from_slice(bytes);
            inode.unsynced.push((start, end));
        })?;
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.operate()?;
        if disk.fail_syncs {
            return Err(io::Error::other("simulated sync failure"));
        }
        if disk.ignore_syncs {
            return Ok(());
        }
        self.with(&mut disk, |inode| {
            inode.unsynced.clear();
            inode.durable.clone_from(&inode.live);
        })
    }

    fn start_writeback(&self, _offset: u64, _length: u64) -> io::Result<()> {
        self.files.disk().alive()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        let mut disk = self.files.disk();
        disk.alive()?;
        self.with(&mut disk, |inode| inode.live.len() as u64)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.operate()?;
        disk.grow(self.inode, length as usize)
    }
}
