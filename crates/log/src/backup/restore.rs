//! Making a data directory of a backup.

use super::{BackupError, Contents, CopiedFile, copy, failed};
use crate::batch::{BatchBuilder, HEADER, Header, HeaderAt, ParsedBatch, Place};
use crate::check::{Finding, Progress, check_locked};
use crate::engine::root::{Root, SnapshotRef};
use crate::files::{File, Files, read_exact_at};
use crate::medium::disk::log_file::{self, FIRST_BATCH};
use crate::medium::disk::manifest::{LogFileRef, Manifest};
use crate::medium::disk::{self, unfinished};
use bytes::Bytes;
use rheos_types::Random;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A log file of a restored directory is closed beyond this, unless a single batch is larger.
const LOG_FILE_BYTES: u64 = 64 << 20;
/// The last log file has room for the first batches to come.
const ROOM_BYTES: u64 = 1 << 20;
/// The batch that says that everything before it is durable.
const CLOSING_BYTES: u64 = 4096;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup began, in milliseconds since 1970.
    pub began_ms: u64,
    /// The last batch, and its time.
    pub last_batch: u64,
    /// The time of that batch.
    pub last_ms: u64,
    /// Bytes that were read and verified.
    pub bytes: u64,
    /// Records that can be read.
    pub records: u64,
    /// Shards.
    pub shards: usize,
    /// Further files, such as keys, by name.
    pub extras: Vec<String>,
    /// What was damaged before the backup was taken, and still is.
    pub findings: Vec<crate::Finding>,
}

