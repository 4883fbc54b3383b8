//! A log on a local disk.
//!
//! `MANIFEST` names everything that counts; `log/` holds the log files, `objects/` segments and snapshots, `LOCK` keeps a
//! second process out. One `fdatasync` makes a batch durable, and nothing else is on that path: files are made, named,
//! synced with their directory and listed before a batch may enter them, so that writing a batch changes no metadata.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
pub(crate) mod log_file;
pub(crate) mod manifest;
mod objects;
mod scan;
pub(crate) mod unfinished;

pub use objects::DiskObjects;

use super::{Location, Medium, NoRoom, ObjectWriter, Objects, OpenError};
use crate::batch::{Batch, HEADER, Header, HeaderAt, ParsedBatch, Place};
use crate::files::{File, Files, absent_is_empty, read_exact_at};
use bytes::Bytes;
use log_file::FIRST_BATCH;
use manifest::{LogFileRef, Manifest};
use rheos_types::Random;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a log lies on the disk.
#[derive(Debug, Clone, Copy)]
pub struct DiskOptions {
    /// Bytes of a log file. `None`: an eighth of the free space, between 4 and 64 MiB.
    pub log_file_bytes: Option<u64>,
}

/// The first log file of a new log is small, so that starting never waits.
const FIRST_FILE_BYTES: u64 = 4 << 20;
pub(crate) const LARGEST_FILE_BYTES: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// Log files that wait for their segments while the log is busy take no more than this part of the free space.
const DEFERRED_PART: u64 = 8;
/// Files that may wait to be used.
const MAX_SPARES: usize = 2;
/// A file has this name while it is prepared for its life, its first or a further one.
const SPARE: &str = "spare";
/// The writer makes a file under this name when no spare is ready.
pub(crate) const FRESH: &str = "fresh";

/// Keeps every other process out of a data directory while what is returned lives.
pub(crate) fn lock(files: &dyn Files, directory: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    let path = directory.join("LOCK");
    let name = || path.display().to_string();
    let locked = files.lock(&path).map_err(|source| OpenError::Io { what: "cannot lock", file: name(), source })?;
    locked.ok_or_else(|| OpenError::Locked { path: name() })
}

/// An open log on a disk.
pub struct Disk {
    files: Arc<dyn Files>,
    directory: PathBuf,
    objects: DiskObjects,
    log_file_bytes: u64,
    /// Names of this log and of this opening, which every batch carries.
    log_id: u128,
    generation: u64,
    /// Locked after `active` where both are needed.
    manifest: Mutex<Manifest>,
    /// What replay has found, until the log is taken over.
    end: Mutex<Option<scan::End>>,
    active: Mutex<Option<Active>>,
    /// Open log files, and the last batch in each (0: none yet).
    log_files: Mutex<BTreeMap<u64, LogFile>>,
    /// Files that are listed and hold no batch yet, in the order of their use.
    spares: Mutex<VecDeque<LogFileRef>>,
    /// Files that the manifest does not list any more, by their ids. They can be read until [`Disk::recycle`].
    let_go: Mutex<Vec<u64>>,
    _lock: Box<dyn Send + Sync>,
}

struct LogFile {
    file: Arc<dyn File>,
    last_batch: u64,
}

