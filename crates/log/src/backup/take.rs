//! Taking a backup.

use super::{BackupError, Contents, CopiedFile, NAME, copy, failed};
use crate::batch::{ALIGN, FORMAT, HEADER, Header, HeaderAt, ParsedBatch, Place};
use crate::check::{Finding, Progress};
use crate::engine::root::{Root, SnapshotRef, load_snapshot};
use crate::engine::segment::{self, OpenedSegment};
use crate::files::{File, Files, read_exact_at};
use crate::medium::disk::log_file::{self, FIRST_BATCH};
use crate::medium::disk::manifest::{self, Manifest};
use crate::medium::disk::{self, Disk, DiskObjects, unfinished};
use crate::medium::{Objects, OpenError};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How often a backup starts again from a newer manifest. Each time it has only to copy what is new.
const TRIES: u32 = 50;
/// Batches are gathered to this many bytes before they are written.
const BUFFER_BYTES: usize = 4 << 20;

/// A backup that has been taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The last batch in it. Everything that was acknowledged before the backup began is in this one or before it.
    pub last_batch: u64,
    /// The time of that batch, in milliseconds since 1970.
    pub last_ms: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Bytes that an earlier backup in the same place had already.
    pub reused_bytes: u64,
    /// Files in the backup.
    pub files: usize,
    /// What is damaged in the data directory, and so in the backup.
    pub findings: Vec<Finding>,
}