/// Makes the data directory `target`, which must be absent or empty, of the backup in `source`.
///
/// On `Ok` every byte has been verified, and the directory has been read from end to end as a start would. The log has an
/// id of its own.
///
/// # Errors
/// [`BackupError`]. What there is of the target then says that it is unfinished, and is not opened; restoring into it again
/// begins from the start.
pub fn restore(
    files: &Arc<dyn Files>,
    source: &Path,
    target: &Path,
    random: &dyn Random,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, BackupError> {
    let contents = Contents::load(&**files, source)?.ok_or_else(|| {
        BackupError::Refused(format!("{} holds no finished backup: there is no file {}", source.display(), super::NAME))
    })?;
    let begun = begin(&**files, target)?;
    let _lock = disk::lock(&**files, target)?;
    if begun {
        clear(&**files, target).map_err(failed(format!("clear {}", target.display())))?;
    }
    for folder in ["log", "objects"] {
        files.create_dir(&target.join(folder)).map_err(failed(format!("create {folder}")))?;
    }
    let log_id = u128::from_le_bytes(rheos_types::random::bytes(random));
    let generation = contents.generation.saturating_add(1);
    let total_bytes = contents.files.iter().map(|file| file.bytes).sum();
    let mut done_bytes = 0;
    let mut extras = Vec::new();
    let mut log = Restoring { files: &**files, target, log_id, generation, done: Vec::new(), open: None, last: None };
    for file in &contents.files {
        let mut on_bytes = |bytes| {
            done_bytes += bytes;
            progress(Progress { doing: "backup", done_bytes, total_bytes });
        };
        let path = source.join(&file.path);
        if file.path.ends_with(".batches") {
            log.batches(&path, file, &mut on_bytes)?;
            continue;
        }
        let name = match file.path.strip_prefix("log/").and_then(|name| name.split_once('.')) {
            Some((_, extra)) => {
                extras.push(extra.to_owned());
                extra.to_owned()
            }
            None => file.path.clone(),
        };
        let (bytes, crc) =
            copy(&**files, &path, &target.join(&name), &mut on_bytes).map_err(|error| missing_or(error, &file.path))?;
        verify(file, bytes, crc)?;
    }
    let last = log.finish(&contents)?;
    for folder in ["log", "objects"] {
        files.sync_dir(&target.join(folder)).map_err(failed(format!("sync {folder}")))?;
    }
    let root = with_two_snapshots(&**files, target, contents.root.clone()).map_err(failed("write a snapshot"))?;
    let root = Some(root.encode().map_err(|error| failed("write MANIFEST")(error.into()))?.into());
    let next_file_id = last.iter().map(|listed| listed.id).max().unwrap_or(0) + 1;
    let manifest = Manifest { log_id, generation, next_file_id, log_files: last, root };
    manifest.store(&**files, target).map_err(failed("write MANIFEST"))?;
    let report = check_locked(files, target, progress)?;
    // A damaged segment was damaged before; anything else cannot be.
    let was_before = |finding: &&Finding| finding.file.ends_with(".segment") || finding.file == "the shards";
    if let Some(finding) = report.findings.iter().find(|finding| !was_before(finding)) {
        return Err(BackupError::Damaged { file: finding.file.clone(), what: finding.what.clone() });
    }
    unfinished::end(&**files, target).map_err(failed("remove UNFINISHED"))?;
    Ok(Restored {
        began_ms: contents.began_ms,
        last_batch: contents.last_batch,
        last_ms: contents.last_ms,
        bytes: total_bytes,
        records: report.records,
        shards: report.shards,
        extras,
        findings: report.findings,
    })
}

/// A backup has one snapshot, and a log has two, in case one of them rots.
fn with_two_snapshots(files: &dyn Files, target: &Path, mut root: Root) -> io::Result<Root> {
    if let [only] = &root.snapshots[..] {
        let only = only.clone();
        let name = root.name_object("snapshot");
        let objects = target.join("objects");
        copy(files, &objects.join(&only.name), &objects.join(&name), &mut |_| {})?;
        files.sync_dir(&objects)?;
        root.snapshots.push(SnapshotRef { name, batch: only.batch });
    }
    Ok(root)
}

/// Says that a restore has begun in `target`: whether one had before.
fn begin(files: &dyn Files, target: &Path) -> Result<bool, BackupError> {
    files.create_dir(target).map_err(failed(format!("create {}", target.display())))?;
    let begun = unfinished::read(files, target)?;
    let names = files.list(target).map_err(failed(format!("list {}", target.display())))?;
    if begun.is_some_and(|what| what.starts_with(unfinished::RESTORE)) {
        return Ok(true);
    }
    // What a restore may leave that was cut off before it said so.
    if names.iter().any(|name| !["UNFINISHED.new", "LOCK"].contains(&name.as_str())) {
        let what = format!("{} is not empty: restore into a new directory", target.display());
        return Err(BackupError::Refused(what));
    }
    unfinished::begin(files, target, unfinished::RESTORE).map_err(failed("write UNFINISHED"))?;
    Ok(false)
}

/// Removes what an interrupted restore left.
fn clear(files: &dyn Files, target: &Path) -> io::Result<()> {
    for folder in ["", "log", "objects"] {
        let path = target.join(folder);
        let names = match files.list(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            names => names?,
        };
        for name in names {
            if ["UNFINISHED", "LOCK", "log", "objects"].contains(&name.as_str()) {
                continue;
            }
            files.remove_if_there(&path.join(name))?;
        }
    }
    Ok(())
}

fn missing_or(error: io::Error, file: &str) -> BackupError {
    match error.kind() {
        io::ErrorKind::NotFound => BackupError::Damaged { file: file.to_owned(), what: "it is missing".to_owned() },
        _ => failed(format!("copy {file}"))(error),
    }
}

fn verify(file: &CopiedFile, bytes: u64, crc: u32) -> Result<(), BackupError> {
    let damaged = |what: String| Err(BackupError::Damaged { file: file.path.clone(), what });
    if bytes != file.bytes {
        return damaged(format!("it is {bytes} bytes long, and was {}", file.bytes));
    }
    if format!("{crc:08x}") != file.crc32c {
        return damaged("its checksum does not match".to_owned());
    }
    Ok(())
}

/// Writes log files.
struct Restoring<'a> {
    files: &'a dyn Files,
    target: &'a Path,
    log_id: u128,
    generation: u64,
    done: Vec<LogFileRef>,
    /// The file that is being written, and where the next batch goes.
    open: Option<(Arc<dyn File>, u64, u64)>,
    last: Option<(u64, u64)>,
}