/// The file that batches go to.
struct Active {
    file: Arc<dyn File>,
    id: u64,
    offset: u64,
    bytes: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Opens the log in `directory`, making both if they are not there, and keeps every other process out.
    ///
    /// On `Ok` nothing of a log that is there has been changed. Batches have not been read yet: [`Medium::replay`] does.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do; nothing was changed.
    pub fn open(
        files: Arc<dyn Files>,
        directory: &Path,
        options: DiskOptions,
        random: &dyn Random,
    ) -> Result<Self, OpenError> {
        let name = directory.display().to_string();
        let io_error = |what| {
            let name = name.clone();
            move |source| OpenError::Io { what, file: name, source }
        };
        files.create_dir(&log_file::directory(directory)).map_err(io_error("cannot create"))?;
        let objects = DiskObjects::new(files.clone(), directory);
        objects.create_directory().map_err(io_error("cannot create"))?;
        let lock = lock(&*files, directory)?;
        unfinished::refuse(&*files, directory, |_| true)?;
        let free = files.free_bytes(directory).map_err(io_error("cannot measure the free space of"))?;
        let log_file_bytes = options
            .log_file_bytes
            .unwrap_or_else(|| (free / 8 / MIB * MIB).clamp(FIRST_FILE_BYTES, LARGEST_FILE_BYTES))
            .next_multiple_of(FIRST_BATCH);

        let loaded = Manifest::load(&*files, directory)?;
        if loaded.is_none() {
            match Self::without_manifest(&files, directory) {
                OpenError::NoLog { .. } => {}
                error => return Err(error),
            }
        }
        let manifest = loaded.unwrap_or_else(|| Manifest {
            log_id: u128::from_le_bytes(rheos_types::random::bytes(random)),
            generation: 0,
            next_file_id: 1,
            log_files: Vec::new(),
            root: None,
        });
        // Look before anything is changed: a directory of a newer version is left as it is.
        for listed in &manifest.log_files {
            log_file::open(&*files, directory, manifest.log_id, listed)?;
        }
        Ok(Self {
            files,
            directory: directory.to_path_buf(),
            objects,
            log_file_bytes,
            log_id: manifest.log_id,
            generation: manifest.generation + 1,
            manifest: Mutex::new(manifest),
            end: Mutex::new(None),
            active: Mutex::new(None),
            log_files: Mutex::new(BTreeMap::new()),
            spares: Mutex::new(VecDeque::new()),
            let_go: Mutex::new(Vec::new()),
            _lock: lock,
        })
    }

    /// What replay has found is made durable, and the next batch goes behind it.
    fn take_over(&self, end: scan::End) -> io::Result<()> {
        let (mut active, manifest) = (locked(&self.active), locked(&self.manifest));
        let mut written = BTreeSet::new();
        if let Some((location, batch)) = end.last.filter(|(location, _)| location.number > end.durable_upto) {
            // It reads well, which says nothing about the disk: after a kill or a failed sync it may be in the page cache
            // alone. The same bytes are written again and synced before anything rests on them.
            end.files[end.file].write_at(batch.bytes(), location.offset)?;
            written.insert(end.file);
        }
        // What is unfinished stays so: of a batch that is written over it, the part that a further power cut lets through could
        // be just the part that it is in want of. Nothing but its header is written here, for the same reason.
        for (file, offset) in end.unfinished {
            end.files[file].write_at(&[0; HEADER], offset)?;
            written.insert(file);
        }
        for file in written {
            end.files[file].sync_data()?;
        }
        let listed = &manifest.log_files[end.file];
        *active =
            Some(Active { file: end.files[end.file].clone(), id: listed.id, offset: end.offset, bytes: listed.bytes });
        locked(&self.spares).extend(manifest.log_files[end.file + 1..].iter().cloned());
        let opened = manifest.log_files.iter().zip(end.files).zip(end.last_in_file);
        locked(&self.log_files)
            .extend(opened.map(|((listed, file), last_batch)| (listed.id, LogFile { file, last_batch })));
        Ok(())
    }