/// Copies the data directory `source`, whose server may be running, into the directory `target`, where an earlier backup
/// of the same log may be. `extras` are further files of the data directory that are copied if they are there.
///
/// On `Ok` the backup is durable, and restores to a log that has everything that was acknowledged before this was called.
///
/// # Errors
/// [`BackupError`]; an earlier backup in `target` is as it was.
pub fn backup(
    files: &Arc<dyn Files>,
    source: &Path,
    target: &Path,
    extras: &[&str],
    now_ms: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Backup, BackupError> {
    unfinished::refuse(&**files, source, |_| true)?;
    let began = load_manifest(files, source)?;
    let _lock = claim(&**files, target)?;
    let earlier = prepare(&**files, target, &began)?;
    let log_id = began.log_id;
    let mut taking = Taking {
        files,
        source,
        target,
        log_id,
        copied: HashMap::new(),
        earlier: earlier
            .iter()
            .flat_map(|earlier| earlier.files.iter().cloned())
            .map(|file| (file.path.clone(), file))
            .collect(),
        copied_bytes: 0,
        reused_bytes: 0,
        findings: Vec::new(),
    };
    // Whatever was acknowledged by now stands in one of these files by now, or is covered by what is published before that
    // file is used again.
    let in_the_log = taking.last_batch(&began)?;
    let covered = Root::decode(load_manifest(files, source)?.root.as_ref())?.covered_upto();
    let wanted = in_the_log.max(covered);
    let mut problem = String::new();
    for _ in 0..TRIES {
        let manifest = load_manifest(files, source)?;
        if manifest.log_id != log_id {
            return Err(BackupError::Refused(format!("{} became another log meanwhile", source.display())));
        }
        match taking.try_once(&manifest, wanted, progress)? {
            Ok((root, last, batches)) => {
                let extras = taking.extras(extras)?;
                let taken = Contents {
                    log_id: format!("{log_id:032x}"),
                    generation: manifest.generation,
                    began_ms: now_ms,
                    last_batch: last.number,
                    last_ms: last.time_ms,
                    root,
                    files: Vec::new(),
                };
                return taking.finish(taken, batches, extras);
            }
            Err(changed) => problem = changed,
        }
    }
    Err(BackupError::Gap(format!(
        "the backup cannot keep up with the server: after {TRIES} attempts {problem}. Nothing was changed in an earlier backup; try again when less is written, or run `rheos log check` on the stopped directory if this happens on a quiet server"
    )))
}

fn load_manifest(files: &Arc<dyn Files>, source: &Path) -> Result<Manifest, BackupError> {
    Ok(Manifest::load(&**files, source)?.ok_or_else(|| Disk::without_manifest(files, source))?)
}

/// Makes the target directory, if it is not there, and keeps other backups out of it while what is returned lives.
fn claim(files: &dyn Files, target: &Path) -> Result<Option<Box<dyn Send + Sync>>, BackupError> {
    if files.open_read(&target.join(manifest::NAME)).is_ok() {
        return Err(BackupError::Refused(format!("{} is a data directory: choose another place", target.display())));
    }
    files.create_dir(target).map_err(failed(format!("create {}", target.display())))?;
    match disk::lock(files, target) {
        Ok(lock) => Ok(Some(lock)),
        Err(OpenError::Locked { .. }) => {
            let what = format!("another backup into {} is under way: let it finish first", target.display());
            Err(BackupError::Refused(what))
        }
        // A place that cannot be locked is a place for backups all the same.
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Looks at the backup that is there, and makes what is missing for another.
fn prepare(files: &dyn Files, target: &Path, manifest: &Manifest) -> Result<Option<Contents>, BackupError> {
    let earlier = Contents::load(files, target)?;
    let log_id = format!("{:032x}", manifest.log_id);
    if let Some(earlier) = &earlier
        && earlier.log_id != log_id
    {
        let what = format!("{} holds a backup of another log: choose another place", target.display());
        return Err(BackupError::Refused(what));
    }
    for folder in ["log", "objects"] {
        let path = target.join(folder);
        files.create_dir(&path).map_err(failed(format!("create {}", path.display())))?;
    }
    Ok(earlier)
}

/// The batch that a copy of the log ends with.
struct Last {
    number: u64,
    time_ms: u64,
}

struct Taking<'a> {
    files: &'a Arc<dyn Files>,
    source: &'a Path,
    target: &'a Path,
    log_id: u128,
    /// What has been copied, by its path.
    copied: HashMap<String, CopiedFile>,
    earlier: HashMap<String, CopiedFile>,
    copied_bytes: u64,
    reused_bytes: u64,
    findings: Vec<Finding>,
}

type Attempt = Result<(Root, Last, CopiedFile), String>;

impl Taking<'_> {
    /// The last whole batch in the log files, as far as they are not used again while they are looked through.
    fn last_batch(&self, manifest: &Manifest) -> Result<u64, BackupError> {
        let mut last = 0;
        for listed in &manifest.log_files {
            let Some(file) = self.open_log_file(listed.id)? else { continue };
            let mut offset = FIRST_BATCH;
            while let Some((header, _)) = self.batch_at(&*file, listed.id, offset)? {
                last = last.max(header.number);
                offset += u64::from(header.total);
            }
        }
        Ok(last)
    }

    /// Opens a log file. `None`: it has been used again since, under another name.
    fn open_log_file(&self, id: u64) -> Result<Option<Arc<dyn File>>, BackupError> {
        let path = log_file::path(self.source, id);
        let file = match self.files.open_read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(format!("open {}", path.display()))(error)),
        };
        let page = read_exact_at(&*file, 0, FIRST_BATCH as usize);
        match page.ok().as_deref().and_then(log_file::decode) {
            Some((format, ..)) if format != FORMAT => {
                Err(OpenError::newer(path.display().to_string(), format, 0).into())
            }
            Some(_) | None => Ok(Some(file)),
        }
    }

    /// The whole batch of this log that stands there.
    fn batch_at(&self, file: &dyn File, id: u64, offset: u64) -> Result<Option<(Header, Bytes)>, BackupError> {
        let Ok(head) = read_exact_at(file, offset, HEADER) else { return Ok(None) };
        let belongs = |place: Place| place.log_id == self.log_id && place.file_id == id && place.offset == offset;
        let header = match Header::decode(&head) {
            HeaderAt::Valid(header) if belongs(header.place) => header,
            HeaderAt::Newer { place, format, features } if belongs(place) => {
                let path = log_file::path(self.source, id);
                return Err(OpenError::newer(path.display().to_string(), format, features).into());
            }
            HeaderAt::Valid(_) | HeaderAt::Newer { .. } | HeaderAt::Invalid => return Ok(None),
        };
        let Ok(bytes) = read_exact_at(file, offset, header.total as usize).map(Bytes::from) else { return Ok(None) };
        Ok(ParsedBatch::parse(header, bytes.clone()).map(|_| (header, bytes)))
    }

    /// Copies what `manifest` names; the error says what has changed under it.
    fn try_once(
        &mut self,
        manifest: &Manifest,
        wanted: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Attempt, BackupError> {
        let root = Root::decode(manifest.root.as_ref())?;
        let objects = DiskObjects::new(self.files.clone(), self.source);
        let names: Vec<String> = root.objects().cloned().collect();
        let total_bytes = names.iter().map(|name| objects.object_len(name).unwrap_or(0)).sum();
        let mut done_bytes = 0;
        for name in &names {
            let mut on_bytes = |bytes| {
                done_bytes += bytes;
                progress(Progress { doing: "segments", done_bytes, total_bytes });
            };
            match self.object(name, &mut on_bytes) {
                Ok(()) => {}
                Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Ok(Err(format!("objects/{name} is gone")));
                }
                Err(error) => return Err(error),
            }
        }
        let Some((snapshot, snapshot_batch)) = self.snapshot(&root)? else {
            return Err(BackupError::Damaged {
                file: "objects".to_owned(),
                what: "no snapshot of the data directory can be read: stop the server and run `rheos log check`"
                    .to_owned(),
            });
        };
        let above = root.flushed_upto.min(snapshot_batch);
        let root = Root { snapshots: snapshot.into_iter().collect(), ..root };
        self.log(manifest, above, snapshot_batch.max(wanted), progress)
            .map(|copied| copied.map(|(last, file)| (root, last, file)))
    }

    /// Copies an object, unless it is there already, and verifies it.
    fn object(&mut self, name: &str, on_bytes: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let path = format!("objects/{name}");
        if let Some(file) = self.copied.get(&path) {
            on_bytes(file.bytes);
            return Ok(());
        }
        let target = self.target.join(&path);
        // Names are never used twice in a log: what an earlier backup has under this name is this.
        if let Some(file) = self.earlier.get(&path)
            && self.files.open_read(&target).and_then(|copy| copy.len_bytes()).is_ok_and(|bytes| bytes == file.bytes)
        {
            on_bytes(file.bytes);
            self.reused_bytes += file.bytes;
            self.copied.insert(path, file.clone());
            return Ok(());
        }
        let source = self.source.join(&path);
        let (bytes, crc) =
            copy(&**self.files, &source, &target, on_bytes).map_err(failed(format!("copy {}", source.display())))?;
        self.copied_bytes += bytes;
        if name.ends_with(".segment") {
            self.verify(name, &target)?;
        }
        self.copied.insert(path.clone(), CopiedFile { path, bytes, crc32c: format!("{crc:08x}") });
        Ok(())
    }

    /// A copy is as good as what it was made of; what is damaged there is said.
    fn verify(&mut self, name: &str, target: &Path) -> Result<(), BackupError> {
        let objects = DiskObjects::new(self.files.clone(), self.target);
        let file = format!("objects/{name}");
        let directory = match segment::open(&objects, name).map_err(failed(format!("verify {}", target.display())))? {
            OpenedSegment::Read(directory) => directory,
            OpenedSegment::Newer { format } => {
                return Err(OpenError::newer(target.display().to_string(), format, 0).into());
            }
        };
        if directory.rebuilt {
            self.findings.push(Finding::of_directory(&file));
        }
        for run in directory.runs {
            let damages = run.readable(&objects).1.into_iter();
            self.findings.extend(damages.map(|damage| Finding::of_records(&file, run.shard, damage)));
        }
        Ok(())
    }

    /// The newest snapshot that reads well, and its last batch. `None`: there are some, and none can be read.
    fn snapshot(&mut self, root: &Root) -> Result<Option<(Option<SnapshotRef>, u64)>, BackupError> {
        let objects = DiskObjects::new(self.files.clone(), self.target);
        for snapshot in &root.snapshots {
            match load_snapshot(&objects, snapshot) {
                Ok(state) => return Ok(Some((Some(snapshot.clone()), state.batch))),
                Err(error @ OpenError::Newer { .. }) => return Err(error.into()),
                Err(error) => {
                    let file = format!("objects/{}", snapshot.name);
                    let what = format!("it cannot be read, and is not in the backup: {error}");
                    self.findings.push(Finding::of(&file, what));
                }
            }
        }
        Ok(root.snapshots.is_empty().then_some((None, 0)))
    }

    /// Copies the batches above `above`, which must have no gap and reach `wanted`, into one file.
    fn log(
        &mut self,
        manifest: &Manifest,
        above: u64,
        wanted: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Result<(Last, CopiedFile), String>, BackupError> {
        let name = self.name_batches()?;
        let path = self.target.join(&name);
        let into = failed(format!("write {}", path.display()));
        self.files.remove_if_there(&path).and_then(|()| self.files.create(&path)).map_err(into).and_then(|target| {
            let mut writing = Writing { target, buffer: Vec::new(), offset: 0, crc: 0 };
            let total_bytes = manifest.log_files.iter().map(|listed| listed.bytes).sum();
            let mut done_bytes = 0;
            let mut last = Last { number: above, time_ms: 0 };
            for listed in &manifest.log_files {
                // Of one that has been used again everything is in newer segments, if it is missed at all.
                let Some(file) = self.open_log_file(listed.id)? else { continue };
                let mut offset = FIRST_BATCH;
                while offset + ALIGN as u64 <= listed.bytes
                    && let Some((header, bytes)) = self.batch_at(&*file, listed.id, offset)?
                {
                    offset += u64::from(header.total);
                    if header.number <= last.number {
                        continue;
                    }
                    if header.number != last.number + 1 {
                        return Ok(Err(format!("batch {} is gone from the log", last.number + 1)));
                    }
                    last = Last { number: header.number, time_ms: header.time_ms };
                    writing.push(&bytes).map_err(failed(format!("write {}", path.display())))?;
                    progress(Progress { doing: "log", done_bytes: done_bytes + offset, total_bytes });
                }
                done_bytes += listed.bytes;
            }
            if last.number < wanted {
                return Ok(Err(format!("batch {} is not in the log", last.number + 1)));
            }
            let (bytes, crc) = writing.finish().map_err(failed(format!("write {}", path.display())))?;
            self.copied_bytes += bytes;
            Ok(Ok((last, CopiedFile { path: name, bytes, crc32c: format!("{crc:08x}") })))
        })
    }

    /// A name that no file of the earlier backup has.
    fn name_batches(&self) -> Result<String, BackupError> {
        let taken = self
            .earlier
            .keys()
            .filter_map(|path| u64::from_str_radix(path.strip_prefix("log/")?.strip_suffix(".batches")?, 16).ok());
        Ok(format!("log/{:016x}.batches", taken.max().unwrap_or(0) + 1))
    }

    /// Copies further files, after everything that may need them.
    fn extras(&mut self, names: &[&str]) -> Result<Vec<CopiedFile>, BackupError> {
        let mut copied = Vec::new();
        for name in names {
            // Beside the one of the earlier backup, which counts until this one does.
            let path = format!("log/{}", self.name_extra(name));
            let (source, target) = (self.source.join(name), self.target.join(&path));
            match copy(&**self.files, &source, &target, &mut |_| {}) {
                Ok((bytes, crc)) => copied.push(CopiedFile { path, bytes, crc32c: format!("{crc:08x}") }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.files.remove_if_there(&target).map_err(failed(format!("tidy {path}")))?;
                }
                Err(error) => return Err(failed(format!("copy {}", source.display()))(error)),
            }
        }
        Ok(copied)
    }

    fn name_extra(&self, name: &str) -> String {
        let is_taken = |n: &u32| self.earlier.contains_key(&format!("log/{n}.{name}"));
        let free = (1..).find(|n| !is_taken(n)).unwrap_or(1);
        format!("{free}.{name}")
    }

    fn finish(self, taken: Contents, batches: CopiedFile, extras: Vec<CopiedFile>) -> Result<Backup, BackupError> {
        let root = &taken.root;
        let named: BTreeMap<String, CopiedFile> = root
            .objects()
            .filter_map(|name| self.copied.get(&format!("objects/{name}")).cloned())
            .chain([batches])
            .chain(extras)
            .map(|file| (file.path.clone(), file))
            .collect();
        let contents = Contents { files: named.values().cloned().collect(), ..taken };
        let folders = [self.target.join("log"), self.target.join("objects")];
        for folder in &folders {
            self.files.sync_dir(folder).map_err(failed(format!("sync {}", folder.display())))?;
        }
        contents.store(&**self.files, self.target).map_err(failed(format!("write {NAME}")))?;
        // From here on the new backup counts. What only the earlier one had goes.
        for folder in ["log", "objects"] {
            let path = self.target.join(folder);
            for name in self.files.list(&path).map_err(failed(format!("list {}", path.display())))? {
                if !named.contains_key(&format!("{folder}/{name}")) {
                    self.files.remove_if_there(&path.join(&name)).map_err(failed(format!("remove {name}")))?;
                }
            }
        }
        Ok(Backup {
            last_batch: contents.last_batch,
            last_ms: contents.last_ms,
            copied_bytes: self.copied_bytes,
            reused_bytes: self.reused_bytes,
            files: named.len(),
            findings: self.findings,
        })
    }
}

/// Writes batches one after the other.
struct Writing {
    target: Arc<dyn File>,
    buffer: Vec<u8>,
    offset: u64,
    crc: u32,
}

impl Writing {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.write_at(&self.buffer, self.offset)?;
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer);
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(u64, u32)> {
        self.flush()?;
        self.target.sync_data()?;
        Ok((self.offset, self.crc))
    }
}