impl Restoring<'_> {
    /// Takes over the batches of a file, each under its new place.
    fn batches(&mut self, path: &Path, file: &CopiedFile, on_bytes: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let damaged = |what: String| BackupError::Damaged { file: file.path.clone(), what };
        let source = self.files.open_read(path).map_err(|error| missing_or(error, &file.path))?;
        let length = source.len_bytes().map_err(failed(format!("measure {}", file.path)))?;
        let (mut offset, mut crc) = (0, 0);
        while offset < length {
            let read = |offset, length| match read_exact_at(&*source, offset, length) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(damaged(format!("it ends within the batch at offset {offset}")))
                }
                read => read.map_err(failed(format!("read {}", file.path))),
            };
            let head = read(offset, HEADER)?;
            let HeaderAt::Valid(header) = Header::decode(&head) else {
                return Err(damaged(format!("no batch at offset {offset}")));
            };
            if u64::from(header.total) > length - offset {
                return Err(damaged(format!("it ends within the batch at offset {offset}")));
            }
            let bytes = Bytes::from(read(offset, header.total as usize)?);
            crc = crc32c::crc32c_append(crc, &bytes);
            let batch = ParsedBatch::parse(header, bytes)
                .ok_or_else(|| damaged(format!("the batch at offset {offset} is not as it was written")))?;
            self.push(&batch)?;
            offset += u64::from(header.total);
            on_bytes(u64::from(header.total));
        }
        verify(file, length, crc)
    }

    fn push(&mut self, batch: &ParsedBatch) -> Result<(), BackupError> {
        let length = u64::from(batch.header.total);
        self.last = Some((batch.header.number, batch.header.time_ms));
        let place = self.place(length).map_err(failed("write the log"))?;
        self.write(&batch.bytes_at(place)).map_err(failed("write the log"))
    }

    /// Where a batch of `length` bytes goes.
    fn place(&mut self, length: u64) -> io::Result<Place> {
        if self.open.as_ref().is_some_and(|(_, _, offset)| offset + length > LOG_FILE_BYTES) {
            self.close(0)?;
        }
        let (_, id, offset) = match &self.open {
            Some(open) => open,
            None => {
                let id = self.done.len() as u64 + 1;
                let path = log_file::path(self.target, id);
                let file = self.files.create(&path)?;
                log_file::write_name(&*file, self.log_id, id)?;
                self.open.insert((file, id, FIRST_BATCH))
            }
        };
        Ok(Place { log_id: self.log_id, generation: self.generation, file_id: *id, offset: *offset })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((file, _, offset)) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_at(bytes, *offset)?;
        *offset += bytes.len() as u64;
        Ok(())
    }

    fn close(&mut self, room: u64) -> io::Result<()> {
        if let Some((file, id, offset)) = self.open.take() {
            let bytes = offset + room;
            file.allocate(bytes)?;
            file.sync_data()?;
            self.done.push(LogFileRef { id, bytes });
        }
        Ok(())
    }

    /// Adds the closing batch: the log files, in order.
    fn finish(mut self, contents: &Contents) -> Result<Vec<LogFileRef>, BackupError> {
        let (number, time_ms) = self.last.unwrap_or((contents.last_batch, contents.last_ms));
        if number != contents.last_batch {
            let what = format!("the log ends with batch {number}, and should with {}", contents.last_batch);
            return Err(BackupError::Damaged { file: "log".to_owned(), what });
        }
        let write = |log: &mut Self| -> io::Result<()> {
            let place = log.place(CLOSING_BYTES)?;
            let mut closing = BatchBuilder::default().finish(number + 1, number, time_ms);
            let bytes = closing.seal(place).to_vec();
            log.write(&bytes)?;
            log.close(ROOM_BYTES)
        };
        write(&mut self).map_err(failed("write the log"))?;
        Ok(self.done)
    }
}