    /// Reads the whole log without changing anything; the caller holds the lock. `prepare` says of the
    /// root up to which batch snapshots and segments hold everything, and what looks at the batches after that one.
    ///
    /// # Errors
    /// As for opening.
    pub(crate) fn check<V: FnMut(&ParsedBatch, Location) -> Result<(), OpenError>>(
        files: &Arc<dyn Files>,
        directory: &Path,
        prepare: impl FnOnce(Option<&Bytes>) -> (u64, V),
    ) -> Result<CheckedLog, OpenError> {
        let manifest = Manifest::load(&**files, directory)?.ok_or_else(|| Self::without_manifest(files, directory))?;
        let mut batches = 0;
        let (covered, mut visit) = prepare(manifest.root.as_ref());
        let end = scan::scan(&**files, directory, &manifest, covered, &mut |batch, location| {
            batches += 1;
            visit(&batch, location)
        })?;
        Ok(CheckedLog {
            root: manifest.root,
            log_files: manifest.log_files.len(),
            batches,
            generation: manifest.generation,
            last_batch: end.last.as_ref().map_or(0, |(location, _)| location.number),
            durable_upto: end.durable_upto,
            torn: !end.unfinished.is_empty(),
        })
    }

    /// What a directory without a manifest is.
    pub(crate) fn without_manifest(files: &Arc<dyn Files>, directory: &Path) -> OpenError {
        match Self::has_lost_its_manifest(files, directory) {
            Ok(true) => OpenError::NoManifest { file: directory.join(manifest::NAME).display().to_string() },
            Ok(false) => OpenError::NoLog { directory: directory.display().to_string() },
            Err(source) => OpenError::Io { what: "cannot read", file: directory.display().to_string(), source },
        }
    }

    /// Whether a directory without a manifest holds what a log has only once its manifest is there: objects, further log files,
    /// a batch. A first file without one is what an interrupted first start leaves.
    fn has_lost_its_manifest(files: &Arc<dyn Files>, directory: &Path) -> io::Result<bool> {
        let objects = DiskObjects::new(files.clone(), directory);
        let first = log_file::path(directory, 1);
        let logs = log_file::directory(directory);
        let mut names = absent_is_empty(files.list(&logs))?.into_iter().filter(|name| name.ends_with(".log"));
        if !absent_is_empty(objects.list_objects())?.is_empty() || names.any(|name| logs.join(name) != first) {
            return Ok(true);
        }
        match files.open(&first).and_then(|file| read_exact_at(&*file, FIRST_BATCH, HEADER)) {
            Ok(head) => Ok(Header::decode(&head) != HeaderAt::Invalid),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes log files that the manifest does not list: prepared ones that a crash kept from being listed.
    fn remove_unlisted(&self) -> io::Result<()> {
        let manifest = locked(&self.manifest);
        let directory = log_file::directory(&self.directory);
        for name in self.files.list(&directory)? {
            if !manifest.lists(&name) {
                self.files.remove(&directory.join(name))?;
            }
        }
        self.objects.remove_unfinished()
    }

    /// Gives the file that lies under the name `from` an id, names it by it and lists it.
    fn name_and_list(&self, file: &dyn File, from: &str, bytes: u64) -> io::Result<LogFileRef> {
        let mut manifest = locked(&self.manifest);
        let mut next = manifest.clone();
        let listed = LogFileRef { id: manifest.next_file_id, bytes };
        next.next_file_id += 1;
        next.log_files.push(listed.clone());
        log_file::write_name(file, manifest.log_id, listed.id)?;
        file.sync_data()?;
        let directory = log_file::directory(&self.directory);
        self.files.rename(&directory.join(from), &log_file::path(&self.directory, listed.id))?;
        self.files.sync_dir(&directory)?;
        next.store(&*self.files, &self.directory)?;
        *manifest = next;
        Ok(listed)
    }

    /// Makes a file without writing it full first: for when none is ready.
    fn fresh_file(&self, bytes: u64) -> io::Result<(Arc<dyn File>, LogFileRef)> {
        let path = log_file::directory(&self.directory).join(FRESH);
        self.files.remove_if_there(&path)?;
        let file = self.allocate(&path, bytes)?;
        let listed = self.name_and_list(&*file, FRESH, bytes)?;
        Ok((file, listed))
    }

    /// Moves on to the next file, which has room for `length` bytes.
    fn roll(&self, active: &mut Option<Active>, length: u64) -> io::Result<()> {
        let fitting = {
            let mut spares = locked(&self.spares);
            match spares.front() {
                Some(spare) if spare.bytes >= FIRST_BATCH + length => spares.pop_front(),
                _ => None,
            }
        };
        let (file, listed) = match fitting {
            Some(listed) => {
                let file = locked(&self.log_files).get(&listed.id).map(|entry| entry.file.clone());
                (file.ok_or(io::ErrorKind::NotFound)?, listed)
            }
            None => {
                let (file, listed) = self.fresh_file(self.log_file_bytes.max(FIRST_BATCH + length))?;
                // A spare that was too small stays listed before this one and unused: it is let go with the others.
                locked(&self.spares).clear();
                locked(&self.log_files).insert(listed.id, LogFile { file: file.clone(), last_batch: 0 });
                (file, listed)
            }
        };
        *active = Some(Active { file, id: listed.id, offset: FIRST_BATCH, bytes: listed.bytes });
        Ok(())
    }

    /// Kept free: room for one log file and one segment of its contents.
    fn reserve_bytes(&self) -> u64 {
        2 * self.log_file_bytes
    }

    fn free_bytes(&self) -> u64 {
        self.files.free_bytes(&self.directory).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot measure the free space: taking it for none");
            0
        })
    }
}

