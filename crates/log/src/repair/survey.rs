//! Reads a data directory as far as it can be read, whatever is damaged. Nothing that a checksum does not vouch for is
//! believed, and a file's contents count for more than its name.

use crate::batch::{ALIGN, BlockEntry, ENTRY, HEADER, Header, HeaderAt, ParsedBatch, Place};
use crate::change::Change;
use crate::check::{Finding, Progress};
use crate::codec::Reader;
use crate::engine::root::{Root, SnapshotRef, load_snapshot, snapshot_batch};
use crate::engine::segment::{self, OpenedSegment, SegmentRun};
use crate::files::{File, Files, absent_is_empty, read_exact_at};
use crate::medium::disk::DiskObjects;
use crate::medium::disk::log_file::{self, FIRST_BATCH};
use crate::medium::disk::manifest::{self, LogFileRef, Manifest};
use crate::medium::{Objects, OpenError};
use crate::record::Block;
use crate::state::State;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What lies in a data directory.
pub(crate) struct Survey {
    /// The manifest, if it is there and whole.
    pub(crate) manifest: Option<Manifest>,
    /// Its root; the default one if there is none that can be read.
    pub(crate) root: Root,
    pub(crate) log_id: u128,
    /// The highest generation that anything names.
    pub(crate) generation: u64,
    pub(crate) log_files: Vec<FoundLogFile>,
    /// Batches by number.
    pub(crate) batches: BTreeMap<u64, FoundBatch>,
    /// The newest snapshot that can be read: its file, and the state in it.
    pub(crate) snapshot: Option<(String, State)>,
    /// Segments that count, in order.
    pub(crate) segments: Vec<FoundSegment>,
    /// What is wrong with single files.
    pub(crate) findings: Vec<Finding>,
    /// Snapshots that count and can be read.
    pub(crate) snapshots: usize,
    /// The highest number in the name of any object.
    pub(crate) highest_object: u64,
    /// The highest id of any log file.
    pub(crate) highest_log_file: u64,
}

/// A file in `log/`.
pub(crate) struct FoundLogFile {
    pub(crate) name: String,
    /// As the manifest lists it.
    pub(crate) listed: Option<LogFileRef>,
    /// Its id, as its first page says: batches that name another one are of an earlier life of the file.
    id: Option<u64>,
    length: u64,
    /// `None`: it is listed and not there.
    file: Option<Arc<dyn File>>,
    /// Some of it could not be read by the operating system.
    unreadable: bool,
}

/// A batch whose header verifies.
#[derive(Debug, Clone)]
pub(crate) struct FoundBatch {
    pub(crate) header: Header,
    /// Index of the log file.
    pub(crate) file: usize,
    /// All of it verifies.
    pub(crate) whole: bool,
}

/// A block of a batch: its entry, where its records begin in the batch, and whether they verify.
pub(crate) type FoundBlock = (BlockEntry, usize, bool);

/// What of a batch verifies.
pub(crate) struct Content {
    /// The blocks. `None`: nobody knows what they were.
    pub(crate) blocks: Option<Vec<FoundBlock>>,
    /// The changes. `None`: there were some, and they are lost.
    pub(crate) changes: Option<Vec<Change>>,
}

/// A segment that counts.
pub(crate) struct FoundSegment {
    pub(crate) name: String,
    pub(crate) runs: Vec<FoundRun>,
    /// Nothing is wrong with any byte that matters.
    pub(crate) intact: bool,
}

/// A run, and the positions of it that can be read.
pub(crate) struct FoundRun {
    pub(crate) run: SegmentRun,
    pub(crate) readable: Vec<(u64, u64)>,
}

impl FoundLogFile {
    pub(super) fn len_bytes(&self) -> u64 {
        self.length
    }

    /// Its length, or what it should be if that is more.
    pub(super) fn full_bytes(&self) -> u64 {
        self.listed.as_ref().map_or(0, |listed| listed.bytes).max(self.length)
    }

    /// It is missing, cut off, or cannot be read in parts.
    pub(super) fn is_damaged(&self) -> bool {
        let short = self.listed.as_ref().is_some_and(|listed| self.length < listed.bytes);
        self.file.is_none() || short || self.unreadable
    }
}

/// No log comes to so many batches or openings: a header that says so is not believed.
const NEVER_REACHED: u64 = 1 << 62;

