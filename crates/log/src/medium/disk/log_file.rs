//! A log file: a page that names it, then batches.

use super::super::OpenError;
use super::manifest::LogFileRef;
use crate::batch::{ALIGN, FORMAT};
use crate::codec::Reader;
use crate::files::{File, Files, read_exact_at};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the first batch of a file begins.
pub(crate) const FIRST_BATCH: u64 = ALIGN as u64;
const MAGIC: u64 = u64::from_le_bytes(*b"RHEOSLOG");
const LENGTH: usize = 64;

/// The directory of the log files.
pub(crate) fn directory(data: &Path) -> PathBuf {
    data.join("log")
}

/// The path of log file `id`.
pub(crate) fn path(data: &Path, id: u64) -> PathBuf {
    directory(data).join(name(id))
}

/// The name of the log file in its directory.
pub(crate) fn name(id: u64) -> String {
    format!("{id:016x}.log")
}

/// Writes the naming page; not synced.
pub(crate) fn write_name(file: &dyn File, log_id: u128, id: u64) -> io::Result<()> {
    let mut page = Vec::with_capacity(ALIGN);
    page.extend_from_slice(&MAGIC.to_le_bytes());
    page.extend_from_slice(&FORMAT.to_le_bytes());
    page.extend_from_slice(&[0; 6]);
    page.extend_from_slice(&log_id.to_le_bytes());
    page.extend_from_slice(&id.to_le_bytes());
    page.resize(LENGTH - 4, 0);
    let crc = crc32c::crc32c(&page);
    page.extend_from_slice(&crc.to_le_bytes());
    page.resize(ALIGN, 0);
    file.write_at(&page, 0)
}

/// Opens a file that the manifest lists and checks that it is the one.
pub(crate) fn open(
    files: &dyn Files,
    data: &Path,
    log_id: u128,
    listed: &LogFileRef,
) -> Result<Arc<dyn File>, OpenError> {
    let path = path(data, listed.id);
    let name = path.display().to_string();
    let file = match files.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::Missing { file: name }),
        Err(source) => return Err(OpenError::Io { what: "cannot open", file: name, source }),
    };
    let page = match read_exact_at(&*file, 0, LENGTH) {
        Ok(page) => page,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Vec::new(),
        Err(source) => return Err(OpenError::Io { what: "cannot read", file: name, source }),
    };
    let corrupt = |what: &str| OpenError::Corrupt { file: name.clone(), offset: 0, what: what.to_owned() };
    let (format, of_log, of_file) = decode(&page).ok_or_else(|| corrupt("its first page is not one of a log file"))?;
    if format != FORMAT {
        return Err(OpenError::newer(&name, format, 0));
    }
    if of_log != log_id {
        return Err(corrupt("it belongs to another log"));
    }
    if of_file != listed.id {
        return Err(corrupt("its first page names another file"));
    }
    // The length was durable before the file was listed.
    let length =
        file.len_bytes().map_err(|source| OpenError::Io { what: "cannot measure", file: name.clone(), source })?;
    if length < listed.bytes {
        return Err(corrupt(&format!("it is {length} bytes long, and the manifest says {}", listed.bytes)));
    }
    Ok(file)
}

pub(crate) fn decode(page: &[u8]) -> Option<(u16, u128, u64)> {
    let (body, crc) = page.get(..LENGTH)?.split_at(LENGTH - 4);
    let mut reader = Reader(body);
    let magic = reader.u64()?;
    if magic != MAGIC || crc32c::crc32c(body).to_le_bytes() != crc {
        return None;
    }
    let format = reader.u16()?;
    reader.take(6)?;
    Some((format, reader.u128()?, reader.u64()?))
}