/// What looking through a whole log found, see `Disk::check`.
#[derive(Debug, Clone)]
pub struct CheckedLog {
    /// The engine's root.
    pub root: Option<Bytes>,
    /// How many log files are listed.
    pub log_files: usize,
    /// Batches in them that no snapshot and segment cover.
    pub batches: u64,
    /// How often the log has been opened.
    pub generation: u64,
    /// The last batch.
    pub last_batch: u64,
    /// The highest batch known to be durable.
    pub durable_upto: u64,
    /// The end is torn: an unacknowledged write that the next opening drops.
    pub torn: bool,
}

impl Objects for Disk {
    fn read_object(&self, name: &str, offset: u64, length: usize) -> io::Result<Bytes> {
        self.objects.read_object(name, offset, length)
    }

    fn object_len(&self, name: &str) -> io::Result<u64> {
        self.objects.object_len(name)
    }

    fn list_objects(&self) -> io::Result<Vec<String>> {
        self.objects.list_objects()
    }
}

impl Medium for Disk {
    fn log_id(&self) -> u128 {
        self.log_id
    }

    fn root(&self) -> Option<Bytes> {
        locked(&self.manifest).root.clone()
    }

    fn replay(
        &self,
        above: u64,
        visit: &mut dyn FnMut(ParsedBatch, Location) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let manifest = locked(&self.manifest).clone();
        if !manifest.log_files.is_empty() {
            let end = scan::scan(&*self.files, &self.directory, &manifest, above, visit)?;
            if !end.unfinished.is_empty() {
                tracing::warn!(
                    file = %log_file::path(&self.directory, manifest.log_files[end.file].id).display(),
                    offset = end.offset,
                    "the log ends in an unfinished write, which had not been acknowledged: dropped"
                );
            }
            *locked(&self.end) = Some(end);
        }
        Ok(())
    }

    fn begin(&self) -> Result<(), OpenError> {
        let name = self.directory.display().to_string();
        let io_error = |what| {
            let file = name.clone();
            move |source| OpenError::Io { what, file, source }
        };
        {
            let mut manifest = locked(&self.manifest);
            manifest.generation = self.generation;
            // A new log's manifest is first written when it lists the first file.
            if !manifest.log_files.is_empty() {
                manifest.store(&*self.files, &self.directory).map_err(io_error("cannot write the manifest of"))?;
            }
        }
        self.remove_unlisted().map_err(io_error("cannot tidy"))?;
        if let Some(end) = locked(&self.end).take() {
            self.take_over(end).map_err(io_error("cannot put the end of the log in order in"))?;
        }
        let mut active = locked(&self.active);
        if active.is_none() {
            let first = self.fresh_file(FIRST_FILE_BYTES.min(self.log_file_bytes));
            let (file, listed) = first.map_err(io_error("cannot create the first log file in"))?;
            locked(&self.log_files).insert(listed.id, LogFile { file: file.clone(), last_batch: 0 });
            *active = Some(Active { file, id: listed.id, offset: FIRST_BATCH, bytes: listed.bytes });
        }
        Ok(())
    }

