//! `rheos backup` and `rheos restore`: a whole copy of a data directory, taken while its server runs, and back.
//!
//! # What is guaranteed
//! Every record and every change that was acknowledged before [`backup`] began is in the backup, once and in order, and so
//! is everything between them; what was acknowledged while it ran may be in it, up to one batch and none after it. A
//! restored directory is a log of its own: it has another log id, so that its files and the original's never mix.
//!
//! # Why it holds, without any help of the server
//! * Segments and snapshots are immutable and are whole once a manifest names them. The manifest is replaced at one
//!   stroke. So a copy of all that *one* manifest names is a consistent copy of everything up to its `flushed_upto`. If a
//!   file is gone when its turn comes, the server has published another manifest: the copy goes on with that one.
//! * A batch is whole or it is not: its checksums, log id, file id, offset and number are verified. It was acknowledged
//!   only after every byte of it had been written, so a reader finds it for as long as its file is not used again.
//! * A log file is used again only when a manifest that is published by then covers its batches. So a batch that cannot
//!   be found any more is in the segments of a newer manifest: the copy starts again from that one, and keeps what it has.
//! * The batches after `flushed_upto` must have no gap and must reach the last batch that stood in the log when the
//!   backup began, and the last one that a manifest covers which is read after the log was looked through for it: a file
//!   may have been used again meanwhile. That one and all before it include everything that had been acknowledged.
//! * The file `BACKUP` names every file with its length and checksum and is written last, at one stroke. Without it there
//!   is no backup. The files of an earlier backup in the same place stay until the new one counts.

mod restore;
mod take;

pub use restore::{Restored, restore};
pub use take::{Backup, backup};

use crate::engine::root::Root;
use crate::files::{Files, read_exact_at};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const FORMAT: u32 = 1;
const MAGIC: &str = "rheos-backup ";
const NAME: &str = crate::medium::disk::unfinished::BACKUP;
const MAX_BYTES: u64 = 256 << 20;
/// Bytes that are read and written at a time.
const STEP_BYTES: usize = 1 << 20;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The source is not what it should be.
    #[error(transparent)]
    Open(#[from] crate::OpenError),
    /// The operating system refused.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// What is asked for makes no sense.
    #[error("{0}")]
    Refused(String),
    /// A file of the backup is not as it was written.
    #[error("{file} of the backup is damaged: {what}")]
    Damaged {
        /// The file, below the backup's directory.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The log cannot be copied without a gap.
    #[error("{0}")]
    Gap(String),
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> BackupError {
    let what = what.into();
    move |source| BackupError::Io { what, source }
}

/// What the file `BACKUP` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// The log that was copied, in hexadecimal.
    log_id: String,
    generation: u64,
    /// When the backup began, in milliseconds since 1970.
    began_ms: u64,
    /// The last batch in it, and the time of that batch.
    last_batch: u64,
    last_ms: u64,
    root: Root,
    files: Vec<CopiedFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CopiedFile {
    /// Below the backup's directory.
    path: String,
    bytes: u64,
    crc32c: String,
}

impl Contents {
    /// Reads the file; `None` if there is none.
    fn load(files: &dyn Files, directory: &Path) -> Result<Option<Self>, BackupError> {
        let file = match files.open_read(&directory.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(format!("open {}", directory.join(NAME).display()))(error)),
        };
        let damaged = |what: &str| BackupError::Damaged { file: NAME.to_owned(), what: what.to_owned() };
        let length = file.len_bytes().map_err(failed("measure BACKUP"))?;
        if length > MAX_BYTES {
            return Err(damaged("it is far too long"));
        }
        let bytes = read_exact_at(&*file, 0, length as usize).map_err(failed("read BACKUP"))?;
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let (first, rest) = text.split_once('\n').ok_or_else(|| damaged("it has no lines"))?;
        let format = first.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin with `rheos-backup`"))?;
        if format.parse() != Ok(FORMAT) {
            let what =
                format!("{NAME} is of format {format}, which this version does not read: restore it with a newer one");
            return Err(BackupError::Refused(what));
        }
        let (body, crc) = rest.trim_end_matches('\n').rsplit_once('\n').ok_or_else(|| damaged("it is cut off"))?;
        let covered = first.len() + 1 + body.len() + 1;
        if crc != format!("crc32c {:08x}", crc32c::crc32c(&text.as_bytes()[..covered])) {
            return Err(damaged("its checksum does not match"));
        }
        let contents: Self = serde_json::from_str(body).map_err(|error| damaged(&error.to_string()))?;
        match contents.files.iter().find(|file| !is_of_a_backup(&file.path)) {
            Some(file) => Err(damaged(&format!("it names {:?}", file.path))),
            None => Ok(Some(contents)),
        }
    }

    /// Writes the file, durably and at one stroke.
    fn store(&self, files: &dyn Files, directory: &Path) -> io::Result<()> {
        let mut bytes = format!("{MAGIC}{FORMAT}\n{}\n", serde_json::to_string_pretty(self)?).into_bytes();
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(format!("crc32c {crc:08x}\n").as_bytes());
        files.replace(directory, NAME, &bytes)
    }
}

/// Whether a path leads to where a backup has its files, and none of them to where a restore writes something else.
fn is_of_a_backup(path: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\']);
    match path.split_once('/') {
        Some(("objects", name)) => is_name(name),
        Some(("log", name)) => name.split_once('.').is_some_and(|(number, extra)| {
            is_name(number)
                && is_name(extra)
                && !["MANIFEST", "UNFINISHED", "LOCK", NAME, "log", "objects"].contains(&extra)
        }),
        Some(_) | None => false,
    }
}

/// Copies a file durably: its length and its checksum. The target's name is durable once its directory is synced.
fn copy(files: &dyn Files, source: &Path, target: &Path, on_bytes: &mut dyn FnMut(u64)) -> io::Result<(u64, u32)> {
    let from = files.open_read(source)?;
    files.remove_if_there(target)?;
    let to = files.create(target)?;
    let mut buffer = vec![0; STEP_BYTES];
    let (mut offset, mut crc) = (0, 0);
    loop {
        let read = from.read_at(&mut buffer, offset)?;
        if read == 0 {
            break;
        }
        to.write_at(&buffer[..read], offset)?;
        crc = crc32c::crc32c_append(crc, &buffer[..read]);
        offset += read as u64;
        on_bytes(read as u64);
    }
    to.sync_data()?;
    Ok((offset, crc))
}

/// Entry points for fuzzing: see `crate::fuzz`.
#[cfg(feature = "fuzz")]
#[expect(clippy::expect_used, reason = "a target fails by panicking")]
pub(crate) mod fuzz {
    use super::{Contents, CopiedFile, NAME};
    use crate::engine::root::Root;
    use crate::files::sim::SimFiles;
    use std::path::Path;

    pub(crate) const MAGIC_LINE: &[u8] = b"rheos-backup 1\n";

    /// The bytes of the `BACKUP` of a backup with one file.
    pub(crate) fn contents_of(path: &str, bytes: &[u8], last_batch: u64) -> Vec<u8> {
        let crc32c = format!("{:08x}", crc32c::crc32c(bytes));
        let contents = Contents {
            log_id: "1".to_owned(),
            generation: 1,
            began_ms: 1,
            last_batch,
            last_ms: 1,
            root: Root::default(),
            files: vec![CopiedFile { path: path.to_owned(), bytes: bytes.len() as u64, crc32c }],
        };
        let files = SimFiles::new();
        contents.store(&files, Path::new("/")).expect("the disk is large");
        files.contents(&Path::new("/").join(NAME)).expect("just written")
    }
}