impl Survey {
    /// Reads everything in `directory`.
    ///
    /// # Errors
    /// What must not be touched: a newer format, files of more than one log, a directory that is none of ours, and an
    /// operating system that refuses more than single bytes.
    pub(crate) fn take(
        files: &Arc<dyn Files>,
        directory: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, OpenError> {
        let mut findings = Vec::new();
        let manifest = match Manifest::load(&**files, directory) {
            Ok(Some(manifest)) => Some(manifest),
            Ok(None) => {
                findings.push(Finding::of(manifest::NAME, "missing"));
                None
            }
            Err(OpenError::Corrupt { what, .. }) => {
                findings.push(Finding::of(manifest::NAME, format!("damaged: {what}")));
                None
            }
            Err(error) => return Err(error),
        };
        let root = match manifest.as_ref().map(|manifest| Root::decode(manifest.root.as_ref())) {
            Some(Ok(root)) => Some(root),
            Some(Err(OpenError::Corrupt { what, .. })) => {
                findings.push(Finding::of(manifest::NAME, format!("its third line is damaged: {what}")));
                None
            }
            Some(Err(error)) => return Err(error),
            None => None,
        };
        let mut survey = Self {
            log_id: 0,
            generation: manifest.as_ref().map_or(0, |manifest| manifest.generation),
            manifest,
            root: root.clone().unwrap_or_default(),
            log_files: Vec::new(),
            batches: BTreeMap::new(),
            snapshot: None,
            segments: Vec::new(),
            findings,
            snapshots: 0,
            highest_object: 0,
            highest_log_file: 0,
        };
        let objects = DiskObjects::new(files.clone(), directory);
        let total_bytes = survey.list(&**files, directory, &objects)?;
        survey.find_log_id(directory)?;
        let mut done_bytes = 0;
        for index in 0..survey.log_files.len() {
            let length = survey.log_files[index].length;
            survey.scan(index, &mut |bytes| {
                progress(Progress { doing: "log files", done_bytes: done_bytes + bytes, total_bytes });
            })?;
            done_bytes += length;
        }
        survey.load_snapshots(&objects, root.as_ref())?;
        let names = survey.names_of_segments(&objects, root.as_ref())?;
        for name in names {
            let length = objects.object_len(&name).unwrap_or(0);
            survey.read_segment(&objects, name, root.is_some(), &mut |bytes| {
                progress(Progress { doing: "segments", done_bytes: done_bytes + bytes, total_bytes });
            })?;
            done_bytes += length;
        }
        Ok(survey)
    }

    /// Lists the files: how many bytes there are to read.
    fn list(&mut self, files: &dyn Files, directory: &Path, objects: &DiskObjects) -> Result<u64, OpenError> {
        let io_error = |what, path: &Path| {
            let file = path.display().to_string();
            move |source| OpenError::Io { what, file, source }
        };
        let logs = log_file::directory(directory);
        let mut names = absent_is_empty(files.list(&logs)).map_err(io_error("cannot list", &logs))?;
        names.sort();
        let mut missing: Vec<LogFileRef> =
            self.manifest.iter().flat_map(|manifest| manifest.log_files.clone()).collect();
        for name in names {
            let path = logs.join(&name);
            let at = missing.iter().position(|listed| log_file::name(listed.id) == name);
            let listed = at.map(|at| missing.remove(at));
            let file = files.open(&path).map_err(io_error("cannot open", &path))?;
            let length = file.len_bytes().map_err(io_error("cannot measure", &path))?;
            if let Some(id) = name.strip_suffix(".log").and_then(|id| u64::from_str_radix(id, 16).ok()) {
                self.highest_log_file = self.highest_log_file.max(id);
            }
            let name = format!("log/{name}");
            self.log_files.push(FoundLogFile { name, listed, id: None, length, file: Some(file), unreadable: false });
        }
        for listed in missing {
            let name = format!("log/{}", log_file::name(listed.id));
            self.findings.push(Finding::of(&name, "missing, although the manifest lists it"));
            let listed = Some(listed);
            self.log_files.push(FoundLogFile { name, listed, id: None, length: 0, file: None, unreadable: false });
        }
        let place = |file: &FoundLogFile| {
            let order = file
                .listed
                .as_ref()
                .and_then(|listed| self.manifest.as_ref()?.log_files.iter().position(|other| other == listed));
            (order.is_none(), order, file.name.clone())
        };
        self.log_files.sort_by_key(place);
        let mut total = self.log_files.iter().map(|file| file.length).sum();
        let path = directory.join("objects");
        for name in absent_is_empty(objects.list_objects()).map_err(io_error("cannot list", &path))? {
            if let Some(id) = name.split('.').next().and_then(|id| u64::from_str_radix(id, 16).ok()) {
                self.highest_object = self.highest_object.max(id);
            }
            total += objects.object_len(&name).unwrap_or(0);
        }
        Ok(total)
    }

    /// Which log this is: what the manifest says, or else what all the files agree on.
    fn find_log_id(&mut self, directory: &Path) -> Result<(), OpenError> {
        let mut ids = BTreeSet::new();
        for file in &mut self.log_files {
            let Some(handle) = &file.file else { continue };
            let page = read_exact_at(&**handle, 0, ALIGN).ok();
            let named = page.as_deref().and_then(log_file::decode);
            match named {
                Some((format, ..)) if format != crate::batch::FORMAT => {
                    return Err(OpenError::newer(&file.name, format, 0));
                }
                Some((_, log_id, id)) => {
                    ids.insert(log_id);
                    file.id = Some(id);
                    if let (Some(listed), Some(manifest)) = (&file.listed, &self.manifest) {
                        if log_id != manifest.log_id {
                            self.findings.push(Finding::of(&file.name, "it belongs to another log"));
                        } else if id != listed.id {
                            self.findings
                                .push(Finding::of(&file.name, format!("it is log file {id:016x} by its first page")));
                        }
                    }
                }
                None if file.listed.is_some() => {
                    self.findings.push(Finding::at(&file.name, 0, "its first page is not one of a log file"));
                }
                None => {}
            }
            if let Some(listed) = &file.listed
                && file.length < listed.bytes
            {
                let what = format!("it is {} bytes long, and the manifest says {}", file.length, listed.bytes);
                self.findings.push(Finding::at(&file.name, file.length, what));
            }
        }
        if let Some(manifest) = &self.manifest {
            self.log_id = manifest.log_id;
            return Ok(());
        }
        if ids.is_empty() {
            // No first page can be read: the first header that can be tells.
            ids.extend(self.log_files.iter().filter_map(first_log_id));
        }
        let mut ids = ids.into_iter();
        match (ids.next(), ids.next()) {
            (Some(id), None) => {
                self.log_id = id;
                Ok(())
            }
            (None, _) => Err(OpenError::NoManifest { file: directory.join(manifest::NAME).display().to_string() }),
            (Some(one), Some(other)) => Err(OpenError::Corrupt {
                file: directory.join("log").display().to_string(),
                offset: 0,
                what: format!(
                    "there is no manifest, and files are of more than one log ({one:032x}, {other:032x}): move away those that do not belong here"
                ),
            }),
        }
    }

    /// Finds the batches of a log file, at every boundary.
    fn scan(&mut self, index: usize, progress: &mut dyn FnMut(u64)) -> Result<(), OpenError> {
        const WINDOW: usize = 1 << 20;
        let (length, name) = (self.log_files[index].length, self.log_files[index].name.clone());
        let id = self.log_files[index].id;
        // The manifest knows of an opening before anything is written in it.
        let newest_opening = self.manifest.as_ref().map_or(NEVER_REACHED, |manifest| manifest.generation);
        let (mut offset, mut window, mut window_offset) = (FIRST_BATCH, Bytes::new(), 0);
        while offset + ALIGN as u64 <= length {
            if offset < window_offset || offset + ALIGN as u64 > window_offset + window.len() as u64 {
                progress(offset);
                let rest = (length - offset) as usize / ALIGN * ALIGN;
                window = self.read(index, offset, WINDOW.min(rest));
                window_offset = offset;
            }
            let at = (offset - window_offset) as usize;
            let belongs = |place: Place| {
                place.log_id == self.log_id
                    && place.offset == offset
                    && id.is_none_or(|id| id == place.file_id)
                    && place.generation <= newest_opening
            };
            let header = match Header::decode(&window[at..at + ALIGN]) {
                HeaderAt::Valid(header) if belongs(header.place) && header.number < NEVER_REACHED => header,
                HeaderAt::Newer { place, format, features } if belongs(place) => {
                    return Err(OpenError::newer(name, format, features));
                }
                HeaderAt::Valid(_) | HeaderAt::Newer { .. } | HeaderAt::Invalid => {
                    offset += ALIGN as u64;
                    continue;
                }
            };
            let whole = offset + u64::from(header.total) <= length && {
                let bytes = self.read(index, offset, header.total as usize);
                ParsedBatch::parse(header, bytes).is_some()
            };
            self.generation = self.generation.max(header.place.generation);
            let found = FoundBatch { header, file: index, whole };
            let rank = |found: &FoundBatch| (found.whole, found.header.place.generation);
            match self.batches.get(&header.number) {
                Some(before) if rank(before) >= rank(&found) => {}
                _ => drop(self.batches.insert(header.number, found)),
            }
            // A broken batch may have been written over in part: whatever stands in it counts.
            offset += if whole { u64::from(header.total) } else { ALIGN as u64 };
        }
        if self.log_files[index].unreadable {
            self.findings.push(Finding::of(&name, "the operating system cannot read parts of it"));
        }
        Ok(())
    }

    /// Bytes of a log file. What cannot be read comes back as zeros, which nothing vouches for.
    fn read(&mut self, index: usize, offset: u64, length: usize) -> Bytes {
        let file = &mut self.log_files[index];
        let Some(handle) = &file.file else { return vec![0; length].into() };
        if let Ok(bytes) = read_exact_at(&**handle, offset, length) {
            return bytes.into();
        }
        let mut bytes = vec![0; length];
        for (step, page) in bytes.chunks_mut(ALIGN).enumerate() {
            let at = offset + (step * ALIGN) as u64;
            match handle.read_at(page, at) {
                Ok(read) if read == page.len() || at + page.len() as u64 > file.length => {}
                Ok(_) | Err(_) => {
                    page.fill(0);
                    file.unreadable = true;
                }
            }
        }
        bytes.into()
    }

    /// What of a batch can be believed.
    pub(crate) fn content(&mut self, found: &FoundBatch) -> Content {
        let header = found.header;
        let (file, offset) = (found.file, header.place.offset);
        // A batch may say that it goes on behind the end of its file: no memory is taken for what is not there.
        let length = (header.total as usize).min((self.log_files[file].length - offset) as usize);
        let bytes = self.read(file, offset, length);
        let meta_end = HEADER + header.blocks() * ENTRY + header.changes_bytes();
        let meta = bytes.get(HEADER..meta_end).filter(|meta| crc32c::crc32c(meta) == header.meta_crc());
        let parsed = meta.and_then(|meta| parse(&header, meta, meta_end, &bytes));
        // A newer version marks what it adds by a feature bit: what is of no known kind is as unreadable as to a start.
        let (blocks, changes) = match parsed {
            Some((blocks, changes)) => (Some(blocks), Some(changes)),
            None => ((header.blocks() == 0).then(Vec::new), (header.changes() == 0).then(Vec::new)),
        };
        Content { blocks, changes }
    }

    /// The records of a block, which begin at `offset` in its batch.
    pub(crate) fn records(&mut self, found: &FoundBatch, entry: &BlockEntry, offset: usize) -> Bytes {
        self.read(found.file, found.header.place.offset + offset as u64, entry.bytes as usize)
    }

    fn load_snapshots(&mut self, objects: &DiskObjects, root: Option<&Root>) -> Result<(), OpenError> {
        let candidates: Vec<SnapshotRef> = match root {
            Some(root) => root.snapshots.clone(),
            None => {
                // Nothing says which count: each is a state that was, and the newest serves best.
                let names = absent_is_empty(objects.list_objects()).unwrap_or_default();
                names
                    .into_iter()
                    .filter(|name| name.ends_with(".snapshot"))
                    .filter_map(|name| Some(SnapshotRef { batch: snapshot_batch(objects, &name)?, name }))
                    .collect()
            }
        };
        for snapshot in candidates {
            match load_snapshot(objects, &snapshot) {
                Ok(state) => {
                    self.snapshots += 1;
                    if self.snapshot.as_ref().is_none_or(|(_, best)| best.batch < state.batch) {
                        self.snapshot = Some((snapshot.name, state));
                    }
                }
                Err(error @ OpenError::Newer { .. }) => return Err(error),
                Err(OpenError::Corrupt { what, .. }) => {
                    self.findings.push(Finding::at(&object(&snapshot.name), 0, what));
                }
                Err(error) => self.findings.push(Finding::of(&object(&snapshot.name), missing_or(error))),
            }
        }
        Ok(())
    }

    fn names_of_segments(&self, objects: &DiskObjects, root: Option<&Root>) -> Result<Vec<String>, OpenError> {
        if let Some(root) = root {
            return Ok(root.segments.clone());
        }
        let names = absent_is_empty(objects.list_objects());
        let mut names =
            names.map_err(|source| OpenError::Io { what: "cannot list", file: "objects".to_owned(), source })?;
        names.retain(|name| name.ends_with(".segment"));
        names.sort();
        Ok(names)
    }

    fn read_segment(
        &mut self,
        objects: &DiskObjects,
        name: String,
        named: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), OpenError> {
        let file = object(&name);
        let directory = match segment::open(objects, &name) {
            Ok(OpenedSegment::Read(directory)) => directory,
            Ok(OpenedSegment::Newer { format }) => {
                return Err(OpenError::newer(file, format, 0));
            }
            Err(error) => {
                self.findings.push(Finding::of(&file, missing_or(error)));
                self.segments.push(FoundSegment { name, runs: Vec::new(), intact: false });
                return Ok(());
            }
        };
        let mut intact = !directory.rebuilt;
        if directory.rebuilt {
            self.findings.push(Finding::of_directory(&file));
        }
        let mut runs = Vec::with_capacity(directory.runs.len());
        let mut done = 0;
        for run in directory.runs {
            let (readable, damages) = run.readable(objects);
            done += run.len_bytes();
            progress(done);
            intact &= damages.is_empty();
            self.findings.extend(damages.into_iter().map(|damage| Finding::of_records(&file, run.shard, damage)));
            runs.push(FoundRun { run, readable });
        }
        // A whole file of which nothing can be found is no segment; where nothing says that it is one, it is left alone.
        if named || !runs.is_empty() {
            self.segments.push(FoundSegment { name, runs, intact });
        }
        Ok(())
    }

    /// How many bytes of log files nothing readable was found in, from the end of batch `last` on: what a log that goes
    /// on after it may have lost.
    pub(crate) fn unknown_bytes_after(&mut self, last: u64) -> u64 {
        let end = self
            .batches
            .get(&last)
            .map(|found| (found.file, found.header.place.offset + u64::from(found.header.total)));
        let first = end.map_or(0, |(file, _)| file);
        let mut unknown = 0;
        for index in first..self.log_files.len() {
            let Some(listed) = self.log_files[index].listed.clone() else { continue };
            let from = end.filter(|(file, _)| *file == index).map_or(FIRST_BATCH, |(_, offset)| offset);
            let length = self.log_files[index].length;
            if self.log_files[index].file.is_none() || length < listed.bytes {
                unknown += listed.bytes.saturating_sub(from.max(length));
            }
            if from + ALIGN as u64 > length {
                continue;
            }
            let page = self.read(index, from, ALIGN);
            let is_old = matches!(Header::decode(&page), HeaderAt::Valid(header) if header.place.file_id != listed.id);
            if !is_old && page.iter().any(|byte| *byte != 0) || self.log_files[index].unreadable {
                unknown += length - from;
            }
        }
        unknown
    }
}

/// The blocks of a batch and its changes; `None` if its directory is not one.
fn parse(header: &Header, meta: &[u8], meta_end: usize, bytes: &Bytes) -> Option<(Vec<FoundBlock>, Vec<Change>)> {
    let mut reader = Reader(meta);
    let mut blocks = Vec::with_capacity(header.blocks());
    let mut at = meta_end;
    for _ in 0..header.blocks() {
        let entry = BlockEntry::decode(&mut reader)?;
        let end = at.checked_add(entry.bytes as usize).filter(|end| *end <= header.total as usize)?;
        let verifies = bytes.get(at..end).is_some_and(|records| {
            let block = || Block::new(entry.first, entry.count, header.time_ms, bytes.slice_ref(records));
            crc32c::crc32c(records) == entry.crc && block().records().count() == entry.count as usize
        });
        blocks.push((entry, at, verifies));
        at = end;
    }
    let changes: Option<Vec<_>> = (0..header.changes()).map(|_| Change::decode(&mut reader)).collect();
    Some((blocks, changes?))
}

fn first_log_id(file: &FoundLogFile) -> Option<u128> {
    let handle = file.file.as_ref()?;
    (FIRST_BATCH..file.length).step_by(ALIGN).find_map(|offset| {
        match Header::decode(&read_exact_at(&**handle, offset, HEADER).ok()?) {
            HeaderAt::Valid(header) if header.place.offset == offset => Some(header.place.log_id),
            HeaderAt::Valid(_) | HeaderAt::Invalid | HeaderAt::Newer { .. } => None,
        }
    })
}

fn missing_or(error: impl std::error::Error + 'static) -> String {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if inner.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return "missing, although the manifest names it".to_owned();
        }
        source = inner.source();
    }
    error.to_string()
}

fn object(name: &str) -> String {
    format!("objects/{name}")
}