    fn admit(&self, length: usize, frees_space: bool) -> Result<(), NoRoom> {
        let length = length as u64;
        if locked(&self.active).as_ref().is_some_and(|active| active.offset + length <= active.bytes) {
            return Ok(());
        }
        let spare = locked(&self.spares).front().is_some_and(|spare| spare.bytes >= FIRST_BATCH + length);
        let (free_bytes, reserve_bytes) = (self.free_bytes(), self.reserve_bytes());
        let file = self.log_file_bytes.max(FIRST_BATCH + length);
        let enough = match (spare, frees_space) {
            (true, true) => true,
            (true, false) => free_bytes >= reserve_bytes,
            (false, true) => free_bytes >= file,
            (false, false) => free_bytes >= reserve_bytes + file,
        };
        if enough { Ok(()) } else { Err(NoRoom { free_bytes, reserve_bytes }) }
    }

    fn append(&self, batch: &mut Batch) -> io::Result<Location> {
        let mut active = locked(&self.active);
        let length = batch.len_bytes() as u64;
        if active.as_ref().is_none_or(|active| active.offset + length > active.bytes) {
            self.roll(&mut active, length)?;
        }
        let Some(active) = active.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let place =
            Place { log_id: self.log_id, generation: self.generation, file_id: active.id, offset: active.offset };
        active.file.write_at(batch.seal(place), active.offset)?;
        active.file.sync_data()?;
        let location = Location { number: batch.number(), file_id: active.id, offset: active.offset };
        active.offset += length;
        if let Some(file) = locked(&self.log_files).get_mut(&active.id) {
            file.last_batch = batch.number();
        }
        Ok(location)
    }

    fn seal(&self, length: usize) -> bool {
        let mut active = locked(&self.active);
        // One that is too small would have to give way to a fresh one, for which there may be no room.
        let fits = locked(&self.spares).front().is_some_and(|spare| spare.bytes >= FIRST_BATCH + length as u64);
        let is_ready = fits && self.free_bytes() >= self.reserve_bytes();
        if let Some(active) = active.as_mut().filter(|_| is_ready) {
            active.bytes = active.offset;
        }
        is_ready
    }

    fn read(&self, location: Location, offset: usize, length: usize) -> io::Result<Bytes> {
        let file = locked(&self.log_files).get(&location.file_id).map(|entry| entry.file.clone());
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        Ok(read_exact_at(&*file, location.offset + offset as u64, length)?.into())
    }

    fn publish(&self, root: &[u8], unneeded: u64) -> io::Result<()> {
        let active_id = locked(&self.active).as_ref().map_or(0, |active| active.id);
        let unneeded_ids: Vec<u64> = {
            let (log_files, let_go) = (locked(&self.log_files), locked(&self.let_go));
            // Files before the active one that hold nothing above `unneeded`: an empty one was a spare too small to use.
            log_files
                .iter()
                .filter(|(id, file)| **id < active_id && file.last_batch <= unneeded && !let_go.contains(id))
                .map(|(id, _)| *id)
                .collect()
        };
        let mut manifest = locked(&self.manifest);
        let mut next = manifest.clone();
        next.root = Some(Bytes::copy_from_slice(root));
        next.log_files.retain(|listed| !unneeded_ids.contains(&listed.id));
        next.store(&*self.files, &self.directory)?;
        *manifest = next;
        locked(&self.let_go).extend(unneeded_ids);
        Ok(())
    }

    fn maintain(&self, is_busy: bool) -> io::Result<()> {
        self.recycle()?;
        if !locked(&self.spares).is_empty() {
            return Ok(());
        }
        if self.free_bytes() < self.reserve_bytes() + self.log_file_bytes {
            return Ok(());
        }
        let path = log_file::directory(&self.directory).join(SPARE);
        self.files.remove_if_there(&path)?;
        // Zeros make each sync of small batches faster, and cost as much as the segments that a busy log is spared.
        let make = if is_busy { Self::allocate } else { Self::write_zeros };
        self.add_spare(make(self, &path, self.log_file_bytes)?)
    }

    fn files_that_may_wait(&self, bytes: u64) -> usize {
        let bytes = bytes.min(self.free_bytes() / DEFERRED_PART);
        usize::try_from(bytes / self.log_file_bytes).unwrap_or(usize::MAX)
    }

    fn create_object(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
        self.objects.create(name)
    }

    fn delete_object(&self, name: &str) -> io::Result<()> {
        self.objects.delete(name)
    }

    fn has_room_for_object(&self, length: u64) -> bool {
        // A segment adds a header to each block and a directory.
        self.free_bytes() >= length + length / 8 + 4 * FIRST_BATCH
    }
}

impl Disk {
    /// Uses files again that no manifest names any more, or removes them. What fails is tried again the next time.
    fn recycle(&self) -> io::Result<()> {
        loop {
            let next = locked(&self.let_go).first().copied();
            let Some(id) = next else { return Ok(()) };
            let recycled = locked(&self.log_files).remove(&id);
            let path = log_file::path(&self.directory, id);
            let fits = match &recycled {
                Some(recycled) => recycled.file.len_bytes()? == self.log_file_bytes,
                None => false,
            };
            // Overwriting a file that was written before changes no metadata: as many as may be needed soon are kept.
            match recycled {
                Some(recycled) if fits && locked(&self.spares).len() < MAX_SPARES => {
                    let spare = log_file::directory(&self.directory).join(SPARE);
                    self.files.rename(&path, &spare)?;
                    if let Err(error) = self.add_spare(recycled.file) {
                        self.files.remove_if_there(&spare)?;
                        return Err(error);
                    }
                }
                _ => self.files.remove_if_there(&path)?,
            }
            locked(&self.let_go).remove(0);
        }
    }

    /// Gives the file under [`SPARE`] its name and lists it for the writer to find.
    fn add_spare(&self, file: Arc<dyn File>) -> io::Result<()> {
        let listed = self.name_and_list(&*file, SPARE, self.log_file_bytes)?;
        let active = locked(&self.active);
        locked(&self.log_files).insert(listed.id, LogFile { file, last_batch: 0 });
        // Files are used in the order of their ids. If the writer took a fresh one meanwhile, this one came too late: it
        // stays unused until the next publication lets it go.
        if active.as_ref().is_none_or(|active| active.id < listed.id) {
            locked(&self.spares).push_back(listed);
        }
        Ok(())
    }

    /// Makes a file that has its room, and nothing written in it.
    fn allocate(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
        let file = self.files.create(path)?;
        file.allocate(bytes)?;
        Ok(file)
    }

    /// Makes a file full of zeros: overwriting bytes that exist needs no change of metadata, which makes a sync twice as
    /// fast (`reference/performance.md`).
    fn write_zeros(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
        let file = self.files.create(path)?;
        let zeros = vec![0; MIB as usize];
        let mut offset = 0;
        while offset < bytes {
            let step = MIB.min(bytes - offset);
            file.write_at(&zeros[..step as usize], offset)?;
            // In steps, so that a batch's sync never waits behind 64 MiB of zeros.
            file.start_writeback(offset, step)?;
            offset += step;
        }
        file.sync_data()?;
        Ok(file)
    }
}
